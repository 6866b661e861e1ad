//! The folded hints in a chapter's page:
//!
//! ```text
//! ## Hints
//! ### `time_server`
//! <details><summary>A nudge</summary>
//! … Markdown …
//! </details>
//! ```

use super::markdown::{name_in, plain, section, sections};
use super::{Exercise, Result, read_text};

/// One fold, as plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What stands on the fold.
    pub title: String,
    /// What is inside.
    pub text: String,
}

/// The hints of an exercise, mildest first.
///
/// # Errors
/// When the page cannot be read, has no hints for the exercise, or has a fold that is not closed.
pub fn of(exercise: &Exercise) -> Result<Vec<Hint>> {
    let page = read_text(&exercise.root.join(&exercise.lesson))?;
    match parse(&page, &exercise.name) {
        Ok(hints) if hints.is_empty() => {
            Err(format!("{} has no hints for {}", exercise.lesson.display(), exercise.name))
        }
        other => other.map_err(|e| format!("{}: the hints of {}: {e}", exercise.lesson.display(), exercise.name)),
    }
}

/// The hints under `### NAME` in the page's `## Hints`; none when there is no such heading.
///
/// # Errors
/// When a fold is not closed, or has no summary.
pub fn parse(page: &str, name: &str) -> Result<Vec<Hint>> {
    let all = section(page, 2, "Hints").unwrap_or("");
    let Some(own) = sections(all, 3).into_iter().find(|s| name_in(s.heading) == name) else { return Ok(Vec::new()) };
    let mut hints = Vec::new();
    let mut rest = own.body;
    while let Some((_, tail)) = rest.split_once("<details>") {
        let (fold, after) = tail.split_once("</details>").ok_or("a <details> without its </details>")?;
        let (title, text) = fold
            .split_once("<summary>")
            .and_then(|(_, inside)| inside.split_once("</summary>"))
            .ok_or("a <details> without a <summary>")?;
        hints.push(Hint { title: plain(title), text: plain(text) });
        rest = after;
    }
    Ok(hints)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "## Hints\n### `ebb`\n<details><summary>A nudge</summary>\n\nThe **tide** turns.\n\n</details>\n\n<details>\n<summary>The call: `read`</summary>\n\n```rust\nread(&mut b)?;\n```\n</details>\n### `flow`\n<details><summary>Other</summary>x</details>\n## Check yourself\n<details><summary>No hint</summary></details>\n";

    #[test]
    fn folds_of_one_exercise_only() {
        let hints = parse(PAGE, "ebb").expect("parse");
        let read: Vec<_> = hints.iter().map(|h| (h.title.as_str(), h.text.as_str())).collect();
        assert_eq!(read, [("A nudge", "The tide turns."), ("The call: `read`", "    read(&mut b)?;")]);
        assert_eq!(parse(PAGE, "flow").expect("parse").len(), 1);
        assert_eq!(parse(PAGE, "neap"), Ok(Vec::new()));
    }

    #[test]
    fn an_open_fold_is_an_error() {
        let open = "## Hints\n### `ebb`\n<details><summary>A nudge</summary>\n";
        assert_eq!(parse(open, "ebb"), Err("a <details> without its </details>".to_string()));
        let bare = "## Hints\n### `ebb`\n<details>text</details>\n";
        assert!(parse(bare, "ebb").expect_err("no summary").contains("<summary>"));
    }
}
