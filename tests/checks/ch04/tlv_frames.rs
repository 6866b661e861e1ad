//! Frames of type, length and value, made by hand: the grader does not use the codec that it grades.

use netkata_kit::prelude::*;

pub const BINARY: u8 = 1;
pub const STRING: u8 = 2;
/// Octets in a value, at the most.
pub const LIMIT: u32 = 10_485_760;

pub const STREAM: &str = "RFC 9293 §3.8: TCP carries a stream of octets; where it is cut into segments means nothing";
pub const CLAIM: &str = "a length is a claim of the other side: five octets can claim 4 GiB";

/// The type, four octets of length, most significant first.
pub fn header(code: u8, length: u32) -> Vec<u8> {
    [&[code][..], &length.to_be_bytes()].concat()
}

pub fn frame(code: u8, value: &[u8]) -> Vec<u8> {
    [header(code, value.len() as u32), value.to_vec()].concat()
}

/// A String with harbour talk.
pub fn string(s: &mut Scene) -> Vec<u8> {
    frame(STRING, s.phrase().as_bytes())
}

/// Waits for a frame of this type, of at most `limit` octets, and gives its value.
pub fn expect_type(c: &mut Talk, code: u8, limit: u32) -> Outcome<Vec<u8>> {
    c.expect(&[code])?;
    let length = c.read_exactly(4)?;
    let length = length.iter().fold(0_u32, |n, octet| n << 8 | u32::from(*octet));
    if length > limit {
        let limit = netkata::human::count(limit as usize, "octet");
        return Err(Failure::new(format!("a length of at most {limit}"), format!("{length:#010x}")));
    }
    c.read_exactly(length as usize)
}

/// A String that says this, and then a FIN.
pub fn refused_with(c: &mut Talk, said: &str, why: &str) -> Outcome {
    let said = format!("error: {said}");
    let wrong = |got: String| Err(Failure::new(format!("a String \"{said}\""), got)).because(why);
    let header = match c.read_exactly(5) {
        Ok(header) => header,
        Err(failure) => return wrong(failure.got),
    };
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    if header[0] != STRING || length > 200 {
        return wrong(format!("a frame that begins with {}", netkata::hexdump::hex(&header, 5)));
    }
    let got = c.read_exactly(length as usize)?;
    if got != said.as_bytes() {
        return wrong(format!("a String \"{}\"", netkata::hexdump::text(&got, 200)));
    }
    c.expect_close(Close::Fin).because("after a wrong frame nobody knows where the next one begins")
}
