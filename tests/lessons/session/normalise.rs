//! Takes out of a transcript what changes from run to run.
//!
//! - Real ports become the documented ones (see [`super::ports`]).
//! - Ports that the kernel chose for clients become 50001, 50002 … in the order in which they are shown. Such a number is
//!   known by what stands before it: `127.0.0.1:43210`, `[::1]:43210`, `*:43210`, `127.0.0.1 43210`, `localhost 43210`.
//! - Everything else is named by the author: `mask: round trip {0.53} ms`. What is in braces is an example of what
//!   changes, and what the page shows. It stands for a run of characters of the same kinds: letters if there is a letter
//!   in the example, digits if there is a digit (and then there must be one), and its other characters as they are. What is outside the braces must be
//!   there as it is. Braces take all they can, so `{12}.{5}` is two numbers and `{12.5}` is one.
//!
//! A program that prints a date: `mask: {Tuesday}, {February} {22}, {1982} {17}:{37}:{43}`.

use super::place;
use super::ports::{self, Ports, put};
use crate::SelfCheck;
use netkata::tap::{Conversation, Journal, Kind};
use std::net::{IpAddr, SocketAddr};

/// Below this the kernel hands out no port by itself (Linux: `net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32_768;
/// The first number shown instead of an ephemeral port.
const FIRST_SHOWN: u16 = 50_001;

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Same(String),
    Changes(String),
}

/// A pattern, and what is shown for what it finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask(Vec<Part>);

impl Mask {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((same, tail)) = rest.split_once('{') {
            let (changes, tail) = tail.split_once('}').ok_or_else(|| format!("{text}: a {{ without its }}"))?;
            if changes.is_empty() {
                return Err(format!("{text}: write an example between the braces"));
            }
            if !same.is_empty() {
                parts.push(Part::Same(same.to_string()));
            }
            parts.push(Part::Changes(changes.to_string()));
            rest = tail;
        }
        if parts.is_empty() {
            return Err(format!("{text}: what changes goes between braces"));
        }
        if !rest.is_empty() {
            parts.push(Part::Same(rest.to_string()));
        }
        Ok(Self(parts))
    }

    fn example(&self) -> String {
        self.0.iter().map(|(Part::Same(text) | Part::Changes(text))| text.as_str()).collect()
    }

    /// Where what starts like `text` and matches ends.
    fn matches(&self, text: &str) -> Option<usize> {
        self.0.iter().try_fold(0, |at, part| match part {
            Part::Same(same) => text[at..].starts_with(same.as_str()).then_some(at + same.len()),
            Part::Changes(example) => {
                let len = text[at..].find(|c| !alike(c, example)).unwrap_or(text.len() - at);
                // A word is no number, even where a number may have a unit.
                let digits = |text: &str| text.contains(|c: char| c.is_ascii_digit());
                (len > 0 && (digits(&text[at..at + len]) || !digits(example))).then_some(at + len)
            }
        })
    }

    fn apply(&self, text: &str) -> String {
        let (example, mut out, mut rest) = (self.example(), String::new(), text);
        while let Some(c) = rest.chars().next() {
            // In the middle of a run is not where an example starts.
            let inside = matches!(&self.0[0], Part::Changes(e) if out.ends_with(|c| alike(c, e)));
            match self.matches(rest).filter(|_| !inside) {
                Some(end) => rest = put(&mut out, &rest[..end], &example, &rest[end..]),
                None => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out
    }
}

fn alike(c: char, example: &str) -> bool {
    example.contains(c)
        || c.is_alphabetic() && example.contains(char::is_alphabetic)
        || c.is_ascii_digit() && example.contains(|e: char| e.is_ascii_digit())
}

/// One for a whole session, so that a port has the same number in every terminal.
#[derive(Debug, Default)]
pub struct Normaliser {
    pub ports: Ports,
    masks: Vec<Mask>,
    seen: Vec<u16>,
}

impl Normaliser {
    pub fn new(masks: Vec<Mask>) -> Self {
        Self { masks, ..Self::default() }
    }

    pub fn text(&mut self, text: &str) -> String {
        let text = self.ports.to_documented(&place::shown(text));
        let text = ports::replace_numbers(&text, |before, port| {
            (port >= EPHEMERAL && after_an_address(before)).then(|| self.stable(port))
        });
        let masked: Vec<String> =
            text.split('\n').map(|line| self.masks.iter().fold(line.to_string(), |l, m| m.apply(&l))).collect();
        masked.join("\n")
    }

    fn stable(&mut self, port: u16) -> u16 {
        let at = self.seen.iter().position(|p| *p == port).unwrap_or_else(|| {
            self.seen.push(port);
            self.seen.len() - 1
        });
        FIRST_SHOWN.saturating_add(u16::try_from(at).unwrap_or(u16::MAX))
    }

    fn address(&mut self, address: SocketAddr) -> SocketAddr {
        let port = self.ports.documented(address.port()).unwrap_or_else(|| self.stable(address.port()));
        SocketAddr::new(address.ip(), port)
    }

    /// The same events, as the page shows them.
    pub fn journal(&mut self, recorded: &Journal) -> Journal {
        let journal = Journal::new(usize::MAX);
        let mut conversations = recorded.conversations().into_iter();
        for event in recorded.events() {
            match (event.conversation, event.kind) {
                (_, Kind::Open) => {
                    if let Some(c) = conversations.next() {
                        let (client, server) = (c.client.map(|a| self.address(a)), c.server.map(|a| self.address(a)));
                        journal.open(Conversation { client, server, ..c });
                    }
                }
                (Some(c), Kind::Data(from, octets)) => match String::from_utf8(octets) {
                    Ok(text) => journal.data(c, from, self.text(&text).as_bytes()),
                    Err(e) => journal.data(c, from, e.as_bytes()),
                },
                (Some(c), kind) => journal.event(c, kind),
                (None, Kind::Note(text)) => journal.note(self.text(&text)),
                (None, _) => {}
            }
        }
        journal
    }
}

/// Whether a number after this is a port: `127.0.0.1:`, `[::1]:`, `*:`, `localhost `, or a colon that starts a word.
pub fn after_an_address(before: &str) -> bool {
    let colon = before.ends_with(':');
    let Some(words) = before.strip_suffix([':', ' ']) else { return false };
    let host = words.rsplit(|c: char| c.is_whitespace() || "('\"/=".contains(c)).next().unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok() || colon && (["", "*"].contains(&host) || host.ends_with(']'))
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("ports_become_stable", || {
        let mut n = Normaliser::default();
        n.ports.lead(7007, 41_000);
        n.ports.show(7007, 42_000);
        assert_eq!(n.text("from 127.0.0.1:53344 to [::1]:41000"), "from 127.0.0.1:50001 to [::1]:7007");
        assert_eq!(n.text("at 10:45000\n127.0.0.1:53344: ahoy"), "at 10:45000\n127.0.0.1:50001: ahoy");
        assert_eq!(n.text("localhost 60999, 127.0.0.1:53344;"), "localhost 50002, 127.0.0.1:50001;");
        assert_eq!(n.text("41000 42000 sent 40000 octets, 141000"), "7007 7007 sent 40000 octets, 141000");
        assert_eq!(n.text("*:41000   *"), "*:7007    *");
        assert_eq!(n.ports.to_real("nc 127.0.0.1 7007 # 17007"), "nc 127.0.0.1 41000 # 17007");
        n.ports.lead(7007, 43_000);
        assert_eq!(n.ports.to_real(":7007"), ":43000");
    }),
    ("masks_show_their_example", || {
        for (mask, text, shown) in [
            ("rtt {0.53} ms", "rtt 12.1 ms, rtt 7 ms", "rtt 0.53 ms, rtt 0.53 ms"),
            ("pid={42}", "pid=31337 pid=", "pid=42 pid="),
            ("{Tue}, {22} {Feb}", "on Wed, 3 Mar", "on Tue, 22 Feb"),
            ("{1.5ms} left", "212µs left", "1.5ms left"),
            ("1 {1.5ms}", "1 212µs, 1 sent", "1 1.5ms, 1 sent"),
            ("{9} ms", "x 19 ms", "x 9 ms"),
            ("t={1}", "t=123   end", "t=1     end"),
            ("t={1234}", "t=1    end", "t=1234 end"),
        ] {
            assert_eq!(Mask::parse(mask).unwrap().apply(text), shown, "{mask}");
        }
    }),
    ("mistakes_in_masks_are_named", || {
        for (mask, part) in [("ahoy", "braces"), ("a {b", "without"), ("{}", "example")] {
            assert!(Mask::parse(mask).unwrap_err().contains(part), "{mask}");
        }
    }),
];
