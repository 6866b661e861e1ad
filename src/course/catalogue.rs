//! The chapters, their programs and their exercises, as the folders of the checkout say.

use super::exercise::{Exercise, Kind, relative, solutions_folder, stem, summary};
use super::markdown::{name_in, section, sections};
use super::nearest::nearest;
use super::{Result, read_text};
use std::path::{Path, PathBuf};

/// What the course consists of.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The checkout.
    pub root: PathBuf,
    /// By number.
    pub chapters: Vec<Chapter>,
}

/// A folder `lessons/NN-topic`.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// The `NN`.
    pub number: u32,
    /// The first heading of its page, without `Chapter NN`.
    pub title: String,
    /// Its page, `lessons/NN-topic/README.md`, relative to the checkout.
    pub lesson: PathBuf,
    /// Its finished programs, in the order of the manifest.
    pub programs: Vec<Program>,
    /// Its exercises, in the order of its page.
    pub exercises: Vec<Exercise>,
}

/// A finished program, `bin/chNN/NAME.rs`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The number of its chapter.
    pub chapter: u32,
    /// What `cargo run --bin` calls it.
    pub name: String,
    /// The first line of its `//!` text.
    pub summary: String,
}

impl Catalogue {
    /// Reads the folders of the checkout at `root`.
    ///
    /// # Errors
    /// When there is no `lessons` folder, or a page cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut chapters = Vec::new();
        for folder in entries(&root.join("lessons"))? {
            if let Some(number) = chapter_number(&folder) {
                chapters.push(Chapter::read(root, &folder, number)?);
            }
        }
        chapters.sort_by_key(|c| c.number);
        Ok(Self { root: root.to_path_buf(), chapters })
    }

    /// Every exercise, in the order of the course.
    pub fn exercises(&self) -> impl Iterator<Item = &Exercise> {
        self.chapters.iter().flat_map(|c| &c.exercises)
    }

    /// Every finished program, in the order of the course.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.chapters.iter().flat_map(|c| &c.programs)
    }

    /// The exercise that a person calls `time_server`, `ch03::time_server` or by its file's name.
    ///
    /// # Errors
    /// A sentence with a suggestion when nothing, or more than one thing, has the name.
    pub fn exercise(&self, what: &str) -> Result<&Exercise> {
        let called: Vec<&Exercise> = self.exercises().filter(|e| e.is_called(what)).collect();
        match called[..] {
            [one] => Ok(one),
            [] => Err(self.no_exercise(what)),
            [..] => {
                let ids: Vec<String> = called.iter().map(|e| e.id()).collect();
                Err(format!("several chapters have an exercise {what}: write {}", ids.join(" or ")))
            }
        }
    }

    /// How to call an exercise in a command: its name, or its id where another chapter has the name too.
    pub fn short(&self, exercise: &Exercise) -> String {
        let alone = self.exercises().filter(|e| e.name == exercise.name).count() == 1;
        if alone { exercise.name.clone() } else { exercise.id() }
    }

    /// What to filter the grader's checks by for an exercise, a program, or a chapter (`3`, `ch03`).
    /// `None` when `what` is none of these.
    pub fn filter(&self, what: &str) -> Option<String> {
        let number = what.strip_prefix("ch").unwrap_or(what).parse().ok();
        if let Some(chapter) = self.chapters.iter().find(|c| Some(c.number) == number) {
            return Some(format!("{}::", chapter.id()));
        }
        if let Ok(exercise) = self.exercise(what) {
            return Some(exercise.id());
        }
        self.programs().find(|p| p.name == what || p.id() == what).map(Program::id)
    }

    /// The name nearest to a mistyped one, among exercises and programs.
    pub fn suggestion(&self, what: &str) -> Option<&str> {
        let word = what.rsplit("::").next().unwrap_or(what);
        let names = self.exercises().map(|e| e.name.as_str()).chain(self.programs().map(|p| p.name.as_str()));
        nearest(word, names)
    }

    fn no_exercise(&self, what: &str) -> String {
        if let Some(program) = self.programs().find(|p| p.name == what || p.id() == what) {
            return format!("{what} is a finished program, not an exercise: cargo run --bin {}", program.name);
        }
        let word = what.rsplit("::").next().unwrap_or(what);
        match nearest(word, self.exercises().map(|e| e.name.as_str())) {
            Some(name) => format!("no exercise is called {what:?}: did you mean {name}?"),
            None => format!("no exercise is called {what:?}: `cargo run list` shows them all"),
        }
    }
}

impl Chapter {
    fn read(root: &Path, folder: &Path, number: u32) -> Result<Self> {
        let page = folder.join("README.md");
        let text = if page.exists() { read_text(&page)? } else { String::new() };
        let title = sections(&text, 1).first().map(|s| bare_title(s.heading).to_string());
        let lesson = relative(root, &page);
        let mut files = entries(folder)?;
        // An exercise whose file the learner deleted is still there: its solution is, and `reset` brings the stub back.
        let solutions = root.join(solutions_folder(number));
        if solutions.is_dir() {
            files.extend(entries(&solutions)?.iter().filter_map(|s| Some(folder.join(s.file_name()?))));
        }
        files.sort();
        files.dedup();
        let mut exercises: Vec<Exercise> =
            files.iter().filter_map(|f| Exercise::at(root, f, number, &lesson)).collect();
        let turn = section(&text, 2, "Your turn").unwrap_or("");
        let order: Vec<&str> = sections(turn, 3).iter().map(|s| name_in(s.heading)).collect();
        exercises.sort_by_key(|e| order.iter().position(|name| *name == e.name).unwrap_or(order.len()));
        Ok(Self {
            number,
            title: title.unwrap_or_else(|| topic(folder)),
            lesson,
            programs: programs(root, number)?,
            exercises,
        })
    }

    /// `ch03`.
    pub fn id(&self) -> String {
        format!("ch{:02}", self.number)
    }
}

impl Program {
    /// `ch03::echo_server`.
    pub fn id(&self) -> String {
        format!("ch{:02}::{}", self.chapter, self.name)
    }
}

/// The paths in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e: std::io::Error| format!("read {}: {}", folder.display(), crate::error::cause_text(&e));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        paths.push(entry.map_err(fail)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// In the order of the manifest, which is the order in which they are learned.
fn programs(root: &Path, chapter: u32) -> Result<Vec<Program>> {
    let folder = root.join("bin").join(format!("ch{chapter:02}"));
    let mut files = if folder.is_dir() { entries(&folder)? } else { Vec::new() };
    // A program is a file, or a folder with a main.rs.
    for file in files.iter_mut().filter(|f| f.is_dir()) {
        file.push("main.rs");
    }
    let manifest = read_text(&root.join("Cargo.toml"))?;
    files.sort_by_key(|f| manifest.find(&format!("\"{}\"", relative(root, f).display())).unwrap_or(usize::MAX));
    let mut programs = Vec::new();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs") && f.is_file()) {
        let named = if file.ends_with("main.rs") { file.parent().unwrap_or(file) } else { file };
        if let Some(name) = stem(named) {
            programs.push(Program { chapter, name, summary: summary(&read_text(file)?, Kind::Build) });
        }
    }
    Ok(programs)
}

/// The 3 of `lessons/03-reliable-tcp`; `None` for what is no chapter.
fn chapter_number(folder: &Path) -> Option<u32> {
    let (number, _) = folder.file_name()?.to_str()?.split_once('-')?;
    let digits = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    if digits && folder.is_dir() { number.parse().ok() } else { None }
}

/// `Chapter 3 · Reliable TCP streams` without its number.
fn bare_title(heading: &str) -> &str {
    let rest = heading.strip_prefix("Chapter ").unwrap_or(heading);
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == heading.len() {
        heading
    } else {
        rest.trim_start_matches([' ', ':', '.', '·', '-', '–', '—'])
    }
}

/// A title for a chapter whose page has none yet.
fn topic(folder: &Path) -> String {
    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.split_once('-').map_or(name, |(_, topic)| topic).replace('-', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harbour() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("tempdir");
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        };
        write("lessons/Cargo.toml", "");
        write("lessons/03-tides/README.md", "# Chapter 3 · Tides\n## Your turn\n### `neap`\n### `ebb` and flow\n");
        write("lessons/03-tides/ebb.rs", "//! Tells the ebb.\n//!\n//! Then closes.\nfn main() {}\n");
        write("lessons/03-tides/neap.hex", "# Fill in.\n31 ??\n");
        write("lessons/03-tides/aground.rs", "//! Comes last: the page does not name it.\n");
        write("lessons/04-ships/ebb.rs", "//! Another ebb.\n");
        write("tests/solutions/ch03/zephyr.rs", "//! Its stub was deleted.\n");
        write("bin/ch03/ebb_server.rs", "//! Serves the ebb.\n");
        write("bin/ch03/buoy.rs", "//! Comes later.\n");
        write("bin/ch03/chart/main.rs", "//! In several files.\n");
        write("bin/ch03/chart/depth.rs", "//! One of them.\n");
        write(
            "Cargo.toml",
            "path = \"bin/ch03/ebb_server.rs\"\npath = \"bin/ch03/chart/main.rs\"\npath = \"bin/ch03/buoy.rs\"\n",
        );
        dir
    }

    #[test]
    fn folders_are_the_table_of_contents() {
        let dir = harbour();
        let catalogue = Catalogue::read(dir.path()).expect("read");
        let titles: Vec<_> = catalogue.chapters.iter().map(|c| (c.number, c.title.as_str())).collect();
        assert_eq!(titles, [(3, "Tides"), (4, "ships")]);
        let ids: Vec<String> = catalogue.exercises().map(Exercise::id).collect();
        assert_eq!(ids, ["ch03::neap", "ch03::ebb", "ch03::aground", "ch03::zephyr", "ch04::ebb"]);
        let ebb = &catalogue.chapters[0].exercises[1];
        assert_eq!(ebb.contract().expect("contract"), "Tells the ebb.\n\nThen closes.");
        assert_eq!(ebb.solution, Path::new("tests/solutions/ch03/ebb.rs"));
        let programs: Vec<&str> = catalogue.programs().map(|p| p.summary.as_str()).collect();
        assert_eq!(programs, ["Serves the ebb.", "In several files.", "Comes later."]);
    }

    /// A name two chapters share needs its chapter; a slip gets a suggestion; a program is not an exercise.
    #[test]
    fn names_are_looked_up_as_people_type_them() {
        let dir = harbour();
        let catalogue = Catalogue::read(dir.path()).expect("read");
        let find = |what: &str| catalogue.exercise(what).map(Exercise::id);
        for what in ["ch04::ebb", "lessons/04-ships/ebb.rs"] {
            assert_eq!(find(what), Ok("ch04::ebb".to_string()));
        }
        assert_eq!(find("neap.hex"), Ok("ch03::neap".to_string()));
        assert_eq!(find("ebb"), Err("several chapters have an exercise ebb: write ch03::ebb or ch04::ebb".to_string()));
        assert!(find("agruond").expect_err("slip").ends_with("did you mean aground?"));
        assert!(find("ebb_server").expect_err("program").ends_with("cargo run --bin ebb_server"));
        let short: Vec<String> = catalogue.exercises().map(|e| catalogue.short(e)).collect();
        assert_eq!(short, ["neap", "ch03::ebb", "aground", "zephyr", "ch04::ebb"]);
    }

    #[test]
    fn filters_for_the_grader() {
        let dir = harbour();
        let catalogue = Catalogue::read(dir.path()).expect("read");
        for (what, filter) in [
            ("3", Some("ch03::")),
            ("ch04", Some("ch04::")),
            ("9", None),
            ("neap", Some("ch03::neap")),
            ("ebb_server", Some("ch03::ebb_server")),
            ("lighthouse", None),
        ] {
            assert_eq!(catalogue.filter(what).as_deref(), filter, "{what}");
        }
    }

    #[test]
    fn titles_lose_their_number() {
        for heading in
            ["Chapter 3 · Reliable streams", "3. Reliable streams", "Chapter 3: Reliable streams", "Reliable streams"]
        {
            assert_eq!(bare_title(heading), "Reliable streams");
        }
    }
}
