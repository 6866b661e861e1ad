//! The form of a lesson: eleven parts in order, each exercise with its contract and three folded hints, nothing in a
//! fence that a program could have written and did not.

use crate::SelfCheck;
use crate::marks::{Fence, Kind};
use crate::page::Page;
use std::collections::BTreeSet;
use std::fs;

const PARTS: [&str; 11] = [
    "You will be able to",
    "Predict",
    "The idea",
    "The bytes",
    "The code",
    "Run it",
    "Break it",
    "Your turn",
    "Hints",
    "Check yourself",
    "In the wild",
];

/// How many folds each exercise has under "Hints": a nudge, the call to look at, an outline.
const HINTS: usize = 3;
/// Excerpts under "The code".
const EXCERPTS: std::ops::RangeInclusive<usize> = 2..=4;

/// A heading and the text under it, up to the next heading of its level or above.
struct Section<'a> {
    title: &'a str,
    line: usize,
    text: String,
}

fn sections<'a>(text: &'a str, level: usize) -> Vec<Section<'a>> {
    let mut found: Vec<Section> = Vec::new();
    let mut open = false;
    let mut fence = Fence::default();
    for (number, line) in text.lines().enumerate() {
        let depth = if fence.holds(line) { 0 } else { line.bytes().take_while(|b| *b == b'#').count() };
        if depth == level && line[depth..].starts_with(' ') {
            found.push(Section { title: line[depth..].trim(), line: number + 1, text: String::new() });
            open = true;
        } else if (1..level).contains(&depth) {
            open = false;
        } else if let (true, Some(section)) = (open, found.last_mut()) {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    found
}

/// The eleven parts, and what each must have.
pub fn parts(page: &Page) -> Vec<String> {
    let mut problems = form(&page.text);
    let parts = sections(&page.text, 2);
    let lines = |title: &str| {
        let at = parts.iter().position(|p| p.title == title);
        at.map(|at| parts[at].line..parts.get(at + 1).map_or(usize::MAX, |next| next.line))
    };
    if let Some(range) = lines("The code") {
        let excerpts = page.marks.iter().filter(|m| m.kind == Kind::Code && range.contains(&m.line)).count();
        if !EXCERPTS.contains(&excerpts) {
            problems.push(format!("\"The code\" has {excerpts} excerpts; it takes two to four"));
        }
    }
    for (title, kind) in [("The idea", Kind::Picture), ("The bytes", Kind::Bytes), ("Run it", Kind::Session)] {
        if let Some(range) = lines(title)
            && !page.marks.iter().any(|m| m.kind == kind && range.contains(&m.line))
        {
            problems.push(format!("{title:?} has no {} mark", kind.word()));
        }
    }
    problems
}

fn form(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let parts = sections(text, 2);
    let titles: Vec<&str> = parts.iter().map(|p| p.title).collect();
    if titles != PARTS {
        problems.push(format!("the parts are {titles:?},\nand should be {PARTS:?}"));
    }
    if sections(text, 1).len() != 1 {
        problems.push("a lesson has one title (# …)".to_string());
    }
    let part = |title: &str| parts.iter().find(|p| p.title == title).map_or("", |p| p.text.as_str());
    if !says_minutes(part(PARTS[0])) {
        problems.push(format!("{:?} does not say how many minutes it takes", PARTS[0]));
    }
    for title in ["Predict", "Check yourself"] {
        if !part(title).contains("<details>") {
            problems.push(format!("{title:?} has no folded answer (<details>)"));
        }
    }
    problems.extend(folds(text));
    problems
}

fn says_minutes(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|w| w[0].ends_with(|c: char| c.is_ascii_digit()) && w[1].starts_with("minutes"))
}

/// Every fold opens with its summary and an empty line (or Markdown inside would be shown as it is), and is closed.
fn folds(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut problems = Vec::new();
    let mut open = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let (number, next) = (i + 1, |n: usize| lines.get(i + n).copied().unwrap_or_default());
        match *line {
            "<details>" => {
                open.push(number);
                if !(next(1).starts_with("<summary>") && next(1).ends_with("</summary>") && next(2).is_empty()) {
                    problems
                        .push(format!("line {number}: <details> needs <summary>…</summary> below and an empty line"));
                }
            }
            "</details>" => {
                if open.pop().is_none() {
                    problems.push(format!("line {number}: </details> closes nothing"));
                }
                if i > 0 && !lines[i - 1].is_empty() {
                    problems.push(format!("line {number}: </details> needs an empty line above"));
                }
            }
            _ => {}
        }
    }
    problems.extend(open.iter().map(|number| format!("line {number}: <details> is never closed")));
    problems
}

/// Every exercise in the folder has its place under "Your turn" and its hints.
pub fn exercises(page: &Page) -> Vec<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(page.folder()).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_file() && path != page.path {
            names.extend(path.file_stem().and_then(|s| s.to_str()).map(str::to_string));
        }
    }
    if names.is_empty() {
        return vec!["the folder has no exercise".to_string()];
    }
    hints(&page.text, &names)
}

fn hints(text: &str, names: &BTreeSet<String>) -> Vec<String> {
    let parts = sections(text, 2);
    let mut problems = Vec::new();
    for title in ["Your turn", "Hints"] {
        let part = parts.iter().find(|p| p.title == title).map_or("", |p| p.text.as_str());
        let own = sections(part, 3);
        for name in names {
            match own.iter().find(|s| is_about(s.title, name)) {
                None => problems.push(format!("{title:?} has no heading ### `{name}`")),
                Some(s) if title == "Hints" && s.text.matches("<details>").count() != HINTS => {
                    problems.push(format!("the hints for {name} are not {HINTS} folds"));
                }
                Some(_) => {}
            }
        }
        for section in own.iter().filter(|s| !names.iter().any(|n| is_about(s.title, n))) {
            problems.push(format!("{title:?}: no file of the folder belongs to the heading {:?}", section.title));
        }
    }
    problems
}

/// A heading names its exercise by the first word: "`time_server`: four octets".
fn is_about(title: &str, name: &str) -> bool {
    title.split([' ', ':']).next().is_some_and(|word| word.trim_matches('`') == name)
}

/// Code and output that no mark keeps true.
pub fn fences(page: &Page) -> Vec<String> {
    loose(&page.text, |at| page.marks.iter().any(|m| m.body.contains(&at)))
}

fn loose(text: &str, generated: impl Fn(usize) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut fence, mut inside, mut at) = (Fence::default(), false, 0);
    for (number, line) in text.split('\n').enumerate() {
        let holds = fence.holds(line);
        let tag = line.trim_start().trim_start_matches(['`', '~']).split([',', ' ']).next().unwrap_or_default();
        if holds && !inside && !generated(at) && ["rust", "console", "rs", ""].contains(&tag) {
            let tag = if tag.is_empty() { "no tag" } else { tag };
            problems
                .push(format!("line {}: a fence with {tag} that no mark keeps true: use a mark, or text", number + 1));
        }
        inside = holds && !fence.is_over();
        at += line.len() + 1;
    }
    problems
}

const LESSON: &str = "# Tides\n## Your turn\n### `time_server`: four octets\nx\n## Hints\n### `time_server`\n<details>\n\
                      <summary>1</summary>\n\na\n\n</details>\n";

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("missing_parts_are_named", || {
        let mut text = "# Tides\n".to_string();
        for part in PARTS {
            text.push_str(&format!(
                "## {part}\nIt takes 40 minutes.\n<details>\n<summary>s</summary>\n\na\n\n</details>\n"
            ));
        }
        assert_eq!(form(&text), [""; 0]);
        let e = form(&text.replace("## Predict\n", "").replace("40 minutes", "a while")).join("\n");
        assert!(
            e.contains("should be") && e.contains("\"Predict\" has no folded") && e.contains("how many minutes"),
            "{e}"
        );
    }),
    ("folds_are_closed_and_spaced", || {
        for (text, part) in [
            ("<details>\n<summary>s</summary>\n\na\n", "never closed"),
            ("a\n\n</details>\n", "closes nothing"),
            ("<details>\n<summary>s</summary>\na\n\n</details>\n", "empty line"),
            ("<details>\n<summary>s</summary>\n\na\n</details>\n", "empty line above"),
        ] {
            assert!(folds(text).join("\n").contains(part), "{text:?}: {:?}", folds(text));
        }
    }),
    ("each_exercise_has_three_hints", || {
        let names = BTreeSet::from(["time_server".to_string(), "idle_echo".to_string()]);
        let e = hints(LESSON, &names).join("\n");
        assert!(e.contains("hints for time_server are not 3") && e.contains("no heading ### `idle_echo`"), "{e}");
        let e = hints(LESSON, &BTreeSet::new()).join("\n");
        assert!(e.contains("no file of the folder"), "{e}");
    }),
    ("loose_fences_are_found", || {
        let text = "```rust\nx\n```\n\n```text\ny\n```\n```\nz\n```\n";
        assert_eq!(loose(text, |_| false).len(), 2);
        assert_eq!(loose(text, |_| true).len(), 0);
    }),
];
