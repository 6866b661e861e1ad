//! TLV: the reader of streams and the decoder of slices, against each other and against what was written.

use crate::mutate::{mutate, noise, number};
use fastrand::Rng;
use netkata::tlv::{Decoded, Header, LIMIT, Reader, VALUES, Value, decode};
use std::io::Read;

/// Lengths at which a codec of this kind is wrong.
const LENGTHS: [u32; 5] = [4, 5, LIMIT - 1, LIMIT, LIMIT + 1];

/// Frames, spoilt more often than not; sometimes noise from the first octet on.
pub fn make(rng: &mut Rng) -> Vec<u8> {
    if rng.u8(..16) == 0 {
        return noise(rng, 64);
    }
    let mut octets = Vec::new();
    for _ in 0..rng.usize(..5) {
        let frame = value(rng);
        // A Vec takes any number of octets, and no value here is near the limit.
        let _ = frame.write_to(&mut octets);
    }
    match rng.u8(..8) {
        0 => {}
        1 => octets.extend(Header { code: rng.u8(..4), length: number(rng, &LENGTHS) }.emit()),
        _ => mutate(rng, &mut octets, &LENGTHS),
    }
    octets
}

fn value(rng: &mut Rng) -> Value {
    match rng.bool() {
        true => Value::Binary(noise(rng, 300)),
        false => Value::String((0..rng.usize(..30)).map(|_| rng.char(..)).collect()),
    }
}

/// - No panic, and an end: the reader stops at an error or at the end.
/// - What was understood, written again, is what came.
/// - Both decoders say the same, and name the same offset.
/// - Where the stream is cut means nothing.
pub fn check(octets: &[u8]) {
    let (values, end) = read_all(octets);
    assert_eq!((&values, &end), (&decode_all(octets).0, &decode_all(octets).1), "the decoders agree");
    let size = 1 + octets.first().map_or(0, |o| usize::from(*o) % 7);
    assert_eq!((&values, &end), (&read_all(Pieces { octets, size }).0, &end), "cuts mean nothing");
    let mut written = Vec::new();
    for value in &values {
        value.write_to(&mut written).expect("what was within the limit still is");
    }
    assert!(octets.starts_with(&written), "written again, it is what came");
    assert_eq!(end == "the end", written.len() == octets.len(), "the end is clean when nothing is left");
}

fn read_all(stream: impl Read) -> (Vec<Value>, String) {
    let mut reader = Reader::new(stream, VALUES);
    let mut values = Vec::new();
    loop {
        match reader.read_value() {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, "the end".into()),
            Err(e) => return (values, e.to_string()),
        }
    }
}

fn decode_all(octets: &[u8]) -> (Vec<Value>, String) {
    let (mut values, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        match decode::value(&octets[at..]) {
            Decoded::Complete(value, used) => {
                values.push(value);
                at += used;
            }
            Decoded::Incomplete(why) => return (values, why.after(at as u64).to_string()),
            Decoded::Invalid(why) => return (values, why.after(at as u64).to_string()),
        }
    }
    (values, "the end".into())
}

/// A stream that gives a few octets at a time.
struct Pieces<'a> {
    octets: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.octets.by_ref().take(self.size as u64).read(buf)
    }
}
