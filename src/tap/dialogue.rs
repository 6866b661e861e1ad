//! A journal as text, one line an event:
//!
//! ```text
//! 0.000 s  → connect
//! 0.003 s  → 6 octets  61 68 6f 79 0d 0a  "ahoy\r\n"
//! 0.004 s  ← 6 octets  61 68 6f 79 0d 0a  "ahoy\r\n"
//! 0.005 s  → FIN
//! 0.105 s  (100ms of silence)
//! ```
//!
//! `→` goes from the client to the server, `←` back. On a terminal, lines of text are shown as they are.

use super::journal::{Event, From, Journal, Kind, Transport};
use crate::hexdump;
use crate::human::thousands;
use std::time::Duration;

/// Characters shown of a line on a terminal.
const TYPED: usize = 100;

/// What to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time of each event since the journal was opened. Without it, the same dialogue gives the same lines.
    pub times: bool,
    /// Octets shown of each event in hexadecimal; three times as many as text, when they are printable.
    pub octets: usize,
    /// Octets that are not text are shown as text too, between bars as in a dump, when most of them are letters.
    pub letters: bool,
    /// Most lines. Of a longer dialogue the middle is left out, and a line says so. Zero is taken as one.
    pub max_lines: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { times: true, octets: 16, letters: false, max_lines: usize::MAX }
    }
}

/// The lines of the dialogue, without line ends. Several conversations are told apart by a letter: A, B, C.
pub fn lines(journal: &Journal, options: &Options) -> Vec<String> {
    let transports: Vec<Transport> = journal.conversations().iter().map(|c| c.transport).collect();
    let events = journal.events();
    let transport = |event: &Event| event.conversation.and_then(|c| transports.get(c)).copied();
    let columns = Columns::of(events.iter().map(|event| (event, transport(event))));
    let lines = events.iter().flat_map(|event| {
        let transport = transport(event);
        let time = if options.times { columns.time(event.at) } else { String::new() };
        let who = match event.conversation {
            _ if transports.len() < 2 => String::new(),
            Some(c) => format!("{} ", letter(c)),
            None => "  ".into(),
        };
        let texts = sentences(&event.kind, transport, &columns, options);
        texts.into_iter().map(move |text| format!("{time}{who}{text}"))
    });
    cut(lines.collect(), options.max_lines)
}

/// How wide the numbers are.
pub(super) struct Columns {
    seconds: usize,
    octets: usize,
}

impl Columns {
    fn of<'a>(events: impl Iterator<Item = (&'a Event, Option<Transport>)>) -> Self {
        let mut columns = Self::narrow();
        events.for_each(|(event, transport)| columns.widen(event.at, &event.kind, transport));
        columns
    }

    /// As wide as nothing needs.
    pub(super) fn narrow() -> Self {
        Self { seconds: 1, octets: 1 }
    }

    /// As wide as this event needs, at least.
    pub(super) fn widen(&mut self, at: Duration, kind: &Kind, transport: Option<Transport>) {
        self.seconds = self.seconds.max(at.as_secs().to_string().len());
        match kind {
            Kind::Data(_, octets) if !is_typed(octets, transport) => {
                self.octets = self.octets.max(thousands(octets.len()).len());
            }
            _ => {}
        }
    }

    pub(super) fn time(&self, at: Duration) -> String {
        format!("{:width$}.{:03} s  ", at.as_secs(), at.subsec_millis(), width = self.seconds)
    }

    /// `   6 octets`, `   1 octet `: what follows begins in the same column.
    fn size(&self, octets: usize) -> String {
        format!("{:>width$} {:6}", thousands(octets), if octets == 1 { "octet" } else { "octets" }, width = self.octets)
    }
}

/// The name of a conversation among several: A to Z, then AA, AB, and so on.
pub fn letter(mut index: usize) -> String {
    let mut name = String::new();
    loop {
        name.insert(0, char::from(b'A' + (index % 26) as u8));
        index /= 26;
        if index == 0 {
            return name;
        }
        index -= 1;
    }
}

/// The conversation that [`letter`] calls so. There are too many with seven letters to be named by anybody.
pub fn number_of(letters: &str) -> Option<usize> {
    if letters.is_empty() || letters.len() > 6 || !letters.bytes().all(|o| o.is_ascii_uppercase()) {
        return None;
    }
    let digits = letters.bytes().map(|o| usize::from(o - b'A') + 1);
    digits.fold(0, |n, digit| n * 26 + digit).checked_sub(1)
}

/// Says that a side will send no more: `FIN` where there is such a thing.
pub(super) fn closing(transport: Option<Transport>) -> &'static str {
    match transport {
        Some(Transport::Tcp) => "FIN",
        _ => "end of file",
    }
}

/// Says that a side threw the conversation away. Where there are only datagrams, it is the host that says so: nobody
/// has that port (RFC 792; RFC 4443, section 3.1); for Unix sockets, it is the kernel.
pub(super) fn breaking(transport: Option<Transport>) -> &'static str {
    match transport {
        Some(Transport::Udp) => "port unreachable (ICMP)",
        Some(Transport::Unix | Transport::UnixPacket) => "reset",
        Some(Transport::UnixDatagram) => "nobody has the name",
        _ => "RST",
    }
}

/// The text on one line: control characters are written as `\n` or `\u{1b}`.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// See [`Transport::connects`].
pub(super) fn connects(transport: Option<Transport>) -> bool {
    transport.is_some_and(Transport::connects)
}

/// What the event was; nothing when there is nothing to tell.
pub(super) fn sentences(
    kind: &Kind,
    transport: Option<Transport>,
    columns: &Columns,
    options: &Options,
) -> Vec<String> {
    vec![match kind {
        Kind::Open if connects(transport) => "→ connect".into(),
        Kind::Open => return Vec::new(),
        Kind::Data(from, octets) if is_typed(octets, transport) => {
            let lines = octets.strip_suffix(b"\n").unwrap_or(octets).split(|&o| o == b'\n');
            return lines.map(|line| format!("{} {}", arrow(*from), hexdump::text(line, TYPED))).collect();
        }
        Kind::Data(from, octets) => {
            let text = format!("{} {}  {}", arrow(*from), columns.size(octets.len()), data(octets, options));
            text.trim_end().into()
        }
        Kind::Close(from) => format!("{} {}", arrow(*from), closing(transport)),
        Kind::Reset(from) => format!("{} {}", arrow(*from), breaking(transport)),
        Kind::Missing(from, missing) => format!("{} ({missing})", arrow(*from)),
        Kind::Note(text) => format!("({})", one_line(text)),
    }]
}

/// What a person types and reads is text: the octets would only be in the way.
fn is_typed(octets: &[u8], transport: Option<Transport>) -> bool {
    transport == Some(Transport::Stdio) && hexdump::is_text(octets)
}

pub(super) fn arrow(from: From) -> char {
    match from {
        From::Client => '→',
        From::Server => '←',
    }
}

fn data(octets: &[u8], options: &Options) -> String {
    let limit = options.octets;
    if octets.is_empty() || limit == 0 {
        return String::new();
    }
    let hex = hexdump::hex(octets, limit);
    // A person reads text faster than octets: more of it fits on the line.
    if hexdump::is_text(octets) {
        return format!("{hex}  \"{}\"", hexdump::text(octets, limit * 3));
    }
    let shown = &octets[..octets.len().min(limit)];
    let letter = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    if !options.letters || shown.iter().filter(|octet| letter(octet)).count() * 2 <= shown.len() {
        return hex;
    }
    let text: String = shown.iter().map(|octet| if letter(octet) { char::from(*octet) } else { '.' }).collect();
    format!("{hex}  |{text}|")
}

/// The first and the last lines, and one between them that counts the others.
fn cut(mut lines: Vec<String>, max: usize) -> Vec<String> {
    if lines.len() <= max.max(1) {
        return lines;
    }
    let kept = max.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let more = lines.len() - kept;
    lines.splice(head..lines.len() - tail, [format!("… ({} more)", thousands(more))]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::Conversation;

    fn talk(transport: Transport) -> Conversation {
        Conversation {
            transport,
            client: None,
            server: None,
            client_name: "pilot".into(),
            server_name: "harbour".into(),
        }
    }

    fn untimed() -> Options {
        Options { times: false, ..Options::default() }
    }

    /// One conversation needs no letter.
    /// A frame with a few octets in front of its text; and octets that are mostly none.
    #[test]
    fn letters_are_shown_where_they_are_most() {
        let options = Options { letters: true, octets: 12, ..Options::default() };
        let hex = |octets| hexdump::hex(octets, 12);
        assert_eq!(data(b"\0\0\x04Alma..", &options), format!("{}  |...Alma..|", hex(b"\0\0\x04Alma..")));
        assert_eq!(data(b"\0\0\0\x04Alma", &options), hex(b"\0\0\0\x04Alma"), "a half is not most");
        assert_eq!(data(b"\0\0\x04Alma..", &Options { letters: false, ..options }), hex(b"\0\0\x04Alma.."));
    }

    #[test]
    fn one_conversation() {
        let journal = Journal::new(1 << 10);
        let c = journal.open(talk(Transport::Tcp));
        journal.data(c, From::Client, b"ahoy\r\n");
        journal.data(c, From::Server, &[0xff]);
        journal.event(c, Kind::Close(From::Client));
        journal.event(c, Kind::Note("waited,\nnothing came".into()));
        journal.event(c, Kind::Reset(From::Server));
        assert_eq!(
            lines(&journal, &untimed()),
            [
                "→ connect",
                "→ 6 octets  61 68 6f 79 0d 0a  \"ahoy\\r\\n\"",
                "← 1 octet   ff",
                "→ FIN",
                "(waited,\\nnothing came)",
                "← RST",
            ]
        );
    }

    /// Several do, and what belongs to none keeps its place. Datagrams and pipes have no connect.
    #[test]
    fn several_conversations() {
        let journal = Journal::new(1 << 10);
        let a = journal.open(talk(Transport::Udp));
        let b = journal.open(talk(Transport::Unix));
        let c = journal.open(talk(Transport::Stdio));
        journal.data(a, From::Client, b"");
        journal.note("SIGTERM");
        journal.event(b, Kind::Close(From::Server));
        journal.data(c, From::Client, &[0xff; 1000]);
        journal.data(c, From::Server, b"two ships\nat berth\n");
        let options = Options { octets: 2, ..untimed() };
        assert_eq!(
            lines(&journal, &options),
            [
                "B → connect",
                "A →     0 octets",
                "  (SIGTERM)",
                "B ← end of file",
                "C → 1,000 octets  ff ff … (998 more)",
                "C ← two ships",
                "C ← at berth",
            ]
        );
    }

    /// The time column is there, and as wide on every line.
    #[test]
    fn times_have_a_column() {
        let journal = Journal::new(1 << 10);
        journal.note("first");
        journal.note("second");
        for (line, text) in lines(&journal, &Options::default()).iter().zip(["first", "second"]) {
            let (time, rest) = line.split_once(" s  ").expect("column");
            assert_eq!((time.len(), time.parse::<f64>().is_ok()), (5, true), "{line}");
            assert_eq!(rest, format!("({text})"));
        }
    }

    /// A long dialogue keeps its beginning and its end.
    #[test]
    fn the_middle_is_left_out() {
        let journal = Journal::new(0);
        for n in 0..20 {
            journal.note(n.to_string());
        }
        let shown = |max_lines| lines(&journal, &Options { max_lines, ..untimed() }).join(" ");
        assert_eq!(shown(6), "(0) (1) (2) … (15 more) (18) (19)");
        assert_eq!(shown(2), "(0) … (19 more)");
        assert_eq!(shown(1), "… (20 more)");
        assert_eq!(shown(0), "… (20 more)");
        assert_eq!(lines(&journal, &Options { max_lines: 20, ..untimed() }).len(), 20);
    }

    #[test]
    fn letters_never_run_out() {
        let named: Vec<String> = [0, 25, 26, 51, 52, 701, 702].into_iter().map(letter).collect();
        assert_eq!(named, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
        assert!((0..1000).all(|n| number_of(&letter(n)) == Some(n)));
        assert_eq!([number_of(""), number_of("a"), number_of("AAAAAAA")], [None; 3]);
    }
}
