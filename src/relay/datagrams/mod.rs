//! Carrying datagrams between clients and a server, when nobody connects.
//!
//! A client is known by its address alone. Each has a socket of its own towards the server, so that answers find their way
//! back. A server need not answer from the port that was asked: a TFTP server answers from another one (RFC 1350,
//! section 4), and there it wants to be spoken to from then on. So each port that the server's host answers from gets a
//! port of the relay's own, a *door*: what comes from the one leaves by the other, and what clients send there goes
//! back. The relay's ports are a picture of the server's.
//!
//! ```text
//!   client ──▶ :7066 ─┐                   ┌──▶ :69    the port that is asked
//!                     ├─ client's socket ─┤
//!   client ◀── :40001 ┘                   └─── :33333 the port that answers
//! ```
//!
//! Only the server's own host is let in by that way; what others send there is dropped. Whoever says nothing for a while is
//! forgotten. One thread carries everything and waits with poll(2): there is nothing to wait for but sockets and the clock.
//! A [`Hook`] sees each datagram, and may say that something else is delivered in its place, or later.

mod clients;
mod doors;
mod hook;
mod port;
#[cfg(test)]
mod tests;
mod way;

pub use hook::{Delivery, Hook, Verdict};

use super::From;
use crate::context::Context;
use crate::datagram::{LONGEST, canonical};
use crate::error::cause_text;
use clients::Clients;
use doors::Doors;
use nix::poll::{PollFd, PollFlags};
use port::{Came, Port, wait};
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use way::{OnTheWay, Parcel};

/// Datagrams taken from one socket before it is the next one's turn.
const TURN: usize = 64;

/// How much a relay takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A client that has said and heard nothing for so long is forgotten, and so is a port of the server's.
    pub idle: Duration,
    /// Clients at once. What further ones send is dropped.
    pub clients: usize,
    /// Ports of the server's at once, beyond the one that is asked. One more takes the place of the one unused the longest.
    pub ports: usize,
    /// Octets that wait to be delivered later. What comes beyond that is dropped.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(5 * 60), clients: 1000, ports: 1000, queue: 64 << 20 }
    }
}

/// Carries datagrams between the clients of `socket` and `upstream` until `stop` ends.
///
/// # Errors
/// When `socket` fails for good.
pub fn carry<H: Hook>(
    socket: &UdpSocket,
    upstream: SocketAddr,
    limits: &Limits,
    hook: &mut H,
    stop: &Context,
) -> io::Result<()> {
    let entrance = Rc::new(Port::new(socket.try_clone()?)?);
    let doors = Doors::new(entrance, somebody(upstream).port(), limits)?;
    let clients = Clients::new(somebody(upstream), limits);
    let way = OnTheWay::new(limits.queue);
    Relay { doors, clients, way, hook, upstream: somebody(upstream), told: false }.run(stop)
}

/// Nobody has the address 0.0.0.0; sent there, a datagram goes to this host (ip(7)).
fn somebody(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return address,
    };
    SocketAddr::new(ip, address.port())
}

/// Where a datagram can come from.
#[derive(Clone, Copy)]
enum Source {
    /// A port of ours that stands for this port of the server's.
    Door(u16),
    /// The socket of this client, towards the server.
    Upstream(SocketAddr),
}

struct Relay<'a, H: Hook> {
    doors: Doors,
    clients: Clients<H::Path>,
    way: OnTheWay,
    hook: &'a mut H,
    upstream: SocketAddr,
    /// That something is not carried; a flood of it would be a flood of lines.
    told: bool,
}

impl<H: Hook> Relay<'_, H> {
    fn run(&mut self, stop: &Context) -> io::Result<()> {
        let wake = stop.wake()?;
        let mut buffer = vec![0; LONGEST];
        let mut sources = Vec::new();
        while stop.cause().is_none() {
            if self.doors.take_changed() | self.clients.take_changed() {
                sources = self.doors.sources().chain(self.clients.sources()).collect();
            }
            let mut fds = vec![PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
            fds.extend(sources.iter().map(|(port, _)| PollFd::new(port.as_fd(), PollFlags::POLLIN)));
            wait(&mut fds, self.time_left(stop))?;
            for ((port, source), fd) in sources.iter().zip(&fds[1..]) {
                let told = fd.revents().unwrap_or(PollFlags::empty());
                if told.contains(PollFlags::POLLERR) {
                    self.hear_refusals(port, *source);
                }
                if !told.is_empty() {
                    self.attend(port, *source, &mut buffer)?;
                }
            }
            self.deliver_what_is_due();
            self.forget();
        }
        Ok(())
    }

    fn time_left(&self, stop: &Context) -> Option<Duration> {
        let next = [self.way.next(), self.clients.next_sweep(), self.doors.next_sweep(), stop.deadline()];
        next.into_iter().flatten().min().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Something is waiting at one of our sockets. All that is goes on, before poll(2) is asked again.
    fn attend(&mut self, port: &Port, source: Source, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..TURN {
            match port.receive(buffer) {
                Ok(Some(came)) => self.pass(source, came, &buffer[..came.len]),
                Ok(None) => break,
                Err(e) if crate::datagram::passes(&e) => self.hear_refusals(port, source),
                Err(e) => return self.lose(source, e),
            }
        }
        Ok(())
    }

    /// The socket has failed for good: only the entrance's end is the relay's.
    fn lose(&mut self, source: Source, e: io::Error) -> io::Result<()> {
        match source {
            Source::Door(port) if port == self.upstream.port() => return Err(e),
            Source::Door(port) => self.doors.close(port),
            Source::Upstream(client) => self.clients.forget(client),
        }
        self.not_carried(&"a socket", &cause_text(&e));
        Ok(())
    }

    fn pass(&mut self, source: Source, came: Came, octets: &[u8]) {
        match source {
            Source::Door(port) => self.pass_up(port, came, octets),
            Source::Upstream(client) => self.pass_down(client, came.from, octets),
        }
    }

    fn pass_up(&mut self, port: u16, came: Came, octets: &[u8]) {
        let now = Instant::now();
        self.doors.touch(port, now);
        let client = match self.clients.at(came.from, now) {
            Ok(client) => client,
            Err(e) => return self.not_carried(&canonical(came.from), &cause_text(&e)),
        };
        client.here = came.here;
        let path = client.path(port, now, self.hook, self.upstream);
        let verdict = self.hook.datagram(path, From::Client, octets);
        self.told = false;
        self.carry_out(verdict, Parcel { client: came.from, port, from: From::Client, foreign: false }, octets);
    }

    fn pass_down(&mut self, address: SocketAddr, from: SocketAddr, octets: &[u8]) {
        let now = Instant::now();
        if canonical(from).ip() != canonical(self.upstream).ip() {
            return self.not_carried(&canonical(from), &"not the server's host");
        }
        if let Err(e) = self.doors.open(from.port(), now) {
            return self.not_carried(&canonical(from), &cause_text(&e));
        }
        // It may have been forgotten a moment ago.
        let Some(client) = self.clients.known(address) else { return };
        let path = client.path(from.port(), now, self.hook, self.upstream);
        let verdict = self.hook.datagram(path, From::Server, octets);
        self.carry_out(
            verdict,
            Parcel { client: address, port: from.port(), from: From::Server, foreign: false },
            octets,
        );
    }

    fn carry_out(&mut self, verdict: Verdict, parcel: Parcel, octets: &[u8]) {
        let number = self.way.number();
        let deliveries = match verdict {
            Verdict::Pass => return self.deliver(parcel, number, octets),
            Verdict::Instead(deliveries) => deliveries,
        };
        for delivery in deliveries {
            let parcel = Parcel { foreign: delivery.foreign, ..parcel };
            if delivery.after.is_zero() && delivery.behind == 0 {
                self.deliver(parcel, number, &delivery.octets);
            } else if !self.way.put(parcel, number, delivery) {
                self.not_carried(&canonical(parcel.client), &"too much is on the way already");
            }
        }
    }

    /// Sends it, and then those that were to be overtaken by it.
    fn deliver(&mut self, parcel: Parcel, number: u64, octets: &[u8]) {
        self.send(parcel, octets);
        for octets in self.way.overtaken(parcel, number) {
            self.send(octets.0, &octets.1);
        }
    }

    fn deliver_what_is_due(&mut self) {
        while let Some((parcel, number, octets)) = self.way.due(Instant::now()) {
            self.deliver(parcel, number, &octets);
        }
    }

    fn send(&mut self, parcel: Parcel, octets: &[u8]) {
        let Some((port, to, here, source)) = self.route(parcel) else { return };
        if parcel.foreign {
            return self.send_as_a_stranger(&port, octets, to);
        }
        let mut sent = port.send(octets, to, here);
        if sent.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            // The refusal is of a datagram before; this one has not been sent (udp(7)).
            self.hear_refusals(&port, source);
            sent = port.send(octets, to, here);
        }
        if let (Err(e), Some((hook, path))) = (sent, self.path(parcel.client, parcel.port)) {
            hook.unsent(path, parcel.from, &e);
        }
    }

    /// By which socket it leaves, where it goes, and from which address of ours. Nowhere, when the client or the door has
    /// been forgotten meanwhile.
    fn route(&mut self, parcel: Parcel) -> Option<(Rc<Port>, SocketAddr, Option<IpAddr>, Source)> {
        let client = self.clients.known(parcel.client)?;
        Some(match parcel.from {
            From::Client => {
                let to = scoped(SocketAddr::new(self.upstream.ip(), parcel.port), self.upstream);
                (client.upstream.clone(), to, None, Source::Upstream(parcel.client))
            }
            From::Server => (self.doors.get(parcel.port)?, parcel.client, client.here, Source::Door(parcel.port)),
        })
    }

    /// From a port that is open for this moment only.
    fn send_as_a_stranger(&mut self, like: &Port, octets: &[u8], to: SocketAddr) {
        let stranger = like.address().and_then(|address| like.another_at(without_port(address)));
        if let Err(e) = stranger.and_then(|stranger| stranger.send_to(octets, to)) {
            self.not_carried(&"a stranger's", &cause_text(&e));
        }
    }

    fn path(&mut self, client: SocketAddr, port: u16) -> Option<(&mut H, &mut H::Path)> {
        let client = self.clients.known(client)?;
        Some((self.hook, client.known_path(port)?))
    }

    /// ICMP: nobody has that port (RFC 792; RFC 4443, section 3.1). A client that is gone is forgotten. Its socket is closed
    /// with that, so that the server's host hears the same.
    fn hear_refusals(&mut self, port: &Port, source: Source) {
        while let Some(by) = port.refusal() {
            let ((client, port, from), gone) = match source {
                Source::Upstream(client) => ((client, by.port(), From::Server), false),
                Source::Door(port) => ((by, port, From::Client), true),
            };
            if let Some((hook, path)) = self.path(client, port) {
                hook.refused(path, from);
            }
            if gone {
                self.clients.forget(client);
            }
        }
    }

    fn forget(&mut self) {
        let now = Instant::now();
        self.clients.sweep(now);
        self.doors.sweep(now);
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        if !std::mem::replace(&mut self.told, true) {
            self.hook.not_carried(whose, why);
        }
    }
}

fn without_port(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}

/// A link-local address means nothing without its interface (RFC 4007, section 6).
fn scoped(mut address: SocketAddr, like: SocketAddr) -> SocketAddr {
    if let (SocketAddr::V6(address), SocketAddr::V6(like)) = (&mut address, like) {
        address.set_scope_id(like.scope_id());
    }
    address
}
