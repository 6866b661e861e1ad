//! The subject's standard input, output and error.

use super::Scene;
use crate::console::{self, Kind};
use crate::failure::{Failure, Outcome};
use crate::output::Flow;
use crate::patience::{PATIENCE, Wait};
use std::time::Duration;

impl Scene {
    // ---- what the streams are; pipes, unless the check says otherwise before the subject is started ----

    /// The subject is at a terminal: what it says there is met by the same verbs. The terminal does not echo.
    pub fn at_a_terminal(&mut self) {
        self.journal.note("at a terminal");
        self.console.kind = Kind::Terminal;
    }

    /// The subject is at a terminal, and its standard output goes into a pipe: `program | less`.
    pub fn at_a_terminal_with_a_pipe(&mut self) {
        self.journal.note("at a terminal, with standard output into a pipe");
        self.console.kind = Kind::TerminalAndPipe;
    }

    /// Types Ctrl and a letter. At a terminal, Ctrl-C is a SIGINT for the subject (termios(3), VINTR).
    pub fn press_ctrl(&mut self, letter: char) -> Outcome {
        if self.console.kind == Kind::Pipes || !console::has_sessions() {
            return Err(Failure::new("a terminal of its own for the program (setsid(1))", "none"));
        }
        self.journal.note(format!("Ctrl-{} typed", letter.to_ascii_uppercase()));
        self.subject()?.press(letter.to_ascii_uppercase() as u8 & 0x1f)
    }

    /// From now on nobody reads the subject's standard output: the pipe fills up. A server has said where it listens by
    /// then; of another program, this may be asked before it is started.
    pub fn stall_output(&mut self) {
        self.journal.note("nobody reads standard output");
        self.set_flow(Flow::Stall);
    }

    /// Somebody reads it again.
    pub fn resume_output(&mut self) {
        self.journal.note("standard output is read again");
        self.set_flow(Flow::Read);
    }

    /// Who reads the subject's standard output has gone, as `head -1` goes after a line: the next write is an EPIPE.
    pub fn close_output(&mut self) {
        self.journal.note("who read standard output has gone");
        self.set_flow(Flow::Close);
    }

    fn set_flow(&mut self, flow: Flow) {
        match &self.subject {
            Some(subject) => subject.stdout.set_flow(flow),
            None => self.console.flow = flow,
        }
    }

    fn patience(&self) -> Wait {
        Wait::new(PATIENCE * 2, &self.queue)
    }

    // ---- typing and reading ----

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
        output.contains(text, self.patience()).map_err(|(rest, ended)| missing(text, "standard output", &rest, ended))
    }

    /// The next line of standard output.
    pub fn output_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stdout.clone();
        output.line(self.patience()).map_err(|(rest, ended)| missing("a line", "standard output", &rest, ended))
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
        let (got, state) = match output.line(self.patience()) {
            Ok(got) if got == line => return Ok(()),
            Ok(got) => (got, "on standard output"),
            Err((rest, true)) => (rest, "on standard output, then its end"),
            Err((rest, false)) => (rest, "on standard output, and nothing more came"),
        };
        Err(Failure::octets(line.as_bytes(), got.as_bytes(), state))
    }

    /// Waits until nothing more can come on standard output, so that a message shows all of it.
    pub fn let_output_end(&mut self) -> Outcome {
        self.subject()?.stdout.wait_for_end(PATIENCE);
        Ok(())
    }

    /// Waits for the end of standard output; what comes before it is too much.
    pub fn expect_output_end(&mut self) -> Outcome {
        let output = self.subject()?.stdout.clone();
        let got = match output.line(self.patience()) {
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
        output.contains(text, self.patience()).map_err(|(rest, ended)| missing(text, "standard error", &rest, ended))
    }

    /// The next line of standard error.
    pub fn error_line(&mut self) -> Outcome<String> {
        let output = self.subject()?.stderr.clone();
        output.line(self.patience()).map_err(|(rest, ended)| missing("a line", "standard error", &rest, ended))
    }
}

fn missing(text: &str, stream: &str, rest: &str, ended: bool) -> Failure {
    let last = rest.lines().last().unwrap_or_default();
    let state = if ended { "the program ended" } else { "nothing more came" };
    let got = if last.is_empty() { state.to_string() } else { format!("{last:?}, then {state}") };
    Failure::new(format!("{text:?} on {stream}"), got)
}
