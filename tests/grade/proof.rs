//! The proof that the grader works: solutions pass, stubs are *not started*, and every mutant fails in exactly the
//! check that names it, with the message on file.
//!
//! `BLESS=1 make prove` writes the messages anew. Read them before they are committed: they are what learners see.

#[path = "proof/build.rs"]
mod build;
#[path = "proof/mask.rs"]
mod mask;

use crate::{conclude, root, stage};
use build::Builds;
use libtest_mimic::{Completion, Failed, Trial};
use mask::{by_conversation, mask, mask_sent};
use netkata::course::{Catalogue, Exercise, Kind as Form, predict, stub};
use netkata_kit::check::{Check, Kind, Program};
use netkata_kit::message::{LINES, Style};
use netkata_kit::mutant::{self, Mutant};
use netkata_kit::package::Sources;
use netkata_kit::program::{self, Stage, Verdict};
use netkata_kit::subject::Launch;
use std::fs;
use std::path::PathBuf;

/// How often a check is run before another message than the one on file counts.
const TRIES: usize = 6;

/// The seed of the proof: the messages on file show the same octets each time.
const SEED: u64 = 0x5ea;
/// Trials wait for their binaries side by side; so many dialogues go on at the same time, beside the compilers.
const DIALOGUES_A_CORE: usize = 4;

/// All trials of the proof, of which `wanted` says by name which will run: only those have something to build.
pub fn trials(programs: &[Program], wanted: impl Fn(&Trial) -> bool) -> Result<Vec<Trial>, String> {
    let catalogue = Catalogue::read(root())?;
    let mutants = mutant::all(root())?;
    let dialogues = DIALOGUES_A_CORE * std::thread::available_parallelism().map_or(1, |n| n.get());
    let builds = Builds::new(root(), dialogues);
    let mut plan = Plan { trials: Vec::new(), builds, wanted: &wanted };
    for exercise in catalogue.exercises() {
        plan.exercise(exercise, programs)?;
    }
    for program in programs {
        plan.mutants_of(program, programs, &mutants);
    }
    plan.trials.extend(mutants.iter().filter(|m| programs.iter().all(|p| p.id() != id(m))).map(orphan));
    Ok(plan.trials.into_iter().filter(|t| wanted(t)).collect())
}

/// The trials so far, and what has to be built for them.
struct Plan<'a> {
    trials: Vec<Trial>,
    builds: Builds,
    wanted: &'a dyn Fn(&Trial) -> bool,
}

impl Plan<'_> {
    /// The exercise is handed out as it should be; its solution passes, its stub does not.
    fn exercise(&mut self, exercise: &Exercise, programs: &[Program]) -> Result<(), String> {
        let (id, given) = (exercise.id(), exercise.clone());
        self.trials.push(Trial::test(format!("{id}::is_handed_out_as_derived"), move || as_derived(&given)));
        let solution = exercise.solution_text()?;
        if exercise.kind != Form::Build {
            let derives = move || Ok(predict::derive(&solution).map(drop)?);
            self.trials.push(Trial::test(format!("{id}::octets_derive"), derives));
            return Ok(());
        }
        let Some(program) = programs.iter().find(|p| p.kind == Kind::Exercise && p.id() == id) else { return Ok(()) };
        let chapter = format!("ch{:02}", exercise.chapter);
        let sources = |name: String, text: String| Ok(Sources::single(&chapter, name, &exercise.file, text));
        self.built(
            format!("{id}::solution_passes"),
            sources(format!("solution-{}", exercise.name), solution),
            program,
            solution_passes,
        );
        self.built(
            format!("{id}::stub_is_not_started"),
            sources(format!("stub-{}", exercise.name), stub::of(exercise)?),
            program,
            stub_waits,
        );
        Ok(())
    }

    fn mutants_of(&mut self, program: &Program, programs: &[Program], mutants: &[Mutant]) {
        // A rule that several programs share (the same function) is proven once.
        let own_or_shared = |m: &Mutant, c: &Check| id(m) == program.id() || shared(programs, m, c);
        let proven = |c: &&Check| mutants.iter().any(|m| m.caught_by == c.name && own_or_shared(m, c));
        self.trials.extend(program.checks.iter().filter(|c| !proven(c)).map(|check| {
            let name = format!("{}::{}::has_a_mutant", program.id(), check.name);
            Trial::test(name, || {
                Err("no wrong program on file is caught by this check: it may be unable to fail".into())
            })
        }));
        for mutant in mutants.iter().filter(|m| id(m) == program.id()) {
            let name = format!("{}::mutant_{}_is_caught_by_{}", program.id(), mutant.name, mutant.caught_by);
            let wrong = mutant.clone();
            self.built(name, mutant.sources(root(), apply), program, move |p, path| caught(p, &wrong, path));
        }
    }

    /// A trial that needs a binary.
    fn built(
        &mut self,
        name: String,
        sources: Result<Sources, String>,
        program: &Program,
        run: impl FnOnce(&Program, PathBuf) -> Result<Completion, Failed> + Send + 'static,
    ) {
        let (builds, program) = (self.builds.clone(), program.clone());
        let binary = sources.as_ref().map(|s| s.name.clone()).map_err(Clone::clone);
        let trial = Trial::ignorable_test(name, move || {
            let path = builds.binary(&binary?)?;
            let _turn = builds.take_turns();
            run(&program, path)
        });
        if let (true, Ok(sources)) = ((self.wanted)(&trial), sources) {
            self.builds.want(sources);
        }
        self.trials.push(trial);
    }
}

fn apply(base: &str, patch: &str) -> Result<String, String> {
    let patch = diffy::Patch::from_str(patch).map_err(|e| e.to_string())?;
    diffy::apply(base, &patch).map_err(|e| e.to_string())
}

/// Whether the mutant's program has this very check, too.
fn shared(programs: &[Program], mutant: &Mutant, check: &Check) -> bool {
    let same = |c: &Check| c.name == check.name && std::ptr::fn_addr_eq(c.run, check.run);
    programs.iter().any(|p| p.id() == id(mutant) && p.checks.iter().any(same))
}

fn id(mutant: &Mutant) -> String {
    format!("{}::{}", mutant.chapter, mutant.program)
}

fn orphan(mutant: &Mutant) -> Trial {
    let path = mutant.path.display().to_string();
    Trial::test(format!("{}::mutant_{}", id(mutant), mutant.name), move || {
        Err(format!("{path}: no such program").into())
    })
}

/// What the learner starts from is what the solution gives without its answers.
fn as_derived(exercise: &Exercise) -> Result<(), Failed> {
    if stub::is_untouched(exercise)? {
        return Ok(());
    }
    Err(format!("{} is not the stub of its solution: cargo run reset {}", exercise.file.display(), exercise.name)
        .into())
}

fn proof_stage(name: &str, path: PathBuf) -> Stage {
    let mut stage = stage(Launch::binary(name, path), SEED);
    stage.style = Style { colour: false, stable: true };
    stage.captures = None;
    stage
}

/// A check that this machine cannot run is no obstacle, as long as there are others.
fn solution_passes(program: &Program, path: PathBuf) -> Result<Completion, Failed> {
    let stage = proof_stage(program.name, path);
    for check in &program.checks {
        conclude(program::run(program, check, &stage))?;
    }
    Ok(Completion::Completed)
}

/// A stub never passes, and never fails: its first check says which step comes first.
fn stub_waits(program: &Program, path: PathBuf) -> Result<Completion, Failed> {
    let first = program.checks.first().ok_or("no checks")?;
    match program::run(program, first, &proof_stage(program.name, path)) {
        Verdict::NotStarted(step) if step.starts_with("step 1: ") => Ok(Completion::Completed),
        skipped @ Verdict::Skipped(_) => conclude(skipped),
        Verdict::NotStarted(step) => Err(format!("says {step:?} instead of its first step").into()),
        Verdict::Ok => Err("an untouched stub passes".into()),
        Verdict::Failed(message) | Verdict::DoesNotBuild(message) => Err(message.into()),
    }
}

/// The checks before pass; the one that the mutant names fails, and says what is on file.
/// Neither is in the way of a mutant a check before that this machine cannot run. If it is the one that should catch it,
/// nothing is proven, and the proof says so.
fn caught(program: &Program, mutant: &Mutant, path: PathBuf) -> Result<Completion, Failed> {
    let stage = proof_stage(program.name, path);
    let named = program.checks.iter().position(|c| c.name == mutant.caught_by);
    let named = named.ok_or_else(|| format!("{}: no check is called {}", mutant.path.display(), mutant.caught_by))?;
    // The checks that load the machine are left out here: what they would find, a smaller one before them finds too.
    for check in program.checks[..named].iter().filter(|c| !c.alone) {
        let verdict = program::run(program, check, &stage);
        if !matches!(verdict, Verdict::Ok | Verdict::Skipped(_)) {
            return Err(format!("caught too early, by {}:\n{}", check.name, text_of(&verdict)).into());
        }
    }
    // What a program writes into two streams, or at the moment that it ends, may be seen in another order now and then. The
    // message on file is the usual one; it must come up within so many tries. In the last of them it is enough that each
    // conversation by itself went as on file.
    let mut found = Ok(Completion::Completed);
    for left in (0..TRIES).rev() {
        let order = if left == 0 { by_conversation } else { str::to_owned };
        found = match program::run(program, &program.checks[named], &stage) {
            Verdict::Failed(message) => on_file(program, mutant, &message, order).map(|()| Completion::Completed),
            skipped @ Verdict::Skipped(_) => return conclude(skipped),
            other => return Err(format!("not caught by {}: {}", mutant.caught_by, text_of(&other)).into()),
        };
        if found.is_ok() {
            break;
        }
    }
    found
}

fn text_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok => "it passes".into(),
        Verdict::NotStarted(s) | Verdict::Skipped(s) | Verdict::Failed(s) | Verdict::DoesNotBuild(s) => s.clone(),
    }
}

fn on_file(program: &Program, mutant: &Mutant, message: &str, order: fn(&str) -> String) -> Result<(), Failed> {
    if message.lines().count() > LINES {
        return Err(format!("the message is longer than {LINES} lines:\n{message}").into());
    }
    let path = mutant.message_path();
    let message = format!("{message}\n");
    let mask = |text: &str| order(&if program.varies { mask_sent(&mask(text)) } else { mask(text) });
    let filed = fs::read_to_string(&path);
    // What differs in masked places only stays on file as it is.
    if filed.as_ref().is_ok_and(|filed| mask(filed) == mask(&message)) {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        return Ok(fs::write(&path, message)?);
    }
    let filed = filed.map_err(|_| format!("no message on file; this is it:\n{message}"))?;
    let diff = similar::TextDiff::from_lines(&filed, &message).unified_diff().header("on file", "now").to_string();
    Err(format!("{}: another message than on file:\n{diff}", path.display()).into())
}
