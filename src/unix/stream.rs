//! Streams: the connections of Unix sockets that carry octets, as TCP's do.

use super::{Access, Bound, Name, file};
use crate::listen::Accept;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A client on a Unix socket seldom has a name, so clients are numbered in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub u64);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix client {}", self.0)
    }
}

/// Waits for streams. Dropping it removes its socket file.
#[derive(Debug)]
pub struct Listener {
    bound: Bound<UnixListener>,
    clients: AtomicU64,
}

/// Listens; see [`file::bind`].
///
/// # Errors
/// As [`file::bind`].
pub fn listen(name: &Name, access: &Access) -> io::Result<Listener> {
    file::listen(name, access).map(Listener::from)
}

impl From<Bound<UnixListener>> for Listener {
    fn from(bound: Bound<UnixListener>) -> Self {
        Self { bound, clients: AtomicU64::new(0) }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.as_fd()
    }
}

impl Accept for Listener {
    type Stream = UnixStream;
    type Peer = Client;

    fn accept_one(&self) -> io::Result<(UnixStream, Client)> {
        let (stream, _) = self.bound.socket.accept()?;
        stream.set_nonblocking(false)?;
        Ok((stream, Client(self.clients.fetch_add(1, Relaxed) + 1)))
    }

    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.bound.socket.set_nonblocking(on)
    }
}
