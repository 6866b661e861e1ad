//! The proof that the grader works: solutions pass, stubs are *not started*, and every mutant fails in exactly the
//! check that names it, with the message on file.
//!
//! `BLESS=1 make prove` writes the messages anew. Read them before they are committed: they are what learners see.

use crate::exercise::target_folder;
use crate::{conclude, root, stage};
use libtest_mimic::{Failed, Trial};
use netkata::course::{Catalogue, Exercise, Kind as Form, predict, stub};
use netkata_kit::check::{Check, Kind, Program};
use netkata_kit::message::{LINES, Style};
use netkata_kit::mutant::{self, Mutant, Sources};
use netkata_kit::program::{self, Stage, Verdict};
use netkata_kit::scene::inputs::PREFIX;
use netkata_kit::subject::Launch;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// The seed of the proof: the messages on file show the same octets each time.
const SEED: u64 = 0x5ea;

/// Built once, by the first trial that needs it.
type Build = Arc<OnceLock<Result<PathBuf, String>>>;

/// All trials of the proof.
pub fn trials(programs: &[Program]) -> Result<Vec<Trial>, String> {
    let catalogue = Catalogue::read(root())?;
    let mutants = mutant::all(root())?;
    let mut sources = Sources::new();
    let mut trials = Vec::new();
    for exercise in catalogue.exercises() {
        let given = exercise.clone();
        trials.push(Trial::test(format!("{}::is_handed_out_as_derived", exercise.id()), move || as_derived(&given)));
        if exercise.kind == Form::Build {
            sources.insert(format!("solution-{}.rs", exercise.name), exercise.solution_text()?);
            sources.insert(format!("stub-{}.rs", exercise.name), stub::of(exercise)?);
        } else {
            let (name, solution) = (exercise.id(), exercise.solution_text()?);
            trials
                .push(Trial::test(format!("{name}::octets_derive"), move || Ok(predict::derive(&solution).map(drop)?)));
        }
    }
    for mutant in &mutants {
        sources.extend(mutant.sources(root(), apply)?);
    }
    let build: Build = Arc::default();
    let sources = Arc::new(sources);
    for program in programs {
        trials.extend(program_trials(program, programs, &mutants, &build, &sources));
    }
    trials.extend(mutants.iter().filter(|m| programs.iter().all(|p| p.id() != id(m))).map(orphan));
    Ok(trials)
}

fn program_trials(
    program: &Program,
    programs: &[Program],
    mutants: &[Mutant],
    build: &Build,
    sources: &Arc<Sources>,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    let ready = |name: String| {
        let (build, sources) = (build.clone(), sources.clone());
        move || built(&build, &sources, &name)
    };
    if program.kind == Kind::Exercise {
        let (p, path) = (program.clone(), ready(format!("solution-{}", program.name)));
        trials.push(Trial::test(format!("{}::solution_passes", program.id()), move || solution_passes(&p, path()?)));
        let (p, path) = (program.clone(), ready(format!("stub-{}", program.name)));
        trials.push(Trial::test(format!("{}::stub_is_not_started", program.id()), move || stub_waits(&p, path()?)));
    }
    let own: Vec<Mutant> = mutants.iter().filter(|m| id(m) == program.id()).cloned().collect();
    // A rule that several programs share (the same function) is proven once.
    let own_or_shared = |m: &Mutant, c: &Check| id(m) == program.id() || shared(programs, m, c);
    let proven = |c: &&Check| mutants.iter().any(|m| m.caught_by == c.name && own_or_shared(m, c));
    trials.extend(program.checks.iter().filter(|c| !proven(c)).map(|check| {
        let name = format!("{}::{}::has_a_mutant", program.id(), check.name);
        Trial::test(name, || Err("no wrong program on file is caught by this check: it may be unable to fail".into()))
    }));
    trials.extend(own.into_iter().map(|mutant| {
        let name = format!("{}::mutant_{}_is_caught_by_{}", program.id(), mutant.name, mutant.caught_by);
        let (program, path) = (program.clone(), ready(mutant.binary()));
        Trial::test(name, move || caught(&program, &mutant, path()?))
    }));
    trials
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

fn apply(base: &str, patch: &str) -> Result<String, String> {
    let patch = diffy::Patch::from_str(patch).map_err(|e| e.to_string())?;
    diffy::apply(base, &patch).map_err(|e| e.to_string())
}

/// The binary of this name, after a build of all of them.
fn built(build: &Build, sources: &Sources, name: &str) -> Result<PathBuf, String> {
    let folder = build.get_or_init(|| {
        let package = mutant::package(root(), sources).map_err(|e| format!("target/prove: {e}"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .current_dir(&package)
            .args(["build", "--quiet", "--offline", "--keep-going", "--bins", "--color=never"])
            // The course's own target folder: the dependencies are built there already.
            .arg("--target-dir")
            .arg(target_folder())
            .output()
            .map_err(|e| format!("cargo does not start: {e}"))?;
        // A wrong program may have unused parts, but one that does not compile proves nothing.
        fs::write(package.join("build.log"), &output.stderr).map_err(|e| e.to_string())?;
        Ok(crate::built(""))
    });
    let path = folder.as_ref().map_err(Clone::clone)?.join(name);
    let time = fs::metadata(&path).and_then(|m| m.modified()).ok();
    match (time, mutant::written(&root().join("target/prove"), name).ok()) {
        (Some(built), Some(written)) if built >= written => Ok(path),
        _ => Err(format!("{name} does not build: see target/prove/build.log")),
    }
}

fn proof_stage(name: &str, path: PathBuf) -> Stage {
    let mut stage = stage(Launch::binary(name, path), SEED);
    stage.style = Style { colour: false, stable: true };
    stage.captures = None;
    stage
}

fn solution_passes(program: &Program, path: PathBuf) -> Result<(), Failed> {
    let stage = proof_stage(program.name, path);
    for check in &program.checks {
        conclude(program::run(program, check, &stage))?;
    }
    Ok(())
}

/// A stub never passes, and never fails: its first check says which step comes first.
fn stub_waits(program: &Program, path: PathBuf) -> Result<(), Failed> {
    let first = program.checks.first().ok_or("no checks")?;
    match program::run(program, first, &proof_stage(program.name, path)) {
        Verdict::NotStarted(step) if step.starts_with("step 1: ") => Ok(()),
        Verdict::NotStarted(step) => Err(format!("says {step:?} instead of its first step").into()),
        Verdict::Ok => Err("an untouched stub passes".into()),
        Verdict::Failed(message) | Verdict::DoesNotBuild(message) => Err(message.into()),
    }
}

/// The checks before pass; the one that the mutant names fails, and says what is on file.
fn caught(program: &Program, mutant: &Mutant, path: PathBuf) -> Result<(), Failed> {
    let stage = proof_stage(program.name, path);
    let named = program.checks.iter().position(|c| c.name == mutant.caught_by);
    let named = named.ok_or_else(|| format!("{}: no check is called {}", mutant.path.display(), mutant.caught_by))?;
    // The checks that load the machine are left out here: what they would find, a smaller one before them finds too.
    for check in program.checks[..named].iter().filter(|c| !c.alone) {
        let verdict = program::run(program, check, &stage);
        if !matches!(verdict, Verdict::Ok) {
            return Err(format!("caught too early, by {}:\n{}", check.name, text_of(&verdict)).into());
        }
    }
    match program::run(program, &program.checks[named], &stage) {
        Verdict::Failed(message) => on_file(program, mutant, &message),
        other => Err(format!("not caught by {}: {}", mutant.caught_by, text_of(&other)).into()),
    }
}

/// Without what differs from run to run: names of temporary folders and sockets; ports, and how much the kernels hold
/// between two programs, both numbers of four digits and more; and times, `80ms` or `1.5s`.
fn mask(message: &str) -> String {
    let named = mask_names(message);
    let is_digit = |c: char| c.is_ascii_digit() || c == ',';
    let mut out = String::new();
    let mut rest = named.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        out.push_str(before);
        let end = number.find(|c| !is_digit(c)).unwrap_or(number.len());
        rest = &number[end..];
        match after_unit(rest) {
            Some(tail) => {
                out.push_str("##s");
                rest = tail;
            }
            None if end < 4 => out.push_str(&number[..end]),
            None => {
                // How long a number is decides how far it stands from the margin.
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str(" ####");
            }
        }
    }
    out + rest
}

/// Where a scene put its folder, and what chance called it: `unix:///tmp/netkata-x3k9ab/1.sock` is `unix:TEMPORARY/1.sock`.
fn mask_names(message: &str) -> String {
    let mut parts = message.split(PREFIX);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        // The path before it, which is the system's temporary folder, goes too.
        let path = |c: char| c.is_alphanumeric() || "/_-.+".contains(c);
        out.truncate(out.trim_end_matches(path).len());
        out.push_str("TEMPORARY");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}

/// What follows the unit of time (and the fraction before it) at the start of `text`, if there is one.
fn after_unit(text: &str) -> Option<&str> {
    let unit =
        text.strip_prefix('.').map_or(text, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit()));
    let tail = ["ns", "µs", "ms", "s"].iter().find_map(|name| unit.strip_prefix(name))?;
    (!tail.starts_with(char::is_alphanumeric)).then_some(tail)
}

fn text_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok => "it passes".into(),
        Verdict::NotStarted(s) | Verdict::Failed(s) | Verdict::DoesNotBuild(s) => s.clone(),
    }
}

/// Without the octets that the program sent.
fn mask_sent(message: &str) -> String {
    let mask_line = |line: &str| match line.split_once("← ") {
        Some((who, what)) if what.contains(" octet") => format!("{who}← octets\n"),
        _ => format!("{line}\n"),
    };
    message.lines().map(mask_line).collect()
}

fn on_file(program: &Program, mutant: &Mutant, message: &str) -> Result<(), Failed> {
    if message.lines().count() > LINES {
        return Err(format!("the message is longer than {LINES} lines:\n{message}").into());
    }
    let path = mutant.message_path();
    let message = format!("{message}\n");
    if std::env::var_os("BLESS").is_some() {
        return Ok(fs::write(&path, message)?);
    }
    let filed = fs::read_to_string(&path).map_err(|_| format!("no message on file; this is it:\n{message}"))?;
    let mask = |text: &str| if program.varies { mask_sent(&mask(text)) } else { mask(text) };
    if mask(&filed) == mask(&message) {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&filed, &message).unified_diff().header("on file", "now").to_string();
    Err(format!("{}: another message than on file:\n{diff}", path.display()).into())
}
