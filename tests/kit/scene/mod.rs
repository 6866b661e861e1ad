//! The scene of one check: the subject, the conversations with it, the journal, the seed.
//!
//! The verbs stand in files of their own: the subject as a server, what the grader plays, starting commands, their
//! terminal, the process, other users, the inputs.
//! The verbs stand in files of their own: the subject as a server, what the grader plays, datagrams and packets, starting
//! commands, their terminal, the process, the inputs.
//! terminal, the process, further processes, other users, the inputs.

pub mod beside;
mod commands;
mod datagrams;
mod descriptors;
mod identities;
pub mod inputs;
mod packets;
mod peers;
mod process;
mod server;
mod terminal;
mod unix_datagrams;

pub use identities::NOT_ROOT;

use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::patience::RunQueue;
use crate::subject::{Launch, Subject, describe};
use crate::talk::{Leftovers, Talk};
use crate::upstream::{Scribe, Upstream};
use netkata::tap::Journal;
use socket2::Socket;
use std::sync::PoisonError;

/// What a journal keeps of one check. A flood is counted beyond that, not kept.
const JOURNAL: usize = 8 << 20;

/// Everything a check works with.
pub struct Scene {
    launch: Launch,
    options: Vec<String>,
    /// What happens.
    pub journal: Journal,
    /// Random inputs, by the seed that the message prints.
    pub rng: fastrand::Rng,
    subject: Option<Subject>,
    console: Console,
    address: String,
    /// What [`Scene::accept`] accepts from.
    listener: Option<Upstream>,
    exit_seen: bool,
    folder: Option<tempfile::TempDir>,
    sockets: usize,
    /// Users and groups that this check has played.
    numbers: Vec<u32>,
    descriptors: Option<u32>,
    inside: bool,
    unprivileged: bool,
    leftovers: Leftovers,
    queue: RunQueue,
    kept: Vec<Talk>,
    bound: Vec<Socket>,
}

impl Scene {
    /// A scene whose subject is not started yet.
    pub fn new(launch: &Launch, options: &[&str], seed: u64) -> Self {
        Self {
            launch: launch.clone(),
            options: options.iter().map(ToString::to_string).collect(),
            journal: Journal::new(JOURNAL),
            rng: fastrand::Rng::with_seed(seed),
            subject: None,
            console: Console::default(),
            address: String::new(),
            listener: None,
            exit_seen: false,
            folder: None,
            sockets: 0,
            numbers: Vec::new(),
            descriptors: None,
            inside: false,
            unprivileged: false,
            leftovers: Leftovers::default(),
            queue: RunQueue::default(),
            kept: Vec::new(),
            bound: Vec::new(),
        }
    }

    /// Ends the subject. After a check that went well, whatever is still wrong is found here: a panic, or a server that
    /// ended unasked.
    pub fn finish(mut self, outcome: Outcome) -> (Outcome, Journal) {
        let left_over = self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = outcome.and_then(|()| left_over.map_or(Ok(()), Err));
        let Some(mut subject) = self.subject.take() else { return (outcome, self.journal) };
        let ended = subject.poll().ok().flatten();
        let said = subject.end();
        let outcome = match outcome {
            Err(mut failure) => {
                failure.todo = failure.todo.or_else(|| todo_step(&said));
                Err(failure)
            }
            Ok(()) => match (panic_line(&said), ended) {
                (Some(line), _) => Err(Failure { todo: todo_step(&said), ..Failure::new("no panic", line) }),
                // A client that has what it came for may go, whether or not the check waits to see it.
                (None, Some(status)) if !(self.exit_seen || self.address.is_empty() && status.success()) => {
                    Err(Failure::new("the program to go on", format!("it ended: {}", describe(status))))
                }
                _ => Ok(()),
            },
        };
        if let (Err(failure), Some(line)) = (&outcome, panic_line(&said))
            && failure.got != line
            && failure.todo.is_none()
        {
            self.journal.note(line);
        }
        (outcome, self.journal)
    }

    /// Writes a conversation of this check down; the grader appears as `role`.
    fn scribe(&self, role: &'static str) -> Scribe {
        let (journal, leftovers, queue) = (self.journal.clone(), self.leftovers.clone(), self.queue.clone());
        Scribe { journal, leftovers, queue, subject: self.launch.name.clone(), role }
    }
}

fn refused(what: &str, e: &std::io::Error) -> Failure {
    Failure::new(format!("a connection to {what}"), netkata::error::cause_text(e))
}

/// `not yet implemented: step 2: …` on standard error, wherever in the program it was reached.
fn todo_step(said: &str) -> Option<(usize, String)> {
    let (_, tail) = said.split_once("not yet implemented: step ")?;
    let (number, sentence) = tail.lines().next()?.split_once(": ")?;
    Some((number.parse().ok()?, sentence.trim().to_string()))
}

/// What a Rust program says when a thread of it panics.
fn panic_line(said: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|l| !l.contains("panicked at"));
    let head = lines.next()?;
    let place = head.rsplit("panicked at ").next().unwrap_or_default().trim_end_matches(':');
    // The path differs from machine to machine; the file and line do not.
    let place = place.rsplit('/').next().unwrap_or(place);
    let message: String = lines.next().unwrap_or_default().chars().take(48).collect();
    Some(format!("it panicked at {place}: {message}"))
}
