//! What is asked of the relays.

use crate::common::load::{plan, rate};
use crate::peers::Relay;
use netkata::endpoint::Endpoint;
use netkata::load::Kind;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// One write of a stream.
const BLOCK: usize = 256 * 1024;
/// The stream that is compared before anything is measured: long enough to fill every buffer on the way.
const COMPARED: u64 = 256;

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::Stream,
    Workload::PingPong { connections: 1, size: 64 },
    Workload::PingPong { connections: 50, size: 64 },
];

#[derive(Clone, Copy)]
pub(crate) enum Workload {
    /// One connection, one direction, as fast as it goes. Octets a second.
    Stream,
    /// On each connection one message at a time, there and back. Messages a second.
    PingPong { connections: usize, size: usize },
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::Stream => f.write_str("one stream"),
            Workload::PingPong { connections, size } => write!(f, "{connections} x {size}"),
        }
    }
}

impl Workload {
    pub(crate) fn connections(&self) -> usize {
        match *self {
            Workload::Stream => 1,
            Workload::PingPong { connections, .. } => connections,
        }
    }

    /// A relay needs two for each connection, and two pipes if it splices.
    pub(crate) fn descriptors(&self) -> u64 {
        self.connections() as u64 * 6 + 50
    }

    pub(crate) fn run(&self, relay: &Endpoint, time: Duration) -> Result<f64, Box<dyn Error>> {
        match *self {
            Workload::Stream => Ok(rate(&plan(relay, Kind::OneWay, 1, BLOCK, time))? * BLOCK as f64),
            Workload::PingPong { connections, size } => rate(&plan(relay, Kind::PingPong, connections, size, time)),
        }
    }
}

/// A stream to the echo and back.
pub(crate) fn carries_every_octet(relay: &Relay) -> Result<(), Box<dyn Error>> {
    let Some(echo) = &relay.echo else { return Ok(()) };
    let mut plan = plan(&echo.endpoint, Kind::Stream, 1, BLOCK, Duration::ZERO);
    (plan.time, plan.requests) = (None, Some(COMPARED));
    rate(&plan).map(drop).map_err(|e| format!("{}: a stream to an echo and back: {e}", relay.name).into())
}
