//! The little of Markdown that the lessons' pages need read back: sections, names in headings, plain text.

/// A heading and what stands below it, down to the next heading of its level or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// The heading's text, without the `#`.
    pub heading: &'a str,
    /// What follows, sub-headings included.
    pub body: &'a str,
}

/// The sections of `text` whose headings are of `level`, in order. A `#` inside a code fence is no heading.
pub fn sections(text: &str, level: usize) -> Vec<Section<'_>> {
    let mut found: Vec<Section> = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    let mut fenced = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        fenced ^= is_fence(line);
        let Some((depth, heading)) = heading(line).filter(|(depth, _)| !fenced && *depth <= level) else { continue };
        if let Some((heading, from)) = open.take() {
            found.push(Section { heading, body: &text[from..start] });
        }
        open = (depth == level).then_some((heading, end));
    }
    if let Some((heading, from)) = open {
        found.push(Section { heading, body: &text[from..] });
    }
    found
}

/// The body of the section with this heading, compared without regard to case.
pub fn section<'a>(text: &'a str, level: usize, heading: &str) -> Option<&'a str> {
    sections(text, level).into_iter().find(|s| s.heading.eq_ignore_ascii_case(heading)).map(|s| s.body)
}

/// The name in a heading: what stands between its first backticks, or its first word.
pub fn name_in(heading: &str) -> &str {
    heading.split('`').nth(1).or_else(|| heading.split_whitespace().next()).unwrap_or("")
}

/// Whether a line opens or closes a code block.
pub fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.bytes().take_while(|b| *b == b'#').count();
    let text = line[depth..].strip_prefix(' ')?;
    (1..=6).contains(&depth).then(|| (depth, text.trim()))
}

/// The text as a terminal shows it: code blocks indented, emphasis and fences gone, links as `text (address)`,
/// backticks kept.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in text.trim_matches('\n').lines() {
        if is_fence(line) {
            fenced = !fenced;
            continue;
        }
        let line = match (fenced, heading(line)) {
            (true, _) => format!("    {line}"),
            (false, Some((_, heading))) => inline(heading),
            (false, None) => inline(line),
        };
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.trim_end().to_string()
}

/// One line: what stands in backticks is left alone, but for a link around it.
fn inline(line: &str) -> String {
    let line = links(line);
    let parts = line.split('`').enumerate().map(|(i, part)| {
        if i % 2 == 1 { part.to_string() } else { entities(&part.replace("**", "").replace("__", "")) }
    });
    parts.collect::<Vec<_>>().join("`")
}

fn entities(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, label, address, after)) = next_link(rest) {
        out.push_str(&format!("{before}{label} ({address})"));
        rest = after;
    }
    out + rest
}

fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (head, tail) = text.split_once("](")?;
    let (before, label) = head.rsplit_once('[')?;
    let (address, after) = tail.split_once(')')?;
    Some((before, label, address, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Tides\nintro\n## Your turn\n### `tide_server`\nfirst\n```sh\n# not a heading\n```\n### `ebb`\nlast\n## Hints\nsee\n";

    #[test]
    fn a_section_ends_at_the_next_heading_of_its_rank() {
        let turn = section(PAGE, 2, "your turn").expect("section");
        let names: Vec<&str> = sections(turn, 3).iter().map(|s| name_in(s.heading)).collect();
        assert_eq!(names, ["tide_server", "ebb"]);
        assert!(sections(turn, 3)[0].body.contains("# not a heading"));
        assert_eq!(section(PAGE, 2, "Hints"), Some("see\n"));
        assert_eq!(section(PAGE, 2, "Nowhere"), None);
    }

    #[test]
    fn plain_text_keeps_code_as_it_is() {
        let text = "\nThe **tide** calls [`read`](https://x.example/r), never `a**b`.\n\n```rust\nlet n = 4;\n```\n";
        assert_eq!(plain(text), "The tide calls `read` (https://x.example/r), never `a**b`.\n\n    let n = 4;");
        assert_eq!(
            plain("a &lt; b, see [the RFC](https://x.example) [now]"),
            "a < b, see the RFC (https://x.example) [now]"
        );
        assert_eq!(plain("\n\n"), "");
    }
}
