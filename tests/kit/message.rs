//! The failure message: a story in at most sixteen lines.
//!
//! ```text
//! ch03 echo_server: every octet comes back as it was sent
//!   0.001 s  → 256 octets  9d 41 c3 …
//!   0.002 s  ← 381 octets  ef bf bd …
//!   expected  9d 41 c3 00 17   octet 0 of 256
//!   got       ef bf bd 41 ef   the connection is still open
//!             ^^
//!   why       RFC 862: the data received is sent back
//!   replay    SEED=4f2a cargo test ch03::echo_server::every_octet_comes_back
//!   lesson    lessons/03-reliable-tcp/README.md
//!   capture   target/captures/ch03-echo_server-every_octet_comes_back.pcapng
//! ```

use crate::check::{Check, Kind, Program};
use crate::failure::{Expected, Failure};
use crate::program::Stage;
use anstyle::{AnsiColor, Style as Ansi};
use netkata::hexdump;
use netkata::tap::{Journal, dialogue};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// No message is longer.
pub const LINES: usize = 16;
/// Octets of one event in the dialogue.
const HEX: usize = 10;
/// Octets shown around the first wrong one.
const WINDOW: usize = 12;

/// How a message looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
    /// No times, so that the text is the same in each run (for messages on file).
    pub stable: bool,
}

impl Style {
    /// Colours when a person looks: standard output is a terminal and NO_COLOR is not set.
    pub fn for_terminal() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { colour: !plain && std::io::stdout().is_terminal(), stable: false }
    }

    fn paint(self, ansi: Ansi, text: &str) -> String {
        if self.colour { format!("{ansi}{text}{ansi:#}") } else { text.into() }
    }
}

/// All that a message is made of.
pub struct Story<'a> {
    /// Whose check.
    pub program: &'a Program,
    /// Which rule.
    pub check: &'a Check,
    /// How it was run.
    pub stage: &'a Stage,
    /// What went wrong.
    pub failure: &'a Failure,
    /// What happened.
    pub journal: &'a Journal,
    /// Where the capture is.
    pub capture: Option<PathBuf>,
}

/// The message.
pub fn render(story: &Story<'_>) -> String {
    let style = story.stage.style;
    let head = format!("ch{:02} {}: {}", story.program.chapter, story.program.name, story.check.rule);
    let after = conclusion(story);
    let mut lines = vec![style.paint(Ansi::new().bold(), &head)];
    lines.extend(dialogue_lines(story, LINES.saturating_sub(1 + after.len())));
    lines.extend(after);
    lines.join("\n")
}

fn dialogue_lines(story: &Story<'_>, room: usize) -> Vec<String> {
    let options = dialogue::Options { times: !story.stage.style.stable, octets: HEX, letters: false, max_lines: room };
    dialogue::lines(story.journal, &options).into_iter().map(|line| format!("  {line}")).collect()
}

fn conclusion(story: &Story<'_>) -> Vec<String> {
    let style = story.stage.style;
    let red = Ansi::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let dim = Ansi::new().dimmed();
    let mut lines = Vec::new();
    match (&story.failure.todo, &story.failure.expected) {
        // Whatever went wrong: it comes of a step that is still to be written.
        (Some((number, sentence)), _) => {
            lines.push(row("reached", &style.paint(red, &format!("step {number}, which is still to be written:"))));
            lines.push(row("to do", &style.paint(Ansi::new().bold(), sentence)));
        }
        (None, Expected::Words(words)) => {
            lines.push(row("expected", words));
            lines.push(row("got", &style.paint(red, &story.failure.got)));
        }
        (None, Expected::Octets { expected, got, at }) => {
            lines.extend(difference(expected, got, *at, &story.failure.got, style));
        }
    }
    if let (Some(why), None) = (&story.failure.why, &story.failure.todo) {
        lines.push(row("why", why));
    }
    lines.push(style.paint(dim, &row("replay", &replay(story))));
    let name = story.program.name;
    lines.push(style.paint(
        dim,
        &match story.program.kind {
            Kind::Exercise => row("hint", &format!("cargo run hint {name}")),
            Kind::Finished => row("lesson", &format!("chapter {}, {}", story.program.chapter, source(story.program))),
        },
    ));
    if let Some(capture) = &story.capture {
        lines.push(style.paint(dim, &row("capture", &capture.display().to_string())));
    }
    lines
}

/// Where a finished program begins: in a file of its own, or in a folder of its own.
fn source(program: &Program) -> String {
    let path = format!("bin/ch{:02}/{}", program.chapter, program.name);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(&path);
    if folder.is_dir() { format!("{path}/main.rs") } else { format!("{path}.rs") }
}

fn replay(story: &Story<'_>) -> String {
    let subject = story.stage.subject.as_ref().map(|s| format!("SUBJECT='{s}' ")).unwrap_or_default();
    format!("{subject}SEED={:x} cargo test {}::{}", story.stage.seed, story.program.id(), story.check.name)
}

fn row(label: &str, text: &str) -> String {
    format!("  {label:<9} {text}")
}

/// Expected and got around the first wrong octet, with a caret below it.
fn difference(expected: &[u8], got: &[u8], at: usize, state: &str, style: Style) -> Vec<String> {
    let start = at.saturating_sub(3);
    let (wanted, column) = window(expected, start, at);
    let (came, _) = window(got, start, at);
    let width = wanted.len().max(came.len());
    let red = Ansi::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let place = format!("octet {at} of {}", expected.len());
    let readable = |octets: &[u8]| {
        let part = &octets[start.min(octets.len())..(start + WINDOW).min(octets.len())];
        let shown = hexdump::is_text(part) && !part.is_empty();
        if shown { format!("\"{}\"  ", hexdump::text(part, WINDOW)) } else { String::new() }
    };
    let mut lines = vec![
        row("expected", &format!("{wanted:<width$}  {}{place}", readable(expected))),
        row("got", &format!("{came:<width$}  {}{state}", readable(got))),
    ];
    lines.push(row("", &format!("{}{}", " ".repeat(column), style.paint(red, "^^"))));
    lines
}

/// Octets from `start` in hexadecimal, and the column at which octet `at` stands.
fn window(octets: &[u8], start: usize, at: usize) -> (String, usize) {
    let lead = if start > 0 { "… " } else { "" };
    let part = &octets[start.min(octets.len())..(start + WINDOW).min(octets.len())];
    let mut text = format!("{lead}{}", hexdump::hex(part, WINDOW));
    if start + WINDOW < octets.len() {
        text.push_str(" …");
    }
    if part.is_empty() && lead.is_empty() {
        text.push_str("(nothing)");
    }
    (text, lead.chars().count() + 3 * (at - start))
}
