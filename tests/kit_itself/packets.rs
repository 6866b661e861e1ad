//! Dialogues in sequenced packets, against an end of the connection that lives in this process.

use crate::conversation;
use netkata::tap::{Journal, Transport, dialogue};
use netkata::unix::seqpacket::{Packets, Received};
use netkata_kit::prelude::*;
use netkata_kit::talk::Leftovers;

fn pair() -> (PacketTalk, Packets, Journal) {
    let (ours, theirs) = Packets::pair().unwrap();
    let journal = Journal::new(1 << 20);
    let index = journal.open(conversation(Transport::UnixPacket));
    (PacketTalk::new(ours, &journal, index), theirs, journal)
}

fn told(journal: &Journal) -> Vec<String> {
    dialogue::lines(journal, &dialogue::Options { times: false, ..dialogue::Options::default() })
}

/// Three writes are three reads; what a short buffer has no room for is gone; an empty packet is no end.
#[test]
fn packets_one_by_one() {
    let (mut talk, theirs, journal) = pair();
    talk.send(b"ping").unwrap();
    talk.send(b"").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Packet { len: 4, whole: 4 });
    assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::Packet { len: 0, whole: 0 });
    for packet in [&b"Alma"[..], b"Bruna", b"", b"Corvo"] {
        theirs.send(packet).unwrap();
    }
    talk.expect(b"Alma").unwrap();
    assert_eq!(talk.receive_into(2).unwrap(), Packet { octets: b"Br".to_vec(), whole: 5 });
    talk.expect(b"").unwrap();
    assert_eq!(talk.expect(b"Corva").unwrap_err().to_string(), "octet 4 differs, one packet");
    talk.expect_silence(ms(1)).unwrap();
    talk.half_close().unwrap();
    assert_eq!(theirs.receive(&mut buffer).unwrap(), Received::End);
    drop(theirs);
    talk.expect_end().unwrap();
    let told = told(&journal);
    assert_eq!(told[..3], ["→ connect", "→ 4 octets  70 69 6e 67  \"ping\"", "→ 0 octets"]);
    assert_eq!(told[5], "(read with room for 2 octets; the packet had 5)");
    assert_eq!(told[told.len() - 2..], ["→ end of file", "← end of file"]);
}

/// Each expectation that is not met says what came instead.
#[test]
fn what_came_instead() {
    let (mut talk, theirs, _) = pair();
    talk.within(ms(5));
    assert_eq!(talk.receive().unwrap_err().got, "nothing for 5ms");
    theirs.send(b"").unwrap();
    assert_eq!(talk.expect_end().unwrap_err().got, "an empty packet first");
    assert_eq!(talk.expect(b"").unwrap_err().to_string(), "expected an empty packet, got nothing for 5ms");
    assert!(talk.wait_until_closed().is_err());
    theirs.send(b"Alma").unwrap();
    assert_eq!(talk.expect_silence(ms(50)).unwrap_err().got, "a packet: \"Alma\"");
    assert!(talk.send_until_full(b"Alma", ms(1)) > 1);
    assert!(talk.send(b"Alma").unwrap_err().got.contains("stopped reading"));
    drop(theirs);
    assert!(talk.expect_end().unwrap_err().got.contains("reset"));
    assert!(talk.send(b"Alma").unwrap_err().got.contains("closed"));
}

/// A packet that the check did not expect is found at the end; nothing is held against a check that left.
#[test]
fn left_over_packets_are_found() {
    for (leaves, found) in [(false, true), (true, false)] {
        let (talk, theirs, _) = pair();
        let leftovers = Leftovers::default();
        let talk = talk.tell(&leftovers);
        theirs.send(b"").unwrap();
        if leaves {
            talk.leave();
        } else {
            drop(talk);
        }
        assert_eq!(leftovers.lock().unwrap().is_some(), found);
    }
}

/// A reset is what a peer sees when packets of its own were never read.
#[test]
fn closed_with_packets_unread() {
    let (mut talk, theirs, _) = pair();
    talk.send(b"Alma").unwrap();
    drop(theirs);
    talk.wait_until_closed().unwrap();
    talk.expect_reset().unwrap();
}
