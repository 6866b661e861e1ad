//! How long to wait before the last packet is sent again, and how often.

use netkata::tftp::Rto;
use std::time::{Duration, Instant};

/// The longest wait, as a multiple of the first.
const LONGEST: u32 = 8;

/// Waits that follow the round trip, and double: a network that loses packets because it has too many needs fewer of them
/// (RFC 1123, section 4.2.3.2). From the second on they are up to a quarter longer, by chance: a hundred machines that lost
/// power together would otherwise ask together, again and again.
pub struct Patience {
    /// `--timeout`, or what was agreed on instead.
    pub first: Duration,
    retries: u32,
    rto: Rto,
    /// Sent so often since something new came.
    pub sent: u32,
    started: Instant,
    deadline: Instant,
    /// What comes next is the answer to what was sent then, once.
    timed: bool,
}

impl Patience {
    pub fn new(first: Duration, least: Duration, retries: u32) -> Self {
        let (now, rto) = (Instant::now(), Rto::new(first, least).up_to(first.saturating_mul(LONGEST)));
        Self { first, retries, rto, sent: 1, started: now, deadline: now + first, timed: false }
    }

    /// Both sides wait so long, whatever the round trip is (RFC 2349).
    pub fn agree(&mut self, timeout: Duration) {
        self.first = timeout;
        self.rto = Rto::fixed(timeout).up_to(timeout.saturating_mul(LONGEST));
    }

    /// Something new came, and was the answer. The count begins anew, with what is to be sent when nothing more comes.
    pub fn restart(&mut self, came: Instant) {
        self.rto.answered(!self.timed, came.saturating_duration_since(self.started));
        self.timed = false;
        self.sent = 1;
        self.started = Instant::now();
        self.deadline = self.started + self.rto.wait();
    }

    /// It was sent, too: its answer tells how long the round trip is. What is sent twice has two answers, or one, and nobody
    /// knows to which (Karn's rule).
    pub fn measure(&mut self, once: bool) {
        self.timed = once;
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
        self.rto.back_off();
        self.deadline = Instant::now() + self.rto.wait().mul_f64(1.0 + fastrand::f64() / 4.0);
        // Short waits are for sending again soon, and not for giving up sooner: a server may take its full time for that.
        if self.sent > self.retries {
            self.deadline = self.deadline.max(self.started + self.unmeasured());
        }
        true
    }

    /// All waits together, as they are without an estimate: 1, 2, 4, 8, 8 … times the first.
    fn unmeasured(&self) -> Duration {
        let doublings = self.retries.min(LONGEST.ilog2());
        let times = LONGEST.saturating_mul(self.retries - doublings).saturating_add((2 << doublings) - 1);
        self.first.saturating_mul(times)
    }
}
