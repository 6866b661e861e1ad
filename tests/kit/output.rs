//! A program's standard output or standard error, read by a thread as it comes.

use crate::console;
use crate::patience::Wait;
use netkata::tap::{From, Journal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is kept of one stream. A program that writes more than this without being read is broken enough.
const LIMIT: usize = 1 << 20;

/// What the reader of an output stream does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// Reads whatever comes, as a terminal does.
    #[default]
    Read,
    /// Reads nothing, as a pager does whose user went for a coffee. The pipe fills up.
    Stall,
    /// Has gone, as `head -1` after its line: the next write is an EPIPE.
    Close,
}

/// An output stream being collected. Clones share it.
#[derive(Clone)]
pub struct Output(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes the reader when it is to do something else.
    bell: UnixStream,
}

#[derive(Default)]
struct State {
    octets: Vec<u8>,
    /// Up to here, expectations have been met.
    cursor: usize,
    ended: bool,
    /// What the reader is to do, and what it does.
    wanted: Flow,
    flow: Flow,
}

impl Output {
    /// Starts to collect `source`; what comes is also written to the journal's conversation, if one is given.
    ///
    /// # Errors
    /// When the reader cannot be started.
    pub fn collect(
        source: impl Read + AsFd + Send + 'static,
        flow: Flow,
        journal: Option<(Journal, usize)>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (bell, ear) = UnixStream::pair()?;
        let state = State { wanted: flow, ..State::default() };
        let output = Self(Arc::new(Inner { state: Mutex::new(state), changed: Condvar::new(), bell }));
        let sink = output.clone();
        let reader = thread::Builder::new().spawn(move || {
            let mut source = source;
            sink.read_all(&mut source, &ear, journal);
            console::close(source);
            let mut state = sink.lock();
            state.ended = true;
            state.flow = Flow::Close;
            sink.0.changed.notify_all();
        })?;
        Ok((output, reader))
    }

    /// Until the stream ends, or is to be closed. No deadline: the program's end closes the pipe, and the scene ends the
    /// program.
    fn read_all(&self, source: &mut (impl Read + AsFd), mut ear: &UnixStream, journal: Option<(Journal, usize)>) {
        let mut buffer = [0; 8192];
        loop {
            let flow = self.obey();
            let wanted = if flow == Flow::Read { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut fds = [PollFd::new(ear.as_fd(), PollFlags::POLLIN), PollFd::new(source.as_fd(), wanted)];
            // A stalled reader does not look at the program at all: its end would be reported without being asked for.
            let watched = if flow == Flow::Read { &mut fds[..] } else { &mut fds[..1] };
            if flow == Flow::Close || poll(watched, PollTimeout::NONE).is_err_and(|e| e != nix::errno::Errno::EINTR) {
                return;
            }
            let [rung, came] = fds.map(|fd| fd.any().unwrap_or(false));
            if rung {
                let _ = ear.read(&mut [0]);
            }
            if !came {
                continue;
            }
            let n = match source.read(&mut buffer) {
                Ok(n @ 1..) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // A terminal whose program has gone says EIO.
                _ => return,
            };
            if let Some((journal, conversation)) = &journal {
                journal.data(*conversation, From::Server, &buffer[..n]);
            }
            let mut state = self.lock();
            let room = LIMIT.saturating_sub(state.octets.len());
            state.octets.extend_from_slice(&buffer[..n.min(room)]);
            self.0.changed.notify_all();
        }
    }

    /// What the reader is to do now. A close is told when it is done.
    fn obey(&self) -> Flow {
        let mut state = self.lock();
        if state.wanted != Flow::Close {
            state.flow = state.wanted;
            self.0.changed.notify_all();
        }
        state.wanted
    }

    /// Reads on, stalls, or closes; returns when that is so.
    pub fn set_flow(&self, flow: Flow) {
        let mut state = self.lock();
        state.wanted = flow;
        let _ = (&self.0.bell).write(&[0]);
        while state.flow != flow && !state.ended {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next whole line, without its line end, within its limit. `Err` gives what has come of it so far, and whether
    /// the stream has ended.
    pub fn line(&self, limit: impl Into<Wait>) -> Result<String, (String, bool)> {
        self.line_within(&mut limit.into())
    }

    /// As [`Output::line`], one of several lines that come within a limit together.
    pub fn line_within(&self, wait: &mut Wait) -> Result<String, (String, bool)> {
        self.wait(wait, |rest, ended| {
            let end = rest.iter().position(|&o| o == b'\n');
            match end {
                Some(end) => Some((String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_string(), end + 1)),
                None if ended && !rest.is_empty() => Some((String::from_utf8_lossy(rest).into_owned(), rest.len())),
                None => None,
            }
        })
    }

    /// Waits until `text` has been written after what was met before, and moves past it.
    pub fn contains(&self, text: &str, limit: impl Into<Wait>) -> Result<(), (String, bool)> {
        self.wait(&mut limit.into(), |rest, _| {
            let at = rest.windows(text.len().max(1)).position(|w| w == text.as_bytes())?;
            Some(((), at + text.len()))
        })
    }

    /// Waits for the end of the stream. A process that the program has left behind may hold it open for longer.
    pub fn wait_for_end(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything so far.
    pub fn all(&self) -> String {
        String::from_utf8_lossy(&self.lock().octets).into_owned()
    }

    /// What no expectation has met yet.
    pub fn rest(&self) -> String {
        let state = self.lock();
        String::from_utf8_lossy(&state.octets[state.cursor..]).into_owned()
    }

    fn wait<T>(&self, wait: &mut Wait, find: impl Fn(&[u8], bool) -> Option<(T, usize)>) -> Result<T, (String, bool)> {
        let mut state = self.lock();
        loop {
            if let Some((found, used)) = find(&state.octets[state.cursor..], state.ended) {
                state.cursor += used;
                return Ok(found);
            }
            let left = if state.ended { None } else { wait.left() };
            let Some(left) = left else {
                return Err((String::from_utf8_lossy(&state.octets[state.cursor..]).into_owned(), state.ended));
            };
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
