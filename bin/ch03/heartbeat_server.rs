//! Sends heartbeats, and gives a client up when nothing came from it for too long.
//!
//! The server speaks first: `ping`, four octets without a line end, whenever `--interval` has passed since it last sent
//! one or heard something. Whatever the client sends is printed, and does two things: the interval starts anew, and the
//! deadline moves to `--deadline` from now. When the deadline passes, the server closes; it also does when the client
//! closes its direction. The deadline covers the pings as well: a client that does not read is given up too.
//!
//! ```text
//! cargo run --bin heartbeat_server
//! nc 127.0.0.1 7034            # type a line now and then; then stop, and count five seconds
//! ```

use clap::Parser;
use crossbeam_channel::{Sender, bounded};
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::context::Context;
use netkata::deadline::DeadlineStream;
use netkata::error::{Result, cause_text, is_timeout};
use netkata::{exit, heartbeat, hexdump, human};
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Octets read at once. What is longer is printed in pieces.
const BUFFER: usize = 1024;

/// Pings its clients, and leaves those that stay silent.
#[derive(Parser)]
#[command(after_help = "Example:\n  heartbeat_server :7034 --interval 2s --deadline 10s\n  nc 127.0.0.1 7034")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7034")]
    address: String,
    /// tcp, tcp4 or tcp6
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// The time between two pings
    #[arg(long, default_value = "1s", value_parser = human::parse_limit)]
    interval: Duration,
    /// How long a client may be silent
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    deadline: Duration,
    /// Connections served at once; more are closed at once
    #[arg(long, default_value_t = 1000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let (interval, deadline) = (args.interval, args.deadline);
    accept::run(args.network, &args.address, &limits, move |stream, peer| {
        let began = Instant::now();
        let ended = match attend(stream, began, interval, deadline) {
            Ok(()) => "closed by the peer".into(),
            Err(e) if is_timeout(&e) => format!("nothing heard for {}, closed", human::duration(deadline)),
            Err(e) => cause_text(&e),
        };
        exit::log(format_args!("{peer}: {ended} after {}", since(began)));
    })
}

/// Two threads share the connection: this one reads, the other pings.
fn attend(stream: TcpStream, began: Instant, interval: Duration, deadline: Duration) -> io::Result<()> {
    let ctx = Context::new();
    let stream = DeadlineStream::new(stream);
    stream.set_timeout(deadline);
    let (reset, resets) = bounded(1);
    let _ = reset.send(interval);
    let mut writer = stream.clone();
    thread::scope(|s| {
        let pinging = || heartbeat::pinger(&ctx, &mut writer, &resets);
        let pinger = thread::Builder::new().name("pinger".into()).spawn_scoped(s, pinging)?;
        let heard = hear(stream.clone(), began, deadline, &reset);
        ctx.cancel();
        // The pinger may be in the middle of a write to a peer that does not read.
        let _ = stream.get_ref().shutdown(Shutdown::Both);
        // A reset is told once (socket(7), SO_ERROR). If it was told to the pinger, the read saw a mere end.
        match pinger.join() {
            Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionReset => Err(e),
            _ => heard,
        }
    })
}

fn hear(
    mut s: DeadlineStream<TcpStream>,
    began: Instant,
    deadline: Duration,
    reset: &Sender<Duration>,
) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let n = s.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        let _ = exit::say(format_args!("[{}] {}", since(began), hexdump::text(&buffer[..n], n)));
        // Who talks is alive: no need to ask for now. One reset that waits in the channel is as good as two.
        let _ = reset.try_send(Duration::ZERO);
        s.set_timeout(deadline);
    }
}

fn since(began: Instant) -> String {
    human::duration(human::round_to(began.elapsed(), Duration::from_millis(100)))
}
