//! A context: one thing that many blocking calls can watch, to learn that their work is no longer wanted.
//!
//! A context ends when it is cancelled, when its deadline passes, or when its parent ends. The first cause sticks: a
//! cancel after the deadline changes nothing. Blocked threads watch it in one of three ways:
//!
//! - [`Context::done`], a channel that is closed by the cancel, for `crossbeam_channel::select!`;
//! - [`Context::wait_readable`], poll(2) on a socket and the cancel at once;
//! - [`Context::cause`], a look between two steps.

use crossbeam_channel::{Receiver, Sender, bounded};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Why a context ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody called [`Context::cancel`].
    Canceled,
    /// The deadline passed first.
    DeadlineExceeded,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Canceled => "canceled",
            Cause::DeadlineExceeded => "deadline exceeded",
        })
    }
}

impl From<Cause> for io::Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Canceled => io::Error::other(Canceled),
            Cause::DeadlineExceeded => io::Error::new(io::ErrorKind::TimedOut, "deadline exceeded"),
        }
    }
}

/// Inside an [`io::Error`], since no [`io::ErrorKind`] says it.
#[derive(Debug)]
struct Canceled;

impl fmt::Display for Canceled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation was canceled")
    }
}

impl std::error::Error for Canceled {}

/// Whether an operation failed because its context was cancelled (and not because the deadline passed).
pub fn is_canceled(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<Canceled>())
}

/// What woke a thread that waited for a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The socket: a read, an accept or the end of a connect will not block now.
    Socket,
    /// The context: it ended for this cause.
    Ended(Cause),
}

/// A cancellable context. Clones are the same context; children are made by [`Context::child`] and its kin.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    deadline: Option<Instant>,
    /// Never sent on; closed when `State::open` is dropped.
    done: Receiver<()>,
    state: Mutex<State>,
}

struct State {
    cause: Option<Cause>,
    /// Dropped by the cancel, which closes `Inner::done`.
    open: Option<Sender<()>>,
    /// For poll(2): a pipe whose read end becomes readable (end of file) when the cancel drops the write end. Made when
    /// first asked for, since it costs two descriptors.
    wake: Option<(Arc<PipeReader>, Option<PipeWriter>)>,
    children: Vec<Weak<Inner>>,
}

impl Context {
    /// A context without a deadline, that ends only when it is cancelled.
    pub fn new() -> Self {
        Self::make(None)
    }

    fn make(deadline: Option<Instant>) -> Self {
        let (open, done) = bounded(0);
        let state = State { cause: None, open: Some(open), wake: None, children: Vec::new() };
        Self(Arc::new(Inner { deadline, done, state: Mutex::new(state) }))
    }

    /// A context that ends with this one, or earlier when it is cancelled itself.
    pub fn child(&self) -> Self {
        self.child_until(self.0.deadline)
    }

    /// A child that ends at `deadline` at the latest. The parent's deadline holds as well.
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        self.child_until(Some(self.0.deadline.map_or(deadline, |d| d.min(deadline))))
    }

    /// A child that ends after `timeout` at the latest.
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline(deadline),
            None => self.child(),
        }
    }

    fn child_until(&self, deadline: Option<Instant>) -> Self {
        let child = Self::make(deadline);
        let mut state = self.lock();
        match state.cause {
            Some(cause) => child.end(cause),
            None => {
                state.children.retain(|c| c.strong_count() > 0);
                state.children.push(Arc::downgrade(&child.0));
            }
        }
        drop(state);
        child
    }

    /// Ends this context and its children, now, for everyone who watches. Does nothing when it has ended already.
    pub fn cancel(&self) {
        let cause = self.expired().unwrap_or(Cause::Canceled);
        self.end(cause);
    }

    /// Why the context ended, or `None` while it has not.
    pub fn cause(&self) -> Option<Cause> {
        if let Some(cause) = self.lock().cause {
            return Some(cause);
        }
        let cause = self.expired()?;
        self.end(cause);
        // Another thread may have come first: what was stored counts.
        self.lock().cause
    }

    /// `Ok` while the context lasts.
    ///
    /// # Errors
    /// The cause, once it has ended.
    pub fn check(&self) -> Result<(), Cause> {
        self.cause().map_or(Ok(()), Err)
    }

    /// When the context ends by itself.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// The time left: zero when the deadline has passed, `None` when there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.0.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// A channel that is closed by the cancel. Pair it with [`Context::expiry`] in a `select!`: the passing of a
    /// deadline closes nothing by itself.
    pub fn done(&self) -> &Receiver<()> {
        &self.0.done
    }

    /// A channel that delivers once at the deadline, or never.
    pub fn expiry(&self) -> Receiver<Instant> {
        self.0.deadline.map_or_else(crossbeam_channel::never, crossbeam_channel::at)
    }

    /// Sleeps for `time`, or until the context ends.
    ///
    /// # Errors
    /// The cause, when the context ended first.
    pub fn sleep(&self, time: Duration) -> Result<(), Cause> {
        let time = self.remaining().map_or(time, |left| left.min(time));
        let _ = self.0.done.recv_timeout(time);
        self.check()
    }

    /// Blocks until `socket` is readable (for a listener: until a connection is waiting) or the context ends.
    ///
    /// # Errors
    /// When poll(2) fails, or no descriptor is left for the pipe that wakes it.
    pub fn wait_readable(&self, socket: &impl AsFd) -> io::Result<Ready> {
        self.wait(socket.as_fd(), PollFlags::POLLIN)
    }

    /// Blocks until `socket` is writable (for a socket that connects: until the attempt is over) or the context ends.
    ///
    /// # Errors
    /// As [`Context::wait_readable`].
    pub fn wait_writable(&self, socket: &impl AsFd) -> io::Result<Ready> {
        self.wait(socket.as_fd(), PollFlags::POLLOUT)
    }

    fn wait(&self, socket: BorrowedFd<'_>, what: PollFlags) -> io::Result<Ready> {
        let wake = self.wake_end()?;
        loop {
            if let Some(cause) = self.cause() {
                return Ok(Ready::Ended(cause));
            }
            let mut fds = [PollFd::new(socket, what), PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, poll_timeout(self.remaining())) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) if self.cause().is_some() => {}
                // An error or a hang-up is "ready" too: the call that follows reports it.
                Ok(_) if fds[0].any() == Some(true) => return Ok(Ready::Socket),
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// What becomes readable when the context is cancelled, for a poll(2) of one's own over many sockets. The passing of a
    /// deadline is not seen there: mind [`Context::remaining`].
    ///
    /// # Errors
    /// When no descriptor is left for it.
    pub fn wake(&self) -> io::Result<Arc<PipeReader>> {
        self.wake_end()
    }

    /// The end of the wake pipe to poll. Making it after the cancel gives a pipe that is readable at once.
    fn wake_end(&self) -> io::Result<Arc<PipeReader>> {
        let mut state = self.lock();
        if let Some((reader, _)) = &state.wake {
            return Ok(reader.clone());
        }
        let (reader, writer) = io::pipe()?;
        let reader = Arc::new(reader);
        let writer = state.cause.is_none().then_some(writer);
        state.wake = Some((reader.clone(), writer));
        Ok(reader)
    }

    fn expired(&self) -> Option<Cause> {
        (self.0.deadline? <= Instant::now()).then_some(Cause::DeadlineExceeded)
    }

    fn end(&self, cause: Cause) {
        let mut state = self.lock();
        if state.cause.is_some() {
            return;
        }
        state.cause = Some(cause);
        state.open = None;
        if let Some((_, writer)) = &mut state.wake {
            *writer = None;
        }
        let children = std::mem::take(&mut state.children);
        drop(state);
        for child in children.iter().filter_map(Weak::upgrade) {
            Context(child).end(cause);
        }
    }

    /// A panic elsewhere while the lock was held leaves the state whole: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("cause", &self.cause()).field("remaining", &self.remaining()).finish()
    }
}

/// poll(2) counts in milliseconds. Rounded up, so that it never wakes just before the deadline and spins.
fn poll_timeout(left: Option<Duration>) -> PollTimeout {
    let Some(left) = left else { return PollTimeout::NONE };
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(i32::try_from(millis).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A cancel reaches children and grandchildren, and not the parent.
    #[test]
    fn cancel_goes_down_and_not_up() {
        let root = Context::new();
        let (a, b) = (root.child(), root.child());
        let c = a.child();
        a.cancel();
        assert_eq!((a.cause(), c.cause()), (Some(Cause::Canceled), Some(Cause::Canceled)));
        assert_eq!((root.cause(), b.cause()), (None, None));
        root.cancel();
        assert_eq!(b.cause(), Some(Cause::Canceled));
        assert_eq!(root.child().cause(), Some(Cause::Canceled), "born ended");
    }

    /// The first cause sticks, whoever comes later.
    #[test]
    fn first_cause_sticks() {
        let late = Context::new().with_deadline(Instant::now());
        late.cancel();
        assert_eq!(late.cause(), Some(Cause::DeadlineExceeded));

        let early = Context::new().with_timeout(Duration::from_millis(5));
        early.cancel();
        assert_eq!(early.sleep(Duration::from_millis(10)), Err(Cause::Canceled));
        assert_eq!(early.cause(), Some(Cause::Canceled));
    }

    /// As an error, a cancel and a deadline are told apart: only the deadline is a timeout.
    #[test]
    fn causes_as_errors() {
        let (canceled, late) = (io::Error::from(Cause::Canceled), io::Error::from(Cause::DeadlineExceeded));
        assert_eq!((is_canceled(&canceled), canceled.to_string().as_str()), (true, "operation was canceled"));
        assert_eq!((is_canceled(&late), late.kind()), (false, io::ErrorKind::TimedOut));
    }

    /// A child cannot outlive its parent's deadline.
    #[test]
    fn the_nearer_deadline_holds() {
        let parent = Context::new().with_timeout(Duration::from_millis(1));
        let child = parent.with_timeout(Duration::from_secs(3600));
        assert_eq!(child.deadline(), parent.deadline());
        assert_eq!(child.sleep(Duration::from_secs(3600)), Err(Cause::DeadlineExceeded));
    }

    /// A thread blocked on a listener is woken by a cancel from another thread, or by the deadline.
    #[test]
    fn a_blocked_wait_is_woken() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let ctx = Context::new();
        thread::scope(|s| {
            let waiting = s.spawn(|| ctx.wait_readable(&listener));
            ctx.cancel();
            let woken = waiting.join().expect("join").expect("poll");
            assert_eq!(woken, Ready::Ended(Cause::Canceled));
        });
        let ctx = Context::new().with_timeout(Duration::from_millis(5));
        assert_eq!(ctx.wait_readable(&listener).expect("poll"), Ready::Ended(Cause::DeadlineExceeded));
    }

    /// A listener with a connection waiting is ready at once.
    #[test]
    fn a_waiting_connection_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let _client = std::net::TcpStream::connect(listener.local_addr().expect("addr")).expect("connect");
        assert_eq!(Context::new().wait_readable(&listener).expect("poll"), Ready::Socket);
    }
}
