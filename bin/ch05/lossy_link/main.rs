//! Stands between UDP clients and a server, and loses, repeats, reorders, delays and damages what they send each other.
//!
//! Who speaks first, framing and length are the business of the two sides; each datagram is carried whole, or as the faults
//! say. Each client has a port of its own towards the server, and each port that the server answers from has one here: TFTP
//! goes through. Directions are `up`, from the clients to the server, and `down`. Their datagrams are numbered apart, from 1,
//! and the fate of each depends on `--seed`, its direction and its number alone: the same seed, the same fates, whenever they
//! come, and each kind of fault strikes the same ones whether others are asked for or not. A client that is silent for
//! `--idle` is forgotten; the datagrams of clients beyond `--max-clients` are dropped. Nobody closes anything. On SIGINT or
//! SIGTERM it prints what became of the datagrams, and ends at once: what is still on the way is lost.
//!
//! UDP has a checksum, and a host drops what fails it. A damaged datagram is sent with a checksum that fits the damage, as if
//! it had happened before: in a router's memory, in a broken network card. What programs see is what arrives there.
//!
//! ```text
//! cargo run --bin lossy_link -- 127.0.0.1:7060 --drop 20% --seed 7 -v     # in front of: cargo run --bin udp_echo_server
//! nc -u 127.0.0.1 7066
//! ```

mod options;

use clap::Parser;
use netkata::addr::{Network, resolve};
use netkata::error::{Attempt, Result};
use netkata::lossy::link::{Link, News};
use netkata::relay::datagrams::{Limits, carry};
use netkata::{datagram, exit, human, stop};
use options::FaultOptions;
use std::process::ExitCode;
use std::time::Duration;

/// Carries datagrams to a server and back as a bad network does, the same way each time.
#[derive(Parser)]
#[command(allow_missing_positional = true)]
#[command(
    after_help = "A RATE or TIME is for both directions, 20%, or for each: up:20%,down:5%. Up is from the clients.
WHICH are datagrams, counted from 1 in each direction: up:3,down:5-7.

Examples:
  lossy_link 127.0.0.1:7069 --drop 20% --repeat 5% --reorder 5% --seed 7
  lossy_link :7066 harbour.example:69 --drop down:30% --delay 40ms --jitter 20ms
  lossy_link 127.0.0.1:7060 --drop-nth up:3,down:5 -v"
)]
struct Args {
    /// Where to listen: host:port, or :port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7066")]
    listen: String,
    /// The server: host:port
    upstream: String,
    /// Forget a client that has said and heard nothing for this long
    #[arg(long, default_value = "1m", value_parser = human::parse_limit)]
    idle: Duration,
    /// Clients at once; what further ones send is dropped
    #[arg(long, default_value_t = 1000)]
    max_clients: usize,
    /// Log each datagram and what becomes of it
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    faults: FaultOptions,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let upstream = resolve(Network::Udp, plain(&args.upstream))?[0];
    let faults = args.faults.faults();
    let stop = stop::on_signals()?;
    let socket = datagram::announced(Network::Udp, plain(&args.listen))?;
    if faults.seed_matters() {
        exit::log(format_args!("seed {}", faults.seed));
    }
    let verbose = args.verbose;
    let mut link = Link::new(faults, move |news: News<'_>| {
        if verbose || matches!(news, News::Note(_)) {
            exit::log(news);
        }
    });
    let counter = link.counter();
    let limits = Limits { idle: args.idle, clients: args.max_clients, ..Limits::default() };
    carry(&socket, upstream, &limits, &mut link, &stop).attempt("receive", &args.listen)?;
    let counts = counter.read();
    exit::say(format_args!("up: {}\ndown: {}", counts.up, counts.down))
}

/// `udp://` may stand in front.
fn plain(address: &str) -> &str {
    address.strip_prefix("udp://").unwrap_or(address)
}
