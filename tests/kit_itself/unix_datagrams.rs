//! Datagrams between Unix sockets: who answers, and who cannot be answered.

use crate::subjects::scene;
use netkata_kit::prelude::*;

/// Datagrams keep their limits, empty ones too, and the answer's sender is looked at.
#[test]
fn there_and_back() {
    let mut s = scene("datagrams");
    let mut c = s.unix_datagrams().unwrap();
    for octets in [&b"Alma"[..], b"", b"Bruna"] {
        c.send(octets).unwrap();
    }
    for octets in [&b"Alma"[..], b"", b"Bruna"] {
        c.expect(octets).unwrap();
    }
    c.expect_silence(ms(5)).unwrap();
    c.send(b"stranger").unwrap();
    let failure = c.expect(b"boo").unwrap_err();
    assert_eq!(failure.got, "one from a socket without a name");
    c.send(b"Corvo").unwrap();
    assert!(c.expect_silence(Duration::from_secs(2)).unwrap_err().got.contains("Corvo"));
}

/// Abstract names on both sides.
#[cfg(target_os = "linux")]
#[test]
fn abstract_names() {
    let mut s = scene("datagrams");
    let name = s.abstract_name();
    s.start_on(&name).unwrap();
    assert_eq!(Some(s.place().unwrap().as_str()), name.strip_prefix("unix:"));
    let mut c = s.unix_datagrams_abstract().unwrap();
    assert!(c.name().unwrap().starts_with("@netkata-"));
    c.send(b"Alma").unwrap();
    c.expect(b"Alma").unwrap();
}

/// A client without a name, one whose file is closed to others, one that has gone, and one that does not read.
#[test]
fn four_who_get_no_answer() {
    let mut s = scene("datagrams");
    s.without_privileges();
    let mut unnamed = s.unix_datagrams_unnamed().unwrap();
    assert!(unnamed.name().is_err());
    unnamed.send(b"Alma").unwrap();
    let mut closed = s.unix_datagrams().unwrap();
    closed.refuse_answers().unwrap();
    closed.send(b"Bruna").unwrap();
    closed.expect_silence(ms(20)).unwrap();
    s.hold().unwrap();
    let mut gone = s.unix_datagrams().unwrap();
    let file = gone.path().unwrap().to_path_buf();
    assert!(file.exists());
    gone.send(b"Corvo").unwrap();
    gone.leave().unwrap();
    assert!(!file.exists());
    s.release().unwrap();
    let mut c = s.unix_datagrams().unwrap();
    c.send(b"failures").unwrap();
    c.expect(b"3").unwrap();
    let mut deaf = s.unix_datagrams().unwrap();
    // More than any system's queue and send buffer hold.
    deaf.send_many(b"Doris", 2_000).unwrap();
    c.send(b"").unwrap();
}
