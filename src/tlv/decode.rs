//! Decoding octets that are in memory already: parse what is there, or say how much is missing.

use super::error::{Incomplete, Invalid};
use super::header::{Header, field};
use super::kind::{Kinds, VALUES};
use super::value::{Frame, Value};

/// What the beginning of some octets is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A whole frame, and how many octets it took. What follows belongs to the next one.
    Complete(T, usize),
    /// The beginning of a frame, with no octet that is wrong; of none at all, a header is missing.
    /// [`Incomplete::missing`] says how many more octets must come before there is more to say.
    Incomplete(Incomplete),
    /// No frame, whatever comes. Its offset counts from the first of these octets.
    Invalid(Invalid),
}

// [decode]
/// The frame at the beginning of `octets`. Nothing is copied.
pub fn frame(octets: &[u8], kinds: Kinds) -> Decoded<Frame<&[u8]>> {
    let Some(header) = octets.first_chunk() else {
        return Decoded::Incomplete(Incomplete::here(None, octets, Header::LEN));
    };
    let header = Header::parse(header);
    let kind = match header.check(kinds) {
        Ok(kind) => kind,
        Err(fault) => return Decoded::Invalid(fault.in_frame_at(0)),
    };
    let (after, length) = (&octets[field::VALUE], header.length as usize);
    match after.get(..length) {
        Some(value) => Decoded::Complete(Frame { kind, value }, Header::LEN + length),
        None => Decoded::Incomplete(Incomplete::here(Some(kind), after, length)),
    }
}
// [/decode]

/// As [`frame()`], for Binary and String.
pub fn value(octets: &[u8]) -> Decoded<Value> {
    match frame(octets, VALUES) {
        Decoded::Complete(Frame { kind, value }, used) => {
            match Value::try_from(Frame { kind, value: value.to_vec() }) {
                Ok(value) => Decoded::Complete(value, used),
                Err(fault) => Decoded::Invalid(fault.in_frame_at(0)),
            }
        }
        Decoded::Incomplete(why) => Decoded::Incomplete(why),
        Decoded::Invalid(why) => Decoded::Invalid(why),
    }
}
