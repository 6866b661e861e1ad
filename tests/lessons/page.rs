//! Pages, and what happens when a page and the programs say different things.

use crate::marks::{self, Kind, Mark};
use crate::session::{Recording, Recordings};
use crate::{bytes, consts, excerpt, links, session, skeleton, wire};
use libtest_mimic::{Completion, Failed, Trial};
use similar::TextDiff;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where things are, and what to do about a difference.
#[derive(Debug)]
pub struct Site {
    /// The checkout: paths in marks start here.
    pub root: PathBuf,
    /// The built programs.
    pub programs: PathBuf,
    /// Rewrite the pages instead of failing.
    pub sync: bool,
    /// A client that is not installed is a failure.
    pub require_peers: bool,
}

impl Site {
    pub fn of_this_checkout() -> Self {
        let set = |name| std::env::var(name).is_ok_and(|v| !v.is_empty() && v != "0");
        let netkata = Path::new(env!("CARGO_BIN_EXE_netkata"));
        Self {
            root: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            programs: netkata.parent().expect("a program is in a folder").to_path_buf(),
            sync: set("SYNC"),
            require_peers: set("REQUIRE_PEERS"),
        }
    }
}

/// A page of the book, as it was when the test started.
#[derive(Debug)]
pub struct Page {
    pub site: Arc<Site>,
    pub path: PathBuf,
    /// `ch03`; `front` for the book's first page, `readme` for the checkout's.
    pub chapter: String,
    pub text: String,
    pub marks: Vec<Mark>,
    /// Each session is run once, for its transcript, its picture and its octets.
    pub recordings: Recordings,
}

impl Page {
    pub fn load(site: &Arc<Site>, path: PathBuf) -> Result<Self, String> {
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let marks = marks::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let folder = path.parent().and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default();
        let chapter = match folder {
            folder if is_lesson(folder) => format!("ch{}", &folder[..2]),
            "lessons" => "front".to_string(),
            _ => "readme".to_string(),
        };
        Ok(Self { site: site.clone(), path, chapter, text, marks, recordings: Recordings::default() })
    }

    pub fn folder(&self) -> &Path {
        self.path.parent().expect("a page is in a folder")
    }

    /// The path as a reader would write it.
    pub fn shown(&self) -> String {
        self.path.strip_prefix(&self.site.root).unwrap_or(&self.path).display().to_string()
    }

    /// Whether a picture or a dump is made from the session `name`.
    pub fn draws(&self, name: &str) -> bool {
        self.marks.iter().any(|m| matches!(m.kind, Kind::Picture | Kind::Bytes) && first_word(&m.head) == name)
    }
}

/// A lesson's folder starts with its number: `03-reliable-tcp`.
pub fn is_lesson(folder: &str) -> bool {
    let name = folder.as_bytes();
    name.len() > 3 && name[0].is_ascii_digit() && name[1].is_ascii_digit() && name[2] == b'-'
}

/// The README, the book's front page and every lesson; for one that cannot be read, why.
pub fn load_all(site: &Arc<Site>) -> Vec<Result<Arc<Page>, String>> {
    let lessons = site.root.join("lessons");
    let mut paths = vec![site.root.join("README.md"), lessons.join("README.md")];
    for entry in fs::read_dir(&lessons).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_lesson) {
            paths.push(entry.path().join("README.md"));
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Page::load(site, path).map(Arc::new)).collect()
}

/// A trial for each block of the page, and some for its form.
pub fn trials(page: &Arc<Page>) -> Vec<Trial> {
    let mut trials: Vec<Trial> = (0..page.marks.len())
        .map(|ordinal| {
            let page = page.clone();
            Trial::ignorable_test(name(&page, ordinal), move || check(&page, ordinal))
        })
        .collect();
    let mut form = |what: &str, check: fn(&Page) -> Vec<String>| {
        let page = page.clone();
        trials.push(Trial::test(format!("{}::lesson::{what}", page.chapter), move || match check(&page) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(format!("{}:\n{}", page.shown(), problems.join("\n")).into()),
        }));
    };
    form("links", links::check);
    form("fences", skeleton::fences);
    form("leftovers", wire::leftovers);
    match page.chapter.as_str() {
        "readme" => {}
        "front" => form("summary", links::summary),
        _ => {
            form("parts", skeleton::parts);
            form("exercises", skeleton::exercises);
        }
    }
    trials
}

fn name(page: &Page, ordinal: usize) -> String {
    let mark = &page.marks[ordinal];
    let what = match mark.kind {
        Kind::Code => mark.head.rsplit('/').next().unwrap_or_default(),
        Kind::Const => mark.head.split_whitespace().nth(1).unwrap_or("?"),
        _ => first_word(&mark.head),
    };
    format!("{}::lesson::{}::{what}", page.chapter, mark.kind.word())
}

pub fn first_word(head: &str) -> &str {
    head.split_whitespace().next().unwrap_or("?")
}

/// Makes the text of a mark anew and compares.
pub fn check(page: &Page, ordinal: usize) -> Result<Completion, Failed> {
    let mark = &page.marks[ordinal];
    let at = |e: String| Failed::from(format!("{}:{}: {e}", page.shown(), mark.line));
    let fresh = match mark.kind {
        Kind::Code => excerpt::make(&page.site.root, page.folder(), &mark.head),
        Kind::Const => consts::make(&page.site.root, &mark.head),
        Kind::Session | Kind::Picture | Kind::Bytes => match session::recording(page, mark).map_err(at)? {
            Recording::Skipped(why) if page.site.require_peers => Err(why),
            Recording::Skipped(why) => return Ok(Completion::ignored_with(why)),
            Recording::Done(run) => match mark.kind {
                Kind::Session => Ok(session::render::blocks(&run)),
                Kind::Picture => wire::picture(page, mark, &run),
                _ => bytes::make(mark, &run),
            },
        },
    };
    settle(page, ordinal, &fresh.map_err(at)?).map_err(Failed::from)?;
    Ok(Completion::Completed)
}

/// So much of a difference is shown.
const DIFF_LINES: usize = 40;
const DIFF_WIDTH: usize = 160;

/// Trials run side by side; pages are rewritten one at a time.
static WRITING: Mutex<()> = Mutex::new(());

fn settle(page: &Page, ordinal: usize, fresh: &str) -> Result<(), String> {
    let mark = &page.marks[ordinal];
    let old = &page.text[mark.body.clone()];
    if old == fresh {
        return Ok(());
    }
    if !page.site.sync {
        return Err(drift(&format!("{}:{}", page.shown(), mark.line), old, fresh));
    }
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    // Other blocks of the page may have been rewritten since it was loaded: only the order of the marks is the same.
    let mut text = fs::read_to_string(&page.path).map_err(|e| e.to_string())?;
    let now = marks::parse(&text)?.get(ordinal).cloned().ok_or("the page changed while it was synced")?;
    text.replace_range(now.body, fresh);
    fs::write(&page.path, text).map_err(|e| e.to_string())
}

/// The same for a whole file that belongs to a page.
pub fn settle_file(site: &Site, path: &Path, fresh: &str) -> Result<(), String> {
    let old = fs::read_to_string(path).unwrap_or_default();
    if old == fresh {
        return Ok(());
    }
    if !site.sync {
        return Err(drift(&path.strip_prefix(&site.root).unwrap_or(path).display().to_string(), &old, fresh));
    }
    fs::create_dir_all(path.parent().expect("a file is in a folder")).map_err(|e| e.to_string())?;
    fs::write(path, fresh).map_err(|e| format!("{}: {e}", path.display()))
}

/// What a reader needs to know: where, what changed, what to do.
fn drift(place: &str, old: &str, fresh: &str) -> String {
    format!(
        "{place}: differs from the programs\n{}run `make sync`",
        diff(old, fresh, ("in the page", "from the programs"))
    )
}

/// A short unified diff.
pub fn diff(old: &str, new: &str, names: (&str, &str)) -> String {
    let text = TextDiff::from_lines(old, new).unified_diff().context_radius(2).header(names.0, names.1).to_string();
    let mut lines: Vec<String> = text.lines().take(DIFF_LINES).map(|l| l.chars().take(DIFF_WIDTH).collect()).collect();
    if let more @ 1.. = text.lines().count().saturating_sub(DIFF_LINES) {
        lines.push(format!("… {more} more lines"));
    }
    lines.join("\n") + "\n"
}
