//! Dials several addresses within one budget of time, with a hook before each connect.
//!
//! The client speaks to nobody: it connects to the first address that answers and closes at once. Each address gets an
//! equal share of the time that is left. `--demo` puts a black hole in front: a port of this machine whose queue is full,
//! so that a connect waits and waits. `--hook` runs before each connect(2), as a program would to set a socket option:
//! `fail` is a name server that did not answer, `sleep=DUR` one that is slow. A hook is not interrupted; its time counts.
//!
//! ```text
//! nc -l 127.0.0.1 7007
//! cargo run --bin dial_timeout -- --demo 127.0.0.1:7007 --timeout 2s
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::black_hole::BlackHole;
use netkata::context::{Cause, Context};
use netkata::dial::{Dialer, share};
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::{exit, human};
use socket2::Socket;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

/// Connects within a deadline, several addresses included.
#[derive(Parser)]
#[command(after_help = "Examples:\n  dial_timeout --demo --timeout 1s\n  dial_timeout --hook fail 10.0.0.1:http\n  \
                        dial_timeout --hook sleep=600ms --timeout 500ms")]
struct Args {
    /// Whom to call, in this order: host:port, :port or [v6]:port [default without --demo: 127.0.0.1:7007]
    addresses: Vec<String>,
    /// tcp, tcp4 or tcp6: which addresses of a name to try
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// The budget for everything: lookups, hooks and connects
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    timeout: Duration,
    /// What to do before each connect: none, fail or sleep=DUR
    #[arg(long, default_value = "none")]
    hook: Hook,
    /// First try a port of this machine that never answers
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy)]
enum Hook {
    None,
    Fail,
    Sleep(Duration),
}

impl FromStr for Hook {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.strip_prefix("sleep=")) {
            ("none", _) => Ok(Self::None),
            ("fail", _) => Ok(Self::Fail),
            (_, Some(time)) => human::parse_duration(time).map(Self::Sleep),
            _ => Err(format!("unknown hook {text:?}: write none, fail or sleep=DUR")),
        }
    }
}

impl Hook {
    /// Runs with a socket that is not connected yet.
    fn run(self, _: &Socket, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Sleep(time) => {
                thread::sleep(time);
                Ok(())
            }
            // Which addresses answer depends on the network one sits in. A made-up failure is the same everywhere.
            Self::Fail => {
                let text = format!("lookup {address} on 127.0.0.1: connection timed out");
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| {
        let hole = args.demo.then(BlackHole::open).transpose().attempt("open", "the black hole")?;
        let ctx = Context::new().with_timeout(args.timeout);
        call(&ctx, &args, hole.as_ref()).map_err(|error| Failed { error, context: ctx.cause() })
    })
}

fn call(ctx: &Context, args: &Args, hole: Option<&BlackHole>) -> Result<()> {
    let hook = args.hook;
    let control = move |socket: &Socket, to: SocketAddr| hook.run(socket, to);
    let dialer = Dialer { network: args.network, control: Some(Box::new(control)) };
    let mut candidates: Vec<SocketAddr> = hole.into_iter().map(BlackHole::address).collect();
    let default = ["127.0.0.1:7007".to_string()];
    let asked = if args.addresses.is_empty() && hole.is_none() { &default[..] } else { &args.addresses[..] };
    for address in asked {
        candidates.extend(dialer.candidates(ctx, address)?);
    }
    let stream = dial(ctx, &dialer, &candidates)?;
    let (ours, theirs) = ends(&stream).attempt("connect", "")?;
    exit::say(format_args!("connected {ours} -> {theirs}"))
}

fn ends(stream: &TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
    Ok((stream.local_addr()?, stream.peer_addr()?))
}

fn dial(ctx: &Context, dialer: &Dialer, candidates: &[SocketAddr]) -> Result<TcpStream> {
    let mut failure = NetError::invalid("connect", "", "no address");
    for (tried, &candidate) in candidates.iter().enumerate() {
        let attempt = share(ctx, candidates.len() - tried);
        exit::say(format_args!("{candidate}: has {}", rounded(attempt.remaining().unwrap_or_default())))?;
        let began = Instant::now();
        let result = dialer.dial_one(&attempt, candidate);
        let took = rounded(began.elapsed());
        match result {
            Ok(stream) => return exit::say(format_args!("{candidate}: connected after {took}")).map(|()| stream),
            Err(e) => failure = e,
        }
        exit::say(format_args!("{candidate}: {} after {took}", cause_text(failure.cause())))?;
    }
    Err(failure)
}

/// To a hundredth of a second: what comes after that is the machine's mood.
fn rounded(time: Duration) -> String {
    human::duration(human::round_to(time, Duration::from_millis(10)))
}

/// The last attempt's failure, and how the budget stands.
struct Failed {
    error: NetError,
    context: Option<Cause>,
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        Self { error, context: None }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeout = if self.error.is_timeout() { "yes" } else { "no" };
        let context = self.context.map_or("time is left".into(), |cause| cause.to_string());
        write!(f, "{}\n       timeout: {timeout}; context: {context}", self.error)
    }
}
