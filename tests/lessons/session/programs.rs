//! From a command as it is shown to a command as it is run.

use super::script::{Action, Script};
use crate::SelfCheck;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What the shell itself, or cargo, answers.
const BUILT_IN: [&str; 23] = [
    ":", "[", "cargo", "case", "cd", "done", "echo", "esac", "exec", "exit", "export", "false", "fi", "for", "kill",
    "printf", "read", "set", "test", "true", "ulimit", "umask", "wait",
];
/// After these words of the shell, a command starts.
const LEADING: [&str; 10] = ["!", "{", "(", "do", "elif", "else", "if", "then", "until", "while"];

/// The programs that a script needs and that are not here.
pub fn missing(script: &Script) -> Vec<String> {
    let mut needed: BTreeSet<&str> = script.needs.iter().map(String::as_str).collect();
    for step in &script.steps {
        if let Action::Command(command) = &step.action {
            needed.extend(commands(command));
        }
    }
    let here = |name: &str| BUILT_IN.contains(&name) || find(name).is_some();
    needed.into_iter().filter(|name| !here(name)).map(str::to_string).collect()
}

/// The first word of each command in a line for the shell. Quoted text is an argument, whatever stands in it.
fn commands(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut quote, mut expected, mut start) = (None, true, None);
    for (at, c) in line.char_indices().chain([(line.len(), ';')]) {
        let separator = quote.is_none() && matches!(c, '|' | ';' | '&' | '(' | ')' | '\n');
        if quote.is_none() && c.is_whitespace() || separator {
            if let Some(word) = start.take().map(|start| &line[start..at])
                && expected
                && !LEADING.contains(&word)
            {
                // NAME=value before a command is for its environment.
                expected = word.contains('=') && !word.starts_with(['\'', '"']);
                if !expected && word != "}" {
                    found.push(word);
                }
            }
            expected |= separator;
        } else {
            start = start.or(Some(at));
            match quote {
                Some(open) if open == c => quote = None,
                None if matches!(c, '\'' | '"') => quote = Some(c),
                _ => {}
            }
        }
    }
    found
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
            "--bin" => {
                let end = tail.find(|c: char| c.is_whitespace() || ";|&)".contains(c)).unwrap_or(tail.len());
                (name, rest) = (&tail[..end], tail[end..].trim_start());
            }
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
pub fn is_plain(line: &str) -> bool {
    matches!(commands(line)[..], [one] if !BUILT_IN.contains(&one) && line.starts_with(one))
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("commands_are_found", || {
        for (line, first_words) in [
            ("nc -N 127.0.0.1 7007", &["nc"][..]),
            ("until cargo run -q | grep -q FIN; do :; done", &["cargo", "grep", ":", "done"]),
            ("python3 -c 'import socket; s = f(1); s.close()'", &["python3"]),
            ("LC_ALL=C sort <ships.txt & wait", &["sort", "wait"]),
            ("(printf a; echo \"b | c\") | nc -l 7008", &["printf", "echo", "nc"]),
        ] {
            assert_eq!(commands(line), first_words, "{line}");
        }
        assert!(is_plain("python3 -c 'a; b'") && !is_plain("echo a") && !is_plain("A=1 nc") && !is_plain("nc | cat"));
    }),
    ("cargo_run_becomes_the_program", || {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("dial"), "").unwrap();
        let dial = shell_word(&folder.path().join("dial"));
        for (line, first, run) in [
            ("cargo run -q --bin dial -- :1 --demo", None, "DIAL :1 --demo"),
            ("cargo run --bin dial", Some(":0"), "DIAL :0"),
            (
                "while cargo run -q --bin dial; do cargo run -q --bin dial -- x; done",
                None,
                "while DIAL ; do DIAL x; done",
            ),
        ] {
            assert_eq!(built(line, folder.path(), first), Ok(run.replace("DIAL", &dial)), "{line}");
        }
        assert!(built("cargo run --bin gone", folder.path(), None).unwrap_err().contains("no program gone"));
        assert!(built("cargo run -p lessons --bin dial", folder.path(), None).unwrap_err().contains("only programs"));
    }),
];
