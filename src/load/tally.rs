//! What became of the requests: counted by each lane for itself, and added up at the end of a phase.

use crate::error::cause_text;
use crate::load::sea::Id;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A lane hands its latencies over in batches of so many: one lock each.
const BATCH: usize = 64;
/// Kinds of failure that are kept apart. What the kernel can say is a short list; this is a bound all the same.
const KINDS: usize = 32;
const OTHERS: &str = "other failures";

/// An answer that is not what was sent.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The request.
    pub id: Id,
    /// Of the first wrong octet.
    pub offset: usize,
    /// What should have been there; `None` when the answer is too long.
    pub expected: Option<u8>,
    /// What was there; `None` when the answer is too short.
    pub got: Option<u8>,
    /// The request whose right answer this would have been.
    pub answers: Option<Id>,
    /// When it came.
    pub at: Instant,
}

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests with a right answer; in a one-way stream, messages that the kernel took.
    pub answered: u64,
    /// Answers that differ from what was sent.
    pub wrong: u64,
    /// How many of them are the right answer to another request.
    pub crossed: u64,
    /// The first of them.
    pub first_wrong: Option<Wrong>,
    /// Streams on which no answer came in time.
    pub timeouts: u64,
    /// Datagrams to which no answer came in time.
    pub lost: u64,
    /// Answers to datagrams that had been given up.
    pub late: u64,
    /// Answers that came once more.
    pub repeated: u64,
    /// Datagrams from other addresses.
    pub foreign: u64,
    /// Failures of connections, by what they are.
    pub errors: BTreeMap<String, u64>,
    /// Requests on their way when the run ended.
    pub unfinished: u64,
    /// When the last answer came.
    pub last: Option<Instant>,
}

impl Tally {
    /// A wrong answer.
    pub fn found(&mut self, wrong: Wrong) {
        self.wrong += 1;
        self.crossed += u64::from(wrong.answers.is_some());
        self.first_wrong.get_or_insert(wrong);
    }

    /// `connect: connection refused`
    pub fn failed(&mut self, verb: &str, e: &io::Error) {
        self.failed_times(&format!("{verb}: {}", cause_text(e)), 1);
    }

    fn failed_times(&mut self, kind: &str, times: u64) {
        let known = self.errors.contains_key(kind) || self.errors.len() < KINDS;
        *self.errors.entry(if known { kind } else { OTHERS }.into()).or_default() += times;
    }

    /// Failures of connections, of all kinds.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Adds another lane's counts.
    pub fn add(&mut self, other: Tally) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.wrong += other.wrong;
        self.crossed += other.crossed;
        self.timeouts += other.timeouts;
        self.lost += other.lost;
        self.late += other.late;
        self.repeated += other.repeated;
        self.foreign += other.foreign;
        self.unfinished += other.unfinished;
        self.last = self.last.max(other.last);
        other.errors.iter().for_each(|(kind, times)| self.failed_times(kind, *times));
        self.first_wrong = match (self.first_wrong.take(), other.first_wrong) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        };
    }
}

/// Latencies of all lanes, in bounded memory: three significant digits, from 100 ns to an hour.
#[derive(Debug)]
pub struct Latencies(Mutex<Histogram<u64>>);

impl Latencies {
    /// None yet.
    ///
    /// # Errors
    /// Never, for the bounds are constants; the library cannot know.
    pub fn new() -> io::Result<Self> {
        let histogram = Histogram::new_with_bounds(100, 3_600_000_000_000, 3).map_err(io::Error::other)?;
        Ok(Self(Mutex::new(histogram)))
    }

    /// Forgets what there is.
    pub fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reset();
    }

    /// All of them.
    pub fn all(&self) -> Histogram<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One lane's latencies on their way to the others'.
#[derive(Debug)]
pub struct Batch<'a> {
    waiting: Vec<u64>,
    all: &'a Latencies,
}

impl<'a> Batch<'a> {
    /// An empty one.
    pub fn new(all: &'a Latencies) -> Self {
        Self { waiting: Vec::with_capacity(BATCH), all }
    }

    /// One more.
    pub fn record(&mut self, latency: Duration) {
        self.waiting.push(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        if self.waiting.len() == BATCH {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.drain(..).for_each(|nanos| all.saturating_record(nanos));
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of two lanes' wrong answers is the one that came first; kinds of failure stay bounded.
    #[test]
    fn sums() {
        let now = Instant::now();
        let wrong = |offset, at| Wrong { id: Id::default(), offset, expected: None, got: None, answers: None, at };
        let (mut a, mut b) = (Tally::default(), Tally::default());
        a.found(wrong(1, now + Duration::from_secs(1)));
        b.found(wrong(2, now));
        (0..100).for_each(|n| b.failed_times(&format!("kind {n}"), 1));
        a.add(b);
        assert_eq!((a.wrong, a.first_wrong.as_ref().map(|w| w.offset)), (2, Some(2)));
        assert_eq!((a.failures(), a.errors.len()), (100, KINDS + 1));
    }

    /// Nothing is lost between a batch and the whole.
    #[test]
    fn batches() {
        let all = Latencies::new().expect("bounds");
        let mut batch = Batch::new(&all);
        (1..=100).for_each(|ms| batch.record(Duration::from_millis(ms)));
        batch.record(Duration::from_secs(10_000));
        drop(batch);
        let histogram = all.all();
        assert_eq!(histogram.len(), 101);
        let median = Duration::from_nanos(histogram.value_at_quantile(0.5));
        assert!(median >= Duration::from_millis(50) && median < Duration::from_millis(52), "{median:?}");
    }
}
