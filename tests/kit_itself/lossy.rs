//! A lossy link of the kit's: each fault that a check can ask for, in both directions.

use crate::subjects::scene;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;

/// The grader on both sides of a link with these faults.
fn linked(faults: Faults) -> (Scene, UdpUpstream, LossyLink, Datagrams) {
    let mut s = scene("relay");
    let upstream = s.upstream_udp().unwrap();
    let link = s.lossy_link(upstream.address(), faults).unwrap();
    let client = Datagrams::open(link.address(), "link", &s.journal).unwrap();
    (s, upstream, link, client)
}

/// Without faults it is a wire.
#[test]
fn a_link_without_faults() {
    let (mut s, mut upstream, link, mut client) = linked(Faults::default());
    for size in [0, 512, 65_507] {
        let octets = s.octets(size);
        client.send(&octets).unwrap();
        let from = upstream.expect(&octets).unwrap();
        upstream.reply(from, &octets).unwrap();
        client.expect(&octets).unwrap();
    }
    let counts = link.counts();
    assert_eq!((counts.up.came, counts.up.delivered, counts.down.delivered), (3, 3, 3));
}

/// Drop, repeat, reorder and truncate, of what clients send.
#[test]
fn faults_on_the_way_up() {
    let (mut s, mut upstream, link, mut client) = linked(Faults {
        drop: Fault::nth(Nth::up([1])),
        repeat: Fault::nth(Nth::up([2])),
        reorder: Fault::nth(Nth::up([3])),
        truncate: Fault::nth(Nth::up([5])),
        hold: Duration::from_secs(10),
        ..Faults::default()
    });
    let sent: Vec<String> = (0..5).map(|_| s.phrase()).collect();
    for words in &sent {
        client.send(words.as_bytes()).unwrap();
    }
    for number in [2, 2, 4, 3] {
        upstream.expect(sent[number - 1].as_bytes()).unwrap();
    }
    let (cut, _) = upstream.receive().unwrap();
    assert!(cut.len() < sent[4].len() && sent[4].as_bytes().starts_with(&cut));
    upstream.expect_silence(ms(5)).unwrap();
    assert_eq!((link.counts().up.dropped, link.counts().up.delivered), (1, 5));
    // What happened is in the dialogue, and what did not is not.
    let notes: Vec<String> = s.journal.events().iter().map(|e| format!("{:?}", e.kind)).collect();
    let told = |text: &str| notes.iter().any(|note| note.contains(text));
    assert!(told(&format!("the link: up #1 {} octets dropped", sent[0].len())), "{notes:?}");
    assert!(told("up #3") && told("behind the next 1") && !told("passed"), "{notes:?}");
}

/// A foreign source port, and one bit flipped, of what the server sends.
#[test]
fn faults_on_the_way_down() {
    let (mut s, mut upstream, _link, mut client) = linked(Faults {
        foreign: Fault::nth(Nth::down([1])),
        corrupt: Fault::nth(Nth::down([2])),
        ..Faults::default()
    });
    client.send(b"tides?").unwrap();
    let from = upstream.expect(b"tides?").unwrap();
    let words = s.phrase();
    upstream.reply(from, words.as_bytes()).unwrap();
    let failure = client.receive().unwrap_err();
    assert!(failure.expected_words().contains("an answer from"), "{failure}");
    upstream.reply(from, words.as_bytes()).unwrap();
    let got = client.receive().unwrap();
    let flipped: u32 = got.iter().zip(words.as_bytes()).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!((got.len(), flipped), (words.len(), 1));
}

/// By chance, and the same each time.
#[test]
fn the_same_seed_is_the_same_link() {
    let survivors = |seed| {
        let (_s, mut upstream, _link, mut client) =
            linked(Faults { seed, drop: Fault::rate(50.0), ..Faults::default() });
        (0_u8..40).for_each(|n| client.send(&[n]).unwrap());
        let mut got = Vec::new();
        while let Ok((octets, _)) = upstream.within(ms(200)).receive() {
            got.extend(octets);
            if got.last() >= Some(&38) {
                break;
            }
        }
        got
    };
    let first = survivors(11);
    assert!((10..30).contains(&first.len()), "{first:?}");
    assert_eq!(first, survivors(11));
    assert_ne!(first, survivors(12));
}
