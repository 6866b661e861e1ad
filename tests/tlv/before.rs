//! The codec as it is often written first: each type reads its own type octet, so whoever has to know the type before has
//! to put that octet back in front of the stream. Kept here, and proven to read the same frames, because the lesson shows it.

use netkata::tlv::{LIMIT, Value};
use std::io::{self, Cursor, Read};

/// Looks at the type, puts the octet back, and lets the type read all of it again.
// [before]
pub(crate) fn decode(stream: &mut impl Read) -> io::Result<Value> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    let mut again = Cursor::new(kind).chain(stream);
    match kind[0] {
        1 => binary(&mut again).map(Value::Binary),
        2 => string(&mut again).map(Value::String),
        other => Err(invalid(format!("unknown type {other}"))),
    }
}

fn binary(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind[0] != 1 {
        return Err(invalid("invalid Binary".into()));
    }
    value(stream)
}
// [/before]

fn string(stream: &mut impl Read) -> io::Result<String> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind[0] != 2 {
        return Err(invalid("invalid String".into()));
    }
    String::from_utf8(value(stream)?).map_err(|e| invalid(e.to_string()))
}

fn value(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LIMIT {
        return Err(invalid("maximum payload size exceeded".into()));
    }
    let mut value = Vec::new();
    match stream.take(length.into()).read_to_end(&mut value)? {
        got if got < length as usize => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(value),
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
