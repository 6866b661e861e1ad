//! Listens to a server's heartbeats, answers once, and listens on.
//!
//! The server speaks first: `ping`, four octets, again and again. After `--pings` of them this client sends `PONG!!!`
//! (seven octets, no line end), which moves the server's deadline on. It reads up to `--more` pings, and then says
//! nothing until the server closes: the server gives silent clients up. `--no-pong` shows what happens without the answer.
//! A server that says anything else than `ping`, or nothing for `--deadline`, is an error.
//!
//! ```text
//! cargo run --bin heartbeat_server
//! cargo run --bin heartbeat_client
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::dial::Dialer;
use netkata::error::{Attempt, NetError, Result};
use netkata::heartbeat::PING;
use netkata::{exit, hexdump, human};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What this client has to say.
const PONG: &[u8] = b"PONG!!!";

/// Listens to heartbeats and answers one.
#[derive(Parser)]
#[command(after_help = "Examples:\n  heartbeat_client :7034\n  heartbeat_client :7034 --no-pong")]
struct Args {
    /// The server: host:port, :port (this machine) or [v6]:port
    #[arg(default_value = "127.0.0.1:7034")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// How many pings to hear before answering
    #[arg(long, default_value_t = 4)]
    pings: u32,
    /// How many pings to print after the answer, at most
    #[arg(long, default_value_t = 4)]
    more: u32,
    /// Do not answer
    #[arg(long)]
    no_pong: bool,
    /// How long to wait for the connection, and then for each ping
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
    deadline: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| listen(&args))
}

fn listen(args: &Args) -> Result<()> {
    let dialer = Dialer { network: args.network, ..Dialer::default() };
    let stream = dialer.dial(&Context::new().with_timeout(args.deadline), &args.address)?;
    let peer = format!("tcp://{}", stream.peer_addr().attempt("connect", &args.address)?);
    converse(args, DeadlineStream::new(stream), &peer)
}

fn converse(args: &Args, mut server: DeadlineStream<TcpStream>, peer: &str) -> Result<()> {
    let began = Instant::now();
    for heard in 0..args.pings {
        server.set_timeout(args.deadline);
        if !hear(&mut server).attempt("read", peer)? {
            return Err(too_early(heard, peer));
        }
        print(began, "ping")?;
    }
    if !args.no_pong {
        server.write_all(PONG).attempt("write", peer)?;
        print(began, "sent PONG!!!")?;
    }
    hear_out(args, server, peer, began)
}

/// Up to `--more` pings, and then nothing but the end.
fn hear_out(args: &Args, mut server: DeadlineStream<TcpStream>, peer: &str, began: Instant) -> Result<()> {
    let mut heard = 0;
    server.set_timeout(args.deadline);
    while hear(&mut server).attempt("read", peer)? {
        // One more may be on its way when the server gives us up: it is read, or the close would be a reset. From then on
        // nothing moves the deadline.
        if heard < args.more {
            heard += 1;
            print(began, "ping")?;
            server.set_timeout(args.deadline);
        }
    }
    print(began, "the server closed")
}

/// One ping, or `false` at the end of the stream. A stream has no message boundaries: one read may bring two pings, or half
/// of one.
fn hear(server: &mut DeadlineStream<TcpStream>) -> io::Result<bool> {
    let invalid = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let mut ping = [0; PING.len()];
    let mut filled = 0;
    while filled < ping.len() {
        match server.read(&mut ping[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return invalid("the server closed in the middle of a ping".into()),
            n => filled += n,
        }
    }
    if ping != *PING {
        return invalid(format!("expected \"ping\", got \"{}\"", hexdump::text(&ping, ping.len())));
    }
    Ok(true)
}

fn too_early(heard: u32, peer: &str) -> NetError {
    let why = format!("the server closed after {}", human::count(heard as usize, "ping"));
    NetError::new("read", peer, io::Error::new(io::ErrorKind::UnexpectedEof, why))
}

fn print(began: Instant, what: &str) -> Result<()> {
    let elapsed = human::round_to(began.elapsed(), Duration::from_millis(100));
    exit::say(format_args!("[{}] {what}", human::duration(elapsed)))
}
