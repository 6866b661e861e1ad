//! How often each kind of fault happens, for each direction.

use crate::relay::From;
use std::collections::BTreeSet;
use std::time::Duration;

/// A value for each direction: up, from the clients to the server, and down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Each<T> {
    /// Of what clients send.
    pub up: T,
    /// Of what the server sends.
    pub down: T,
}

impl<T> Each<T> {
    /// The same for both.
    pub fn both(value: T) -> Self
    where
        T: Clone,
    {
        Self { up: value.clone(), down: value }
    }

    /// The one of what comes from this side.
    pub fn of(&self, from: From) -> &T {
        match from {
            From::Client => &self.up,
            From::Server => &self.down,
        }
    }

    /// As [`Each::of`], to be changed.
    pub fn of_mut(&mut self, from: From) -> &mut T {
        match from {
            From::Client => &mut self.up,
            From::Server => &mut self.down,
        }
    }
}

/// From 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

/// These datagrams of each direction, counted from one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nth(pub Each<BTreeSet<u64>>);

impl Nth {
    /// These of what clients send.
    pub fn up(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self(Each { up: numbers.into_iter().collect(), down: BTreeSet::new() })
    }

    /// These of what the server sends.
    pub fn down(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self(Each { up: BTreeSet::new(), down: numbers.into_iter().collect() })
    }
}

/// One kind of fault: how often it happens by chance, and to which datagrams it happens in any case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// By chance.
    pub rate: Each<Percent>,
    /// In any case.
    pub nth: Nth,
}

impl Fault {
    /// So many of a hundred, in both directions.
    pub fn rate(percent: f64) -> Self {
        Self { rate: Each::both(Percent(percent)), nth: Nth::default() }
    }

    /// Exactly these.
    pub fn nth(nth: Nth) -> Self {
        Self { rate: Each::default(), nth }
    }
}

/// Everything that a link does to datagrams. `Faults::default()` does nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The same seed, the same fates.
    pub seed: u64,
    /// They are lost.
    pub drop: Fault,
    /// They arrive twice.
    pub repeat: Fault,
    /// Later ones overtake them.
    pub reorder: Fault,
    /// One bit of the payload is flipped.
    pub corrupt: Fault,
    /// The payload is cut short.
    pub truncate: Fault,
    /// They come from a port that nobody knows, as a stranger's would.
    pub foreign: Fault,
    /// How long each takes.
    pub delay: Each<Duration>,
    /// So much longer at most, by chance.
    pub jitter: Each<Duration>,
    /// How many overtake one that is reordered.
    pub behind: usize,
    /// How long one that is reordered waits to be overtaken, at most.
    pub hold: Duration,
}

impl Faults {
    /// Whether anything is left to chance.
    pub fn seed_matters(&self) -> bool {
        let kinds = [&self.drop, &self.repeat, &self.reorder, &self.corrupt, &self.truncate, &self.foreign];
        let by_chance =
            |from: &From| kinds.iter().any(|kind| kind.rate.of(*from).0 > 0.0) || !self.jitter.of(*from).is_zero();
        let damaged = |kind: &Fault| kind.nth != Nth::default();
        From::BOTH.iter().any(by_chance) || damaged(&self.corrupt) || damaged(&self.truncate)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 1,
            drop: Fault::default(),
            repeat: Fault::default(),
            reorder: Fault::default(),
            corrupt: Fault::default(),
            truncate: Fault::default(),
            foreign: Fault::default(),
            delay: Each::default(),
            jitter: Each::default(),
            behind: 1,
            hold: Duration::from_millis(100),
        }
    }
}
