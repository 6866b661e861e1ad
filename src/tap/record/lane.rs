//! One way from the conversations to a sink: a queue with a bound, and a thread.

use crate::error::cause_text;
use crate::exit::log;
use crate::human::count;
use crate::sys::priority;
use crate::tap::journal::{Conversation, Kind};
use crate::tap::protocol::Label;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Something that was seen.
#[derive(Debug)]
pub struct Seen {
    /// Since the recorder was started.
    pub at: Duration,
    /// The conversation's number, from zero.
    pub conversation: usize,
    /// What it was.
    pub what: What,
}

/// What was seen of a conversation.
#[derive(Debug)]
pub enum What {
    /// It began, between these two.
    Begin(Conversation),
    /// Something happened, and what was said may have a name.
    Event(Kind, Option<Label>),
    /// Nothing more comes of it.
    End,
}

/// Where a record goes. It is called from a thread of its own, and may take its time.
pub trait Sink: Send {
    /// Writes down what was seen. The times never go back.
    ///
    /// # Errors
    /// End this sink: it is called no more.
    fn seen(&mut self, at: Duration, conversation: usize, what: &What) -> io::Result<()>;

    /// There is nothing more to do for now: what was written should be there for others to see.
    ///
    /// # Errors
    /// As [`Sink::seen`].
    fn flush(&mut self) -> io::Result<()>;

    /// This was all. The remarks say what is missing.
    ///
    /// # Errors
    /// As [`Sink::seen`].
    fn finish(&mut self, at: Duration, remarks: &[String]) -> io::Result<()>;
}

/// What one entry of a queue takes besides the octets in it.
pub(super) const ENTRY: usize = 256;
/// A conversation's beginning pays for its few small events as well, which then always find room: its end, its resets.
pub(super) const BEGINNING: usize = 2048;

/// Memory that was used once and can be used again: fresh memory costs the kernel a page fault for each page, which is
/// as much work as the copy itself.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// Smaller ones are cheap to make.
    const LEAST: usize = 16 << 10;
    const MOST: usize = 32;

    /// A copy of these octets.
    pub(super) fn copy(&self, octets: &[u8]) -> Vec<u8> {
        let mut buffer = if octets.len() < Self::LEAST { Vec::new() } else { self.lock().pop().unwrap_or_default() };
        buffer.clear();
        buffer.extend_from_slice(octets);
        buffer
    }

    /// The last who knows of it gives its memory back.
    fn take_back(&self, seen: Arc<Seen>) {
        let Some(Seen { what: What::Event(Kind::Data(_, octets), _), .. }) = Arc::into_inner(seen) else { return };
        let mut kept = self.lock();
        if octets.capacity() >= Self::LEAST && kept.len() < Self::MOST {
            kept.push(octets);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Lane {
    pub(super) name: String,
    jobs: Sender<Job>,
    room: Arc<Room>,
    done: Receiver<io::Result<()>>,
    lost: AtomicU64,
    deaf: AtomicU64,
}

enum Job {
    /// And what it takes in the queue.
    Seen(Arc<Seen>, usize),
    Finish(Vec<String>),
}

struct Room {
    used: AtomicUsize,
    most: usize,
    /// Something was turned away, and there has not been much room since.
    full: AtomicBool,
}

impl Room {
    /// Once it was full, it takes nothing more until it is half empty: a few long gaps are read more easily than many short
    /// ones.
    fn has_room(&self, cost: usize) -> bool {
        let used = self.used.load(Relaxed);
        let most = if self.full.load(Relaxed) { self.most / 2 } else { self.most };
        used.saturating_add(cost) <= most
    }

    fn take(&self, cost: usize) -> bool {
        if self.full.load(Relaxed) && !self.has_room(cost) {
            return false;
        }
        let left = |used: usize| used.checked_add(cost).filter(|sum| *sum <= self.most);
        let taken = self.used.try_update(Relaxed, Relaxed, left).is_ok();
        self.full.store(!taken, Relaxed);
        taken
    }
}

impl Lane {
    pub(super) fn start(name: String, sink: Box<dyn Sink>, queue: usize, pool: Arc<Pool>) -> io::Result<Self> {
        // The number of entries is bounded by what each of them takes of the room.
        let (jobs, waiting) = unbounded();
        let (tell, done) = bounded(1);
        let room = Arc::new(Room { used: AtomicUsize::new(0), most: queue, full: AtomicBool::new(false) });
        let (shared, title) = (room.clone(), name.clone());
        thread::Builder::new().name("recorder".into()).spawn(move || {
            priority::yield_to_others();
            let result = work(sink, &waiting, &shared, &pool);
            if let Err(e) = &result {
                log(format_args!("{title}: {}; nothing more is recorded there, the traffic goes on", cause_text(e)));
            }
            let _ = tell.send(result);
        })?;
        Ok(Self { name, jobs, room, done, lost: AtomicU64::new(0), deaf: AtomicU64::new(0) })
    }

    /// Whether there is likely to be room for an entry.
    pub(super) fn has_room(&self, cost: usize) -> bool {
        self.room.has_room(cost)
    }

    /// Takes room for an entry, if there is that much.
    pub(super) fn take(&self, cost: usize) -> bool {
        self.room.take(cost)
    }

    /// Puts in the queue what room was taken for. A sink that has failed takes nothing more.
    pub(super) fn send(&self, seen: Arc<Seen>, cost: usize) {
        let _ = self.jobs.send(Job::Seen(seen, cost));
    }

    pub(super) fn lose(&self, octets: u64) {
        self.lost.fetch_add(octets, Relaxed);
    }

    pub(super) fn lose_conversation(&self) {
        self.deaf.fetch_add(1, Relaxed);
    }

    /// Octets and conversations that there was no room for.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.lost.load(Relaxed), self.deaf.load(Relaxed))
    }

    pub(super) fn finish(&self, mut remarks: Vec<String>) {
        let (lost, deaf) = self.lost();
        if lost + deaf > 0 {
            let conversations = count(super::number(deaf), "whole conversation");
            let whole = if deaf > 0 { format!(" and {conversations}") } else { String::new() };
            remarks.push(format!("the recorder was too slow for {}{whole}", super::octets(lost)));
        }
        let _ = self.jobs.send(Job::Finish(remarks));
    }

    pub(super) fn wait(&self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it does not take what is left to write");
        self.done.recv_timeout(left).unwrap_or_else(|_| Err(late()))
    }
}

/// The life of the thread.
fn work(mut sink: Box<dyn Sink>, jobs: &Receiver<Job>, room: &Room, pool: &Pool) -> io::Result<()> {
    // Two conversations look at the clock each for itself, and may be queued the other way round.
    let mut last = Duration::ZERO;
    loop {
        let job = match jobs.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                sink.flush()?;
                // No deadline: the recorder's end, or its own drop, ends it.
                let Ok(job) = jobs.recv() else { return Ok(()) };
                job
            }
        };
        match job {
            Job::Seen(seen, cost) => {
                last = last.max(seen.at);
                let result = sink.seen(last, seen.conversation, &seen.what);
                pool.take_back(seen);
                room.used.fetch_sub(cost, Relaxed);
                result?;
            }
            Job::Finish(remarks) => return sink.finish(last, &remarks),
        }
    }
}
