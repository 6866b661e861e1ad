//! An echo server for lines, with a deadline that only a whole line moves on.
//!
//! The client speaks first. A line ends in LF and has 1,024 octets at the most, LF included; it goes back when it is
//! complete, as it came. For each line there is `--idle`, from the connect or from the line before: to say it, and to take
//! it back. This is a point in time, an absolute deadline. Half a line does not move it on, nor does an octet now and
//! then, nor an echo that the client does not read: all that `set_read_timeout` on each read would put up with for ever.
//!
//! When the deadline passes, or a line is too long, the server closes its direction (FIN), and the socket a moment later.
//! When the client closes its direction, the rest of an unfinished line goes back as well, and the server closes, too.
//!
//! - Graded: the lines, to the octet; the longest line; when the deadline passes, and what moves it on; FIN, not RST.
//! - Not graded: the log, how long exactly `farewell` listens.
//! - May be hard-coded: the longest line. See `LONGEST`.
//!
//! ```text
//! cargo run -p lessons --bin idle_echo -- --idle 3s
//! (while printf .; do sleep 1; done) | nc 127.0.0.1 7011            # after 3 s the server logs it and leaves
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Octets in a line, LF included.
const LONGEST: usize = 1024;
/// How long, and how many octets, to listen to a client that the server has closed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: u64 = 64 * 1024;

/// Sends lines back, and drops a client that finishes none in time.
#[derive(Parser)]
#[command(after_help = "Example:\n  idle_echo :7011 --idle 10s\n  nc 127.0.0.1 7011")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7011")]
    address: String,
    /// The time for each line: to say it, and to take it back
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    idle: Duration,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { grace: args.grace, ..Limits::default() };
    let idle = args.idle;
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        // The clones are one stream with one deadline.
        let stream = DeadlineStream::new(stream);
        let (mut lines, mut back) = (BufReader::new(stream.clone()), stream.clone());
        if let Err(e) = converse(&stream, &mut lines, &mut back, idle) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
        farewell(stream);
    })
}

/// Line after line, to the end of the stream. `stream` is there for its deadline.
fn converse(
    stream: &DeadlineStream<TcpStream>,
    lines: &mut impl BufRead,
    back: &mut impl Write,
    idle: Duration,
) -> io::Result<()> {
    // step 1: send each line back, in `idle` from the line before, until what `read_line` gives has no LF: the stream has
    // ended, and this rest is the last to go back
    // stub: let _ = (stream, back, idle, || read_line(lines));
    loop {
        stream.set_timeout(idle);
        let line = read_line(lines)?;
        back.write_all(&line)?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
    }
    // end of step 1
}

/// The next line with its LF; at the end of the stream, what is left, without one.
fn read_line(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    // step 2: read up to LF or the end of the stream; LONGEST octets without LF are an error, and no more is read
    // stub: let _ = (lines, LONGEST);
    let mut line = Vec::new();
    lines.take(LONGEST as u64).read_until(b'\n', &mut line)?;
    if line.len() == LONGEST && !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of more than 1,024 octets"));
    }
    Ok(line)
    // end of step 2
}

/// To close a socket that holds unread octets is a reset, which can destroy the last echoes: first a FIN, then a last look.
fn farewell(stream: DeadlineStream<TcpStream>) {
    if stream.get_ref().shutdown(Shutdown::Write).is_ok() {
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
