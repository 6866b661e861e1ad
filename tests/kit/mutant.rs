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
//! Of a program that is a folder, the patch may be for any one of its files, or for one of a folder of `src/` that the program
//! is made of: the program then gets that module as its own. Beside it, `NAME.txt` is the message that the check gives. Try
//! one with `git apply tests/mutants/….patch`.

use crate::package::Sources;
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

    /// The wrong program's sources: one file, or, of a program that is a folder, all of them with one patched.
    ///
    /// # Errors
    /// When the patch no longer fits its program.
    pub fn sources(&self, root: &Path, apply: fn(&str, &str) -> Result<String, String>) -> Result<Sources, String> {
        let base = fs::read_to_string(root.join(&self.base)).map_err(|e| format!("{}: {e}", self.base))?;
        let wrong = apply(&base, &self.patch)
            .map_err(|e| format!("{}: does not fit {}: {e}", self.path.display(), self.base))?;
        let folder = format!("bin/{}/{}", self.chapter, self.program);
        if let Some(module) = self.module() {
            return self.with_module(root, &root.join(&folder), module, wrong);
        }
        match Path::new(&self.base).strip_prefix(&folder) {
            Ok(file) => {
                let mut sources = Sources::folder(&self.chapter, self.binary(), &root.join(&folder))
                    .map_err(|e| format!("{folder}: {e}"))?;
                sources.files.insert(file.into(), wrong.into());
                Ok(sources)
            }
            Err(_) => Ok(Sources::single(&self.chapter, self.binary(), Path::new(&self.base), wrong)),
        }
    }

    /// `load`, of a patch for `src/load/….rs`.
    fn module(&self) -> Option<&str> {
        self.base.strip_prefix("src/")?.split_once('/').map(|(module, _)| module)
    }

    /// A program that is a folder, with a module of the library, one file of it patched, as a module of its own. Everywhere in
    /// its sources, `netkata::MODULE` is that one.
    fn with_module(&self, root: &Path, folder: &Path, module: &str, wrong: String) -> Result<Sources, String> {
        let read = |folder: &Path| {
            Sources::folder(&self.chapter, self.binary(), folder).map_err(|e| format!("{}: {e}", folder.display()))
        };
        let (mut sources, library) = (read(folder)?, read(&root.join("src").join(module))?);
        for text in sources.files.values_mut() {
            let own = String::from_utf8_lossy(text).replace(&format!("netkata::{module}"), &format!("crate::{module}"));
            *text = own.into_bytes();
        }
        if let Some(main) = sources.files.get_mut(&sources.main) {
            main.extend_from_slice(format!("\nmod {module};\n").as_bytes());
        }
        for (file, text) in library.files {
            let patched = Path::new(&self.base).ends_with(Path::new(module).join(&file));
            let text = if patched { wrong.clone() } else { String::from_utf8_lossy(&text).into_owned() };
            // What the module takes from the rest of the library stays there; what it has of its own comes along.
            let text = text
                .replace("crate::", "netkata::")
                .replace(&format!("netkata::{module}"), &format!("crate::{module}"));
            sources.files.insert(Path::new(module).join(file), text.into_bytes());
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
