//! `tftp_server`: RFC 1350, and options by RFC 2347, 2348, 2349 and 7440.

#[path = "tftp_server/files.rs"]
mod files;
#[path = "tftp_server/lockstep.rs"]
mod lockstep;
#[path = "tftp_server/options.rs"]
mod options;
#[path = "tftp_server/ports.rs"]
mod ports;
#[path = "tftp_server/process.rs"]
mod process;
#[path = "tftp_server/requests.rs"]
mod requests;
#[path = "tftp_server/timing.rs"]
mod timing;
#[path = "tftp_server/windows.rs"]
mod windows;

use crate::checks::common;
use netkata_kit::prelude::*;

pub fn program() -> Program {
    let program = Program::finished(6, "tftp_server");
    let program = lockstep::checks(ports::first(program));
    let program = ports::more(requests::checks(program));
    let program = timing::checks(windows::checks(ports::last(options::checks(program))));
    let program = process::checks(files::checks(program));
    program
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .with(&["--payload", "/dev/null"])
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .with(&["--payload", "/dev/null"])
}

/// Starts the server with these octets for every name. It waits as long as `--timeout` says, and no less where ACKs come soon:
/// on a busy machine, the grader's may come late.
fn serve(s: &mut Scene, octets: &[u8], options: &[&str]) -> Outcome {
    serve_adaptively(s, octets, &[&["--min-timeout", "1h"], options].concat())
}

/// Starts the server with these octets for every name.
fn serve_adaptively(s: &mut Scene, octets: &[u8], options: &[&str]) -> Outcome {
    put(s, "payload.bin", octets)?;
    let path = s.file("payload.bin")?.display().to_string();
    s.start_with(&[&["--payload", path.as_str()], options].concat())
}

/// Starts the server with this folder of the scene's, which is made if need be.
fn serve_folder(s: &mut Scene, folder: &str, options: &[&str]) -> Outcome {
    let path = s.file(folder)?;
    std::fs::create_dir_all(&path).map_err(|e| unprepared(&e))?;
    let path = path.display().to_string();
    s.start_with(&[&["--root", path.as_str(), "--min-timeout", "1h"], options].concat())
}

/// A file of the scene's, with the folders that it needs.
fn put(s: &mut Scene, name: &str, octets: &[u8]) -> Outcome {
    let path = s.file(name)?;
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, octets)).map_err(|e| unprepared(&e))
}

fn unprepared(e: &std::io::Error) -> Failure {
    Failure::new("files to serve", netkata::error::cause_text(e))
}

/// A name that nobody has used before.
fn name(s: &mut Scene) -> String {
    format!("{}.txt", s.phrase().replace(' ', "_"))
}
