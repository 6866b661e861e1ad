//! What the person sees: plain text, with colours on a terminal only.

use crate::grade::Output;
use anstyle::{AnsiColor, Style};
use netkata::course::progress::Standing;
use netkata::course::state::{Outcome, now};
use netkata::course::{Catalogue, Exercise, Result};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

/// Prints a text. Whoever reads it through `head` may leave early; that is no failure.
pub(crate) fn show(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("write standard output: {}", netkata::error::cause_text(&e)))
        }
        _ => Ok(()),
    }
}

/// Prints a line where the grader's words go.
pub(crate) fn show_line(text: impl Display, output: Output) -> Result<()> {
    match output {
        Output::Through => show(text),
        Output::Aside => {
            netkata::exit::log(text);
            Ok(())
        }
    }
}

/// On a terminal, unless its owner set NO_COLOR (https://no-color.org).
static COLOURS: LazyLock<bool> = LazyLock::new(|| {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    io::stdout().is_terminal() && !unwanted
});

fn paint(style: Style, text: impl Display) -> String {
    if *COLOURS { format!("{style}{text}{style:#}") } else { text.to_string() }
}

/// A heading.
pub(crate) fn bold(text: impl Display) -> String {
    paint(Style::new().bold(), text)
}

/// What the person types.
pub(crate) fn command(text: impl Display) -> String {
    paint(AnsiColor::Cyan.on_default(), text)
}

/// Where an exercise stands, in its colour.
pub(crate) fn standing(standing: &Standing) -> String {
    let colour = match (standing, standing.verdict().map(|v| v.outcome)) {
        (Standing::Graded(_), Some(Outcome::Ok)) => AnsiColor::Green,
        (Standing::Graded(_), Some(Outcome::Failed | Outcome::DoesNotBuild)) => AnsiColor::Red,
        (Standing::Changed(_), _) => AnsiColor::Yellow,
        _ => return standing.to_string(),
    };
    paint(colour.on_default(), standing)
}

/// `▪▪▫▫▫`, with at most ten squares.
pub(crate) fn squares(done: usize, of: usize) -> String {
    let shown = of.min(10);
    let full = (done * shown).checked_div(of).unwrap_or(0);
    "▪".repeat(full) + &"▫".repeat(shown - full)
}

/// `2 minutes ago`.
pub(crate) fn ago(when: u64) -> String {
    let seconds = now().saturating_sub(when);
    let (number, unit) = match seconds {
        0..60 => return "just now".to_string(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{} ago", netkata::human::count(usize::try_from(number).unwrap_or(usize::MAX), unit))
}

/// The commands for an exercise, one a line, with what each is for.
pub(crate) fn commands(catalogue: &Catalogue, exercise: &Exercise, which: &[&str]) -> String {
    let name = catalogue.short(exercise);
    let lines = which.iter().map(|verb| match *verb {
        "edit" => format!("  {:<7} {}", verb, exercise.file.display()),
        "run" => format!("  {:<7} {}", verb, command(format_args!("cargo run -p lessons --bin {}", exercise.name))),
        _ => format!("  {:<7} {}", verb, command(format_args!("cargo run {verb} {name}"))),
    });
    lines.collect::<Vec<_>>().join("\n")
}
