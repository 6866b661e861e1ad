//! The clients, each with a socket of its own towards the server.

use super::hook::Hook;
use super::port::Port;
use super::{Limits, Source, scoped};
use crate::datagram::{self, canonical};
use crate::human::count;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Ports of the server's that talk to one client at once. One more takes the place of the one unused the longest.
const PATHS: usize = 64;

pub(super) struct Clients<P> {
    known: HashMap<SocketAddr, Client<P>>,
    server: SocketAddr,
    most: usize,
    idle: Duration,
    next_sweep: Option<Instant>,
    changed: bool,
}

pub(super) struct Client<P> {
    address: SocketAddr,
    /// Which of our addresses it speaks to. It expects the answer from there.
    pub(super) here: Option<IpAddr>,
    pub(super) upstream: Rc<Port>,
    last: Instant,
    paths: Vec<Path<P>>,
}

struct Path<P> {
    port: u16,
    last: Instant,
    kept: P,
}

impl<P> Clients<P> {
    pub(super) fn new(server: SocketAddr, limits: &Limits) -> Self {
        let known = HashMap::new();
        Self { known, server, most: limits.clients, idle: limits.idle, next_sweep: None, changed: false }
    }

    /// The client, who is new now if need be.
    pub(super) fn at(&mut self, address: SocketAddr, now: Instant) -> io::Result<&mut Client<P>> {
        if !self.known.contains_key(&address) {
            if self.known.len() >= self.most {
                return Err(io::Error::other(format!("{} already", count(self.most, "conversation"))));
            }
            let upstream = Rc::new(Port::new(towards(self.server)?)?);
            let client = Client { address, here: None, upstream, last: now, paths: Vec::new() };
            self.known.insert(address, client);
            self.next_sweep.get_or_insert(now + self.idle);
            self.changed = true;
        }
        self.known.get_mut(&address).ok_or_else(|| io::Error::other("forgotten"))
    }

    pub(super) fn known(&mut self, address: SocketAddr) -> Option<&mut Client<P>> {
        self.known.get_mut(&address)
    }

    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.changed |= self.known.remove(&address).is_some();
    }

    /// Forgets those who have been silent for long enough.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let (before, idle) = (self.known.len(), self.idle);
        self.known.retain(|_, client| client.last + idle > now);
        self.changed |= self.known.len() < before;
        self.next_sweep = self.known.values().map(|client| client.last + idle).min();
    }

    pub(super) fn next_sweep(&self) -> Option<Instant> {
        self.next_sweep
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = (Rc<Port>, Source)> {
        self.known.values().map(|client| (client.upstream.clone(), Source::Upstream(client.address)))
    }
}

impl<P> Client<P> {
    /// What the hook keeps of this client and that port of the server's.
    pub(super) fn path<H: Hook<Path = P>>(
        &mut self,
        port: u16,
        now: Instant,
        hook: &mut H,
        server: SocketAddr,
    ) -> &mut P {
        let index = self.paths.iter().position(|path| path.port == port).unwrap_or_else(|| {
            if self.paths.len() >= PATHS
                && let Some(oldest) = (0..PATHS).min_by_key(|i| self.paths[*i].last)
            {
                self.paths.remove(oldest);
            }
            let asked = self.paths.first().map(|path| &path.kept);
            let kept = hook.begin(canonical(self.address), SocketAddr::new(server.ip(), port), asked);
            self.paths.push(Path { port, last: now, kept });
            self.paths.len() - 1
        });
        self.last = now;
        let path = &mut self.paths[index];
        path.last = now;
        &mut path.kept
    }

    pub(super) fn known_path(&mut self, port: u16) -> Option<&mut P> {
        self.paths.iter_mut().find(|path| path.port == port).map(|path| &mut path.kept)
    }
}

/// A socket for datagrams to the server's host and back. It is not connected: the answer may come from another port.
///
/// connect(2) on another socket tells which of our addresses leads there; nothing is sent for that.
fn towards(server: SocketAddr) -> io::Result<UdpSocket> {
    let ours = datagram::connect_one(server)?.local_addr()?;
    UdpSocket::bind(scoped(SocketAddr::new(ours.ip(), 0), ours))
}
