//! What a sequence diagram shows, before it is drawn: who takes part, from left to right, and what passes between them,
//! from top to bottom.

use super::dialogue::{breaking, closing, connects, letter, one_line};
use super::journal::{Conversation, Event, From, Journal, Kind, Transport};
use super::protocol::Sniffer;
use super::svg::{Options, shorten};
use crate::hexdump;
use crate::human::{count, thousands};

/// Those who take part, from left to right.
#[derive(Debug)]
pub(super) struct Parties {
    pub(super) names: Vec<String>,
    /// Of each conversation, the client's place and the server's.
    places: Vec<(usize, usize)>,
}

/// One thing that happened.
#[derive(Debug, PartialEq)]
pub(super) enum Row {
    /// From one party to another.
    Arrow { from: usize, to: usize, look: Look, label: Label },
    /// Words across the diagram.
    Band(String),
}

/// What an arrow stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Data from the client.
    Request,
    /// Data from the server.
    Reply,
    /// What TCP says to itself: SYN, ACK, FIN.
    Control,
    /// An RST.
    Reset,
}

impl Look {
    /// For the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Look::Request => "request",
            Look::Reply => "reply",
            Look::Control => "control",
            Look::Reset => "reset",
        }
    }
}

/// The words on an arrow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Label {
    Word(&'static str),
    Octets(Vec<u8>),
    /// What the octets say in their protocol.
    Named(String),
}

impl Label {
    /// The octets in at most `width` characters, as text in quotes or in hexadecimal; and how many there are.
    pub(super) fn texts(&self, width: usize) -> (String, String) {
        match self {
            Label::Word(word) => (String::new(), (*word).into()),
            Label::Octets(octets) if octets.is_empty() => (String::new(), count(0, "octet")),
            Label::Octets(octets) => (fit(octets, width), count(octets.len(), "octet")),
            Label::Named(name) => (shorten(name, width.max(1)), String::new()),
        }
    }
}

/// As much as fits into `width` characters, but one octet at least.
fn fit(octets: &[u8], width: usize) -> String {
    let shown = |n: usize| match hexdump::is_text(octets) {
        true => format!("\"{}\"", hexdump::text(octets, n)),
        false if n < octets.len() => format!("{} …", hexdump::hex(&octets[..n], n)),
        false => hexdump::hex(octets, n),
    };
    // Every octet takes a character or more, so there is no need to look at more of them than that.
    let most = octets.len().min(width).max(1);
    (1..=most).rev().map(shown).find(|text| text.chars().count() <= width).unwrap_or_else(|| shown(1))
}

impl Parties {
    /// A client that is not somebody's server as well stands on the left, its server further to the right, and the server
    /// that this one asks further still.
    pub(super) fn of(conversations: &[Conversation], options: &Options) -> Self {
        let mut found = Vec::new();
        let mut place = |key: String| match found.iter().position(|known| *known == key) {
            Some(place) => place,
            None => {
                found.push(key);
                found.len() - 1
            }
        };
        let ends: Vec<(usize, usize)> = (0..conversations.len())
            .map(|i| (place(client_key(conversations, options, i)), place(server_key(conversations, options, i))))
            .collect();
        let depths = depths(&ends, found.len());
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|&party| depths[party]);
        let mut rank = vec![0; found.len()];
        for (place, &party) in order.iter().enumerate() {
            rank[party] = place;
        }
        Self {
            names: order.iter().map(|&party| one_line(found[party].trim_end_matches(SAME_NAME))).collect(),
            places: ends.into_iter().map(|(client, server)| (rank[client], rank[server])).collect(),
        }
    }
}

/// Put behind the server's name in a conversation of two with the same name, to keep them apart.
const SAME_NAME: char = '\0';

/// Clients of the same name that talk to the same server are different clients, and get a letter: that of their
/// conversation.
fn client_key(conversations: &[Conversation], options: &Options, index: usize) -> String {
    if let Some(name) = options.clients.get(index) {
        return name.clone();
    }
    let Conversation { client_name: name, server_name: server, .. } = &conversations[index];
    let namesakes = conversations.iter().filter(|c| (&c.client_name, &c.server_name) == (name, server)).count();
    let serves = conversations.iter().any(|c| c.server_name == *name);
    if namesakes == 1 || serves { name.clone() } else { format!("{name} {}", letter(index)) }
}

fn server_key(conversations: &[Conversation], options: &Options, index: usize) -> String {
    let name = conversations[index].server_name.clone();
    if name == client_key(conversations, options, index) { format!("{name}{SAME_NAME}") } else { name }
}

/// How many servers a party stands behind. The rounds are bounded, for those who serve each other.
fn depths(ends: &[(usize, usize)], parties: usize) -> Vec<usize> {
    let mut depths = vec![0; parties];
    for _ in 0..parties {
        for &(client, server) in ends {
            depths[server] = depths[server].max((depths[client] + 1).min(parties));
        }
    }
    depths
}

/// The journal from top to bottom. Of a long one, the middle is left out.
pub(super) fn rows(
    journal: &Journal,
    conversations: &[Conversation],
    parties: &Parties,
    options: &Options,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut sniffers: Vec<Sniffer> = conversations.iter().map(sniffer).collect();
    for event in journal.events() {
        let talk = event.conversation.and_then(|c| Some((conversations.get(c)?.transport, *parties.places.get(c)?)));
        let name = match (&event.kind, event.conversation.and_then(|c| sniffers.get_mut(c))) {
            (Kind::Data(from, octets), Some(sniffer)) if options.names => sniffer.look(*from, octets),
            _ => None,
        };
        append(&mut rows, event, talk, name.map(|label| label.to_string()), options);
    }
    let kept = options.max_rows.max(1);
    if rows.len() > kept {
        let more = rows.len() - kept;
        let head = kept.div_ceil(2);
        rows.splice(head..head + more, [Row::Band(format!("… {} more …", thousands(more)))]);
    }
    if journal.left_out() > 0 {
        rows.push(Row::Band(format!("and {} not recorded", count(journal.left_out(), "octet"))));
    }
    rows
}

fn sniffer(conversation: &Conversation) -> Sniffer {
    let datagrams = conversation.transport.keeps_boundaries();
    Sniffer::new(datagrams, conversation.server.map_or(0, |address| address.port()))
}

fn append(
    rows: &mut Vec<Row>,
    event: Event,
    talk: Option<(Transport, (usize, usize))>,
    name: Option<String>,
    options: &Options,
) {
    match event.kind {
        Kind::Note(text) => return rows.push(Row::Band(one_line(&text))),
        Kind::Missing(from, missing) => {
            let side = if from == From::Client { "client" } else { "server" };
            return rows.push(Row::Band(format!("from the {side}: {missing}")));
        }
        _ => {}
    }
    let Some((transport, (client, server))) = talk else { return };
    let mut arrow = |from, look, label| {
        let (from, to) = if from == From::Client { (client, server) } else { (server, client) };
        rows.push(Row::Arrow { from, to, look, label });
    };
    match event.kind {
        Kind::Open if !connects(Some(transport)) => {}
        Kind::Open if transport != Transport::Tcp || options.hide_handshake => {
            arrow(From::Client, Look::Control, Label::Word("connect"));
        }
        Kind::Open => {
            arrow(From::Client, Look::Control, Label::Word("SYN"));
            arrow(From::Server, Look::Control, Label::Word("SYN ACK"));
            arrow(From::Client, Look::Control, Label::Word("ACK"));
        }
        Kind::Data(from, octets) => {
            let look = if from == From::Client { Look::Request } else { Look::Reply };
            let label = match name {
                Some(name) => Label::Named(name),
                None => Label::Octets(octets),
            };
            arrow(from, look, label);
        }
        Kind::Close(from) => arrow(from, Look::Control, Label::Word(closing(Some(transport)))),
        Kind::Reset(from) => arrow(from, Look::Reset, Label::Word(breaking(Some(transport)))),
        Kind::Note(_) | Kind::Missing(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(client: &str, server: &str) -> Conversation {
        Conversation {
            transport: Transport::Tcp,
            client: None,
            server: None,
            client_name: client.into(),
            server_name: server.into(),
        }
    }

    fn placed(talks: &[Conversation], clients: &[&str]) -> (String, Vec<(usize, usize)>) {
        let options = Options { clients: clients.iter().map(|&c| c.into()).collect(), ..Options::default() };
        let parties = Parties::of(talks, &options);
        (parties.names.join(" | "), parties.places)
    }

    /// Clients stand left of servers; those in between, in between.
    #[test]
    fn everyone_has_a_place() {
        let (names, places) = placed(&[talk("pilot", "harbour")], &[]);
        assert_eq!((names.as_str(), places), ("pilot | harbour", vec![(0, 1)]));

        let (names, places) = placed(&[talk("pilot", "harbour"), talk("pilot", "harbour")], &[]);
        assert_eq!((names.as_str(), places), ("pilot A | pilot B | harbour", vec![(0, 2), (1, 2)]));

        let (names, places) = placed(&[talk("pilot", "harbour"), talk("pilot", "tides")], &[]);
        assert_eq!((names.as_str(), places), ("pilot | harbour | tides", vec![(0, 1), (0, 2)]));

        let (names, _) = placed(&[talk("proxy", "harbour"), talk("pilot", "proxy"), talk("proxy", "tides")], &[]);
        assert_eq!(names, "pilot | proxy | harbour | tides");

        let (names, places) = placed(&[talk("ship", "ship")], &[]);
        assert_eq!((names.as_str(), places), ("ship | ship", vec![(0, 1)]));

        let (names, places) = placed(&[talk("pilot", "harbour"), talk("pilot", "harbour")], &["tug", "tug"]);
        assert_eq!((names.as_str(), places), ("tug | harbour", vec![(0, 1), (0, 1)]));

        assert_eq!(placed(&[talk("a", "b"), talk("b", "a")], &[]).0.len(), "a | b".len(), "a circle has an end");
    }

    /// A label never grows past its width, and never cuts an octet's own characters apart.
    #[test]
    fn labels_fit() {
        assert_eq!(fit(b"ahoy\r\n", 20), "\"ahoy\\r\\n\"");
        assert_eq!(fit(b"ahoy\r\n", 8), "\"ahoy…\"");
        assert_eq!(fit(&[0xde, 0xad, 0xbe, 0xef], 11), "de ad be ef");
        assert_eq!(fit(&[0xde, 0xad, 0xbe, 0xef], 9), "de ad …");
        assert_eq!(fit(&[0xff; 9], 0), "ff …");
        assert_eq!(Label::Octets(Vec::new()).texts(9), (String::new(), "0 octets".into()));
    }

    /// A request is known by its words, where that is wanted.
    #[test]
    fn protocols_are_named() {
        let journal = Journal::new(100);
        let c = journal.open(talk("pilot", "harbour"));
        journal.data(c, From::Client, b"GET /tides HTTP/1.0\r\n\r\n");
        let talks = journal.conversations();
        let options = Options { names: true, hide_handshake: true, ..Options::default() };
        let rows = rows(&journal, &talks, &Parties::of(&talks, &options), &options);
        let label = Label::Named("HTTP/1.0 GET /tides".into());
        assert_eq!(label.texts(9), ("HTTP/1.0…".into(), String::new()));
        assert_eq!(rows[1..], [Row::Arrow { from: 0, to: 1, look: Look::Request, label }]);
    }

    /// Datagrams and pipes do not connect; the middle of a long story is left out.
    #[test]
    fn what_is_shown() {
        let journal = Journal::new(100);
        let c = journal.open(Conversation { transport: Transport::Udp, ..talk("pilot", "harbour") });
        for _ in 0..101 {
            journal.data(c, From::Client, b"x");
        }
        let talks = journal.conversations();
        let options = Options { max_rows: 3, ..Options::default() };
        let rows = rows(&journal, &talks, &Parties::of(&talks, &options), &options);
        let x = || Row::Arrow { from: 0, to: 1, look: Look::Request, label: Label::Octets(b"x".to_vec()) };
        let told = [x(), x(), Row::Band("… 97 more …".into()), x(), Row::Band("and 1 octet not recorded".into())];
        assert_eq!(rows, told);
    }
}
