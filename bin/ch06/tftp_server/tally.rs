//! What was done, in numbers, for the last line of the log.

use netkata::human::{count, thousands};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[derive(Default)]
pub struct Tally {
    pub finished: AtomicU64,
    pub failed: AtomicU64,
    pub refused: AtomicU64,
    pub blocks: AtomicU64,
    pub octets: AtomicU64,
    pub resent: AtomicU64,
}

pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |counter: &AtomicU64| usize::try_from(counter.load(Relaxed)).unwrap_or(usize::MAX);
        let (finished, failed, refused) = (of(&self.finished), of(&self.failed), of(&self.refused));
        write!(f, "{} finished, {failed} failed, {refused} refused; ", count(finished, "transfer"))?;
        let (blocks, octets) = (count(of(&self.blocks), "block"), count(of(&self.octets), "octet"));
        write!(f, "{blocks}, {octets}, {} resent", thousands(of(&self.resent)))
    }
}
