//! One program in a terminal: what is typed to it, and what it showed.
//!
//! Its standard input is a terminal, so that a program that prompts people prompts here as well; the terminal shows
//! nothing by itself. Output and errors share one pipe, as they share a screen: what was written first comes first.

use super::script::Exit;
use netkata::human;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::openpty;
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A program that says more than this is not one for a lesson.
const LIMIT: usize = 1 << 20;

/// A started program. Dropped, it is killed together with everything it started.
#[derive(Debug)]
pub struct Program {
    group: Pid,
    keyboard: File,
    shared: Arc<Shared>,
    /// How much of the output has been looked at and let through.
    seen: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    output: Vec<u8>,
    /// Nobody holds the other end of the output any more.
    closed: bool,
    status: Option<ExitStatus>,
}

impl Program {
    /// Starts a command in a group of its own.
    pub fn start(command: &str, plain: bool, folder: &Path) -> Result<Self, String> {
        let fail = |e: io::Error| format!("cannot start {command}: {e}");
        let (mut output, writer) = io::pipe().map_err(fail)?;
        let (keyboard, stdin) = keyboard().map_err(|e| fail(e.into()))?;
        let line = if plain { format!("exec {command}") } else { command.to_string() };
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .current_dir(folder)
            .envs([
                ("NO_COLOR", "1"),
                ("LC_ALL", "C.UTF-8"),
                ("TZ", "UTC"),
                ("PYTHONUNBUFFERED", "1"),
                ("COLUMNS", "120"),
            ])
            .stdin(stdin)
            .stdout(writer.try_clone().map_err(fail)?)
            .stderr(writer)
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let shared = Arc::new(Shared::default());
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(|e| e.to_string())?);
        let reader = shared.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                let mut state = reader.lock();
                let room = LIMIT.saturating_sub(state.output.len());
                state.output.extend_from_slice(&chunk[..n.min(room)]);
                reader.changed.notify_all();
            }
            reader.lock().closed = true;
            reader.changed.notify_all();
        });
        let reaper = shared.clone();
        thread::spawn(move || {
            let status = child.wait().ok();
            reaper.lock().status = status;
            reaper.changed.notify_all();
        });
        Ok(Self { group, keyboard, shared, seen: 0 })
    }

    /// Waits for a whole line that `wanted` likes, and lets everything up to its end through. Returns that and the line.
    pub fn wait_line(&mut self, deadline: Instant, wanted: impl Fn(&str) -> bool) -> Result<(String, String), String> {
        let seen = self.seen;
        let (end, line) = self.wait(deadline, |state| {
            let mut at = seen;
            for line in state.output[seen..].split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n")) {
                at += line.len();
                let line = String::from_utf8_lossy(&line[..line.len() - 1]);
                if wanted(line.trim_end()) {
                    return Some((at, line.trim_end().to_string()));
                }
            }
            None
        })?;
        Ok((self.let_through(end), line))
    }

    /// Waits until the output ends with this prompt, alone on its line.
    pub fn wait_prompt(&mut self, deadline: Instant, prompt: &str) -> Result<String, String> {
        let seen = self.seen;
        let end = self.wait(deadline, |state| {
            let last = state.output[seen..].rsplit(|b| *b == b'\n').next().unwrap_or_default();
            (String::from_utf8_lossy(last).trim_end() == prompt).then_some(state.output.len())
        })?;
        Ok(self.let_through(end))
    }

    /// Waits for the end of the program and of its output; returns what it had still to say.
    pub fn wait_exit(&mut self, deadline: Instant, expected: Exit) -> Result<String, String> {
        // A program that still reads would wait for ever. Whoever wanted to end it this way writes `eof`.
        let status = self.wait_for(deadline, |state| state.status.filter(|_| state.closed))?;
        let found = match (status.code(), status.signal().map(Signal::try_from)) {
            (Some(code), _) => Some(Exit::Code(code)),
            (None, Some(Ok(signal))) => Some(Exit::Signal(signal)),
            _ => None,
        };
        if found != Some(expected) {
            return Err(format!("ended with {status}"));
        }
        let end = self.shared.lock().output.len();
        if end == LIMIT {
            return Err(format!("more than {LIMIT} octets of output"));
        }
        Ok(self.let_through(end))
    }

    /// Types a line. It is shorter than the queue of a terminal is long (4095 octets), so this does not block.
    pub fn type_line(&mut self, text: &str) -> Result<(), String> {
        self.keyboard.write_all(format!("{text}\n").as_bytes()).map_err(|e| format!("cannot type: {e}"))
    }

    /// Types Ctrl-D.
    pub fn end_input(&mut self) -> Result<(), String> {
        self.keyboard.write_all(b"\x04").map_err(|e| format!("cannot type: {e}"))
    }

    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        killpg(self.group, signal).map_err(|e| format!("cannot send {signal}: {e}"))
    }

    /// What came and was not waited for, for a message.
    pub fn tail(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().output[self.seen..]).into_owned()
    }

    fn let_through(&mut self, end: usize) -> String {
        let state = self.shared.lock();
        let text = String::from_utf8_lossy(&state.output[self.seen..end]).into_owned();
        self.seen = end;
        text
    }

    /// As [`Self::wait_for`], but no longer than there is output to come.
    fn wait<T>(&self, deadline: Instant, find: impl Fn(&State) -> Option<T>) -> Result<T, String> {
        let found = self.wait_for(deadline, |state| match find(state) {
            Some(found) => Some(Some(found)),
            None => (state.closed || state.output.len() == LIMIT).then_some(None),
        })?;
        found.ok_or_else(|| "it did not come, and nothing more will: the program has ended".to_string())
    }

    fn wait_for<T>(&self, deadline: Instant, find: impl Fn(&State) -> Option<T>) -> Result<T, String> {
        let patience = human::round_to(deadline.saturating_duration_since(Instant::now()), Duration::from_millis(100));
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state) {
                return Ok(found);
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Err(format!("not within {}", human::duration(patience)));
            };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A terminal that hands over lines and understands Ctrl-D, and whose screen stays dark.
fn keyboard() -> nix::Result<(File, OwnedFd)> {
    let pair = openpty(None, None)?;
    let mut settings = tcgetattr(&pair.slave)?;
    settings.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    // Programs started for other sessions meanwhile must not hold it open.
    fcntl(&pair.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&pair.slave, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok((pair.master.into(), pair.slave))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let state = self.shared.lock();
        // Once it has ended and nobody holds its output, the number may belong to someone else.
        if state.status.is_none() || !state.closed {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}
