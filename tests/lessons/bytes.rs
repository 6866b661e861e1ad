//! `<!-- bytes: NAME`: what went over the wire in a session of the same page, octet by octet.
//!
//! Octets get names where the author gives them one. Offsets count from the start of the stream, each direction by
//! itself; a negative one counts from its end, and a field without an end goes on to it:
//!
//! ```text
//! <!-- bytes: daytime
//! server 0..3 the day of the week
//! server -2.. CR LF, the end of the line
//! conversation 2
//! rows 4
//! -->
//! <!-- end -->
//! ```
//!
//! Datagrams have no stream: offsets count from the start of each, and a field says in which it is, by its number among
//! those of its side: `client 2: 0..2 the opcode`. Without a number it is in the first.
//!
//! `client` is the side that dialled, `server` the other, whatever their terminals are called. `conversation` picks
//! another connection than the first; `rows` says how many lines of a long message are shown (8 otherwise).

use crate::SelfCheck;
use crate::marks::Mark;
use crate::session::Run;
use crate::session::render::fenced;
use crate::wire::{said, sample, tapped};
use netkata::human;
use netkata::tap::{Conversation, From, Journal, Kind, Transport};

/// Lines of one message, where the author does not say.
const ROWS: usize = 8;

/// Some octets that mean something: from, to (to the end if `None`), name.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    from: From,
    /// Which of its side's, counted from 1, where there are datagrams.
    datagram: usize,
    start: i64,
    end: Option<i64>,
    name: String,
}

#[derive(Debug)]
struct Wanted {
    fields: Vec<Field>,
    conversation: usize,
    rows: usize,
}

fn wanted(script: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted { fields: Vec::new(), conversation: 0, rows: ROWS };
    for line in said(script) {
        let wrong = || {
            format!(
                "cannot read {line:?}: write client 0..4 NAME, client 2: 0..4 NAME, server -2.. NAME, conversation 2 or rows 4"
            )
        };
        let (word, rest) = line.split_once(' ').ok_or_else(wrong)?;
        let rest = rest.trim();
        match word {
            "conversation" => wanted.conversation = rest.parse::<usize>().map_err(|_| wrong())?.max(1) - 1,
            "rows" => wanted.rows = rest.parse::<usize>().map_err(|_| wrong())?.max(1),
            "client" | "server" => {
                let from = if word == "client" { From::Client } else { From::Server };
                let (datagram, rest) = match rest.split_once(": ") {
                    Some((number, rest)) if !number.contains(' ') => (number.parse().map_err(|_| wrong())?, rest),
                    _ => (1, rest),
                };
                let (range, name) = rest.split_once(' ').ok_or_else(wrong)?;
                let (start, end) = range.split_once("..").ok_or_else(wrong)?;
                let end = if end.is_empty() { None } else { Some(end.parse().map_err(|_| wrong())?) };
                let start = start.parse().map_err(|_| wrong())?;
                wanted.fields.push(Field { from, datagram, start, end, name: name.trim().to_string() });
            }
            _ => return Err(wrong()),
        }
    }
    Ok(wanted)
}

/// The octets of one conversation with a ruler under them.
pub fn make(mark: &Mark, run: &Run) -> Result<String, String> {
    Ok(format!("\n{}", fenced("text", &exchange(tapped(run)?, &wanted(&mark.script)?)?)))
}

/// A field's octets in its stream, and its number in the legend.
pub struct Span {
    start: usize,
    end: usize,
    number: usize,
}

fn exchange(journal: &Journal, wanted: &Wanted) -> Result<String, String> {
    let conversations = journal.conversations();
    let c = conversations
        .get(wanted.conversation)
        .ok_or_else(|| format!("there are only {} conversations", conversations.len()))?;
    let messages: Vec<(From, Vec<u8>)> = journal
        .events()
        .into_iter()
        .filter(|e| e.conversation == Some(wanted.conversation))
        .filter_map(|e| if let Kind::Data(from, octets) = e.kind { Some((from, octets)) } else { None })
        .collect();
    let total = |side| messages.iter().filter(|(from, _)| *from == side).map(|(_, o)| o.len()).sum::<usize>();
    let totals = (total(From::Client), total(From::Server));
    let datagrams = c.transport.keeps_boundaries();
    let count = |side| messages.iter().filter(|(from, _)| *from == side).count();
    if let Some(field) = wanted.fields.iter().find(|f| f.datagram > if datagrams { count(f.from) } else { 1 }) {
        return Err(format!("{:?}: there is no datagram {} of that side", field.name, field.datagram));
    }
    let mut sent = ((0, 0), (0, 0));
    let mut out = String::new();
    for (from, octets) in &messages {
        let (names, total, (number, offset)) = match from {
            From::Client => ((&c.client_name, &c.server_name), totals.0, &mut sent.0),
            From::Server => ((&c.server_name, &c.client_name), totals.1, &mut sent.1),
        };
        *number += 1;
        let here = |f: &Field| f.from == *from && (!datagrams || f.datagram == *number);
        let total = if datagrams { octets.len() } else { total };
        let range = *offset..*offset + octets.len();
        let spans = spans(&wanted.fields, here, total)?;
        out.push_str(&format!("{} → {}, {}\n", names.0, names.1, human::count(octets.len(), "octet")));
        out.push_str(&dump(octets, *offset, &spans, wanted.rows));
        for span in spans.iter().filter(|s| range.contains(&s.start)) {
            let name = &wanted.fields[span.number - 1].name;
            out.push_str(&format!("      {:>2}  {}  {name}\n", span.number, octet_range(span)));
        }
        out.push('\n');
        *offset = if datagrams { 0 } else { range.end };
    }
    Ok(out)
}

fn octet_range(span: &Span) -> String {
    match span.end - span.start {
        1 => format!("octet {}", span.start),
        _ => format!("octets {} to {}", span.start, span.end - 1),
    }
}

fn spans(fields: &[Field], here: impl Fn(&Field) -> bool, total: usize) -> Result<Vec<Span>, String> {
    let absolute = |offset: i64| {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        usize::try_from(if offset < 0 { total + offset } else { offset }).ok().filter(|o| *o <= total as usize)
    };
    let own = fields.iter().enumerate().filter(|(_, f)| here(f));
    own.map(|(i, f)| {
        let end = f.end.map_or(Some(total), absolute);
        match (absolute(f.start), end) {
            (Some(start), Some(end)) if start < end => Ok(Span { start, end, number: i + 1 }),
            _ => Err(format!("{:?} is not within the {} sent", f.name, human::count(total, "octet"))),
        }
    })
    .collect()
}

/// Sixteen octets a line. `offset` is where they stand in their stream; lines start at multiples of sixteen.
pub fn dump(octets: &[u8], offset: usize, spans: &[Span], rows: usize) -> String {
    let mut out = String::new();
    let mut at = 0;
    for row in 0.. {
        if at == octets.len() {
            break;
        }
        if row == rows {
            out.push_str(&format!("      … {} more\n", human::count(octets.len() - at, "octet")));
            break;
        }
        let (from, column) = (offset + at, (offset + at) % 16);
        let len = (16 - column).min(octets.len() - at);
        let line = &octets[at..at + len];
        let hex: String = line.iter().map(|o| format!("{o:02x} ")).collect();
        let text: String = line.iter().map(|&o| if (b' '..=b'~').contains(&o) { char::from(o) } else { '.' }).collect();
        let indent = " ".repeat(column * 3);
        out.push_str(&format!(
            "{:04x}  {:<48} {}{text}\n",
            from - column,
            format!("{indent}{hex}"),
            " ".repeat(column)
        ));
        if let Some(ruler) = ruler(from, len, spans) {
            out.push_str(&format!("      {indent}{ruler}\n"));
        }
        at += len;
    }
    out
}

/// `╰─1─╯` under the octets of each field; a field that goes on in the next line stays open.
fn ruler(from: usize, len: usize, spans: &[Span]) -> Option<String> {
    let mut line = vec![' '; len * 3];
    for span in spans {
        let (start, end) = (span.start.max(from), span.end.min(from + len));
        if start >= end {
            continue;
        }
        let (left, right) = ((start - from) * 3, (end - from) * 3 - 2);
        line[left..=right].fill('─');
        if start == span.start {
            line[left] = '╰';
        }
        if end == span.end {
            line[right] = '╯';
        }
        let number: Vec<char> = span.number.to_string().chars().collect();
        // Two columns are all that one octet has: it shows its number and nothing else.
        if right - left < number.len() + 1 {
            line[left..=right].fill(' ');
        }
        let at = left + (right + 1 - left - number.len()) / 2;
        line[at..at + number.len()].copy_from_slice(&number);
    }
    let text: String = line.into_iter().collect();
    (!text.trim().is_empty()).then(|| text.trim_end().to_string())
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_string).collect()
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("octets_with_a_ruler", || {
        let wanted = wanted(&lines("client 0..4 the call\nclient 4..5 LF\nserver -2.. CR LF\n")).unwrap();
        let shown = exchange(&sample(), &wanted).unwrap();
        let expected = "\
client → server, 5 octets
0000  61 68 6f 79 0a                                   ahoy.
      ╰────1────╯ 2
       1  octets 0 to 3  the call
       2  octet 4  LF

server → client, 18 octets
0000  74 68 65 20 74 69 64 65 20 69 73 20 68 69 67 68  the tide is high
0010  0d 0a                                            ..
      ╰─3─╯
       3  octets 16 to 17  CR LF

";
        let trimmed: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), expected.trim_end_matches('\n').to_string() + "\n", "{shown}");
    }),
    ("datagrams_begin_at_zero", || {
        let journal = Journal::new(100);
        let (client_name, server_name) = ("ship".to_string(), "quay".to_string());
        let talk = Conversation { transport: Transport::Udp, client: None, server: None, client_name, server_name };
        let c = journal.open(talk);
        for text in ["ebb", "flood"] {
            journal.data(c, From::Client, text.as_bytes());
        }
        let wanted = |script| wanted(&lines(script)).unwrap();
        let shown = exchange(&journal, &wanted("client 2: 0..2 first")).unwrap();
        assert!(shown.contains("0000  66 6c 6f 6f 64") && shown.contains("octets 0 to 1  first"), "{shown}");
        let e = exchange(&journal, &wanted("client 3: 0..2 first")).unwrap_err();
        assert!(e.contains("no datagram 3"), "{e}");
    }),
    ("fields_outside_are_errors", || {
        for (script, part) in [
            ("client 3..9 too far", "not within the 5 octets"),
            ("client -9.. before", "not within"),
            ("client 2..2 empty", "not within"),
            ("conversation 2", "only 1"),
            ("client 1 x", "cannot read"),
            ("tide 1..2 x", "cannot read"),
        ] {
            let e = wanted(&lines(script)).and_then(|w| exchange(&sample(), &w)).unwrap_err();
            assert!(e.contains(part), "{script}: {e}");
        }
    }),
    ("long_messages_are_cut", || {
        let shown = dump(&[b'x'; 40], 8, &[], 2);
        assert!(
            shown.starts_with("0000                          78 78") && shown.ends_with("… 16 octets more\n"),
            "{shown}"
        );
    }),
];
