//! Wrong programs: what a patch may be for, and what is built of it.

use netkata_kit::check::is_program;
use netkata_kit::mutant::{self, Mutant};
use netkata_kit::package::{self, Sources};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

const MANIFEST: &str = "[package]\nname = \"x\"\n\n[dependencies]\nclap = \"4\"\n\n[profile.dev]\ndebug = false\n";
const PATCH: &str = "Slip: forgets the ship.\nCaught by: names_the_ship\n\n--- a/bin/ch04/log/print.rs\n\
                     +++ b/bin/ch04/log/print.rs\n@@ -1 +1 @@\n-Alma\n+Bruna\n";

fn apply(base: &str, patch: &str) -> Result<String, String> {
    let patch = diffy::Patch::from_str(patch).map_err(|e| e.to_string())?;
    diffy::apply(base, &patch).map_err(|e| e.to_string())
}

/// A checkout with one program that is a folder, and one mutant of it.
fn checkout() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("Cargo.toml", MANIFEST),
        ("Cargo.lock", "version = 4\n"),
        ("bin/ch04/log/main.rs", "mod print;\n"),
        ("bin/ch04/log/print.rs", "Alma\n"),
        ("bin/ch04/log/form/hex.rs", "41 6c 6d 61\n"),
        ("tests/mutants/ch04/log/forgets.patch", PATCH),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn only_mutant(root: &Path) -> Mutant {
    mutant::all(root).unwrap().pop().unwrap()
}

/// The mutant of one file of a folder is the whole folder, with that file patched.
#[test]
fn a_patch_may_be_for_any_file_of_a_program() {
    let root = checkout();
    let sources = only_mutant(root.path()).sources(root.path(), apply).unwrap();
    assert_eq!((sources.name.as_str(), sources.main.to_str()), ("mutant-ch04-log-forgets", Some("main.rs")));
    assert_eq!(sources.files[Path::new("print.rs")], b"Bruna\n");
    assert_eq!(sources.files[Path::new("main.rs")], b"mod print;\n");
    assert_eq!(sources.files[Path::new("form/hex.rs")], b"41 6c 6d 61\n");
}

/// A patch that does not fit any more is named, with its base.
#[test]
fn a_patch_that_does_not_fit_is_named() {
    let root = checkout();
    fs::write(root.path().join("bin/ch04/log/print.rs"), "Corvo\n").unwrap();
    let why = only_mutant(root.path()).sources(root.path(), apply).unwrap_err();
    assert!(why.contains("forgets.patch: does not fit bin/ch04/log/print.rs"), "{why}");
}

/// What has not changed is not written: cargo goes by the times of files.
#[test]
fn an_unchanged_source_keeps_its_time() {
    let root = checkout();
    let folder = only_mutant(root.path()).sources(root.path(), apply).unwrap();
    let single = |text: &str| Sources::single("ch03", "stub-log".into(), Path::new("log.rs"), text.into());
    let times = |workspace: &Path| -> Vec<SystemTime> {
        let files = ["ch03/src/stub-log/log.rs", "ch04/src/mutant-ch04-log-forgets/print.rs", "ch04/Cargo.toml"];
        files.iter().map(|file| fs::metadata(workspace.join(file)).unwrap().modified().unwrap()).collect()
    };
    let workspace = package::write(root.path(), &[folder.clone(), single("fn main() {}")]).unwrap();
    let before = times(&workspace);
    let manifest = fs::read_to_string(workspace.join("ch04/Cargo.toml")).unwrap();
    assert!(manifest.contains("clap = \"4\"\n") && !manifest.contains("debug"), "{manifest}");
    assert!(manifest.contains("path = \"src/mutant-ch04-log-forgets/main.rs\""), "{manifest}");
    package::write(root.path(), &[folder.clone(), single("fn main() {}")]).unwrap();
    assert_eq!(times(&workspace), before);
    package::write(root.path(), &[folder, single("fn main() { todo!() }")]).unwrap();
    let after = times(&workspace);
    assert!(after[0] > before[0]);
    assert_eq!(after[1..], before[1..]);
}

/// A filter that is a whole name means that program alone.
#[test]
fn a_whole_name_is_one_program() {
    for word in ["time_server", "ch03::time_server"] {
        assert!(is_program("ch03::time_server::closes_first", word), "{word}");
        assert!(is_program("ch03::time_server", word), "{word}");
        assert!(!is_program("ch03::daytime_server::closes_first", word), "{word}");
    }
    for word in ["server", "ch03", "ch03::", "closes_first", "ch04::time_server", ""] {
        assert!(!is_program("ch03::time_server::closes_first", word), "{word:?}");
    }
}
