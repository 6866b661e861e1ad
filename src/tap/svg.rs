//! A journal as a picture: a sequence diagram in SVG, with the client on the left, the server on the right, and time
//! going down.
//!
//! The picture is the same for the same dialogue: it shows no times and no ports. It needs no script and no font from
//! elsewhere, follows the reader's light or dark scheme, and says in its description what it shows.

use super::chart::{Label, Look, Parties, Row, rows};
use super::journal::Journal;
use std::fmt::{self, Display, Write};

/// What to draw.
#[derive(Clone, Debug)]
pub struct Options {
    /// Above the picture; none when empty.
    pub title: String,
    /// Draws one arrow, `connect`, instead of SYN, SYN ACK, ACK.
    pub hide_handshake: bool,
    /// Most characters of octets on an arrow. Fewer, when the arrow is short.
    pub max_label: usize,
    /// Most arrows and notes. Of a longer journal the middle is left out, and a note says so.
    pub max_rows: usize,
    /// What the client of each conversation is called, in the order of the journal. Conversations with the same name here
    /// share a lifeline. Without it the journal's names hold, with a letter where there are several.
    pub clients: Vec<String>,
    /// Writes what the octets say in their protocol instead of the octets, where that is known.
    pub names: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            title: String::new(),
            hide_handshake: false,
            max_label: 52,
            max_rows: 60,
            clients: Vec::new(),
            names: false,
        }
    }
}

/// All lengths are in CSS pixels.
const WIDTH: f64 = 720.0;
/// From the picture's edge to the first and the last lifeline.
const SIDE: f64 = 88.0;
/// Lifelines are at least this far apart; with many of them the picture gets wider.
const NEAREST: f64 = 130.0;
const MARGIN: f64 = 24.0;
const TITLE_HEIGHT: f64 = 34.0;
const NAME_HEIGHT: f64 = 32.0;
/// At least.
const NAME_WIDTH: f64 = 88.0;
const NAME_PADDING: f64 = 26.0;
/// From the end of one arrow down to the start of the next. The label is in between.
const ARROW_GAP: f64 = 30.0;
/// The same for a word of TCP, which needs less room.
const CONTROL_GAP: f64 = 25.0;
/// How far an arrow falls for each pixel it runs: the time that a segment is under way.
const SLOPE: f64 = 0.028;
/// The length of an arrow's head.
const HEAD: f64 = 10.0;
/// From an arrow up to the foot of its label.
const LABEL_LIFT: f64 = 7.0;
const BAND_GAP: f64 = 18.0;
const BAND_LINE: f64 = 18.0;
const BAND_PADDING: f64 = 6.0;
const BAND_LINES: usize = 3;
/// The advance of a character in the monospaced font, and about that in the others.
const MONO: f64 = 7.9;
const SANS: f64 = 6.9;
const BOLD: f64 = 8.5;

/// Shapes and type.
const STYLE: &str = "\
.tap{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.tap text{text-anchor:middle}
.tap .title{font-size:16px;font-weight:600}
.tap .name{font-size:14px;font-weight:600}
.tap .life{stroke-width:1.5}
.tap .label{paint-order:stroke;stroke-width:5px;stroke-linejoin:round}
.tap .octets{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.tap .count{font-size:12px}
.tap .word{font-size:12px;font-weight:600;letter-spacing:.03em}
.tap .arrow{fill:none;stroke-width:1.75;stroke-linecap:round}
.tap .control .arrow{stroke-width:1.25}
.tap .note{font-style:italic}
";

/// The colours of one scheme. Each is spelled out where it is used: some viewers of SVG know no variables.
struct Scheme {
    page: &'static str,
    edge: &'static str,
    ink: &'static str,
    soft: &'static str,
    line: &'static str,
    name: &'static str,
    request: &'static str,
    reply: &'static str,
    reset: &'static str,
    band: &'static str,
    note: &'static str,
}

const LIGHT: Scheme = Scheme {
    page: "#fff",
    edge: "#d5dbe1",
    ink: "#1f2328",
    soft: "#59636e",
    line: "#c3cad2",
    name: "#f3f5f8",
    request: "#0a58ca",
    reply: "#1a7339",
    reset: "#c4212d",
    band: "#fdf6d8",
    note: "#5c4400",
};

const DARK: Scheme = Scheme {
    page: "#10151c",
    edge: "#2d343d",
    ink: "#e6edf3",
    soft: "#9aa4af",
    line: "#3a424c",
    name: "#1b222b",
    request: "#6cb0ff",
    reply: "#56c271",
    reset: "#ff6b62",
    band: "#2b2614",
    note: "#ead28a",
};

impl Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, edge, ink, soft, line, name, request, reply, reset, band, note } = self;
        writeln!(f, ".tap .page{{fill:{page};stroke:{edge}}}")?;
        writeln!(
            f,
            ".tap text{{fill:{ink}}}.tap .label{{stroke:{page}}}.tap .count,.tap .control .word{{fill:{soft}}}"
        )?;
        writeln!(f, ".tap .box{{fill:{name};stroke:{line}}}.tap .life{{stroke:{line}}}")?;
        for (class, colour) in [("request", request), ("reply", reply), ("control", soft), ("reset", reset)] {
            writeln!(f, ".tap .{class} .arrow{{stroke:{colour}}}.tap .{class} .head{{fill:{colour}}}")?;
        }
        writeln!(f, ".tap .reset .word{{fill:{reset}}}.tap .band{{fill:{band}}}.tap .note{{fill:{note}}}")
    }
}

/// Draws the journal. The result is a whole SVG document, good as a file and inside a page.
pub fn draw(journal: &Journal, options: &Options) -> String {
    let conversations = journal.conversations();
    let parties = Parties::of(&conversations, options);
    let rows = rows(journal, &conversations, &parties, options);
    let mut picture = Picture::new(&parties, options);
    let names_at = picture.y;
    picture.y += NAME_HEIGHT;
    let lines_from = picture.y;
    for row in &rows {
        picture.row(row, options.max_label);
    }
    picture.y += MARGIN;
    let lines = picture.lifelines(lines_from);
    let names = picture.names(&parties, names_at);
    let (width, height) = (picture.width, picture.y + MARGIN / 2.0);
    let title = if options.title.is_empty() { parties.names.join(" and ") } else { options.title.clone() };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tap\" role=\"img\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
         <title>{title}</title>\n<desc>{description}</desc>\n\
         <style>\n{STYLE}{LIGHT}@media(prefers-color-scheme:dark){{\n{DARK}}}\n</style>\n\
         <rect class=\"page\" x=\".5\" y=\".5\" width=\"{inner_w}\" height=\"{inner_h}\" rx=\"8\"/>\n\
         {heading}{lines}{names}{body}</svg>\n",
        w = N(width),
        h = N(height),
        inner_w = N(width - 1.0),
        inner_h = N(height - 1.0),
        title = Xml(&title),
        description = Xml(&description(&rows, &parties, options.max_label)),
        heading = heading(&options.title, width),
        body = picture.out,
    )
}

fn heading(title: &str, width: f64) -> String {
    if title.is_empty() {
        return String::new();
    }
    format!("<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>\n", N(width / 2.0), N(MARGIN + 14.0), Xml(title))
}

/// What is drawn so far, and how far down it goes.
struct Picture {
    width: f64,
    lifelines: Vec<f64>,
    y: f64,
    out: String,
}

impl Picture {
    fn new(parties: &Parties, options: &Options) -> Self {
        let gaps = parties.names.len().saturating_sub(1).max(1) as f64;
        let width = WIDTH.max(2.0 * SIDE + gaps * NEAREST);
        let apart = (width - 2.0 * SIDE) / gaps;
        Self {
            width,
            lifelines: (0..parties.names.len()).map(|i| SIDE + i as f64 * apart).collect(),
            y: MARGIN + if options.title.is_empty() { 0.0 } else { TITLE_HEIGHT },
            out: String::new(),
        }
    }

    fn lifelines(&self, from: f64) -> String {
        let (top, bottom) = (N(from), N(self.y));
        let line = |&x: &f64| format!("<path class=\"life\" d=\"M{} {top}V{bottom}\"/>\n", N(x));
        self.lifelines.iter().map(line).collect()
    }

    fn names(&self, parties: &Parties, top: f64) -> String {
        let room = self.lifelines.get(1).map_or(WIDTH, |second| second - SIDE).min(2.0 * SIDE) - NAME_PADDING - 4.0;
        let name = |(&x, name): (&f64, &String)| {
            let name = shorten(name, (room / BOLD) as usize);
            let width = (name.chars().count() as f64 * BOLD + NAME_PADDING).max(NAME_WIDTH);
            format!(
                "<rect class=\"box\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\
                 <text class=\"name\" x=\"{}\" y=\"{}\">{}</text>\n",
                N(x - width / 2.0),
                N(top),
                N(width),
                N(NAME_HEIGHT),
                N(x),
                N(top + NAME_HEIGHT / 2.0 + 5.0),
                Xml(&name)
            )
        };
        self.lifelines.iter().zip(&parties.names).map(name).collect()
    }

    fn row(&mut self, row: &Row, max_label: usize) {
        match row {
            Row::Arrow { from, to, look, label } => {
                self.arrow(self.lifelines[*from], self.lifelines[*to], *look, label, max_label);
            }
            Row::Band(text) => self.band(text),
        }
    }

    /// The label runs along the arrow, just above it.
    fn arrow(&mut self, from: f64, to: f64, look: Look, label: &Label, max_label: usize) {
        let run = (to - from).abs();
        let forth = (to - from).signum();
        let top = self.y + if matches!(label, Label::Word(_)) { CONTROL_GAP } else { ARROW_GAP };
        let bottom = top + run * SLOPE;
        self.y = bottom;
        let angle = (SLOPE * forth).atan().to_degrees();
        // The line stops inside the head, so that its own width does not blunt the tip.
        let stop = if look == Look::Reset { to } else { to - forth * HEAD / 2.0 };
        let (x, y) = (N(f64::midpoint(from, to)), N(f64::midpoint(top, bottom) - LABEL_LIFT));
        let _ = writeln!(
            self.out,
            "<g class=\"{}\"><path class=\"arrow\" d=\"M{} {}L{} {}\"/>{}\
             <text class=\"label\" x=\"{x}\" y=\"{y}\" transform=\"rotate({} {x} {y})\" xml:space=\"preserve\">{}</text></g>",
            look.class(),
            N(from),
            N(top),
            N(stop),
            N(bottom),
            arrow_end(look, to, bottom, if forth < 0.0 { 180.0 + angle } else { angle }),
            N(angle),
            label_text(label, run, max_label)
        );
    }

    /// Words across all lifelines, on as many lines as they need, up to [`BAND_LINES`].
    fn band(&mut self, text: &str) {
        let room = self.width - 2.0 * MARGIN - 2.0 * BAND_LINE;
        let lines = wrap(text, (room / SANS) as usize, BAND_LINES);
        let height = lines.len() as f64 * BAND_LINE + 2.0 * BAND_PADDING;
        let top = self.y + BAND_GAP;
        let _ = write!(
            self.out,
            "<rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"5\"/>",
            N(MARGIN),
            N(top),
            N(self.width - 2.0 * MARGIN),
            N(height)
        );
        for (i, line) in lines.iter().enumerate() {
            let y = top + BAND_PADDING + i as f64 * BAND_LINE + 13.5;
            let _ = write!(
                self.out,
                "<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>",
                N(self.width / 2.0),
                N(y),
                Xml(line)
            );
        }
        self.out.push('\n');
        self.y = top + height;
    }
}

/// A head that points the way; for an RST a cross, since the connection ends there, and not in good order.
fn arrow_end(look: Look, x: f64, y: f64, angle: f64) -> String {
    if look == Look::Reset {
        return format!("<path class=\"arrow\" d=\"M{} {}l12 12m-12 0l12 -12\"/>", N(x - 6.0), N(y - 6.0));
    }
    format!(
        "<path class=\"head\" transform=\"translate({} {})rotate({})\" d=\"M0 0L-{HEAD} 4.5L-{HEAD} -4.5Z\"/>",
        N(x),
        N(y),
        N(angle)
    )
}

/// The octets in monospaced type and how many there are, or a word of TCP.
fn label_text(label: &Label, run: f64, max_label: usize) -> String {
    let counted = label.texts(0).1;
    let room = run - 4.0 * HEAD - (counted.chars().count() + 3) as f64 * SANS;
    let advance = if matches!(label, Label::Named(_)) { SANS } else { MONO };
    let (octets, words) = label.texts(max_label.min((room.max(0.0) / advance) as usize));
    match label {
        Label::Word(_) => format!("<tspan class=\"word\">{}</tspan>", Xml(&words)),
        Label::Named(_) => format!("<tspan>{}</tspan>", Xml(&octets)),
        Label::Octets(_) if octets.is_empty() => {
            format!("<tspan class=\"count\">{}</tspan>", Xml(&words))
        }
        Label::Octets(_) => {
            format!(
                "<tspan class=\"octets\">{}</tspan><tspan class=\"count\" dx=\"12\">{}</tspan>",
                Xml(&octets),
                Xml(&words)
            )
        }
    }
}

/// The picture in words, for those who do not see it.
fn description(rows: &[Row], parties: &Parties, max_label: usize) -> String {
    let sentence = |row: &Row| match row {
        Row::Band(text) => format!("Note: {text}."),
        Row::Arrow { from, to, label, .. } => {
            let (octets, words) = label.texts(max_label);
            let comma = if octets.is_empty() || words.is_empty() { "" } else { ", " };
            format!("{} to {}: {octets}{comma}{words}.", parties.names[*from], parties.names[*to])
        }
    };
    rows.iter().map(sentence).collect::<Vec<_>>().join("\n")
}

/// At most `width` characters, the last of them `…` when some were left out.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Lines of at most `width` characters, broken between words, `most` of them at most.
fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = &mut lines[..].last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines.iter().map(|line| shorten(line, width)).collect()
}

/// A length with at most two decimals.
struct N(f64);

impl Display for N {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Text that is safe in an XML document, in an attribute too.
struct Xml<'a>(&'a str);

impl Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // No XML document may have these, not even as a reference (XML 1.0, section 2.2).
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                c if c.is_control() && c != '\n' => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tap::{Conversation, From, Kind, Transport};

    fn talk(port: u16) -> Conversation {
        Conversation {
            transport: Transport::Tcp,
            client: Some(([127, 0, 0, 1], port).into()),
            server: Some(([127, 0, 0, 1], 7007).into()),
            client_name: "pilot".into(),
            server_name: "harbour <&> \"quay\"\u{7}".into(),
        }
    }

    fn journal(port: u16) -> Journal {
        let journal = Journal::new(1 << 10);
        let c = journal.open(talk(port));
        journal.data(c, From::Client, b"<how> &  deep?\r\n");
        journal.event(c, Kind::Note("the tide\u{0}is\u{ffff}in".into()));
        journal.data(c, From::Server, &[0, 1, 2]);
        journal.event(c, Kind::Close(From::Client));
        journal.event(c, Kind::Reset(From::Server));
        journal
    }

    /// The names of the elements, and the text of those called `wanted`.
    fn read(svg: &str, wanted: &str) -> Vec<String> {
        use quick_xml::events::Event::{Eof, GeneralRef, Start, Text};
        let mut reader = quick_xml::Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut found: Vec<String> = Vec::new();
        let mut within = false;
        loop {
            match reader.read_event().expect("well-formed") {
                Eof => return found,
                Start(tag) => {
                    within = tag.name().as_ref() == wanted;
                    found.extend(within.then(String::new));
                }
                Text(text) if within => found.last_mut().expect("element").push_str(text.as_ref()),
                GeneralRef(name) if within => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*name)).expect("known").into_owned();
                    found.last_mut().expect("element").push_str(&text);
                }
                _ => within = false,
            }
        }
    }

    /// Whatever is in the octets, the names and the notes: the picture is well-formed, and shows them.
    #[test]
    fn well_formed_and_complete() {
        let options = Options { title: "Depth & <tide>".into(), ..Options::default() };
        let svg = draw(&journal(50_000), &options);
        let told = read(&svg, "tspan");
        let octets = "\"<how> &  deep?\\r\\n\"";
        assert_eq!(told, ["SYN", "SYN ACK", "ACK", octets, "16 octets", "00 01 02", "3 octets", "FIN", "RST"]);
        assert_eq!(read(&svg, "title"), ["Depth & <tide>"]);
        assert!(read(&svg, "text").contains(&"the tide\\u{0}is\u{fffd}in".to_string()));
        assert!(
            read(&svg, "desc")[0].contains(&format!("pilot to harbour <&> \"quay\"\\u{{7}}: {octets}, 16 octets."))
        );
        assert!(!svg.contains("<script") && !svg.contains("href") && !svg.contains("url("), "self-contained");
    }

    /// Times and ports differ from run to run; the picture does not.
    #[test]
    fn the_same_dialogue_is_the_same_picture() {
        let options = Options::default();
        assert_eq!(draw(&journal(50_000), &options), draw(&journal(60_000), &options));
    }

    #[test]
    fn the_handshake_can_be_hidden() {
        let svg = draw(&journal(1), &Options { hide_handshake: true, ..Options::default() });
        assert_eq!(read(&svg, "tspan")[0], "connect");
        assert!(!svg.contains("SYN"));
    }

    /// Each client has a lifeline, and the picture grows when they are many.
    #[test]
    fn many_clients() {
        let journal = Journal::new(0);
        for port in 1..=9 {
            journal.open(talk(port));
        }
        let svg = draw(&journal, &Options::default());
        assert_eq!(svg.matches("class=\"life\"").count(), 10);
        assert!(svg.contains("width=\"1346\""), "{}", &svg[..200]);
    }

    /// Nothing happened: an empty picture, and no panic.
    #[test]
    fn an_empty_journal() {
        assert!(read(&draw(&Journal::new(0), &Options::default()), "text").is_empty());
    }

    #[test]
    fn long_notes_are_wrapped_and_cut() {
        assert_eq!(wrap("one two three four", 9, 3), ["one two", "three", "four"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "three …"]);
        assert_eq!(wrap(&"x".repeat(20), 9, 2), ["xxxxxxxx…"]);
        assert_eq!(wrap("", 9, 2), [""]);
    }
}
