//! From a command as it is shown to a command as it is run.

use super::script::{Action, Script};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words at the start of a command that the shell itself, or cargo, answers.
const BUILT_IN: [&str; 16] = [
    "cargo", "cd", "echo", "exec", "exit", "export", "false", "kill", "printf", "read", "set", "test", "true",
    "ulimit", "umask", "wait",
];

/// The programs that a script needs and that are not here.
pub fn missing(script: &Script) -> Vec<String> {
    let mut needed: BTreeSet<&str> = script.needs.iter().map(String::as_str).collect();
    for step in &script.steps {
        if let Action::Command(command) = &step.action {
            let parts = command.split(['|', ';', '&', '(', '\n']);
            needed.extend(parts.filter_map(|p| p.split_whitespace().find(|w| !w.contains('='))));
        }
    }
    needed.into_iter().filter(|name| !BUILT_IN.contains(name) && find(name).is_none()).map(str::to_string).collect()
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
