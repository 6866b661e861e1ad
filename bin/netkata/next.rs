//! `cargo run next`: what to do now.

use crate::screen::{bold, commands, show as print, standing as painted};
use netkata::course::progress::{self, Standing, standing};
use netkata::course::state::{self, State};
use netkata::course::{Catalogue, Exercise, Kind, Result, hints, stub};

pub(crate) fn show(catalogue: &Catalogue) -> Result<()> {
    let state = state::load(&catalogue.root)?;
    match progress::next(catalogue, &state) {
        Some(exercise) => print(exercise_page(catalogue, exercise, &state)?),
        None => {
            print("Every exercise passes. `cargo run list` shows them all; `cargo run reset NAME` starts one again.")
        }
    }
}

fn exercise_page(catalogue: &Catalogue, exercise: &Exercise, state: &State) -> Result<String> {
    let stands = standing(exercise, state);
    let title = format!("{}  {}", bold(exercise), painted(&stands));
    if let Standing::Unreadable(_) = stands {
        return Ok(format!("{title}\n\n{}", commands(catalogue, exercise, &["reset"])));
    }
    let verbs: &[&str] = match exercise.kind {
        Kind::Build => &["edit", "run", "grade", "hint", "watch"],
        Kind::Predict => &["edit", "grade", "hint", "watch"],
    };
    let to_do = to_do(exercise, &stands)?;
    let taken = hints_line(exercise, state);
    let commands = commands(catalogue, exercise, verbs);
    let lesson = exercise.lesson.display();
    Ok([title, exercise.contract()?, to_do, format!("{commands}\n  {:<7} {lesson}\n{taken}", "lesson")].join("\n\n"))
}

/// The next step's sentence, or what the grader found, whichever is nearer.
fn to_do(exercise: &Exercise, stands: &Standing) -> Result<String> {
    let steps = stub::steps_of(exercise, &exercise.text()?);
    if let Some((number, sentence)) = steps.first() {
        let left = match steps.len() {
            1 => "the last one".to_string(),
            n => format!("{n} left"),
        };
        return Ok(match exercise.kind {
            Kind::Build => format!("{} {sentence}  ({left})", bold(format_args!("step {number}:"))),
            Kind::Predict => format!("{} {sentence}  ({left})", bold("next:")),
        });
    }
    let failed = stands.verdict().and_then(|v| v.checks.iter().find(|c| !c.message.is_empty()));
    Ok(match (stands, failed) {
        (Standing::Graded(_), Some(check)) => {
            format!("{} {}\n{}", bold("failing:"), check.name, check.message.trim_end())
        }
        (Standing::Changed(_), _) => "It has changed since it was graded: grade it again.".to_string(),
        (Standing::Graded(v), None) if !v.message.is_empty() => v.message.trim_end().to_string(),
        _ => "No step is left: grade it.".to_string(),
    })
}

fn hints_line(exercise: &Exercise, state: &State) -> String {
    let of = hints::of(exercise).map_or(0, |hints| hints.len());
    format!("\n{} of {} taken", state.hints_taken(&exercise.id()).min(of), netkata::human::count(of, "hint"))
}
