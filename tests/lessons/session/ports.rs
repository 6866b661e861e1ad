//! Documented ports and real ones. A page says 7007; the run takes whatever port is free.

use netkata::proc_net::{self, State};
use netkata::sock_diag;
use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Which real ports stand for which documented ones.
#[derive(Debug, Default)]
pub struct Ports(Vec<Pair>);

#[derive(Debug)]
struct Pair {
    documented: u16,
    real: u16,
    /// Commands are led here; otherwise the number is only recognised in what programs print.
    dialled: bool,
}

impl Ports {
    /// From now on, commands that say `documented` mean `real`.
    pub fn lead(&mut self, documented: u16, real: u16) {
        for pair in self.0.iter_mut().filter(|p| p.documented == documented) {
            pair.dialled = false;
        }
        self.0.push(Pair { documented, real, dialled: true });
    }

    /// `real` is shown as `documented`.
    pub fn show(&mut self, documented: u16, real: u16) {
        self.0.push(Pair { documented, real, dialled: false });
    }

    /// A command as it is run.
    pub fn to_real(&self, text: &str) -> String {
        let led = |_: &str, number: u16| self.0.iter().find(|p| p.dialled && p.documented == number).map(|p| p.real);
        replace_numbers(text, led)
    }

    /// Output as it is shown.
    pub fn to_documented(&self, text: &str) -> String {
        replace_numbers(text, |_, number| self.documented(number))
    }

    /// What stands for this port in the page.
    pub fn documented(&self, real: u16) -> Option<u16> {
        self.0.iter().rev().find(|p| p.real == real).map(|p| p.documented)
    }
}

/// Replaces numbers that stand alone: 7007 in `127.0.0.1:7007`, not in `17007` or `7007.5`. `with` is told what stands
/// before the number.
pub fn replace_numbers(text: &str, mut with: impl FnMut(&str, u16) -> Option<u16>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let len = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = (&rest[start..start + len], &rest[start + len..]);
        out.push_str(&rest[..start]);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let fraction = after.starts_with('.') && after[1..].starts_with(|c: char| c.is_ascii_digit());
        let alone = !out.ends_with(|c: char| word(c) || c == '.') && !fraction && !after.starts_with(word);
        let new = number.parse().ok().filter(|_| alone).and_then(|n| with(&out, n)).map(|n| n.to_string());
        rest = put(&mut out, number, new.as_deref().unwrap_or(number), after);
    }
    out.push_str(rest);
    out
}

/// Puts `new` where `old` stood, and returns what follows. A column of a table keeps its width: when two blanks or more
/// follow, their number makes up for the difference.
pub fn put<'a>(out: &mut String, old: &str, new: &str, after: &'a str) -> &'a str {
    out.push_str(new);
    if !after.starts_with("  ") {
        return after;
    }
    let (old, new) = (old.chars().count(), new.chars().count());
    out.push_str(&" ".repeat(old.saturating_sub(new)));
    let blanks = after.bytes().take_while(|b| *b == b' ').count();
    &after[new.saturating_sub(old).min(blanks - 1)..]
}

/// A port on which nobody listens, for a program that cannot be asked which one it was given. It is below the ports that
/// the kernel hands out by itself, and no other session in this process gets it.
pub fn free() -> Result<u16, String> {
    static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    (0..1000)
        .map(|_| fastrand::u16(20_000..32_000))
        .find(|port| !taken.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok() && taken.insert(*port))
        .ok_or_else(|| "no free port below 32,000".to_string())
}

/// Waits for a listener. There is nothing to block on: to connect would use up the one client that `nc -l` takes, so the
/// kernel is asked until the port has one.
pub fn wait_for_listener(port: u16, deadline: Instant) -> Result<(), String> {
    while !is_listening(port) {
        if Instant::now() > deadline {
            return Err(format!("nobody listens on the port that stands for it ({port})"));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Waits until a socket of this port is in the state, by the names of RFC 9293.
pub fn wait_for_state(port: u16, state: &str, deadline: Instant) -> Result<(), String> {
    let reached = || proc_net::tcp_with_port(port).map(|table| table.iter().any(|s| s.state.to_string() == state));
    while !reached().map_err(|e| e.to_string())? {
        if Instant::now() > deadline {
            return Err(format!("no socket of the port that stands for it ({port}) reaches {state}"));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn is_listening(port: u16) -> bool {
    sock_diag::with_local_port(port, &[State::Listen]).is_ok_and(|listeners| !listeners.is_empty())
}
