//! What the `netkata` program and the grader know about the course. Everything is read from the checkout's files at run
//! time, so a new chapter or exercise is a new file and nothing else.
//!
//! | file | what it says | module |
//! |---|---|---|
//! | `lessons/NN-topic/` | a chapter, and its exercises | [`catalogue`] |
//! | `bin/chNN/*.rs` | the chapter's finished programs | [`catalogue`] |
//! | `lessons/NN-topic/README.md` | the title, the order of the exercises, their hints | [`markdown`], [`hints`] |
//! | `tests/solutions/chNN/*` | the answers; each stub is derived from one | [`stub`], [`predict`] |
//! | `.netkata.json` | the hints taken, the last verdicts | [`state`], [`progress`] |

use std::path::Path;

pub mod catalogue;
mod checkout;
mod exercise;
pub mod hints;
pub mod markdown;
pub mod nearest;
pub mod predict;
pub mod printable;
pub mod progress;
pub mod state;
pub mod stub;
mod todo;
mod verdict;

pub use catalogue::{Catalogue, Chapter, Program};
pub use checkout::{find_from, root};
pub use exercise::{Exercise, Kind};

/// The error is a sentence for the person at the terminal; no caller has to tell one from another.
pub type Result<T> = std::result::Result<T, String>;

/// Files of the course are pages and programs. A larger one is something else that got the name.
const LARGEST: u64 = 4 << 20;

/// The text of a file of the course, with line ends as `\n` whatever git made of them.
///
/// # Errors
/// `read lessons/03-x/README.md: no such file or directory`; also for a file that is not UTF-8 or over 4 MiB.
pub fn read_text(path: &Path) -> Result<String> {
    let fail = |why: &str| format!("read {}: {why}", path.display());
    let size = std::fs::metadata(path).map_err(|e| fail(&crate::error::cause_text(&e)))?.len();
    if size > LARGEST {
        return Err(fail("larger than 4 MiB"));
    }
    let octets = std::fs::read(path).map_err(|e| fail(&crate::error::cause_text(&e)))?;
    let text = String::from_utf8(octets).map_err(|_| fail("not UTF-8 text"))?;
    Ok(if text.contains('\r') { text.replace("\r\n", "\n") } else { text })
}
