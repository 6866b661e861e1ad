//! Who may send the next request of a phase, and when it is due.

use crate::context::Context;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One phase of a run, shared by all lanes.
#[derive(Debug)]
pub struct Pace {
    begin: Instant,
    end: Option<Instant>,
    limit: Option<u64>,
    rate: Option<f64>,
    taken: AtomicU64,
    stopped: AtomicBool,
    /// Wakes who waits for his time.
    ctx: Context,
}

impl Pace {
    /// A phase that begins now. It ends after `time`, after `limit` requests, or with `ctx`, whichever comes first.
    pub fn new(ctx: &Context, time: Option<Duration>, limit: Option<u64>, rate: Option<f64>) -> Self {
        let begin = Instant::now();
        let end = time.and_then(|time| begin.checked_add(time));
        Self { begin, end, limit, rate, taken: AtomicU64::new(0), stopped: AtomicBool::new(false), ctx: ctx.child() }
    }

    /// When it began.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// When no more may be sent.
    pub fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Requests handed out so far.
    pub fn taken(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX).min(self.taken.load(Ordering::Relaxed))
    }

    /// Nothing more is handed out, and who waits for his time is woken.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.ctx.cancel();
    }

    /// Whether there are requests left of a limited number.
    pub fn has_left(&self) -> bool {
        self.limit.is_none_or(|limit| self.taken.load(Ordering::Relaxed) < limit)
    }

    /// Waits for `time`, or until a stop.
    pub fn rest(&self, time: Duration) {
        let _ = self.ctx.sleep(time);
    }

    /// Whether the phase goes on. Takes the time from its caller, who has just looked.
    pub fn goes_on(&self, now: Instant) -> bool {
        self.end.is_none_or(|end| now < end) && !self.stopped.load(Ordering::Relaxed)
    }

    /// Waits until the next request may be sent, and returns when it was due: from then on its latency counts. `None` when
    /// the phase is over.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if !self.goes_on(now) {
            return None;
        }
        let ticket = self.taken.fetch_add(1, Ordering::Relaxed);
        if self.limit.is_some_and(|limit| ticket >= limit) {
            return None;
        }
        let Some(rate) = self.rate else { return Some(now) };
        let due = self.begin.checked_add(Duration::try_from_secs_f64(ticket as f64 / rate).ok()?)?;
        if self.end.is_some_and(|end| due >= end) {
            return None;
        }
        let wait = due.saturating_duration_since(now);
        if !wait.is_zero() && self.ctx.sleep(wait).is_err() {
            return None;
        }
        Some(due)
    }

    /// As many of `wanted` requests as may still be sent, all at once.
    pub fn take(&self, wanted: u64, now: Instant) -> u64 {
        if !self.goes_on(now) {
            return 0;
        }
        let before = self.taken.fetch_add(wanted, Ordering::Relaxed);
        self.limit.map_or(wanted, |limit| limit.saturating_sub(before).min(wanted))
    }

    /// How many requests were due by `until`, with a rate.
    pub fn due_by(&self, until: Instant) -> Option<u64> {
        let until = self.end.map_or(until, |end| end.min(until));
        let due = (until.saturating_duration_since(self.begin).as_secs_f64() * self.rate?).ceil() as u64;
        Some(self.limit.map_or(due, |limit| limit.min(due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more() {
        let pace = Pace::new(&Context::new(), None, Some(3), None);
        let now = Instant::now();
        assert_eq!((0..5).filter(|_| pace.next(now).is_some()).count(), 3);
        assert_eq!(pace.taken(), 3);
        let pace = Pace::new(&Context::new(), None, Some(5), None);
        assert_eq!([pace.take(3, now), pace.take(3, now), pace.take(3, now)], [3, 2, 0]);
    }

    /// The time of a request does not depend on when somebody came to send it.
    #[test]
    fn due_by_the_clock() {
        let pace = Pace::new(&Context::new(), Some(Duration::from_secs(100)), None, Some(1000.0));
        let late = pace.begin() + Duration::from_secs(1);
        for k in 0..5 {
            assert_eq!(pace.next(late), Some(pace.begin() + Duration::from_millis(k)));
        }
        assert_eq!(pace.due_by(late), Some(1000));
        assert_eq!(pace.due_by(pace.begin() + Duration::from_secs(200)), Some(100_000));
    }

    #[test]
    fn the_end_and_a_stop_end_it() {
        let pace = Pace::new(&Context::new(), Some(Duration::from_secs(1)), None, None);
        assert_eq!(pace.next(pace.begin() + Duration::from_secs(1)), None);
        assert!(pace.next(pace.begin()).is_some());
        pace.stop();
        assert_eq!(pace.next(pace.begin()), None);
    }
}
