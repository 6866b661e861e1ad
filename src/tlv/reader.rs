//! Reading frames from a stream, one after another.

use super::error::{Error, Incomplete};
use super::header::Header;
use super::kind::{Kind, Kinds, VALUES};
use super::value::{Frame, Value};
use std::io::{self, Read};

/// What is reserved for a value before any of it is there. Beyond that, memory grows with what has come.
const FIRST_RESERVE: u32 = 4 * 1024;

/// Reads frames, and counts octets so that an error can say where it was. On a socket, put a
/// [`BufReader`](io::BufReader) below it, and a deadline below that.
#[derive(Debug)]
pub struct Reader<R> {
    stream: R,
    kinds: Kinds,
    offset: u64,
}

impl<R: Read> Reader<R> {
    /// A reader at the beginning of a stream, for frames of these types.
    pub fn new(stream: R, kinds: Kinds) -> Self {
        Self { stream, kinds, offset: 0 }
    }

    /// Octets read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The stream below. Who reads from it takes octets out of the middle of something.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.stream
    }

    // [read_frame]
    /// The next frame; `None` when the stream has ended where a frame may: between two.
    ///
    /// # Errors
    /// Any [`Error`]. The stream is of no use after that.
    pub fn read_frame(&mut self) -> Result<Option<Frame>, Error> {
        let start = self.offset;
        let Some(header) = self.read_header()? else { return Ok(None) };
        let kind = header.check(self.kinds).map_err(|fault| fault.in_frame_at(start))?;
        let value = self.read_rest(kind, header.length)?;
        Ok(Some(Frame { kind, value }))
    }
    // [/read_frame]

    /// As [`Reader::read_frame`], for Binary and String.
    ///
    /// # Errors
    /// As [`Reader::read_frame`], and when a String is not UTF-8.
    pub fn read_value(&mut self) -> Result<Option<Value>, Error> {
        let start = self.offset;
        let Some(frame) = self.read_frame()? else { return Ok(None) };
        let value = Value::try_from(frame).map_err(|fault| fault.in_frame_at(start))?;
        Ok(Some(value))
    }

    /// Five octets. None at all is a clean end; anything between is not.
    fn read_header(&mut self) -> Result<Option<Header>, Error> {
        let mut octets = [0; Header::LEN];
        let mut got = 0;
        while got < octets.len() {
            match self.stream.read(&mut octets[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(self.ended(None, got, octets.len())),
                Ok(n) => {
                    got += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { offset: self.offset, source }),
            }
        }
        Ok(Some(Header::parse(&octets)))
    }

    // [read_rest]
    /// `length` octets, in as many reads as it takes. The length was checked; it is a promise all the same, so the vector
    /// grows with what comes.
    fn read_rest(&mut self, kind: Kind, length: u32) -> Result<Vec<u8>, Error> {
        let mut value = Vec::with_capacity(length.min(FIRST_RESERVE) as usize);
        let read = self.stream.by_ref().take(length.into()).read_to_end(&mut value);
        self.offset += value.len() as u64;
        match read {
            Ok(got) if got < length as usize => Err(self.ended(Some(kind), got, length as usize)),
            Ok(_) => Ok(value),
            Err(source) => Err(Error::Io { offset: self.offset, source }),
        }
    }
    // [/read_rest]

    fn ended(&self, value_of: Option<Kind>, got: usize, want: usize) -> Error {
        Error::Incomplete(Incomplete { offset: self.offset, value_of, got: got as u32, want: want as u32 })
    }
}

/// The first Binary or String of a stream; `None` when it has ended. For more than one, make a [`Reader`]: it knows the offset.
///
/// # Errors
/// As [`Reader::read_value`].
pub fn read_value(stream: &mut impl Read) -> Result<Option<Value>, Error> {
    Reader::new(stream, VALUES).read_value()
}
