//! The lines of a session's script.
//!
//! | line | meaning |
//! |---|---|
//! | `server$ cargo run -q --bin echo_server` | types a command; the terminal is opened when it is first named |
//! | `server> listening on tcp://127.0.0.1:7007` | waits for this line of output; `*` stands for anything |
//! | `client? ship>` | waits for this prompt: output that is not, or not yet, a whole line |
//! | `client< ahoy` | types a line |
//! | `client eof` | types Ctrl-D |
//! | `server signal INT` | types Ctrl-C (`INT`), or sends `TERM`, `KILL` … from somewhere else |
//! | `client exit 0` | waits for the end, with this status, or by a signal: `exit INT` |
//! | `peer listens 7008` | waits until a program that announces nothing (`nc -l`) listens on this port |
//! | `client reaches FIN_WAIT_2 7001` | waits until a socket of this port is in this state |
//! | `# …` | a comment |
//!
//! Every command must have its `exit`: a reader wants to know how to get out as well.
//!
//! Settings, before the first of these: `hidden` (no transcripts, only for pictures and dumps), `folder: temp` (run in an
//! empty folder instead of the checkout), `needs: tshark` (beside the first words of the commands), `deadline: 90s`
//! (for all; 60 seconds otherwise), `free: 7099` (this number stands for a port on which nobody listens), and `mask:`
//! (see [`super::normalise`]). `untapped: server` leaves the servers of this terminal out of pictures and dumps, and
//! `untapped` all of them: for those that ask who their peer is, or take descriptors, which a relay would change.

use super::normalise::{Mask, after_an_address};
use super::ports::replace_numbers;
use crate::SelfCheck;
use netkata::addr::split_host_port;
use netkata::human;
use nix::sys::signal::Signal;
use std::time::Duration;

/// The longest line that is typed: a terminal's queue takes 4095 octets.
const LONGEST: usize = 1000;

#[derive(Debug)]
pub struct Script {
    pub hidden: bool,
    pub temp: bool,
    pub needs: Vec<String>,
    pub deadline: Duration,
    pub free: Vec<u16>,
    pub masks: Vec<Mask>,
    pub untapped: Untapped,
    pub steps: Vec<Step>,
}

/// The servers that no relay is put in front of.
#[derive(Debug, Default)]
pub struct Untapped {
    all: bool,
    terminals: Vec<String>,
}

impl Untapped {
    pub fn has(&self, terminal: &str) -> bool {
        self.all || self.terminals.iter().any(|t| t == terminal)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// In the page.
    pub line: usize,
    /// As it is written there.
    pub text: String,
    pub terminal: String,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Command(String),
    WaitLine(String),
    WaitPrompt(String),
    Type(String),
    Eof,
    Signal(Signal),
    Exit(Exit),
    Listens(u16),
    Reaches(String, u16),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exit {
    Code(i32),
    Signal(Signal),
}

/// Reads a script whose first line is line `first` of the page.
///
/// # Errors
/// Names the line and what is wrong with it.
pub fn parse(lines: &[String], first: usize) -> Result<Script, String> {
    let mut script = Script {
        hidden: false,
        temp: false,
        needs: Vec::new(),
        deadline: Duration::from_secs(60),
        free: Vec::new(),
        masks: Vec::new(),
        untapped: Untapped::default(),
        steps: Vec::new(),
    };
    for (line, text) in lines.iter().enumerate().map(|(i, text)| (first + i, text.trim_start())) {
        let at = |e: String| format!("line {line}: {e}");
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        if script.steps.is_empty() && setting(&mut script, text.trim()).map_err(at)? {
            continue;
        }
        let (terminal, action) = step(text).map_err(at)?;
        script.steps.push(Step { line, text: text.trim_end().to_string(), terminal, action });
    }
    order(&script.steps)?;
    ports(&script)?;
    let runs = |name: &&String| script.steps.iter().any(|step| step.terminal == **name);
    if let Some(name) = script.untapped.terminals.iter().find(|name| !runs(name)) {
        return Err(format!("untapped: {name}: there is no such terminal"));
    }
    Ok(script)
}

/// The port in an announcement, `listening on tcp://127.0.0.1:7007`.
pub fn announced(line: &str) -> Option<(&str, &str, u16)> {
    let (scheme, address) = line.strip_prefix("listening on ")?.split_once("://")?;
    let port = split_host_port(address).ok()?.1.parse().ok()?;
    Some((scheme, address, port))
}

/// No port is really the one that the page says: each must be announced by a program, listened on, or free.
fn ports(script: &Script) -> Result<(), String> {
    let known = |port: u16| {
        script.free.contains(&port)
            || script.steps.iter().any(|step| match &step.action {
                Action::WaitLine(line) => announced(line).is_some_and(|(_, _, announced)| announced == port),
                Action::Listens(listens) => *listens == port,
                _ => false,
            })
    };
    for step in &script.steps {
        let Action::Command(command) = &step.action else { continue };
        let mut unknown = None;
        replace_numbers(command, |before, port| {
            if port != 0 && after_an_address(before) && !known(port) {
                unknown = Some(port);
            }
            None
        });
        if let Some(port) = unknown {
            return Err(format!(
                "line {}: which program is on port {port}? Wait for its \"listening on tcp://…:{port}\", or write \
                 NAME listens {port}, or free: {port}",
                step.line
            ));
        }
    }
    Ok(())
}

/// Whether the line was a setting.
fn setting(script: &mut Script, text: &str) -> Result<bool, String> {
    if text == "hidden" {
        script.hidden = true;
        return Ok(true);
    }
    if text == "untapped" {
        script.untapped.all = true;
        return Ok(true);
    }
    let Some((key, value)) = text.split_once(':') else { return Ok(false) };
    let value = value.trim();
    match key {
        "folder" if value == "temp" => script.temp = true,
        "folder" => return Err("write folder: temp, or leave it out".to_string()),
        "needs" => script.needs.extend(value.split_whitespace().map(str::to_string)),
        "deadline" => script.deadline = human::parse_duration(value)?,
        "free" => script.free.push(value.parse().map_err(|_| format!("{value:?} is not a port"))?),
        "untapped" => script.untapped.terminals.extend(value.split_whitespace().map(str::to_string)),
        "mask" => script.masks.push(Mask::parse(value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn step(text: &str) -> Result<(String, Action), String> {
    let len = text.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(b)).count();
    let (terminal, rest) = text.split_at(len);
    let unknown = || format!("cannot read {text:?}: write NAME and one of $ > < ? eof signal exit listens reaches");
    if terminal.is_empty() {
        return Err(unknown());
    }
    let mut chars = rest.chars();
    let mark = chars.next().ok_or_else(unknown)?;
    // One blank after the mark is not part of the text.
    let typed = chars.as_str().strip_prefix(' ').unwrap_or(chars.as_str()).to_string();
    let action = match mark {
        '$' => Action::Command(typed.trim().to_string()),
        '>' => Action::WaitLine(typed.trim_end().to_string()),
        '?' => Action::WaitPrompt(typed.trim_end().to_string()),
        '<' if typed.len() > LONGEST => return Err(format!("nobody types more than {LONGEST} octets")),
        '<' => Action::Type(typed),
        ' ' => word(rest.trim())?.ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    Ok((terminal.to_string(), action))
}

fn word(text: &str) -> Result<Option<Action>, String> {
    let (word, value) = text.split_once(' ').unwrap_or((text, ""));
    let value = value.trim();
    Ok(Some(match word {
        "eof" if value.is_empty() => Action::Eof,
        "signal" => Action::Signal(signal(value)?),
        "exit" => Action::Exit(match value.parse() {
            Ok(code) => Exit::Code(code),
            Err(_) => Exit::Signal(signal(value)?),
        }),
        "listens" => {
            let port = value.rsplit(':').next().unwrap_or_default();
            Action::Listens(port.parse().map_err(|_| format!("{value:?} is not a port"))?)
        }
        "reaches" => {
            let (state, port) = value.split_once(' ').unwrap_or((value, ""));
            Action::Reaches(state.to_string(), port.trim().parse().map_err(|_| format!("{port:?} is not a port"))?)
        }
        _ => return Ok(None),
    }))
}

fn signal(name: &str) -> Result<Signal, String> {
    format!("SIG{name}").parse().map_err(|_| format!("{name:?} is neither a number nor a signal (INT, TERM, KILL …)"))
}

/// A terminal runs one command at a time, and each to its end.
fn order(steps: &[Step]) -> Result<(), String> {
    let mut busy: Vec<(&str, usize)> = Vec::new();
    for step in steps {
        let at = busy.iter().position(|(name, _)| *name == step.terminal);
        match (&step.action, at) {
            (Action::Command(_), None) => busy.push((&step.terminal, step.line)),
            (Action::Command(_), Some(at)) => {
                return Err(format!("line {}: the command of line {} has no exit", step.line, busy[at].1));
            }
            (_, None) => return Err(format!("line {}: nothing runs in terminal {}", step.line, step.terminal)),
            (Action::Exit(_), Some(at)) => drop(busy.remove(at)),
            _ => {}
        }
    }
    match (busy.first(), steps.is_empty()) {
        (Some((name, line)), _) => Err(format!("line {line}: this command has no exit: write {name} exit 0")),
        (None, true) => Err("the script is empty".to_string()),
        _ => Ok(()),
    }
}

fn parse_text(text: &str) -> Result<Script, String> {
    parse(&text.lines().map(str::to_string).collect::<Vec<_>>(), 1)
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("announcements_are_read", || {
        assert_eq!(announced("listening on tcp://127.0.0.1:7007"), Some(("tcp", "127.0.0.1:7007", 7007)));
        assert_eq!(announced("listening on tcp://[::1]:7007"), Some(("tcp", "[::1]:7007", 7007)));
        assert_eq!(announced("listening on unix:///tmp/harbour"), None);
        assert_eq!(announced("listening closely"), None);
    }),
    ("reads_every_line", || {
        let script = parse_text(
            "hidden\ndeadline: 90s\nneeds: nc ss\nfree: 7099\nuntapped: nc-1\n# a comment\nnc-1$ nc -l 7008\nnc-1 listens :7008\n\
             nc-1> a * b\nnc-1? ship>\nnc-1<  two blanks\nnc-1 eof\nnc-1 signal INT\nnc-1 exit INT\n",
        )
        .unwrap();
        assert!(script.hidden && script.deadline == Duration::from_secs(90) && script.free == [7099]);
        assert_eq!(script.needs, ["nc", "ss"]);
        let actions: Vec<Action> = script.steps.iter().map(|s| s.action.clone()).collect();
        assert_eq!(
            actions,
            [
                Action::Command("nc -l 7008".into()),
                Action::Listens(7008),
                Action::WaitLine("a * b".into()),
                Action::WaitPrompt("ship>".into()),
                Action::Type(" two blanks".into()),
                Action::Eof,
                Action::Signal(Signal::SIGINT),
                Action::Exit(Exit::Signal(Signal::SIGINT)),
            ]
        );
        assert_eq!(script.steps[0].line, 7);
        assert!(script.untapped.has("nc-1") && !script.untapped.has("nc-2"));
        assert!(parse_text("untapped\na$ b\na exit 0").unwrap().untapped.has("a"));
    }),
    ("mistakes_are_named", || {
        for (text, part) in [
            ("", "empty"),
            ("client$ nc\n", "line 1: this command has no exit"),
            ("client< ahoy\n", "line 1: nothing runs in terminal client"),
            ("client$ nc\nclient$ nc\n", "line 2: the command of line 1 has no exit"),
            ("client$ nc\nclient exit\n", "neither a number nor a signal"),
            ("client$ nc\nclient dance\n", "cannot read"),
            ("client$ nc\nclient listens here\n", "not a port"),
            ("client$ nc\nclient reaches FIN_WAIT_2\n", "not a port"),
            ("folder: /\n", "folder: temp"),
            ("deadline: 5\n", "no unit"),
            ("client$ nc 127.0.0.1 7007\nclient exit 0\n", "line 1: which program is on port 7007?"),
            ("mask: no braces\n", "braces"),
            ("untapped: nc\nclient$ cat\nclient exit 0\n", "no such terminal"),
        ] {
            let e = parse_text(text).unwrap_err();
            assert!(e.contains(part), "{text:?}: {e}");
        }
    }),
];
