//! `cargo run`: where you are. The first time, what this is.

use crate::screen::{ago, bold, command, commands, show as print, squares, standing as painted};
use netkata::course::progress::{self, standing};
use netkata::course::state::{self, State};
use netkata::course::{Catalogue, Chapter, Exercise, Result, read_text};

pub(crate) fn show(catalogue: &Catalogue) -> Result<()> {
    let root = &catalogue.root;
    let state = state::load(root)?;
    if state.greeted {
        return print(where_you_are(catalogue, &state));
    }
    print(greeting(catalogue, &state))?;
    // In a checkout that cannot be written, the newcomer is greeted again: better than an error as the first line.
    let _ = state::update(root, |state| state.greeted = true);
    Ok(())
}

/// At most ten lines.
fn greeting(catalogue: &Catalogue, state: &State) -> String {
    let mut lines = vec![
        format!("{}: network programming in Rust, learned by doing.", bold("netkata")),
        "Read a lesson, run its programs, build the next one; the grader talks to it and shows what it said."
            .to_string(),
        String::new(),
    ];
    if let Some(chapter) = catalogue.chapters.first() {
        lines.push(format!("  read    {}", chapter.lesson.display()));
        if let Some(program) = first_program(catalogue, chapter) {
            lines.push(format!("  run     {}", command(format_args!("cargo run --bin {program}"))));
        }
    }
    if let Some(exercise) = progress::next(catalogue, state) {
        let name = catalogue.short(exercise);
        let mut line = |verb: &str, typed: String, what: &str| {
            lines.push(format!("  {verb:<7} {} {what}", command(format_args!("{typed:<32}"))));
        };
        line("build", "cargo run next".to_string(), "the first exercise");
        line("grade", format!("cargo run grade {name}"), "or everything: cargo test");
        line("stuck?", format!("cargo run hint {name}"), "one hint more each time");
    }
    lines.push(String::new());
    lines.push(format!("{} shows where you are; {} lists the rest.", command("cargo run"), command("cargo run help")));
    lines.join("\n")
}

/// The program that the chapter's page tells the reader to run first.
fn first_program<'a>(catalogue: &Catalogue, chapter: &'a Chapter) -> Option<&'a str> {
    let page = read_text(&catalogue.root.join(&chapter.lesson)).unwrap_or_default();
    let mut runs = page.split("--bin ").skip(1);
    let named = runs.find_map(|rest| {
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        chapter.programs.iter().find(|p| p.name == name)
    });
    named.or(chapter.programs.first()).map(|p| p.name.as_str())
}

fn where_you_are(catalogue: &Catalogue, state: &State) -> String {
    let width = catalogue.chapters.iter().map(|c| c.title.chars().count()).max().unwrap_or(0);
    let chapters: Vec<String> = catalogue.chapters.iter().map(|c| chapter_line(c, state, width)).collect();
    let mut parts = vec![bold("netkata: network programming in Rust"), chapters.join("\n")];
    let graded: Vec<String> = catalogue.exercises().filter_map(|e| graded_line(catalogue, e, state)).collect();
    if !graded.is_empty() {
        parts.push(format!("{}\n{}", bold("last graded"), graded.join("\n")));
    }
    parts.push(match progress::next(catalogue, state) {
        Some(next) => next_part(catalogue, next, state),
        None => "Every exercise passes.".to_string(),
    });
    parts.join("\n\n")
}

fn chapter_line(chapter: &Chapter, state: &State, width: usize) -> String {
    let of = chapter.exercises.len();
    let done = chapter.exercises.iter().filter(|e| standing(e, state).passes()).count();
    format!("{:>3}  {:<width$}  {:<10}  {done} of {of}", chapter.number, chapter.title, squares(done, of))
}

/// `None` for an exercise that the grader has nothing to say about.
fn graded_line(catalogue: &Catalogue, exercise: &Exercise, state: &State) -> Option<String> {
    let stands = standing(exercise, state);
    let verdict = stands.verdict()?;
    let checks = match verdict.checks.len() {
        0 => String::new(),
        _ => format!(
            "{} of {}, ",
            verdict.passed(),
            netkata::human::count(verdict.checks.len().max(verdict.expected), "check")
        ),
    };
    Some(format!("  {:<20} {}  ({checks}{})", catalogue.short(exercise), painted(&stands), ago(verdict.when)))
}

fn next_part(catalogue: &Catalogue, next: &Exercise, state: &State) -> String {
    format!(
        "{} {} – {} ({})\n  {:<7} {}\n{}",
        bold("next"),
        catalogue.short(next),
        next.summary,
        painted(&standing(next, state)),
        "more",
        command("cargo run next"),
        commands(catalogue, next, &["edit", "grade", "hint"]),
    )
}
