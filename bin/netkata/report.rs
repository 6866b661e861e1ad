//! `cargo run report`: how every exercise stands, for people and for other systems.

use crate::Format;
use crate::grade::{Output, grader};
use crate::{gradescope, junit, screen};
use netkata::course::printable::printable;
use netkata::course::progress::{Standing, standing};
use netkata::course::state::{self, Outcome, State, Verdict};
use netkata::course::{Catalogue, Exercise, Result, stub};
use std::path::Path;

/// An exercise in a report.
pub(crate) struct Suite {
    pub(crate) id: String,
    pub(crate) chapter: u32,
    pub(crate) summary: String,
    /// `ok`, `FAILED`, `not started`, …
    pub(crate) stands: String,
    pub(crate) passes: bool,
    /// Seconds since 1970; `None` when it was not graded.
    pub(crate) when: Option<u64>,
    /// Checks passed, of how many.
    pub(crate) score: (usize, usize),
    pub(crate) cases: Vec<Case>,
}

/// A check in a report.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) result: CaseResult,
    pub(crate) message: String,
    pub(crate) millis: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseResult {
    Passed,
    /// A rule was broken.
    Failed,
    /// It could not be tried: it does not build.
    Error,
    /// Nothing to grade yet.
    Skipped,
}

pub(crate) fn run(catalogue: &Catalogue, format: Format, output: Option<&Path>, last: bool) -> Result<()> {
    if !last {
        grade_everything(catalogue)?;
    }
    let state = state::load(&catalogue.root)?;
    let suites: Vec<Suite> = catalogue.exercises().map(|e| suite(e, &state)).collect();
    let text = match format {
        Format::Text => text(&suites),
        Format::Junit => junit::write(&suites)?,
        Format::Gradescope => gradescope::write(&suites)?,
    };
    match output {
        None => screen::show(text.trim_end()),
        Some(path) => std::fs::write(path, text)
            .map_err(|e| format!("write {}: {}", path.display(), netkata::error::cause_text(&e))),
    }
}

/// A failed check is what a report is for; a grader that does not run at all is an error.
fn grade_everything(catalogue: &Catalogue) -> Result<()> {
    let before = state::now();
    let status = grader(&catalogue.root, None, Output::Aside)?;
    let fresh = state::load(&catalogue.root)?.verdicts.values().any(|v| v.when >= before);
    if status.success() || fresh { Ok(()) } else { Err("the grader did not run: see above".to_string()) }
}

fn suite(exercise: &Exercise, state: &State) -> Suite {
    let stands = standing(exercise, state);
    let skipped = |message: String| vec![Case::new("started", CaseResult::Skipped, message)];
    let (cases, score) = match &stands {
        // What this machine cannot run counts neither for nor against.
        Standing::Graded(verdict) => {
            let tried = verdict.expected.max(verdict.checks.len()) - verdict.skipped();
            (cases(verdict), (verdict.passed(), tried))
        }
        Standing::NotStarted => (skipped(first_step(exercise)), (0, 0)),
        Standing::NotGraded | Standing::Changed(_) => (skipped(stands.to_string()), (0, 0)),
        Standing::Unreadable(why) => (vec![Case::new("readable", CaseResult::Error, why.clone())], (0, 0)),
    };
    Suite {
        id: exercise.id(),
        chapter: exercise.chapter,
        summary: exercise.summary.clone(),
        stands: stands.to_string(),
        passes: stands.passes(),
        when: stands.verdict().map(|v| v.when),
        score,
        cases,
    }
}

fn first_step(exercise: &Exercise) -> String {
    let steps = exercise.text().map(|text| stub::steps_of(exercise, &text)).unwrap_or_default();
    steps.first().map_or("not started".to_string(), |(_, sentence)| format!("not started: {sentence}"))
}

fn cases(verdict: &Verdict) -> Vec<Case> {
    let mut cases: Vec<Case> = verdict
        .checks
        .iter()
        .map(|check| Case {
            name: check.name.clone(),
            result: result(check.outcome),
            message: printable(&check.message),
            millis: check.millis,
        })
        .collect();
    match verdict.outcome {
        Outcome::DoesNotBuild if cases.is_empty() => {
            cases.push(Case::new("builds", CaseResult::Error, verdict.message.clone()))
        }
        Outcome::NotStarted if cases.is_empty() => {
            cases.push(Case::new("started", CaseResult::Skipped, verdict.message.clone()))
        }
        Outcome::Incomplete => cases.push(Case::new("the other checks", CaseResult::Skipped, "not run".to_string())),
        _ => {}
    }
    cases
}

fn result(outcome: Outcome) -> CaseResult {
    match outcome {
        Outcome::Ok => CaseResult::Passed,
        Outcome::Failed => CaseResult::Failed,
        Outcome::DoesNotBuild => CaseResult::Error,
        Outcome::NotStarted | Outcome::Incomplete | Outcome::Skipped => CaseResult::Skipped,
    }
}

impl Case {
    fn new(name: &str, result: CaseResult, message: String) -> Self {
        Self { name: name.to_string(), result, message: printable(&message), millis: 0 }
    }
}

fn text(suites: &[Suite]) -> String {
    let passing = suites.iter().filter(|s| s.passes).count();
    let mut lines =
        vec![format!("{passing} of {} pass", netkata::human::count(suites.len(), "exercise")), String::new()];
    for suite in suites {
        let checks = match suite.score {
            (_, 0) => String::new(),
            (passed, of) => format!("  {passed} of {}", netkata::human::count(of, "check")),
        };
        lines.push(format!("{:<28} {}{checks}", suite.id, suite.stands));
        for case in suite.cases.iter().filter(|c| matches!(c.result, CaseResult::Failed | CaseResult::Error)) {
            lines.push(format!("    {}", case.name));
            lines.extend(case.message.lines().map(|line| format!("      {line}")));
        }
    }
    lines.join("\n") + "\n"
}
