//! A program that runs once: the first instance holds a socket, and the later ones hand their arguments to it.
//!
//! The socket is the lock. Whoever gets its name is the first: it prints `listening on unix:///…`, then its own arguments, then
//! those that later ones hand over, each on a line of its own (`show` does that). A later one connects, hands its arguments
//! over, waits for the answer, and ends with status 0. It prints nothing. The file is its owner's alone (mode 0600), and goes
//! with the first. A dead one's file is replaced; a file that is no socket stays, and is an error.
//!
//! A hand-over is a Unix stream. The later one speaks first:
//!
//! - four octets, most significant first: the length of what follows, 65,536 at the most;
//! - the arguments, each with a NUL behind it: no argument has one inside (execve(2)). 256 of them at the most.
//!
//! The first prints them, all or none, and then answers with one octet: ACK (06). A hand-over that is not whole, is too long, or
//! cannot be printed, is answered by NAK (15), and the later one ends with an error. The first closes.
//!
//! A hand-over has `--patience`, on either side. When the first ends in the middle of it, the later one hears neither ACK nor NAK,
//! and begins again; then it may be the first itself.
//!
//! - Graded: all of that; the octets of a hand-over; several that start at once; the stop, and that the file is gone.
//! - Not graded: the words of an error, the log. May be hard-coded: the limits.
//!
//! ```text
//! cargo run -p lessons --bin single_instance -- --socket harbour.sock tides.txt
//! printf '\0\0\0\012ships.txt\0' | nc -N -U harbour.sock | xxd
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::dial;
use netkata::endpoint::Endpoint;
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::unix::{Access, Name, stream};
use netkata::{exit, human, listen, stop};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
/// Octets behind the length.
const LONGEST: usize = 65_536;
/// Arguments.
const MOST: usize = 256;
/// Whoever may write to the file may hand arguments to us.
const OWNER_ALONE: Access = Access { mode: Some(0o600), group: None };
/// Before the next try. The first needs a moment to end.
const PAUSE: Duration = Duration::from_millis(5);
/// How long, and how many octets, to listen to one that was refused. More than execve(2) lets anybody have.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 8 << 20;

/// Runs once: a later instance hands its arguments to the first.
#[derive(Parser)]
#[command(after_help = "Example:\n  single_instance --socket /run/harbour.sock tides.txt ships.txt")]
struct Args {
    /// The socket that the first instance holds: a path [default: single_instance.sock in the temporary folder]
    #[arg(long, value_name = "PATH")]
    socket: Option<Name>,
    /// The time for a hand-over
    #[arg(long, default_value = "2s", value_parser = human::parse_limit)]
    patience: Duration,
    /// What the first instance prints; any octets
    arguments: Vec<OsString>,
}

/// What came of a hand-over.
enum Answer {
    /// ACK.
    Taken,
    /// NAK.
    Refused,
    /// There is no first any more.
    Nobody,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| run(&args))
}

fn run(args: &Args) -> Result<()> {
    // Before there is a file: from then on, a signal may not just end us.
    let stop = stop::on_signals()?;
    let name = args.socket.clone().unwrap_or_else(|| Name::in_temp("single_instance.sock"));
    let endpoint = Endpoint::Unix(name.clone());
    let until = Instant::now() + args.patience;
    let _ = (&stop, &endpoint, until, OWNER_ALONE, PAUSE, stream::listen, be_the_first, hand_over, frame);
    todo!(
        "step 1: listen on the name, with OWNER_ALONE, and `be_the_first`; where a live one has the name \
         (`AddrInUse`), `hand_over`, and begin again after a PAUSE, up to `until`, when it was `Nobody` after all"
    );
}

/// Says so, prints what it was started with, and takes hand-overs until a signal comes.
fn be_the_first(stop: &Context, listener: stream::Listener, endpoint: &Endpoint, args: &Args) -> Result<()> {
    listen::say_where(endpoint)?;
    let own: Vec<Vec<u8>> = args.arguments.iter().cloned().map(OsStringExt::into_vec).collect();
    show(&own).attempt("write", "standard output")?;
    let patience = args.patience;
    let limits = Limits { connections: 64, grace: patience };
    let serve = move |stream, peer| {
        if let Err(e) = serve(stream, patience) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    };
    accept::serve(stop, listener, &limits, serve).map(drop).attempt("accept", endpoint)
}

/// A hand-over as it is sent.
fn frame(arguments: &[OsString]) -> Vec<u8> {
    let _ = arguments.iter().map(|argument| argument.as_bytes());
    todo!("step 2: the length of what follows, in four octets, and then the octets of each argument and a NUL");
}

/// Sends a hand-over, and waits for the answer.
fn hand_over(endpoint: &Endpoint, octets: &[u8], until: Instant) -> Result<Answer> {
    let ctx = Context::new().with_deadline(until);
    let _ = (ctx, endpoint, octets, dial::endpoint, NetError::cause, Answer::Taken, Answer::Refused, Answer::Nobody);
    todo!(
        "step 3: connect, send the octets, and read one; find out which errors mean that there is no first any more, \
         and make `Answer::Nobody` of these alone"
    );
}

/// Takes one hand-over, and answers it.
fn serve(stream: UnixStream, patience: Duration) -> io::Result<()> {
    let mut stream = DeadlineStream::new(stream);
    let _ = (&mut stream, patience, ACK, NAK, take, show, farewell);
    todo!(
        "step 4: `take` the arguments within `patience`, `show` them, and answer with ACK; whatever goes wrong is \
         answered by NAK; then say `farewell`, and return what went wrong"
    );
}

/// Reads a hand-over.
fn take(stream: &mut DeadlineStream<UnixStream>) -> io::Result<Vec<Vec<u8>>> {
    let _ = (stream, LONGEST, MOST, wrong);
    todo!(
        "step 5: read the length and look at it before you make room for anything; read so many octets; take them \
         apart at the NULs; what is too long, too many, not whole, or without its last NUL is an Err"
    );
}

fn wrong(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Prints arguments, a line each, in one piece: those of another hand-over come before or after. What is no printable ASCII is
/// escaped, so that a line is an argument, and the terminal shows nothing else.
fn show(arguments: &[Vec<u8>]) -> io::Result<()> {
    let lines: String = arguments.iter().map(|argument| format!("{}\n", argument.escape_ascii())).collect();
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes()).and_then(|()| out.flush())
}

/// To close a socket that holds unread octets is a reset, here as in TCP: first the end of our direction, then a last look.
fn farewell(stream: DeadlineStream<UnixStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
