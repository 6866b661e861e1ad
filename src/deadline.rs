//! Absolute deadlines on a stream.
//!
//! `set_read_timeout` limits each call anew: a peer that sends an octet a second is never timed out. A deadline is a
//! point in time. Once it has passed, every read and write fails until it is moved, and then the same connection works
//! again.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A stream whose calls take a relative timeout.
pub trait Timeouts {
    /// Limits each read; `None` waits for ever.
    ///
    /// # Errors
    /// As setsockopt(2).
    fn read_timeout(&self, limit: Option<Duration>) -> io::Result<()>;
    /// Limits each write; `None` waits for ever.
    ///
    /// # Errors
    /// As setsockopt(2).
    fn write_timeout(&self, limit: Option<Duration>) -> io::Result<()>;
}

macro_rules! timeouts {
    ($($stream:ty),*) => {$(
        impl Timeouts for $stream {
            fn read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(limit)
            }
            fn write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(limit)
            }
        }
    )*};
}
timeouts!(TcpStream, UnixStream);

/// A stream with a deadline for reads and one for writes. Clones share the stream and the deadlines, so one thread can
/// move the deadline of another.
///
/// A read that is already blocked learns of a *later* deadline when the old one passes, and goes on waiting. It does
/// not learn of an *earlier* one: the kernel was given its timeout when the call began.
#[derive(Debug)]
pub struct DeadlineStream<S> {
    stream: Arc<S>,
    limits: Arc<Mutex<Limits>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    read: Option<Instant>,
    write: Option<Instant>,
}

impl<S> Clone for DeadlineStream<S> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), limits: self.limits.clone() }
    }
}

impl<S: Timeouts> DeadlineStream<S> {
    /// Takes the stream over; there is no deadline yet.
    pub fn new(stream: S) -> Self {
        Self { stream: Arc::new(stream), limits: Arc::default() }
    }

    /// The stream below, for its addresses and options.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Both directions; `None` takes the deadline away.
    pub fn set_deadline(&self, at: impl Into<Option<Instant>>) {
        let at = at.into();
        *self.limits() = Limits { read: at, write: at };
    }

    /// Reads only.
    pub fn set_read_deadline(&self, at: impl Into<Option<Instant>>) {
        self.limits().read = at.into();
    }

    /// Writes only.
    pub fn set_write_deadline(&self, at: impl Into<Option<Instant>>) {
        self.limits().write = at.into();
    }

    /// Both directions, `time` from now.
    pub fn set_timeout(&self, time: Duration) {
        self.set_deadline(Instant::now().checked_add(time));
    }

    fn limits(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `call` the time that is left, and tries again when the deadline was moved on meanwhile.
    fn until<T>(
        &self,
        deadline: fn(&Limits) -> Option<Instant>,
        set: fn(&S, Option<Duration>) -> io::Result<()>,
        mut call: impl FnMut(&S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let at = deadline(&self.limits());
            let left = at.map(|at| at.saturating_duration_since(Instant::now()));
            // The kernel takes a timeout of zero as "for ever".
            if left == Some(Duration::ZERO) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "deadline passed"));
            }
            set(&self.stream, left)?;
            match call(&self.stream) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && at.is_some() => {}
                // Ctrl-Z and fg: a call with a timeout is not taken up again where it was (signal(7)).
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl<S: Timeouts> Read for DeadlineStream<S>
where
    for<'a> &'a S: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.until(|l| l.read, S::read_timeout, |mut s| s.read(buf))
    }
}

impl<S: Timeouts> Write for DeadlineStream<S>
where
    for<'a> &'a S: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.until(|l| l.write, S::write_timeout, |mut s| s.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn pair() -> (DeadlineStream<UnixStream>, UnixStream) {
        let (a, b) = UnixStream::pair().expect("pair");
        (DeadlineStream::new(a), b)
    }

    fn kind(r: io::Result<usize>) -> io::ErrorKind {
        r.expect_err("should have timed out").kind()
    }

    /// Past the deadline every read fails at once; moved on, the same stream works.
    #[test]
    fn expires_then_recovers() {
        let (mut ours, mut theirs) = pair();
        ours.set_timeout(Duration::from_millis(5));
        assert_eq!(kind(ours.read(&mut [0])), io::ErrorKind::TimedOut);
        theirs.write_all(b"1").expect("write");
        assert_eq!(kind(ours.read(&mut [0])), io::ErrorKind::TimedOut, "even though an octet waits");
        ours.set_timeout(Duration::from_secs(5));
        let mut octet = [0];
        assert_eq!((ours.read(&mut octet).expect("read"), octet), (1, *b"1"));
    }

    /// A peer that drips octets does not push an absolute deadline on.
    #[test]
    fn dripping_does_not_help() {
        let (mut ours, mut theirs) = pair();
        let start = Instant::now();
        ours.set_timeout(Duration::from_millis(60));
        let drip = thread::spawn(move || {
            while theirs.write_all(b".").is_ok() {
                thread::sleep(Duration::from_millis(5))
            }
        });
        let e = ours.read_exact(&mut [0; 10_000]).expect_err("deadline");
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(60));
        drop(ours);
        drip.join().expect("join");
    }

    /// The writer's deadline covers a peer that stopped reading.
    #[test]
    fn writes_expire_too() {
        let (mut ours, _theirs) = pair();
        ours.set_timeout(Duration::from_millis(5));
        let e = ours.write_all(&vec![0; 1 << 22]).expect_err("deadline");
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        ours.set_deadline(None);
        assert!(ours.flush().is_ok());
    }

    /// A clone in another thread moves the deadline of a blocked read on.
    #[test]
    fn moved_on_by_another_thread() {
        let (mut ours, mut theirs) = pair();
        ours.set_timeout(Duration::from_millis(40));
        let mover = ours.clone();
        let reader = thread::spawn(move || ours.read(&mut [0]));
        mover.set_timeout(Duration::from_secs(60));
        thread::sleep(Duration::from_millis(80));
        theirs.write_all(b"1").expect("write");
        assert_eq!(reader.join().expect("join").expect("read"), 1);
    }
}
