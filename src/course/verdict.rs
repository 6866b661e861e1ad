//! What the grader found: for a check, and for the exercise it belongs to.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A failure message is 16 lines. One of this many octets was not written for a person.
const LONGEST_MESSAGE: usize = 64 << 10;

/// What the grader found for one exercise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// When, in seconds since 1970.
    pub when: u64,
    /// In one word.
    pub outcome: Outcome,
    /// [`source_hash`] of the text that was graded.
    pub source_hash: String,
    /// How many checks the exercise has. The grader stops at the first that fails.
    #[serde(default)]
    pub expected: usize,
    /// What the compiler said, or the sentence of the step that is next; empty when the checks say it all.
    #[serde(default)]
    pub message: String,
    /// In the order in which they ran.
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One rule of the contract, tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The rule, as the grader names it.
    pub name: String,
    /// Whether it was kept.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub millis: u64,
    /// The failure message; empty for a check that passed.
    #[serde(default)]
    pub message: String,
}

/// What came of a check, or of an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Every check passed.
    #[serde(rename = "ok")]
    Ok,
    /// At least one check failed.
    #[serde(rename = "failed")]
    Failed,
    /// A `todo!("step N: …")` was reached, or the file is still the stub.
    #[serde(rename = "not started")]
    NotStarted,
    /// The compiler did not accept it.
    #[serde(rename = "does not build")]
    DoesNotBuild,
    /// No check failed, and some were not run.
    #[serde(rename = "incomplete")]
    Incomplete,
    /// This machine has not what the check needs.
    #[serde(rename = "skipped")]
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "FAILED",
            Outcome::NotStarted => "not started",
            Outcome::DoesNotBuild => "does not build",
            Outcome::Incomplete => "incomplete",
            Outcome::Skipped => "skipped",
        })
    }
}

impl Check {
    /// A check that passed.
    pub fn ok(name: impl Into<String>, took: Duration) -> Self {
        Self::new(name, Outcome::Ok, took, String::new())
    }

    /// A check that failed, with the message that the learner was shown.
    pub fn failed(name: impl Into<String>, took: Duration, message: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, took, message.into())
    }

    /// A check that ran into a `todo!`, with that step's sentence.
    pub fn not_started(name: impl Into<String>, took: Duration, step: impl Into<String>) -> Self {
        Self::new(name, Outcome::NotStarted, took, step.into())
    }

    /// A check that this machine cannot run, and what it lacks.
    pub fn skipped(name: impl Into<String>, took: Duration, why: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped, took, why.into())
    }

    fn new(name: impl Into<String>, outcome: Outcome, took: Duration, message: String) -> Self {
        Self { name: name.into(), outcome, millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX), message }
    }
}

impl Verdict {
    /// What these checks mean for `source`, the text they were run on. `expected` is how many checks the exercise has.
    pub fn new(source: &str, expected: usize, checks: Vec<Check>) -> Self {
        let mut verdict = Self::bare(source, Outcome::Incomplete, String::new());
        (verdict.expected, verdict.checks) = (expected, checks);
        verdict.conclude();
        verdict
    }

    /// `source` was not accepted by the compiler, which said `message`.
    pub fn does_not_build(source: &str, message: impl Into<String>) -> Self {
        Self::bare(source, Outcome::DoesNotBuild, message.into())
    }

    /// `source` is the stub still; `step` is the sentence of its first step.
    pub fn not_started(source: &str, step: impl Into<String>) -> Self {
        Self::bare(source, Outcome::NotStarted, step.into())
    }

    /// Whether `source` is what was graded.
    pub fn is_of(&self, source: &str) -> bool {
        self.source_hash == source_hash(source)
    }

    /// How many of its checks passed.
    pub fn passed(&self) -> usize {
        self.checks.iter().filter(|c| c.outcome == Outcome::Ok).count()
    }

    /// How many of its checks this machine cannot run.
    pub fn skipped(&self) -> usize {
        self.checks.iter().filter(|c| c.outcome == Outcome::Skipped).count()
    }

    fn bare(source: &str, outcome: Outcome, message: String) -> Self {
        Self { when: now(), outcome, source_hash: source_hash(source), expected: 0, message, checks: Vec::new() }
    }

    /// Works out the outcome from the checks.
    fn conclude(&mut self) {
        let any = |outcome| self.checks.iter().any(|c| c.outcome == outcome);
        self.outcome = if any(Outcome::DoesNotBuild) {
            Outcome::DoesNotBuild
        } else if any(Outcome::Failed) {
            Outcome::Failed
        } else if any(Outcome::NotStarted) {
            Outcome::NotStarted
        } else if self.passed() == 0 || self.passed() + self.skipped() < self.expected {
            Outcome::Incomplete
        } else {
            Outcome::Ok
        };
    }

    /// Cuts messages that nobody will read to the end.
    pub(super) fn shorten(&mut self) {
        for message in self.checks.iter_mut().map(|c| &mut c.message).chain([&mut self.message]) {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        }
    }
}

/// A number for a text that is the same in every build and on every machine (FNV-1a, 64 bits). It tells an edited text
/// from the graded one; it is no protection against a forger.
pub fn source_hash(source: &str) -> String {
    let fold = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("fnv1a:{:016x}", source.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The worst that happened is the verdict; checks that were not tried leave it open.
    #[test]
    fn checks_make_a_verdict() {
        let grade = |checks: Vec<Check>| Verdict::new("a", 2, checks).outcome;
        let first = || Check::ok("first", ms(1));
        assert_eq!(grade(vec![]), Outcome::Incomplete);
        assert_eq!(grade(vec![first()]), Outcome::Incomplete);
        assert_eq!(grade(vec![first(), Check::failed("second", ms(1), "late")]), Outcome::Failed);
        assert_eq!(grade(vec![first(), Check::not_started("second", ms(1), "step 2")]), Outcome::NotStarted);
        assert_eq!(grade(vec![first(), Check::ok("second", ms(1))]), Outcome::Ok);
        let second = || Check::skipped("second", ms(0), "needs root");
        assert_eq!(grade(vec![first(), second()]), Outcome::Ok);
        assert_eq!(grade(vec![second(), second()]), Outcome::Incomplete, "nothing is known");
    }

    /// A flood in a failure message is cut between two characters.
    #[test]
    fn floods_are_cut() {
        let mut verdict = Verdict::new("a", 1, vec![Check::failed("first", ms(1), "…".repeat(LONGEST_MESSAGE))]);
        verdict.shorten();
        let kept = verdict.checks[0].message.len();
        assert!(kept > LONGEST_MESSAGE - 3 && kept <= LONGEST_MESSAGE, "{kept}");
    }
}
