//! `<!-- code: bin/ch03/echo_server.rs#accept -->`: a part of a source file.
//!
//! Without `#name` it is the whole file. With it, what stands between two comment lines `// [accept]` and
//! `// [/accept]` (`#` and `/* … */` work too, for other languages); failing that, in Rust, the item of this name (`fn`,
//! `struct`, `const` …) with the comments right above it, so that most programs need no marks at all. The indentation
//! they share is taken off. An excerpt has at most [`LIMIT`] lines.

use crate::SelfCheck;
use crate::marks::{self, Kind};
use crate::page::{Page, Site};
use libtest_mimic::Trial;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Lines that fit on a screen together with the words about them.
const LIMIT: usize = 20;

/// The text for a mark in a page of `folder`.
pub fn make(root: &Path, folder: &Path, head: &str) -> Result<String, String> {
    let (path, name) = match head.split_once('#') {
        Some((path, name)) => (path, Some(name)),
        None => (head, None),
    };
    let source = fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"))?;
    let lines: Vec<&str> = source.lines().collect();
    let part = match name {
        None => lines,
        Some(name) => region(&lines, name)
            .or_else(|| item(&lines, name))
            .ok_or_else(|| format!("{path} has neither lines [{name}] … [/{name}] nor an item of that name"))?,
    };
    let part: Vec<&str> = part.into_iter().filter(|l| region_mark(l).is_none()).collect();
    let text = dedent(&part);
    match text.lines().count() {
        0 => Err(format!("{head} is empty")),
        n if n > LIMIT => Err(format!("{head} has {n} lines; a reader's screen takes {LIMIT}: mark a shorter part")),
        _ => {
            let up = "../".repeat(folder.strip_prefix(root).map_or(0, |f| f.components().count()));
            Ok(format!("\nFrom [`{path}`]({up}{path}):\n\n```{}\n{text}```\n\n", language(path)))
        }
    }
}

fn language(path: &str) -> &str {
    match path.rsplit('.').next() {
        Some("rs") => "rust",
        Some("py") => "python",
        Some(other @ ("c" | "h" | "sh" | "toml" | "json" | "go")) => other,
        _ => "text",
    }
}

/// The name in a line that is nothing but a comment with `[name]` or `[/name]`.
fn region_mark(line: &str) -> Option<&str> {
    let line = line.trim();
    let comment = ["//", "# "]
        .into_iter()
        .find_map(|lead| line.strip_prefix(lead))
        .or_else(|| line.strip_prefix("/*")?.strip_suffix("*/"))?;
    let name = comment.trim().strip_prefix('[')?.strip_suffix(']')?;
    let plain = name.strip_prefix('/').unwrap_or(name);
    (!plain.is_empty() && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')).then_some(name)
}

fn region<'a>(lines: &[&'a str], name: &str) -> Option<Vec<&'a str>> {
    let start = lines.iter().position(|l| region_mark(l) == Some(name))?;
    let len = lines[start..].iter().position(|l| region_mark(l).and_then(|m| m.strip_prefix('/')) == Some(name))?;
    Some(lines[start + 1..start + len].to_vec())
}

/// A Rust item, as rustfmt leaves it: from the comments and attributes above it to its closing brace or semicolon.
fn item<'a>(lines: &[&'a str], name: &str) -> Option<Vec<&'a str>> {
    let at = lines.iter().position(|l| defines(l, name))?;
    let indent = indentation(lines[at]);
    let above =
        |l: &&&str| indentation(l) == indent && ["//", "#["].iter().any(|lead| l.trim_start().starts_with(lead));
    let start = at - lines[..at].iter().rev().take_while(above).count();
    let ends = |l: &&str| indentation(l) == indent && [';', '}'].iter().any(|c| l.ends_with(*c));
    let end = at + lines[at..].iter().position(ends)?;
    Some(lines[start..=end].to_vec())
}

fn defines(line: &str, name: &str) -> bool {
    const BEFORE: [&str; 5] = ["pub", "pub(crate)", "unsafe", "async", "extern"];
    const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];
    let mut words = line.split_whitespace().skip_while(|w| BEFORE.contains(w));
    words.next().is_some_and(|w| ITEMS.contains(&w))
        && words
            .next()
            .and_then(|w| w.strip_prefix(name))
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Takes off the indentation that all lines share, and empty lines at both ends.
fn dedent(lines: &[&str]) -> String {
    let shared = lines.iter().filter(|l| !l.trim().is_empty()).map(|l| indentation(l)).min().unwrap_or(0);
    let text: Vec<&str> = lines.iter().map(|l| l.get(shared..).unwrap_or("").trim_end()).collect();
    match text.join("\n").trim_matches('\n') {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}

/// A mark in a source file that no lesson shows is a leftover; one without its partner is a mistake.
pub fn regions_trial(site: &Arc<Site>, pages: &[Arc<Page>]) -> Trial {
    let (site, mut shown) = (site.clone(), BTreeSet::new());
    for page in pages {
        shown.extend(page.marks.iter().filter(|m| m.kind == Kind::Code).map(|m| m.head.clone()));
    }
    Trial::test("lessons::regions_are_shown", move || {
        let mut problems = Vec::new();
        visit(&site.root.join("bin"), &mut |path, source| {
            let path = path.strip_prefix(&site.root).unwrap_or(path).display().to_string();
            problems.extend(leftovers(&path, source, &shown));
        })?;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
    })
}

fn leftovers(path: &str, source: &str, shown: &BTreeSet<String>) -> Vec<String> {
    let lines: Vec<&str> = source.lines().collect();
    let names: BTreeSet<&str> =
        lines.iter().filter_map(|l| region_mark(l)).map(|n| n.trim_start_matches('/')).collect();
    let wrong = |name: &str| match region(&lines, name) {
        None => Some(format!("{path}: [{name}] has no partner")),
        Some(_) if !shown.contains(&format!("{path}#{name}")) => Some(format!("{path}: no lesson shows [{name}]")),
        Some(_) => None,
    };
    names.into_iter().filter_map(wrong).collect()
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path, &str)) -> Result<(), String> {
    let read = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            visit(&path, each)?;
        } else if let Ok(source) = fs::read_to_string(&path) {
            each(&path, &source);
        }
    }
    Ok(())
}

const SOURCE: &str = "//! Tides.\n\n/// The next tide.\n#[inline]\npub fn next(\n    now: u8,\n) -> u8 {\n    // [sum]\n    \
                      // [inner]\n    now + 6\n    // [/inner]\n    // [/sum]\n}\n\nconst HIGH: u8 = 6;\nfn nextish() {}\n";

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("regions_lose_marks_and_indentation", || {
        let lines: Vec<&str> = SOURCE.lines().collect();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tides.rs"), SOURCE).unwrap();
        let made = make(folder.path(), &folder.path().join("lessons/01-tides"), "tides.rs#sum").unwrap();
        assert_eq!(made, "\nFrom [`tides.rs`](../../tides.rs):\n\n```rust\nnow + 6\n```\n\n");
        assert_eq!(region(&lines, "gone"), None);
    }),
    ("items_come_with_their_comments", || {
        let lines: Vec<&str> = SOURCE.lines().collect();
        let next = item(&lines, "next").unwrap();
        assert_eq!((next[0], next[1], next.len()), ("/// The next tide.", "#[inline]", 11));
        assert_eq!(item(&lines, "HIGH"), Some(vec!["const HIGH: u8 = 6;"]));
        assert_eq!(item(&lines, "nextish"), Some(vec!["fn nextish() {}"]));
        assert_eq!(item(&lines, "nex"), None);
    }),
    ("marks_of_other_languages", || {
        for line in ["// [a]", "//[a]", "    # [a]", "/* [a] */"] {
            assert_eq!(region_mark(line), Some("a"), "{line}");
        }
        for line in ["#[test]", "// see [a] there", "[a]", "// [a b]"] {
            assert_eq!(region_mark(line), None, "{line}");
        }
    }),
    ("too_long_or_missing_is_an_error", || {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("long.c"), "int ship;\n".repeat(LIMIT + 1)).unwrap();
        let e = make(folder.path(), folder.path(), "long.c").unwrap_err();
        assert!(e.contains("has 21 lines"), "{e}");
        let e = make(folder.path(), folder.path(), "long.c#gone").unwrap_err();
        assert!(e.contains("nor an item"), "{e}");
        assert!(make(folder.path(), folder.path(), "none.c").is_err());
    }),
    ("leftover_marks_are_found", || {
        let shown = BTreeSet::from(["bin/tides.rs#sum".to_string()]);
        assert_eq!(leftovers("bin/tides.rs", SOURCE, &shown), ["bin/tides.rs: no lesson shows [inner]"]);
        assert_eq!(leftovers("a", "// [lost]\n", &shown), ["a: [lost] has no partner"]);
        assert!(marks::parse("").unwrap().is_empty());
    }),
];
