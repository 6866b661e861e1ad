//! The relay's own ports: the entrance for the port that is asked, and a door for each other that answered.

use super::port::Port;
use super::{Limits, Source, without_port};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub(super) struct Doors {
    entrance: Rc<Port>,
    /// The port of the server's that is asked.
    asked: u16,
    /// By the server's port.
    open: HashMap<u16, Door>,
    /// Where doors are opened: the address of the entrance, without its port.
    here: SocketAddr,
    most: usize,
    idle: Duration,
    next_sweep: Option<Instant>,
    changed: bool,
}

struct Door {
    port: Rc<Port>,
    last: Instant,
}

impl Doors {
    pub(super) fn new(entrance: Rc<Port>, asked: u16, limits: &Limits) -> io::Result<Self> {
        let here = without_port(entrance.address()?);
        let (open, most, idle) = (HashMap::new(), limits.ports, limits.idle);
        Ok(Self { entrance, asked, open, here, most, idle, next_sweep: None, changed: true })
    }

    pub(super) fn get(&self, port: u16) -> Option<Rc<Port>> {
        if port == self.asked {
            Some(self.entrance.clone())
        } else {
            self.open.get(&port).map(|door| door.port.clone())
        }
    }

    /// The server has spoken from this port.
    pub(super) fn open(&mut self, port: u16, now: Instant) -> io::Result<()> {
        if port == self.asked || self.touch(port, now) {
            return Ok(());
        }
        if self.open.len() >= self.most
            && let Some(oldest) = self.open.iter().min_by_key(|(_, door)| door.last).map(|(port, _)| *port)
        {
            self.close(oldest);
        }
        let socket = self.entrance.another_at(self.here)?;
        self.open.insert(port, Door { port: Rc::new(Port::new(socket)?), last: now });
        self.next_sweep.get_or_insert(now + self.idle);
        self.changed = true;
        Ok(())
    }

    /// Whether it is open; then it was used just now.
    pub(super) fn touch(&mut self, port: u16, now: Instant) -> bool {
        self.open.get_mut(&port).map(|door| door.last = now).is_some()
    }

    pub(super) fn close(&mut self, port: u16) {
        self.changed |= self.open.remove(&port).is_some();
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        let (before, idle) = (self.open.len(), self.idle);
        self.open.retain(|_, door| door.last + idle > now);
        self.changed |= self.open.len() < before;
        self.next_sweep = self.open.values().map(|door| door.last + idle).min();
    }

    pub(super) fn next_sweep(&self) -> Option<Instant> {
        self.next_sweep
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = (Rc<Port>, Source)> {
        let entrance = (self.entrance.clone(), Source::Door(self.asked));
        std::iter::once(entrance).chain(self.open.iter().map(|(port, door)| (door.port.clone(), Source::Door(*port))))
    }
}
