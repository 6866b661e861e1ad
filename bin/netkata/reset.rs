//! `cargo run reset`: the stub again, and nothing lost.

use crate::screen::{command, show as print};
use netkata::course::{Catalogue, Exercise, Result, state, stub};
use netkata::error::cause_text;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) fn reset(catalogue: &Catalogue, what: &str) -> Result<()> {
    let exercise = catalogue.exercise(what)?;
    let stub = stub::of(exercise)?;
    let root = &catalogue.root;
    let file = root.join(&exercise.file);
    // The octets as they are: what is kept must not depend on its being text.
    let old = match fs::read(&file) {
        Ok(old) => Some(old),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(format!("read {}: {}", file.display(), cause_text(&e))),
    };
    let kept = match old.filter(|old| *old != stub.as_bytes()) {
        Some(old) => Some(keep(root, exercise, &old)?),
        None => None,
    };
    fs::write(&file, stub).map_err(|e| format!("write {}: {}", file.display(), cause_text(&e)))?;
    state::update(root, |state| state.verdicts.remove(&exercise.id()))?;
    if let Some(backup) = kept {
        print(format_args!("What you had is kept in {}.", backup.display()))?;
    }
    let grade = format!("cargo run grade {}", catalogue.short(exercise));
    print(format_args!("{} is the stub again. Then: {}", exercise.file.display(), command(grade)))
}

/// Writes the old text under `target/netkata/backup`, to a name that is not taken.
fn keep(root: &Path, exercise: &Exercise, old: &[u8]) -> Result<PathBuf> {
    let folder = Path::new("target/netkata/backup");
    let fail = |path: &Path, e: io::Error| format!("write {}: {}", path.display(), cause_text(&e));
    fs::create_dir_all(root.join(folder)).map_err(|e| fail(folder, e))?;
    let extension = exercise.file.extension().and_then(|e| e.to_str()).unwrap_or("txt");
    // Two resets within a second would have the same name.
    let mut when = state::now();
    loop {
        let path = folder.join(format!("{}-{when}.{extension}", exercise.name));
        match File::create_new(root.join(&path)) {
            Ok(mut file) => {
                file.write_all(old).and_then(|()| file.sync_all()).map_err(|e| fail(&path, e))?;
                return Ok(path);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => when += 1,
            Err(e) => return Err(fail(&path, e)),
        }
    }
}
