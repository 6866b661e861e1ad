//! Writes to a peer that may be stuck for a while: it tries again, and goes on where it was.
//!
//! The program speaks: a greeting, or its standard input, and then closes its direction. There is no framing. A write that a
//! peer does not take within `--timeout` is a temporary error: there are `--attempts`, `--pause` apart. A reset is permanent.
//! Part of the octets may have left before an error, and to send them again would double them at the peer; each attempt goes
//! on at the first octet that was not taken. "Wrote" means that the kernel has them; only an answer could say more.
//!
//! ```text
//! nc -l 127.0.0.1 7043 &  cargo run --bin retry_write
//! seq 9999999 | cargo run --bin retry_write -- --stdin --pause 2s      # to `nc -l`, stopped with ^Z and started with fg
//! ```

use clap::Parser;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::error::{Attempt, NetError, Result, cause_text, is_temporary};
use netkata::{dial, exit, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

const GREETING: &[u8] = b"ahoy, harbour\n";
/// Standard input is read before it is sent, so that every octet is at hand for another attempt.
const MOST: u64 = 64 << 20;
/// How long to wait for the peer's close after ours. To close with octets unread would be a reset, which can destroy the
/// last of what was written (RFC 9293 section 3.6.1).
const FAREWELL: Duration = Duration::from_secs(1);

/// Writes to a peer, and tries again when it is stuck.
#[derive(Parser)]
#[command(after_help = "Example:\n  retry_write 127.0.0.1:7043 --stdin --attempts 3 --pause 2s < log.txt")]
struct Args {
    /// The peer: host:port, :port (this machine) or [v6]:port
    #[arg(default_value = "127.0.0.1:7043")]
    address: String,
    /// Write standard input (64 MiB at the most) instead of a greeting
    #[arg(long)]
    stdin: bool,
    /// How often to try
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// The time between two attempts
    #[arg(long, default_value = "10s", value_parser = human::parse_duration)]
    pause: Duration,
    /// A write that waits longer than this is a temporary error
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// How long to wait for the connection
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    connect_timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| send(&args))
}

fn send(args: &Args) -> Result<()> {
    let octets = if args.stdin { read_input()? } else { GREETING.to_vec() };
    let mut stream = dial::dial_timeout(&args.address, args.connect_timeout)?;
    let peer = format!("tcp://{}", args.address);
    // For each write(2) anew: what counts is whether the peer takes something, not how long all of it takes.
    stream.set_write_timeout(Some(args.timeout)).attempt("write", &peer)?;
    let written = retry_write(&mut stream, &octets, args.attempts, args.pause, &mut Context::new());
    let written = written.map_err(|failure| NetError::invalid("write", &peer, failure.describe(octets.len())))?;
    exit::say(format_args!("wrote {} to {peer}", human::count(written, "octet")))?;
    farewell(stream);
    Ok(())
}

fn read_input() -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    io::stdin().lock().take(MOST + 1).read_to_end(&mut octets).attempt("read", "standard input")?;
    if octets.len() as u64 > MOST {
        return Err(NetError::invalid("read", "standard input", "more than 64 MiB"));
    }
    Ok(octets)
}

/// Lets time pass, and tells why: the system's clock in the program, a list of what was asked for in a test.
pub trait Clock {
    /// Returns when `time` has passed.
    fn wait(&mut self, time: Duration, why: String);
}

impl Clock for Context {
    fn wait(&mut self, time: Duration, why: String) {
        exit::log(why);
        let _ = self.sleep(time);
    }
}

/// Why not everything was written, and how much of it was.
#[derive(Debug)]
pub struct Failure {
    /// The error of the last attempt.
    pub error: io::Error,
    /// So many octets left before it.
    pub written: usize,
    /// Each attempt ended in a temporary error; the next might have gone well.
    pub exhausted: bool,
}

/// Writes `octets`, in `attempts` at the most, `pause` apart. Each goes on where the one before was stopped.
///
/// `write_all` would not do: when it fails, nobody knows how much has left already.
pub fn retry_write(
    to: &mut impl Write,
    octets: &[u8],
    attempts: u32,
    pause: Duration,
    clock: &mut impl Clock,
) -> std::result::Result<usize, Failure> {
    let (mut written, mut attempt) = (0, 1);
    loop {
        match write_on(to, octets, &mut written) {
            Ok(()) => return Ok(written),
            Err(error) if is_temporary(&error) && attempt < attempts => {
                attempt += 1;
                let (error, time) = (cause_text(&error), human::duration(pause));
                clock.wait(pause, format!("temporary error: {error}; attempt {attempt} of {attempts} in {time}"));
            }
            Err(error) => {
                let exhausted = is_temporary(&error);
                return Err(Failure { error, written, exhausted });
            }
        }
    }
}

// [attempt]
/// One attempt: until all is written, or a write fails.
fn write_on(to: &mut impl Write, octets: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < octets.len() {
        match to.write(&octets[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            // Fewer than asked for is no error: the rest is for the next write.
            Ok(n) => *written += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    to.flush()
}
// [/attempt]

impl Failure {
    fn describe(&self, all: usize) -> String {
        let threshold = if self.exhausted { "temporary write failure threshold exceeded: " } else { "" };
        let (written, all) = (human::thousands(self.written), human::count(all, "octet"));
        format!("{threshold}{}, after {written} of {all}", cause_text(&self.error))
    }
}

fn farewell(stream: TcpStream) {
    if stream.shutdown(Shutdown::Write).is_ok() {
        let mut stream = DeadlineStream::new(stream);
        stream.set_timeout(FAREWELL);
        let _ = io::copy(&mut stream, &mut io::sink());
    }
}
