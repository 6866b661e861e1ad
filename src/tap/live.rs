//! A dialogue as it happens: the lines of [`dialogue`], one after the other, each conversation with its letter.

use super::dialogue::{self, Columns, arrow, connects, letter, one_line, sentences};
use super::journal::{Conversation, From, Kind, Transport};
use super::protocol::Label;
use super::record::{Sink, What};
use crate::hexdump;
use anstyle::{AnsiColor, Style};
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::time::Duration;

/// How the octets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for what was received at once, with so many octets of it.
    Lines(usize),
    /// The same, with all octets below it. The offset counts from the side's first octet.
    Dump,
    /// What the two say, in turn, without times and octets.
    Follow,
}

/// Writes a dialogue line by line.
pub struct Live<W> {
    out: W,
    form: Form,
    colour: bool,
    columns: Columns,
    talks: HashMap<usize, Talk>,
    /// Who said the octets at the end of the line that is not ended yet.
    unfinished: Option<(usize, From)>,
    /// A CR that may belong to an LF to come.
    carriage_return: bool,
    line: String,
}

struct Talk {
    transport: Transport,
    /// Of each side, how much it has said.
    offsets: [u64; 2],
}

impl<W: Write> Live<W> {
    /// Colours are for terminals.
    pub fn new(out: W, form: Form, colour: bool) -> Self {
        Self {
            out,
            form,
            colour,
            columns: Columns::narrow(),
            talks: HashMap::new(),
            unfinished: None,
            carriage_return: false,
            line: String::new(),
        }
    }

    fn begin(&mut self, at: Duration, index: usize, conversation: &Conversation) {
        let Conversation { transport, client_name, server_name, .. } = conversation;
        self.talks.insert(index, Talk { transport: *transport, offsets: [0; 2] });
        self.columns.widen(at, &Kind::Open, Some(*transport));
        let who = format!("({} to {})", one_line(client_name), one_line(server_name));
        let opening = if connects(Some(*transport)) { "→ connect  " } else { "" };
        if self.form != Form::Follow {
            self.put(Some(at), Some(index), Style::new(), format_args!("{opening}{who}"));
        }
    }

    fn event(&mut self, at: Duration, index: usize, kind: &Kind, label: Option<&Label>) {
        let Some(transport) = self.talks.get(&index).map(|talk| talk.transport) else { return };
        match (self.form, kind) {
            // The line about the beginning has been written.
            (_, Kind::Open) => {}
            (Form::Follow, Kind::Data(from, octets)) => self.follow(index, *from, octets),
            (Form::Follow, Kind::Missing(from, missing)) => {
                self.end_line();
                self.put(None, Some(index), style(kind), format_args!("{} ({missing})", arrow(*from)));
            }
            (Form::Follow, _) => {}
            (form, kind) => {
                self.columns.widen(at, kind, Some(transport));
                let octets = if let Form::Lines(octets) = form { octets } else { 0 };
                let options = dialogue::Options { octets, letters: true, ..dialogue::Options::default() };
                for text in sentences(kind, Some(transport), &self.columns, &options) {
                    let name = label
                        .map_or(String::new(), |label| format!("  {}", self.paint(NAME, format_args!("[{label}]"))));
                    self.put(Some(at), Some(index), style(kind), text);
                    self.line.truncate(self.line.len() - 1);
                    self.line.push_str(&name);
                    self.line.push('\n');
                }
                if let (Form::Dump, Kind::Data(from, octets)) = (form, kind) {
                    self.dump(index, *from, octets);
                }
            }
        }
    }

    fn dump(&mut self, index: usize, from: From, octets: &[u8]) {
        let Some(talk) = self.talks.get_mut(&index) else { return };
        let offset = &mut talk.offsets[from as usize];
        self.line.push_str(&hexdump::dump_from(*offset, octets));
        *offset += octets.len() as u64;
    }

    /// A line of its own for each line that is said; one that is not whole yet is gone on with when nobody else speaks.
    fn follow(&mut self, index: usize, from: From, octets: &[u8]) {
        if self.unfinished != Some((index, from)) {
            self.end_line();
        }
        for chunk in octets.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.character(index, from, c);
            }
            for octet in chunk.invalid() {
                self.said(index, from, &format!("\\x{octet:02x}"));
            }
        }
    }

    /// A terminal would obey control characters, so they are written out; but for the two ends of a line.
    fn character(&mut self, index: usize, from: From, c: char) {
        if self.carriage_return && c != '\n' {
            self.carriage_return = false;
            self.said(index, from, "\\r");
        }
        match c {
            '\r' => self.carriage_return = true,
            '\n' => {
                self.carriage_return = false;
                self.said(index, from, "");
                self.end_line();
            }
            '\t' => self.said(index, from, "\t"),
            c if c.is_control() => self.said(index, from, &c.escape_default().to_string()),
            c => self.said(index, from, c.encode_utf8(&mut [0; 4])),
        }
    }

    fn said(&mut self, index: usize, from: From, text: &str) {
        if self.unfinished.is_none() {
            let style = if self.colour { side(from) } else { Style::new() };
            let _ = write!(self.line, "{style}{} {} ", letter(index), arrow(from));
            self.unfinished = Some((index, from));
        }
        self.line.push_str(text);
    }

    fn end_line(&mut self) {
        if let Some((index, from)) = self.unfinished {
            if std::mem::take(&mut self.carriage_return) {
                self.said(index, from, "\\r");
            }
            let style = if self.colour { side(from) } else { Style::new() };
            let _ = writeln!(self.line, "{style:#}");
            self.unfinished = None;
        }
    }

    fn put(&mut self, at: Option<Duration>, index: Option<usize>, style: Style, text: impl Display) {
        let time = at.map_or(String::new(), |at| self.paint(DIM, self.columns.time(at)));
        let who = index.map_or("  ".into(), |index| format!("{} ", letter(index)));
        let text = self.paint(style, text);
        let _ = writeln!(self.line, "{time}{who}{text}");
    }

    fn paint(&self, style: Style, text: impl Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

const DIM: Style = Style::new().dimmed();
const NAME: Style = Style::new().bold();

fn side(from: From) -> Style {
    match from {
        From::Client => AnsiColor::Cyan.on_default(),
        From::Server => AnsiColor::Green.on_default(),
    }
}

fn style(kind: &Kind) -> Style {
    match kind {
        Kind::Open => side(From::Client),
        Kind::Data(from, _) | Kind::Close(from) => side(*from),
        Kind::Reset(_) => AnsiColor::Red.on_default(),
        Kind::Missing(..) | Kind::Note(_) => AnsiColor::Yellow.on_default(),
    }
}

impl<W: Write + Send> Sink for Live<W> {
    fn seen(&mut self, at: Duration, conversation: usize, what: &What) -> io::Result<()> {
        match what {
            What::Begin(between) => self.begin(at, conversation, between),
            What::Event(kind, label) => self.event(at, conversation, kind, label.as_ref()),
            What::End => {
                self.talks.remove(&conversation);
                if self.unfinished.is_some_and(|(index, _)| index == conversation) {
                    self.end_line();
                }
            }
        }
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: Duration, remarks: &[String]) -> io::Result<()> {
        self.end_line();
        for remark in remarks {
            self.put(None, None, style(&Kind::Note(String::new())), format_args!("({remark})"));
        }
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::protocol::Sniffer;
    use crate::tap::{Missing, Why};

    fn talk(transport: Transport) -> What {
        What::Begin(Conversation {
            transport,
            client: None,
            server: None,
            client_name: "pilot".into(),
            server_name: "harbour".into(),
        })
    }

    fn said(from: From, octets: &[u8]) -> What {
        What::Event(Kind::Data(from, octets.to_vec()), None)
    }

    fn shown(form: Form, colour: bool, seen: &[(usize, What)]) -> String {
        let mut live = Live::new(Vec::new(), form, colour);
        for (index, what) in seen {
            live.seen(Duration::from_millis(1234), *index, what).expect("vec");
        }
        live.finish(Duration::ZERO, &["the end".into()]).expect("vec");
        String::from_utf8(live.out).expect("UTF-8")
    }

    fn conversation() -> Vec<(usize, What)> {
        let label = Sniffer::new(false, 0).look(From::Client, b"GET /tides HTTP/1.1\r\n");
        let missing = Missing { octets: 1234, datagrams: 0, why: Why::Slow };
        vec![
            (0, talk(Transport::Tcp)),
            (0, What::Event(Kind::Open, None)),
            (0, What::Event(Kind::Data(From::Client, b"ahoy\r\n".to_vec()), label)),
            (1, talk(Transport::Udp)),
            (1, said(From::Server, &[0xff; 1000])),
            (0, said(From::Server, b"a")),
            (0, What::Event(Kind::Missing(From::Server, missing), None)),
            (0, What::Event(Kind::Close(From::Client), None)),
            (1, What::Event(Kind::Reset(From::Server), None)),
            (0, What::End),
            (0, said(From::Server, b"from beyond")),
        ]
    }

    #[test]
    fn a_line_for_each_event() {
        assert_eq!(
            shown(Form::Lines(4), false, &conversation()),
            "1.234 s  A → connect  (pilot to harbour)\n\
             1.234 s  A → 6 octets  61 68 6f 79 … (2 more)  \"ahoy\\r\\n\"  [HTTP/1.1 GET /tides]\n\
             1.234 s  B (pilot to harbour)\n\
             1.234 s  B ← 1,000 octets  ff ff ff ff … (996 more)\n\
             1.234 s  A ←     1 octet   61  \"a\"\n\
             1.234 s  A ← (1,234 octets not recorded: the recorder was too slow)\n\
             1.234 s  A → FIN\n\
             1.234 s  B ← port unreachable (ICMP)\n  (the end)\n"
        );
    }

    /// All octets, and where in the stream they are.
    #[test]
    fn a_dump() {
        let seen = [(0, talk(Transport::Tcp)), (0, said(From::Server, &[b'~'; 17])), (0, said(From::Server, b"ebb"))];
        let told = shown(Form::Dump, false, &seen);
        assert!(told.contains("A ← 17 octets\n00000000  7e 7e "), "{told}");
        assert!(told.contains("\n00000011  65 62 62  "), "{told}");
    }

    /// The content, in turn. A line that comes in pieces is one line; control characters are not obeyed.
    #[test]
    fn following() {
        let seen = [
            (0, talk(Transport::Tcp)),
            (0, said(From::Client, "GET /M\u{f6}we\r\n\r\nab".as_bytes())),
            (0, said(From::Client, b"c\x1b[2J\r")),
            (0, said(From::Client, b"\nd\re")),
            (0, said(From::Server, b"\xffaye\n")),
            (0, What::Event(Kind::Close(From::Client), None)),
            (0, said(From::Client, b"last\r")),
            (0, What::End),
        ];
        assert_eq!(
            shown(Form::Follow, false, &seen),
            "A → GET /M\u{f6}we\nA → \nA → abc\\u{1b}[2J\nA → d\\re\nA ← \\xffaye\nA → last\\r\n  (the end)\n"
        );
    }

    /// Colours change nothing but colours.
    #[test]
    fn colours() {
        for form in [Form::Lines(4), Form::Follow] {
            let (plain, coloured) = (shown(form, false, &conversation()), shown(form, true, &conversation()));
            let mut rest = coloured.as_str();
            let mut stripped = String::new();
            while let Some((text, tail)) = rest.split_once("\x1b[") {
                stripped.push_str(text);
                rest = tail.split_once('m').expect("an SGR sequence").1;
            }
            assert_eq!(stripped + rest, plain);
            assert!(coloured.contains("\x1b[36m"));
        }
    }
}
