//! Frames and values, and how they go out.

use super::error::{Error, Fault};
use super::header::Header;
use super::kind::{BINARY, Kind, STRING};
use crate::hexdump;
use std::fmt;
use std::io::{self, Write};

/// A frame whose type is known and whose length is allowed: `V` is `Vec<u8>`, or `&[u8]` where it lies in memory already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<V = Vec<u8>> {
    /// From the table of the reader.
    pub kind: Kind,
    /// So many octets as the header said.
    pub value: V,
}

/// What a frame of type 1 or 2 carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Type 1: octets.
    Binary(Vec<u8>),
    /// Type 2: text.
    String(String),
}

impl Value {
    /// The type of its frame.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Binary(_) => BINARY,
            Value::String(_) => STRING,
        }
    }

    /// As they stand in the frame.
    pub fn octets(&self) -> &[u8] {
        match self {
            Value::Binary(octets) => octets,
            Value::String(text) => text.as_bytes(),
        }
    }

    /// Writes the frame, as [`write_frame`] does.
    ///
    /// # Errors
    /// As [`write_frame`].
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), Error> {
        write_frame(out, self.kind(), self.octets())
    }

    /// As people read it, with at most so many octets (of a Binary) or characters (of a String): `[String] "Alma"`,
    /// `[Binary] 00 ff`. Control characters are escaped: what a peer says cannot command a terminal.
    pub fn shown(&self, limit: usize) -> String {
        match self {
            Value::Binary(octets) => format!("[Binary] {}", hexdump::hex(octets, limit)).trim_end().into(),
            Value::String(text) => match text.char_indices().nth(limit) {
                None => format!("[String] {text:?}"),
                Some((cut, _)) => format!("[String] {:?} … ({} octets)", &text[..cut], text.len()),
            },
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(usize::MAX))
    }
}

/// The last look at a frame: a String must be text. The octets are not copied.
impl TryFrom<Frame> for Value {
    type Error = Fault;

    fn try_from(frame: Frame) -> Result<Self, Fault> {
        let Frame { kind, value } = frame;
        match kind.code {
            code if code == BINARY.code => Ok(Value::Binary(value)),
            code if code == STRING.code => String::from_utf8(value).map(Value::String).map_err(|e| {
                let at = e.utf8_error().valid_up_to();
                let octets = e.as_bytes();
                Fault::NotUtf8 { kind, length: octets.len(), at, octet: octets.get(at).copied().unwrap_or_default() }
            }),
            code => Err(Fault::UnknownType { code, known: super::VALUES }),
        }
    }
}

/// Writes a frame. On a socket, give it a [`BufWriter`](io::BufWriter) and flush: header and value then leave together.
///
/// # Errors
/// When the value is longer than its type allows: nothing is written then. Otherwise as the stream.
pub fn write_frame(out: &mut impl Write, kind: Kind, value: &[u8]) -> Result<(), Error> {
    let header = Header::of(kind, value).map_err(|fault| fault.in_frame_at(0))?;
    let io = |offset: usize| move |source: io::Error| Error::Io { offset: offset as u64, source };
    out.write_all(&header.emit()).map_err(io(0))?;
    out.write_all(value).map_err(io(Header::LEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_people_read_it() {
        for (value, limit, shown) in [
            (Value::String("Alma".into()), 9, "[String] \"Alma\""),
            (Value::String("Bødø \"1\"\r\n\x1b".into()), 99, "[String] \"Bødø \\\"1\\\"\\r\\n\\u{1b}\""),
            (Value::String("Bødø".into()), 2, "[String] \"Bø\" … (6 octets)"),
            (Value::String(String::new()), 9, "[String] \"\""),
            (Value::Binary(vec![0, 255]), 9, "[Binary] 00 ff"),
            (Value::Binary(vec![1; 4]), 2, "[Binary] 01 01 … (2 more)"),
            (Value::Binary(Vec::new()), 9, "[Binary]"),
        ] {
            assert_eq!(value.shown(limit), shown);
        }
    }

    /// Header and value, to the octet.
    #[test]
    fn a_frame_on_the_wire() {
        let mut octets = Vec::new();
        Value::String("Alma".into()).write_to(&mut octets).expect("write");
        assert_eq!(octets, b"\x02\0\0\0\x04Alma");
    }

    /// What is too long is refused before the first octet.
    #[test]
    fn too_long_is_not_begun() {
        let mut out = Vec::new();
        let e = write_frame(&mut out, Kind { limit: 3, ..BINARY }, b"tide").expect_err("too long");
        assert_eq!(e.to_string(), "offset 1: too long: a Binary of 4 octets (limit 3)");
        assert!(out.is_empty());
    }
}
