//! Copying both ways between two streams: what proxies, taps and tunnels have in common.
//!
//! Each side sees what it would see if it were connected to the other itself:
//!
//! - octets arrive in order, and every one that came before a FIN or a reset arrives before it;
//! - a half-close is passed on as one, so that the answer to a finished question still comes back;
//! - a reset is passed on as one;
//! - who takes nothing is sent nothing, and the sender feels it: in between, a bounded number of octets is kept.
//!
//! [`carry`] does it in the calling thread, for one connection. [`generic`] is the short form, to read first.

mod buffer;
pub mod datagrams;
mod ending;
mod flow;
pub mod generic;
#[cfg(not(target_os = "linux"))]
mod no_pipe;
mod pair;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(test)]
mod tests;
mod watch;

#[cfg(not(target_os = "linux"))]
use no_pipe as pipe;
pub use watch::{From, Watch};

use crate::conn::Conn;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// How to carry.
#[derive(Clone, Debug)]
pub struct Options {
    /// A connection on which neither side sends anything for this long, or takes what it was sent, is reset on both sides.
    pub idle: Duration,
    /// Whether octets that nobody wants to see may travel by splice(2), without being copied into this process. Linux
    /// only; elsewhere it changes nothing.
    pub splice: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { idle: Duration::from_secs(5 * 60), splice: true }
    }
}

/// What was carried.
#[derive(Debug)]
pub struct Outcome {
    /// Octets that came from the client.
    pub from_client: u64,
    /// Octets that came from the server.
    pub from_server: u64,
    /// How it ended.
    pub end: End,
}

/// How a relayed connection ended.
#[derive(Debug)]
pub enum End {
    /// Each side has sent its FIN, and has been passed the other's.
    Finished,
    /// The relay was told to stop.
    Stopped,
    /// Nothing moved for as long as [`Options::idle`]; both sides were reset.
    Idle,
    /// This side's socket failed, mostly by a reset; the other side was reset too.
    Broken(From, io::Error),
}

/// Carries octets between a client and its server until both have finished, one of them breaks, nothing has moved for
/// too long, or `stop` becomes readable (for a pipe: hangs up).
///
/// The streams may be TCP or Unix, in any combination. A Unix socket has no reset to pass on: its peer reads the end of
/// the stream instead.
pub fn carry(
    client: Conn,
    server: Conn,
    options: &Options,
    stop: Option<BorrowedFd<'_>>,
    watch: &mut impl Watch,
) -> Outcome {
    let mut pair = pair::Pair::new([client, server], options, stop, watch);
    let end = pair.run();
    let [from_client, from_server] = pair.flows.map(|flow| flow.octets);
    Outcome { from_client, from_server, end }
}
