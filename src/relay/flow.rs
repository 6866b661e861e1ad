//! One direction of a relayed connection: what is on the way, and where it is kept.

use super::buffer::Buffer;
use super::pipe::Pipe;
use super::watch::{From, Watch};
use crate::conn::Conn;
use std::io;
use std::net::Shutdown;

/// The first buffer: a page. Most conversations never need more, and a silent one has none at all.
const FIRST: usize = 4 * 1024;
/// A buffer that was filled is followed by one so many times as large.
const GROWTH: usize = 8;
/// The largest. More does not make a stream faster.
const LARGEST: usize = 256 * 1024;
/// A direction that fills a buffer of this size streams, and gets a pipe.
const STREAM: usize = FIRST * GROWTH;
/// So many times in a row less than [`FIRST`] through the pipe, and it no longer streams.
const TRICKLE: u32 = 64;

/// The octets that come from one side, on their way to the other.
pub(super) struct Flow {
    from: From,
    may_splice: bool,
    store: Store,
    /// How much came, so far.
    pub(super) octets: u64,
    /// The FIN has come.
    pub(super) finished: bool,
    /// The FIN has been passed on.
    pub(super) shut: bool,
}

/// Where octets wait. Nothing more is read while there are any: who is slow to take slows the sender down, as without a
/// relay.
enum Store {
    Nothing,
    Buffer(Buffer, Filled),
    Pipe(Pipe, Trickle),
}

/// Whether the last read filled the buffer.
type Filled = bool;
/// How many small reads there were in a row.
type Trickle = u32;

impl Flow {
    pub(super) fn new(from: From, may_splice: bool) -> Self {
        Self { from, may_splice, store: Store::Nothing, octets: 0, finished: false, shut: false }
    }

    /// Octets on the way.
    pub(super) fn held(&self) -> usize {
        match &self.store {
            Store::Nothing => 0,
            Store::Buffer(buffer, _) => buffer.held(),
            Store::Pipe(pipe, _) => pipe.held(),
        }
    }

    /// Whether the last reads brought much.
    pub(super) fn streams(&self) -> bool {
        match &self.store {
            Store::Nothing => false,
            Store::Buffer(buffer, _) => buffer.room() >= STREAM,
            Store::Pipe(_, trickle) => *trickle == 0,
        }
    }

    /// Whether there is room that nothing is in.
    pub(super) fn is_spare(&self) -> bool {
        !matches!(self.store, Store::Nothing) && self.held() == 0
    }

    /// Gives spare room back: memory, or descriptors.
    pub(super) fn rest(&mut self) {
        if self.held() == 0 {
            self.store = Store::Nothing;
        }
    }

    /// Takes in once what has come, and returns how much. Zero is the FIN. Nothing may be on the way.
    pub(super) fn receive(&mut self, source: &Conn, watch: &mut impl Watch) -> io::Result<usize> {
        let shown = watch.wants(self.from);
        self.make_room(shown);
        let n = match &mut self.store {
            Store::Pipe(pipe, trickle) => {
                let n = match pipe.fill(source) {
                    // A kernel that cannot splice these sockets says so before anything has moved.
                    Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                        self.may_splice = false;
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    other => other?,
                };
                *trickle = if n < FIRST { *trickle + 1 } else { 0 };
                if n > 0 {
                    watch.passed(self.from, n);
                }
                n
            }
            Store::Buffer(buffer, filled) => {
                let room = buffer.room();
                let octets = buffer.fill(source)?;
                *filled = octets.len() == room;
                match octets.len() {
                    0 => {}
                    _ if shown => watch.data(self.from, octets),
                    n => watch.passed(self.from, n),
                }
                octets.len()
            }
            Store::Nothing => 0,
        };
        self.octets += n as u64;
        Ok(n)
    }

    /// Room that fits what the last reads brought.
    fn make_room(&mut self, shown: bool) {
        let splice = self.may_splice && !shown;
        let room = match &self.store {
            Store::Pipe(_, trickle) if splice && *trickle < TRICKLE => return,
            Store::Buffer(_, false) => return,
            Store::Nothing | Store::Pipe(..) => FIRST,
            Store::Buffer(buffer, true) if buffer.room() >= STREAM && splice => {
                // Without a pipe to be had, it goes on with buffers.
                return match Pipe::open() {
                    Ok(pipe) => self.store = Store::Pipe(pipe, 0),
                    Err(_) => self.may_splice = false,
                };
            }
            Store::Buffer(buffer, true) if buffer.room() < LARGEST => (buffer.room() * GROWTH).min(LARGEST),
            Store::Buffer(_, true) => return,
        };
        self.store = Store::Buffer(Buffer::new(room), false);
    }

    /// Passes on once what is on the way, and after the last octet the FIN.
    pub(super) fn send(&mut self, sink: &Conn) -> io::Result<()> {
        match &mut self.store {
            Store::Buffer(buffer, _) if buffer.held() > 0 => buffer.drain(sink)?,
            Store::Pipe(pipe, _) if pipe.held() > 0 => pipe.drain(sink)?,
            _ => {}
        }
        if self.finished && !self.shut && self.held() == 0 {
            self.shut = true;
            sink.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}
