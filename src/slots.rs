//! Slots: how many connections a server serves at once, and when the last of them is gone.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A fixed number of places. Clones share them.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One place, given back when it is dropped – however the connection's thread ends, a panic included.
#[derive(Debug)]
pub struct Slot(Slots);

impl Slots {
    /// `limit` places, all free.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, taken: Mutex::new(0), freed: Condvar::new() }))
    }

    /// Takes a place, or `None` when all are taken. Never blocks.
    pub fn take(&self) -> Option<Slot> {
        let mut taken = self.lock();
        if *taken == self.0.limit {
            return None;
        }
        *taken += 1;
        Some(Slot(self.clone()))
    }

    /// How many places are taken.
    pub fn taken(&self) -> usize {
        *self.lock()
    }

    /// How many places there are.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Waits until every place is free, for `patience` at most. Returns how many are still taken.
    pub fn wait_empty(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        let mut taken = self.lock();
        while *taken > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            taken = self.0.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_refuses_and_a_leaver_makes_room() {
        let slots = Slots::new(2);
        let a = slots.take().expect("first");
        let _b = slots.take().expect("second");
        assert!(slots.take().is_none());
        drop(a);
        assert!(slots.take().is_some());
    }

    /// The thread panics; its place is free again.
    #[test]
    fn a_panic_gives_the_slot_back() {
        let slots = Slots::new(1);
        let slot = slots.take();
        let _ = std::thread::spawn(move || {
            let _slot = slot;
            std::panic::resume_unwind(Box::new("silent"));
        })
        .join();
        assert_eq!(slots.wait_empty(Duration::from_secs(5)), 0);
    }

    #[test]
    fn waiting_has_an_end() {
        let slots = Slots::new(1);
        let _slot = slots.take();
        assert_eq!(slots.wait_empty(Duration::from_millis(1)), 1);
    }
}
