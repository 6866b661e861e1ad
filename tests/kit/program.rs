//! Running one check against one subject.

use crate::capture;
use crate::check::{Check, Kind, Program};
use crate::failure::Failure;
use crate::message::{self, Style};
use crate::scene::{NOT_ROOT, Scene};
use crate::subject::Launch;
use std::path::PathBuf;
use std::sync::{OnceLock, PoisonError, RwLock};

/// What came of a check.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The rule holds.
    Ok,
    /// The subject is a stub: its first step is still to do, in this sentence.
    NotStarted(String),
    /// This machine has not what the check needs; what that is.
    Skipped(String),
    /// The rule is broken; the message to show.
    Failed(String),
    /// The compiler does not accept it yet; what it said.
    DoesNotBuild(String),
}

/// Where and how a check runs.
#[derive(Clone)]
pub struct Stage {
    /// The subject.
    pub launch: Launch,
    /// Random inputs.
    pub seed: u64,
    /// `SUBJECT='…' ` for the replay line, when the subject is a command.
    pub subject: Option<String>,
    /// How the message looks.
    pub style: Style,
    /// The folder for captures, relative to the checkout for the message.
    pub captures: Option<PathBuf>,
}

/// Checks that load the machine run alone; the others beside each other.
static MACHINE: RwLock<()> = RwLock::new(());

/// Whether the grader may play other users.
pub fn can_be_others() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(netkata::sys::identity::is_ours_to_change)
}

/// The verdict where something is lacking. `REQUIRE_ROOT=1` makes it a failure where that is root: for machines on which nothing is
/// to be skipped.
pub fn skipped(why: String) -> Verdict {
    let required = std::env::var_os("REQUIRE_ROOT").is_some() && why.starts_with("needs root");
    if required { Verdict::Failed(why) } else { Verdict::Skipped(why) }
}

/// Runs a check and makes its verdict.
pub fn run(program: &Program, check: &Check, stage: &Stage) -> Verdict {
    if check.as_root && !can_be_others() {
        return skipped(NOT_ROOT.into());
    }
    let (alone, together);
    if check.alone {
        alone = Some(MACHINE.write().unwrap_or_else(PoisonError::into_inner));
        together = None;
    } else {
        alone = None;
        together = Some(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
    }
    let mut launch = stage.launch.clone();
    launch.command.extend(check.leading.iter().map(ToString::to_string));
    let mut scene = Scene::new(&launch, check.options, stage.seed);
    let outcome = (check.run)(&mut scene);
    let (outcome, journal) = scene.finish(outcome);
    drop((alone, together));
    let failure = match outcome {
        Ok(()) => return Verdict::Ok,
        Err(Failure { lacking: Some(why), .. }) => return skipped(why),
        Err(failure) => failure,
    };
    if let (Some((1, sentence)), Kind::Exercise) = (&failure.todo, program.kind) {
        return Verdict::NotStarted(format!("step 1: {sentence}"));
    }
    let capture = stage.captures.as_ref().and_then(|folder| capture::write(folder, program, check, &journal));
    Verdict::Failed(message::render(&message::Story {
        program,
        check,
        stage,
        failure: &failure,
        journal: &journal,
        capture,
    }))
}

/// A failure without a dialogue: the exercise does not build.
pub fn does_not_build(program: &Program, said: &str) -> Verdict {
    let mut lines = vec![format!("ch{:02} {}: it does not build yet", program.chapter, program.name)];
    lines.extend(said.lines().filter(|l| !l.trim().is_empty()).take(12).map(|l| format!("  {l}")));
    lines.push(format!("  all of it: cargo build -p lessons --bin {}", program.name));
    Verdict::DoesNotBuild(lines.join("\n"))
}
