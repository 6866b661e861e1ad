//! What the grader plays for subjects that dial, on every kind of socket.

use crate::subjects::scene;
use netkata_kit::prelude::*;
use std::net::UdpSocket;
use std::path::Path;

/// The client and the upstream at once: octets and ends pass through a relay, in both directions.
fn passes_through(s: &mut Scene, upstream: &Upstream) -> Outcome {
    let mut client = s.connect()?;
    let mut server = upstream.accept()?;
    let (asked, answered) = (s.octets(300), s.octets(200));
    client.send(&asked)?;
    server.expect(&asked)?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    server.send(&answered)?;
    server.half_close()?;
    client.expect(&answered)?;
    client.expect_close(Close::Fin)
}

#[test]
fn a_relay_over_tcp() {
    let mut s = scene("relay");
    let upstream = s.upstream().unwrap();
    s.start_in_front_of(&upstream).unwrap();
    passes_through(&mut s, &upstream).unwrap();
    upstream.expect_nobody(ms(1)).unwrap();
}

#[test]
fn a_relay_between_socket_files() {
    let mut s = scene("relay");
    let upstream = s.upstream_unix().unwrap();
    let path = s.socket_path().unwrap();
    s.start_with_arguments(&[format!("unix://{path}"), upstream.to_string()]).unwrap();
    assert_eq!(s.place().unwrap(), path);
    passes_through(&mut s, &upstream).unwrap();
    let file = upstream.path().unwrap();
    assert!(file.exists());
    drop(upstream);
    assert!(!file.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_relay_between_abstract_names() {
    let mut s = scene("relay");
    let upstream = s.upstream_abstract().unwrap();
    let name = s.abstract_name();
    s.start_with_arguments(&[name, upstream.to_string()]).unwrap();
    passes_through(&mut s, &upstream).unwrap();
}

/// Several upstreams are several: each gets its own client.
#[test]
fn two_upstreams_are_told_apart() {
    let mut s = scene("relay");
    let (one, other) = (s.upstream().unwrap(), s.upstream().unwrap());
    s.start_in_front_of(&other).unwrap();
    passes_through(&mut s, &other).unwrap();
    one.expect_nobody(ms(5)).unwrap();
}

/// A subject that dials a socket file.
#[test]
fn a_caller_on_a_socket_file() {
    let mut s = scene("caller");
    let path = s.start_client_unix().unwrap();
    assert!(Path::new(&path).exists());
    let mut talk = s.accept().unwrap();
    talk.expect(b"Alma").unwrap();
    talk.expect_close(Close::Fin).unwrap();
    s.expect_exit(0, Duration::from_secs(5)).unwrap();
    s.expect_nobody().unwrap();
}

/// A UDP service knows its senders, answers them, and can be a stranger to them.
#[test]
fn a_udp_upstream() {
    let mut s = scene("relay");
    let mut upstream = s.upstream_udp().unwrap();
    let ship = UdpSocket::bind("127.0.0.1:0").unwrap();
    ship.send_to(b"berth?", upstream.address()).unwrap();
    let from = upstream.expect(b"berth?").unwrap();
    assert_eq!(from, ship.local_addr().unwrap());
    let mut buffer = [0; 64];
    upstream.reply(from, b"berth 4").unwrap();
    let (n, sender) = ship.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..n], sender), (&b"berth 4"[..], upstream.address()));
    upstream.reply_from_a_foreign_port(from, b"berth 5").unwrap();
    let (n, sender) = ship.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"berth 5");
    assert_ne!(sender, upstream.address());
    upstream.expect_silence(ms(5)).unwrap();
    ship.send_to(b"thanks", upstream.address()).unwrap();
    assert!(upstream.expect_silence(Duration::from_secs(2)).unwrap_err().got.contains("thanks"));
}

/// A port can refuse datagrams, and a refusal can be expected.
#[test]
fn a_udp_upstream_that_refuses() {
    let mut s = scene("relay");
    let mut upstream = s.upstream_udp().unwrap();
    let mut ship = s.datagrams_to(upstream.address()).unwrap();
    ship.send(b"").unwrap();
    let from = upstream.expect(b"").unwrap();
    assert_eq!(from, ship.address().unwrap());
    assert_eq!(ship.within(ms(5)).expect_refusal(b"berth?").unwrap_err().got, "nothing for 5ms");
    upstream.refuse().unwrap();
    ship.within(Duration::from_secs(5)).expect_refusal(b"berth?").unwrap();
    // The address stays the check's own.
    assert_eq!(s.datagrams_between(upstream.address(), from).map(drop).unwrap_err().got, "address already in use");
}

/// What a program opens for a connection can be counted, and its end waited for.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_are_counted() {
    let mut s = scene("relay");
    let upstream = s.upstream().unwrap();
    s.start_in_front_of(&upstream).unwrap();
    let before = s.descriptors().unwrap().unwrap();
    let client = s.connect().unwrap();
    let server = upstream.accept().unwrap();
    client.leave();
    server.leave();
    s.expect_descriptors(before).unwrap();
    assert!(s.memory().unwrap().unwrap() > 0);
    let _kept = s.connect().unwrap();
    let _other = upstream.accept().unwrap();
    assert!(s.expect_descriptors(before).is_err());
}

/// Files that a program writes have a place, which is gone with the scene.
#[test]
fn files_have_a_place() {
    let mut s = scene("relay");
    let path = s.file("chart.svg").unwrap();
    assert!(s.contents("chart.svg").is_err());
    std::fs::write(&path, "a chart").unwrap();
    assert_eq!(s.contents("chart.svg").unwrap(), b"a chart");
    drop(s);
    assert!(!path.exists());
}
