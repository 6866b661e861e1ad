//! How long to wait before the last packet is sent again, and how often.

use std::time::{Duration, Instant};

/// The longest wait, as a multiple of the first.
const LONGEST: u32 = 8;

/// Waits that double: a network that loses packets because it has too many needs fewer of them (RFC 1123, section 4.2.3.2).
/// From the second on they are up to a quarter longer, by chance: a hundred machines that lost power together would
/// otherwise ask together, again and again.
pub struct Patience {
    pub first: Duration,
    retries: u32,
    wait: Duration,
    /// Sent so often since something new came.
    pub sent: u32,
    started: Instant,
    deadline: Instant,
}

impl Patience {
    pub fn new(first: Duration, retries: u32) -> Self {
        let now = Instant::now();
        Self { first, retries, wait: first, sent: 1, started: now, deadline: now + first }
    }

    /// Something new was sent: everything begins anew.
    pub fn restart(&mut self) {
        *self = Self::new(self.first, self.retries);
    }

    /// What is left of this wait, in whole milliseconds: rounded up, so that it is never over too soon.
    pub fn left(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        Duration::from_millis(u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// Since something new was sent.
    pub fn waited(&self) -> Duration {
        self.started.elapsed()
    }

    /// A wait is over: `false` when it was the last.
    pub fn again(&mut self) -> bool {
        if self.sent > self.retries {
            return false;
        }
        self.sent += 1;
        self.wait = (self.wait * 2).min(self.first * LONGEST);
        self.deadline = Instant::now() + self.wait.mul_f64(1.0 + fastrand::f64() / 4.0);
        true
    }
}
