//! Two sockets, one thread, and poll(2) to hear both.
//!
//! A thread for each direction would block more simply. But a question and its answer would then wake two threads, where
//! one is awake already; and the one that writes to a dead socket and the one that reads from it both learn of the
//! reset, each in its own way, and would have to agree on which was the truth.

use super::flow::Flow;
use super::watch::{From, Watch};
use super::{End, Options};
use crate::conn::Conn;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

/// After so long without an octet, buffers and pipes are given back. The next octet brings new ones.
const QUIET: Duration = Duration::from_secs(1);
/// A client and its server, and what is on the way between them.
pub(super) struct Pair<'a, W> {
    pub(super) ends: [Conn; 2],
    /// What comes from the client, and what comes from the server.
    pub(super) flows: [Flow; 2],
    /// A side that is gone for good and would make poll(2) return at once for ever.
    deaf: [bool; 2],
    pub(super) options: &'a Options,
    pub(super) stop: Option<BorrowedFd<'a>>,
    pub(super) watch: &'a mut W,
}

/// What poll(2) is asked, or has answered, for the client and for the server.
type Flags = [PollFlags; 2];

impl<'a, W: Watch> Pair<'a, W> {
    pub(super) fn new(ends: [Conn; 2], options: &'a Options, stop: Option<BorrowedFd<'a>>, watch: &'a mut W) -> Self {
        let flows = From::BOTH.map(|from| Flow::new(from, options.splice));
        Self { ends, flows, deaf: [false; 2], options, stop, watch }
    }

    /// Carries octets until both sides have finished, one of them breaks, nothing moves, or `stop` says so.
    pub(super) fn run(&mut self) -> End {
        let end = match self.carry() {
            Ok(()) => End::Finished,
            Err(end) => end,
        };
        match &end {
            End::Finished | End::Stopped => {}
            End::Idle => {
                self.watch.idle(self.options.idle);
                self.reset();
            }
            End::Broken(from, e) => {
                let heard = self.last_words(*from);
                self.watch.broken(*from, e);
                if heard.is_ok() {
                    self.await_delivery(from.other());
                }
                self.reset();
            }
        }
        end
    }

    fn carry(&mut self) -> Result<(), End> {
        for end in &self.ends {
            // What came as a segment goes out as one, at once.
            let prepared = end.set_nonblocking(true).and_then(|()| end.set_nodelay(true));
            prepared.map_err(|e| End::Broken(From::Client, e))?;
        }
        let mut last = Instant::now();
        while !self.flows.iter().all(|flow| flow.shut) {
            let wanted = From::BOTH.map(|side| self.wanted(side));
            let told = self.wait(wanted, last)?;
            for side in From::BOTH {
                self.attend(side, wanted[at(side)], told[at(side)])?;
            }
            last = Instant::now();
            if self.flows.iter().any(Flow::streams) {
                // The sender may be waiting for a processor. Each time it comes first, more goes in one go: on a machine with
                // few processors that doubles the speed of a stream.
                thread::yield_now();
            }
        }
        Ok(())
    }

    // [wanted]
    /// What to wait for at one side.
    fn wanted(&self, side: From) -> PollFlags {
        let (comes, goes) = (&self.flows[at(side)], &self.flows[at(side.other())]);
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, !comes.finished && comes.held() == 0);
        flags.set(PollFlags::POLLOUT, goes.held() > 0);
        flags
    }
    // [/wanted]

    /// Blocks until something can be done at one side or both.
    fn wait(&mut self, wanted: Flags, last: Instant) -> Result<Flags, End> {
        loop {
            let still = last.elapsed();
            if still >= self.options.idle {
                return Err(End::Idle);
            }
            let spare = self.flows.iter().any(Flow::is_spare);
            if spare && still >= QUIET {
                self.flows.iter_mut().for_each(Flow::rest);
            }
            let limit = if spare && still < QUIET { QUIET.min(self.options.idle) } else { self.options.idle };
            match self.poll(wanted, limit - still) {
                Ok(told) if told == [PollFlags::empty(); 2] => {}
                other => return other,
            }
        }
    }

    /// One poll(2), its set on the stack.
    fn poll(&self, wanted: Flags, timeout: Duration) -> Result<Flags, End> {
        let heard = [0, 1].map(|side| self.is_heard(side, wanted[side]));
        // The place of one that is not heard goes to the other. It always wants something, or the work would be done.
        let entry = |side: usize| if heard[side] { side } else { 1 - side };
        let entry = |side: usize| PollFd::new(self.ends[entry(side)].as_fd(), wanted[entry(side)]);
        let stop = self.stop.unwrap_or(self.ends[0].as_fd());
        let mut fds = [entry(0), entry(1), PollFd::new(stop, PollFlags::POLLIN)];
        let watched = if self.stop.is_some() { 3 } else { 2 };
        match poll(&mut fds[..watched], poll_timeout(timeout)) {
            Ok(0) | Err(Errno::EINTR) => Ok([PollFlags::empty(); 2]),
            Ok(_) if watched == 3 && fds[2].any() == Some(true) => Err(End::Stopped),
            Ok(_) => Ok([0, 1].map(|side| match heard[side] {
                true => fds[side].revents().unwrap_or(PollFlags::empty()),
                false => PollFlags::empty(),
            })),
            Err(e) => Err(End::Broken(From::Client, e.into())),
        }
    }

    /// A reset is heard even where nothing is wanted. But a side that was shut also hangs up when it has finished in good
    /// order, and poll(2) would return at once for ever.
    fn is_heard(&self, side: usize, wanted: PollFlags) -> bool {
        !wanted.is_empty() || !(self.deaf[side] || self.flows[1 - side].shut)
    }

    /// Does what can be done at one side.
    fn attend(&mut self, side: From, wanted: PollFlags, told: PollFlags) -> Result<(), End> {
        if told.is_empty() {
            return Ok(());
        }
        if wanted.contains(PollFlags::POLLIN) {
            // A read reports an error too, after the octets that came before it.
            self.receive(side)?;
        } else if told.contains(PollFlags::POLLERR) || told.contains(PollFlags::POLLHUP) && self.is_tcp(side) {
            let e = self.ends[at(side)].take_error().unwrap_or_else(Some);
            return Err(End::Broken(side, e.unwrap_or(io::ErrorKind::ConnectionReset.into())));
        } else if wanted.is_empty() {
            // A Unix socket hangs up as soon as the peer has closed. What it sent before is still there to be read.
            self.deaf[at(side)] = true;
        }
        if wanted.contains(PollFlags::POLLOUT) { self.send(side) } else { Ok(()) }
    }

    fn is_tcp(&self, side: From) -> bool {
        matches!(self.ends[at(side)], Conn::Tcp(_))
    }

    /// Reads once from one side, and passes it on at once: mostly the other side has room.
    fn receive(&mut self, from: From) -> Result<(), End> {
        let flow = &mut self.flows[at(from)];
        match flow.receive(&self.ends[at(from)], self.watch) {
            Ok(0) => {
                flow.finished = true;
                self.watch.closed(from);
            }
            Ok(_) => {}
            Err(e) if is_nothing(&e) => return Ok(()),
            Err(e) => return Err(End::Broken(from, e)),
        }
        self.send(from.other())
    }

    /// Writes to one side what is on the way to it.
    pub(super) fn send(&mut self, to: From) -> Result<(), End> {
        match self.flows[at(to.other())].send(&self.ends[at(to)]) {
            Err(e) if !is_nothing(&e) => Err(End::Broken(to, e)),
            _ => Ok(()),
        }
    }
}

/// Where a side is in the arrays.
pub(super) fn at(side: From) -> usize {
    match side {
        From::Client => 0,
        From::Server => 1,
    }
}

pub(super) fn is_nothing(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Rounded up: poll(2) counts milliseconds, and zero would not wait.
pub(super) fn poll_timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
}
