//! Names what is spoken, by the first octets of each side: `HTTP/1.1 GET /tides`, `TLS ClientHello, server name …`.
//!
//! Nothing on the wire says which protocol it is; a port is a habit, not a promise. So a name is given only where the
//! octets have a form that other protocols do not have, and where they might, the name begins with "perhaps". The work is
//! bounded: the first [`LOOK`] octets of a side's turn, or a datagram, and no memory of them.

mod datagrams;
mod greeting;
mod http;
mod records;
mod tls;

use crate::relay::From;
use std::fmt;
use std::str::FromStr;

/// Octets of a stream that are looked at, from the beginning of what a side says.
pub const LOOK: usize = 4096;
/// Characters of a name, a path, a text that comes from the wire.
const SHOWN: usize = 60;

/// A protocol with a name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1 (RFC 9112).
    Http,
    /// HTTP/2 over TCP without TLS (RFC 9113).
    Http2,
    /// An HTTP request to become a WebSocket (RFC 6455).
    WebSocket,
    /// TLS (RFC 8446).
    Tls,
    /// SSH (RFC 4253).
    Ssh,
    /// DNS, over UDP or TCP (RFC 1035).
    Dns,
    /// TFTP (RFC 1350).
    Tftp,
    /// SMTP (RFC 5321).
    Smtp,
    /// FTP's control connection (RFC 959).
    Ftp,
    /// POP3 (RFC 1939).
    Pop,
    /// Redis' RESP.
    Redis,
    /// The frames of chapter 4.
    Tlv,
}

impl Protocol {
    const ALL: [(&'static str, Protocol); 12] = [
        ("http", Protocol::Http),
        ("http2", Protocol::Http2),
        ("websocket", Protocol::WebSocket),
        ("tls", Protocol::Tls),
        ("ssh", Protocol::Ssh),
        ("dns", Protocol::Dns),
        ("tftp", Protocol::Tftp),
        ("smtp", Protocol::Smtp),
        ("ftp", Protocol::Ftp),
        ("pop", Protocol::Pop),
        ("redis", Protocol::Redis),
        ("tlv", Protocol::Tlv),
    ];

    /// `http, http2, …`
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }

    /// Whether somebody who asks for `wanted` asks for this: a WebSocket begins as HTTP.
    pub fn is(self, wanted: Protocol) -> bool {
        self == wanted || (self, wanted) == (Protocol::WebSocket, Protocol::Http)
    }
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, protocol)| *protocol).ok_or(())
    }
}

/// What a side's turn begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What is spoken.
    pub protocol: Protocol,
    /// For people, on one line: control characters are escaped.
    pub text: String,
    /// Whether hardly anything else looks like this.
    pub sure: bool,
}

impl Label {
    fn sure(protocol: Protocol, text: impl Into<String>) -> Self {
        Self { protocol, text: text.into(), sure: true }
    }

    fn sure_if(sure: bool, protocol: Protocol, text: impl Into<String>) -> Self {
        Self { protocol, text: text.into(), sure }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.sure { "" } else { "perhaps " }, self.text)
    }
}

/// Listens to one conversation.
#[derive(Debug)]
pub struct Sniffer {
    datagrams: bool,
    /// The server's port, or zero. It makes a likely name a sure one, and never a name by itself.
    port: u16,
    known: Option<Protocol>,
    /// Who has spoken: the client, the server.
    spoken: [bool; 2],
    last: Option<From>,
}

impl Sniffer {
    /// For a conversation of datagrams, or a stream, with a server on this port (zero where there are none).
    pub fn new(datagrams: bool, port: u16) -> Self {
        Self { datagrams, port, known: None, spoken: [false; 2], last: None }
    }

    /// The protocol is known from elsewhere.
    pub fn knowing(self, known: Option<Protocol>) -> Self {
        Self { known, ..self }
    }

    /// The protocol, once something has shown it.
    pub fn known(&self) -> Option<Protocol> {
        self.known
    }

    /// Looks at what this side says. Only the beginning of a turn, or of a datagram, can have a name.
    pub fn look(&mut self, from: From, octets: &[u8]) -> Option<Label> {
        let turn = self.last.replace(from) != Some(from);
        let first = !std::mem::replace(&mut self.spoken[from as usize], true);
        if !(turn || self.datagrams) {
            return None;
        }
        // A datagram is a message, and how long it is may be a part of its name.
        let limit = if self.datagrams { octets.len() } else { LOOK };
        let octets = &octets[..octets.len().min(limit)];
        let label = match self.known {
            Some(known) => self.more(known, from, octets),
            None if first || self.datagrams => self.first(from, octets),
            None => None,
        };
        self.known = self.known.or(label.as_ref().map(|l| l.protocol));
        label
    }

    /// This side went on, or took its turn, and nobody looked.
    pub fn passed(&mut self, from: From) {
        self.last = Some(from);
        self.spoken[from as usize] = true;
    }

    /// Whether this side has spoken: if it has no name by now, it gets none.
    pub fn settled(&self, from: From) -> bool {
        self.spoken[from as usize]
    }

    fn first(&self, from: From, octets: &[u8]) -> Option<Label> {
        if self.datagrams {
            return datagrams::dns(octets, self.port).or_else(|| datagrams::tftp(octets));
        }
        match from {
            From::Client => http::request(octets)
                .or_else(|| http::preface(octets))
                .or_else(|| tls::client_hello(octets))
                .or_else(|| greeting::ssh(octets))
                .or_else(|| greeting::command(octets))
                .or_else(|| records::redis_command(octets))
                .or_else(|| datagrams::dns_over_tcp(octets, self.port))
                .or_else(|| records::tlv(octets)),
            From::Server => {
                // A reply makes sense only after a question; a greeting comes before one.
                let asked = self.spoken[From::Client as usize];
                let greeting = greeting::ssh(octets).or_else(|| greeting::hello(octets, self.port).filter(|_| !asked));
                greeting.or_else(|| http::status(octets).filter(|_| asked)).or_else(|| records::tlv(octets))
            }
        }
    }

    /// What else is said in a conversation whose protocol is known.
    fn more(&self, known: Protocol, from: From, octets: &[u8]) -> Option<Label> {
        match (known, from) {
            (Protocol::Http, From::Client) => http::request(octets),
            (Protocol::Http | Protocol::WebSocket, From::Server) => http::status(octets),
            (Protocol::Http2, From::Server) => http::settings(octets),
            (Protocol::Tls, From::Client) => tls::client_hello(octets),
            (Protocol::Tls, From::Server) => tls::server_hello(octets),
            (Protocol::Ssh, _) => greeting::ssh(octets),
            (Protocol::Smtp, From::Client) => greeting::command(octets),
            (Protocol::Redis, From::Client) => records::redis_command(octets),
            (Protocol::Redis, From::Server) => records::redis_error(octets),
            (Protocol::Dns, _) if self.datagrams => datagrams::dns(octets, self.port),
            (Protocol::Dns, _) => datagrams::dns_over_tcp(octets, self.port),
            (Protocol::Tftp, _) => datagrams::tftp_more(octets),
            (Protocol::Tlv, _) => records::tlv(octets),
            _ => None,
        }
    }
}

/// Text from the wire, on one line, and not long.
fn shown(octets: &[u8]) -> String {
    crate::hexdump::text(octets, SHOWN)
}

/// The first line, without its line end, if it is whole.
fn line(octets: &[u8]) -> Option<&[u8]> {
    let end = octets.iter().position(|&o| o == b'\n')?;
    let line = &octets[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Reads big-endian numbers and fields off the front, and fails at the end of what there is.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn number(&mut self, octets: usize) -> Option<usize> {
        Some(self.take(octets)?.iter().fold(0, |n, &o| n << 8 | usize::from(o)))
    }

    /// A field that is preceded by its length in so many octets.
    fn vector(&mut self, length: usize) -> Option<Fields<'a>> {
        let n = self.number(length)?;
        self.take(n).map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a sniffer says of these turns of a stream.
    pub(super) fn named(port: u16, turns: &[(From, &[u8])]) -> Vec<String> {
        let mut sniffer = Sniffer::new(false, port);
        turns
            .iter()
            .map(|(from, octets)| sniffer.look(*from, octets).map_or(String::new(), |l| l.to_string()))
            .collect()
    }

    const C: From = From::Client;
    const S: From = From::Server;

    /// A name is for the beginning of a turn; every turn of HTTP has one.
    #[test]
    fn each_turn_is_named() {
        let told = named(
            0,
            &[
                (C, b"GET /tides HTTP/1.1\r\nHost: harbour.example\r\n\r\n"),
                (S, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
                (S, b"HTTP/1.1 is what the book is about"),
                (C, b"POST /ships HTTP/1.1\r\n\r\n"),
            ],
        );
        assert_eq!(told, ["HTTP/1.1 GET /tides", "HTTP/1.1 200 OK", "", "HTTP/1.1 POST /ships"]);
    }

    /// Octets that are no protocol's have no name, and neither do those that look like an answer to nothing.
    #[test]
    fn silence_is_honest() {
        assert_eq!(named(80, &[(C, b"ahoy\r\n"), (S, b"ahoy\r\n"), (C, b"GET / HTTP/1.1\r\n")]), ["", "", ""]);
        assert_eq!(named(80, &[(S, b"HTTP/1.1 200 OK\r\n")]), [""]);
        assert_eq!(named(80, &[(C, b""), (S, &[0; 99])]), ["", ""]);
    }

    /// A transfer, packet by packet; the same from its second packet on, as it is heard on the server's new port.
    #[test]
    fn transfers_are_followed() {
        let mut block = vec![b'~'; 4 + 8192];
        block[..4].copy_from_slice(b"\0\x03\0\x01");
        let turns: [(From, &[u8]); 5] = [
            (C, b"\0\x01tides.txt\0octet\0blksize\x008192\0"),
            (S, b"\0\x06blksize\x008192\0"),
            (C, b"\0\x04\0\0"),
            (S, &block),
            (C, b"\0\x05\0\x03\0"),
        ];
        let said = [
            "TFTP RRQ tides.txt octet blksize=8192",
            "TFTP OACK blksize=8192",
            "TFTP ACK 0",
            "TFTP DATA 1, 8,192 octets",
            "TFTP ERROR 3 disk full or allocation exceeded",
        ];
        for first in [0, 1] {
            let mut sniffer = Sniffer::new(true, 7069);
            let told = turns[first..].iter().map(|(from, octets)| sniffer.look(*from, octets).map(|l| l.to_string()));
            assert_eq!(told.map(Option::unwrap_or_default).collect::<Vec<_>>(), said[first..]);
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("HTTP".parse(), Ok(Protocol::Http));
        assert_eq!("gopher".parse::<Protocol>(), Err(()));
        assert!(Protocol::WebSocket.is(Protocol::Http) && !Protocol::Http.is(Protocol::WebSocket));
    }

    /// Beginnings of all that is known here.
    pub(super) const SAMPLES: [&[u8]; 15] = [
        b"GET /tides HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.harbour.example ESMTP ready\r\n",
        b"EHLO pilot.example\r\n",
        b"*2\r\n$3\r\nGET\r\n$4\r\ntide\r\n",
        b"\x02\0\0\0\x04ahoy",
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07harbour\x07example\0\0\x01\0\x01",
        b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07harbour\x07example\0\0\x01\0\x01",
        b"\0\x01tides.txt\0octet\0blksize\x001428\0",
        b"\0\x06blksize\x001428\0tsize\x0075352\0",
        b"\0\x03\0\x01low water 04:12",
        b"\0\x05\0\x01no such chart\0",
        b"\x16\x03\x01\0\x2e\x01\0\0\x2a\x03\x03",
    ];

    proptest! {
        /// Whatever comes, cut anywhere and with any octet changed: there may be a name, and never a panic. It fits on a
        /// line, and is the same at a second look.
        #[test]
        fn nothing_breaks_it(
            which in 0..SAMPLES.len() + 2, cut in 0_usize..600, at in 0_usize..600, octet: u8, datagrams: bool, server: bool,
            port in prop_oneof![Just(0_u16), Just(53), any::<u16>()], noise in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let hello = tls::tests::hello("harbour.example");
            let mut octets = SAMPLES.get(which).map_or(if which == SAMPLES.len() { noise } else { hello }, |s| s.to_vec());
            if let Some(o) = octets.get_mut(at) {
                *o = octet;
            }
            octets.truncate(cut);
            let from = if server { S } else { C };
            let look = || {
                let mut sniffer = Sniffer::new(datagrams, port);
                let first = sniffer.look(from, &octets);
                (first, sniffer.look(from.other(), &octets), sniffer.look(from, &octets))
            };
            let told = look();
            prop_assert_eq!(&told, &look());
            for label in [told.0, told.1, told.2].into_iter().flatten() {
                prop_assert!(!label.text.contains(char::is_control) && label.text.chars().count() < 400, "{:?}", label);
            }
        }
    }
}
