//! Stands between clients and a server, and carries octets both ways: TCP and Unix sockets on either side.
//!
//! Who speaks first, framing and length are the business of the two sides; nothing is added, changed or understood. Each
//! side sees what it would see without the proxy: a half-close arrives as a half-close, so the answer to a finished question
//! still comes back; a reset arrives as a reset; who does not read slows the other side down. When the upstream cannot be
//! reached within `--connect-timeout`, the client is reset: a clean end would look like an empty answer. A connection on
//! which nothing moves for `--idle` is reset on both sides; connections beyond `--max-connections` are closed at once.
//! A Unix socket has no reset to carry: there, the stream just ends.
//!
//! ```text
//! cargo run --bin proxy -- 127.0.0.1:7007 -v      # in front of: cargo run --bin echo_server
//! printf 'ahoy\n' | nc -N 127.0.0.1 7044
//! ```

use clap::Parser;
use netkata::accept::{self, Limits};
use netkata::conn::{Conn, Peer};
use netkata::context::Context;
use netkata::endpoint::Endpoint;
use netkata::error::{NetError, Result, cause_text};
use netkata::relay::{self, End, From, Options, Outcome};
use netkata::{dial, exit, human};
use socket2::SockRef;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Carries each connection on to another server, octet by octet.
#[derive(Parser)]
#[command(allow_missing_positional = true)]
#[command(after_help = "Examples:
  proxy 127.0.0.1:7007
  proxy :7044 unix:///run/harbour.sock -v
  proxy ./harbour.sock '[2001:db8::7]:7007' --idle 1h")]
struct Args {
    /// Where to listen: host:port, :port, unix:///path or just a path, @name; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7044")]
    listen: String,
    /// Where to carry connections to, written likewise
    upstream: String,
    /// Reset a connection on which nothing moves for this long
    #[arg(long, default_value = "5m", value_parser = human::parse_limit)]
    idle: Duration,
    /// How long the upstream may take to accept
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    connect_timeout: Duration,
    /// Connections carried at once; more are closed at once
    #[arg(long, default_value_t = 12_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let connections go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Copy through this process's memory, also where splice(2) could do without
    #[arg(long)]
    copy: bool,
    /// Log each connection, not only those that fail
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(args))
}

fn serve(args: Args) -> Result<()> {
    let (listen, upstream) = (args.listen.parse()?, args.upstream.parse()?);
    if let Endpoint::Udp(_) = upstream {
        return Err(NetError::invalid("connect", args.upstream, "no streams over UDP"));
    }
    let limits = Limits { connections: args.max_connections, grace: args.grace };
    let shared = Arc::new((upstream, args));
    accept::run_on(&listen, &limits, move |client, peer| {
        let (start, (upstream, args)) = (Instant::now(), &*shared);
        match connect(upstream, args.connect_timeout) {
            Ok(server) => report(peer, &carry(client, server, args), start.elapsed(), args.verbose),
            Err(e) => turn_away(&client, peer, &e),
        }
    })
}

fn connect(upstream: &Endpoint, limit: Duration) -> Result<Conn> {
    dial::endpoint(&Context::new().with_timeout(limit), upstream)
}

fn carry(client: Conn, server: Conn, args: &Args) -> Outcome {
    let options = Options { idle: args.idle, splice: !args.copy };
    // Nothing here wants to see the octets: that is what `()` says.
    relay::carry(client, server, &options, None, &mut ())
}

/// With a linger time of zero, the close that follows sends an RST. The client then knows that this was no answer.
fn turn_away(client: &Conn, peer: Peer, e: &NetError) {
    if let Conn::Tcp(stream) = client {
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
    exit::log(format_args!("{peer}: {e}"));
}

fn report(peer: Peer, outcome: &Outcome, took: Duration, verbose: bool) {
    let ended = match &outcome.end {
        End::Finished | End::Stopped if !verbose => return,
        End::Finished | End::Stopped => "both sides closed".into(),
        End::Idle => "nothing moved for too long, reset".into(),
        End::Broken(From::Client, e) => format!("the client broke off: {}", cause_text(e)),
        End::Broken(From::Server, e) => format!("the server broke off: {}", cause_text(e)),
    };
    let octets = |n: u64| human::count(usize::try_from(n).unwrap_or(usize::MAX), "octet");
    let (up, down) = (octets(outcome.from_client), octets(outcome.from_server));
    let took = human::duration(human::round_to(took, Duration::from_micros(100)));
    exit::log(format_args!("{peer}: {up} to the server, {down} back; {ended}; {took}"));
}
