//! Runs a script.

use super::normalise::Normaliser;
use super::place::{self, Place};
use super::script::{Action, Exit, Script, Step, announced};
use super::terminal::Program;
use super::{Run, ports, programs};
use crate::SelfCheck;
use crate::page::Site;
use netkata::tap::Journal;
use netkata::tap::datagram_relay::DatagramRelay;
use netkata::tap::relay::Relay;
use netkata::unix::Kind;
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long one step may take.
const STEP: Duration = Duration::from_secs(10);
/// Octets of a recorded session.
const JOURNAL: usize = 1 << 20;

/// What a terminal showed, in the order of the script.
enum Shown {
    Command(String),
    Output(String),
    Typed(String),
}

struct Stage<'a> {
    site: &'a Site,
    script: &'a Script,
    folder: PathBuf,
    deadline: Instant,
    normaliser: Normaliser,
    journal: Option<Journal>,
    relays: Vec<Relay>,
    datagrams: Vec<DatagramRelay>,
    places: Vec<Place>,
    running: HashMap<&'a str, Program>,
    shown: Vec<(&'a str, Shown)>,
}

/// Runs the script; `tapped`: over relays that write down what they pass on.
pub fn run(site: &Site, script: &Script, tapped: bool) -> Result<Run, String> {
    let temp = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut stage = Stage {
        site,
        script,
        folder: if script.temp { temp.path().to_path_buf() } else { site.root.clone() },
        deadline: Instant::now() + script.deadline,
        normaliser: Normaliser::new(script.masks.clone()),
        journal: tapped.then(|| Journal::new(JOURNAL)),
        relays: Vec::new(),
        datagrams: Vec::new(),
        places: Vec::new(),
        running: HashMap::new(),
        shown: Vec::new(),
    };
    for port in &script.free {
        stage.normaliser.ports.lead(*port, ports::free()?);
    }
    for (at, step) in script.steps.iter().enumerate() {
        stage.take(at, step).map_err(|e| stage.explain(step, &e))?;
    }
    Ok(stage.finish())
}

impl<'a> Stage<'a> {
    fn take(&mut self, at: usize, step: &'a Step) -> Result<(), String> {
        let deadline = self.deadline.min(Instant::now() + STEP);
        let name = step.terminal.as_str();
        if let Action::Command(command) = &step.action {
            let program = self.start(at, name, command)?;
            self.running.insert(name, program);
            self.show(name, Shown::Command(command.clone()));
            return Ok(());
        }
        let program = self.running.get_mut(name).ok_or("nothing runs here")?;
        let shown = match &step.action {
            Action::WaitLine(wanted) => {
                let ports = &self.normaliser.ports;
                let announced = announced(wanted);
                let (shown, line) = program.wait_line(deadline, |line| match announced {
                    Some((scheme, ..)) => line.starts_with(&format!("listening on {scheme}://")),
                    None => like(wanted, &ports.to_documented(&place::shown(line))),
                })?;
                if let Some((scheme, _, documented)) = announced {
                    self.announce(name, scheme, documented, &line)?;
                }
                if let Some((kind, file)) = place::announced(wanted) {
                    self.tap_file(name, kind, file)?;
                }
                Shown::Output(shown)
            }
            Action::WaitPrompt(prompt) => Shown::Output(program.wait_prompt(deadline, prompt)?),
            Action::Type(text) => {
                program.type_line(&self.normaliser.ports.to_real(text))?;
                Shown::Typed(format!("{text}\n"))
            }
            Action::Eof => {
                program.end_input()?;
                Shown::Typed("^D\n".to_string())
            }
            Action::Signal(signal) => {
                program.signal(*signal)?;
                Shown::Typed(if *signal == Signal::SIGINT { "^C\n".to_string() } else { String::new() })
            }
            Action::Exit(exit) => {
                let shown = program.wait_exit(deadline, *exit)?;
                self.running.remove(name);
                let left = self.places.iter().filter(|place| place.server == name);
                left.for_each(|place| place.leave(matches!(exit, Exit::Signal(_))));
                Shown::Output(shown)
            }
            Action::Listens(documented) => {
                let real = self.normaliser.ports.to_real(&documented.to_string()).parse().map_err(|_| "no port")?;
                ports::wait_for_listener(real, deadline)?;
                self.tap(name, "tcp", *documented, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), real))?;
                return Ok(());
            }
            Action::Reaches(state, documented) => {
                let real = self.normaliser.ports.to_real(&documented.to_string()).parse().map_err(|_| "no port")?;
                return ports::wait_for_state(real, state, deadline);
            }
            Action::Command(_) => return Ok(()),
        };
        self.show(name, shown);
        Ok(())
    }

    fn show(&mut self, terminal: &'a str, shown: Shown) {
        self.shown.push((terminal, shown));
    }

    /// Starts a command. One that will announce itself is told to take any port, or any ports; one that only `listens`
    /// gets a free one.
    fn start(&mut self, at: usize, name: &str, command: &str) -> Result<Program, String> {
        let later = self.script.steps[at + 1..].iter().filter(|s| s.terminal == name);
        let own = later.map(|s| &s.action).take_while(|a| !matches!(a, Action::Command(_)));
        let (mut announced_ports, mut first_address, mut silent) = (Vec::new(), None, None);
        for action in own {
            match action {
                Action::WaitLine(line) => {
                    if let Some((_, address, port)) = announced(line) {
                        announced_ports.push(port);
                        first_address.get_or_insert(address);
                    }
                }
                Action::Listens(port) => silent = Some(*port),
                _ => {}
            }
        }
        let (command, first) = match (first_address, silent) {
            (Some(address), _) => {
                let asked = ports::replace_numbers(command, |_, n| announced_ports.contains(&n).then_some(0));
                let default = (asked == command).then(|| format!("{}0", address.trim_end_matches(char::is_numeric)));
                (self.normaliser.ports.to_real(&asked), default)
            }
            (None, Some(port)) => {
                self.normaliser.ports.lead(port, ports::free()?);
                (self.normaliser.ports.to_real(command), None)
            }
            (None, None) => (self.normaliser.ports.to_real(command), None),
        };
        let command = programs::built(&command, &self.site.programs, first.as_deref())?;
        Program::start(&command, programs::is_plain(&command), &self.folder)
    }

    /// A server said where it is: from now on its documented address stands for that.
    fn announce(&mut self, name: &str, scheme: &str, documented: u16, line: &str) -> Result<(), String> {
        let real = line.rsplit("://").next().unwrap_or_default();
        let Ok(real) = real.parse::<SocketAddr>() else { return Err(format!("no address in {line:?}")) };
        self.normaliser.ports.lead(documented, real.port());
        self.tap(name, scheme, documented, real)
    }

    /// Puts a relay between this server and whoever dials it.
    fn tap(&mut self, server: &str, scheme: &str, documented: u16, real: SocketAddr) -> Result<(), String> {
        let Some(journal) = self.journal_of(server) else { return Ok(()) };
        let upstream = match real.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let (upstream, names) = (SocketAddr::new(upstream, real.port()), (self.client_of(server), server));
        let cannot = |e: std::io::Error| format!("cannot tap {real}: {e}");
        let port = if scheme == "udp" {
            let relay = DatagramRelay::start(&journal, upstream, names).map_err(cannot)?;
            let port = relay.addr().port();
            self.datagrams.push(relay);
            port
        } else {
            let relay = Relay::start(&journal, upstream, names).map_err(cannot)?;
            let port = relay.addr().port();
            self.relays.push(relay);
            port
        };
        self.normaliser.ports.lead(documented, port);
        Ok(())
    }

    /// The same for a server on a socket file.
    fn tap_file(&mut self, server: &str, kind: Kind, file: &str) -> Result<(), String> {
        let Some(journal) = self.journal_of(server) else { return Ok(()) };
        if !self.script.temp {
            return Err("a socket file can be tapped in a session with the setting folder: temp".to_string());
        }
        let place = Place::take(&journal, kind, &self.folder, file, (self.client_of(server), server));
        self.places.push(place.map_err(|e| format!("cannot tap {file}: {e}"))?);
        Ok(())
    }

    /// Where what this server hears and says is written down, if it is.
    fn journal_of(&self, server: &str) -> Option<Journal> {
        self.journal.clone().filter(|_| !self.script.untapped.has(server))
    }

    /// What a server's clients are called: by their terminal, if there is only one.
    fn client_of(&self, server: &str) -> &'a str {
        let mut others = self.script.steps.iter().map(|s| s.terminal.as_str()).filter(|t| *t != server);
        others.next().filter(|first| others.all(|t| t == *first)).unwrap_or("client")
    }

    /// Everything has ended: what was shown, without what changes from run to run.
    fn finish(mut self) -> Run {
        for relay in self.relays.drain(..) {
            relay.wait_for_all(STEP);
            relay.stop();
        }
        self.places.drain(..).for_each(|place| place.finish(STEP));
        // Datagrams have no end to wait for. The script has: what it waited for came through the relay.
        self.datagrams.drain(..).for_each(DatagramRelay::stop);
        let mut terminals: Vec<(String, String)> = Vec::new();
        for (name, shown) in std::mem::take(&mut self.shown) {
            let at = terminals.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
                terminals.push((name.to_string(), String::new()));
                terminals.len() - 1
            });
            let screen = &mut terminals[at].1;
            match shown {
                Shown::Command(command) => {
                    if !screen.is_empty() && !screen.ends_with('\n') {
                        screen.push('\n');
                    }
                    screen.push_str(&format!("$ {command}\n"));
                }
                Shown::Output(text) => screen.push_str(&self.normaliser.text(&text)),
                Shown::Typed(text) => screen.push_str(&text),
            }
        }
        let journal = self.journal.take().map(|journal| self.normaliser.journal(&journal));
        Run { terminals, journal, hidden: self.script.hidden }
    }

    /// What went wrong, and what every terminal showed that was not waited for.
    fn explain(&self, step: &Step, why: &str) -> String {
        let mut text = format!("line {}: {}: {why}", step.line, step.text);
        for (name, program) in &self.running {
            let tail = program.tail();
            if !tail.is_empty() {
                text.push_str(&format!("\n{name} showed, and it was not waited for:\n{}", tail.trim_end()));
            }
        }
        text
    }
}

/// Whether a line is what was waited for; `*` stands for anything.
fn like(wanted: &str, line: &str) -> bool {
    let parts: Vec<&str> = wanted.split('*').collect();
    let (first, last) = (parts[0], parts[parts.len() - 1]);
    if parts.len() == 1 {
        return line == wanted;
    }
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

pub const SELF_CHECKS: &[SelfCheck] = &[("stars_stand_for_anything", || {
    for (wanted, line, fits) in [
        ("ahoy", "ahoy", true),
        ("ahoy", "ahoy there", false),
        ("*", "", true),
        ("a*c*e", "abcde", true),
        ("a*c*e", "abde", false),
        ("*end", "the end", true),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(like(wanted, line), fits, "{wanted} {line}");
    }
})];
