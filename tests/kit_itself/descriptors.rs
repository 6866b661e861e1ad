//! Descriptors in a dialogue: sent, expected, and told of when nobody expected them.

use super::conversation;
use netkata::tap::{From, Journal, Transport, dialogue};
use netkata::unix::pass;
use netkata_kit::prelude::*;
use netkata_kit::stream::Stream;
use netkata_kit::talk::Leftovers;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

fn talk() -> (Talk, UnixStream, Journal) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let journal = Journal::new(1 << 20);
    let index = journal.open(conversation(Transport::Unix));
    (Talk::new(Stream::Unix(ours), &journal, index, From::Client), theirs, journal)
}

/// What is handed over works at the other end, both ways, and the journal tells of it.
#[test]
fn there_and_back() {
    let (mut talk, theirs, journal) = talk();
    let (mut reader, writer) = pipe().unwrap();
    talk.send_with(b"pipe", &[writer.as_fd()]).unwrap();
    drop(writer);
    let mut buffer = [0; 8];
    let mut parcel = pass::receive(&theirs, &mut buffer).unwrap();
    assert_eq!((parcel.len, parcel.descriptors.len()), (4, 1));
    pass::send(&theirs, b"back", &[parcel.descriptors.remove(0).as_fd()]).unwrap();
    let writer = talk.expect_with(b"back", 1).unwrap().remove(0);
    std::fs::File::from(writer).write_all(b"ahoy").unwrap();
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert_eq!(said, "ahoy");
    let lines = dialogue::lines(&journal, &dialogue::Options { times: false, ..Default::default() });
    assert_eq!(lines.iter().filter(|line| line.contains("with 1 descriptor:")).count(), 2, "{lines:?}");
}

/// One that is missing is missed; one that nobody wanted is left over.
#[test]
fn they_are_counted() {
    let (mut talk, theirs, _) = talk();
    pass::send(&theirs, b"here", &[]).unwrap();
    let failure = talk.expect_with(b"here", 1).unwrap_err();
    assert_eq!(failure.to_string(), "expected 1 descriptor with these octets, got 0 descriptors");
    pass::send(&theirs, b"here", &[theirs.as_fd(), theirs.as_fd()]).unwrap();
    talk.expect(b"here").unwrap();
    let told = Leftovers::default();
    drop(talk.tell(&told));
    let failure = told.lock().unwrap().take().unwrap();
    assert_eq!(failure.to_string(), "expected octets alone, got 2 descriptors with them");
}
