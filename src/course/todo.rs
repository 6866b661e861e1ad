//! The `todo!("step N: …")` of a stub: written, and read back.

/// rustfmt's `max_width` in this checkout.
const WIDTH: usize = 120;

/// The `todo!`, as rustfmt lays it out: on one line, else with its text on a line of its own, else with the text broken
/// by a backslash (a string that rustfmt cannot fit, it leaves alone).
pub(super) fn todo_lines(indent: &str, text: &str) -> Vec<String> {
    let literal = text.replace('\\', "\\\\").replace('"', "\\\"").replace('{', "{{").replace('}', "}}");
    let one = format!("{indent}todo!(\"{literal}\");");
    if one.chars().count() <= WIDTH {
        return vec![one];
    }
    let inner = format!("{indent}    ");
    let mut lines = vec![format!("{indent}todo!(")];
    let mut line = format!("{inner}\"");
    for word in literal.split(' ') {
        // Room for the word and what may follow it: ` \` or `"`.
        if line.chars().count() + word.chars().count() + 2 > WIDTH && !line.ends_with('"') {
            lines.push(format!("{line}\\"));
            line = format!("{inner} ");
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push(format!("{}\"", line.trim_end()));
    lines.push(format!("{indent});"));
    lines
}

/// The `todo!("step N: …")` that are still in a program, in order: number and sentence.
pub fn steps(text: &str) -> Vec<(usize, String)> {
    let mut steps = Vec::new();
    for (at, _) in text.match_indices("todo!(") {
        let line = &text[text[..at].rfind('\n').map_or(0, |n| n + 1)..at];
        if line.trim_start().starts_with("//") {
            continue;
        }
        let argument = text[at + "todo!(".len()..].trim_start();
        let found = string_literal(argument).and_then(|said| {
            let (number, sentence) = said.strip_prefix("step ")?.split_once(':')?;
            Some((number.trim().parse().ok()?, sentence.trim().to_string()))
        });
        steps.extend(found);
    }
    steps
}

/// The value of the string literal that `code` starts with, as `todo!` prints it.
fn string_literal(code: &str) -> Option<String> {
    let mut said = String::new();
    let mut chars = code.strip_prefix('"')?.chars().peekable();
    loop {
        match chars.next()? {
            '"' => return Some(said.replace("{{", "{").replace("}}", "}")),
            '\\' => match chars.next()? {
                '\n' => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                'n' => said.push('\n'),
                other => said.push(other),
            },
            c => said.push(c),
        }
    }
}

#[cfg(test)]
pub(in crate::course) mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn only_code_counts() {
        assert_eq!(steps("    todo!(\n  \"step 3: ebb \\\n     away\"\n);"), [(3, "ebb away".to_string())]);
        for text in
            ["// todo!(\"step 1: in a comment\")", "todo!(\"step 1: never closed", "todo!()", "todo!(\"later\")"]
        {
            assert_eq!(steps(text), [], "{text}");
        }
    }

    /// Sentences of every length: no line is too long, the sentence comes back whole, and rustfmt changes nothing.
    #[test]
    fn long_sentences_are_wrapped_as_rustfmt_likes() {
        let mut all = String::from("//! Every length.\n");
        for words in 1..60 {
            let sentence = "octet ".repeat(words) + "…";
            let solution = format!("fn f{words}() {{\n    // step 1: {sentence}\n    // end of step 1\n}}\n");
            let stub = crate::course::stub::derive(&solution).expect("derive");
            assert!(stub.lines().all(|l| l.chars().count() <= WIDTH), "{stub}");
            assert_eq!(steps(&stub), [(1, sentence)], "{stub}");
            all.push_str(&format!("\n{stub}"));
        }
        rustfmt_agrees(&all);
    }

    /// Where rustfmt is not installed, there is nothing to compare with.
    pub(in crate::course) fn rustfmt_agrees(text: &str) {
        let mut command = Command::new("rustfmt");
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/rustfmt.toml");
        command.args(["--check", "--edition", "2024", "--config-path", config]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let Ok(mut rustfmt) = command.spawn() else { return };
        rustfmt.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("write");
        let done = rustfmt.wait_with_output().expect("wait");
        assert!(
            done.status.success(),
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
