//! Finds the marks of a page.
//!
//! A block: a comment that starts a line with one of the words of [`Kind`], perhaps goes on for several lines, and ends
//! at the end of a line; then what was generated; then a line `<!-- end -->`. A number inside a sentence:
//! `<!-- const: … -->5 minutes<!-- /const -->`. Marks inside a fence are text about marks and left alone.

use crate::SelfCheck;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Code,
    Session,
    Picture,
    Bytes,
    Const,
}

impl Kind {
    const BLOCKS: [Kind; 4] = [Kind::Code, Kind::Session, Kind::Picture, Kind::Bytes];

    pub fn word(self) -> &'static str {
        match self {
            Kind::Code => "code",
            Kind::Session => "session",
            Kind::Picture => "picture",
            Kind::Bytes => "bytes",
            Kind::Const => "const",
        }
    }
}

/// A mark and where its generated text stands.
#[derive(Clone, Debug)]
pub struct Mark {
    pub kind: Kind,
    /// What follows `kind:` on the first line.
    pub head: String,
    /// The other lines of the comment.
    pub script: Vec<String>,
    /// The line of the page on which the mark starts, from 1.
    pub line: usize,
    /// The generated text: octets of the page.
    pub body: Range<usize>,
}

const END: &str = "<!-- end -->";
const CONST: &str = "<!-- const:";
const CONST_END: &str = "<!-- /const -->";

/// A line of the page: its number from 1, where it starts, its text without the line end.
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

impl Line<'_> {
    fn next_start(&self) -> usize {
        self.start + self.text.len() + 1
    }
}

/// The marks of a page, in order.
///
/// # Errors
/// Names the line of a mark without an end, or of an end without a mark.
pub fn parse(page: &str) -> Result<Vec<Mark>, String> {
    let mut marks = Vec::new();
    let mut fence = Fence::default();
    let mut rest = lines(page).into_iter();
    while let Some(line) = rest.next() {
        if fence.holds(line.text) {
            continue;
        }
        if let Some((kind, first)) = opening(line.text) {
            marks.push(block(kind, first, line.number, &mut rest)?);
        } else if line.text.trim() == END {
            return Err(format!("line {}: {END} ends no mark (is the word of the mark misspelt?)", line.number));
        } else {
            numbers(&line, &mut marks)?;
        }
    }
    Ok(marks)
}

fn lines(page: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut found = Vec::new();
    for (i, text) in page.split('\n').enumerate() {
        found.push(Line { number: i + 1, start, text });
        start += text.len() + 1;
    }
    found
}

fn opening(text: &str) -> Option<(Kind, &str)> {
    let inside = text.strip_prefix("<!-- ")?;
    Kind::BLOCKS.into_iter().find_map(|kind| Some((kind, inside.strip_prefix(kind.word())?.strip_prefix(':')?)))
}

/// Reads the rest of the comment, and on to the end of the block.
fn block<'a>(kind: Kind, first: &str, line: usize, rest: &mut impl Iterator<Item = Line<'a>>) -> Result<Mark, String> {
    let mut script = Vec::new();
    let mut body_start = None;
    let head = match first.trim_end().strip_suffix("-->") {
        Some(head) => head,
        None => {
            for next in rest.by_ref() {
                if let Some(last) = next.text.trim_end().strip_suffix("-->") {
                    script.push(last.to_string());
                    body_start = Some(next.next_start());
                    break;
                }
                script.push(next.text.to_string());
            }
            if body_start.is_none() {
                return Err(format!("line {line}: the comment is never closed: --> must end a line"));
            }
            first
        }
    };
    for next in rest {
        if next.text.trim_end() == END {
            let body = body_start.unwrap_or(next.start)..next.start;
            return Ok(Mark { kind, head: head.trim().to_string(), script, line, body });
        }
        if opening(next.text).is_some() {
            return Err(format!("line {line}: a new mark starts on line {} before {END}", next.number));
        }
        body_start = body_start.or(Some(next.start));
    }
    Err(format!("line {line}: no {END} after this mark"))
}

/// The numbers in one line.
fn numbers(line: &Line<'_>, marks: &mut Vec<Mark>) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("line {}: {why}", line.number));
    let mut at = 0;
    while let Some(found) = line.text[at..].find(CONST) {
        let open = at + found;
        if line.text[..open].trim_matches([' ', '-', '*', '>', '+', '.']).is_empty() {
            return wrong("a const mark cannot start a line: Markdown would take the whole line for HTML");
        }
        let Some(head_len) = line.text[open..].find("-->") else { return wrong("the const mark is never closed") };
        let body = open + head_len + 3;
        let Some(len) = line.text[body..].find(CONST_END) else {
            return wrong(&format!("no {CONST_END} on the line of its const mark"));
        };
        marks.push(Mark {
            kind: Kind::Const,
            head: line.text[open + CONST.len()..body - 3].trim().to_string(),
            script: Vec::new(),
            line: line.number,
            body: line.start + body..line.start + body + len,
        });
        at = body + len + CONST_END.len();
    }
    Ok(())
}

/// Follows the fences of a page, line by line.
#[derive(Default)]
pub struct Fence(Option<String>);

impl Fence {
    /// Whether the line belongs to a fence, its first and last line included.
    pub fn holds(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        let ticks: String = line.chars().take_while(|&c| c == '`' || c == '~').collect();
        match &self.0 {
            Some(open) => {
                if ticks.starts_with(open.as_str()) && line.trim_end() == ticks {
                    self.0 = None;
                }
                true
            }
            None if ticks.len() >= 3 => {
                self.0 = Some(ticks);
                true
            }
            None => false,
        }
    }

    /// Whether the line that was looked at last was the end of a fence, or outside.
    pub fn is_over(&self) -> bool {
        self.0.is_none()
    }
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("finds_blocks_and_numbers", || {
        let page = "# Tides\n<!-- code: a.rs#b -->\nold\n<!-- end -->\n\
                    in <!-- const: a.rs X -->5<!-- /const --> minutes\n\
                    <!-- session: echo\nserver$ true\n-->\n<!-- end -->\n\
                    ```text\n<!-- code: not a mark -->\n```\n";
        let marks = parse(page).unwrap();
        let seen: Vec<_> = marks.iter().map(|m| (m.kind, m.head.as_str(), &page[m.body.clone()], m.line)).collect();
        assert_eq!(
            seen,
            [(Kind::Code, "a.rs#b", "old\n", 2), (Kind::Const, "a.rs X", "5", 5), (Kind::Session, "echo", "", 6)]
        );
        assert_eq!(marks[2].script, ["server$ true", ""]);
    }),
    ("names_what_is_not_closed", || {
        for (page, part) in [
            ("<!-- code: a -->\n", "line 1: no <!-- end -->"),
            ("\n<!-- code: a\n", "line 2: the comment is never closed"),
            ("text\n<!-- end -->\n", "line 2: <!-- end --> ends no mark"),
            ("<!-- code: a -->\n<!-- bytes: b -->\n<!-- end -->\n", "a new mark starts on line 2"),
            ("- <!-- const: a B -->5<!-- /const -->", "cannot start a line"),
            ("a <!-- const: a B -->5", "no <!-- /const -->"),
        ] {
            let e = parse(page).unwrap_err();
            assert!(e.contains(part), "{page:?}: {e}");
        }
    }),
];
