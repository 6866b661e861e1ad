//! A server for packets of any kind, and the smallest answer to a DNS query: the query itself, said to be an answer.
//!
//! The client speaks first; one datagram goes back for one that came, as long as it was. A DNS message begins with a header of
//! 12 octets (RFC 1035, section 4.1.1), and the first bit of its third octet tells queries from answers. Set, it makes of a
//! query an answer without an error that answers nothing: so little is enough for dig. A datagram without a whole header
//! is dropped; so is an answer, or two of these servers would talk for ever because of one forged datagram. Each query
//! has a thread of its own, `--slots` at the most; beyond that, queries are dropped, and clients ask again.
//!
//! ```text
//! cargo run --bin qr_flip -- --verbose
//! dig @127.0.0.1 -p 7065 berth.harbour.example
//! ```

use clap::Parser;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::crew::Crew;
use netkata::datagram::{self, LONGEST};
use netkata::error::{Attempt, Result, cause_text};
use netkata::slots::Slots;
use netkata::{exit, human, stop};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A send waits only for room in the send buffer, which the interface makes.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

/// Where things are in a DNS header: octets, counted from its first (RFC 1035, section 4.1.1).
mod header {
    /// Of each message.
    pub const LEN: usize = 12;
    /// QR, the kind of query, and three flags.
    pub const FLAGS: usize = 2;
    /// Among them: clear in a query, set in an answer.
    pub const QR: u8 = 0x80;
}

/// Answers DNS queries with themselves, said to be answers.
#[derive(Parser)]
#[command(after_help = "Example:\n  qr_flip :7065 --verbose\n  dig @127.0.0.1 -p 7065 berth.harbour.example")]
struct Args {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7065")]
    address: String,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// Queries that are answered at once; more are dropped
    #[arg(long, default_value_t = 64, value_parser = human::size_within::<usize>(1..=10_000))]
    slots: usize,
    /// Think about each query for so long: to see that one holds up no other
    #[arg(long, default_value = "0", value_parser = human::parse_duration)]
    delay: Duration,
    /// After SIGINT or SIGTERM, let answers be finished for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
    /// Log each query
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
    let slots = Slots::new(args.slots);
    let (delay, verbose) = (args.delay, args.verbose);
    serve_packets(&stop, socket, &slots, move |query, from| {
        thread::sleep(delay);
        let answer = flip(query);
        match &answer {
            Ok(answer) if verbose => exit::log(format_args!("{from}: {}", human::count(answer.len(), "octet"))),
            Ok(_) => {}
            Err(why) => exit::log(format_args!("{from}: dropped: {why}")),
        }
        answer.ok()
    })
    .attempt("receive", &args.address)?;
    match slots.wait_empty(args.grace) {
        0 => {}
        left => exit::log(format_args!("left {left} unanswered after {}", human::duration(args.grace))),
    }
    Ok(())
}

/// The query as its own answer.
fn flip(mut query: Vec<u8>) -> std::result::Result<Vec<u8>, String> {
    if query.len() < header::LEN {
        return Err(format!("{}, and a DNS header has {}", human::count(query.len(), "octet"), header::LEN));
    }
    if query[header::FLAGS] & header::QR != 0 {
        return Err("an answer, and not a query".into());
    }
    query[header::FLAGS] |= header::QR;
    Ok(query)
}

/// Any service in datagrams: `handle` gets each one, in a thread of its own, and what it returns goes back to the sender.
/// Nothing here knows what the octets mean.
// [packets]
fn serve_packets<H>(stop: &Context, socket: UdpSocket, slots: &Slots, handle: H) -> io::Result<()>
where
    H: Fn(Vec<u8>, SocketAddr) -> Option<Vec<u8>> + Send + Sync + 'static,
{
    let shared = Arc::new((socket, handle));
    let crew = Crew::new("packet");
    datagram::serve(stop, &shared.0, &mut vec![0; LONGEST], |octets, came| {
        let from = datagram::canonical(came.from);
        let Some(slot) = slots.take() else {
            return exit::log(format_args!("{from}: dropped: all {} slots are taken", slots.limit()));
        };
        let (own, octets) = (shared.clone(), octets.to_vec());
        let started = crew.run(move || {
            let (_slot, (socket, handle)) = (slot, &*own);
            let sent = handle(octets, from).map_or(Ok(()), |answer| datagram::reply(socket, &answer, &came));
            sent.unwrap_or_else(|e| exit::log(format_args!("{from}: {}", cause_text(&e))));
        });
        started.unwrap_or_else(|e| exit::log(format_args!("{from}: dropped: {e}")));
    })
}
// [/packets]
