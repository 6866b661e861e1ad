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
use crate::udp_upstream::UdpUpstream;
use netkata::addr::Network;
use netkata::context::Context;
use netkata::error::{Attempt, NetError, cause_text};
use netkata::lossy::link::{News, Running};
use netkata::lossy::{Counts, Each};
pub use netkata::lossy::{Fault, Faults, Nth};
use netkata::{datagram, hexdump};
use std::fmt;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

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

/// An echo service (RFC 862) in a thread of the grader's, for what happens too often to be played. Dropping it ends it.
pub struct EchoUdp {
    address: SocketAddr,
    stop: Context,
    thread: Option<JoinHandle<()>>,
}

impl EchoUdp {
    fn start() -> Result<Self, NetError> {
        let socket = datagram::bind(Network::Udp, "127.0.0.1:0")?;
        let address = socket.local_addr().attempt("listen", "127.0.0.1:0")?;
        let stop = Context::new();
        let ended = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; datagram::LONGEST];
            let _ = datagram::serve(&ended, &socket, &mut buffer, |octets, came| {
                let _ = socket.send_to(octets, came.from);
            });
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for EchoUdp {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Scene {
    /// An echo service over UDP on a free port of loopback.
    pub fn echo_udp(&mut self) -> Outcome<EchoUdp> {
        EchoUdp::start().map_err(|e| Failure::new("an echo service", e.to_string()))
    }

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
        link.map(LossyLink).map_err(|e| Failure::new("a lossy link", cause_text(&e)))
    }
}

/// For what is too much to be written down.
impl UdpUpstream {
    /// Sends a datagram back to a sender, and does not write it down.
    pub fn reply_unseen(&mut self, to: SocketAddr, octets: &[u8]) -> Outcome {
        self.socket().send_to(octets, to).map(drop).map_err(|e| Failure::new("a datagram to be sent", cause_text(&e)))
    }

    /// What comes within `time`, if something does; not written down.
    pub fn look_unseen(&mut self, time: Duration) -> Outcome<Option<Vec<u8>>> {
        Ok(crate::datagram::receive(self.socket(), time.into())?.map(|(octets, _)| octets))
    }

    /// What comes within `time`, if something does.
    pub fn look(&mut self, time: Duration) -> Outcome<Option<(Vec<u8>, SocketAddr)>> {
        self.next(time.into())
    }
}
