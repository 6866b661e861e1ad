//! Mutants: wrong programs, one small slip away from right, that prove the checks.
//!
//! A mutant is a patch of a finished program or of a solution, in `tests/mutants/chNN/PROGRAM/NAME.patch`:
//!
//! ```text
//! Slip: reads once and closes, as if one read were one message.
//! Caught by: sends_back_everything
//!
//! --- a/bin/ch03/echo_server.rs
//! +++ b/bin/ch03/echo_server.rs
//! @@ …
//! ```
//!
//! A program that is a folder (`bin/chNN/PROGRAM/main.rs` and its modules) is patched in any one of its files.
//!
//! Beside it, `NAME.txt` is the message that the check gives. Try one with `git apply tests/mutants/….patch`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A wrong program, as it stands on file.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// `ch03`
    pub chapter: String,
    /// The program or exercise that it is a slip of.
    pub program: String,
    /// The file's stem.
    pub name: String,
    /// The check that catches it, and none before.
    pub caught_by: String,
    /// The file that the patch is for, relative to the checkout.
    pub base: String,
    /// The patch's own path.
    pub path: PathBuf,
    patch: String,
}

impl Mutant {
    /// The name of the binary that it is built as.
    pub fn binary(&self) -> String {
        format!("mutant-{}-{}-{}", self.chapter, self.program, self.name)
    }

    /// Where the message is on file.
    pub fn message_path(&self) -> PathBuf {
        self.path.with_extension("txt")
    }

    /// The wrong program's source files, as [`package`] takes them: one, or all of the program's folder.
    ///
    /// # Errors
    /// When the patch no longer fits its program.
    pub fn sources(&self, root: &Path, apply: fn(&str, &str) -> Result<String, String>) -> Result<Sources, String> {
        let read = |file: &Path| fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
        let base = root.join(&self.base);
        let wrong = apply(&read(&base)?, &self.patch)
            .map_err(|e| format!("{}: does not fit {}: {e}", self.path.display(), self.base))?;
        let folder = base.parent().unwrap_or(root);
        if folder.file_name().is_none_or(|name| name != self.program.as_str()) {
            return Ok(Sources::from([(format!("{}.rs", self.binary()), wrong)]));
        }
        let mut sources = Sources::new();
        for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let file = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
            if file.extension().is_some_and(|e| e == "rs") {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = if file == base { wrong.clone() } else { read(&file)? };
                sources.insert(format!("{}/{name}", self.binary()), text);
            }
        }
        Ok(sources)
    }

    fn parse(path: &Path) -> Result<Self, String> {
        let wrong = |why: &str| format!("{}: {why}", path.display());
        let text = fs::read_to_string(path).map_err(|e| wrong(&e.to_string()))?;
        let field = |label: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(label));
            line.map(|l| l.trim().to_string()).ok_or_else(|| wrong(&format!("no line `{label} …`")))
        };
        field("Slip:")?;
        let start = text.find("--- a/").ok_or_else(|| wrong("no patch (a line `--- a/…`)"))?;
        let part = |n: usize| path.iter().rev().nth(n).unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self {
            chapter: part(2),
            program: part(1),
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            caught_by: field("Caught by:")?,
            base: field("--- a/")?,
            path: path.to_path_buf(),
            patch: text[start..].to_string(),
        })
    }
}

/// Every mutant on file, by chapter and program.
///
/// # Errors
/// When a file cannot be read or lacks a field.
pub fn all(root: &Path) -> Result<Vec<Mutant>, String> {
    let mut files = Vec::new();
    collect(&root.join("tests/mutants"), &mut files).map_err(|e| format!("tests/mutants: {e}"))?;
    files.sort();
    files.iter().map(|path| Mutant::parse(path)).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "patch") {
            found.push(path);
        }
    }
    Ok(())
}

/// Source files by their path below `src`: `NAME.rs` is a binary, and so is `NAME/main.rs` with the files beside it.
pub type Sources = BTreeMap<String, String>;

/// The newest of a binary's source files.
///
/// # Errors
/// When there is none, or it cannot be looked at.
pub fn written(package: &Path, binary: &str) -> io::Result<SystemTime> {
    let source = package.join("src");
    let single = source.join(format!("{binary}.rs"));
    if single.is_file() {
        return fs::metadata(single)?.modified();
    }
    let times = fs::read_dir(source.join(binary))?.map(|entry| entry?.metadata()?.modified());
    let newest = times.collect::<io::Result<Vec<_>>>()?.into_iter().max();
    newest.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// A cargo package below `target/prove` with these sources as binaries. Its dependencies are the course's own.
///
/// # Errors
/// When a file cannot be read or written.
pub fn package(root: &Path, sources: &Sources) -> io::Result<PathBuf> {
    let folder = root.join("target/prove");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let section = |name: &str| {
        let (_, tail) = manifest.split_once(&format!("\n[{name}]\n")).unwrap_or_default();
        format!(
            "[{name}]\n{}\n",
            tail.split("\n[").next().unwrap_or_default().split("\n# --").next().unwrap_or_default()
        )
    };
    let mut text =
        String::from("[package]\nname = \"prove\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n");
    text.push_str(&section("dependencies"));
    text.push_str("netkata = { path = \"../..\" }\n\n");
    text.push_str(&section("profile.dev"));
    for (name, source) in sources {
        let file = folder.join("src").join(name);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        // An unchanged file keeps its time, and cargo keeps its binary.
        if fs::read_to_string(&file).ok().as_ref() != Some(source) {
            fs::write(&file, source)?;
        }
        let binary = name.strip_suffix("/main.rs").or(name.strip_suffix(".rs").filter(|n| !n.contains('/')));
        if let Some(binary) = binary {
            text.push_str(&format!("[[bin]]\nname = \"{binary}\"\npath = \"src/{name}\"\n\n"));
        }
    }
    fs::write(folder.join("Cargo.toml"), text)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(folder)
}
