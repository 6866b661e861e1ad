//! The solution of `tftp_upload` and the clients of others: tftp-hpa, curl and atftp put their files. An exercise's solution is in no
//! package, so it is built here as the proof builds it.

use super::files::{Done, Folder, SIZES};
use crate::{Test, ends, says, start, theirs};
use netkata_kit::Failure;
use netkata_kit::package::{self, Sources};
use netkata_kit::subject::{Launch, Subject};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const TESTS: &[Test] = &[
    Test { name: "ch06::tftp_upload::tftp_hpa", needs: "tftp", run: || every_size(hpa) },
    Test { name: "ch06::tftp_upload::curl", needs: "curl", run: || every_size(curl) },
    Test { name: "ch06::tftp_upload::atftp", needs: "atftp", run: || every_size(atftp) },
    Test { name: "ch06::tftp_upload::a_name_that_is_taken", needs: "tftp curl atftp", run: taken },
    Test { name: "ch06::tftp_upload::a_file_that_is_too_large", needs: "curl", run: too_large },
];

type Put = fn(&str, &str, &str) -> Result<Subject, Failure>;

fn hpa(port: &str, file: &str, name: &str) -> Result<Subject, Failure> {
    theirs(&["tftp", "-m", "binary", "127.0.0.1", port, "-c", "put", file, name])
}

/// It asks for three options, and does without them.
fn curl(port: &str, file: &str, name: &str) -> Result<Subject, Failure> {
    theirs(&["curl", "-sS", "--max-time", "9", "-T", file, &format!("tftp://127.0.0.1:{port}/{name}")])
}

fn atftp(port: &str, file: &str, name: &str) -> Result<Subject, Failure> {
    theirs(&["atftp", "--put", "-l", file, "-r", name, "127.0.0.1", port])
}

fn every_size(put: Put) -> Done {
    let (from, inbox) = (Folder::with_files()?, Folder::empty()?);
    let (_server, port) = receiving(&inbox, &[])?;
    for size in SIZES {
        ends(&mut put(&port, &from.file(size), &Folder::name(size))?, 0)?;
        from.same(size, inbox.file(size))?;
    }
    Ok(())
}

/// 73: "File already exists (TFTP)" (curl(1)). tftp-hpa ends with 0 all the same.
fn taken() -> Done {
    let (from, inbox) = (Folder::with_files()?, Folder::empty()?);
    let (_server, port) = receiving(&inbox, &[])?;
    let (file, other, name) = (from.file(513), from.file(511), Folder::name(513));
    ends(&mut curl(&port, &file, &name)?, 0)?;
    ends(&mut curl(&port, &other, &name)?, 73)?;
    ends(&mut atftp(&port, &other, &name)?, 255)?;
    let mut client = hpa(&port, &other, &name)?;
    ends(&mut client, 0)?;
    says(&client, "Error code 6: ")?;
    from.same(513, inbox.file(513))
}

/// 70: "Out of disk space on TFTP server" (curl(1)).
fn too_large() -> Done {
    let (from, inbox) = (Folder::with_files()?, Folder::empty()?);
    let (_server, port) = receiving(&inbox, &["--limit", "64KiB"])?;
    ends(&mut curl(&port, &from.file(75_352), "large")?, 70)?;
    let left = std::fs::read_dir(inbox.path()).map_or(0, Iterator::count);
    if left > 0 {
        return Err(Failure::new("an empty folder", format!("{left} in it")));
    }
    Ok(())
}

/// The solution, on a free port; with its port.
fn receiving(inbox: &Folder, options: &[&str]) -> Result<(Subject, String), Failure> {
    let launch = Launch::binary("tftp_upload", solution()?);
    let server = start(&launch, &[&["127.0.0.1:0", "--root", inbox.path()], options].concat())?;
    let address = server.announced()?;
    let port = address.rsplit(':').next().unwrap_or_default().to_string();
    Ok((server, port))
}

/// Where the solution's binary is. It is built once.
fn solution() -> Result<PathBuf, Failure> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).clone().map_err(|why| Failure::new("the solution to build", why))
}

fn build() -> Result<PathBuf, String> {
    let (root, file) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("tests/solutions/ch06/tftp_upload.rs"));
    let text = std::fs::read_to_string(root.join(file)).map_err(|e| e.to_string())?;
    let binary = "interop-tftp_upload";
    let sources = Sources::single("ch06", binary.into(), file, text);
    let workspace = package::write(root, &[sources]).map_err(|e| e.to_string())?;
    // Beside the other binaries: their dependencies are built there already.
    let debug = Path::new(env!("CARGO_BIN_EXE_netkata")).parent().ok_or("no folder for binaries")?;
    let target = debug.parent().ok_or("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(workspace).args(["build", "--quiet", "--offline", "--bin", binary, "--target-dir"]).arg(target);
    let output = build.output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(debug.join(binary)) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}
