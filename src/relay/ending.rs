//! How a relayed connection ends that does not end well: what was on the way still arrives, and then the reset.

use super::End;
use super::pair::{Pair, at, poll_timeout};
use super::watch::{From, Watch};
use crate::conn::Conn;
use crate::sys::tcp_info::tcp_info;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use socket2::SockRef;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Between two looks at whether the peer has everything: doubled up to [`LONGEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(50);

impl<W: Watch> Pair<'_, W> {
    /// A server that answers, closes, and leaves a part of the request unread, sends an RST after its answer. A write that
    /// fails by it comes before the answer is read: it is still in our socket. The other side gets all of it.
    ///
    /// # Errors
    /// When the other side breaks too, or takes nothing for as long as the idle limit.
    pub(super) fn last_words(&mut self, from: From) -> Result<(), End> {
        let to = from.other();
        loop {
            while self.flows[at(from)].held() > 0 {
                self.wait_for(to, PollFlags::POLLOUT, self.options.idle)?;
                self.send(to)?;
            }
            match self.flows[at(from)].receive(&self.ends[at(from)], self.watch) {
                Ok(1..) => self.send(to)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                _ => return Ok(()),
            }
        }
    }

    /// An RST throws away what the kernel has not delivered yet. Nothing tells when it has, so this looks again and again.
    pub(super) fn await_delivery(&mut self, to: From) {
        let Conn::Tcp(stream) = &self.ends[at(to)] else { return };
        let (start, mut pause) = (Instant::now(), FIRST_LOOK);
        // Other systems than Linux do not tell; there the last octets may be lost to a slow reader.
        while tcp_info(stream).is_ok_and(|info| info.unacked > 0 || info.notsent.is_some_and(|octets| octets > 0))
            && start.elapsed() < self.options.idle
            && matches!(self.wait_for(to, PollFlags::empty(), pause), Err(End::Idle))
        {
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// With a linger time of zero, close(2) sends an RST and no FIN. A Unix socket knows no such thing: its peer sees the
    /// end of the stream when it reads, and a broken pipe when it writes.
    pub(super) fn reset(&self) {
        for end in &self.ends {
            if let Conn::Tcp(stream) = end {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        }
    }

    /// Blocks until one side can take something, or has failed.
    fn wait_for(&self, side: From, what: PollFlags, limit: Duration) -> Result<(), End> {
        let start = Instant::now();
        let end = self.ends[at(side)].as_fd();
        let mut fds = [PollFd::new(end, what), PollFd::new(self.stop.unwrap_or(end), PollFlags::POLLIN)];
        let watched = if self.stop.is_some() { 2 } else { 1 };
        loop {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(End::Idle);
            }
            match poll(&mut fds[..watched], poll_timeout(left)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) if watched == 2 && fds[1].any() == Some(true) => return Err(End::Stopped),
                Ok(_) => return Ok(()),
                Err(e) => return Err(End::Broken(side, e.into())),
            }
        }
    }
}
