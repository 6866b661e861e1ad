//! A client asks a server, and a stranger speaks first: three scenes on one machine, and who gets in.
//!
//! In each scene an interloper sends `pardon me` to the client before the client sends `ping` to the server. The client says what
//! it receives, and from whom, until the server has answered. First, its socket is not connected: `recv_from` takes datagrams
//! from anybody. Then it is bound and connected, in two steps, as std does it: what came in between is still delivered. In the
//! last scene connect(2) comes first, and picks the port itself. From then on the kernel refuses strangers as if nobody had the
//! port. The server is an echo server of its own, or the SERVER that is named; it has `--timeout` to answer.
//!
//! With `--send TEXT --to ADDRESS` it is the interloper alone: one datagram from a port of its own, or from `--from`, to any
//! program; then it says what came of it.
//!
//! ```text
//! cargo run --bin interloper
//! cargo run --bin interloper -- --send 'pardon me' --to 127.0.0.1:7060
//! ```

mod scenes;

use clap::Parser;
use netkata::addr::{Network, resolve};
use netkata::context::Context;
use netkata::datagram;
use netkata::error::{Attempt, Result, is_timeout};
use netkata::exit::say;
use netkata::{exit, hexdump, human};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// No datagram of these scenes is longer; of a foreign server's, the rest is left out.
const BUFFER: usize = 512;

/// Shows who gets in where a client waits for a server.
#[derive(Parser)]
#[command(after_help = "Examples:
  interloper
  interloper 127.0.0.1:7060
  interloper --send 'pardon me' --to 127.0.0.1:7060")]
struct Args {
    /// Ask this server: host:port, :port or [v6]:port; without it, one of its own
    server: Option<String>,
    /// Send one datagram with this text, and leave
    #[arg(long, value_name = "TEXT", requires = "to", conflicts_with = "server")]
    send: Option<String>,
    /// Where to send it: host:port, :port or [v6]:port
    #[arg(long, value_name = "ADDRESS", requires = "send")]
    to: Option<String>,
    /// Where to send it from; any free port if this is not given
    #[arg(long, value_name = "ADDRESS", requires = "send")]
    from: Option<SocketAddr>,
    /// How long to wait for an answer
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| match (&args.send, &args.to, &args.server) {
        (Some(text), Some(to), _) => send_one(text, to, &args),
        (_, _, Some(server)) => scenes::play(resolve(Network::Udp, server)?[0], args.timeout),
        _ => with_own_server(|server| scenes::play(server, args.timeout)),
    })
}

/// Runs an echo server for as long as `play` takes.
fn with_own_server(play: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let socket = datagram::bind(Network::Udp, "127.0.0.1:0")?;
    let (address, stop) = (socket.local_addr().attempt("listen", "udp://127.0.0.1:0")?, Context::new());
    thread::scope(|scope| {
        let echo = || {
            datagram::serve(&stop, &socket, &mut [0; BUFFER], |octets, got| {
                drop(datagram::reply(&socket, octets, &got));
            })
        };
        thread::Builder::new().name("server".into()).spawn_scoped(scope, echo).attempt("start", "the server")?;
        let played = play(address);
        stop.cancel();
        played
    })
}

/// The interloper alone.
fn send_one(text: &str, to: &str, args: &Args) -> Result<()> {
    let to = resolve(Network::Udp, to)?[0];
    let socket = match args.from {
        None => datagram::connect_one(to),
        Some(from) => UdpSocket::bind(from).and_then(|socket| socket.connect(to).map(|()| socket)),
    };
    let (socket, name) = (socket.attempt("connect", format_args!("udp://{to}"))?, format!("udp://{to}"));
    let from = socket.local_addr().attempt("connect", &name)?;
    socket.send(text.as_bytes()).attempt("write", &name)?;
    say(format_args!("{from} sends {} to {to}", human::count(text.len(), "octet")))?;
    say(outcome(&socket, args.timeout).attempt("read", &name)?)
}

/// What comes of a datagram that a connected socket has sent.
fn outcome(socket: &UdpSocket, timeout: Duration) -> io::Result<String> {
    let mut buffer = [0; BUFFER];
    socket.set_read_timeout(Some(timeout))?;
    match socket.recv(&mut buffer) {
        Ok(n) => Ok(format!("answered: \"{}\"", hexdump::text(&buffer[..n], BUFFER))),
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok("refused, as if nobody had that port".into()),
        Err(e) if is_timeout(&e) => Ok(format!("no answer in {}", human::duration(timeout))),
        Err(e) => Err(e),
    }
}
