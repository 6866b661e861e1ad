//! How many datagrams met which fate.

use super::fate::Fate;
use std::fmt;

/// Of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that came.
    pub came: u64,
    /// Lost.
    pub dropped: u64,
    /// Delivered twice.
    pub repeated: u64,
    /// Held back, to be overtaken.
    pub reordered: u64,
    /// Delivered with one bit flipped.
    pub corrupted: u64,
    /// Delivered without their end.
    pub truncated: u64,
    /// Delivered from a port that nobody knows.
    pub foreign: u64,
    /// Copies that went on.
    pub delivered: u64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, fate: &Fate) {
        self.came += 1;
        if fate.dropped {
            self.dropped += 1;
            return;
        }
        self.repeated += u64::from(fate.repeated);
        self.reordered += u64::from(fate.behind > 0);
        self.corrupted += u64::from(fate.flipped.is_some());
        self.foreign += u64::from(fate.foreign);
        self.truncated += u64::from(fate.cut.is_some());
        self.delivered += 1 + u64::from(fate.repeated);
    }
}

/// `12 came, 3 dropped, 1 repeated, 0 reordered, 0 corrupted, 0 truncated, 0 foreign, 10 delivered`
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { came, dropped, repeated, reordered, corrupted, truncated, foreign, delivered } = self;
        write!(f, "{came} came, {dropped} dropped, {repeated} repeated, {reordered} reordered, ")?;
        write!(f, "{corrupted} corrupted, {truncated} truncated, {foreign} foreign, {delivered} delivered")
    }
}
