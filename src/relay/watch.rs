//! Whoever wants to know what passes through a relay.

use std::io;
use std::time::Duration;

/// Which side an event comes from. The client is the one who connected, or sent the first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The side that dialled.
    Client,
    /// The side that listened.
    Server,
}

impl From {
    /// Both sides, the client first.
    pub const BOTH: [From; 2] = [From::Client, From::Server];

    /// The other side.
    pub fn other(self) -> Self {
        match self {
            From::Client => From::Server,
            From::Server => From::Client,
        }
    }
}

/// What wants to know of the octets that pass. `()` wants nothing.
///
/// The relay calls it from the connection's own thread, and waits: what takes long here slows the connection down.
pub trait Watch {
    /// Whether the octets that come from this side now are to be shown to [`Watch::data`]. While not, they may travel
    /// without being copied into this process, and only [`Watch::passed`] is told.
    fn wants(&self, from: From) -> bool {
        let _ = from;
        true
    }

    /// Octets came from this side. Called before they go on, so that the other's answer always comes later.
    fn data(&mut self, from: From, octets: &[u8]);

    /// So many octets came that were not wanted.
    fn passed(&mut self, from: From, octets: usize) {
        let _ = (from, octets);
    }

    /// This side's FIN came: it sends no more.
    fn closed(&mut self, from: From) {
        let _ = from;
    }

    /// This side's socket failed: a reset, mostly. Called after the octets that came before that.
    fn broken(&mut self, from: From, e: &io::Error) {
        let _ = (from, e);
    }

    /// Nothing moved for so long: both sides are about to be reset.
    fn idle(&mut self, limit: Duration) {
        let _ = limit;
    }
}

impl Watch for () {
    fn wants(&self, _: From) -> bool {
        false
    }

    fn data(&mut self, _: From, _: &[u8]) {}
}
