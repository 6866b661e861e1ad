//! Checks, and the programs and exercises that they belong to.

use crate::failure::Outcome;
use crate::scene::Scene;

/// One rule of a program's contract.
#[derive(Clone)]
pub struct Check {
    /// An identifier: `answers_while_another_client_is_silent`.
    pub name: &'static str,
    /// The rule in a sentence, for the first line of a failure.
    pub rule: &'static str,
    /// Arguments for the subject, after the address.
    pub options: &'static [&'static str],
    /// Arguments for the subject, before the address.
    pub leading: &'static [&'static str],
    /// Runs alone: it uses so much of the machine that others would fail beside it.
    pub alone: bool,
    /// Needs what only the finished program promises (an option, a log line), so that another subject is not asked.
    pub finished_only: bool,
    /// Plays users and groups of its choice, which only root may.
    pub as_root: bool,
    /// The dialogue.
    pub run: fn(&mut Scene) -> Outcome,
}

/// What kind of thing is graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program in `bin/`.
    Finished,
    /// A program in `lessons/`, to be written by the learner.
    Exercise,
}

/// A program with its checks, in the order in which they build on each other.
#[derive(Clone)]
pub struct Program {
    /// The chapter's number.
    pub chapter: u8,
    /// The binary's name.
    pub name: &'static str,
    /// Finished, or the learner's.
    pub kind: Kind,
    /// In order.
    pub checks: Vec<Check>,
    /// What it sends differs from run to run, as the time of day does: a message on file can only be an example of it.
    pub varies: bool,
}

impl Program {
    /// A program in `bin/chNN`.
    pub fn finished(chapter: u8, name: &'static str) -> Self {
        Self { chapter, name, kind: Kind::Finished, checks: Vec::new(), varies: false }
    }

    /// An exercise in `lessons/NN-…`.
    pub fn exercise(chapter: u8, name: &'static str) -> Self {
        Self { chapter, name, kind: Kind::Exercise, checks: Vec::new(), varies: false }
    }

    /// What the program sends is different each time.
    pub fn varies(mut self) -> Self {
        self.varies = true;
        self
    }

    /// Adds a check.
    pub fn check(mut self, name: &'static str, rule: &'static str, run: fn(&mut Scene) -> Outcome) -> Self {
        self.checks.push(Check {
            name,
            rule,
            options: &[],
            leading: &[],
            alone: false,
            finished_only: false,
            as_root: false,
            run,
        });
        self
    }

    /// The last check starts its subject with these arguments after the address. An exercise's contract lists its
    /// options; of other subjects no options are asked.
    pub fn with(mut self, options: &'static [&'static str]) -> Self {
        let exercise = self.kind == Kind::Exercise;
        if let Some(last) = self.checks.last_mut() {
            last.options = options;
            last.finished_only |= !exercise;
        }
        self
    }

    /// The last check's subject takes its address after these arguments, as in `creds_server users --socket ADDRESS`: for a rule
    /// that programs share whose address comes first.
    pub fn address_after(mut self, arguments: &'static [&'static str]) -> Self {
        if let Some(last) = self.checks.last_mut() {
            last.leading = arguments;
        }
        self
    }

    /// The last check runs alone.
    pub fn alone(mut self) -> Self {
        if let Some(last) = self.checks.last_mut() {
            last.alone = true;
        }
        self
    }

    /// The last check is for the finished program only.
    pub fn finished_only(mut self) -> Self {
        if let Some(last) = self.checks.last_mut() {
            last.finished_only = true;
        }
        self
    }

    /// The last check plays users and groups of its choice ([`Scene::connect_as`], [`Scene::run_subject_as`]). Where the
    /// grader may not, it is skipped, and says so.
    pub fn as_root(mut self) -> Self {
        if let Some(last) = self.checks.last_mut() {
            last.as_root = true;
        }
        self
    }

    /// `ch03::echo_server`
    pub fn id(&self) -> String {
        format!("ch{:02}::{}", self.chapter, self.name)
    }
}

/// Whether `word` is the whole name of the program in `chNN::PROGRAM::CHECK`, with or without its chapter: `time_server` is
/// not `daytime_server`.
pub fn is_program(trial: &str, word: &str) -> bool {
    let mut parts = trial.splitn(3, "::");
    let (chapter, program) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    word == program || word.strip_prefix(chapter).and_then(|rest| rest.strip_prefix("::")) == Some(program)
}
