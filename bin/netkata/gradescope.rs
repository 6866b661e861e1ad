//! The `results.json` of a Gradescope autograder (https://gradescope-autograders.readthedocs.io/en/latest/specs/).
//!
//! One test for each exercise, worth one point: the maximum must be the same for everybody, whatever was graded. A part
//! of the checks gives that part of the point.

use crate::report::{CaseResult, Suite};
use netkata::course::Result;
use serde::Serialize;

#[derive(Serialize)]
struct Results {
    output: String,
    output_format: &'static str,
    test_output_format: &'static str,
    visibility: &'static str,
    /// Whole seconds.
    execution_time: u64,
    /// The sum of their scores is the submission's score.
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    /// `3.1`: the chapter, and the exercise's place in it.
    number: String,
    score: f64,
    max_score: f64,
    status: &'static str,
    output: String,
    visibility: &'static str,
}

pub(crate) fn write(suites: &[Suite]) -> Result<String> {
    let passing = suites.iter().filter(|s| s.passes).count();
    let millis: u64 = suites.iter().flat_map(|s| &s.cases).map(|c| c.millis).sum();
    let results = Results {
        output: format!("{passing} of {} pass", netkata::human::count(suites.len(), "exercise")),
        output_format: "text",
        test_output_format: "text",
        visibility: "visible",
        execution_time: millis.div_ceil(1000),
        tests: suites.iter().map(|suite| test(suite, suites)).collect(),
    };
    let text = serde_json::to_string_pretty(&results).map_err(|e| format!("write the report: {e}"))?;
    Ok(text + "\n")
}

fn test(suite: &Suite, suites: &[Suite]) -> Test {
    let same_chapter = |s: &&Suite| s.chapter == suite.chapter;
    let place = suites.iter().filter(same_chapter).position(|s| s.id == suite.id).map_or(0, |n| n + 1);
    Test {
        name: format!("{}: {}", suite.id, suite.summary),
        number: format!("{}.{place}", suite.chapter),
        score: score(suite),
        max_score: 1.0,
        status: if suite.passes { "passed" } else { "failed" },
        output: output(suite),
        visibility: "visible",
    }
}

/// In hundredths, rounded down: only a pass is a whole point.
fn score(suite: &Suite) -> f64 {
    let (passed, of) = suite.score;
    let hundredths = if suite.passes { 100 } else { (passed * 100 / of.max(1)).min(99) };
    f64::from(u8::try_from(hundredths).unwrap_or(0)) / 100.0
}

/// What the person sees below the test's name.
fn output(suite: &Suite) -> String {
    let mut lines = vec![suite.stands.clone()];
    for case in &suite.cases {
        let word = match case.result {
            CaseResult::Passed => "ok",
            CaseResult::Failed => "FAILED",
            CaseResult::Error => "error",
            CaseResult::Skipped => "skipped",
        };
        lines.push(format!("{word:<8} {}", case.name));
        lines.extend(case.message.lines().map(|line| format!("         {line}")));
    }
    lines.join("\n")
}
