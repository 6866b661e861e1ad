//! Errors that say what was tried, with whom, and why it failed: `connect tcp://127.0.0.1:9: connection refused`.
//!
//! An [`io::Error`] carries the cause alone. A person who reads a log needs the attempt and the peer as well.

use std::fmt;
use std::io;

/// A network operation that failed: the verb, the peer, the cause.
#[derive(Debug)]
pub struct NetError {
    verb: String,
    peer: String,
    source: io::Error,
}

/// The result of a network operation.
pub type Result<T> = std::result::Result<T, NetError>;

impl NetError {
    /// `verb` is what was tried (`connect`, `read`), `peer` with whom (`tcp://127.0.0.1:9`).
    pub fn new(verb: impl Into<String>, peer: impl Into<String>, source: io::Error) -> Self {
        Self { verb: verb.into(), peer: peer.into(), source }
    }

    /// An error of our own making, for input that is wrong before any system call sees it.
    pub fn invalid(verb: impl Into<String>, peer: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(verb, peer, io::Error::new(io::ErrorKind::InvalidInput, why.into()))
    }

    /// What the operating system said.
    pub fn cause(&self) -> &io::Error {
        &self.source
    }

    /// See [`is_timeout`].
    pub fn is_timeout(&self) -> bool {
        is_timeout(&self.source)
    }

    /// See [`is_temporary`].
    pub fn is_temporary(&self) -> bool {
        is_temporary(&self.source)
    }

    /// See [`explain`].
    pub fn explain(&self) -> Option<&'static str> {
        explain(&self.source)
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verb)?;
        if !self.peer.is_empty() {
            write!(f, " {}", self.peer)?;
        }
        write!(f, ": {}", cause_text(&self.source))
    }
}

impl std::error::Error for NetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Puts the attempt and the peer in front of an [`io::Error`].
pub trait Attempt<T> {
    /// `stream.write_all(b).attempt("write", &peer)?`
    fn attempt(self, verb: &str, peer: impl fmt::Display) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, verb: &str, peer: impl fmt::Display) -> Result<T> {
        self.map_err(|e| NetError::new(verb, peer.to_string(), e))
    }
}

/// The cause in the words of `strerror(3)`, lower case, without the number: `connection refused`.
pub fn cause_text(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    // A deadline that passes inside recv(2) is reported as EAGAIN, whose text puzzles everyone who did not ask for
    // a non-blocking socket.
    if e.kind() == io::ErrorKind::WouldBlock {
        return "timed out".into();
    }
    // What std says when read_exact meets the end of the stream is about its buffer.
    if e.kind() == io::ErrorKind::UnexpectedEof && text.contains("whole buffer") {
        return "closed in the middle of a message".into();
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        // An acronym keeps its capitals.
        (Some(a), Some(b)) if a.is_uppercase() && !b.is_uppercase() => {
            a.to_lowercase().chain(std::iter::once(b)).chain(chars).collect()
        }
        _ => text.to_string(),
    }
}

/// Whether the operation ran out of time, or would have blocked. Both `EAGAIN` (what `SO_RCVTIMEO` gives on Unix) and
/// `ETIMEDOUT` count.
pub fn is_timeout(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Whether the same call may succeed later with nothing changed by us: a timeout, an interruption by a signal, or too
/// many open files in this process (`EMFILE`) or on this machine (`ENFILE`).
pub fn is_temporary(e: &io::Error) -> bool {
    is_timeout(e)
        || e.kind() == io::ErrorKind::Interrupted
        || matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Whether this process or the machine has run out of descriptors, memory or threads. The same call works again once
/// somebody gives some back: wait, then try again.
pub fn is_shortage(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether an error of accept(2) is about the one connection it was about to return, and not about the listener. Linux
/// hands on what the network had to say about that connection (accept(2), "Error handling"): go on with the next.
pub fn is_about_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(
        e.kind(),
        K::WouldBlock | K::Interrupted | K::ConnectionAborted | K::ConnectionReset | K::TimedOut | K::PermissionDenied
    ) || matches!(
        e.raw_os_error(),
        Some(
            libc::EPROTO
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
        )
    )
}

/// One sentence on what the error says about the network, for the person at the terminal.
pub fn explain(e: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as K;
    if let Some(libc::EMFILE | libc::ENFILE) = e.raw_os_error() {
        return Some("every descriptor is in use: close some sockets or raise the limit (ulimit -n)");
    }
    Some(match e.kind() {
        K::ConnectionRefused => "the host answered with a reset: nothing listens on that port",
        K::ConnectionReset => "the peer threw the connection away (RST), with whatever was still on its way",
        K::ConnectionAborted => "the connection was given up before it was accepted",
        K::BrokenPipe => "the peer had closed already, so there was nobody to write to",
        K::AddrInUse => "another socket has this address and port: `ss -ltnp` tells which program",
        K::AddrNotAvailable => "no interface of this machine has that address",
        K::PermissionDenied => "ports below 1024 are for root",
        K::HostUnreachable | K::NetworkUnreachable => "no route leads there",
        K::UnexpectedEof => "the peer closed in the middle of a message",
        K::WouldBlock | K::TimedOut => {
            "no answer in time: the host is down, a filter drops the packets, or the server is too busy to accept"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The person reads the attempt, the peer and the cause, not the error number.
    #[test]
    fn reads_as_a_sentence() {
        let e = NetError::new("connect", "tcp://127.0.0.1:9", io::Error::from_raw_os_error(libc::ECONNREFUSED));
        assert_eq!(e.to_string(), "connect tcp://127.0.0.1:9: connection refused");
    }

    /// Refused, reset and unreachable are neither timeouts nor temporary; a full descriptor table is temporary.
    #[test]
    fn classes() {
        for (code, timeout, temporary) in [
            (libc::EAGAIN, true, true),
            (libc::ETIMEDOUT, true, true),
            (libc::EINTR, false, true),
            (libc::EMFILE, false, true),
            (libc::ENFILE, false, true),
            (libc::ECONNREFUSED, false, false),
            (libc::ECONNRESET, false, false),
            (libc::ENETUNREACH, false, false),
        ] {
            let e = io::Error::from_raw_os_error(code);
            assert_eq!((is_timeout(&e), is_temporary(&e)), (timeout, temporary), "{e}");
        }
        assert!(is_timeout(&io::Error::new(io::ErrorKind::TimedOut, "connect_timeout has no code")));
    }
}
