//! One connection through the relay: two sockets, one thread, and poll(2) to hear both.
//!
//! A thread for each direction would block more simply. But then the one that writes to a dead socket and the one that
//! reads from it both learn of the reset, each in its own way, and the journal would have to guess which was the truth.

use super::journal::{From, Journal, Kind};
use crate::error::cause_text;
use crate::human;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use std::io::{self, PipeReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Octets taken from one side before they have gone out on the other.
const BUFFER: usize = 64 * 1024;

/// A broken side's last words are at most this many buffers: what its socket had received already.
const LAST_WORDS: usize = 256;

/// A client and its server, and what is on the way between them.
pub(super) struct Link<'a> {
    journal: &'a Journal,
    conversation: usize,
    idle_limit: Duration,
    /// The client's and the server's.
    ends: [End; 2],
    buffer: Box<[u8]>,
}

struct End {
    stream: TcpStream,
    /// On the way to this end. While there is any, nothing more is read from the other: a slow reader slows the sender
    /// down, as it would without a relay.
    pending: Vec<u8>,
    /// Its FIN has come.
    finished: bool,
    /// The other's FIN has been passed on to it.
    shut: bool,
}

/// Why a link ended before both FINs.
enum Broken {
    /// The relay is being stopped.
    Stopped,
    /// Nothing moved for too long.
    Idle,
    /// This side's socket failed.
    Failed(From, io::Error),
}

impl<'a> Link<'a> {
    /// The streams, the client's first, are non-blocking already.
    pub(super) fn new(
        journal: &'a Journal,
        conversation: usize,
        idle_limit: Duration,
        streams: (TcpStream, TcpStream),
    ) -> Self {
        let end = |stream| End { stream, pending: Vec::new(), finished: false, shut: false };
        let ends = [end(streams.0), end(streams.1)];
        Self { journal, conversation, idle_limit, ends, buffer: vec![0; BUFFER].into_boxed_slice() }
    }

    /// Carries octets until both sides have finished, one of them breaks, or `stop` hangs up.
    pub(super) fn run(mut self, stop: &PipeReader) {
        match self.carry(stop) {
            Ok(()) | Err(Broken::Stopped) => {}
            Err(Broken::Idle) => {
                let text = format!("nothing for {}: the relay reset both sides", human::duration(self.idle_limit));
                self.journal.event(self.conversation, Kind::Note(text));
                self.reset();
            }
            Err(Broken::Failed(from, e)) => {
                self.last_words(from);
                self.journal.event(self.conversation, verdict(from, &e));
                self.reset();
            }
        }
    }

    fn carry(&mut self, stop: &PipeReader) -> Result<(), Broken> {
        let mut last = Instant::now();
        while !self.ends.iter().all(|end| end.shut) {
            for from in self.wait(stop, last)? {
                if self.wants(from).contains(PollFlags::POLLIN) {
                    self.receive(from)?;
                }
                self.send(from)?;
            }
            last = Instant::now();
        }
        Ok(())
    }

    /// What to wait for at one end.
    fn wants(&self, from: From) -> PollFlags {
        let (end, other) = (&self.ends[at(from)], &self.ends[at(from.other())]);
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, !end.finished && other.pending.is_empty());
        flags.set(PollFlags::POLLOUT, !end.pending.is_empty());
        flags
    }

    /// Blocks until something can be done at one end or both.
    fn wait(&self, stop: &PipeReader, last: Instant) -> Result<Vec<From>, Broken> {
        let sides = [From::Client, From::Server].map(|from| (from, self.wants(from)));
        // A reset is heard even where nothing is wanted. But an end that was shut also hangs up when it has finished in
        // good order, and poll(2) would return at once for ever.
        let mut heard = sides.to_vec();
        heard.retain(|&(from, flags)| !flags.is_empty() || !self.ends[at(from)].shut);
        let mut fds = vec![PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        fds.extend(heard.iter().map(|&(from, flags)| PollFd::new(self.ends[at(from)].stream.as_fd(), flags)));
        loop {
            let left = self.idle_limit.saturating_sub(last.elapsed());
            if left.is_zero() {
                return Err(Broken::Idle);
            }
            match poll(&mut fds, poll_timeout(left)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => break,
                Err(e) => return Err(Broken::Failed(From::Client, e.into())),
            }
        }
        let told: Vec<PollFlags> = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty())).collect();
        if !told[0].is_empty() {
            return Err(Broken::Stopped);
        }
        self.ready(heard.iter().zip(&told[1..]))
    }

    /// The ends with something to do, of those for which something was wanted and told.
    fn ready<'b>(
        &self,
        ends: impl Iterator<Item = (&'b (From, PollFlags), &'b PollFlags)>,
    ) -> Result<Vec<From>, Broken> {
        let mut ready = Vec::new();
        for (&(from, wanted), &told) in ends {
            // Where a read follows, that reports the error, after the octets that came before it.
            if !wanted.contains(PollFlags::POLLIN) && told.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
                let e = self.ends[at(from)].stream.take_error().unwrap_or_else(Some);
                return Err(Broken::Failed(from, e.unwrap_or(io::ErrorKind::ConnectionReset.into())));
            }
            if !told.is_empty() {
                ready.push(from);
            }
        }
        Ok(ready)
    }

    /// Reads once from one side, writes it down, and passes it on.
    fn receive(&mut self, from: From) -> Result<(), Broken> {
        match (&self.ends[at(from)].stream).read(&mut self.buffer) {
            Ok(0) => {
                self.journal.event(self.conversation, Kind::Close(from));
                self.ends[at(from)].finished = true;
            }
            Ok(n) => self.take(from, n),
            Err(e) if is_nothing(&e) => {}
            Err(e) => return Err(Broken::Failed(from, e)),
        }
        self.send(from.other())
    }

    /// The first `n` octets of the buffer have come from this side.
    fn take(&mut self, from: From, n: usize) {
        self.journal.data(self.conversation, from, &self.buffer[..n]);
        self.ends[at(from.other())].pending.extend_from_slice(&self.buffer[..n]);
    }

    /// Writes to one side what is on the way to it, and after the last octet the other's FIN.
    fn send(&mut self, to: From) -> Result<(), Broken> {
        let failed = |e| Err(Broken::Failed(to, e));
        let finished = self.ends[at(to.other())].finished;
        let end = &mut self.ends[at(to)];
        if !end.pending.is_empty() {
            match (&end.stream).write(&end.pending) {
                Ok(n) => drop(end.pending.drain(..n)),
                Err(e) if is_nothing(&e) => {}
                Err(e) => return failed(e),
            }
        }
        if finished && end.pending.is_empty() && !end.shut {
            end.shut = true;
            return end.stream.shutdown(Shutdown::Write).or_else(failed);
        }
        Ok(())
    }

    /// A server that answers, closes, and leaves a part of the request unread, sends an RST after its answer. A write that
    /// fails by it comes before the answer is read: it is still in our socket's buffer.
    fn last_words(&mut self, from: From) {
        for _ in 0..LAST_WORDS {
            match (&self.ends[at(from)].stream).read(&mut self.buffer) {
                Ok(n @ 1..) => self.take(from, n),
                _ => break,
            }
        }
        let _ = self.send(from.other());
    }

    /// With a linger time of zero, close(2) sends an RST and no FIN.
    fn reset(&self) {
        for end in &self.ends {
            let _ = SockRef::from(&end.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

fn at(from: From) -> usize {
    match from {
        From::Client => 0,
        From::Server => 1,
    }
}

/// How a failed read or write is told.
fn verdict(from: From, e: &io::Error) -> Kind {
    use io::ErrorKind as K;
    match e.kind() {
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected => Kind::Reset(from),
        _ => Kind::Note(format!("the connection broke: {}", cause_text(e))),
    }
}

fn is_nothing(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Rounded up: poll(2) counts milliseconds, and zero would not wait.
fn poll_timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}
