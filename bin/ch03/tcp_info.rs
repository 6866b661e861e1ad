//! Talks to an echo server and shows what the kernel learns meanwhile: `getsockopt(TCP_INFO)`, Linux only.
//!
//! The client speaks first: `--rounds` messages of `--size` octets, each sent when the one before has come back. A line
//! of the table shows the connection right after a message was written (`sent`) and after its echo was read (`echo`).
//! With `--flood` it writes on and reads nothing, until nothing can be written for `--stall` (or 64 MiB are written, or ten
//! seconds have passed): the peer's window closes. Then it closes, with a reset if echoes are left unread.
//!
//! ```text
//! cargo run --bin echo_server
//! cargo run --bin tcp_info -- --flood
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::dial::Dialer;
use netkata::error::{Attempt, Result, is_timeout};
use netkata::sys::tcp_info::{TcpInfo, tcp_info};
use netkata::{exit, human};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What `--flood` may take at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// Written at once by `--flood`.
const CHUNK: usize = 64 * 1024;
/// What `--flood` writes at most. The buffers of both ends together hold much less.
const FLOOD: usize = 64 * 1024 * 1024;

/// Shows the kernel's view of a connection: round trip, windows, retransmissions.
#[derive(Parser)]
#[command(after_help = "Examples:\n  tcp_info 127.0.0.1:7007 --rounds 3\n  tcp_info 127.0.0.1:7007 --flood")]
struct Args {
    /// An echo server: host:port, :port (this machine) or [v6]:port
    #[arg(default_value = "127.0.0.1:7007")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// How many messages to send
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Octets in a message
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    size: u32,
    /// How long to wait for the connection, and then for each echo
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// Write without reading, until the peer's window is closed
    #[arg(long)]
    flood: bool,
    /// With --flood: the window is closed when nothing could be written for this long
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    stall: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| measure(&args))
}

fn measure(args: &Args) -> Result<()> {
    let dialer = Dialer { network: args.network, ..Dialer::default() };
    let stream = dialer.dial(&Context::new().with_timeout(args.timeout), &args.address)?;
    let peer = format!("tcp://{}", stream.peer_addr().attempt("connect", &args.address)?);
    // Otherwise a small message would wait for the acknowledgement of the one before (RFC 896).
    stream.set_nodelay(true).attempt("connect", &peer)?;
    let mut stream = DeadlineStream::new(stream);
    exit::say(HEADER)?;
    show("connected", &stream)?;
    if args.flood { flood(&mut stream, &peer, args.stall) } else { rounds(args, &mut stream, &peer) }
}

fn rounds(args: &Args, stream: &mut DeadlineStream<TcpStream>, peer: &str) -> Result<()> {
    let message = vec![b'~'; args.size as usize];
    let mut echo = message.clone();
    for round in 1..=args.rounds {
        stream.set_timeout(args.timeout);
        stream.write_all(&message).attempt("write", peer)?;
        show(&format!("sent {round}"), stream)?;
        read_echo(stream, &message, &mut echo).attempt("read", peer)?;
        show(&format!("echo {round}"), stream)?;
    }
    Ok(())
}

fn read_echo(stream: &mut DeadlineStream<TcpStream>, message: &[u8], echo: &mut [u8]) -> io::Result<()> {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    match stream.read_exact(echo) {
        Err(e) if e.kind() == UnexpectedEof => {
            Err(io::Error::new(UnexpectedEof, "the peer closed in the middle of an echo"))
        }
        Ok(()) if echo != message => Err(io::Error::new(InvalidData, "not what was sent: is this an echo server?")),
        result => result,
    }
}

fn flood(stream: &mut DeadlineStream<TcpStream>, peer: &str, stall: Duration) -> Result<()> {
    let (chunk, end) = (vec![b'~'; CHUNK], Instant::now() + PATIENCE);
    let (mut written, mut next, mut why) = (0, CHUNK, "the peer keeps reading");
    while written < FLOOD && Instant::now() < end {
        stream.set_timeout(stall);
        match stream.write(&chunk) {
            Ok(n) => written += n,
            Err(e) if is_timeout(&e) => {
                why = "the peer's window is closed";
                break;
            }
            Err(e) => return Err(e).attempt("write", peer),
        }
        if written >= next {
            show(&human::thousands(written), stream)?;
            next = 2 * written;
        }
    }
    conclude(written, why, stream)
}

fn conclude(written: usize, why: &str, stream: &DeadlineStream<TcpStream>) -> Result<()> {
    show(&human::thousands(written), stream)?;
    exit::say(format_args!("{why}: {} written", human::count(written, "octet")))
}

const HEADER: &str =
    "step          state            rtt  rttvar  cwnd    mss  unacked  retrans  rcv_space  snd_wnd  notsent";

fn show(step: &str, stream: &DeadlineStream<TcpStream>) -> Result<()> {
    let info: TcpInfo = tcp_info(stream.get_ref()).attempt("inspect", "the connection")?;
    // A field that this kernel does not fill.
    let or_dash = |n: Option<u32>| n.map_or("-".into(), |n| n.to_string());
    exit::say(format_args!(
        "{step:12}  {:12} {:>7} {:>7} {:>5} {:>6} {:>8} {:>8} {:>10} {:>8} {:>8}",
        info.state,
        millis(info.rtt),
        millis(info.rttvar),
        info.snd_cwnd,
        info.snd_mss,
        info.unacked,
        info.total_retrans,
        info.rcv_space,
        or_dash(info.snd_wnd),
        or_dash(info.notsent),
    ))
}

/// In milliseconds, to a thousandth: the kernel counts in microseconds.
fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}
