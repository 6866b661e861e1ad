//! From a command as it is shown to a command as it is run.

use super::script::{Action, Script};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words at the start of a command that the shell itself, or cargo, answers.
const BUILT_IN: [&str; 17] = [
    ":", "cargo", "cd", "echo", "exec", "exit", "export", "false", "kill", "printf", "read", "set", "test", "true",
    "ulimit", "umask", "wait",
];

/// Words of the shell's grammar that may stand before a command.
const KEYWORDS: [&str; 9] = ["until", "while", "for", "if", "then", "else", "do", "done", "fi"];

/// The programs that a script needs and that are not here.
pub fn missing(script: &Script) -> Vec<String> {
    let mut needed: BTreeSet<&str> = script.needs.iter().map(String::as_str).collect();
    for step in &script.steps {
        if let Action::Command(command) = &step.action {
            needed.extend(simple_commands(command).into_iter().filter_map(first_word));
        }
    }
    needed.into_iter().filter(|name| !BUILT_IN.contains(name) && find(name).is_none()).map(str::to_string).collect()
}

/// What stands between pipes, semicolons and the like, outside quotes.
fn simple_commands(command: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, c) in command.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '|' | ';' | '&' | '(' | '\n') => {
                parts.push(&command[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&command[start..]);
    parts
}

/// The program of a simple command, after settings of variables and the shell's own words.
fn first_word(command: &str) -> Option<&str> {
    command.split_whitespace().find(|w| !w.contains('=') && !KEYWORDS.contains(w))
}

fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| p.is_file());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Puts the built program in the place of each `cargo run … --bin NAME [--]`, and `first_argument` right after it.
/// Cargo has built them all before this test, and would only wait for its own lock.
///
/// # Errors
/// Names a program that is not there, or an option of `cargo run` that would have another effect.
pub fn built(command: &str, programs: &Path, first_argument: Option<&str>) -> Result<String, String> {
    let Some((before, after)) = command.split_once("cargo run") else { return Ok(command.to_string()) };
    let (mut name, mut rest) = ("netkata", after.trim_start());
    loop {
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        let tail = tail.trim_start();
        match word {
            "-q" | "--quiet" | "--release" => rest = tail,
            "--bin" => (name, rest) = tail.split_once(' ').unwrap_or((tail, "")),
            "--" => {
                rest = tail;
                break;
            }
            "-p" | "--package" | "--example" => {
                return Err(format!("cargo run {word}: only programs of bin/ are built"));
            }
            _ => break,
        }
    }
    let path = programs.join(name);
    if !path.is_file() {
        return Err(format!("there is no program {name} (looked for {})", path.display()));
    }
    let words = [Some(shell_word(&path)), first_argument.map(str::to_string), Some(rest.trim().to_string())];
    let words: Vec<String> = words.into_iter().flatten().filter(|w| !w.is_empty()).collect();
    Ok(format!("{before}{}", built(&words.join(" "), programs, None)?))
}

fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Whether a shell has nothing to do but to start one program.
pub fn is_plain(command: &str) -> bool {
    !command.contains(['|', ';', '&', '(', '\n', '`']) && !BUILT_IN.iter().any(|b| command.split(' ').next() == Some(b))
}
