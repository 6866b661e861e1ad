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
    // step 1: listen on the name, with OWNER_ALONE, and `be_the_first`; where a live one has the name (`AddrInUse`), `hand_over`,
    // and begin again after a PAUSE, up to `until`, when it was `Nobody` after all
    // stub: let _ = (&stop, &endpoint, until, OWNER_ALONE, PAUSE, stream::listen, be_the_first, hand_over, frame);
    loop {
        let taken = match stream::listen(&name, &OWNER_ALONE) {
            Ok(listener) => return be_the_first(&stop, listener, &endpoint, args),
            Err(e) if e.kind() == ErrorKind::AddrInUse => e,
            Err(e) => return Err(e).attempt("listen", &endpoint),
        };
        match hand_over(&endpoint, &frame(&args.arguments), until)? {
            Answer::Taken => return Ok(()),
            Answer::Refused => return Err(NetError::invalid("hand over", endpoint.to_string(), "refused")),
            Answer::Nobody if Instant::now() < until => {
                stop.sleep(PAUSE).map_err(io::Error::from).attempt("hand over", &endpoint)?;
            }
            // A file that is no socket, for one: it is in use, and nobody answers.
            Answer::Nobody => return Err(taken).attempt("listen", &endpoint),
        }
    }
    // end of step 1
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
    // step 2: the length of what follows, in four octets, and then the octets of each argument and a NUL
    // stub: let _ = arguments.iter().map(|argument| argument.as_bytes());
    let mut octets = vec![0; 4];
    for argument in arguments {
        octets.extend_from_slice(argument.as_bytes());
        octets.push(0);
    }
    // What does not fit into four octets, execve(2) does not pass either.
    let length = (octets.len() - 4) as u32;
    octets[..4].copy_from_slice(&length.to_be_bytes());
    octets
    // end of step 2
}

/// Sends a hand-over, and waits for the answer.
fn hand_over(endpoint: &Endpoint, octets: &[u8], until: Instant) -> Result<Answer> {
    let ctx = Context::new().with_deadline(until);
    // step 3: connect, send the octets, and read one; find out which errors mean that there is no first any more, and make
    // `Answer::Nobody` of these alone
    // stub: let _ = (ctx, endpoint, octets, dial::endpoint, NetError::cause, Answer::Taken, Answer::Refused, Answer::Nobody);
    let mut stream = match dial::endpoint(&ctx, endpoint) {
        Ok(stream) => DeadlineStream::new(stream),
        // A connect waits for nobody: it is the queue that is full (EAGAIN), and will get shorter; or the time is over.
        Err(e) if is_gone(e.cause()) || e.is_timeout() => return Ok(Answer::Nobody),
        Err(e) => return Err(e),
    };
    stream.set_deadline(until);
    let mut answer = [0];
    match stream.write_all(octets).and_then(|()| stream.read_exact(&mut answer)) {
        Ok(()) if answer == [ACK] => Ok(Answer::Taken),
        Ok(()) => Ok(Answer::Refused),
        Err(e) if is_gone(&e) => Ok(Answer::Nobody),
        Err(e) => Err(e).attempt("hand over", endpoint),
    }
    // end of step 3
}

// solution only
/// Whether the other side has just ended: its file is gone, or nobody listens there; or the connection was thrown away while
/// it waited in the queue, or ended before the answer.
fn is_gone(e: &io::Error) -> bool {
    use ErrorKind as K;
    matches!(e.kind(), K::NotFound | K::ConnectionRefused | K::ConnectionReset | K::BrokenPipe | K::UnexpectedEof)
}
// end of solution only

/// Takes one hand-over, and answers it.
fn serve(stream: UnixStream, patience: Duration) -> io::Result<()> {
    let mut stream = DeadlineStream::new(stream);
    // step 4: `take` the arguments within `patience`, `show` them, and answer with ACK; whatever goes wrong is answered by NAK;
    // then say `farewell`, and return what went wrong
    // stub: let _ = (&mut stream, patience, ACK, NAK, take, show, farewell);
    stream.set_timeout(patience);
    let outcome = take(&mut stream).and_then(|arguments| show(&arguments));
    let answer = if outcome.is_ok() { ACK } else { NAK };
    // The time for the hand-over may be over; one octet needs none.
    stream.set_timeout(patience);
    let answered = stream.write_all(&[answer]);
    farewell(stream);
    outcome.and(answered)
    // end of step 4
}

/// Reads a hand-over.
fn take(stream: &mut DeadlineStream<UnixStream>) -> io::Result<Vec<Vec<u8>>> {
    // step 5: read the length and look at it before you make room for anything; read so many octets; take them apart at the NULs;
    // what is too long, too many, not whole, or without its last NUL is an Err
    // stub: let _ = (stream, LONGEST, MOST, wrong);
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(wrong(format!("{}: {LONGEST} at the most", human::count(length, "octet"))));
    }
    let mut octets = vec![0; length];
    stream.read_exact(&mut octets)?;
    let mut arguments: Vec<Vec<u8>> = octets.split(|octet| *octet == 0).map(<[u8]>::to_vec).collect();
    // Behind the last NUL is nothing.
    if arguments.pop().is_none_or(|rest| !rest.is_empty()) {
        return Err(wrong("an argument without its NUL".into()));
    }
    if arguments.len() > MOST {
        return Err(wrong(format!("{}: {MOST} at the most", human::count(arguments.len(), "argument"))));
    }
    Ok(arguments)
    // end of step 5
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
