//! The subject's standard input, output and error.

use super::Scene;
use crate::failure::{Failure, Outcome};
use crate::talk::PATIENCE;
use std::time::Duration;

impl Scene {
    /// Types a line on the subject's standard input.
    pub fn type_line(&mut self, line: &str) -> Outcome {
        self.subject()?.type_line(line)
    }

    /// Writes octets to the subject's standard input that need not be a line, or text.
    pub fn type_octets(&mut self, octets: &[u8]) -> Outcome {
        self.subject()?.type_octets(octets)
    }

    /// Ends the subject's standard input.
    pub fn end_input(&mut self) -> Outcome {
        self.subject()?.end_input();
        Ok(())
    }

    /// Waits for this text on standard output, after what was met before.
    pub fn expect_output(&mut self, text: &str) -> Outcome {
        let output = self.subject()?.stdout.clone();
        output.contains(text, PATIENCE * 2).map_err(|(rest, ended)| missing(text, "standard output", &rest, ended))
    }

    /// The next line of standard output.
    pub fn output_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stdout.clone();
        output.line(PATIENCE * 2).map_err(|(rest, ended)| missing("a line", "standard output", &rest, ended))
    }

    /// Waits for `time` and expects nothing on standard output.
    pub fn expect_no_output(&mut self, time: Duration) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let said = match output.line(time) {
            Ok(line) => line,
            Err((rest, _)) if rest.is_empty() => return Ok(()),
            Err((rest, _)) => rest,
        };
        Err(Failure::new("nothing on standard output", format!("{said:?}")))
    }

    /// Waits for the next line of standard output, which must be this one.
    pub fn expect_line(&mut self, line: &str) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let (got, state) = match output.line(PATIENCE * 2) {
            Ok(got) if got == line => return Ok(()),
            Ok(got) => (got, "on standard output"),
            Err((rest, true)) => (rest, "on standard output, then its end"),
            Err((rest, false)) => (rest, "on standard output, and nothing more came"),
        };
        Err(Failure::octets(line.as_bytes(), got.as_bytes(), state))
    }

    /// Waits for the end of standard output; what comes before it is too much.
    pub fn expect_output_end(&mut self) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let got = match output.line(PATIENCE * 2) {
            Err((_, true)) => return Ok(()),
            Ok(line) => format!("a line {line:?}"),
            Err((rest, false)) if rest.is_empty() => "it is still open".into(),
            Err((rest, false)) => format!("{rest:?}"),
        };
        Err(Failure::new("the end of standard output", got))
    }

    /// Waits for this text on standard error.
    pub fn expect_error(&mut self, text: &str) -> Outcome {
        let output = self.subject()?.stderr.clone();
        output.contains(text, PATIENCE * 2).map_err(|(rest, ended)| missing(text, "standard error", &rest, ended))
    }

    /// The next line of standard error.
    pub fn error_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stderr.clone();
        output.line(PATIENCE * 2).map_err(|(rest, ended)| missing("a line", "standard error", &rest, ended))
    }
}

fn missing(text: &str, stream: &str, rest: &str, ended: bool) -> Failure {
    let last = rest.lines().last().unwrap_or_default();
    let state = if ended { "the program ended" } else { "nothing more came" };
    let got = if last.is_empty() { state.to_string() } else { format!("{last:?}, then {state}") };
    Failure::new(format!("{text:?} on {stream}"), got)
}
