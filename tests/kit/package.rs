//! The cargo packages below `target/prove` in which wrong programs, solutions and stubs are built: one a chapter, in a
//! workspace of their own. Their dependencies are the course's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The sources of one binary.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `ch03`
    pub chapter: String,
    /// The binary's name.
    pub name: String,
    /// The file that cargo is told of, below the binary's folder.
    pub main: PathBuf,
    /// What is in its files, by their paths below its folder.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Sources {
    /// A program of one file, which keeps its name: a panic says it.
    pub fn single(chapter: &str, name: String, file: &Path, text: String) -> Self {
        let main = PathBuf::from(file.file_name().unwrap_or("main.rs".as_ref()));
        Self { chapter: chapter.into(), name, main: main.clone(), files: BTreeMap::from([(main, text.into())]) }
    }

    /// A program that is a folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn folder(chapter: &str, name: String, folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        read_all(folder, Path::new(""), &mut files)?;
        Ok(Self { chapter: chapter.into(), name, main: "main.rs".into(), files })
    }

    /// The package it is built in.
    pub fn package(&self) -> String {
        format!("prove-{}", self.chapter)
    }
}

fn read_all(folder: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, below) = (entry.path(), below.join(entry.file_name()));
        if path.is_dir() {
            read_all(&path, &below, files)?;
        } else {
            files.insert(below, fs::read(&path)?);
        }
    }
    Ok(())
}

/// Writes the workspace, and returns its folder. What is there as it should be keeps its time, and cargo keeps its binary;
/// what other runs have left there stays, and costs nothing.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(root: &Path, binaries: &[Sources]) -> io::Result<PathBuf> {
    let workspace = root.join("target/prove");
    let course = fs::read_to_string(root.join("Cargo.toml"))?;
    let chapters: BTreeSet<&str> = binaries.iter().map(|b| b.chapter.as_str()).collect();
    let members: Vec<String> = chapters.iter().map(|c| format!("\"{c}\"")).collect();
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n{}",
        members.join(", "),
        section(&course, "profile.dev")
    );
    put(&workspace.join("Cargo.toml"), manifest.as_bytes())?;
    put(&workspace.join("Cargo.lock"), &fs::read(root.join("Cargo.lock"))?)?;
    for chapter in chapters {
        let own: Vec<&Sources> = binaries.iter().filter(|b| b.chapter == chapter).collect();
        package(&workspace.join(chapter), &course, &own)?;
    }
    Ok(workspace)
}

fn package(folder: &Path, course: &str, binaries: &[&Sources]) -> io::Result<()> {
    let mut manifest = format!(
        "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n{}",
        binaries.first().map(|b| b.package()).unwrap_or_default(),
        section(course, "dependencies"),
    );
    manifest.push_str("netkata = { path = \"../../..\" }\n\n");
    for Sources { name, main, files, .. } in binaries {
        let main = main.display();
        manifest.push_str(&format!("[[bin]]\nname = \"{name}\"\npath = \"src/{name}/{main}\"\n\n"));
        for (file, text) in files {
            put(&folder.join("src").join(name).join(file), text)?;
        }
    }
    put(&folder.join("Cargo.toml"), manifest.as_bytes())
}

/// A section of the course's manifest.
fn section(course: &str, name: &str) -> String {
    let head = format!("[{name}]\n");
    let (_, tail) = course.split_once(&format!("\n{head}")).unwrap_or_default();
    let body = tail.split("\n[").next().unwrap_or_default().split("\n# --").next().unwrap_or_default();
    format!("{head}{body}\n")
}

/// Writes a file that is not like this yet.
fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
