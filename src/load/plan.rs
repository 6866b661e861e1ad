//! What to do to a server.

use crate::endpoint::Endpoint;
use crate::error::{NetError, Result};
use crate::human::{count, thousands};
use crate::load::sea::{MOST_CONNECTIONS, STAMP};
use std::fmt;
use std::time::Duration;

/// The largest UDP payload over IPv4: 65,535 less 20 octets of IP header and 8 of UDP (RFC 768).
pub const LARGEST_DATAGRAM: usize = 65_507;
/// The largest message.
pub const LARGEST: usize = 64 << 20;

/// What each connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends a message, waits for it to come back, sends the next.
    PingPong,
    /// The same, with a new connection for each message.
    Reconnect,
    /// Sends on and on, while another thread reads and compares what comes back.
    Stream,
    /// Sends on and on. At the end it half-closes, and waits for the server to close.
    OneWay,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::PingPong => "ping-pong",
            Kind::Reconnect => "ping-pong, a connection for each",
            Kind::Stream => "stream",
            Kind::OneWay => "one-way stream",
        })
    }
}

/// What to do to a server, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Endpoint,
    /// Connections at once.
    pub connections: usize,
    /// Threads that share the connections of a ping-pong: each sends on all of its own, and then reads from all. Few
    /// threads leave the processor to the server. As many threads as connections measure latency best: with fewer, an
    /// answer waits for its turn to be read.
    pub threads: usize,
    /// Octets of a message.
    pub size: usize,
    /// What each connection does.
    pub kind: Kind,
    /// How long to load before anything is counted.
    pub warmup: Duration,
    /// How long to load; `None` is until `requests` are done.
    pub time: Option<Duration>,
    /// How many requests at the most.
    pub requests: Option<u64>,
    /// Requests a second over all connections; `None` is as fast as answers come.
    pub rate: Option<f64>,
    /// How long to wait for one answer.
    pub timeout: Duration,
    /// How long all connects together may take before the load begins.
    pub setup: Duration,
    /// What the octets are made from.
    pub seed: u64,
}

impl Plan {
    /// One connection, 64 octets, as fast as it goes for ten seconds.
    pub fn new(target: Endpoint) -> Self {
        Self {
            target,
            connections: 1,
            threads: 1,
            size: 64,
            kind: Kind::PingPong,
            warmup: Duration::ZERO,
            time: Some(Duration::from_secs(10)),
            requests: None,
            rate: None,
            timeout: Duration::from_secs(5),
            setup: Duration::from_secs(10),
            seed: 0x7007,
        }
    }

    /// Whether it sends datagrams.
    pub fn is_datagrams(&self) -> bool {
        matches!(self.target, Endpoint::Udp(_))
    }

    /// # Errors
    /// What cannot be done, before anything is.
    pub fn check(&self) -> Result<()> {
        let wrong = |why: String| Err(NetError::invalid("load", self.target.to_string(), why));
        let largest = if self.is_datagrams() { LARGEST_DATAGRAM } else { LARGEST };
        let smallest = if self.is_datagrams() { STAMP } else { 1 };
        if self.connections == 0 || self.connections >= MOST_CONNECTIONS as usize {
            let (asked, most) = (count(self.connections, "connection"), thousands(MOST_CONNECTIONS as usize - 1));
            return wrong(format!("{asked}: from 1 to {most}"));
        }
        if !(smallest..=largest).contains(&self.size) {
            let (asked, largest) = (count(self.size, "octet"), thousands(largest));
            return wrong(format!("messages of {asked}: from {smallest} to {largest}"));
        }
        if self.is_datagrams() && self.kind != Kind::PingPong {
            return wrong(format!("no {} over UDP, which has no connections", self.kind));
        }
        if self.rate.is_some() && (self.kind == Kind::Stream || self.kind == Kind::OneWay) {
            return wrong("a stream goes as fast as it can: no rate".into());
        }
        if self.rate.is_some() && self.threads < self.connections {
            return wrong("a rate needs a thread for each connection".into());
        }
        if self.time.is_none() && self.requests.is_none() {
            return wrong("neither a time nor a number of requests bounds it".into());
        }
        Ok(())
    }
}
