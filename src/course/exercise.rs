//! One exercise: the learner's file, the answer, and the page that asks for it.

use super::{Result, read_text};
use std::fmt;
use std::path::{Path, PathBuf};

/// What the learner does in an exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Writes a program: `NAME.rs`.
    Build,
    /// Fills in octets of a recorded exchange: `NAME.hex`.
    Predict,
}

/// An exercise. The paths are relative to the checkout, as a person types them there.
#[derive(Clone, Debug)]
pub struct Exercise {
    /// The checkout.
    pub root: PathBuf,
    /// The number of its chapter.
    pub chapter: u32,
    /// The stem of its file's name.
    pub name: String,
    /// What is to be done.
    pub kind: Kind,
    /// The learner's file.
    pub file: PathBuf,
    /// The answer, `tests/solutions/chNN/NAME.rs` (or `.hex`).
    pub solution: PathBuf,
    /// The chapter's page.
    pub lesson: PathBuf,
    /// The first line of its `//!` (or `#`) text.
    pub summary: String,
}

impl Exercise {
    /// `None` for a file that is no exercise.
    pub(super) fn at(root: &Path, path: &Path, chapter: u32, lesson: &Path) -> Option<Self> {
        let kind = match path.extension()?.to_str()? {
            "rs" => Kind::Build,
            "hex" => Kind::Predict,
            _ => return None,
        };
        let solution = solutions_folder(chapter).join(path.file_name()?);
        // One exercise that cannot be read must not hide the others; whoever opens it is told.
        let text = read_text(path).or_else(|_| read_text(&root.join(&solution))).unwrap_or_default();
        Some(Self {
            root: root.to_path_buf(),
            chapter,
            name: stem(path)?,
            kind,
            file: relative(root, path),
            solution,
            lesson: lesson.to_path_buf(),
            summary: summary(&text, kind),
        })
    }

    /// `ch03::time_server`: what the grader's checks and the progress file call it.
    pub fn id(&self) -> String {
        format!("ch{:02}::{}", self.chapter, self.name)
    }

    /// The learner's text as it is now.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn text(&self) -> Result<String> {
        read_text(&self.root.join(&self.file))
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn solution_text(&self) -> Result<String> {
        read_text(&self.root.join(&self.solution))
    }

    /// The contract: the whole `//!` (or leading `#`) text, without the markers.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn contract(&self) -> Result<String> {
        Ok(header(&self.text()?, self.kind).join("\n"))
    }

    pub(super) fn is_called(&self, what: &str) -> bool {
        let file = Path::new(what);
        what == self.name || what == self.id() || self.file == file || self.file.file_name() == Some(file.as_os_str())
    }
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

/// `tests/solutions/ch03`.
pub(super) fn solutions_folder(chapter: u32) -> PathBuf {
    Path::new("tests/solutions").join(format!("ch{chapter:02}"))
}

pub(super) fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(|s| s.to_str()).map(str::to_string)
}

pub(super) fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_path_buf()
}

pub(super) fn summary(text: &str, kind: Kind) -> String {
    header(text, kind).into_iter().find(|line| !line.is_empty()).unwrap_or("").to_string()
}

/// The comment lines a file starts with, without their marker.
fn header(text: &str, kind: Kind) -> Vec<&str> {
    let marker = match kind {
        Kind::Build => "//!",
        Kind::Predict => "#",
    };
    let lines = text.lines().map_while(|line| line.strip_prefix(marker));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect()
}
