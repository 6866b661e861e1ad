//! A server that draws numbers: the client says from where to where, and gets one number of that range for each line.
//!
//! The client speaks first, in lines that end in LF, the last perhaps with the stream; a CR before the LF is no part of the
//! line. The server's lines end in CR LF, one for each line of the client's, in the same order:
//!
//! - `LOW HIGH`, two whole numbers of 64 bits with a sign, with spaces between them: the answer is a whole number, not less
//!   than LOW and not more than HIGH, in decimal. Each number of the range is as likely as any other;
//! - anything else: `error ` and a reason. So are a LOW above its HIGH, and a number that needs more than 64 bits. The
//!   conversation goes on;
//! - `STOP`: no answer. The server closes; what the client said after it is not answered.
//!
//! The server also closes when the client closes its direction, and at a line of more than 64 octets, which it answers with
//! an error first. With `--seed`, the first connection to a new server draws the same numbers each time.
//!
//! - Graded: the numbers, as far as chance lets one; the bounds; one line for each line; the FIN.
//! - Not graded: the reasons of the errors, the log. Which generator makes the bits: `Bits` is good enough here, and is
//!   no secret. Whoever is to keep a secret takes getrandom(2).
//!
//! ```text
//! cargo run -p lessons --bin number_server
//! printf '1 6\n1 6\nSTOP\n' | nc 127.0.0.1 7052
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::error::{Result, cause_text};
use netkata::{exit, human};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Octets in a line of the client's, its end included.
const LONGEST: u64 = 64;
/// How long, and how many octets, to listen to a client after the last answer.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_OCTETS: u64 = 64 * 1024;

/// Draws numbers.
#[derive(Parser)]
#[command(after_help = "Example:\n  number_server :7052 --seed 7\n  printf '1 6\\n' | nc -N 127.0.0.1 7052")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7052")]
    address: String,
    /// Draw the same numbers each time
    #[arg(long)]
    seed: Option<u64>,
    /// Close a connection on which nothing moves for this long
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
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
    // Each connection has a generator of its own. The hasher's keys are different in each process.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one("number_server"));
    let clients = Arc::new(AtomicU64::new(0));
    accept::run(Network::Tcp, &args.address, &limits, move |stream, peer| {
        let bits = Bits(seed.wrapping_add(clients.fetch_add(1, Relaxed) << 32));
        if let Err(e) = attend(stream, bits, idle) {
            exit::log(format_args!("{peer}: {}", cause_text(&e)));
        }
    })
}

fn attend(stream: TcpStream, mut bits: Bits, idle: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(idle))?;
    stream.set_write_timeout(Some(idle))?;
    // An answer is small, and the next may follow at once: it should not wait for an acknowledgement (RFC 896).
    stream.set_nodelay(true)?;
    let ended = converse(&mut BufReader::new(&stream), &mut &stream, &mut bits);
    // To close a socket that holds unread octets is a reset: first a FIN, then a last look.
    if stream.shutdown(Shutdown::Write).is_ok() {
        stream.set_read_timeout(Some(FAREWELL))?;
        let _ = io::copy(&mut (&stream).take(FAREWELL_OCTETS), &mut io::sink());
    }
    ended
}

/// Random bits: SplitMix64. The same seed gives the same bits.
struct Bits(u64);

impl Bits {
    /// 64 of them, each as often one as zero.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The next line, without its end; `None` at the end of the stream.
fn read_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    lines.take(LONGEST).read_until(b'\n', &mut line)?;
    if line.len() as u64 == LONGEST && !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of more than 64 octets"));
    }
    let ended = line.is_empty();
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text).to_vec();
    Ok((!ended).then_some(text))
}

/// Line after line, to STOP or to the end of the stream.
fn converse(lines: &mut impl BufRead, back: &mut impl Write, bits: &mut Bits) -> io::Result<()> {
    // step 1: write an answer to each line, with CR LF, until the line is STOP or there is none; where `read_line` fails,
    // tell the client, `error ` and why, and return the error, even if the client cannot be told any more
    // stub: let _ = (back, bits, answer, || read_line(lines));
    loop {
        let line = match read_line(lines) {
            Ok(Some(line)) if line != b"STOP" => line,
            Ok(_) => return Ok(()),
            Err(e) => {
                let _ = write!(back, "error {}\r\n", cause_text(&e));
                return Err(e);
            }
        };
        back.write_all(format!("{}\r\n", answer(&line, bits)).as_bytes())?;
    }
    // end of step 1
}

/// The answer to one line, without its end.
fn answer(line: &[u8], bits: &mut Bits) -> String {
    // step 2: a number of the range that the line asks for, or `error ` and what is wrong with the line
    // stub: let _ = (line, bits, draw, parse);
    match parse(line) {
        Ok((low, high)) => draw(low, high, bits).to_string(),
        Err(why) => format!("error {why}"),
    }
    // end of step 2
}

/// The bounds that a line names.
fn parse(line: &[u8]) -> std::result::Result<(i64, i64), String> {
    // step 3: exactly two numbers, of 64 bits each, the first not above the second; the line may be any octets
    // stub: let _ = line;
    let text = std::str::from_utf8(line).map_err(|_| "this is no text")?;
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [low, high] = words[..] else { return Err(format!("LOW HIGH are two numbers, not {}", words.len())) };
    let number = |word: &str| word.parse::<i64>().map_err(|e| e.to_string());
    let (low, high) = (number(low)?, number(high)?);
    if low <= high { Ok((low, high)) } else { Err(format!("{low} is above {high}")) }
    // end of step 3
}

/// A number from `low` to `high`, both included, each as likely as the others.
fn draw(low: i64, high: i64, bits: &mut Bits) -> i64 {
    // step 4: make a number of the range of 64 random bits: without an overflow, however wide the range is, and without
    // preferring the numbers that 2^64 divided by the size of the range leaves over
    // stub: let _ = (low, high, Bits::next(bits));
    let last = high.wrapping_sub(low).cast_unsigned();
    let Some(size) = last.checked_add(1) else { return bits.next().cast_signed() };
    // The first multiple of `size` from which there is no whole range left below 2^64.
    let even = u64::MAX - u64::MAX % size;
    loop {
        let drawn = bits.next();
        if drawn < even {
            return low.wrapping_add((drawn % size).cast_signed());
        }
    }
    // end of step 4
}
