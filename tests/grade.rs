//! The grader: every finished program and every exercise that was begun, against the checks of its chapter.
//!
//! ```text
//! cargo test                                              everything
//! cargo test ch03::echo_server                            one program
//! cargo test time_server                                  one exercise: a whole name is that name alone
//! cargo test reset                                        whatever has this in its name
//! SUBJECT='python3 my_echo.py' cargo test ch03::echo_server    a program of your own, in any language
//! SEED=4f2a cargo test …                                  the same random inputs again
//! REQUIRE_ROOT=1 cargo test …                             checks that need root fail where others would be skipped
//! PROVE=1 cargo test --test grade ch04::tlv               the proof that wrong programs fail (`make prove`)
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, missing_docs)]

#[path = "checks/mod.rs"]
mod checks;
#[path = "grade/exercise.rs"]
mod exercise;
#[path = "grade/predict.rs"]
mod predict;
#[path = "grade/proof.rs"]
mod proof;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use netkata_kit::check::{Check, Kind, Program, is_program};
use netkata_kit::message::Style;
use netkata_kit::program::{self, Stage, Verdict};
use netkata_kit::subject::Launch;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// A dialogue waits for most of its time: for a program to start, for silence, for a deadline.
const DIALOGUES_A_CORE: usize = 8;

fn main() -> ExitCode {
    netkata::sys::inherited::keep_from_children();
    let mut arguments = Arguments::from_args();
    let trials = match plan(&arguments) {
        Ok(trials) => named(trials, arguments.filter.as_deref()),
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    if arguments.test_threads.is_none() {
        arguments.test_threads = Some(match is_proof() {
            // Most of them wait for the compiler; those that do not take turns.
            true => trials.len().clamp(1, 256),
            false => DIALOGUES_A_CORE * std::thread::available_parallelism().map_or(1, |n| n.get()),
        });
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn is_proof() -> bool {
    std::env::var_os("PROVE").is_some()
}

/// Where the filter is the whole name of a program or exercise, its trials alone: `time_server` is not `daytime_server`.
/// Any other filter is looked for anywhere in a trial's name, as in every Rust test.
fn named(trials: Vec<Trial>, filter: Option<&str>) -> Vec<Trial> {
    let is_meant = |trial: &Trial| filter.is_some_and(|word| is_program(trial.name(), word));
    if !trials.iter().any(is_meant) {
        return trials;
    }
    trials.into_iter().filter(is_meant).collect()
}

fn plan(arguments: &Arguments) -> Result<Vec<Trial>, String> {
    let seed = seed()?;
    let programs = checks::all();
    if is_proof() {
        let word = arguments.filter.as_deref().filter(|word| programs.iter().any(|p| is_program(&p.id(), word)));
        let is_meant = |trial: &Trial| word.is_none_or(|word| is_program(trial.name(), word));
        return proof::trials(&programs, |trial| !arguments.is_filtered_out(trial) && is_meant(trial));
    }
    if let Ok(line) = std::env::var("SUBJECT") {
        return subject_trials(programs, &line, arguments.filter.as_deref(), seed);
    }
    // Whoever is to be alone comes first: later, it would wait for the last of the others to end, and all others for it.
    let mut trials: Vec<Trial> = programs.iter().flat_map(|program| finished_trials(program, seed, true)).collect();
    for program in programs {
        match program.kind {
            Kind::Finished => trials.extend(finished_trials(&program, seed, false)),
            Kind::Exercise => trials.extend(exercise::trials(&program, seed)),
        }
    }
    trials.extend(exercise::predictions());
    Ok(trials)
}

/// A new seed each time, unless `SEED` (hexadecimal) asks for the inputs of an earlier run.
fn seed() -> Result<u64, String> {
    match std::env::var("SEED") {
        Ok(text) => u64::from_str_radix(&text, 16).map_err(|_| format!("SEED={text}: not a hexadecimal number")),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
            Ok(fastrand::Rng::with_seed(now).u64(1..1 << 32))
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program that cargo built for this test.
fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_netkata")).with_file_name(name)
}

fn stage(launch: Launch, seed: u64) -> Stage {
    Stage {
        launch,
        seed,
        subject: None,
        style: Style::for_terminal(),
        // cargo runs tests in the package's folder: the path works where the learner stands.
        captures: Some(PathBuf::from("target/captures")),
    }
}

/// The checks of a finished program run beside each other: each has a process of its own. Those that run alone, or the rest.
fn finished_trials(program: &Program, seed: u64, alone: bool) -> Vec<Trial> {
    let stage = stage(Launch::binary(program.name, built(program.name)), seed);
    let checks = program.checks.iter().filter(|check| program.kind == Kind::Finished && check.alone == alone);
    checks.map(|check| trial(program.clone(), check.clone(), stage.clone())).collect()
}

fn trial(program: Program, check: Check, stage: Stage) -> Trial {
    let name = format!("{}::{}", program.id(), check.name);
    Trial::ignorable_test(name, move || conclude(program::run(&program, &check, &stage)))
}

fn conclude(verdict: Verdict) -> Result<Completion, Failed> {
    match verdict {
        Verdict::Ok => Ok(Completion::Completed),
        Verdict::NotStarted(step) => Ok(Completion::ignored_with(format!("not started: {step}"))),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(format!("skipped: {why}"))),
        Verdict::Failed(message) | Verdict::DoesNotBuild(message) => Err(message.into()),
    }
}

/// The checks of the one program that the filter names, against the command in `SUBJECT`.
fn subject_trials(programs: Vec<Program>, line: &str, filter: Option<&str>, seed: u64) -> Result<Vec<Trial>, String> {
    // `ch03::echo_server`, `echo_server` and `ch03::echo_server::one_of_its_checks` all name it.
    let named = |p: &Program| filter.is_some_and(|f| f.split("::").any(|part| part == p.name));
    let mut chosen = programs.into_iter().filter(named);
    let (Some(program), None) = (chosen.next(), chosen.next()) else {
        return Err("SUBJECT needs to know which checks: name one program, as in `cargo test ch03::echo_server`".into());
    };
    let mut stage = stage(Launch::command(program.name, line)?, seed);
    stage.subject = Some(line.to_string());
    Ok(exercise::in_order(&program, move |_| Ok(stage.clone()), |_, _| {}))
}
