//! A lossy link between two who talk in datagrams: the grader and the subject, or the subject and a server.
//!
//! ```text
//! let upstream = s.upstream_udp()?;
//! let link = s.lossy_link(upstream.address(), Faults { drop: Fault::nth(Nth::up([1])), ..Faults::default() })?;
//! s.run(&[link.to_string()])?;
//! ```
//!
//! What the link does to a datagram stands in the dialogue; what it passes on unharmed does not.

use crate::Scene;
use crate::failure::{Failure, Outcome};
use netkata::lossy::link::{News, Running};
use netkata::lossy::{Counts, Each};
pub use netkata::lossy::{Fault, Faults, Nth};
use netkata::{error, hexdump};
use std::fmt;
use std::net::SocketAddr;

/// A link in front of a server. It shows itself as the address that clients send to. Dropping it ends it.
pub struct LossyLink(Running);

impl LossyLink {
    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// How many datagrams met which fate, so far.
    pub fn counts(&self) -> Each<Counts> {
        self.0.counts()
    }
}

impl fmt::Display for LossyLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address())
    }
}

impl Scene {
    /// Puts a link with these faults in front of `upstream`, on a free port of loopback. Up is from the clients to there.
    pub fn lossy_link(&mut self, upstream: SocketAddr, faults: Faults) -> Outcome<LossyLink> {
        let journal = self.journal.clone();
        let tell = move |news: News<'_>| match &news {
            News::Fate(passing) if passing.fate.is_harmless() => {}
            News::Fate(passing) => {
                let text = hexdump::text(passing.octets, 24);
                journal.note(format!("the link: {news}: \"{text}\""));
            }
            News::Note(text) => journal.note(format!("the link: {text}")),
        };
        let link = Running::start(SocketAddr::new(upstream.ip(), 0), upstream, faults, tell);
        link.map(LossyLink).map_err(|e| Failure::new("a lossy link", error::cause_text(&e)))
    }
}
