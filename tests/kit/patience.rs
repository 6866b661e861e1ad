//! How long an expectation waits: for so much time *in which the machine had a processor for the dialogue*.
//!
//! On a busy machine, a program that is ready to answer waits for its turn. That time is measured and not held against it:
//! Linux tells how long each thread has waited on a run queue (the second field of /proc/PID/task/TID/schedstat), and the
//! grader sees how late it wakes itself. A program that sleeps, or waits for something that never comes, waits on no run
//! queue: it gets not a moment more. Where the system does not tell, the limit is the clock's.
//!
//! What a silence is, and what must end before a timer of the program's own, is by the clock alone.

use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// How long an expectation waits, unless the check says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Waiting for a processor makes a wait longer by so many times its limit at most…
const MOST_TIMES: u32 = 4;
/// …and by this at most.
const MOST: Duration = Duration::from_secs(8);
/// A further wait that is shorter than this changes nothing.
const LEAST: Duration = Duration::from_millis(1);

/// The calling thread, as /proc names it.
const OURS: &str = "/proc/thread-self";

/// How long each thread has waited for a processor since it began.
pub type Waits = BTreeMap<String, Duration>;

/// Where the threads of one dialogue queue for a processor: those of the subject, and that of the check.
#[derive(Clone)]
pub struct RunQueue {
    /// Zero: not started.
    subject: Arc<AtomicI32>,
    source: Arc<dyn Fn(i32) -> Waits + Send + Sync>,
}

impl Default for RunQueue {
    fn default() -> Self {
        Self { subject: Arc::default(), source: Arc::new(waits_by_proc) }
    }
}

impl RunQueue {
    /// That of a process.
    pub fn of(subject: Pid) -> Self {
        let queue = Self::default();
        queue.watch(subject);
        queue
    }

    /// One that `source` tells of, instead of /proc.
    pub fn told_by(source: impl Fn() -> Waits + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(move |_| source()), ..Self::default() }
    }

    /// From now on this is the subject, for all clones.
    pub fn watch(&self, subject: Pid) {
        self.subject.store(subject.as_raw(), Ordering::Relaxed);
    }

    /// What each thread has waited so far. Empty where nobody tells.
    pub fn waits(&self) -> Waits {
        (self.source)(self.subject.load(Ordering::Relaxed))
    }
}

/// One wait with its limit. Ask [`Wait::until`] before each blocking call.
pub struct Wait {
    limit: Duration,
    start: Instant,
    until: Instant,
    /// `None`: by the clock.
    queue: Option<RunQueue>,
    first: Option<Waits>,
    /// The check's thread has work to do, too.
    ours: bool,
    late: Duration,
}

/// Exactly so long.
impl From<Duration> for Wait {
    fn from(limit: Duration) -> Self {
        let start = Instant::now();
        Self { limit, start, until: start + limit, queue: None, first: None, ours: false, late: Duration::ZERO }
    }
}

impl Wait {
    /// So long, and longer while the machine is busy elsewhere.
    pub fn new(limit: Duration, queue: &RunQueue) -> Self {
        let wait = Self::from(limit);
        // What is expected comes within this time, as a rule, and nothing has to be measured.
        Self { until: wait.start + limit / 10, queue: Some(queue.clone()), ..wait }
    }

    /// The check has work to do in it, as much as the subject: octets to carry. (Who only asks again and again whether
    /// something has happened queues each time, and loses nothing by it.)
    pub fn with_our_own_work(mut self) -> Self {
        self.ours = true;
        self
    }

    /// What it is limited to.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// How much longer than its limit it is by now.
    pub fn extended(&self) -> Duration {
        (self.until - self.start).saturating_sub(self.limit)
    }

    /// Until when to block now. `None` when patience is at its end.
    pub fn until(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if now < self.until {
            return Some(self.until);
        }
        let waits = self.queue.as_ref()?.waits();
        let first = self.first.get_or_insert_with(|| waits.clone());
        self.late += now - self.until;
        let counts = |thread: &str| self.ours || thread != OURS;
        let queued: Duration = waits
            .iter()
            .filter(|(thread, _)| counts(thread))
            .map(|(thread, &time)| time - time.min(before(first, thread)))
            .sum();
        self.until = self.start + self.limit + extension(self.limit, now - self.start, self.late + queued);
        (self.until > now + LEAST).then_some(self.until)
    }

    /// How long to block now. `None` when patience is at its end.
    pub fn left(&mut self) -> Option<Duration> {
        self.until().map(|until| until.saturating_duration_since(Instant::now()).max(LEAST))
    }
}

/// A thread that was not there has not waited.
fn before(first: &Waits, thread: &str) -> Duration {
    first.get(thread).copied().unwrap_or_default()
}

/// How much longer to wait when so much of the time that has passed was lost.
pub fn extension(limit: Duration, passed: Duration, lost: Duration) -> Duration {
    // Several threads may have waited at the same time.
    lost.min(passed).min(limit * MOST_TIMES).min(MOST)
}

/// The threads of a process and of those that it started, and the calling thread.
fn waits_by_proc(subject: i32) -> Waits {
    let mut waits = Waits::new();
    note(OURS.into(), &mut waits);
    if subject != 0 {
        note_process(&subject.to_string(), 4, &mut waits);
    }
    waits
}

fn note_process(pid: &str, generations: usize, waits: &mut Waits) {
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let folder = thread.path().display().to_string();
        if generations > 0 {
            let children = fs::read_to_string(format!("{folder}/children")).unwrap_or_default();
            children.split_whitespace().for_each(|child| note_process(child, generations - 1, waits));
        }
        note(folder, waits);
    }
}

fn note(thread: String, waits: &mut Waits) {
    let told = fs::read_to_string(format!("{thread}/schedstat")).unwrap_or_default();
    if let Some(nanoseconds) = told.split_whitespace().nth(1).and_then(|field| field.parse().ok()) {
        waits.insert(thread, Duration::from_nanos(nanoseconds));
    }
}
