//! Whoever wants to see the datagrams, and to decide what becomes of them.

use crate::relay::From;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What becomes of a datagram.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on as it came, at once.
    Pass,
    /// This is delivered in its place: nothing, something else, several times, later.
    Instead(Vec<Delivery>),
}

/// Something to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The payload.
    pub octets: Vec<u8>,
    /// Not before so much time has passed; at once when zero.
    pub after: Duration,
    /// Right after so many later ones of the same client and direction have gone out. [`Delivery::after`] is the longest
    /// wait then: where each waits for the answer to the last, no later one ever comes.
    pub behind: usize,
    /// From a port that nobody knows, as a stranger's would come.
    pub foreign: bool,
}

/// Sees each datagram that a relay carries. The relay calls it in its one thread, and waits.
pub trait Hook {
    /// What is kept of a path: a client, and a port of the server's. It is dropped when the relay forgets the path.
    type Path;

    /// The first datagram between these two is about to be shown. A client whose server answers from another port has asked
    /// on a path before.
    fn begin(&mut self, client: SocketAddr, server: SocketAddr, asked: Option<&Self::Path>) -> Self::Path;

    /// A datagram came from this side. Called before it goes on, so that the other's answer always comes later.
    fn datagram(&mut self, path: &mut Self::Path, from: From, octets: &[u8]) -> Verdict;

    /// This side's host says that nobody has the port. Linux only: elsewhere nobody hears of it.
    fn refused(&mut self, path: &mut Self::Path, from: From) {
        let _ = (path, from);
    }

    /// What came from this side could not be sent on.
    fn unsent(&mut self, path: &mut Self::Path, from: From, why: &io::Error) {
        let _ = (path, from, why);
    }

    /// A datagram is not carried, and belongs to no path. Called once for many that follow each other.
    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        let _ = (whose, why);
    }
}

/// Carries everything, and looks at nothing.
impl Hook for () {
    type Path = ();

    fn begin(&mut self, _: SocketAddr, _: SocketAddr, _: Option<&()>) {}

    fn datagram(&mut self, (): &mut (), _: From, _: &[u8]) -> Verdict {
        Verdict::Pass
    }
}
