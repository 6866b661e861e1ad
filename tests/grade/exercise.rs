//! Grading what the learner wrote: build it, then its checks in order, up to the first that fails.

use crate::{built, conclude, root, stage};
use libtest_mimic::{Completion, Failed, Trial};
use netkata::course::state::{self, Check as Note, Verdict as Record};
use netkata::course::stub;
use netkata::course::{Catalogue, Exercise};
use netkata_kit::check::Program;
use netkata_kit::program::{self, Stage, Verdict};
use netkata_kit::subject::Launch;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What came of one check of a run in order.
#[derive(Clone)]
pub struct Step {
    pub verdict: Verdict,
    pub took: Duration,
}

/// One trial for a stub that nobody has touched, without building it; otherwise one for each check.
pub fn trials(program: &Program, seed: u64) -> Vec<Trial> {
    let exercise = match find(&program.id()) {
        Ok(exercise) => exercise,
        Err(why) => return vec![broken(program.id(), why)],
    };
    match stub::is_untouched(&exercise) {
        Ok(true) => vec![not_started(&exercise)],
        Ok(false) => {
            let (wanted, noted) = (exercise.clone(), exercise);
            let prepare = move |program: &Program| {
                build(program)?;
                Ok(stage(Launch::binary(&wanted.name, built(&wanted.name)), seed))
            };
            in_order(program, prepare, move |program, steps| remember(&noted, program, steps))
        }
        Err(why) => vec![broken(program.id(), why)],
    }
}

/// One trial for each check. The first to run prepares the subject and tries all checks in order; after the first that
/// fails the others would fail for the same reason, so they are not tried.
pub fn in_order(
    program: &Program,
    prepare: impl Fn(&Program) -> Result<Stage, Verdict> + Send + Sync + 'static,
    remember: impl Fn(&Program, &[Step]) + Send + Sync + 'static,
) -> Vec<Trial> {
    let run: Arc<OnceLock<Vec<Step>>> = Arc::default();
    let work = Arc::new((program.clone(), prepare, remember));
    let trial = |(i, check): (usize, &netkata_kit::Check)| {
        let (run, work) = (run.clone(), work.clone());
        Trial::ignorable_test(format!("{}::{}", program.id(), check.name), move || {
            let (program, prepare, remember) = &*work;
            let steps = run.get_or_init(|| {
                let steps = attempt(program, prepare);
                remember(program, &steps);
                steps
            });
            match (steps.get(i), steps.len().checked_sub(1).and_then(|last| program.checks.get(last))) {
                (Some(step), _) => conclude(step.verdict.clone()),
                (None, Some(culprit)) => {
                    Ok(Completion::ignored_with(format!("not tried: {} comes first", culprit.name)))
                }
                (None, None) => Ok(Completion::ignored()),
            }
        })
    };
    program.checks.iter().enumerate().map(trial).collect()
}

/// The steps up to and including the first that is not ok.
fn attempt(program: &Program, prepare: &impl Fn(&Program) -> Result<Stage, Verdict>) -> Vec<Step> {
    let stage = match prepare(program) {
        Ok(stage) => stage,
        Err(verdict) => return vec![Step { verdict, took: Duration::ZERO }],
    };
    let mut steps = Vec::new();
    for check in &program.checks {
        let start = Instant::now();
        let foreign = stage.subject.is_some() && check.finished_only;
        let verdict = if foreign { Verdict::Ok } else { program::run(program, check, &stage) };
        let go_on = matches!(verdict, Verdict::Ok | Verdict::Skipped(_));
        steps.push(Step { verdict, took: start.elapsed() });
        if !go_on {
            break;
        }
    }
    steps
}

/// Builds one exercise. Exercises are built one at a time: two cargos would only wait for each other.
pub fn build(program: &Program) -> Result<(), Verdict> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--quiet", "--color=never", "--package", "lessons", "--bin", program.name, "--target-dir"])
        .arg(target_folder())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(program::does_not_build(program, &errors_only(&String::from_utf8_lossy(&output.stderr)))),
        Err(e) => Err(Verdict::Failed(format!("cargo does not start: {e}"))),
    }
}

/// Cargo's target folder, from where it put the finished programs.
pub fn target_folder() -> std::path::PathBuf {
    built("netkata").ancestors().nth(2).map_or_else(|| root().join("target"), Into::into)
}

/// Without the warnings that rustc prints before its errors.
fn errors_only(said: &str) -> String {
    said.find("error").map_or(said, |at| &said[at..]).to_string()
}

fn find(id: &str) -> Result<Exercise, String> {
    static CATALOGUE: OnceLock<Result<Catalogue, String>> = OnceLock::new();
    let catalogue = CATALOGUE.get_or_init(|| Catalogue::read(root())).as_ref().map_err(Clone::clone)?;
    catalogue.exercise(id).cloned()
}

/// All *predict the bytes* files.
pub fn predictions() -> Vec<Trial> {
    match Catalogue::read(root()) {
        Ok(catalogue) => catalogue.exercises().filter_map(crate::predict::trial).collect(),
        Err(why) => vec![broken("lessons".into(), why)],
    }
}

/// The trial of an untouched exercise: ignored, with the sentence of its first step.
pub fn not_started(exercise: &Exercise) -> Trial {
    let text = exercise.text().unwrap_or_default();
    let first = stub::steps_of(exercise, &text).into_iter().next();
    let step = first.map_or_else(String::new, |(n, sentence)| {
        if sentence.starts_with("line ") { sentence } else { format!("step {n}: {sentence}") }
    });
    Trial::ignorable_test(exercise.id(), move || Ok(Completion::ignored_with(format!("not started: {step}"))))
}

fn broken(name: String, why: String) -> Trial {
    Trial::test(name, move || Err(Failed::from(why)))
}

/// Tells the `netkata` program what came of it.
fn remember(exercise: &Exercise, program: &Program, steps: &[Step]) {
    let Ok(source) = exercise.text() else { return };
    let note = |(check, step): (&netkata_kit::Check, &Step)| match &step.verdict {
        Verdict::Ok => Note::ok(check.name, step.took),
        Verdict::NotStarted(sentence) => Note::not_started(check.name, step.took, sentence),
        Verdict::Skipped(why) => Note::skipped(check.name, step.took, why),
        Verdict::Failed(message) => Note::failed(check.name, step.took, message),
        Verdict::DoesNotBuild(message) => Note::failed(check.name, step.took, message),
    };
    let record = match steps.first().map(|s| &s.verdict) {
        Some(Verdict::DoesNotBuild(message)) => Record::does_not_build(&source, message),
        _ => Record::new(&source, program.checks.len(), program.checks.iter().zip(steps).map(note).collect()),
    };
    record_or_say(&program.id(), record);
}

/// The verdict stands on the screen; that it could not be remembered is worth a line, not a failure.
pub fn record_or_say(id: &str, record: Record) {
    if let Err(why) = state::record(root(), id, record) {
        eprintln!("note: {why}");
    }
}
