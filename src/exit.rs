//! How a program ends: 0 when all went well, 1 with `error: …` on standard error when it did not. Bad usage is 2, and
//! clap sees to that.

use crate::error::{Attempt, Result};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Runs `main`'s work and turns its result into an exit status.
pub fn run<E: Display>(work: impl FnOnce() -> std::result::Result<(), E>) -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            complain(&e);
            ExitCode::FAILURE
        }
    }
}

/// Prints `error: …` on standard error. A closed standard error is no reason to panic.
pub fn complain(e: impl Display) {
    let _ = writeln!(std::io::stderr(), "error: {e}");
}

/// Writes a line to standard error, with the program's name in front, as a server's log does.
pub fn log(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a line on standard output, at once. A reader that has left (`| head -1`) is an error like any other, where
/// `println!` would panic.
///
/// # Errors
/// `write standard output: broken pipe`
pub fn say(line: impl Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).attempt("write", "standard output")
}
