//! Looking at source text: what is code, and what is only a comment or a string.

use std::path::{Path, PathBuf};

/// The Rust files below a folder of the checkout, as paths from its root, sorted.
pub(crate) fn below(root: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root.join(folder)];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a folder's entry").path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path.strip_prefix(root).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn read(root: &Path, path: &Path) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The word `unsafe`, used anywhere but in src/sys.
pub(crate) fn unsafe_outside_sys(path: &Path, text: &str) -> Vec<String> {
    if path.starts_with("src/sys") {
        return Vec::new();
    }
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe");
    let complain = |n| format!("{}:{n}: `unsafe` belongs in src/sys: wrap the system call there", path.display());
    numbered(&code(text)).filter(|(_, line)| word(line)).map(|(n, _)| complain(n)).collect()
}

/// `.unwrap()` and `.expect(…)` before the tests of a file.
pub(crate) fn panics(path: &Path, text: &str) -> Vec<String> {
    if path.file_name().is_some_and(|n| n == "tests.rs") {
        return Vec::new();
    }
    let complain = |n| format!("{}:{n}: may panic: return the error, with `.attempt(verb, peer)?`", path.display());
    numbered(&code(text))
        .take_while(|(_, line)| !line.contains("#[cfg(test)]"))
        .filter(|(_, line)| line.contains(".unwrap()") || line.contains(".expect("))
        .map(|(n, _)| complain(n))
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line))
}

/// The text without comments and without what is inside quotes; lines stay where they were.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut last = ' ';
    while let Some(c) = rest.chars().next() {
        let length = match skip(rest, last) {
            0 => {
                out.push(c);
                c.len_utf8()
            }
            skipped => {
                out.push(' ');
                out.extend(rest[..skipped].matches('\n'));
                skipped
            }
        };
        last = c;
        rest = &rest[length..];
    }
    out
}

/// How long the comment or literal is that `text` starts with; 0 when it starts with code. `last` is what came before: the
/// r of `for"` begins no raw string.
fn skip(text: &str, last: char) -> usize {
    let word_goes_on = last.is_alphanumeric() || last == '_';
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if let Some(raw) = text.strip_prefix('r').filter(|_| !word_goes_on || matches!(last, 'b' | 'c')) {
        let fence = raw.len() - raw.trim_start_matches('#').len();
        if raw[fence..].starts_with('"') {
            let end = format!("\"{}", &raw[..fence]);
            return raw[fence + 1..].find(&end).map_or(text.len(), |at| 1 + fence + 1 + at + end.len());
        }
    }
    match text.chars().next() {
        Some('"') => quoted(text, '"'),
        // 'a' and '\n' are literals, 'a is a lifetime.
        Some('\'') if text[1..].starts_with('\\') || text[1..].chars().nth(1) == Some('\'') => quoted(text, '\''),
        _ => 0,
    }
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        match (text[at..].find("/*"), text[at..].find("*/")) {
            (Some(open), Some(close)) if open < close => (at, depth) = (at + open + 2, depth + 1),
            (_, Some(close)) => (at, depth) = (at + close + 2, depth - 1),
            (_, None) => return text.len(),
        }
    }
    at
}

#[test]
fn code_without_comments_and_quotes() {
    for (text, expected) in [
        ("a // b\nc", "a  \nc"),
        ("a /* b /* c */ d */ e", "a   e"),
        ("a(\"b \\\" // c\", d)", "a( , d)"),
        ("r#\"a \" b\"# c", "  c"),
        ("br\"a\\\" + c", "b  + c"),
        ("f::<'a>('\"', '\\'', 'x')", "f::<'a>( ,  ,  )"),
        ("\"a\nb\" c", " \n c"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

/// The word in code is seen; the same word in a comment, in a string, in a longer word, or in src/sys is not.
#[test]
fn a_stray_unsafe_is_seen() {
    let complain = |path: &str, text: &str| unsafe_outside_sys(Path::new(path), text);
    let seen = complain("bin/ch03/tide.rs", "// unsafe\nfn ebb() {\n    unsafe { libc::close(3) };\n}");
    assert_eq!(seen, ["bin/ch03/tide.rs:3: `unsafe` belongs in src/sys: wrap the system call there"]);
    assert!(complain("src/sys/limits.rs", "unsafe { libc::close(3) }").is_empty());
    assert!(complain("src/tide.rs", "#![deny(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";").is_empty());
}

#[test]
fn a_stray_unwrap_is_seen() {
    let complain = |text: &str| panics(Path::new("src/tide.rs"), text).len();
    assert_eq!(complain("fn a() { b().unwrap(); }\nfn c() { d().expect(\"e\"); }"), 2);
    assert_eq!(complain("fn a() { b().unwrap_or_default(); } // not .unwrap()\nconst A: &str = \".expect(\";"), 0);
    assert_eq!(complain("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c().unwrap(); } }"), 0);
}
