//! The program under test: a process of its own, in a process group of its own, that never outlives its check.

use crate::console::{self, Console, Keyboard};
use crate::failure::{Failure, Outcome};
use crate::output::{Flow, Output};
use crate::patience::{RunQueue, Wait};
use netkata::sys::identity::Identity;
use netkata::tap::{Conversation, From, Journal, Kind, Transport};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a subject may take to start and say where it listens. Interpreters take a while on a busy machine.
const START: Duration = Duration::from_secs(10);
/// How long the output of a program that has ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a subject is started; the arguments of the check are appended.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program's name, for messages.
    pub name: String,
    /// The file to run, and leading arguments.
    pub command: Vec<String>,
    /// Somebody else than the grader, whose process it shall be.
    pub identity: Option<Identity>,
}

impl Launch {
    /// A program that cargo has built.
    pub fn binary(name: &str, path: PathBuf) -> Self {
        Self { name: name.into(), command: vec![path.to_string_lossy().into_owned()], identity: None }
    }

    /// A command line, split as a shell would: `python3 "my echo.py"`.
    pub fn command(name: &str, line: &str) -> Result<Self, String> {
        let command = shell_words::split(line).map_err(|e| format!("SUBJECT={line:?}: {e}"))?;
        if command.is_empty() {
            Err("SUBJECT is empty".into())
        } else {
            Ok(Self { name: name.into(), command, identity: None })
        }
    }
}

/// A running subject.
pub struct Subject {
    child: Child,
    keyboard: Keyboard,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    readers: Vec<JoinHandle<()>>,
    journal: Journal,
    conversation: Option<usize>,
    status: Option<ExitStatus>,
}

impl Subject {
    /// Starts the program with pipes. When they are `shown`, its standard input and output are a conversation in the
    /// journal; a server says nothing there but where it listens.
    pub fn start(launch: &Launch, arguments: &[impl AsRef<OsStr>], journal: &Journal, shown: bool) -> Outcome<Self> {
        Self::start_at(Console { shown, ..Console::default() }, launch, arguments, journal)
    }

    /// As [`Subject::start`], at any console.
    pub fn start_at(
        console: Console,
        launch: &Launch,
        arguments: &[impl AsRef<OsStr>],
        journal: &Journal,
    ) -> Outcome<Self> {
        let mut words: Vec<OsString> = launch.command.iter().map(Into::into).collect();
        words.extend(arguments.iter().map(Into::into));
        let failed = |e: io::Error| Failure::new(format!("{} to start", launch.command[0]), e.to_string());
        let prepare = |command: &mut Command| {
            command.env("RUST_BACKTRACE", "0").env_remove("SEED").env_remove("SUBJECT");
        };
        let spawn = || console::spawn(&words, console.kind, prepare);
        // A process begins with the credentials of the thread that started it (credentials(7)).
        let started = launch.identity.as_ref().map_or_else(|| Ok(spawn()), |who| who.run(spawn));
        let (child, ends) = started.flatten().map_err(failed)?;
        let conversation = console.shown.then(|| {
            journal.open(Conversation {
                transport: Transport::Stdio,
                client: None,
                server: None,
                client_name: "terminal".into(),
                server_name: launch.name.clone(),
            })
        });
        let shown = conversation.map(|c| (journal.clone(), c));
        let (stdout, out) = Output::collect(ends.stdout, console.flow, shown).map_err(failed)?;
        let (stderr, err) = Output::collect(ends.stderr, Flow::Read, None).map_err(failed)?;
        let (keyboard, readers) = (ends.keyboard, vec![out, err]);
        Ok(Self { child, keyboard, stdout, stderr, readers, journal: journal.clone(), conversation, status: None })
    }

    /// Reads lines until one says `listening on SCHEME://ADDRESS`, and returns the address: `127.0.0.1:40123`, the path of
    /// a socket file, or `@name` for `listening on unix:@name` (and `unixgram:`, `unixpacket:`).
    pub fn announced(&self) -> Outcome<String> {
        let mut wait = self.patience(START);
        loop {
            match self.stdout.line_within(&mut wait) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix("listening on ").and_then(address_in) {
                        return Ok(address.into());
                    }
                }
                Err((so_far, ended)) => return Err(self.silent_start(&so_far, ended)),
            }
        }
    }

    fn silent_start(&self, so_far: &str, ended: bool) -> Failure {
        if ended {
            self.stderr.wait_for_end(LAST_WORDS);
        }
        let said = self.stderr.all();
        let said = said.lines().last().unwrap_or(so_far);
        let state = if ended { "the program ended" } else { "nothing in 10 s" };
        Failure::new(
            "the line `listening on SCHEME://ADDRESS` on standard output, flushed",
            if said.is_empty() { state.into() } else { format!("{state}; it said: {said}") },
        )
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) -> Outcome {
        self.type_octets(format!("{line}\n").as_bytes())
    }

    /// Writes these octets to its standard input, as another program in a pipeline may.
    pub fn type_octets(&mut self, octets: &[u8]) -> Outcome {
        if let Some(conversation) = self.conversation {
            self.journal.data(conversation, From::Client, octets);
        }
        let typed = self.keyboard.write(octets);
        typed.map_err(|e| Failure::new("the program to read its standard input", e.to_string()))
    }

    /// Presses a key that is no text.
    pub fn press(&mut self, octet: u8) -> Outcome {
        let typed = self.keyboard.write(&[octet]);
        typed.map_err(|e| Failure::new("the program to be at its terminal", e.to_string()))
    }

    /// Ends its standard input (Ctrl-D at a terminal).
    pub fn end_input(&mut self) {
        if let (true, Some(conversation)) = (self.keyboard.end(), self.conversation) {
            self.journal.event(conversation, Kind::Close(From::Client));
        }
    }

    /// Sends a signal to the process, as `kill` does, once its first thread has nothing to do: a signal that comes while
    /// a program is still starting proves little.
    pub fn signal(&mut self, signal: Signal) -> Outcome {
        let until = Instant::now() + Duration::from_millis(500);
        while self.is_busy() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.journal.note(format!("{signal} sent"));
        nix::sys::signal::kill(self.pid(), signal)
            .map_err(|e| Failure::new(format!("the program to be there for {signal}"), e.to_string()))
    }

    /// Stops the process and everything it started (SIGSTOP), and waits until it stands.
    pub fn hold(&self) -> Outcome {
        self.control(Signal::SIGSTOP)?;
        let until = Instant::now() + Duration::from_secs(2);
        // Without /proc nobody can tell; the signal is on its way all the same.
        while self.state().is_some_and(|state| state != 'T') && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets it go on (SIGCONT).
    pub fn release(&self) -> Outcome {
        self.control(Signal::SIGCONT)
    }

    fn control(&self, signal: Signal) -> Outcome {
        killpg(self.pid(), signal)
            .map_err(|e| Failure::new(format!("the program to be there for {signal}"), e.to_string()))
    }

    /// Waits for the process to end.
    pub fn exit(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let mut wait = self.patience(limit);
        loop {
            if let Some(status) = self.poll()? {
                // What it said last may still be in the pipes.
                self.stdout.set_flow(Flow::Read);
                self.stdout.wait_for_end(LAST_WORDS);
                self.stderr.wait_for_end(LAST_WORDS);
                self.journal.note(describe(status));
                return Ok(status);
            }
            if wait.until().is_none() {
                return Err(Failure::new(
                    format!("the program to end within {}", netkata::human::duration(limit)),
                    "it still runs",
                ));
            }
            // waitpid(2) has no deadline. The end is seen within a millisecond of its happening.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The exit status, if the process has ended.
    pub fn poll(&mut self) -> Outcome<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait().map_err(|e| Failure::new("the program's status", e.to_string()))?;
        }
        Ok(self.status)
    }

    fn patience(&self, limit: Duration) -> Wait {
        Wait::new(limit, &RunQueue::of(self.pid()))
    }

    /// The process ID, for /proc and signals.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Whether the first thread runs. Not known without /proc: then no.
    fn is_busy(&self) -> bool {
        self.state() == Some('R')
    }

    /// Waits until no thread has run for a while. `false` when that did not happen within `limit`. Where there is no /proc,
    /// that while must do.
    pub fn wait_until_still(&self, limit: Duration) -> bool {
        const STILL: Duration = Duration::from_millis(50);
        let until = Instant::now() + limit;
        let mut since = Instant::now();
        while since.elapsed() < STILL {
            if Instant::now() >= until {
                return false;
            }
            if self.has_a_thread_that_runs() {
                since = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn has_a_thread_that_runs(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        threads.into_iter().any(|thread| state_in(&thread.path().join("stat")) == Some('R'))
    }

    /// The first thread's state.
    fn state(&self) -> Option<char> {
        state_in(format!("/proc/{}/stat", self.pid()).as_ref())
    }

    /// Memory in use, in octets (proc(5), VmRSS in /proc/PID/status). `None` where there is no /proc.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
    }

    /// Open descriptors (proc(5), /proc/PID/fd). `None` where there is no /proc.
    pub fn descriptors(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.pid())).ok()?.count())
    }

    /// User and system time so far (proc(5), /proc/PID/stat fields 14 and 15).
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The second field is the name in parentheses, which may hold spaces.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        // USER_HZ is 100 on every Linux that a learner meets.
        Duration::from_millis(ticks * 10)
    }

    /// Ends the process and everything it started, and returns what it wrote to standard error.
    pub fn end(&mut self) -> String {
        let _ = killpg(self.pid(), Signal::SIGKILL);
        // At a terminal, a program that has only just been started may not lead its group yet.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it said before is read even if nobody wanted to.
        self.stdout.set_flow(Flow::Read);
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        self.stderr.all()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address of a URL. An abstract name has no `//` in front.
fn address_in(url: &str) -> Option<&str> {
    let url = url.trim();
    let abstract_name = || ["unix:", "unixgram:", "unixpacket:"].iter().find_map(|scheme| url.strip_prefix(scheme));
    url.split_once("://").map(|(_, address)| address).or_else(abstract_name)
}

/// A thread's state, as in ps(1): R runs, S sleeps, T is stopped (proc(5), the third field of `stat`).
fn state_in(stat: &std::path::Path) -> Option<char> {
    let stat = std::fs::read_to_string(stat).ok()?;
    // The name before it stands in parentheses, and may hold any character.
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// `exit status 1`, `killed by SIGTERM`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|s| Signal::try_from(s).ok())) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("killed by {signal}"),
        _ => status.to_string(),
    }
}
