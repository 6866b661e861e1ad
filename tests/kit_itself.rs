//! The grader's tools, tried on servers that live in this process: streams, datagrams, faults, messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err, missing_docs)]

#[path = "kit_itself/beside.rs"]
mod beside;
#[path = "kit_itself/consoles.rs"]
mod consoles;
#[path = "kit_itself/descriptors.rs"]
mod descriptors;
#[path = "kit_itself/identities.rs"]
mod identities;
#[path = "kit_itself/lossy.rs"]
mod lossy;
#[path = "kit_itself/packets.rs"]
mod packets;
#[path = "kit_itself/patience.rs"]
mod patience;
#[path = "kit_itself/proving.rs"]
mod proving;
#[path = "kit_itself/subjects.rs"]
mod subjects;
#[path = "kit_itself/unix_datagrams.rs"]
mod unix_datagrams;
#[path = "kit_itself/upstreams.rs"]
mod upstreams;

use netkata::tap::{Conversation, From, Journal, Transport};
use netkata_kit::check::{Check, Program};
use netkata_kit::datagram::Datagrams;
use netkata_kit::failure::Expected;
use netkata_kit::message::{LINES, Story, Style, render};
use netkata_kit::prelude::*;
use netkata_kit::program::Stage;
use netkata_kit::stream::Stream;
use netkata_kit::subject::Launch;
use netkata_kit::talk::Leftovers;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;

fn conversation(transport: Transport) -> Conversation {
    let name = |s: &str| s.to_string();
    Conversation { transport, client: None, server: None, client_name: name("grader"), server_name: name("harbour") }
}

/// A talk over TCP, and the other end of it.
fn tcp() -> (Talk, TcpStream, Journal) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let journal = Journal::new(1 << 20);
    let index = journal.open(conversation(Transport::Tcp));
    (Talk::new(Stream::Tcp(ours), &journal, index, From::Client), theirs, journal)
}

/// The verbs over a Unix stream: what is sent arrives, what comes is expected, and the end is seen.
#[test]
fn a_dialogue_over_a_unix_stream() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let journal = Journal::new(1 << 20);
    let index = journal.open(conversation(Transport::Unix));
    let mut talk = Talk::new(Stream::Unix(ours), &journal, index, From::Client);
    talk.send(b"Alma").unwrap();
    let mut heard = [0; 4];
    theirs.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"Alma");
    theirs.write_all(b"berth 4\r\n").unwrap();
    talk.expect(b"berth ").unwrap();
    assert_eq!(talk.read_line(10).unwrap(), b"4\r\n");
    talk.expect_silence(ms(5)).unwrap();
    drop(theirs);
    talk.expect_close(Close::Fin).unwrap();
}

/// The failure knows the first wrong octet.
#[test]
fn the_first_wrong_octet_is_found() {
    let (mut talk, mut theirs, _) = tcp();
    theirs.write_all(b"berth 5").unwrap();
    let failure = talk.expect(b"berth 4").unwrap_err();
    let Expected::Octets { at, got, .. } = failure.expected else { panic!("octets differ, not words") };
    assert_eq!((at, &got[..]), (6, &b"berth 5"[..]));
    talk.leave();
}

/// A FIN is not a reset, and a reset is not a FIN.
#[test]
fn two_ends_are_told_apart() {
    let (mut talk, theirs, _) = tcp();
    drop(theirs);
    assert!(talk.expect_close(Close::Rst).unwrap_err().got.contains("FIN"));

    let (mut talk, theirs, _) = tcp();
    socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
    drop(theirs);
    assert!(talk.expect_close(Close::Fin).unwrap_err().got.contains("RST"));
}

/// Octets that nobody expected are a failure of their own.
#[test]
fn leftovers_are_seen() {
    let (talk, mut theirs, _) = tcp();
    let leftovers = Leftovers::default();
    let talk = talk.tell(&leftovers);
    theirs.write_all(b"and one more thing").unwrap();
    drop(talk);
    let failure = leftovers.lock().unwrap().take().expect("left over");
    assert!(failure.got.contains("18 octets left over"), "{failure}");
}

/// A split is a split for the reader: each piece is read before the next leaves.
#[test]
fn a_split_reaches_the_program_in_pieces() {
    let (mut talk, mut theirs, _) = tcp();
    let reader = thread::spawn(move || {
        let mut sizes = Vec::new();
        let mut buffer = [0; 64];
        while let Ok(n @ 1..) = theirs.read(&mut buffer) {
            sizes.push(n);
        }
        sizes
    });
    talk.send_split(b"abcdefghij", &[1, 4, 9]).unwrap();
    talk.half_close().unwrap();
    drop(talk);
    assert_eq!(reader.join().unwrap(), [1, 3, 5, 1]);
}

/// Datagrams keep their limits; one from a stranger is no answer.
#[test]
fn datagrams_and_strangers() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let journal = Journal::new(1 << 20);
    let mut talk = Datagrams::open(server.local_addr().unwrap(), "harbour", &journal).unwrap();
    talk.send(b"Alma").unwrap();
    let mut buffer = [0; 64];
    let (n, client) = server.recv_from(&mut buffer).unwrap();
    server.send_to(&buffer[..n], client).unwrap();
    talk.expect(b"Alma").unwrap();
    talk.expect_silence(ms(5)).unwrap();
    stranger.send_to(b"Bruna", client).unwrap();
    assert!(talk.expect(b"Bruna").unwrap_err().expected_words().contains("an answer from"));
}

/// The same seed, the same inputs; another seed, others.
#[test]
fn seeds_make_inputs() {
    let launch = Launch::command("echo", "true").unwrap();
    let inputs = |seed| {
        let mut scene = Scene::new(&launch, &[], seed);
        (scene.octets(32), scene.every_octet(), scene.phrase())
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
    let (_, mut every, _) = inputs(9);
    every.sort_unstable();
    assert!(every.iter().copied().eq(0..=255));
}

/// However long the dialogue, the message is a screen; the caret stands under the octet.
#[test]
fn a_message_is_at_most_a_screen() {
    let (mut talk, mut theirs, journal) = tcp();
    for _ in 0..40 {
        talk.send(b"Alma?\r\n").unwrap();
        theirs.write_all(b"Alma!\r\n").unwrap();
        talk.expect(b"Alma!\r\n").unwrap();
    }
    theirs.write_all(b"Bruna").unwrap();
    let failure = talk.expect(b"Brava").because("harbour rule 3: names are kept").unwrap_err();
    let program = Program::finished(3, "echo_server").check("keeps_names", "names are kept", |_| Ok(()));
    let check: &Check = &program.checks[0];
    let launch = Launch::command("echo_server", "true").unwrap();
    let style = Style { colour: false, stable: true };
    let stage = Stage { launch, seed: 0x2a, subject: None, style, captures: None };
    let story = Story { program: &program, check, stage: &stage, failure: &failure, journal: &journal, capture: None };
    let message = render(&story);
    assert!(message.lines().count() <= LINES, "{message}");
    let lines: Vec<&str> = message.lines().collect();
    let caret = lines.iter().position(|l| l.trim() == "^^").expect("a caret");
    let column = lines[caret].find("^^").expect("a column");
    assert_eq!(&lines[caret - 1][column..column + 2], "75", "the u of Bruna\n{message}");
    assert!(message.contains("SEED=2a cargo test ch03::echo_server::keeps_names"), "{message}");
    talk.leave();
}
