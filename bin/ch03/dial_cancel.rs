//! Dials, and lets Ctrl-C – or another thread, `--after` a while – abort the connect in flight.
//!
//! `TcpStream::connect` cannot be interrupted: it waits until the kernel gives up, two minutes later. Here the socket
//! connects without blocking, and a context is watched together with it. The client sends nothing and closes at once
//! when it is connected after all. Without an address it calls a port of this machine that never answers.
//!
//! ```text
//! cargo run --bin dial_cancel                  # then press Ctrl-C
//! cargo run --bin dial_cancel -- --after 2s
//! ```

use clap::Parser;
use crossbeam_channel::{after, never, select};
use netkata::addr::Network;
use netkata::black_hole::BlackHole;
use netkata::context::{Context, is_canceled};
use netkata::dial::Dialer;
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, human, stop};
use std::fmt;
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// How exactly to say how long a cancel took.
const TICK: Duration = Duration::from_micros(10);

/// Connects until somebody changes their mind.
#[derive(Parser)]
#[command(after_help = "Examples:\n  dial_cancel --after 500ms\n  dial_cancel 127.0.0.1:7007")]
struct Args {
    /// Whom to call: host:port, :port or [v6]:port [default: a port of this machine that never answers]
    address: Option<String>,
    /// tcp, tcp4 or tcp6: which addresses of a name to try
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Cancel after this long, as Ctrl-C would
    #[arg(long, value_parser = human::parse_duration)]
    after: Option<Duration>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| call(&args))
}

fn call(args: &Args) -> std::result::Result<(), Failed> {
    let signals = stop::on_signals()?;
    let (hole, address) = match &args.address {
        Some(address) => (None, address.clone()),
        None => {
            let hole = BlackHole::open().attempt("open", "the black hole")?;
            let address = hole.address().to_string();
            (Some(hole), address)
        }
    };
    exit::say(format_args!("dialling tcp://{address}"))?;
    let ended = dial(&signals, args, &address);
    drop(hole);
    ended
}

fn dial(signals: &Context, args: &Args, address: &str) -> std::result::Result<(), Failed> {
    let ctx = Context::new();
    let dialer = Dialer { network: args.network, ..Dialer::default() };
    let (result, returned, cancelled) = thread::scope(|s| {
        let watcher = thread::Builder::new().name("watcher".into());
        let watching = watcher.spawn_scoped(s, || wait_and_cancel(signals, args.after, &ctx))?;
        // A silent address keeps this waiting as long as the kernel sends its SYN again, or until the cancel.
        let result = dialer.dial(&ctx, address);
        let returned = Instant::now();
        // Connected or refused: the watcher need not wait any longer.
        ctx.cancel();
        Ok((result, returned, watching.join().ok().flatten()))
    })
    .attempt("start", "a thread")?;
    let felt = cancelled.map(|at| returned.saturating_duration_since(at));
    let stream = result.map_err(|error| Failed { felt: felt.filter(|_| is_canceled(error.cause())), error })?;
    Ok(exit::say(format_args!("connected {}", ends(&stream)?))?)
}

/// When it cancelled; nothing when the dial was over before.
fn wait_and_cancel(signals: &Context, time: Option<Duration>, ctx: &Context) -> Option<Instant> {
    select! {
        recv(signals.done()) -> _ => {}
        recv(time.map_or_else(never, after)) -> _ => {}
        recv(ctx.done()) -> _ => return None,
    }
    let at = Instant::now();
    ctx.cancel();
    Some(at)
}

fn ends(stream: &TcpStream) -> Result<String> {
    let (ours, theirs) = (stream.local_addr(), stream.peer_addr());
    Ok(format!("{} -> {}", ours.attempt("connect", "")?, theirs.attempt("connect", "")?))
}

/// Why the dial ended, and how long after the cancel.
struct Failed {
    error: NetError,
    felt: Option<Duration>,
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        Self { error, felt: None }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        match self.felt {
            Some(felt) => {
                write!(f, "\n       context: canceled; felt after {}", human::duration(human::round_to(felt, TICK)))
            }
            None => Ok(()),
        }
    }
}
