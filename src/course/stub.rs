//! Stubs are derived from the solutions, so that the two cannot drift apart.
//!
//! A solution marks what the learner is to write:
//!
//! ```text
//!     // step 1: read the four octets,
//!     // most significant first
//!     // stub: let _ = stream;
//!     …the answer…
//!     // end of step 1
//! ```
//!
//! The stub has, at that place and with that indentation, the `stub:` lines and then
//! `todo!("step 1: read the four octets, most significant first");`. What stands between `// solution only` and
//! `// end of solution only` is left out. A comment that follows the step's sentence directly belongs to it.

pub use super::todo::steps;
use super::todo::todo_lines;
use super::{Exercise, Kind, Result, predict};

/// The stub of an exercise.
///
/// # Errors
/// When the solution cannot be read, or its marks do not fit: names the file and the line.
pub fn of(exercise: &Exercise) -> Result<String> {
    let solution = exercise.solution_text()?;
    let derived = match exercise.kind {
        Kind::Build => derive(&solution),
        Kind::Predict => predict::derive(&solution),
    };
    derived.map_err(|e| format!("{}: {e}", exercise.solution.display()))
}

/// Whether the learner's file is still the stub. A file that is gone was touched.
///
/// # Errors
/// As [`of`], and when the file is there and cannot be read.
pub fn is_untouched(exercise: &Exercise) -> Result<bool> {
    let there = exercise.root.join(&exercise.file).exists();
    Ok(there && exercise.text()?.trim_end() == of(exercise)?.trim_end())
}

/// The steps still to do in a text of this exercise: number and sentence.
pub fn steps_of(exercise: &Exercise, text: &str) -> Vec<(usize, String)> {
    match exercise.kind {
        Kind::Build => steps(text),
        Kind::Predict => predict::steps(text),
    }
}

/// Turns a solution into its stub.
///
/// # Errors
/// `line 12: step 2 is not closed`: a region that is open at the end, stands in another, is closed by the wrong mark, or
/// is out of order.
pub fn derive(solution: &str) -> Result<String> {
    let mut d = Derivation::default();
    for (i, line) in solution.lines().enumerate() {
        d.line(i + 1, line).map_err(|e| format!("line {}: {e}", i + 1))?;
    }
    match d.open {
        Open::Nothing => Ok(d.finish()),
        Open::Step(step) => Err(format!("line {}: step {} is not closed", step.line, d.steps)),
        Open::SolutionOnly(line) => Err(format!("line {line}: `// solution only` is not closed")),
    }
}

#[derive(Default)]
struct Derivation {
    out: Vec<String>,
    open: Open,
    /// Steps opened so far.
    steps: usize,
    /// Lines were left out just before.
    seam: bool,
}

#[derive(Default)]
enum Open {
    #[default]
    Nothing,
    Step(Step),
    /// And the line it was opened on.
    SolutionOnly(usize),
}

struct Step {
    line: usize,
    indent: String,
    sentence: String,
    /// The sentence may go on.
    heading: bool,
    placeholders: Vec<String>,
}

enum Mark<'a> {
    Step(&'a str, &'a str),
    EndOfStep(&'a str),
    Placeholder(&'a str),
    SolutionOnly,
    EndOfSolutionOnly,
    Comment(&'a str),
    None,
}

fn mark(line: &str) -> Mark<'_> {
    let Some(comment) = line.trim().strip_prefix("// ") else { return Mark::None };
    let comment = comment.trim();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((number, sentence)) = comment.strip_prefix("step ").and_then(|rest| rest.split_once(':'))
        && digits(number)
    {
        return Mark::Step(number, sentence.trim());
    }
    match comment {
        "solution only" => Mark::SolutionOnly,
        "end of solution only" => Mark::EndOfSolutionOnly,
        _ => match (comment.strip_prefix("end of step "), comment.strip_prefix("stub:")) {
            (Some(number), _) if digits(number.trim()) => Mark::EndOfStep(number.trim()),
            (_, Some(code)) => Mark::Placeholder(code.trim()),
            _ => Mark::Comment(comment),
        },
    }
}

impl Step {
    fn placeholder(&mut self, code: &str) {
        self.heading = false;
        self.placeholders.push(code.to_string());
    }

    fn go_on(&mut self, more: &str) {
        self.sentence.push(' ');
        self.sentence.push_str(more);
    }
}

impl Derivation {
    fn line(&mut self, number: usize, line: &str) -> Result<()> {
        match (mark(line), &mut self.open) {
            (Mark::Step(n, sentence), Open::Nothing) => return self.open_step(number, line, n, sentence),
            (Mark::SolutionOnly, Open::Nothing) => self.open = Open::SolutionOnly(number),
            (Mark::EndOfStep(n), Open::Step(_)) if n == self.steps.to_string() => self.close_step(),
            (Mark::EndOfSolutionOnly, Open::SolutionOnly(_)) => {
                self.open = Open::Nothing;
                self.seam = true;
            }
            (Mark::Step(n, _), _) => return Err(format!("step {n} begins inside {}", self.name())),
            (Mark::SolutionOnly, _) => return Err(format!("`// solution only` begins inside {}", self.name())),
            (Mark::EndOfStep(n), _) => return Err(format!("`// end of step {n}` inside {}", self.name())),
            (Mark::EndOfSolutionOnly, _) => return Err(format!("`// end of solution only` inside {}", self.name())),
            (Mark::Placeholder(code), Open::Step(step)) => step.placeholder(code),
            (Mark::Placeholder(_), _) => return Err("`// stub:` outside a step".to_string()),
            (Mark::Comment(more), Open::Step(step)) if step.heading => step.go_on(more),
            (_, Open::Step(step)) => step.heading = false,
            (_, Open::SolutionOnly(_)) => {}
            (_, Open::Nothing) => self.emit(line),
        }
        Ok(())
    }

    fn open_step(&mut self, number: usize, line: &str, n: &str, sentence: &str) -> Result<()> {
        self.steps += 1;
        if n != self.steps.to_string() {
            return Err(format!("step {n} where step {} should come", self.steps));
        }
        if sentence.is_empty() {
            return Err(format!("step {n} has no sentence"));
        }
        let indent = line[..line.len() - line.trim_start().len()].to_string();
        let sentence = sentence.to_string();
        self.open = Open::Step(Step { line: number, indent, sentence, heading: true, placeholders: Vec::new() });
        Ok(())
    }

    fn name(&self) -> String {
        match self.open {
            Open::Nothing => "no region".to_string(),
            Open::Step(_) => format!("step {}", self.steps),
            Open::SolutionOnly(_) => "`// solution only`".to_string(),
        }
    }

    fn close_step(&mut self) {
        if let Open::Step(step) = std::mem::take(&mut self.open) {
            for code in &step.placeholders {
                self.emit(&format!("{}{code}", step.indent));
            }
            for line in todo_lines(&step.indent, &format!("step {}: {}", self.steps, step.sentence)) {
                self.emit(&line);
            }
        }
    }

    /// Where lines were left out, two empty lines may meet, or one may stand before a `}`. rustfmt wants neither.
    fn emit(&mut self, line: &str) {
        if self.seam {
            let last = self.out.last().map_or("", |l| l.trim());
            if line.trim().is_empty() && (last.is_empty() || last.ends_with('{')) {
                return;
            }
            if line.trim_start().starts_with('}') && last.is_empty() {
                self.out.pop();
            }
            self.seam = false;
        }
        self.out.push(line.to_string());
    }

    fn finish(mut self) -> String {
        while self.out.last().is_some_and(|line| line.trim().is_empty()) {
            self.out.pop();
        }
        self.out.push(String::new());
        self.out.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::todo::tests::rustfmt_agrees;

    const SOLUTION: &str = r#"//! Tells how high the tide stands.

use std::net::TcpStream;
// solution only
use std::io::Read;
// end of solution only

fn main() {
    let height = height(None);
    println!("{height}");
}

fn height(stream: Option<TcpStream>) -> u32 {
    // step 1: read the four octets,
    // "most significant" first \ {always}
    // stub: let _ = stream;
    // A comment of the answer.
    let mut octets = [0; 4];
    helper(stream, &mut octets);
    u32::from_be_bytes(octets)
    // end of step 1
}

// solution only
fn helper(_: Option<TcpStream>, _: &mut [u8]) {}
// end of solution only

fn last() {
    // step 2: close
    drop(());
    // end of step 2
}
"#;

    const STUB: &str = r#"//! Tells how high the tide stands.

use std::net::TcpStream;

fn main() {
    let height = height(None);
    println!("{height}");
}

fn height(stream: Option<TcpStream>) -> u32 {
    let _ = stream;
    todo!("step 1: read the four octets, \"most significant\" first \\ {{always}}");
}

fn last() {
    todo!("step 2: close");
}
"#;

    #[test]
    fn each_step_becomes_its_todo() {
        assert_eq!(derive(SOLUTION).as_deref(), Ok(STUB));
        let told = "read the four octets, \"most significant\" first \\ {always}";
        assert_eq!(steps(STUB), [(1, told.to_string()), (2, "close".to_string())]);
        assert_eq!(steps(SOLUTION), []);
        rustfmt_agrees(STUB);
    }

    /// Whoever writes a solution is told the line.
    #[test]
    fn marks_that_do_not_fit_are_named_by_line() {
        for (solution, error) in [
            ("fn f() {\n// step 1: a\n}\n", "line 2: step 1 is not closed"),
            ("// step 1: a\n// step 2: b\n", "line 2: step 2 begins inside step 1"),
            ("// step 2: a\n", "line 1: step 2 where step 1 should come"),
            ("// step 1: a\n// end of step 1\n\n// step 1: b\n", "line 4: step 1 where step 2 should come"),
            ("// step 1: a\n// end of step 2\n", "line 2: `// end of step 2` inside step 1"),
            ("\n// end of step 1\n", "line 2: `// end of step 1` inside no region"),
            ("// step 1:\n", "line 1: step 1 has no sentence"),
            ("// solution only\n", "line 1: `// solution only` is not closed"),
            ("// solution only\n// step 1: a\n", "line 2: step 1 begins inside `// solution only`"),
            ("// step 1: a\n// solution only\n", "line 2: `// solution only` begins inside step 1"),
            ("// end of solution only\n", "line 1: `// end of solution only` inside no region"),
            ("// stub: x\n", "line 1: `// stub:` outside a step"),
        ] {
            assert_eq!(derive(solution), Err(error.to_string()), "{solution}");
        }
    }

    /// Words such as these in an ordinary comment are not marks.
    #[test]
    fn ordinary_comments_stay() {
        for line in ["// step by step: slowly", "// end of step one", "/// step 1: in the docs", "// the stub: none"] {
            assert_eq!(derive(line), Ok(format!("{line}\n")), "{line}");
        }
    }
}
