//! A program's standard output or standard error, read by a thread as it comes.

use netkata::tap::{From, Journal};
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is kept of one stream. A program that writes more than this without being read is broken enough.
const LIMIT: usize = 1 << 20;

/// An output stream being collected. Clones share it.
#[derive(Clone)]
pub struct Output(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    octets: Vec<u8>,
    /// Up to here, expectations have been met.
    cursor: usize,
    ended: bool,
}

impl Output {
    /// Starts to collect `source`; what comes is also written to the journal's conversation, if one is given.
    pub fn collect(
        mut source: impl Read + Send + 'static,
        journal: Option<(Journal, usize)>,
    ) -> (Self, JoinHandle<()>) {
        let output = Self(Arc::new(Inner { state: Mutex::default(), changed: Condvar::new() }));
        let sink = output.clone();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 8192];
            // No deadline: the program's end closes the pipe, and the scene ends the program.
            while let Ok(n @ 1..) = source.read(&mut buffer) {
                if let Some((journal, conversation)) = &journal {
                    journal.data(*conversation, From::Server, &buffer[..n]);
                }
                let mut state = sink.lock();
                let room = LIMIT.saturating_sub(state.octets.len());
                state.octets.extend_from_slice(&buffer[..n.min(room)]);
                sink.0.changed.notify_all();
            }
            sink.lock().ended = true;
            sink.0.changed.notify_all();
        });
        (output, reader)
    }

    /// The next whole line, without its line end, within `limit`. `Err` gives what has come of it so far, and whether
    /// the stream has ended.
    pub fn line(&self, limit: Duration) -> Result<String, (String, bool)> {
        self.wait(limit, |rest, ended| {
            let end = rest.iter().position(|&o| o == b'\n');
            match end {
                Some(end) => Some((String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_string(), end + 1)),
                None if ended && !rest.is_empty() => Some((String::from_utf8_lossy(rest).into_owned(), rest.len())),
                None => None,
            }
        })
    }

    /// Waits until `text` has been written after what was met before, and moves past it.
    pub fn contains(&self, text: &str, limit: Duration) -> Result<(), (String, bool)> {
        self.wait(limit, |rest, _| {
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

    fn wait<T>(&self, limit: Duration, find: impl Fn(&[u8], bool) -> Option<(T, usize)>) -> Result<T, (String, bool)> {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some((found, used)) = find(&state.octets[state.cursor..], state.ended) {
                state.cursor += used;
                return Ok(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return Err((String::from_utf8_lossy(&state.octets[state.cursor..]).into_owned(), state.ended));
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
