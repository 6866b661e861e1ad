//! The progress file: `.netkata.json` in the checkout, which git ignores.
//!
//! The grader and the program may write at the same time. Whoever writes holds a lock on the checkout's `Cargo.toml`
//! (flock(2); the file itself stays as it is), reads, changes, and puts the new file in the old one's place by
//! rename(2), so that a reader sees one or the other.

pub use super::verdict::{Check, Outcome, Verdict, now, source_hash};
use super::{Result, read_text};
use crate::error::cause_text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The file's name, in the checkout.
pub const FILE: &str = ".netkata.json";

/// The form of the file that this program reads and writes.
const VERSION: u32 = 1;

/// A change takes a millisecond. Whoever holds the lock for this long was stopped in the middle (Ctrl-Z, a debugger).
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that is remembered from one run to the next. The keys are ids: `ch03::time_server`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of the form of the file.
    pub version: u32,
    /// Whether the newcomer's page was shown.
    #[serde(default)]
    pub greeted: bool,
    /// How many hints were taken.
    #[serde(default)]
    pub hints: BTreeMap<String, usize>,
    /// What the grader found last.
    #[serde(default)]
    pub verdicts: BTreeMap<String, Verdict>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, greeted: false, hints: BTreeMap::new(), verdicts: BTreeMap::new() }
    }
}

impl State {
    /// Takes note of a verdict, in the place of the last one.
    pub fn set_verdict(&mut self, id: &str, mut verdict: Verdict) {
        verdict.shorten();
        self.verdicts.insert(id.to_string(), verdict);
    }

    /// How many hints were taken for an exercise.
    pub fn hints_taken(&self, id: &str) -> usize {
        self.hints.get(id).copied().unwrap_or(0)
    }
}

/// The progress so far; none when there is no file yet.
///
/// # Errors
/// When the file cannot be read, or is damaged: names it and says how to go on. It is never overwritten then.
pub fn load(root: &Path) -> Result<State> {
    let path = root.join(FILE);
    if !path.try_exists().map_err(|e| format!("read {}: {}", path.display(), cause_text(&e)))? {
        return Ok(State::default());
    }
    let text = read_text(&path)?;
    let state: State = serde_json::from_str(&text).map_err(|e| {
        let path = path.display();
        format!("{path} is damaged ({e}): repair it, or start afresh with: mv {path} {path}.damaged")
    })?;
    match state.version {
        VERSION => Ok(state),
        other => Err(format!("{} has form {other}, and this netkata knows form {VERSION}: update it", path.display())),
    }
}

/// Reads the progress, lets `change` change it, and writes it, while nobody else does.
///
/// # Errors
/// As [`load`]; when the lock is not free within 5 s; when the file cannot be written. The old file is kept then.
pub fn update<T>(root: &Path, change: impl FnOnce(&mut State) -> T) -> Result<T> {
    let _lock = lock(root)?;
    let mut state = load(root)?;
    let before = state.clone();
    let answer = change(&mut state);
    if state != before || !root.join(FILE).exists() {
        save(root, &state).map_err(|e| format!("write {}: {}", root.join(FILE).display(), cause_text(&e)))?;
    }
    Ok(answer)
}

/// The grader's way in: takes note of what it found for an exercise.
///
/// ```text
/// record(&root, "ch03::time_server", Verdict::new(&source, checks.len(), checks))?;
/// ```
///
/// # Errors
/// As [`update`].
pub fn record(root: &Path, id: &str, verdict: Verdict) -> Result<()> {
    update(root, |state| state.set_verdict(id, verdict))
}

/// The lock is let go when the file is dropped, or its process ends.
fn lock(root: &Path) -> Result<File> {
    let path = root.join("Cargo.toml");
    let fail = |why: &str| format!("lock {}: {why}", path.display());
    let file = File::open(&path).map_err(|e| fail(&cause_text(&e)))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(fail(&cause_text(&e))),
            Err(TryLockError::WouldBlock) if Instant::now() > until => {
                return Err(fail("another netkata or grader has held it for 5 s: is one stopped?"));
            }
            // flock(2) has no deadline of its own.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn save(root: &Path, state: &State) -> io::Result<()> {
    let new = root.join(format!("{FILE}.new"));
    let mut text = serde_json::to_string_pretty(state)?;
    text.push('\n');
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    // Else a crash of the machine could leave the new name with no content.
    file.sync_all()?;
    std::fs::rename(&new, root.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ch03::tide_server";

    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"netkata\"\n").expect("write");
        dir
    }

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn what_is_recorded_comes_back() {
        let dir = checkout();
        assert_eq!(load(dir.path()), Ok(State::default()));
        let verdict = Verdict::new("fn main() {}", 1, vec![Check::failed("speaks first", ms(12), "got \u{1b}[31m\0")]);
        record(dir.path(), ID, verdict.clone()).expect("record");
        let state = load(dir.path()).expect("load");
        assert_eq!(state.verdicts[ID], verdict);
        assert_eq!(state.verdicts[ID].outcome, Outcome::Failed);
        assert!(state.verdicts[ID].is_of("fn main() {}") && !state.verdicts[ID].is_of("fn main() { }"));
    }

    /// A damaged file is named, and is not touched.
    #[test]
    fn a_damaged_file_is_kept() {
        let dir = checkout();
        let path = dir.path().join(FILE);
        for (text, part) in [("{\"version\":1,", "is damaged"), ("", "is damaged"), ("{\"version\":7}", "has form 7")] {
            std::fs::write(&path, text).expect("write");
            let e = update(dir.path(), |state| state.greeted = true).expect_err("damaged");
            assert!(e.contains(FILE) && e.contains(part), "{e}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
    }

    /// Four writers at once, and no change is lost.
    #[test]
    fn writers_take_turns() {
        let dir = checkout();
        let raise = |_| {
            for _ in 0..25 {
                update(dir.path(), |state| *state.hints.entry(ID.to_string()).or_default() += 1).expect("update");
            }
        };
        thread::scope(|s| (0..4).for_each(|n| drop(s.spawn(move || raise(n)))));
        assert_eq!(load(dir.path()).expect("load").hints_taken(ID), 100);
    }
}
