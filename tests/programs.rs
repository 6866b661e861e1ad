//! The inner parts of programs, with what the network gives replaced by something that a test chooses: any split of a
//! stream, a writer that takes a little and then nothing, a clock that does not wait.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../bin/ch06/sha512_256sum/line.rs"]
mod line;
#[path = "../bin/ch06/tftp_client/name.rs"]
mod name;
#[path = "../bin/ch06/tftp_client/patience.rs"]
mod patience;
#[path = "../bin/ch04/retry_write.rs"]
mod retry_write;
#[path = "../bin/ch06/tftp_client/source.rs"]
mod source;
#[path = "../bin/ch04/word_scanner.rs"]
mod word_scanner;

use proptest::prelude::*;
use retry_write::{Clock, Failure, retry_write};
use std::io::{self, Write};
use std::time::{Duration, Instant};
use word_scanner::{Fault, LONGEST, Words};

// ---- word_scanner ----

/// The words of a stream that comes in these pieces, and how it ended.
fn words<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Result<(), Fault>) {
    let (mut scanner, mut found) = (Words::default(), Vec::new());
    for piece in pieces {
        let fed = scanner.feed(piece, |word| found.push(word.to_string()));
        if fed.is_err() {
            return (found, fed);
        }
    }
    let end = scanner.finish(|word| found.push(word.to_string()));
    (found, end)
}

/// `octets`, cut at these places.
fn pieces<'a>(octets: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).chain([0, octets.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect()
}

proptest! {
    /// Wherever a text is cut, the words are those of the whole, which are those that std finds in it.
    #[test]
    fn a_split_changes_no_word(text in "[a-zäß, .\u{a0}\u{3000}漢🚢\t\r\n]{0,80}", cuts in prop::collection::vec(any::<usize>(), 0..9)) {
        let expected: Vec<&str> = text.split_whitespace().collect();
        let (found, end) = words(pieces(text.as_bytes(), &cuts));
        prop_assert_eq!(found, expected);
        prop_assert_eq!(end, Ok(()));
    }

    /// Octets that may be text or not: any split gives the words and the fault of the whole.
    #[test]
    fn a_split_changes_no_fault(octets in prop::collection::vec(prop::sample::select(b"ab \xc3\xa4\xe2\x80\x83\xf0\x9f\x9a\xa2\xff".to_vec()), 0..40),
                                cuts in prop::collection::vec(any::<usize>(), 0..9)) {
        prop_assert_eq!(words(pieces(&octets, &cuts)), words([&octets[..]]));
    }
}

/// The longest word passes, however it comes; one octet more is a fault that names where the word begins.
#[test]
fn the_longest_word() {
    let stream = [b"tide ".as_slice(), &vec![b'~'; LONGEST]].concat();
    for size in [1, 1000, stream.len()] {
        assert_eq!(words(stream.chunks(size)).1, Ok(()), "in pieces of {size}");
        let longer = [&stream[..], b"~"].concat();
        assert_eq!(words(longer.chunks(size)), (vec!["tide".into()], Err(Fault::TooLong(5))), "in pieces of {size}");
    }
}

#[test]
fn faults_name_the_octet() {
    for (octets, fault) in [
        (b"ebb \xfftide".as_slice(), Fault::Invalid(4)),
        (b"ebb ti\xc3de", Fault::Invalid(6)),
        (b"ebb \xed\xa0\x80", Fault::Invalid(4)),
        (b"ebb ti\xe2\x80", Fault::Cut(6)),
    ] {
        assert_eq!(words([octets]), (vec!["ebb".into()], Err(fault)));
    }
    assert_eq!(words([b" \t\r\n ".as_slice(), b"\xe3\x80\x80"]), (vec![], Ok(())), "delimiters only");
}

// ---- retry_write ----

/// A peer by a script: so many octets taken, or this error.
struct Peer {
    script: Vec<Result<usize, io::ErrorKind>>,
    took: Vec<u8>,
}

impl Write for Peer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.script.is_empty() {
            self.took.extend_from_slice(octets);
            return Ok(octets.len());
        }
        let n = self.script.remove(0)?.min(octets.len());
        self.took.extend_from_slice(&octets[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that only notes what it was asked for.
#[derive(Default)]
struct Noted(Vec<(Duration, String)>);

impl Clock for Noted {
    fn wait(&mut self, time: Duration, why: String) {
        self.0.push((time, why));
    }
}

const PAUSE: Duration = Duration::from_secs(10);

fn write(
    octets: &[u8],
    attempts: u32,
    script: &[Result<usize, io::ErrorKind>],
) -> (Result<usize, Failure>, Vec<u8>, usize) {
    let (mut peer, mut clock) = (Peer { script: script.to_vec(), took: Vec::new() }, Noted::default());
    let result = retry_write(&mut peer, octets, attempts, PAUSE, &mut clock);
    for (pause, (time, why)) in clock.0.iter().enumerate() {
        let expected = format!("temporary error: timed out; attempt {} of {attempts} in 10s", pause + 2);
        assert_eq!((*time, why), (PAUSE, &expected));
    }
    (result, peer.took, clock.0.len())
}

proptest! {
    /// Whatever a peer takes between its stalls, it gets every octet once, in order; and each stall costs one pause.
    #[test]
    fn every_octet_arrives_once(octets in prop::collection::vec(any::<u8>(), 1..200),
                                script in prop::collection::vec(prop_oneof![Just(Err(io::ErrorKind::WouldBlock)), (1..40usize).prop_map(Ok)], 0..6)) {
        let (result, took, _) = write(&octets, 7, &script);
        prop_assert_eq!(result.ok(), Some(octets.len()));
        prop_assert_eq!(took, octets);
    }
}

/// Seven attempts have six pauses between them; then it is over, and what was taken is told.
#[test]
fn seven_attempts() {
    let stall = Err(io::ErrorKind::WouldBlock);
    let (result, took, pauses) = write(b"high water", 7, &[&[Ok(4)][..], &[stall; 6]].concat());
    assert_eq!((result.ok(), took.as_slice(), pauses), (Some(10), b"high water".as_slice(), 6));
    let (result, took, pauses) = write(b"high water", 7, &[&[Ok(4)][..], &[stall; 7]].concat());
    let failure = result.expect_err("too often");
    assert_eq!((failure.written, failure.exhausted, took.as_slice(), pauses), (4, true, b"high".as_slice(), 6));
}

/// A reset will not go away by waiting; an interruption by a signal needs no wait, and a write of nothing is no progress.
#[test]
fn permanent_errors_end_it() {
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe] {
        let failure = write(b"high water", 7, &[Ok(4), Err(kind)]).0.expect_err("permanent");
        assert_eq!((failure.error.kind(), failure.written, failure.exhausted), (kind, 4, false));
    }
    let (result, _, pauses) = write(b"high water", 1, &[Err(io::ErrorKind::Interrupted), Ok(4)]);
    assert_eq!((result.ok(), pauses), (Some(10), 0));
    assert_eq!(write(b"high water", 7, &[Ok(0)]).0.expect_err("nothing").error.kind(), io::ErrorKind::WriteZero);
}

// ---- tftp_client ----

/// Each wait is twice the one before, up to eight times the first, and at most a quarter longer; then patience is at its end.
#[test]
fn waits_double_and_have_a_cap() {
    let first = Duration::from_secs(100);
    let (mut patience, mut sent) = (patience::Patience::new(first, first, 5), 0);
    for factor in [1, 2, 4, 8, 8, 8] {
        let (left, wait) = (patience.left(), first * factor);
        // The clock has gone on for a moment since.
        let chance = if factor == 1 { Duration::ZERO } else { wait / 4 };
        assert!(left > wait - first / 2 && left <= wait + chance + Duration::from_millis(1), "{factor}: {left:?}");
        sent += 1;
        assert_eq!((patience.sent, patience.again()), (sent, sent <= 5), "one request and five repetitions");
    }
    patience.restart(Instant::now());
    assert!(patience.again(), "a new beginning");
}

/// Where answers come at once, the waits are short; what is saved so comes after the last repetition.
#[test]
fn short_waits_give_up_no_sooner() {
    let mut patience = patience::Patience::new(Duration::from_secs(100), Duration::from_secs(1), 2);
    patience.measure(true);
    patience.restart(Instant::now());
    for (seconds, chance) in [(1, 0), (2, 1), (4 + 99 + 198 + 396, 1)] {
        let left = patience.left().as_secs_f64();
        assert!(left > f64::from(seconds) - 0.9 && left < f64::from(seconds + chance) + 0.1, "{seconds}: {left}");
        patience.again();
    }
    assert!(!patience.again(), "one request and two repetitions");
}

/// What is asked for, whom, and what it is called here.
#[test]
fn forms_of_a_source() {
    for (text, server, name, here) in [
        ("tftp://192.0.2.7/tides.txt", "192.0.2.7:69", "tides.txt", Some("tides.txt")),
        ("TFTP://[::1]:7069/a/b;mode=OCTET", "[::1]:7069", "a/b", Some("b")),
        ("[::1]/tides.txt", "[::1]:69", "tides.txt", Some("tides.txt")),
        ("harbour:tftp//srv/tides%2Etxt", "harbour:tftp", "/srv/tides.txt", Some("tides.txt")),
        ("harbour/100%25", "harbour:69", "100%", Some("100%")),
        ("harbour/north/..", "harbour:69", "north/..", None),
        ("harbour/north/", "harbour:69", "north/", None),
    ] {
        let source: source::Source = text.parse().expect(text);
        assert_eq!((source.server.as_str(), source.shown().as_str()), (server, name), "{text}");
        assert_eq!(source.file_name().as_deref(), here.map(std::ffi::OsStr::new), "{text}");
    }
    for (text, why) in [
        ("harbour", "no name"),
        ("harbour/", "no name"),
        ("/tides.txt", "no host"),
        ("http://harbour/tides.txt", "tftp alone"),
        ("harbour/tides.txt;mode=netascii", "as they are"),
        ("harbour/tides%00", "NUL"),
        ("harbour/tides%", "hexadecimal"),
        ("harbour/tides%g1", "hexadecimal"),
        ("harbour/tides%\u{e9}1", "hexadecimal"),
    ] {
        let e = text.parse::<source::Source>().expect_err(text);
        assert!(e.contains(why), "{text}: {e}");
    }
}

// ---- sha512_256sum ----

proptest! {
    /// Whatever a file is called, the line with its hash is one line, and gives the name back.
    #[test]
    fn a_line_gives_the_name_back(name in prop::collection::vec(prop::sample::select(b"a \\nr\n\r*()=\xff".to_vec()), 1..12)) {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(&name);
        let (hash, (mark, text)) = ("0123456789abcdef".repeat(4), line::escaped(name));
        for line in [
            [mark, hash.as_bytes(), b"  ", &text].concat(),
            [mark, b"SHA512/256 (", &text, b") = ", hash.as_bytes()].concat(),
        ] {
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(line::parsed(&line), Some((hash.clone(), name.to_owned())));
        }
    }

    /// Octets from anywhere: no panic.
    #[test]
    fn any_line_is_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = line::parsed(&octets);
    }
}
