//! Further processes of the program, beside the subject: what one of them does when another one is there.

use super::{Scene, todo_step};
use crate::console::Console;
use crate::failure::{Failure, Outcome};
use crate::patience::PATIENCE;
use crate::subject::{Subject, describe};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Another process of the same program. It ends with this value.
pub struct Beside(Subject);

impl Scene {
    /// Starts the program once more, with these arguments alone.
    pub fn beside(&mut self, arguments: &[impl AsRef<OsStr>]) -> Outcome<Beside> {
        let shown: Vec<String> =
            arguments.iter().map(|a| a.as_ref().as_bytes().escape_ascii().to_string()).map(quoted).collect();
        self.journal.note(format!("beside it: {} {}", self.launch.name, shown.join(" ")));
        Subject::start_at(Console::default(), &self.launch, arguments, &self.journal).map(Beside)
    }
}

/// An argument that is empty, or has spaces in it, would not be seen as one.
fn quoted(argument: String) -> String {
    if argument.is_empty() || argument.contains(' ') { format!("\"{argument}\"") } else { argument }
}

impl Beside {
    /// Waits for its end, with this status.
    pub fn expect_exit(&mut self, code: i32) -> Outcome {
        let ended = self.0.exit(PATIENCE * 2);
        let status = self.told(ended)?;
        if status.code() == Some(code) {
            return Ok(());
        }
        let got = match self.errors().lines().last() {
            Some(line) => format!("{}; it said: {line}", describe(status)),
            None => describe(status),
        };
        self.told(Err(Failure::new(format!("exit status {code}"), got)))
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> Outcome<bool> {
        Ok(self.0.poll()?.is_some())
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) -> Outcome {
        self.0.signal(signal)
    }

    /// Waits until it is gone, whatever its status.
    pub fn expect_end(&mut self) -> Outcome {
        self.0.exit(PATIENCE * 2).map(drop)
    }

    /// Waits until it says where it listens, and returns the address.
    pub fn announced(&self) -> Outcome<String> {
        self.0.announced()
    }

    /// Waits for the next line on its standard output.
    pub fn line(&mut self) -> Outcome<String> {
        let line = self.0.stdout.line(PATIENCE * 2);
        let line = line.map_err(|(rest, _)| Failure::new("a line on standard output", format!("{rest:?}")));
        self.told(line)
    }

    /// What is left of its standard output.
    pub fn output(&self) -> String {
        self.0.stdout.rest()
    }

    /// All that it said on standard error.
    pub fn errors(&self) -> String {
        self.0.stderr.all()
    }

    /// Whatever went wrong may come of a step that is still to be written.
    fn told<T>(&self, outcome: Outcome<T>) -> Outcome<T> {
        outcome.map_err(|failure| Failure { todo: todo_step(&self.errors()), ..failure })
    }
}
