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
//! A program of several files is a folder with a `main.rs`; a patch of any of its files will do.
//!
//! Beside it, `NAME.txt` is the message that the check gives. Try one with `git apply tests/mutants/….patch`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

    /// The wrong program's source, in one piece.
    ///
    /// # Errors
    /// When the patch no longer fits its program.
    pub fn source(&self, root: &Path, apply: fn(&str, &str) -> Result<String, String>) -> Result<String, String> {
        let base = root.join(&self.base);
        let right = fs::read_to_string(&base).map_err(|e| format!("{}: {e}", self.base))?;
        let wrong = apply(&right, &self.patch)
            .map_err(|e| format!("{}: does not fit {}: {e}", self.path.display(), self.base))?;
        let main = base.with_file_name("main.rs");
        if base == main || !main.exists() {
            return Ok(in_one_piece(&wrong, &base));
        }
        let main = fs::read_to_string(&main).map_err(|e| format!("{}: {e}", main.display()))?;
        let patched = base.file_stem().unwrap_or_default().to_string_lossy();
        Ok(in_one_piece(&main.replace(&format!("\nmod {patched};\n"), &inline(&patched, &wrong)), &base))
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

/// A program with the modules beside it, `mod NAME;`, written where they are named.
fn in_one_piece(main: &str, beside: &Path) -> String {
    let module = |line: &str| {
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
        Some(inline(name, &fs::read_to_string(beside.with_file_name(format!("{name}.rs"))).ok()?))
    };
    main.lines().map(|line| module(line).unwrap_or_else(|| format!("{line}\n"))).collect()
}

fn inline(name: &str, text: &str) -> String {
    format!("\nmod {name} {{\n{text}}}\n")
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

/// A cargo package below `target/prove` with these sources as binaries. Its dependencies are the course's own.
///
/// # Errors
/// When a file cannot be read or written.
pub fn package(root: &Path, sources: &BTreeMap<String, String>) -> io::Result<PathBuf> {
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
        let file = folder.join(format!("src/{name}.rs"));
        // An unchanged file keeps its time, and cargo keeps its binary.
        if fs::read_to_string(&file).ok().as_ref() != Some(source) {
            fs::write(&file, source)?;
        }
        text.push_str(&format!("[[bin]]\nname = \"{name}\"\npath = \"src/{name}.rs\"\n\n"));
    }
    fs::write(folder.join("Cargo.toml"), text)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(folder)
}
