//! How long may a datagram be, to get there in one piece?
//!
//! Connects a UDP socket to the peer, forbids that its packets be split, and asks the kernel what it knows of the path. Then it
//! looks for the longest datagram that this host takes, by halves: what is too long fails with EMSGSIZE, what is not is sent.
//! That says nothing yet of the routers on the way. So the longest is sent once more, and what comes back is told: an
//! echo, a refusal by the peer's host, or a router's word that it was too long; then all begins again. Where nothing comes
//! back, `--ping` asks with ICMP echoes of the same lengths. The peer need not know of it; it gets up to 16 datagrams.
//!
//! ```text
//! cargo run --bin udp_echo_server
//! cargo run --bin mtu_probe -- 127.0.0.1:7060      # and: cargo run --bin mtu_probe -- --payload-for 1500
//! ```

mod headers;
mod ping;
mod search;

use clap::Parser;
use headers::Headers;
use netkata::addr::Network;
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::human::{self, count, thousands};
use netkata::sys::path_mtu::path_mtu;
use netkata::{datagram, exit};
use ping::Pinger;
use search::Reaction;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// How often a path may turn out to be narrower than it was thought to be. Each time, there is a router that said so.
const ROUNDS: usize = 16;

/// Finds the longest datagram that gets to a peer in one piece.
#[derive(Parser)]
#[command(after_help = "Examples:
  mtu_probe 127.0.0.1:7060
  mtu_probe harbour.example:9 --ping
  mtu_probe --payload-for 1500 --ipv6")]
struct Args {
    /// The peer: host:port or [v6]:port; nobody has to listen there
    #[arg(required_unless_present = "payload_for")]
    address: Option<String>,
    /// Do not probe: say how much data a datagram carries over this MTU
    #[arg(long, value_name = "MTU", conflicts_with = "address")]
    payload_for: Option<usize>,
    /// IPv6 alone
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Ask with ICMP echoes too: they are answered where UDP is not
    #[arg(short, long)]
    ping: bool,
    /// How long to wait for an answer
    #[arg(short, long, default_value = "1s", value_parser = human::parse_limit)]
    timeout: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| match (&args.address, args.payload_for) {
        (_, Some(mtu)) => {
            let headers = Headers::of(args.ipv6);
            let payload = headers.payload_for(mtu).map_err(|why| NetError::invalid("payload", "", why))?;
            exit::say(headers.difference(mtu, payload))
        }
        (address, None) => probe(address.as_deref().unwrap_or_default(), &args),
    })
}

fn probe(address: &str, args: &Args) -> Result<()> {
    let network = if args.ipv6 { Network::Udp6 } else { Network::Udp };
    let peer = datagram::connect(network, address)?.peer_addr().attempt("connect", address)?;
    let headers = Headers::of(peer.is_ipv6());
    exit::say(format_args!("to udp://{peer} over {}", headers.version))?;
    let mut mtu = 0;
    for _ in 0..ROUNDS {
        mtu = known(peer)?;
        exit::say(format_args!("path MTU, as far as this host knows: {}", count(mtu, "octet")))?;
        let longest = search::longest(peer, headers.most).attempt("probe", format_args!("udp://{peer}"))?;
        // A router's word about one of the probes may have come while the others were under way.
        if known(peer)? < mtu {
            exit::say("meanwhile, a router on the way said: too long")?;
        } else if !try_out(peer, mtu, longest, headers, args.timeout)? {
            break;
        }
    }
    if args.ping { ping(peer, mtu, headers, args.timeout) } else { Ok(()) }
}

/// What the kernel says of the path.
fn known(peer: SocketAddr) -> Result<usize> {
    let mtu = search::socket_to(peer).and_then(|socket| path_mtu(&socket, peer.is_ipv6()));
    mtu.attempt("probe", format_args!("udp://{peer}"))
}

/// Sends the longest once more, and tells what comes of it. Whether the path is narrower than this host had thought.
fn try_out(peer: SocketAddr, mtu: usize, longest: usize, headers: Headers, patience: Duration) -> Result<bool> {
    let (data, more) = (count(longest, "octet"), thousands(longest + 1));
    exit::say(format_args!("the longest datagram that it takes: {data} of data; {more} are too long"))?;
    exit::say(format_args!("  {}", headers.difference(mtu, longest)))?;
    let reaction = search::send_again(peer, longest, patience).attempt("probe", format_args!("udp://{peer}"))?;
    let all = count(longest, "octet");
    exit::say(format_args!(
        "sent once more: {}",
        match reaction {
            Reaction::Echo => format!("it came back, all {all}: so it gets there, and back"),
            Reaction::Answer => "an answer came: so it gets there".into(),
            Reaction::Refused => "refused by the peer's host: so it gets there".into(),
            Reaction::TooLong => "too long, says a router on the way".into(),
            Reaction::Nothing => {
                format!("twice no answer within {}; it was sent, and nobody knows more", human::duration(patience))
            }
        }
    ))?;
    Ok(reaction == Reaction::TooLong)
}

/// What ICMP has to say; that it may not be asked is no failure.
fn ping(peer: SocketAddr, mtu: usize, headers: Headers, patience: Duration) -> Result<()> {
    let mut pinger = match Pinger::open(peer) {
        Ok(pinger) => pinger,
        Err(e) => {
            let why = cause_text(&e);
            let needs = "it takes root, CAP_NET_RAW, or a group in net.ipv4.ping_group_range";
            return exit::say(format_args!("ping: {why}: {needs}"));
        }
    };
    let most = mtu.min(headers.longest_packet()).saturating_sub(headers.ip + headers.udp);
    match pinger.longest(headers.least(), most, patience)? {
        Some(data) => {
            let packet = count(data + headers.udp + headers.ip, "octet");
            exit::say(format_args!("ping: the path carries packets of {packet}, and no longer ones"))
        }
        None => exit::say("ping: no answer even to short ones, which says nothing of long ones"),
    }
}
