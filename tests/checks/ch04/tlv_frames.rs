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

/// Waits for a whole frame, of at most `limit` octets, and gives its type and its value. `what` is expected.
pub fn whole(c: &mut Talk, what: &str, limit: u32) -> Outcome<(u8, Vec<u8>)> {
    let missed = |failure: Failure| Failure::new(what, failure.got);
    let header = c.read_exactly(5).map_err(missed)?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    if length > limit {
        let got = netkata::human::thousands(length as usize);
        return Err(Failure::new(what, format!("a frame of type {} with {got} octets", header[0])));
    }
    Ok((header[0], c.read_exactly(length as usize).map_err(missed)?))
}

/// A String that says this, and then a FIN.
pub fn refused_with(c: &mut Talk, said: &str, why: &str) -> Outcome {
    let what = format!("a String \"error: {said}\"");
    let (code, value) = whole(c, &what, 70_000).because(why)?;
    let got = netkata::hexdump::text(&value, 200);
    if code != STRING || got != format!("error: {said}") {
        let name = if code == STRING { "String" } else { "Binary" };
        return Err(Failure::new(what, format!("a {name} \"{got}\""))).because(why);
    }
    c.expect_close(Close::Fin).because("after a wrong frame nobody knows where the next one begins")
}
