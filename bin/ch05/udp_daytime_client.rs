//! A daytime client over UDP (RFC 867): sends a datagram, prints the line that answers.
//!
//! Either datagram may be lost, and nobody tells. So the client waits for `--timeout`, asks again, and waits twice as long, up to
//! `--retries` times; asking twice does no harm. Its socket has one peer: what others send to its port never arrives. When
//! the peer's host says over ICMP that nobody has the port, that is the end. An answer is one datagram of at most 1,024
//! octets; what is not printable ASCII is shown as `\xNN`.
//!
//! ```text
//! cargo run --bin udp_daytime_server
//! cargo run --bin udp_daytime_client -- 127.0.0.1:7061
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::datagram::{self, Received};
use netkata::daytime::LIMIT;
use netkata::error::{Attempt, NetError, Result, is_timeout};
use netkata::{exit, hexdump, human};
use std::io;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Any datagram asks. An empty one would do, but some programs take it for the end of a stream that UDP does not have.
const QUESTION: &[u8] = b"\n";

/// Asks a daytime server for the date and the time, over UDP (RFC 867).
#[derive(Parser)]
#[command(after_help = "Example:\n  udp_daytime_client time.harbour.example:daytime --timeout 500ms")]
struct Args {
    /// The server: host:port or [v6]:port
    #[arg(default_value = "127.0.0.1:7061")]
    address: String,
    /// How long to wait for the first answer; each further wait is twice as long
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// How often to ask again
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=10))]
    retries: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| ask(&args))
}

fn ask(args: &Args) -> Result<()> {
    let socket = datagram::connect(Network::Udp, &args.address)?;
    let peer = format!("udp://{}", socket.peer_addr().attempt("connect", &args.address)?);
    let mut buffer = [0; LIMIT];
    match exchange(&socket, &peer, &mut buffer, args)? {
        Some(got) if got.is_truncated() => {
            let why = format!("more than {}: {}", human::count(LIMIT, "octet"), human::thousands(got.whole));
            Err(NetError::invalid("read", peer, why))
        }
        Some(got) => print(&buffer[..got.len], &peer),
        None => {
            let asked = human::count(args.retries as usize + 1, "time");
            Err(NetError::invalid("read", peer, format!("no answer; asked {asked}")))
        }
    }
}

// [again]
/// Asks until an answer comes, waiting longer each time: where datagrams are lost because there are too many, more of them
/// are no help.
fn exchange(socket: &UdpSocket, peer: &str, buffer: &mut [u8], args: &Args) -> Result<Option<Received>> {
    let mut patience = args.timeout;
    for left in (0..=args.retries).rev() {
        socket.send(QUESTION).attempt("send", peer)?;
        if let Some(got) = receive_within(socket, buffer, patience).attempt("read", peer)? {
            return Ok(Some(got));
        }
        let then = if left == 0 { "giving up" } else { "asking again" };
        exit::log(format_args!("{peer}: no answer within {}, {then}", human::duration(patience)));
        patience *= 2;
    }
    Ok(None)
}
// [/again]

/// A datagram from the peer, if one comes in time. A refusal is an error.
fn receive_within(socket: &UdpSocket, buffer: &mut [u8], patience: Duration) -> io::Result<Option<Received>> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // The kernel takes a timeout of zero as "for ever".
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match datagram::receive(socket, buffer) {
            Ok(got) => return Ok(Some(got)),
            Err(e) if is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What carries text, a line a line.
fn print(answer: &[u8], peer: &str) -> Result<()> {
    let lines = answer.split(|&o| o == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    if lines.peek().is_none() {
        return Err(NetError::invalid("read", peer, "the answer has no text"));
    }
    lines.try_for_each(|line| exit::say(hexdump::text(line, LIMIT)))
}
