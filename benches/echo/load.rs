//! What is asked of the servers.

use crate::common::load::{plan, rate_spread};
use netkata::endpoint::Endpoint;
use netkata::load::Kind;
use std::error::Error;
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Workload {
    /// On each connection one message at a time, there and back.
    PingPong { connections: usize, size: usize },
    /// Connect, one message there and back, close.
    Short { at_once: usize, size: usize },
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::PingPong { connections, size } => write!(f, "{connections} x {size}"),
            Workload::Short { at_once, size } => write!(f, "short x {at_once}, {size}"),
        }
    }
}

impl Workload {
    pub(crate) fn connections(&self) -> usize {
        match *self {
            Workload::PingPong { connections: n, .. } | Workload::Short { at_once: n, .. } => n,
        }
    }

    /// What the server and we need, each: the connections, and some for everything else.
    pub(crate) fn descriptors(&self) -> u64 {
        self.connections() as u64 + 50
    }

    /// Messages (or connections) a second, over about `time`.
    pub(crate) fn run(&self, endpoint: &Endpoint, time: Duration) -> Result<f64, Box<dyn Error>> {
        let (kind, size) = match *self {
            Workload::PingPong { size, .. } => (Kind::PingPong, size),
            Workload::Short { size, .. } => (Kind::Reconnect, size),
        };
        rate_spread(&plan(endpoint, kind, self.connections(), size, time))
    }
}
