//! One message there and back over a stream, every octet compared as it comes.

use crate::load::sea::{Id, Message, Sea};
use crate::load::tally::Wrong;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Up to here, copying a message is cheaper than handing the kernel two pieces.
const SMALL: usize = 4096;
/// What one read takes at the most. Larger messages are compared piece by piece.
const BUFFER: usize = 64 * 1024;
/// What the kernels between two programs hold for certain. A larger message is read while it is still being written: an
/// echo that finds nobody reading stops reading, too.
pub const HELD: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// Not in time.
    Timeout,
    /// The stream ended, or the kernel said no, in this call.
    Failed(&'static str, io::Error),
}

/// What a lane needs to send messages and to compare answers.
#[derive(Debug)]
pub struct Desk<'a> {
    sea: &'a Sea,
    timeout: Duration,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl<'a> Desk<'a> {
    /// For messages of this sea; an answer may take `timeout`, from when its request is sent.
    pub fn new(sea: &'a Sea, timeout: Duration) -> Self {
        Self { sea, timeout, outgoing: Vec::new(), incoming: vec![0; sea.size().min(BUFFER)] }
    }

    /// Whether messages are so large that [`Desk::both_ways`] is to be used, on sockets that do not block.
    pub fn is_large(&self) -> bool {
        self.sea.size() > HELD
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the server does not take it in time, or has gone.
    pub fn send(&mut self, socket: &Socket, message: &Message<'_>, deadline: Instant) -> Result<(), Trouble> {
        let size = self.sea.size();
        if size <= SMALL {
            self.outgoing.clear();
            message.copy_to(&mut self.outgoing);
        }
        let mut sent = 0;
        while sent < size {
            let wrote = match size {
                ..=SMALL => { socket }.write(&self.outgoing[sent..]),
                _ => { socket }.write_vectored(&message.slices(sent)),
            };
            match wrote {
                Ok(n) => sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(trouble("write", e)),
            }
            if sent < size && Instant::now() >= deadline {
                return Err(Trouble::Timeout);
            }
        }
        Ok(())
    }

    /// Reads the answer. One that is wrong is read to its end, so that the next one begins where it should.
    ///
    /// # Errors
    /// When it does not come in time, or the stream ends before it.
    pub fn receive(
        &mut self,
        socket: &Socket,
        id: Id,
        message: &Message<'_>,
        deadline: Instant,
    ) -> Result<Option<Wrong>, Trouble> {
        let mut reply = Reply::default();
        let mut limit = self.timeout;
        while reply.got < self.sea.size() {
            match { socket }.read(self.room(reply.got)) {
                Ok(0) => return Err(closed(reply.got)),
                Ok(n) => self.compare(&mut reply, id, message, n),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(trouble("read", e)),
            }
            if reply.got < self.sea.size() {
                limit = shorten(socket, limit, deadline)?;
            }
        }
        if limit != self.timeout {
            socket.set_read_timeout(Some(self.timeout)).map_err(|e| trouble("read", e))?;
        }
        Ok(reply.wrong)
    }

    /// Sends a large message and reads its answer at the same time, on a socket that does not block.
    ///
    /// # Errors
    /// As the other two.
    pub fn both_ways(
        &mut self,
        socket: &Socket,
        id: Id,
        message: &Message<'_>,
        deadline: Instant,
    ) -> Result<Option<Wrong>, Trouble> {
        let (mut sent, mut reply) = (0, Reply::default());
        while reply.got < self.sea.size() {
            if sent < self.sea.size() {
                sent += ready("write", { socket }.write_vectored(&message.slices(sent)))?.unwrap_or(0);
            }
            match ready("read", { socket }.read(self.room(reply.got)))? {
                Some(0) => return Err(closed(reply.got)),
                Some(n) => self.compare(&mut reply, id, message, n),
                None => wait(socket, sent < self.sea.size(), deadline)?,
            }
        }
        Ok(reply.wrong)
    }

    /// Where the next read goes. An answer that fits is kept whole.
    fn room(&mut self, got: usize) -> &mut [u8] {
        let size = self.sea.size();
        let from = if size <= self.incoming.len() { got } else { 0 };
        let to = self.incoming.len().min(from + size - got);
        &mut self.incoming[from..to]
    }

    fn compare(&self, reply: &mut Reply, id: Id, message: &Message<'_>, n: usize) {
        let whole = self.sea.size() <= self.incoming.len();
        let from = if whole { reply.got } else { 0 };
        let came = &self.incoming[from..from + n];
        if reply.wrong.is_none()
            && let Some(offset) = message.difference_at(reply.got, came)
        {
            reply.wrong = Some(Wrong {
                id,
                offset,
                expected: message.octet(offset),
                got: came.get(offset - reply.got).copied(),
                answers: None,
                at: Instant::now(),
            });
        }
        reply.got += n;
        if let Some(wrong) = &mut reply.wrong
            && whole
            && reply.got == self.sea.size()
        {
            wrong.answers = self.sea.owner(&self.incoming);
        }
    }
}

#[derive(Default)]
struct Reply {
    got: usize,
    wrong: Option<Wrong>,
}

/// Each read has the socket's limit anew, and a server that drips renews it with each octet. Once half of the time is
/// gone, the socket gets what is left.
fn shorten(socket: &Socket, limit: Duration, deadline: Instant) -> Result<Duration, Trouble> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Trouble::Timeout);
    }
    if left > limit / 2 {
        return Ok(limit);
    }
    socket.set_read_timeout(Some(left)).map_err(|e| trouble("read", e))?;
    Ok(left)
}

/// `None` when the call would have blocked.
fn ready(verb: &'static str, done: io::Result<usize>) -> Result<Option<usize>, Trouble> {
    match done {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(Trouble::Failed(verb, e)),
    }
}

fn wait(socket: &Socket, more_to_send: bool, deadline: Instant) -> Result<(), Trouble> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Trouble::Timeout);
    }
    let what = if more_to_send { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
    let limit = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket.as_fd(), what)], limit) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(e) => Err(Trouble::Failed("poll", e.into())),
    }
}

/// The end of a stream, before or in the middle of an answer.
pub fn closed(got: usize) -> Trouble {
    let why = if got == 0 { "closed instead of an answer" } else { "closed in the middle of an answer" };
    Trouble::Failed("read", io::Error::new(ErrorKind::UnexpectedEof, why))
}

/// What a failed call means: SO_RCVTIMEO and SO_SNDTIMEO report a timeout as EAGAIN (socket(7)).
pub fn trouble(verb: &'static str, e: io::Error) -> Trouble {
    if crate::error::is_timeout(&e) { Trouble::Timeout } else { Trouble::Failed(verb, e) }
}
