//! `cargo run list`: everything there is.

use crate::screen::{bold, show as print, standing as painted};
use netkata::course::progress::standing;
use netkata::course::state::{self, State};
use netkata::course::{Catalogue, Chapter, Result};

pub(crate) fn show(catalogue: &Catalogue) -> Result<()> {
    let state = state::load(&catalogue.root)?;
    let chapters: Vec<String> = catalogue.chapters.iter().map(|c| chapter(c, &state)).collect();
    let end = "Run a program: cargo run --bin NAME.   Grade one of either kind: cargo run grade NAME.";
    print(format_args!("{}\n\n{end}", chapters.join("\n\n")))
}

fn chapter(chapter: &Chapter, state: &State) -> String {
    let mut lines = vec![bold(format_args!("{}  {}", chapter.number, chapter.title))];
    lines.push(format!("  {}", chapter.lesson.display()));
    if !chapter.programs.is_empty() {
        lines.push("  programs".to_string());
        lines.extend(chapter.programs.iter().map(|p| format!("    {:<20} {}", p.name, p.summary)));
    }
    if !chapter.exercises.is_empty() {
        lines.push("  exercises".to_string());
        for exercise in &chapter.exercises {
            let stands = painted(&standing(exercise, state));
            lines.push(format!("    {:<20} {} ({stands})", exercise.name, exercise.summary));
        }
    }
    lines.join("\n")
}
