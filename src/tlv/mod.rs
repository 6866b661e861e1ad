//! Type, length, value: frames in a stream of octets.
//!
//! ```text
//! octet  0      1  2  3  4      5 …
//!       ┌──────┬─────────────┬────────────────────────┐
//!       │ type │   length    │ value: `length` octets │
//!       │  u8  │ u32, big-e. │                        │
//!       └──────┴─────────────┴────────────────────────┘
//! ```
//!
//! The type comes first, so a reader knows what it has before it has it; the length comes before the value, so a reader
//! knows how much to wait for. Both are claims of the other side. What a claim may cost is decided here, by a table of
//! [`Kind`]s: a code that is not in it, or a length beyond its limit, is refused when the header is there, and nothing
//! is allocated for it. What is allocated grows with what has arrived.
//!
//! | you have | you want | |
//! |---|---|---|
//! | a stream | Binary and String | [`read_value`], or a [`Reader`] for one after another |
//! | a stream | frames of types of your own | [`Reader::read_frame`] with your table |
//! | octets in memory | a frame, or to know how much is missing | [`decode::value`], [`decode::frame`] |
//! | a value | octets on a stream | [`Value::write_to`], [`write_frame`] |
//!
//! Every way to fail is an [`Error`]: the stream ended inside a frame (*incomplete*), or no octet to come can make it right
//! (*invalid*). Both name the offset in the stream.

pub mod arguments;
pub mod decode;
mod error;
mod header;
mod kind;
mod reader;
mod value;

pub use decode::Decoded;
pub use error::{Error, Fault, Incomplete, Invalid};
pub use header::{Header, field};
pub use kind::{BINARY, Kind, Kinds, LIMIT, STRING, VALUES, every};
pub use reader::{Reader, read_value};
pub use value::{Frame, Value, write_frame};
