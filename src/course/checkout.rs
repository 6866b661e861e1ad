//! Where the checkout is.

use super::Result;
use std::env;
use std::path::{Path, PathBuf};

/// The folder of the checkout: the package `netkata`, looked for upwards from where cargo says the package is
/// (`CARGO_MANIFEST_DIR`, which `cargo run` and `cargo test` set), else from the current folder.
///
/// # Errors
/// When neither leads to a `Cargo.toml` of the package `netkata`.
pub fn root() -> Result<PathBuf> {
    let by_cargo = env::var_os("CARGO_MANIFEST_DIR").and_then(|folder| find_from(Path::new(&folder)));
    if let Some(root) = by_cargo {
        return Ok(root);
    }
    let here = env::current_dir().map_err(|e| format!("find the current folder: {}", crate::error::cause_text(&e)))?;
    find_from(&here)
        .ok_or_else(|| format!("{} is not inside a netkata checkout: go to the folder you cloned", here.display()))
}

/// The nearest folder at or above `folder` that holds the package `netkata`.
pub fn find_from(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|f| {
            std::fs::read_to_string(f.join("Cargo.toml")).is_ok_and(|text| package_name(&text) == Some("netkata"))
        })
        .map(Path::to_path_buf)
}

/// The `name` of a manifest's `[package]` table; other tables have names as well.
fn package_name(manifest: &str) -> Option<&str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[package]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            line.strip_prefix("name")?.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.split('"').next()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root is found from a folder deep inside; the manifest of a member on the way does not count.
    #[test]
    fn found_from_below() {
        let dir = tempfile::tempdir().expect("tempdir");
        let deep = dir.path().join("lessons/03-x");
        std::fs::create_dir_all(&deep).expect("mkdir");
        assert_eq!(find_from(&deep), None);
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"netkata\"\n").expect("write");
        let member = "[package]\nname = \"lessons\"\n[[bin]]\nname = \"netkata\"\n";
        std::fs::write(dir.path().join("lessons/Cargo.toml"), member).expect("write");
        assert_eq!(find_from(&deep).as_deref(), Some(dir.path()));
    }
}
