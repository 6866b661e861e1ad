//! A daytime server over UDP (RFC 867): any datagram asks, also an empty one; one datagram with a line answers it.
//!
//! The client speaks first: there is no connection whose coming the server could see. What the question holds is not read. The
//! answer goes to the sender's address, which is only a claim: whoever asks in another's name makes the server send to that
//! other, and about 45 octets for none asked. So this server is of little use as a mirror:
//!
//! - Questions from its own port number and from ports below 1024 are not answered. There, other servers listen, and two that
//!   answer everything would talk to each other for ever, because of one datagram.
//! - A host gets `--rate` answers in a second, and no more; of IPv6, all of a /64 counts as one.
//!
//! ```text
//! cargo run --bin udp_daytime_server -- --zone Europe/Lisbon
//! echo | nc -u -W 1 127.0.0.1 7061
//! ```

use clap::Parser;
use jiff::tz::TimeZone;
use netkata::addr::Network;
use netkata::datagram::{self, Received};
use netkata::error::{Attempt, Result, cause_text};
use netkata::{daytime, exit, human, stop};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A send waits only for room in the send buffer, which the interface makes.
const WRITE_LIMIT: Duration = Duration::from_secs(1);
/// Below are the ports of servers (RFC 6335, section 6); inetd(8) has not answered those for thirty years.
const CLIENTS: u16 = 1024;
/// Hosts that are counted in a second. Strangers choose the addresses, so without a limit they would choose how much memory
/// this takes.
const HOSTS: usize = 10_000;

/// Tells the date and the time to whoever sends a datagram (RFC 867).
#[derive(Parser)]
#[command(after_help = "Example:\n  udp_daytime_server :7061 --zone Europe/Lisbon\n  echo | nc -u -W 1 127.0.0.1 7061")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7061")]
    address: String,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// UTC, local, or a name from the time zone database such as Europe/Lisbon
    #[arg(long, default_value = "local", value_parser = daytime::zone)]
    zone: TimeZone,
    /// The most answers that a host gets in a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Log each question
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let socket = datagram::announced(args.network, &args.address)?;
    socket.set_write_timeout(Some(WRITE_LIMIT)).attempt("listen", &args.address)?;
    let own = socket.local_addr().attempt("listen", &args.address)?.port();
    let mut budget = Budget { rate: args.rate, since: Instant::now(), spent: HashMap::new() };
    let (mut answered, mut passed_over) = (0, 0);
    // Whatever is asked, the answer is the same: no octet of it has to be kept.
    datagram::serve(&stop, &socket, &mut [], |_, asked| {
        let from = datagram::canonical(asked.from);
        let outcome = match refusal(from, own, &mut budget) {
            Some(why) => Err(why.to_string()),
            None => answer(&socket, &asked, &args.zone),
        };
        *if outcome.is_ok() { &mut answered } else { &mut passed_over } += 1;
        if args.verbose {
            exit::log(format_args!("{from}: {}", outcome.err().unwrap_or_else(|| "answered".into())));
        }
    })
    .attempt("receive", &args.address)?;
    exit::log(format_args!("stopping: {} answered, {passed_over} not", human::count(answered, "question")));
    Ok(())
}

fn answer(socket: &UdpSocket, question: &Received, zone: &TimeZone) -> std::result::Result<(), String> {
    datagram::reply(socket, daytime::line(zone).as_bytes(), question).map_err(|e| cause_text(&e))
}

// [mirror]
/// Why a question is not answered, if it is not. The sender's address is what the datagram says, and may be a lie.
fn refusal(from: SocketAddr, own: u16, budget: &mut Budget) -> Option<&'static str> {
    match from.port() {
        port if port == own => Some("not answered: the question comes from a port like ours"),
        ..CLIENTS => Some("not answered: the question comes from a server's port"),
        _ if !budget.take(from.ip()) => Some("not answered: too many questions in this second"),
        _ => None,
    }
}
// [/mirror]

/// How many answers each host has had in this second.
struct Budget {
    rate: u32,
    since: Instant,
    spent: HashMap<IpAddr, u32>,
}

impl Budget {
    /// Takes one answer out of a host's budget, if there is one left.
    fn take(&mut self, host: IpAddr) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.spent) = (Instant::now(), HashMap::new());
        }
        if self.spent.len() == HOSTS {
            return false;
        }
        let spent = self.spent.entry(network_of(host)).or_default();
        *spent += 1;
        *spent <= self.rate
    }
}

/// Whoever has one IPv6 address has the 2⁶⁴ around it (RFC 6177).
fn network_of(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(_) => host,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}
