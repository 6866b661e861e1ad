//! The TLV codec, tried with every cut, every end and every claim that a peer can make.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tlv/before.rs"]
mod before;
#[path = "tlv/readers.rs"]
mod readers;

use netkata::tlv::{
    BINARY, Decoded, Error, Frame, Header, Kind, LIMIT, Reader, STRING, VALUES, Value, decode, read_value,
};
use proptest::prelude::*;
use readers::{Counted, Cut, Endless};
use std::io::{self, BufReader, Cursor, Read};
use std::net::{TcpListener, TcpStream};

fn wire(values: &[Value]) -> Vec<u8> {
    let mut octets = Vec::new();
    for value in values {
        value.write_to(&mut octets).expect("within the limit");
    }
    octets
}

/// All values up to the first error or the end, and which it was.
fn read_all(stream: impl Read) -> (Vec<Value>, Option<Error>) {
    let mut reader = Reader::new(stream, VALUES);
    let mut values = Vec::new();
    loop {
        match reader.read_value() {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, None),
            Err(e) => return (values, Some(e)),
        }
    }
}

/// As [`read_all`], by the decoder for octets in memory: what is left over counts as the end of the stream.
fn decode_all(octets: &[u8]) -> (Vec<Value>, Option<String>) {
    let (mut values, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        match decode::value(&octets[at..]) {
            Decoded::Complete(value, used) => {
                values.push(value);
                at += used;
            }
            Decoded::Incomplete(why) => return (values, Some(why.after(at as u64).to_string())),
            Decoded::Invalid(why) => return (values, Some(why.after(at as u64).to_string())),
        }
    }
    (values, None)
}

fn error_of(octets: &[u8]) -> String {
    read_value(&mut &octets[..]).expect_err("wrong").to_string()
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    let binary = prop::collection::vec(any::<u8>(), 0..600).prop_map(Value::Binary);
    let string = any::<String>().prop_map(Value::String);
    prop::collection::vec(prop_oneof![binary, string], 0..6)
}

/// A header that may be right, with octets behind it that may be enough.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        any::<u32>(),
        0..40_u32,
        prop::sample::select(vec![LIMIT - 1, LIMIT, LIMIT + 1, 1 << 30, u32::MAX, 1 << 24])
    ];
    let frame = (0..4_u8, length, prop::collection::vec(any::<u8>(), 0..40));
    frame.prop_map(|(code, length, rest)| [&Header { code, length }.emit()[..], &rest].concat())
}

proptest! {
    /// What was written is read, however many there are, and not one octet more is used.
    #[test]
    fn values_come_back(values in values()) {
        let octets = wire(&values);
        let (read, end) = read_all(&octets[..]);
        prop_assert!(end.is_none(), "{end:?}");
        prop_assert_eq!(&read, &values);
        prop_assert_eq!(decode_all(&octets), (values, None));
    }

    /// Where the network cuts the stream means nothing: pieces of any sizes, and an interruption between them.
    #[test]
    fn cuts_mean_nothing(values in values(), sizes in prop::collection::vec(1..9_usize, 1..9)) {
        let octets = wire(&values);
        let (read, end) = read_all(Cut::new(&octets, sizes));
        prop_assert!(end.is_none(), "{end:?}");
        prop_assert_eq!(read, values);
    }

    /// The reader of streams and the decoder of slices say the same of anything, and the octets of a value are its own again.
    #[test]
    fn both_decoders_agree(octets in prop_oneof![hostile(), prop::collection::vec(any::<u8>(), 0..64)], lead in values()) {
        let octets = [wire(&lead), octets].concat();
        let (values, end) = read_all(&octets[..]);
        let written = wire(&values);
        prop_assert!(octets.starts_with(&written));
        prop_assert_eq!((values, end.map(|e| e.to_string())), decode_all(&octets));
    }

    /// Before and after: the form that puts the type octet back takes the same frames, and refuses the same ones.
    #[test]
    fn the_earlier_form_reads_the_same(octets in prop_oneof![hostile(), values().prop_map(|v| wire(&v))]) {
        let (mut earlier, mut now) = (Cursor::new(&octets), Cursor::new(&octets));
        while let Ok(Some(value)) = read_value(&mut now) {
            prop_assert_eq!(before::decode(&mut earlier).expect("the same value"), value);
            prop_assert_eq!(earlier.position(), now.position());
        }
        prop_assert!(before::decode(&mut earlier).is_err(), "the end, or an error");
    }
}

/// At every place where a stream can end, the error says where it was and what was missing; between two frames it is no error.
#[test]
fn the_end_at_every_octet() {
    let first = [Value::Binary(b"ebb".to_vec())];
    let octets = wire(&[first[0].clone(), Value::String("flood".into())]);
    for end in 0..octets.len() {
        let (values, error) = read_all(&octets[..end]);
        let said = error.map(|e| e.to_string());
        assert_eq!(values, if end < 8 { &[] } else { &first[..] }, "{end}");
        let expected = match end {
            0 | 8 => None,
            1..5 => Some(format!("offset {end}: truncated header: {end} of 5 octets, then the end")),
            9..13 => Some(format!("offset {end}: truncated header: {} of 5 octets, then the end", end - 8)),
            5..8 => Some(format!(
                "offset {end}: truncated value: {} of 3 octets of a Binary (limit 10,485,760), then the end",
                end - 5
            )),
            _ => Some(format!(
                "offset {end}: truncated value: {} of 5 octets of a String (limit 10,485,760), then the end",
                end - 13
            )),
        };
        assert_eq!(said, expected);
    }
}

/// The decoder of slices says how much is missing: with so many more, it knows more.
#[test]
fn how_much_is_missing() {
    let octets = wire(&[Value::String("high water".into())]);
    for (there, missing) in [(0, 5), (1, 4), (4, 1), (5, 10), (14, 1)] {
        let Decoded::Incomplete(why) = decode::value(&octets[..there]) else { panic!("{there} octets are not enough") };
        assert_eq!((why.missing(), why.offset), (missing, there as u64));
    }
    assert_eq!(
        decode::value(&[&octets[..], b"more"].concat()),
        Decoded::Complete(Value::String("high water".into()), 15)
    );
}

#[test]
fn every_fault_has_its_own_words() {
    for (octets, said) in [
        (&b"\x09\0\0\0\x01a"[..], "offset 0: unknown type 9 (known: 1 Binary, 2 String)"),
        (b"\x00\xff\xff\xff\xff", "offset 0: unknown type 0 (known: 1 Binary, 2 String)"),
        (b"\x01\xff\xff\xff\xff", "offset 1: too long: a Binary of 4,294,967,295 octets (limit 10,485,760)"),
        (b"\x02\x00\xa0\x00\x01", "offset 1: too long: a String of 10,485,761 octets (limit 10,485,760)"),
        (b"\x02\0\0\0\x03ab\xff", "offset 7: not UTF-8: octet 2 of a String of 3 octets is ff"),
        (b"\x02\0\0\0\x03ab\xc3", "offset 7: not UTF-8: octet 2 of a String of 3 octets is c3"),
        (b"\x02\0\0", "offset 3: truncated header: 3 of 5 octets, then the end"),
        (b"\x02\0\0\0\x03ab", "offset 7: truncated value: 2 of 3 octets of a String (limit 10,485,760), then the end"),
    ] {
        assert_eq!(error_of(octets), said);
    }
}

/// Offsets count from the beginning of the stream, not of the frame.
#[test]
fn offsets_are_of_the_stream() {
    let octets = [wire(&[Value::String("slack".into())]), b"\x02\0\0\0\x01\xff".to_vec()].concat();
    let (values, error) = read_all(&octets[..]);
    assert_eq!(values.len(), 1);
    assert_eq!(error.expect("wrong").to_string(), "offset 15: not UTF-8: octet 0 of a String of 1 octet is ff");
}

/// A GiB is claimed: the answer is the error, after five octets, and before anything is reserved. Both types have the cap.
#[test]
fn a_claim_beyond_the_limit_is_refused_unread() {
    for kind in [BINARY, STRING] {
        let header = Header { code: kind.code, length: 1 << 30 }.emit();
        let mut stream = Counted::new(Cursor::new(header).chain(Endless));
        let error = read_value(&mut stream).expect_err("too long").to_string();
        assert_eq!(error, format!("offset 1: too long: a {} of 1,073,741,824 octets (limit 10,485,760)", kind.name));
        assert_eq!(stream.octets, Header::LEN as u64);
    }
}

/// At the limit and below, a value passes; a caller's own limit counts just as well.
#[test]
fn the_limit_is_inclusive() {
    for length in [LIMIT - 1, LIMIT] {
        for kind in [BINARY, STRING] {
            let header = Header { code: kind.code, length }.emit();
            let read = read_value(&mut Cursor::new(header).chain(Endless)).expect("at the limit").expect("a value");
            assert_eq!((read.kind(), read.octets().len()), (kind, length as usize));
        }
    }
    const FATHOMS: Kind = Kind { code: 77, name: "Fathoms", limit: 2 };
    let read = |octets: &[u8]| Reader::new(octets, &[FATHOMS]).read_frame();
    assert_eq!(read(b"\x4d\0\0\0\x0212").expect("at the limit"), Some(Frame { kind: FATHOMS, value: b"12".to_vec() }));
    let error = read(b"\x4d\0\0\0\x03123").expect_err("above").to_string();
    assert_eq!(error, "offset 1: too long: a Fathoms of 3 octets (limit 2)");
    assert_eq!(
        read(b"\x01\0\0\0\0").expect_err("not ours").to_string(),
        "offset 0: unknown type 1 (known: 77 Fathoms)"
    );
}

/// What fails below comes up with its kind and the offset.
#[test]
fn a_failing_stream_is_named() {
    let mut stream = Cursor::new(b"\x01\0\0\0\x05ab").chain(readers::Fails(io::ErrorKind::ConnectionReset));
    let error = read_value(&mut stream).expect_err("reset");
    assert_eq!(error.to_string(), "offset 7: connection reset");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionReset);
}

/// Two Binary and a String in one connection, in this order, over a real socket.
#[test]
fn three_values_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sent = [
        Value::Binary(b"The pilot boards at the buoy".to_vec()),
        Value::String("Alma asks for berth".into()),
        Value::Binary(b"Berth number".to_vec()),
    ];
    let octets = wire(&sent);
    let writer = std::thread::spawn(move || io::Write::write_all(&mut listener.accept().unwrap().0, &octets));
    let (read, end) = read_all(BufReader::new(TcpStream::connect(address).unwrap()));
    writer.join().unwrap().unwrap();
    assert!(end.is_none(), "{end:?}");
    assert_eq!(read, sent);
}
