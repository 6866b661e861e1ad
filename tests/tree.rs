//! The shape of the whole: which crates are in the tree, under which licences, where `unsafe` may stand, and that every
//! program is listed, documented and short. Each check is a function from what it looks at to a list of complaints, so
//! that it can be shown to complain.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tree/licence.rs"]
mod licence;
#[path = "tree/source.rs"]
mod source;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Crates that run futures, or exist only to be run by them. Everything here blocks.
const RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-global-executor",
    "async-io",
    "futures-executor",
    "actix-rt",
    "glommio",
    "monoio",
    "compio",
    "embassy-executor",
    "pollster",
    "hyper",
    "h2",
    "mio",
];
/// Runtime-like crates that one crate may bring, and why.
const EXCUSED: &[(&str, &str)] = &[
    // notify watches files for `netkata watch`: inotify(7) is a descriptor, and mio is what it polls it with. No socket
    // of ours goes through it.
    ("mio", "notify"),
];
/// A program fits on about two screens.
const LONGEST_PROGRAM: usize = 170;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cargo_metadata(more: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(more)
        .output()
        .expect("cargo metadata starts")
}

/// What cargo knows of the tree. A machine that has only ever built for itself lacks the crates of other systems; there,
/// its own part is checked.
fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut output = cargo_metadata(&[]);
        if !output.status.success() {
            output = cargo_metadata(&["--filter-platform", &host()]);
            eprintln!("the crates of other systems are not on this machine: checked those of {} only", host());
        }
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
    })
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().find_map(|l| l.strip_prefix("host: ")).expect("rustc -vV names the host").to_string()
}

fn str_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

// ---- the tree of dependencies ---------------------------------------------------------------------------------------

/// For each crate in the tree, the crates that ask for it, by name.
fn parents(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let name_of: BTreeMap<&str, &str> =
        list(metadata, "packages").map(|p| (str_of(p, "id"), str_of(p, "name"))).collect();
    let mut parents: BTreeMap<&str, Vec<&str>> = name_of.values().map(|name| (*name, Vec::new())).collect();
    for node in list(&metadata["resolve"], "nodes") {
        for dependency in list(node, "dependencies").filter_map(Value::as_str) {
            let parent = name_of.get(str_of(node, "id")).copied().unwrap_or("?");
            parents.entry(name_of.get(dependency).copied().unwrap_or("?")).or_default().push(parent);
        }
    }
    parents
}

fn runtimes(metadata: &Value) -> Vec<String> {
    let parents = parents(metadata);
    let mut complaints = Vec::new();
    for (name, parents) in parents.iter().filter(|(name, _)| RUNTIMES.contains(name)) {
        for parent in parents.iter().filter(|parent| !EXCUSED.contains(&(name, parent))) {
            complaints.push(format!(
                "{parent} brings {name}, which belongs to an async runtime. Everything here blocks: choose another crate \
                 (`cargo tree -i {name}` shows the way), or turn off the feature that brings it."
            ));
        }
    }
    complaints
}

fn licences(metadata: &Value) -> Vec<String> {
    let check = |package| {
        let (name, expression) = (str_of(package, "name"), str_of(package, "license"));
        let why = licence::objection(expression)?;
        Some(format!(
            "{name} is under {expression:?}: {why}. Choose another crate, or, if the licence is permissive, add it to \
             ALLOWED in tests/tree/licence.rs."
        ))
    };
    list(metadata, "packages").filter_map(check).collect()
}

#[test]
fn no_async_runtime() {
    assert!(list(metadata(), "packages").count() > 20, "cargo metadata lists the tree");
    assert_none(&runtimes(metadata()));
}

#[test]
fn licences_are_permissive() {
    assert_none(&licences(metadata()));
}

/// A tree with tokio below a crate, mio below tokio, and a copyleft licence.
#[test]
fn a_wrong_tree_is_seen() {
    let package = |name, license| serde_json::json!({ "id": format!("id-{name}"), "name": name, "license": license });
    let node = |name: &str, on: &[&str]| {
        let on: Vec<String> = on.iter().map(|d| format!("id-{d}")).collect();
        serde_json::json!({ "id": format!("id-{name}"), "dependencies": on })
    };
    let tree = serde_json::json!({
        "packages": [package("ours", "MIT"), package("notify", "CC0-1.0"), package("tokio", "MIT"), package("mio", "GPL-3.0-only"),
            package("nameless", "")],
        "resolve": { "nodes": [node("ours", &["tokio", "notify"]), node("tokio", &["mio"]), node("notify", &["mio"])] },
    });
    let seen = runtimes(&tree);
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert!(seen[0].starts_with("tokio brings mio") && seen[1].starts_with("ours brings tokio"), "{seen:#?}");
    let seen = licences(&tree);
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert!(seen[0].starts_with("mio is under \"GPL-3.0-only\"") && seen[1].starts_with("nameless"), "{seen:#?}");
}

// ---- the programs ---------------------------------------------------------------------------------------------------

/// `targets` as cargo lists them, `files` as found in bin/chNN, both as paths below the root.
fn programs(targets: &[Value], files: &[PathBuf]) -> Vec<String> {
    let mut complaints = Vec::new();
    let path_of = |t: &Value| Path::new(str_of(t, "src_path")).strip_prefix(root()).map(Path::to_path_buf).ok();
    let bins: Vec<_> = targets.iter().filter(|t| list(t, "kind").any(|k| k == "bin")).collect();
    for target in &bins {
        let name = str_of(target, "name");
        let Some(path) = path_of(target).filter(|p| p.starts_with("bin")) else {
            complaints.push(format!("program {name} is not in bin/: move it there, and give its path in Cargo.toml"));
            continue;
        };
        if target["test"] != false || target["doc"] != false {
            complaints.push(format!(
                "{name}: write `test = false` and `doc = false` in its [[bin]]: a hundred of them cost minutes"
            ));
        }
        if path.components().nth(1).is_some_and(|c| is_chapter(c.as_os_str())) {
            if !files.contains(&path) {
                complaints.push(format!("{name}: Cargo.toml lists {}, and there is no such file", path.display()));
            }
            // A program of several files is a folder.
            let called =
                if path.ends_with("main.rs") { path.parent().and_then(Path::file_name) } else { path.file_stem() };
            if called != Some(name.as_ref()) {
                complaints
                    .push(format!("{name}: its file should be {name}.rs or {name}/main.rs, not {}", path.display()));
            }
        }
    }
    for file in files.iter().filter(|f| !bins.iter().any(|t| path_of(t).as_ref() == Some(f))) {
        complaints.push(format!("{}: no [[bin]] in Cargo.toml lists it: add one, or remove the file", file.display()));
    }
    complaints
}

fn is_chapter(name: &std::ffi::OsStr) -> bool {
    name.to_str().and_then(|n| n.strip_prefix("ch")).is_some_and(|n| n.parse::<u8>().is_ok())
}

fn documented_and_short(path: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints
            .push(format!("{}: start with `//!`: what it does, the wire contract, how to try it", path.display()));
    }
    let lines = text.lines().count();
    if lines > LONGEST_PROGRAM {
        complaints.push(format!(
            "{}: {lines} lines, at most {LONGEST_PROGRAM}: split the idea, or move what several programs share to src/",
            path.display()
        ));
    }
    complaints
}

#[test]
fn every_program_is_listed() {
    let package = list(metadata(), "packages").find(|p| str_of(p, "name") == "netkata").expect("our own package");
    let targets: Vec<Value> = list(package, "targets").cloned().collect();
    let mut files = source::below(root(), "bin");
    files.retain(|f| f.components().nth(1).is_some_and(|c| is_chapter(c.as_os_str())));
    files.retain(|f| f.components().count() == 3 || f.components().count() == 4 && f.ends_with("main.rs"));
    assert!(!files.is_empty(), "programs are in bin/chNN");
    assert_none(&programs(&targets, &files));
}

#[test]
fn every_program_is_documented_and_short() {
    let files = source::below(root(), "bin");
    let complaints = files.iter().flat_map(|f| documented_and_short(f, &source::read(root(), f)));
    assert_none(&complaints.collect::<Vec<_>>());
}

/// A program that cargo would test, one without a file, one in the wrong place; a file that nobody lists.
#[test]
fn a_wrong_program_is_seen() {
    let target = |name: &str, path: &str, test: bool| serde_json::json!({ "kind": ["bin"], "name": name, "src_path": root().join(path), "test": test, "doc": false });
    let right = target("tide", "bin/ch03/tide.rs", false);
    let files: Vec<PathBuf> = ["bin/ch03/tide.rs", "bin/ch03/quay.rs"].map(PathBuf::from).to_vec();
    assert_none(&programs(std::slice::from_ref(&right), &files[..1]));
    assert_none(&programs(&[target("ebb", "bin/ch03/ebb/main.rs", false)], &["bin/ch03/ebb/main.rs".into()]));
    for (targets, files, part) in [
        (vec![target("tide", "bin/ch03/tide.rs", true)], &files[..1], "test = false"),
        (vec![right.clone(), target("buoy", "bin/ch03/buoy.rs", false)], &files[..1], "no such file"),
        (vec![target("ebb", "bin/ch03/tide.rs", false)], &files[..1], "should be ebb.rs"),
        (
            vec![target("ebb", "bin/ch03/flood/main.rs", false)],
            &["bin/ch03/flood/main.rs".into()][..],
            "or ebb/main.rs",
        ),
        (vec![right.clone(), target("buoy", "src/buoy.rs", false)], &files[..1], "not in bin/"),
        (vec![right.clone()], &files[..], "bin/ch03/quay.rs: no [[bin]]"),
    ] {
        let seen = programs(&targets, files);
        assert!(seen.len() == 1 && seen[0].contains(part), "{part}: {seen:#?}");
    }
    let long = format!("use std::io;\n{}", "\n".repeat(LONGEST_PROGRAM));
    assert_eq!(documented_and_short(Path::new("tide.rs"), &long).len(), 2);
    let fits = format!("//! Tides.{}", "\n".repeat(LONGEST_PROGRAM));
    assert_none(&documented_and_short(Path::new("tide.rs"), &fits));
}

// ---- the source -----------------------------------------------------------------------------------------------------

#[test]
fn unsafe_is_in_one_place() {
    let folders = ["src", "bin", "lessons", "tests", "benches", "fuzz"];
    let files = folders.iter().flat_map(|folder| source::below(root(), folder));
    let complaints = files.flat_map(|f| source::unsafe_outside_sys(&f, &source::read(root(), &f)));
    assert_none(&complaints.collect::<Vec<_>>());
}

#[test]
fn no_panic_on_purpose() {
    let files = ["src", "bin"].iter().flat_map(|folder| source::below(root(), folder));
    let complaints = files.flat_map(|f| source::panics(&f, &source::read(root(), &f)));
    assert_none(&complaints.collect::<Vec<_>>());
}
