//! A daytime client (RFC 867): connects, says nothing, prints the line that comes.
//!
//! The server speaks first and last. There is no length and no terminator: the end of the stream is the end of the
//! reply. So the client must bound what it is willing to read, and how long: 1,024 octets, `--timeout` for the whole
//! exchange. Octets that are not printable ASCII are shown as `\xNN`.
//!
//! ```text
//! cargo run --bin daytime_server
//! cargo run --bin daytime_client
//! ```

use clap::Parser;
use netkata::deadline::DeadlineStream;
use netkata::dial::dial;
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::{context::Context, exit, hexdump, human};
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The most a reply may hold. RFC 867 asks for one line.
const LIMIT: usize = 1024;

/// Asks a daytime server for the date and the time (RFC 867).
#[derive(Parser)]
#[command(after_help = "Example:\n  daytime_client time.harbour.example:daytime --timeout 2s")]
struct Args {
    /// The server: host:port or [v6]:port
    #[arg(default_value = "127.0.0.1:7013")]
    address: String,
    /// Time for the whole exchange, from the look-up of the name to the end of the stream
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| ask(&args))
}

fn ask(args: &Args) -> Result<()> {
    // One budget: what connecting took is not there for reading.
    let deadline = Instant::now() + args.timeout;
    let stream = dial(&Context::new().with_deadline(deadline), &args.address)?;
    let mut stream = DeadlineStream::new(stream);
    stream.set_deadline(deadline);
    let mut reply = Vec::new();
    let end = read_to_the_end(&mut stream, &mut reply);
    print(&reply)?;
    end.map_err(|e| NetError::invalid("read", format!("tcp://{}", args.address), describe(&e, reply.len(), args)))
}

/// Reads until the server closes, or there is one octet too many.
fn read_to_the_end(stream: impl Read, reply: &mut Vec<u8>) -> io::Result<()> {
    stream.take(LIMIT as u64 + 1).read_to_end(reply)?;
    match reply.len() {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed without a word")),
        n if n > LIMIT => {
            reply.truncate(LIMIT);
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {}", human::count(LIMIT, "octet"))))
        }
        _ => Ok(()),
    }
}

fn describe(e: &io::Error, got: usize, args: &Args) -> String {
    match (e.kind(), got) {
        (io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData, _) => e.to_string(),
        (io::ErrorKind::TimedOut, 0) => format!("nothing came within {}", human::duration(args.timeout)),
        (io::ErrorKind::TimedOut, _) => {
            format!(
                "no end of the stream within {}, after {}",
                human::duration(args.timeout),
                human::count(got, "octet")
            )
        }
        _ => format!("{}, after {}", cause_text(e), human::count(got, "octet")),
    }
}

/// Some servers put an empty line before or after the time; what carries text is printed, a line a line.
fn print(reply: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    for line in reply.split(|&o| o == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if !line.is_empty() {
            writeln!(out, "{}", hexdump::text(line, LIMIT)).attempt("write", "standard output")?;
        }
    }
    Ok(())
}
