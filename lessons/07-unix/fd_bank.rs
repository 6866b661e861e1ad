//! A bank of open descriptors: what a program leaves here stays open when the program ends, and its successor goes on with it.
//!
//! A restarted server finds its log where it was, and its connections do not notice. The client speaks first, in commands: a
//! line each, of 64 octets at the most, its LF included. Each is answered by a line, in order. A NAME has 1 to 32 letters,
//! digits, dots, hyphens or underscores (ASCII).
//!
//! | command | answer |
//! |---|---|
//! | `keep NAME`, and one descriptor with it | `kept NAME` |
//! | `give NAME` | `here NAME`, and the descriptor with it: the bank has it no more |
//! | `list` | `list`, and the names that are kept, in the order of their octets, a space in front of each |
//!
//! Everything else is answered by `error`, a space and a text, and changes nothing: a name that is taken, or that nobody has
//! left, no descriptor or more than one, an unknown command, a vault that is full. The connection goes on; behind a line that is
//! too long it ends. Each user has a vault for `--most` descriptors. The kernel says who a client is, and nobody hears of
//! another's.
//!
//! A descriptor belongs to the command with whose octets it was sent, whatever a read would make of that: a stream has no
//! messages. One that no `keep` takes is closed at once, and so are all that come with a `keep` that fails; of those that came
//! with a command which is not whole yet, two are open at the most. What could not be sent to who asked for it stays here. A
//! client may take `--idle` for a command.
//!
//! - Graded: all of that, and what is open; that nobody who sends nonsense harms anybody else.
//! - Not graded: the text of an error (but there is one), the log. May be hard-coded: the lengths.
//!
//! ```text
//! cargo run -p lessons --bin fd_bank harbour.sock
//! python3 -c 'import socket as s; c = s.socket(s.AF_UNIX); c.connect("harbour.sock"); s.send_fds(c, [b"keep log\n"], [1]); print(c.recv(64))'
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::deadline::DeadlineStream;
use netkata::error::{Attempt, Result, cause_text};
use netkata::unix::options::AccessOptions;
use netkata::unix::pass;
use netkata::unix::{Kind, Name, credentials, stream};
use netkata::{exit, human, listen};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of a line, its LF included.
const LONGEST_LINE: usize = 64;
/// Octets of a name.
const LONGEST_NAME: usize = 32;
/// How long, and how many octets, to listen to a client that the server has closed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 1 << 20;

/// Keeps open descriptors for other programs, and gives them back.
#[derive(Parser)]
#[command(after_help = "Example:\n  fd_bank /run/harbour.sock --most 100")]
struct Args {
    /// Where to listen: a path, or @name for Linux's abstract names
    #[arg(default_value_t = Name::in_temp("fd_bank.sock"))]
    name: Name,
    #[command(flatten)]
    access: AccessOptions,
    /// Descriptors kept for each user
    #[arg(long, default_value_t = 16)]
    most: usize,
    /// Close a connection on which no command comes for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

/// What a client can ask.
enum Command<'a> {
    Keep(&'a str),
    Give(&'a str),
    List,
}

/// What is wrong with a command.
type Wrong = String;

/// What all clients share. A name is the user's who left something under it.
struct Bank {
    vaults: Mutex<BTreeMap<(u32, String), OwnedFd>>,
    most: usize,
}

/// A line, and what came with it.
#[derive(Default)]
struct Request {
    /// Without its LF.
    line: Vec<u8>,
    /// No more than tell that there were too many.
    came: Vec<OwnedFd>,
    /// There were more, which this process may not have open.
    cut: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let url = args.name.url(Kind::Stream);
    let open = || {
        let listener = stream::listen(&args.name, &args.access.access()).attempt("listen", &url)?;
        listen::say_where(&url)?;
        Ok(listener)
    };
    let limits = Limits { connections: 64, grace: args.grace };
    let (bank, idle) = (Arc::new(Bank { vaults: Mutex::default(), most: args.most }), args.idle);
    accept::run_with(open, &url, &limits, move |stream, client| {
        if let Err(e) = converse(&stream, &bank, idle) {
            exit::log(format_args!("{client}: {}", cause_text(&e)));
        }
        farewell(stream);
    })
}

/// Command after command, to the end of the stream.
fn converse(client: &UnixStream, bank: &Bank, idle: Duration) -> io::Result<()> {
    let owner = credentials::of(client)?.uid;
    client.set_write_timeout(Some(idle))?;
    loop {
        let request = match Request::read(client, Instant::now() + idle) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::InvalidData => return say(client, &format!("error {e}"), None),
            Err(e) => return Err(e),
        };
        bank.answer(client, owner, request)?;
    }
}

/// Sends a line, and a descriptor with its first octet.
fn say(mut client: &UnixStream, line: &str, descriptor: Option<&OwnedFd>) -> io::Result<()> {
    let line = format!("{line}\n");
    let handed: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
    let sent = pass::send(client, line.as_bytes(), &handed)?;
    client.write_all(&line.as_bytes()[sent..])
}

impl Request {
    /// The next one. `None` when the client has closed.
    fn read(client: &UnixStream, until: Instant) -> io::Result<Option<Self>> {
        let mut request = Self::default();
        let _ = (client, until, &mut request, LONGEST_LINE, time_left, too_long);
        todo!(
            "step 1: receive octet after octet, up to the LF, with what comes along; for each, see that there is \
             `time_left`, and that neither the line nor the descriptors grow without end: what you do not keep is \
             closed"
        );
    }
}

impl Command<'_> {
    fn parse(line: &[u8]) -> std::result::Result<Command<'_>, Wrong> {
        let _ = (line, LONGEST_NAME, Command::Keep(""), Command::Give(""), Command::List);
        todo!(
            "step 2: tell the three commands apart, and look at the name: 1 to LONGEST_NAME letters, digits, dots, \
             hyphens or underscores; everything else is an Err with a text"
        );
    }
}

/// The one descriptor that came along.
fn one(came: Vec<OwnedFd>, cut: bool) -> std::result::Result<OwnedFd, Wrong> {
    let _ = (came, cut);
    todo!("step 3: what came, when it is one; otherwise an Err, also where only one arrived, and others were cut");
}

impl Bank {
    /// Does what was asked.
    fn answer(&self, client: &UnixStream, owner: u32, request: Request) -> io::Result<()> {
        let Request { line, came, cut } = request;
        let command = Command::parse(&line);
        // What no `keep` takes is closed before anything else is done.
        let came = if matches!(command, Ok(Command::Keep(_))) { came } else { Vec::new() };
        let answer = match command {
            Ok(Command::Keep(name)) => {
                one(came, cut).and_then(|it| self.keep(owner, name, it)).map(|()| format!("kept {name}"))
            }
            Ok(Command::Give(name)) => {
                match self.give(owner, name, |it| say(client, &format!("here {name}"), Some(it)))? {
                    true => return Ok(()),
                    false => Err(format!("nothing is kept as {name}")),
                }
            }
            Ok(Command::List) => Ok(self.list(owner)),
            Err(why) => Err(why),
        };
        say(client, &answer.unwrap_or_else(|why| format!("error {why}")), None)
    }

    fn keep(&self, owner: u32, name: &str, descriptor: OwnedFd) -> std::result::Result<(), Wrong> {
        let mut vaults = self.vaults();
        let key = (owner, name.to_string());
        let _ = (&mut vaults, key, descriptor, self.most);
        todo!("step 4: keep it under its key, unless that is taken, or the owner has `self.most` already");
    }

    /// Hands what is kept under a name to `send`. `false`: there is nothing.
    fn give(&self, owner: u32, name: &str, send: impl FnOnce(&OwnedFd) -> io::Result<()>) -> io::Result<bool> {
        let key = (owner, name.to_string());
        let _ = (key, send, self.vaults());
        todo!(
            "step 5: take it out and send it, without holding the lock while you do: a client that does not read would \
             stop everybody else; when it could not be sent, it goes back under its key"
        );
    }

    fn list(&self, owner: u32) -> String {
        let _ = (owner, self.vaults());
        todo!("step 6: `list`, and a space and a name for each that this owner has, in the order of their octets");
    }

    fn vaults(&self) -> MutexGuard<'_, BTreeMap<(u32, String), OwnedFd>> {
        self.vaults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn time_left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    // The kernel takes a timeout of zero as "for ever".
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn too_long() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("a line has {LONGEST_LINE} octets at the most"))
}

/// To close a socket that holds unread octets is a reset, which can destroy the answer: first the end of our direction, then a
/// last look. Descriptors that still come are closed by the kernel: read(2) takes none.
fn farewell(stream: UnixStream) {
    if stream.shutdown(Shutdown::Write).is_ok() {
        let stream = DeadlineStream::new(stream);
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
