//! A crew: threads that are done with one job wait a while for the next.
//!
//! To start a thread and to end it costs the kernel more than to echo a short message: a stack to map and unmap, its first
//! pages to fill, a newcomer to find a processor for. A server whose clients come, ask once and go spends most of its
//! time on that. In a crew, the next job goes to a thread that waits. Nothing else changes: each job still has a thread
//! to itself and may block as it likes. So there is no number of threads to choose, and no job waits behind a slow one.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Threads that run jobs. Dropping it stops no job; the threads end as they run out of work.
pub struct Crew(Arc<Shared>);

struct Shared {
    rules: Rules,
    /// Threads started so far, to tell one from another.
    started: AtomicUsize,
    /// Threads that wait, less the jobs on their way to them: so many jobs can be handed over and find a thread.
    ready: AtomicUsize,
    hand_over: Sender<Job>,
    next: Receiver<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

struct Rules {
    name: &'static str,
    stack: usize,
    patience: Duration,
    most_ready: usize,
}

impl Rules {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            // As std has it. A page of it takes memory only once it is touched.
            stack: 2 * 1024 * 1024,
            // Enough to be there for the next burst.
            patience: Duration::from_secs(2),
            // They take turns, so in a steady trickle of jobs each would get one in time to stay, and ten thousand of a
            // busy moment would still be there, memory and all, when one is enough.
            most_ready: 256,
        }
    }
}

impl Crew {
    /// A crew without a thread as yet. They will be called `name 1`, `name 2`, … in the message of a panic and in `top -H`.
    ///
    /// A thread that had nothing to do for 2 s ends, and so does one that finds 256 others waiting.
    pub fn new(name: &'static str) -> Self {
        Self::with(Rules::new(name))
    }

    fn with(rules: Rules) -> Self {
        let (hand_over, next) = unbounded();
        let (started, ready) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { rules, started, ready, hand_over, next }))
    }

    /// Runs `job` in a thread that waits for one, or else in a new one. A job that panics takes its thread with it and
    /// nothing else: nobody counted on that thread.
    ///
    /// # Errors
    /// When a thread is needed and the system has no more. `job` is dropped then, with all it owns.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let job: Job = Box::new(job);
        if self.0.claim() {
            // The crew holds a receiver itself, so this never comes to fail.
            return self.0.hand_over.send(job).map_err(|e| io::Error::other(e.to_string()));
        }
        let shared = self.0.clone();
        let number = shared.started.fetch_add(1, Relaxed) + 1;
        let name = format!("{} {number}", shared.rules.name);
        // thread::spawn would panic when the system has no thread left; the builder returns the error.
        let started = thread::Builder::new().name(name).stack_size(shared.rules.stack).spawn(move || shared.work(job));
        // It is EAGAIN, whose own text does not say what there is too little of.
        started.map(drop).map_err(|e| io::Error::other(format!("no thread could be started: {e}")))
    }
}

impl Shared {
    /// The life of a thread.
    fn work(&self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            job();
            next = self.wait();
        }
    }

    /// The next job, or `None` when the thread may end: then it is no longer among those that are ready.
    fn wait(&self) -> Option<Job> {
        let others = self.ready.fetch_add(1, Relaxed);
        let patience = if others < self.rules.most_ready { self.rules.patience } else { Duration::ZERO };
        self.next.recv_timeout(patience).ok().or_else(|| self.leave())
    }

    /// If each that was ready has been claimed by a job, then so was this thread, and its job is on its way.
    fn leave(&self) -> Option<Job> {
        if self.claim() { None } else { self.next.recv().ok() }
    }

    /// Takes one from the number of the ready: for a job, or by a thread that leaves.
    fn claim(&self) -> bool {
        self.ready.try_update(Relaxed, Relaxed, |ready| ready.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use std::panic::resume_unwind;
    use std::thread::ThreadId;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(3600);
    const SOON: Duration = Duration::from_secs(20);

    fn crew(patience: Duration, most_ready: usize) -> Crew {
        Crew::with(Rules { patience, most_ready, ..Rules::new("test") })
    }

    impl Crew {
        fn threads(&self) -> usize {
            Arc::strong_count(&self.0) - 1
        }

        fn ready(&self) -> usize {
            self.0.ready.load(Relaxed)
        }

        /// Runs a job to its end; tells which thread it was.
        fn errand(&self) -> ThreadId {
            let (tell, told) = bounded(1);
            self.run(move || tell.send(thread::current().id()).expect("listens")).expect("run");
            told.recv_timeout(SOON).expect("the job runs")
        }
    }

    /// What other threads do next cannot be waited for, only looked at.
    fn until(what: &str, happened: impl Fn() -> bool) {
        let start = Instant::now();
        while !happened() {
            assert!(start.elapsed() < SOON, "never: {what}");
            thread::yield_now();
        }
    }

    #[test]
    fn the_thread_that_waits_gets_the_next_job() {
        let crew = crew(LONG, 8);
        let first = crew.errand();
        until("it waits", || crew.ready() == 1);
        assert_eq!(crew.errand(), first);
        assert_eq!(crew.0.started.load(Relaxed), 1);
    }

    /// Fifty jobs that all wait for the last: none may stand behind another.
    #[test]
    fn no_job_waits_for_another() {
        let crew = crew(LONG, 8);
        let (arrive, arrived) = bounded(0);
        for _ in 0..50 {
            let arrive = arrive.clone();
            crew.run(move || arrive.send(()).expect("counted")).expect("run");
        }
        until("fifty threads", || crew.threads() == 50);
        (0..50).for_each(|_| arrived.recv_timeout(SOON).expect("each arrives"));
    }

    /// A thread that got nothing to do ends, and the crew goes on without it.
    #[test]
    fn a_thread_without_work_ends() {
        let crew = crew(Duration::from_millis(1), 8);
        crew.errand();
        until("it ends", || crew.threads() == 0);
        assert_eq!(crew.ready(), 0);
        crew.errand();
    }

    /// Ten are done; two may wait for work.
    #[test]
    fn a_surplus_ends_at_once() {
        let crew = crew(LONG, 2);
        let (release, released) = bounded::<()>(0);
        for _ in 0..10 {
            let released = released.clone();
            crew.run(move || assert!(released.recv().is_err())).expect("run");
        }
        assert_eq!(crew.threads(), 10);
        drop(release);
        until("two are left", || crew.threads() == 2 && crew.ready() == 2);
    }

    /// Threads leave as jobs arrive, over and over: a job handed to one that is about to go must still be run.
    #[test]
    fn no_job_is_lost_to_a_leaver() {
        for patience in [Duration::ZERO, Duration::from_micros(50)] {
            let crew = crew(patience, 8);
            let (done, finished) = bounded(4);
            for batch in 0..2000 {
                for job in 0..4 {
                    let done = done.clone();
                    crew.run(move || done.send((batch, job)).expect("counted")).expect("run");
                }
                (0..4).for_each(|_| assert_eq!(finished.recv_timeout(SOON).expect("each job is run").0, batch));
            }
            until("all end", || crew.threads() == 0);
            assert_eq!(crew.ready(), 0);
        }
    }

    /// The same moment, taken apart.
    #[test]
    fn a_leaver_that_was_claimed_waits_for_its_job() {
        let Crew(shared) = crew(LONG, 8);
        shared.ready.store(1, Relaxed);
        assert!(shared.leave().is_none(), "ready, not claimed: it may go");
        shared.hand_over.send(Box::new(|| ())).expect("a receiver is there");
        assert!(shared.leave().is_some(), "claimed: a job comes");
    }

    /// The thread is gone, what the job owned is dropped, and nobody counts on that thread.
    #[test]
    fn a_panic_ends_its_own_thread_only() {
        let crew = crew(LONG, 8);
        let (owned, watched) = bounded::<()>(0);
        let job = move || {
            let _owned = owned;
            resume_unwind(Box::new("silent"));
        };
        let quiet = crew.errand();
        until("one waits", || crew.ready() == 1);
        crew.run(job).expect("run");
        assert!(watched.recv_timeout(SOON).is_err_and(|e| e.is_disconnected()));
        until("it ends", || crew.threads() == 0);
        assert_eq!(crew.ready(), 0);
        assert_ne!(crew.errand(), quiet);
    }

    /// A stack that no machine has stands for a system without threads. The job is dropped; the next one is tried anew.
    #[test]
    fn no_thread_is_an_error() {
        let crew = Crew::with(Rules { stack: usize::MAX / 4, ..Rules::new("test") });
        let (owned, watched) = bounded::<()>(0);
        let refused = crew.run(move || drop(owned)).expect_err("no such stack").to_string();
        assert!(refused.starts_with("no thread could be started"), "{refused}");
        assert!(watched.try_recv().is_err_and(|e| e.is_disconnected()), "the job is dropped");
        assert_eq!((crew.threads(), crew.ready()), (0, 0));
    }

    #[test]
    fn threads_have_names() {
        let crew = crew(LONG, 8);
        let (tell, told) = bounded(1);
        crew.run(move || tell.send(thread::current().name().map(str::to_string)).expect("listens")).expect("run");
        assert_eq!(told.recv_timeout(SOON).expect("told").as_deref(), Some("test 1"));
    }
}
