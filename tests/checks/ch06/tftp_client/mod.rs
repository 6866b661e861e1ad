//! `tftp_client`: asks, receives, acknowledges, and keeps the file.

mod asking;
mod blocks;
mod ending;
mod keeping;
mod losses;
mod options;
mod strangers;
mod timing;
mod windows;

use netkata_kit::prelude::*;
use std::path::PathBuf;

pub fn program() -> Program {
    let program = Program::finished(6, "tftp_client");
    let program = asking::checks(program);
    let program = blocks::checks(program);
    let program = strangers::checks(program);
    let program = losses::checks(program);
    let program = ending::checks(program);
    let program = options::checks(program);
    let program = windows::checks(program);
    let program = timing::checks(program);
    keeping::checks(program)
}

/// Octets in a block of RFC 1350.
const BLOCK: usize = 512;

/// A file that is asked for: its name, and the server that is asked.
struct Wanted {
    name: String,
    server: TftpServer,
}

/// A name that is different each time.
fn file_name(s: &mut Scene) -> String {
    format!("tides-{}.txt", s.rng.u16(100..1000))
}

/// Starts the client inside the scene's folder, with these options, and plays the server. The client waits as long as
/// `--timeout` says, and no less where blocks come soon: on a busy machine, the grader's may come late.
fn get(s: &mut Scene, options: &[&str]) -> Outcome<Wanted> {
    get_adaptively(s, &[options, &["--min-timeout", "1h"]].concat())
}

/// Starts the client inside the scene's folder, with these options, and plays the server.
fn get_adaptively(s: &mut Scene, options: &[&str]) -> Outcome<Wanted> {
    s.inside_its_folder();
    let (name, server) = (file_name(s), s.tftp_server()?);
    s.run_unseen(&[&[format!("{server}/{name}").as_str()], options].concat())?;
    Ok(Wanted { name, server })
}

/// As [`get`], up to the request.
fn asked(s: &mut Scene, options: &[&str]) -> Outcome<(Wanted, Transfer)> {
    let mut wanted = get(s, options)?;
    let transfer = wanted.server.request()?;
    Ok((wanted, transfer))
}

/// The file under its own name, with these octets.
fn expect_file(s: &mut Scene, name: &str, octets: &[u8]) -> Outcome {
    let got = s.contents(name)?;
    if got == octets { Ok(()) } else { Err(Failure::octets(octets, &got, format!("in the file {name}"))) }
}

/// The client ends well, and the file is there.
fn expect_kept(s: &mut Scene, name: &str, octets: &[u8]) -> Outcome {
    s.expect_exit(0, Duration::from_secs(5))?;
    expect_file(s, name, octets)
}

/// The names in the scene's folder.
fn names(s: &mut Scene) -> Outcome<Vec<String>> {
    let folder: PathBuf = s.folder()?;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// Nothing is left in the folder.
fn expect_nothing_kept(s: &mut Scene) -> Outcome {
    let left = names(s)?.len();
    match left {
        0 => Ok(()),
        n => Err(Failure::new("an empty folder", netkata::human::count(n, "file"))),
    }
}
