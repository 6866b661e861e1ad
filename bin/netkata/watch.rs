//! `cargo run watch`: grades what was saved.

use crate::grade::{Output, grader};
use crate::screen::{command, show as print, standing as painted};
use netkata::course::progress::{Standing, standing};
use netkata::course::{Catalogue, Exercise, Result, state};
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// An editor saves in several steps (a new file, a rename, a backup). After this long without another one, it is done.
const QUIET: Duration = Duration::from_millis(100);

/// A file that is written without a pause is graded all the same.
const LONGEST: Duration = Duration::from_secs(2);

type Events = Receiver<notify::Result<Event>>;

pub(crate) fn run(catalogue: &Catalogue, what: Option<&str>) -> Result<()> {
    let only = what.map(|what| catalogue.exercise(what)).transpose()?;
    let (_watcher, events) = watch(&catalogue.root.join("lessons"))?;
    let what = only.map_or("an exercise".to_string(), |e| e.file.display().to_string());
    print(format_args!("Save {what} to have it graded. Ctrl-C ends."))?;
    if let Some(exercise) = only {
        grade(catalogue, exercise)?;
    }
    loop {
        let changed = changes(&events)?;
        // Read again: an update of the course may have brought new exercises.
        let catalogue = Catalogue::read(&catalogue.root)?;
        let saved = catalogue.exercises().filter(|e| changed.contains(&e.root.join(&e.file)));
        for exercise in saved.filter(|e| only.is_none_or(|only| only.id() == e.id())) {
            grade(&catalogue, exercise)?;
        }
    }
}

/// Watches the folder and not the files: an editor that saves by rename puts another file in the old one's place.
fn watch(folder: &Path) -> Result<(RecommendedWatcher, Events)> {
    let fail = |e: notify::Error| format!("watch {}: {e}", folder.display());
    let (sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender).map_err(fail)?;
    watcher.watch(folder, RecursiveMode::Recursive).map_err(fail)?;
    Ok((watcher, events))
}

/// Waits until something was saved, and then until it has been quiet for a moment. No deadline: the person decides
/// when to save, and when to end.
fn changes(events: &Events) -> Result<BTreeSet<PathBuf>> {
    let mut changed = BTreeSet::new();
    while changed.is_empty() {
        let event = events.recv().map_err(|_| "the watch on lessons has ended".to_string())?;
        note(event, &mut changed)?;
    }
    let until = Instant::now() + LONGEST;
    while Instant::now() < until
        && let Ok(event) = events.recv_timeout(QUIET)
    {
        note(event, &mut changed)?;
    }
    Ok(changed)
}

/// Reading a file and changing its attributes are events too, and nothing to grade.
fn note(event: notify::Result<Event>, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
    let event = event.map_err(|e| format!("watch lessons: {e}"))?;
    if !matches!(event.kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))) {
        changed.extend(event.paths);
    }
    Ok(())
}

fn grade(catalogue: &Catalogue, exercise: &Exercise) -> Result<()> {
    let name = catalogue.short(exercise);
    if !exercise.root.join(&exercise.file).exists() {
        let reset = command(format_args!("cargo run reset {name}"));
        return print(format_args!("{} is gone. The stub comes back with: {reset}", exercise.file.display()));
    }
    grader(&catalogue.root, Some(&exercise.id()), Output::Through)?;
    let stands = standing(exercise, &state::load(&catalogue.root)?);
    let then = match &stands {
        Standing::Graded(_) if stands.passes() => format!("On to: {}", command("cargo run next")),
        _ => format!("Stuck? {}", command(format_args!("cargo run hint {name}"))),
    };
    print(format_args!("{name}: {}. {then}", painted(&stands)))
}
