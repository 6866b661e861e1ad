//! What can be asked for, and the plan that it makes.

use clap::Parser;
use netkata::endpoint::Endpoint;
use netkata::human;
use netkata::load::{Kind, Plan};
use std::path::PathBuf;
use std::time::Duration;

/// How long to load, when neither a time nor a number is given.
const TIME: Duration = Duration::from_secs(10);
/// How long to wait for an answer on a stream. What is late there is not lost: TCP sends it again.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The same for a datagram. Nobody sends it again.
const TIMEOUT_UDP: Duration = Duration::from_secs(1);

/// Loads an echo server and compares every octet that comes back.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  blast :7007 --connections 50 --time 3s\n  blast udp://127.0.0.1:7007 --size 1KiB --rate 1000\n  blast /run/echo.sock --stream --size 64KiB --json\n\nExit status: 1 when an answer was wrong, or none came at all."
)]
pub(crate) struct Args {
    /// The server: host:port or tcp://host:port, udp://host:port, a socket file or unix:@name
    #[arg(default_value = "127.0.0.1:7007")]
    pub(crate) target: Endpoint,
    /// Connections at once
    #[arg(short, long, default_value_t = 1)]
    pub(crate) connections: usize,
    /// Octets of a message: 64, 16KiB, 1MiB
    #[arg(short, long, default_value = "64", value_parser = human::parse_size)]
    pub(crate) size: usize,
    /// How long to load [default: 10s, or until --requests are done]
    #[arg(short, long, value_parser = human::parse_limit)]
    pub(crate) time: Option<Duration>,
    /// How many requests in all, at the most
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Load for so long first, and count nothing of it but wrong answers
    #[arg(long, default_value = "0s", value_parser = human::parse_duration)]
    pub(crate) warmup: Duration,
    /// Requests a second in all, by the clock: latency counts from when a request was due
    #[arg(short, long, conflicts_with_all = ["stream", "one_way"], value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Send on and on, and read at the same time what comes back
    #[arg(long)]
    pub(crate) stream: bool,
    /// Send on and on to a server that says nothing (discard, RFC 863); wait for its close at the end
    #[arg(long, conflicts_with_all = ["stream", "reconnect"])]
    pub(crate) one_way: bool,
    /// A new connection for each request
    #[arg(long, conflicts_with = "stream")]
    pub(crate) reconnect: bool,
    /// Threads that share the connections of a ping-pong; few of them leave the processor to a server on this machine
    /// [default: one for each connection]
    #[arg(long, conflicts_with_all = ["rate", "stream", "one_way", "reconnect"], value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) threads: Option<u32>,
    /// How long to wait for an answer [default: 5s; over UDP 1s]
    #[arg(long, value_parser = human::parse_limit)]
    pub(crate) timeout: Option<Duration>,
    /// How long all connects together may take before the load begins
    #[arg(long, default_value = "10s", value_parser = human::parse_limit)]
    pub(crate) setup: Duration,
    /// What the octets are made from
    #[arg(long, default_value_t = 7007)]
    pub(crate) seed: u64,
    /// The results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the histogram of latencies to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number of requests a second"))?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("requests a second must be more than 0".into()) }
}

impl Args {
    /// What the load is to be.
    pub(crate) fn plan(&self) -> Plan {
        let kind = match (self.stream, self.one_way, self.reconnect) {
            (true, ..) => Kind::Stream,
            (_, true, _) => Kind::OneWay,
            (.., true) => Kind::Reconnect,
            _ => Kind::PingPong,
        };
        let patience = if matches!(self.target, Endpoint::Udp(_)) { TIMEOUT_UDP } else { TIMEOUT };
        Plan {
            connections: self.connections,
            threads: self.threads.map_or(self.connections, |n| n as usize),
            size: self.size,
            kind,
            warmup: self.warmup,
            time: self.time.or(self.requests.is_none().then_some(TIME)),
            requests: self.requests,
            rate: self.rate,
            timeout: self.timeout.unwrap_or(patience),
            setup: self.setup,
            seed: self.seed,
            ..Plan::new(self.target.clone())
        }
    }
}
