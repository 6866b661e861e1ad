//! `cargo run grade`: the grader, asked for one thing or for everything.

use crate::screen;
use netkata::course::{Catalogue, Result};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// Grades `what`, with the grader's output passed through. Its exit status is ours.
pub(crate) fn run(catalogue: &Catalogue, what: Option<&str>) -> Result<ExitCode> {
    let filter = match what {
        None => None,
        Some(what) => Some(filter(catalogue, what)?),
    };
    let status = grader(&catalogue.root, filter.as_deref(), Output::Through)?;
    Ok(ExitCode::from(code(status)))
}

/// What to call the checks by. A word that the catalogue does not know may still be a part of a check's name.
fn filter(catalogue: &Catalogue, what: &str) -> Result<String> {
    if let Some(filter) = catalogue.filter(what) {
        return Ok(filter);
    }
    let listed = cargo(&catalogue.root)
        .args(["test", "--quiet", "--test", "grade", "--", "--list", what])
        .stderr(Stdio::inherit())
        .output()
        .map_err(cannot_start)?;
    let known = String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.ends_with(": test"));
    match (known || !listed.status.success(), catalogue.suggestion(what)) {
        (true, _) => Ok(what.to_string()),
        (false, Some(name)) => Err(format!("no check is called {what:?}: did you mean {name}?")),
        (false, None) => Err(format!("no check is called {what:?}: `cargo run list` shows what can be graded")),
    }
}

/// Where the grader's words go.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    /// To the person, as they come.
    Through,
    /// To standard error: standard output is for the report.
    Aside,
}

/// Runs the grader and waits for it.
pub(crate) fn grader(root: &Path, filter: Option<&str>, output: Output) -> Result<ExitStatus> {
    let mut command = cargo(root);
    command.args(["test", "--test", "grade"]);
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    if let Output::Aside = output {
        let aside = std::io::stderr().as_fd().try_clone_to_owned();
        command.stdout(aside.map_err(|e| format!("open standard error: {}", netkata::error::cause_text(&e)))?);
    }
    // What was printed so far stands above what the grader prints.
    screen::show_line(format_args!("{}", screen::command(line(&command))), output)?;
    command.status().map_err(cannot_start)
}

/// The cargo that started us, so that a toolchain chosen on the command line (`cargo +1.95 run`) is kept.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// `cargo test --test grade -- ch03::time_server`
fn line(command: &Command) -> String {
    let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    format!("cargo {}", args.join(" "))
}

fn cannot_start(e: std::io::Error) -> String {
    format!("start cargo: {}", netkata::error::cause_text(&e))
}

/// As a shell has it: the exit status, or 128 and the signal.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let number = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(number).unwrap_or(1)
}
