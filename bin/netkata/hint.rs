//! `cargo run hint` and `cargo run solution`: help, as much as was asked for.

use crate::screen::{bold, command, show as print};
use netkata::course::hints::{self, Hint};
use netkata::course::progress::standing;
use netkata::course::{Catalogue, Exercise, Result, state};

/// One hint more than last time; after the last one, all of them.
pub(crate) fn show(catalogue: &Catalogue, what: &str) -> Result<()> {
    let exercise = catalogue.exercise(what)?;
    let hints = hints::of(exercise)?;
    let taken = state::load(&catalogue.root)?.hints_taken(&exercise.id());
    let text = match hints.get(taken) {
        Some(hint) => fresh(&catalogue.short(exercise), hint, taken + 1, hints.len()),
        None => all(&hints),
    };
    let text = match passed(catalogue, exercise)? {
        true => format!("{text}\n\nfor comparison: {}", exercise.solution.display()),
        false => text,
    };
    print(text)?;
    if taken < hints.len() {
        state::update(&catalogue.root, |state| state.hints.insert(exercise.id(), taken + 1))?;
    }
    Ok(())
}

fn fresh(name: &str, hint: &Hint, number: usize, of: usize) -> String {
    let after = match of - number {
        0 => "That was the last hint.".to_string(),
        _ => format!("one more: {}", command(format_args!("cargo run hint {name}"))),
    };
    format!("{}\n\n{after}", folded_open(hint, number, of))
}

fn all(hints: &[Hint]) -> String {
    let shown = hints.iter().enumerate().map(|(i, hint)| folded_open(hint, i + 1, hints.len()));
    format!("There is no further hint. Here they are again.\n\n{}", shown.collect::<Vec<_>>().join("\n\n"))
}

fn folded_open(hint: &Hint, number: usize, of: usize) -> String {
    format!("{} {}\n\n{}", bold(format_args!("hint {number} of {of}:")), hint.title, hint.text)
}

/// The solution, for whoever has one already.
pub(crate) fn solution(catalogue: &Catalogue, what: &str) -> Result<()> {
    let exercise = catalogue.exercise(what)?;
    if passed(catalogue, exercise)? {
        return print(exercise.solution_text()?.trim_end());
    }
    let name = catalogue.short(exercise);
    Err(format!("{name} has not passed yet: `cargo run grade {name}`, or `cargo run hint {name}` for a hint"))
}

fn passed(catalogue: &Catalogue, exercise: &Exercise) -> Result<bool> {
    Ok(standing(exercise, &state::load(&catalogue.root)?).has_passed())
}
