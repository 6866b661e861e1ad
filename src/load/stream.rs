//! A stream as fast as it goes: one thread writes, another reads and compares.

use crate::load::exchange::{Trouble, closed, trouble};
use crate::load::lane::{Seat, Shared};
use crate::load::pace::Pace;
use crate::load::plan::Kind;
use crate::load::sea::{Id, Sea};
use crate::load::tally::{Tally, Wrong};
use crossbeam_channel::{Receiver, Sender, bounded};
use socket2::Socket;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

/// Small messages are written together, about so many octets at once.
const BLOCK: usize = 64 * 1024;
/// Messages of more octets are written one by one, without a copy.
const SMALL: usize = 4096;
/// Blocks that are written and not yet read. The kernels hold less than that, so it is a bound and no brake.
const AHEAD: usize = 1024;
/// What one read takes at the most.
const BUFFER: usize = 128 * 1024;
/// The reading thread's stack.
const STACK: usize = 128 * 1024;

/// One connection for one phase, and for as many connections one after the other as fail meanwhile.
pub fn flow(run: &Shared<'_>, pace: &Pace, seat: &mut Seat, tally: &mut Tally) {
    while pace.goes_on(Instant::now()) && pace.has_left() {
        let Some(socket) = seat.connected(run, pace, tally) else { continue };
        let one_way = run.plan.kind == Kind::OneWay;
        let done = match one_way {
            true => there(run, pace, seat, &socket, tally),
            false => there_and_back(run, pace, seat, &socket, tally),
        };
        let failed = done.is_err();
        if let Err(trouble) = done {
            run.count(trouble, tally);
        }
        if failed || one_way {
            seat.close(run);
        }
    }
}

/// Writes to the end of the phase, half-closes, and waits for the server to close: then it has read everything.
fn there(run: &Shared<'_>, pace: &Pace, seat: &mut Seat, socket: &Socket, tally: &mut Tally) -> Result<(), Trouble> {
    let before = tally.sent;
    write(run, pace, seat, socket, None, tally)?;
    let limit = Instant::now() + run.plan.timeout;
    socket.shutdown(Shutdown::Write).map_err(|e| trouble("half-close", e))?;
    let mut ignored = [0; 4096];
    loop {
        match { socket }.read(&mut ignored) {
            Ok(0) => break,
            // A server that talks while it is talked to; not for ever.
            Ok(_) if Instant::now() >= limit => return Err(Trouble::Timeout),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(trouble("read", e)),
        }
    }
    if run.links.is_cut() {
        return Err(Trouble::Timeout);
    }
    tally.answered += tally.sent - before;
    tally.last = Some(Instant::now());
    Ok(())
}

/// The first thing that goes wrong is the cause; what the other thread sees is its consequence.
fn there_and_back(
    run: &Shared<'_>,
    pace: &Pace,
    seat: &mut Seat,
    socket: &Socket,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let cause = OnceLock::new();
    let fail = |trouble: Trouble| {
        let _ = cause.set(trouble);
        // Wakes the other one.
        let _ = socket.shutdown(Shutdown::Both);
    };
    let (announce, written) = bounded(AHEAD);
    let mut reader = Reader::new(&run.sea, seat.connection);
    thread::scope(|scope| {
        let read = || {
            reader.read_all(socket, &written).err().into_iter().for_each(&fail);
            // The writer must not wait for somebody to take its announcements.
            drop(written);
        };
        match thread::Builder::new().name("reader".into()).stack_size(STACK).spawn_scoped(scope, read) {
            Ok(_) => write(run, pace, seat, socket, Some(&announce), tally).err().into_iter().for_each(&fail),
            Err(e) => fail(Trouble::Failed("start a thread", e)),
        }
        drop(announce);
    });
    tally.add(reader.tally);
    cause.into_inner().map_or(Ok(()), Err)
}

/// Writes messages until the phase is over. Each block is announced to the reader first.
fn write(
    run: &Shared<'_>,
    pace: &Pace,
    seat: &mut Seat,
    socket: &Socket,
    announce: Option<&Sender<Range<u64>>>,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let most = (BLOCK / run.plan.size).max(1) as u64;
    let mut block = Vec::new();
    loop {
        let n = pace.take(most, Instant::now());
        let numbers = seat.number + 1..seat.number + 1 + n;
        if n == 0 || announce.is_some_and(|a| a.send(numbers.clone()).is_err()) {
            return Ok(());
        }
        seat.number += n;
        tally.sent += n;
        let messages = numbers.map(|number| run.sea.message(Id { connection: seat.connection, number }));
        if run.plan.size <= SMALL {
            block.clear();
            messages.for_each(|message| message.copy_to(&mut block));
            { socket }.write_all(&block).map_err(|e| trouble("write", e))?;
            continue;
        }
        for message in messages {
            let mut sent = 0;
            while sent < run.plan.size {
                match { socket }.write_vectored(&message.slices(sent)) {
                    Ok(n) => sent += n,
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(trouble("write", e)),
                }
            }
        }
    }
}

/// The reading side of one connection.
struct Reader<'a> {
    sea: &'a Sea,
    connection: u32,
    buffer: Vec<u8>,
    /// Whether the message that is being read has been found wrong.
    is_wrong: bool,
    tally: Tally,
}

impl<'a> Reader<'a> {
    fn new(sea: &'a Sea, connection: u32) -> Self {
        Self { sea, connection, buffer: vec![0; BUFFER], is_wrong: false, tally: Tally::default() }
    }

    /// Reads what was announced, to the last octet.
    fn read_all(&mut self, mut socket: &Socket, written: &Receiver<Range<u64>>) -> Result<(), Trouble> {
        for numbers in written {
            let due = (numbers.end - numbers.start) as usize * self.sea.size();
            let mut got = 0;
            while got < due {
                let room = self.buffer.len().min(due - got);
                match socket.read(&mut self.buffer[..room]) {
                    Ok(0) => return Err(closed(got)),
                    Ok(n) => {
                        self.compare(numbers.start, got, n);
                        got += n;
                    }
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(trouble("read", e)),
                }
            }
            self.tally.last = Some(Instant::now());
        }
        Ok(())
    }

    /// Compares `n` octets that stand `from` octets after the start of message `first`.
    fn compare(&mut self, first: u64, from: usize, n: usize) {
        let size = self.sea.size();
        let mut done = 0;
        while done < n {
            let (number, offset) = (first + ((from + done) / size) as u64, (from + done) % size);
            let id = Id { connection: self.connection, number };
            let part = &self.buffer[done..n.min(done + size - offset)];
            let message = self.sea.message(id);
            if !self.is_wrong
                && let Some(at) = message.difference_at(offset, part)
            {
                self.is_wrong = true;
                let (expected, got) = (message.octet(at), part.get(at - offset).copied());
                self.tally.found(Wrong { id, offset: at, expected, got, answers: None, at: Instant::now() });
            }
            done += part.len();
            if offset + part.len() == size {
                self.tally.answered += u64::from(!self.is_wrong);
                self.is_wrong = false;
            }
        }
    }
}
