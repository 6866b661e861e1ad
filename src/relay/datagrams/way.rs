//! Datagrams that are on the way: those that take their time, and those that others are to overtake.

use super::hook::Delivery;
use crate::relay::From;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

/// What a waiting datagram takes besides its octets.
const ENTRY: usize = 256;

/// Whose datagram it is, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) client: SocketAddr,
    /// The server's port.
    pub(super) port: u16,
    pub(super) from: From,
    /// It is to come from a port that nobody knows.
    pub(super) foreign: bool,
}

struct Waiting {
    parcel: Parcel,
    number: u64,
    behind: usize,
    octets: Vec<u8>,
}

pub(super) struct OnTheWay {
    /// By the time when they are due, then in the order in which they were put there.
    waiting: BTreeMap<(Instant, u64), Waiting>,
    /// How many of them wait to be overtaken.
    held: usize,
    numbers: u64,
    tickets: u64,
    octets: usize,
    most: usize,
}

impl OnTheWay {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), held: 0, numbers: 0, tickets: 0, octets: 0, most }
    }

    /// The number of a datagram that came just now: later ones have higher numbers.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Whether there was room for it.
    pub(super) fn put(&mut self, parcel: Parcel, number: u64, delivery: Delivery) -> bool {
        let cost = delivery.octets.len() + ENTRY;
        let Some(due) = Instant::now().checked_add(delivery.after) else { return false };
        if self.octets + cost > self.most {
            return false;
        }
        self.octets += cost;
        self.tickets += 1;
        self.held += usize::from(delivery.behind > 0);
        let waiting = Waiting { parcel, number, behind: delivery.behind, octets: delivery.octets };
        self.waiting.insert((due, self.tickets), waiting);
        true
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(at, _)| *at)
    }

    /// The next one that is due by now.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Parcel, u64, Vec<u8>)> {
        let key = *self.waiting.keys().next().filter(|(at, _)| *at <= now)?;
        self.take(key).map(|waiting| (waiting.parcel, waiting.number, waiting.octets))
    }

    /// A datagram with this number has gone out. Those that it was the last to overtake follow it.
    pub(super) fn overtaken(&mut self, by: Parcel, number: u64) -> Vec<(Parcel, Vec<u8>)> {
        if self.held == 0 {
            return Vec::new();
        }
        let mut free = Vec::new();
        for (key, waiting) in &mut self.waiting {
            let same = (waiting.parcel.client, waiting.parcel.from) == (by.client, by.from);
            if waiting.behind > 0 && waiting.number < number && same {
                waiting.behind -= 1;
                if waiting.behind == 0 {
                    free.push(*key);
                }
            }
        }
        self.held -= free.len();
        free.sort_by_key(|(_, ticket)| *ticket);
        free.into_iter().filter_map(|key| self.take(key)).map(|w| (w.parcel, w.octets)).collect()
    }

    fn take(&mut self, key: (Instant, u64)) -> Option<Waiting> {
        let waiting = self.waiting.remove(&key)?;
        self.octets -= waiting.octets.len() + ENTRY;
        self.held -= usize::from(waiting.behind > 0);
        Some(waiting)
    }
}
