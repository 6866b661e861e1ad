//! What a subject's standard input, output and error are: pipes, or a terminal.
//!
//! A terminal is a pair of pseudo-terminals (pty(7)): one for input and output, one for standard error, so that a check can
//! tell them apart as it does with pipes. They do not echo: what is typed is not output.

use crate::output::Flow;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// What writing to a full pipe that nobody reads may take.
const STUCK: Duration = Duration::from_secs(10);
/// So much fits into a pipe that poll(2) calls writable (PIPE_BUF, pipe(7)).
const PIECE: usize = 4096;
/// Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

/// How the standard streams are attached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console {
    /// What is typed and printed is a conversation in the journal.
    pub shown: bool,
    /// Pipes or a terminal.
    pub kind: Kind,
    /// Whether anybody reads standard output.
    pub flow: Flow,
}

/// Pipes or a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Three pipes, as in a script.
    #[default]
    Pipes,
    /// A terminal of 80 columns and 24 lines.
    Terminal,
    /// A terminal, and standard output into a pipe: `program | less`.
    TerminalAndPipe,
}

/// Our ends of the streams.
pub struct Ends {
    /// Where we type.
    pub keyboard: Keyboard,
    /// What it prints.
    pub stdout: Source,
    /// What it complains of.
    pub stderr: Source,
}

/// Our end of a standard input.
pub enum Keyboard {
    /// Dropping it is the end of the input.
    Pipe(ChildStdin),
    /// Ctrl-D is the end of the input.
    Terminal(File),
    /// The input has ended.
    Ended,
}

/// Our end of an output stream.
pub enum Source {
    /// Standard output into a pipe.
    Stdout(ChildStdout),
    /// Standard error into a pipe.
    Stderr(ChildStderr),
    /// The other side of a terminal.
    Terminal(File),
}

/// Held to write while no program may be started: openpty(3) cannot mark its descriptors close-on-exec, and what is marked
/// is still open in a program between fork(2) and exec(2).
static NOBODY_STARTS: RwLock<()> = RwLock::new(());

/// Starts a program at this console, in a process group of its own.
pub fn spawn(words: &[OsString], kind: Kind, prepare: impl Fn(&mut Command)) -> io::Result<(Child, Ends)> {
    if kind == Kind::Pipes {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = start(&mut command)?;
        let keyboard = child.stdin.take().map(Keyboard::Pipe).ok_or_else(no_pipe)?;
        let stdout = child.stdout.take().map(Source::Stdout).ok_or_else(no_pipe)?;
        let stderr = child.stderr.take().map(Source::Stderr).ok_or_else(no_pipe)?;
        return Ok((child, Ends { keyboard, stdout, stderr }));
    }
    let (main, error) = (Pair::open()?, Pair::open()?);
    let mut command = in_a_session(words);
    command.stdin(main.program.try_clone()?).stderr(error.program);
    match kind {
        Kind::TerminalAndPipe => command.stdout(Stdio::piped()),
        _ => command.stdout(main.program),
    };
    prepare(&mut command);
    let mut child = start(&mut command)?;
    let keyboard = Keyboard::Terminal(File::from(main.ours.try_clone()?));
    let stdout = child.stdout.take().map_or_else(|| Source::Terminal(main.ours.into()), Source::Stdout);
    Ok((child, Ends { keyboard, stdout, stderr: Source::Terminal(error.ours.into()) }))
}

fn start(command: &mut Command) -> io::Result<Child> {
    let _others_may = NOBODY_STARTS.read().unwrap_or_else(PoisonError::into_inner);
    let (mut gone, marked) = io::pipe()?;
    let child = command.spawn()?;
    // The kernel lets us go on a moment before it closes what is marked close-on-exec in the child, this end included.
    drop(marked);
    gone.read_to_end(&mut Vec::new())?;
    Ok(child)
}

/// Closes our end for good. A program that is being started has a copy of it until its exec(2), and a pipe is broken only
/// when the last reader has gone.
pub fn close<T>(end: T) {
    let _nobody = NOBODY_STARTS.write().unwrap_or_else(PoisonError::into_inner);
    drop(end);
}

fn no_pipe() -> io::Error {
    io::Error::other("no pipe to the program")
}

/// Ctrl-C is for the session that has the terminal (credentials(7)). setsid(1) makes one and takes the terminal; where it
/// is missing, the program is at a terminal all the same, but Ctrl-C means nothing there.
fn in_a_session(words: &[OsString]) -> Command {
    let mut command;
    if has_sessions() {
        command = Command::new("setsid");
        command.arg("--ctty").args(words);
    } else {
        command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0);
    }
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

/// Whether a key can be a signal at the terminals made here.
pub fn has_sessions() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(OsStr::new("setsid")).is_file())
}

/// A pseudo-terminal.
struct Pair {
    ours: OwnedFd,
    program: OwnedFd,
}

impl Pair {
    fn open() -> io::Result<Self> {
        let _nobody = NOBODY_STARTS.write().unwrap_or_else(PoisonError::into_inner);
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None)?;
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let mut modes = tcgetattr(&pair.slave)?;
        modes.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &modes)?;
        Ok(Self { ours: pair.master, program: pair.slave })
    }
}

impl Keyboard {
    /// Types these octets. A program that reads nothing for ten seconds is an error.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        for piece in octets.chunks(PIECE) {
            self.wait_for_room()?;
            match self {
                Keyboard::Pipe(pipe) => pipe.write_all(piece)?,
                Keyboard::Terminal(file) => file.write_all(piece)?,
                Keyboard::Ended => return Err(io::Error::other("it is closed")),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self) -> io::Result<()> {
        let fd = match self {
            Keyboard::Pipe(pipe) => pipe.as_fd(),
            Keyboard::Terminal(file) => file.as_fd(),
            Keyboard::Ended => return Ok(()),
        };
        let timeout = PollTimeout::try_from(STUCK).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], timeout)? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "it stopped reading for 10 s")),
            _ => Ok(()),
        }
    }

    /// Ends the input; says whether it was open.
    pub fn end(&mut self) -> bool {
        let ended = std::mem::replace(self, Keyboard::Ended);
        if let Keyboard::Terminal(mut file) = ended {
            // At the start of a line, that is the end of a file for the reader (termios(3), VEOF). The terminal stays.
            let _ = file.write_all(&[END_OF_TRANSMISSION]);
            *self = Keyboard::Terminal(file);
            return true;
        }
        !matches!(ended, Keyboard::Ended)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Stdout(pipe) => pipe.read(buffer),
            Source::Stderr(pipe) => pipe.read(buffer),
            Source::Terminal(file) => file.read(buffer),
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Stdout(pipe) => pipe.as_fd(),
            Source::Stderr(pipe) => pipe.as_fd(),
            Source::Terminal(file) => file.as_fd(),
        }
    }
}
