//! `<!-- picture: NAME "what it shows" -->`: a session of the same page, drawn.
//!
//! The session is then run over a relay that writes down what passes. The picture becomes `wire/NAME.svg`, and
//! `wire/NAME.txt` for those who cannot see it. Lines may follow in the comment: `clients Anna Bertha` names the
//! clients in the order in which they connected (the same name, the same lifeline), `handshake hidden` leaves out SYN
//! and ACK, and `packets named` writes what the octets say in their protocol instead of the octets.

use crate::SelfCheck;
use crate::bytes::dump;
use crate::marks::{Kind as MarkKind, Mark};
use crate::page::{Page, first_word, settle_file};
use crate::session::Run;
use netkata::human;
use netkata::tap::{From, Journal, Kind, Transport, svg};
use std::fs;

/// Draws the session into the lesson's folder; the text for the mark.
pub fn picture(page: &Page, mark: &Mark, run: &Run) -> Result<String, String> {
    let name = first_word(&mark.head);
    let caption = mark.head.split('"').nth(1).filter(|c| !c.is_empty());
    let caption = caption.ok_or_else(|| format!("write <!-- picture: {name} \"what it shows\" -->"))?;
    let journal = tapped(run)?;
    let file = |end: &str| page.folder().join("wire").join(format!("{name}.{end}"));
    let drawn = settle_file(&page.site, &file("svg"), &svg::draw(journal, &options(caption, &mark.script)?));
    let told = settle_file(&page.site, &file("txt"), &story(journal));
    drawn.and(told)?;
    Ok(format!("\n![{caption}](wire/{name}.svg)\n\n[The same as text](wire/{name}.txt)\n\n"))
}

fn options(caption: &str, script: &[String]) -> Result<svg::Options, String> {
    let mut options = svg::Options { title: caption.to_string(), ..svg::Options::default() };
    for line in said(script) {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("clients", names) => options.clients = names.split_whitespace().map(str::to_string).collect(),
            ("handshake", "hidden") => options.hide_handshake = true,
            ("packets", "named") => options.names = true,
            _ => {
                let known = "clients NAME NAME …, handshake hidden or packets named";
                return Err(format!("cannot read {line:?}: write {known}"));
            }
        }
    }
    Ok(options)
}

/// The lines of a script that say something.
pub fn said(script: &[String]) -> impl Iterator<Item = &str> {
    script.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Files of `wire/` that no picture of the page stands for.
pub fn leftovers(page: &Page) -> Vec<String> {
    let pictures = page.marks.iter().filter(|m| m.kind == MarkKind::Picture).map(|m| first_word(&m.head));
    let expected: Vec<String> = pictures.flat_map(|name| [format!("{name}.svg"), format!("{name}.txt")]).collect();
    let files = fs::read_dir(page.folder().join("wire")).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| !expected.contains(name)).map(|name| format!("no picture of the page is wire/{name}")).collect()
}

pub fn tapped(run: &Run) -> Result<&Journal, String> {
    let journal = run.journal.as_ref().ok_or("this session was not tapped")?;
    match journal.conversations().len() {
        0 => Err("nobody connected to a server of this session".to_string()),
        _ => Ok(journal),
    }
}

/// The whole journal as text.
pub fn story(journal: &Journal) -> String {
    let conversations = journal.conversations();
    let mut out = String::new();
    for event in journal.events() {
        let Some((index, c)) = event.conversation.and_then(|i| Some((i, conversations.get(i)?))) else {
            if let Kind::Note(text) = &event.kind {
                out.push_str(&format!("-- {text}\n"));
            }
            continue;
        };
        let which = if conversations.len() > 1 { format!("{}: ", index + 1) } else { String::new() };
        let names = |from| match from {
            From::Client => (&c.client_name, &c.server_name),
            From::Server => (&c.server_name, &c.client_name),
        };
        let line = match &event.kind {
            Kind::Open if !c.transport.connects() => {
                format!("datagrams between {} and {}", c.client_name, c.server_name)
            }
            Kind::Open => format!("{} connects to {}", c.client_name, c.server_name),
            Kind::Data(from, octets) => {
                let ((a, b), count) = (names(*from), human::count(octets.len(), "octet"));
                format!("{a} -> {b}, {count}\n{}", dump(octets, 0, &[], usize::MAX)).trim_end().to_string()
            }
            Kind::Close(from) if c.transport == Transport::Tcp => format!("{} will send no more (FIN)", names(*from).0),
            Kind::Close(from) => format!("{} will send no more (end of file)", names(*from).0),
            Kind::Reset(from) if c.transport == Transport::Udp => {
                format!("the host of {} says that nobody has the port (ICMP)", names(*from).0)
            }
            Kind::Reset(from) if c.transport == Transport::UnixDatagram => {
                format!("nobody has the name of {} any more", names(*from).0)
            }
            Kind::Reset(from) if c.transport != Transport::Tcp => format!("{} resets the connection", names(*from).0),
            Kind::Reset(from) => format!("{} resets the connection (RST)", names(*from).0),
            Kind::Missing(from, missing) => format!("{}: {missing}", names(*from).0),
            Kind::Note(text) => format!("-- {text}"),
        };
        out.push_str(&format!("{which}{line}\n"));
    }
    out
}

/// A conversation for the checks here and in [`crate::bytes`].
pub fn sample() -> Journal {
    let journal = Journal::new(1000);
    let c = journal.open(netkata::tap::Conversation {
        transport: netkata::tap::Transport::Tcp,
        client: None,
        server: None,
        client_name: "client".into(),
        server_name: "server".into(),
    });
    journal.data(c, From::Client, b"ahoy\n");
    journal.event(c, Kind::Close(From::Client));
    journal.data(c, From::Server, b"the tide is high\r\n");
    journal.event(c, Kind::Reset(From::Server));
    journal
}

pub const SELF_CHECKS: &[SelfCheck] = &[
    ("the_story_tells_who_closed", || {
        let told = story(&sample());
        assert!(told.starts_with("client connects to server\nclient -> server, 5 octets\n0000  61"), "{told}");
        assert!(
            told.contains("client will send no more (FIN)\n") && told.ends_with("server resets the connection (RST)\n")
        );
    }),
    ("options_are_read", || {
        let script = |text: &str| text.lines().map(str::to_string).collect::<Vec<_>>();
        let read = options("tides", &script("# a comment\nclients Anna Bertha\nhandshake hidden\n")).unwrap();
        assert_eq!((read.title.as_str(), read.clients.len(), read.hide_handshake), ("tides", 2, true));
        assert!(options("tides", &script("colour blue")).unwrap_err().contains("cannot read"));
    }),
];
