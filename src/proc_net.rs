//! The kernel's table of TCP sockets, as Linux shows it in /proc/net/tcp and /proc/net/tcp6 (proc_pid_net(5)).
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//!    0: 0100007F:1B5F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21466 1 …
//! ```
//!
//! Everything up to the retransmissions is hexadecimal. An address is printed as 32-bit words in the order of the
//! processor, so on most machines 127.0.0.1 reads `0100007F`. The port is printed as the number it is.

use crate::error::{NetError, Result};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Our end.
    pub local: SocketAddr,
    /// The other end; port 0 when there is none.
    pub remote: SocketAddr,
    /// Where the connection stands.
    pub state: State,
    /// Octets written that the peer has not acknowledged.
    pub send_queue: u32,
    /// Octets received that the program has not read; for a listener, connections that wait for accept(2).
    pub receive_queue: u32,
    /// What the kernel waits for, and how much longer it waits.
    pub timer: Option<(Timer, Duration)>,
    /// How often the oldest unacknowledged segment was sent again.
    pub retransmits: u32,
    /// The user who made the socket.
    pub uid: u32,
    /// The socket's inode; 0 when no program holds it any more, as in TIME_WAIT.
    pub inode: u64,
}

/// What a socket's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Send again what was not acknowledged (RFC 6298).
    Retransmit,
    /// Ask whether the peer is still there (SO_KEEPALIVE, socket(7)), or, once both have closed, forget the connection.
    KeepAlive,
    /// TIME_WAIT ends.
    TimeWait,
    /// Ask whether the peer's window is still closed (RFC 9293 section 3.8.6.1).
    Probe,
}

/// The states of RFC 9293 section 3.3.2, with the numbers Linux gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Data flows both ways.
    Established = 0x01,
    /// SYN sent, no answer yet.
    SynSent = 0x02,
    /// SYN received and answered.
    SynReceived = 0x03,
    /// We closed first; our FIN is not acknowledged.
    FinWait1 = 0x04,
    /// We closed first; the peer has acknowledged and not closed.
    FinWait2 = 0x05,
    /// Both have closed, we first: the last octets on the wire are waited out.
    TimeWait = 0x06,
    /// No connection. The table shows no such socket; it is where each begins and ends.
    Closed = 0x07,
    /// The peer closed; our program has not.
    CloseWait = 0x08,
    /// Both have closed, the peer first; our FIN is not acknowledged.
    LastAck = 0x09,
    /// Waits for connections.
    Listen = 0x0A,
    /// Both have closed at once.
    Closing = 0x0B,
}

impl State {
    const ALL: [(State, &'static str); 11] = [
        (State::Established, "ESTABLISHED"),
        (State::SynSent, "SYN_SENT"),
        (State::SynReceived, "SYN_RECEIVED"),
        (State::FinWait1, "FIN_WAIT_1"),
        (State::FinWait2, "FIN_WAIT_2"),
        (State::TimeWait, "TIME_WAIT"),
        (State::Closed, "CLOSED"),
        (State::CloseWait, "CLOSE_WAIT"),
        (State::LastAck, "LAST_ACK"),
        (State::Listen, "LISTEN"),
        (State::Closing, "CLOSING"),
    ];

    /// The state with this number. Linux's twelfth, of a handshake without a socket yet, is SYN_RECEIVED as well.
    pub fn from_code(code: u8) -> Option<Self> {
        let code = if code == 0x0C { 0x03 } else { code };
        Self::ALL.iter().map(|(state, _)| *state).find(|state| state.code() == code)
    }

    /// Linux's number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::ALL.iter().find(|(state, _)| state == self).map_or("", |(_, name)| name))
    }
}

/// Every TCP socket of this network namespace, IPv4 first.
///
/// The kernel fills the table in pieces. A socket that comes or goes meanwhile may be missing, or be there twice.
///
/// # Errors
/// `read /proc/net/tcp: …` where there is no such table, or where a line is not as expected.
pub fn tcp() -> Result<Vec<Entry>> {
    tables(Path::new("/proc/net"), parse)
}

/// The TCP sockets with this port at either end. After a busy hour the table has a hundred thousand lines, most of them
/// in TIME_WAIT; the lines of other ports are not looked at closely.
///
/// # Errors
/// As [`tcp`].
pub fn tcp_with_port(port: u16) -> Result<Vec<Entry>> {
    tables(Path::new("/proc/net"), |table| parse_port(table, port))
}

fn tables(net: &Path, parse: impl Fn(&str) -> std::result::Result<Vec<Entry>, ParseError>) -> Result<Vec<Entry>> {
    let (v4, v6) = (net.join("tcp"), net.join("tcp6"));
    let failed = |path: &Path, e| NetError::new("read", path.display().to_string(), e);
    // Not limited in length: the table is the kernel's own, and the kernel limits its sockets.
    let text = fs::read_to_string(&v4).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            failed(&v4, io::Error::new(e.kind(), "no such file: only Linux shows its sockets here"))
        }
        _ => failed(&v4, e),
    })?;
    let mut entries = parse(&text).map_err(|e| failed(&v4, e.into()))?;
    match fs::read_to_string(&v6) {
        Ok(text) => entries.extend(parse(&text).map_err(|e| failed(&v6, e.into()))?),
        // A kernel without IPv6.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(&v6, e)),
    }
    Ok(entries)
}

/// A table that is not as the kernel writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, counted from 1; the header is the first.
    pub line: usize,
    /// Which field of the line.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.field, self.why)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for io::Error {
    fn from(e: ParseError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, e)
    }
}

/// Reads a whole table. The first line is its header.
///
/// # Errors
/// Names the first line and field that is not as expected.
pub fn parse(table: &str) -> std::result::Result<Vec<Entry>, ParseError> {
    parse_lines(table, |_| true)
}

/// As [`parse`], for the lines with this port at either end: only an address has four digits after its colon.
fn parse_port(table: &str, port: u16) -> std::result::Result<Vec<Entry>, ParseError> {
    let port = format!(":{port:04X} ");
    parse_lines(table, |line| line.contains(&port))
}

fn parse_lines(table: &str, wanted: impl Fn(&str) -> bool) -> std::result::Result<Vec<Entry>, ParseError> {
    let lines = table.lines().zip(1..).skip(1).filter(|(text, _)| wanted(text));
    lines.map(|(text, line)| parse_line(text).map_err(|(field, why)| ParseError { line, field, why })).collect()
}

/// A field's name, and what is wrong with it.
type Fault = (&'static str, String);

fn parse_line(text: &str) -> std::result::Result<Entry, Fault> {
    let mut words = text.split_ascii_whitespace();
    let mut field = |name: &'static str| words.next().ok_or_else(|| (name, "missing".to_string()));
    field("slot")?;
    let local = parse_address(field("local address")?).map_err(|why| ("local address", why))?;
    let remote = parse_address(field("remote address")?).map_err(|why| ("remote address", why))?;
    let code = field("state")?;
    let state = hex(code, 2).ok().and_then(|n| State::from_code(u8::try_from(n).ok()?));
    let state = state.ok_or_else(|| ("state", format!("unknown state {code:?}")))?;
    let (send_queue, receive_queue) = parse_queues(field("queues")?).map_err(|why| ("queues", why))?;
    let timer = parse_timer(field("timer")?).map_err(|why| ("timer", why))?;
    let retransmits = hex(field("retransmits")?, 8).map_err(|why| ("retransmits", why))?;
    let uid = decimal(field("uid")?).map_err(|why| ("uid", why))?;
    field("timeout")?;
    let inode = decimal(field("inode")?).map_err(|why| ("inode", why))?;
    Ok(Entry { local, remote, state, send_queue, receive_queue, timer, retransmits, uid, inode })
}

/// `0100007F:1B5F`, or four words and a port.
fn parse_address(text: &str) -> std::result::Result<SocketAddr, String> {
    let (ip, port) = text.split_once(':').ok_or_else(|| format!("no colon in {text:?}"))?;
    let ip = parse_ip(ip).ok_or_else(|| format!("{ip:?} is neither 8 nor 32 hexadecimal digits"))?;
    let port = hex(port, 4).ok().and_then(|n| u16::try_from(n).ok());
    port.map(|port| SocketAddr::new(ip, port))
        .ok_or_else(|| format!("the port of {text:?} is not 4 hexadecimal digits"))
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    // The octets of the address are in network order inside each word, and the word was printed as a number.
    let word = |at: usize| Some(hex(text.get(at..at + 8)?, 8).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let octets = [word(0)?, word(8)?, word(16)?, word(24)?];
            Some(IpAddr::from(*octets.as_flattened().first_chunk::<16>()?))
        }
        _ => None,
    }
}

/// `tx:rx`.
fn parse_queues(text: &str) -> std::result::Result<(u32, u32), String> {
    let (send, receive) = text.split_once(':').ok_or_else(|| format!("no colon in {text:?}"))?;
    Ok((hex(send, 8)?, hex(receive, 8)?))
}

/// `02:00000E10`: which timer, and the time left in hundredths of a second (USER_HZ, proc(5)).
fn parse_timer(text: &str) -> std::result::Result<Option<(Timer, Duration)>, String> {
    let (kind, left) = text.split_once(':').ok_or_else(|| format!("no colon in {text:?}"))?;
    let kind = match hex(kind, 2)? {
        1 => Timer::Retransmit,
        2 => Timer::KeepAlive,
        3 => Timer::TimeWait,
        4 => Timer::Probe,
        // None is set; what a later kernel may add is nothing that can be named here.
        _ => return Ok(None),
    };
    Ok(Some((kind, Duration::from_millis(10) * hex(left, 8)?)))
}

/// Exactly `digits` of them: `from_str_radix` alone would take a sign, and fewer.
fn hex(text: &str, digits: usize) -> std::result::Result<u32, String> {
    let wrong = || format!("{text:?} is not {digits} hexadecimal digits");
    if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u32::from_str_radix(text, 16).map_err(|_| wrong())
}

fn decimal<T: std::str::FromStr>(text: &str) -> std::result::Result<T, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("{text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(local: &str, remote: &str, state: &str) -> String {
        format!(
            "{HEADER}   0: {local} {remote} {state} 00000010:000000FF 01:00000014 00000002  1000        0 21466 2 0 20 4 30 10 -1\n"
        )
    }

    /// An address as the kernel prints it on this machine.
    fn printed(address: SocketAddr) -> String {
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let words: String =
            octets.chunks(4).map(|w| format!("{:08X}", u32::from_ne_bytes([w[0], w[1], w[2], w[3]]))).collect();
        format!("{words}:{:04X}", address.port())
    }

    /// The line of a connection that has sent two segments again, from a little-endian machine.
    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_field_by_field() {
        let entries = parse(&line("0100007F:1B5F", "0200000A:C351", "08")).expect("a line");
        let expected = Entry {
            local: "127.0.0.1:7007".parse().expect("v4"),
            remote: "10.0.0.2:50001".parse().expect("v4"),
            state: State::CloseWait,
            send_queue: 16,
            receive_queue: 255,
            timer: Some((Timer::Retransmit, Duration::from_millis(200))),
            retransmits: 2,
            uid: 1000,
            inode: 21466,
        };
        assert_eq!(entries, [expected]);
    }

    /// IPv6 is four words, each turned round by itself.
    #[cfg(target_endian = "little")]
    #[test]
    fn ipv6_words() {
        let table = line("B80D0120000000000000000001000000:01BB", "0000000000000000FFFF00000100007F:0000", "0A");
        let entry = &parse(&table).expect("a line")[0];
        assert_eq!(entry.local.to_string(), "[2001:db8::1]:443");
        assert_eq!(entry.remote.to_string(), "[::ffff:127.0.0.1]:0");
    }

    #[test]
    fn every_state_has_a_name_and_a_number() {
        for (state, name) in State::ALL {
            assert_eq!((State::from_code(state.code()), state.to_string().as_str()), (Some(state), name));
        }
        assert_eq!(State::from_code(0x0C), Some(State::SynReceived));
        assert_eq!((State::from_code(0), State::from_code(0x0D)), (None, None));
        assert_eq!(format!("[{:>8}]", State::Listen), "[  LISTEN]");
    }

    /// The message says which line and which field.
    #[test]
    fn mistakes_are_placed() {
        for (local, remote, state, message) in [
            ("0100007F", "0:0", "0A", "line 2: local address: no colon in \"0100007F\""),
            ("0100007F:1B5F", "7F:0000", "0A", "line 2: remote address: \"7F\" is neither 8 nor 32 hexadecimal digits"),
            ("+100007F:1B5F", "", "", "line 2: local address: \"+100007F\" is neither 8 nor 32 hexadecimal digits"),
            (
                "0100007F:11B5F",
                "",
                "",
                "line 2: local address: the port of \"0100007F:11B5F\" is not 4 hexadecimal digits",
            ),
            ("0100007F:1B5F", "0100007F:1B5F", "0F", "line 2: state: unknown state \"0F\""),
            ("0100007F:1B5F", "0100007F:1B5F", "A", "line 2: state: unknown state \"A\""),
        ] {
            assert_eq!(parse(&line(local, remote, state)).expect_err(message).to_string(), message);
        }
        let cut = &line("0100007F:1B5F", "0100007F:1B5F", "0A")[..HEADER.len() + 66];
        assert_eq!(parse(cut).expect_err("cut").to_string(), "line 2: retransmits: missing");
        assert_eq!(parse("").expect("an empty table"), []);
    }

    /// No timer, or one that this module does not know: then there is nothing to say.
    #[test]
    fn timers_by_number() {
        for (text, timer) in [
            ("00:00000000", None),
            ("02:00000E10", Some((Timer::KeepAlive, Duration::from_secs(36)))),
            ("03:0000176F", Some((Timer::TimeWait, Duration::from_millis(59_990)))),
            ("04:00000000", Some((Timer::Probe, Duration::ZERO))),
            ("09:00000001", None),
        ] {
            assert_eq!(parse_timer(text), Ok(timer), "{text}");
        }
        assert!(parse_timer("02").is_err() && parse_timer("02:1").is_err() && parse_timer("2:00000001").is_err());
    }

    /// A port is found at either end, and a longer number that ends in its digits is not.
    #[test]
    fn one_port_of_many() {
        let here = line("0100007F:1B5F", "0100007F:C351", "01");
        let there = line("0100007F:C351", "0100007F:1B5F", "01");
        let other = line("0100007F:C352", "0100007F:C351", "01");
        let table = format!("{here}{}{}", &there[HEADER.len()..], &other[HEADER.len()..]);
        let ports =
            |port| parse_port(&table, port).expect("a table").iter().map(|e| e.local.port()).collect::<Vec<_>>();
        assert_eq!(ports(0x1B5F), [0x1B5F, 0xC351]);
        assert_eq!(ports(0x00FF), [0; 0], "digits of a queue");
    }

    /// No table: not this system. No table for IPv6: a kernel without it.
    #[test]
    fn a_missing_table_is_named() {
        let dir = tempfile::tempdir().expect("directory");
        let e = tables(dir.path(), parse).expect_err("empty").to_string();
        assert!(e.ends_with("/tcp: no such file: only Linux shows its sockets here"), "{e}");
        fs::write(dir.path().join("tcp"), HEADER).expect("write");
        assert_eq!(tables(dir.path(), parse).expect("IPv4 only"), []);
        fs::write(dir.path().join("tcp6"), format!("{HEADER}tide\n")).expect("write");
        let e = tables(dir.path(), parse).expect_err("garbage").to_string();
        assert!(e.ends_with("/tcp6: line 2: local address: missing"), "{e}");
    }

    /// The kernel under this test shows a socket of ours.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_real_table() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let found = tcp().expect("table").into_iter().find(|e| e.local == address).expect("listed");
        assert_eq!((found.state, found.remote.port()), (State::Listen, 0));
        assert_ne!(found.inode, 0);
    }

    proptest! {
        /// What the kernel prints for an address is read as that address.
        #[test]
        fn addresses_come_back(ip: std::net::IpAddr, port: u16) {
            let address = SocketAddr::new(ip, port);
            prop_assert_eq!(parse_address(&printed(address)), Ok(address));
        }

        /// Whatever the table holds, the answer is a list or an error.
        #[test]
        fn no_table_makes_it_panic(table in "(\\PC|[0-9A-F: \n]){0,200}") {
            let _ = parse(&format!("{HEADER}{table}"));
        }
    }
}
