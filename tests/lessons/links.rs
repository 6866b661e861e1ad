//! Links within the checkout lead somewhere: files, pictures, headings. Links to other sites are not followed.

use crate::SelfCheck;
use crate::marks::Fence;
use crate::page::{Page, is_lesson};
use std::fs;
use std::path::Path;

/// What is wrong with the links of a page.
pub fn check(page: &Page) -> Vec<String> {
    let targets = links(&page.text);
    targets.into_iter().filter_map(|(line, target)| Some(format!("line {line}: {}", follow(page, &target)?))).collect()
}

/// Why a link leads nowhere; `None` when it leads somewhere.
fn follow(page: &Page, target: &str) -> Option<String> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { page.path.clone() } else { page.folder().join(path) };
    if !file.exists() {
        return Some(format!("{target}: no such file"));
    }
    let anchor = anchor.filter(|_| file.extension().is_some_and(|e| e == "md"))?;
    let text = if path.is_empty() { page.text.clone() } else { fs::read_to_string(&file).ok()? };
    (!anchors(&text).iter().any(|a| a == anchor)).then(|| format!("{target}: no such heading"))
}

/// Line and target of every `[…](target)`, `![…](target)` and `[…]: target`, but for those in fences and code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence = Fence::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !fence.holds(line)) {
        // What stands between backticks is code; a link's text may be code, its target is not.
        let plain = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = plain.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let referred = plain.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
        found.extend(inline.chain(referred).map(|target| (number + 1, target.to_string())));
    }
    found
}

/// The anchors that code hosts and mdBook give to headings.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut fence = Fence::default();
    for line in text.lines().filter(|line| !fence.holds(line)) {
        let Some((marks, title)) = line.split_once(' ') else { continue };
        if marks.is_empty() || marks.bytes().any(|b| b != b'#') {
            continue;
        }
        let slug: String = title.trim().to_lowercase().chars().filter_map(slug_char).collect();
        let same = found
            .iter()
            .filter(|a| **a == slug || a.rsplit_once('-').is_some_and(|(a, n)| a == slug && n.parse::<u8>().is_ok()));
        let count = same.count();
        found.push(if count == 0 { slug } else { format!("{slug}-{count}") });
    }
    found
}

fn slug_char(c: char) -> Option<char> {
    match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    }
}

/// The book has every lesson, in order, and nothing that is not there.
pub fn summary(front: &Page) -> Vec<String> {
    let text = fs::read_to_string(front.folder().join("SUMMARY.md")).unwrap_or_default();
    let listed: Vec<String> = links(&text).into_iter().map(|(_, target)| target).collect();
    unlisted(front.folder(), &listed)
}

fn unlisted(folder: &Path, listed: &[String]) -> Vec<String> {
    let mut lessons: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_lesson(name))
        .map(|name| format!("{name}/README.md"))
        .collect();
    lessons.sort();
    let in_book: Vec<&String> = listed.iter().filter(|l| is_lesson(l)).collect();
    let mut problems: Vec<String> = listed
        .iter()
        .filter(|target| !folder.join(target).is_file())
        .map(|target| format!("SUMMARY.md lists {target}, which is not there"))
        .collect();
    if in_book != lessons.iter().collect::<Vec<_>>() {
        problems.push(format!("SUMMARY.md lists {in_book:?}; the lessons are {lessons:?}"));
    }
    problems
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("finds_links_and_not_code", || {
        let text = "see [`a`](a.rs) and ![b](b.svg \"B\")\n`[c](c)`\n```text\n[d](d)\n```\n[e]: e.md#f\n";
        assert_eq!(links(text), [(1, "a.rs".to_string()), (1, "b.svg".to_string()), (6, "e.md#f".to_string())]);
    }),
    ("anchors_as_code_hosts_make_them", || {
        let text = "# You will be able to\n## `time_server`: four octets!\n## `time_server`: four octets!\n```text\n# no\n```\n";
        assert_eq!(anchors(text), ["you-will-be-able-to", "time_server-four-octets", "time_server-four-octets-1"]);
    }),
    ("the_summary_is_complete", || {
        let folder = tempfile::tempdir().unwrap();
        for name in ["01-tides", "02-ships"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("README.md"), "").unwrap();
        }
        let listed = |names: &[&str]| names.iter().map(|n| format!("{n}/README.md")).collect::<Vec<_>>();
        assert_eq!(unlisted(folder.path(), &listed(&["01-tides", "02-ships"])), [""; 0]);
        assert_eq!(unlisted(folder.path(), &listed(&["02-ships", "01-tides"])).len(), 1);
        assert_eq!(unlisted(folder.path(), &listed(&["01-tides", "02-ships", "03-gone"])).len(), 2);
    }),
];
