//! A client for echo servers over UDP: sends each line as a datagram, prints the reply, and tells the ways to get none apart.
//!
//! The client speaks first. A line, or an argument, is one datagram, without a line end; an empty line is an empty datagram.
//! Then the client waits for the echo, up to `--timeout`, and sends the same again `--retries` times. What comes and is not
//! the echo is shown, and waits for nobody: it may be a late one. `STOP` is sent and is the last.
//!
//! The socket is connected: nothing is sent for that, but the kernel lets the server's datagrams in and no one else's, and
//! reports when the server's host refuses one over ICMP, since nobody has the port. With `--unconnected` it does neither.
//! A datagram without its echo is an error, and the next one is sent all the same; in the end the exit status is 1.
//!
//! ```text
//! cargo run --bin udp_echo_client -- 127.0.0.1:7060 ahoy        # the other side: cargo run --bin udp_echo_server
//! cargo run --bin udp_echo_client -- 127.0.0.1:9 ahoy           # nobody there
//! ```

mod server;

use clap::Parser;
use netkata::addr::Network;
use netkata::datagram::LONGEST;
use netkata::error::{Attempt, NetError, Result};
use netkata::exit;
use netkata::human::{self, size_within};
use server::Server;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Sends lines as datagrams and prints the replies; STOP or the end of input ends it.
#[derive(Parser)]
#[command(after_help = "Examples:
  udp_echo_client 127.0.0.1:7060
  udp_echo_client 127.0.0.1:7060 'ahoy, harbour' STOP --timeout 500ms --retries 3")]
struct Args {
    /// The server: host:port, :port for this machine, or [v6]:port
    #[arg(default_value = "127.0.0.1:7060")]
    address: String,
    /// Send these instead of the lines of standard input
    words: Vec<String>,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// How long to wait for a reply
    #[arg(long, default_value = "2s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// Send a datagram that has no reply in time again, this often
    #[arg(long, default_value_t = 0)]
    retries: u32,
    /// Octets of a reply that there is room for; the rest of a longer one is lost
    #[arg(long, default_value = "65535", value_parser = size_within::<usize>(1..=LONGEST))]
    buffer: usize,
    /// Leave out connect(2), to see what it is good for
    #[arg(long)]
    unconnected: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut all = true;
    let code = exit::run(|| converse(&args, &mut all));
    if all { code } else { ExitCode::FAILURE }
}

/// Sends line after line. `all` becomes false when one had no echo.
fn converse(args: &Args, all: &mut bool) -> Result<()> {
    let mut server = Server::open(args)?;
    let mut words = args.words.iter().map(|word| word.clone().into_bytes());
    let mut input = io::stdin().lock();
    while let Some(line) = if args.words.is_empty() { read_line(&mut input)? } else { words.next() } {
        match server.exchange(&line) {
            Ok(()) => {}
            // Nobody reads what we print.
            Err(e) if e.cause().kind() == ErrorKind::BrokenPipe => return Err(e),
            // The next datagram may fare better: nothing is broken, as a stream would be.
            Err(e) => {
                exit::complain(e);
                *all = false;
            }
        }
        if line == b"STOP" {
            break;
        }
    }
    Ok(())
}

/// The next line of standard input without its end. A person may take all the time in the world: no deadline here.
fn read_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    if io::stdin().is_terminal() {
        let mut out = io::stdout().lock();
        write!(out, ">> ").and_then(|()| out.flush()).attempt("write", "standard output")?;
    }
    let mut line = Vec::new();
    let read = input.take(LONGEST as u64 + 2).read_until(b'\n', &mut line);
    if read.attempt("read", "standard input")? == 0 {
        return Ok(None);
    }
    let text = line.strip_suffix(b"\n").map_or(&line[..], |text| text.strip_suffix(b"\r").unwrap_or(text));
    if text.len() > LONGEST {
        return Err(NetError::invalid("read", "standard input", "a line that is longer than any datagram"));
    }
    Ok(Some(text.to_vec()))
}
