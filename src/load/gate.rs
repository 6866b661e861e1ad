//! A gate that all lanes pass together, again and again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lanes come to it and wait; one who waits for all of them opens it.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: usize,
    left: usize,
    opened: u64,
    /// Nobody waits here any more.
    closed: bool,
}

/// A lane's place. When it is dropped, however the lane's thread ends, nobody waits for that lane any more.
#[derive(Debug)]
pub struct Place<'a>(&'a Gate);

impl Gate {
    /// A place for one lane.
    pub fn place(&self) -> Place<'_> {
        Place(self)
    }

    /// Waits until `lanes` are there (or have left for good), for `limit` at most.
    pub fn all_are_here(&self, lanes: usize, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while state.arrived + state.left < lanes {
            let wait = until.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets all that have arrived go on.
    pub fn open(&self) {
        let mut state = self.lock();
        state.arrived = 0;
        state.opened += 1;
        self.changed.notify_all();
    }

    /// Lets everyone go on who is here or comes later.
    pub fn stay_open(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Arrives, and waits for the gate to open. No deadline: who waits for the lanes has one, and opens it.
    pub fn arrive(&self) {
        let mut state = self.0.lock();
        let before = state.opened;
        state.arrived += 1;
        self.0.changed.notify_all();
        while state.opened == before && !state.closed {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().left += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    /// Nobody passes before all are there; one who leaves, or panics, is not waited for.
    #[test]
    fn all_pass_together() {
        let (gate, passed) = (Gate::default(), AtomicUsize::new(0));
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    let place = gate.place();
                    place.arrive();
                    passed.fetch_add(1, Ordering::SeqCst);
                    place.arrive();
                });
            }
            assert!(!gate.all_are_here(4, Duration::from_millis(5)), "one has not come yet");
            drop(gate.place());
            assert!(gate.all_are_here(4, Duration::from_secs(10)));
            assert_eq!(passed.load(Ordering::SeqCst), 0);
            gate.open();
            assert!(gate.all_are_here(4, Duration::from_secs(10)));
            assert_eq!(passed.load(Ordering::SeqCst), 3);
            gate.open();
        });
    }
}
