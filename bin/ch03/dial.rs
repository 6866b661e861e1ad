//! Dials: looks a name up, tries its addresses one after another, and says what came of each.
//!
//! The client connects and closes at once. It sends nothing, and the peer reads the end of the stream (FIN). What the
//! peer says meanwhile is thrown away, and answered with a reset. Everything together has `--timeout`; an address gets an
//! equal share of what is left, so that a silent one leaves time for the next.
//!
//! ```text
//! nc -l 127.0.0.1 7007
//! cargo run --bin dial -- localhost:7007
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::dial::{Dialer, share};
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::{exit, human};
use std::fmt;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// Connects to the first address that answers, says so, and closes.
#[derive(Parser)]
#[command(after_help = "Examples:\n  dial localhost:7007\n  dial '[::1]:http' --network tcp6 --timeout 2s")]
struct Args {
    /// Whom to call: host:port, :port (this machine) or [v6]:port; the port may be a service's name
    #[arg(default_value = "127.0.0.1:7007")]
    address: String,
    /// tcp, tcp4 or tcp6: which addresses of a name to try
    #[arg(long, default_value = "tcp")]
    network: Network,
    /// Give up after this long, the lookup and all addresses together
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| call(&args).map_err(Explained))
}

fn call(args: &Args) -> Result<()> {
    let ctx = Context::new().with_timeout(args.timeout);
    let stream = dial(&ctx, args)?;
    let (ours, theirs) = (stream.local_addr(), stream.peer_addr());
    let (ours, theirs) = ours.and_then(|ours| Ok((ours, theirs?))).attempt("connect", &args.address)?;
    exit::say(format_args!("connected {ours} -> {theirs}"))
    // Dropping the stream closes it: the peer reads the end of the stream.
}

fn dial(ctx: &Context, args: &Args) -> Result<TcpStream> {
    let dialer = Dialer { network: args.network, ..Dialer::default() };
    let candidates = dialer.candidates(ctx, &args.address)?;
    let mut failure = NetError::invalid("connect", &args.address, "no address");
    for (tried, &candidate) in candidates.iter().enumerate() {
        exit::say(format_args!("trying {candidate} ({} of {})", tried + 1, candidates.len()))?;
        match dialer.dial_one(&share(ctx, candidates.len() - tried), candidate) {
            Ok(stream) => return Ok(stream),
            Err(e) => failure = e,
        }
        exit::say(format_args!("  {}", cause_text(failure.cause())))?;
    }
    Err(failure)
}

/// An error with what it means below it.
struct Explained(NetError);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(e) = self;
        let explanation = e.explain().map(|text| format!("{text} ")).unwrap_or_default();
        // A timeout may be worth a second try. A refusal is an answer: it will be the same until a server starts.
        let (timeout, temporary) = (yes_no(e.is_timeout()), yes_no(e.is_temporary()));
        write!(f, "{e}\n       {explanation}(timeout: {timeout}, temporary: {temporary})")
    }
}

fn yes_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
