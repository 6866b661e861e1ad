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
    /// How much shorter the waits were than without an estimate.
    saved: Duration,
}

impl Patience {
    pub fn new(first: Duration, least: Duration, retries: u32) -> Self {
        let (now, rto) = (Instant::now(), Rto::new(first, least).up_to(first.saturating_mul(LONGEST)));
        Self { first, retries, rto, sent: 1, started: now, deadline: now + first, timed: false, saved: Duration::ZERO }
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
        self.saved = Duration::ZERO;
        self.started = self.wait_from_now(0.0);
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
        self.wait_from_now(fastrand::f64() / 4.0);
        true
    }

    /// A wait begins, longer by this part. Short waits are for sending again soon, and not for giving up sooner: a server may
    /// take its full time for that. So the last one makes up for the others.
    fn wait_from_now(&mut self, more: f64) -> Instant {
        let (now, wait) = (Instant::now(), self.rto.wait());
        let doublings = (self.sent - 1).min(LONGEST.ilog2());
        self.saved += self.first.saturating_mul(1 << doublings).saturating_sub(wait);
        let last = if self.sent > self.retries { self.saved } else { Duration::ZERO };
        self.deadline = now + wait.mul_f64(1.0 + more) + last;
        now
    }
}
