//! One conversation of a check with its subject, over a stream.
//!
//! The verbs of a dialogue are here: send, expect, wait for silence, wait for a close. So are the faults that a
//! network can do to a stream: cut it anywhere, stall, half-close, reset.

mod descriptors;

use crate::consumed;
use crate::failure::{Failure, Outcome};
use crate::patience::{RunQueue, Wait};
use crate::stream::Stream;
use netkata::deadline::DeadlineStream;
use netkata::tap::{From, Journal, Kind};
use netkata::{error, hexdump, human};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use crate::patience::PATIENCE;

/// After a wrong octet: how long to go on reading, so that the message shows more than the first segment.
const AFTERMATH: Duration = Duration::from_millis(60);
/// What one expectation reads at the most.
const LIMIT: usize = 64 << 20;

/// Octets that nobody expected: how many are read, for the message.
const UNEXPECTED: usize = 4096;

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// With a FIN, after all that was due: the clean way.
    Fin,
    /// With an RST: the connection is thrown away.
    Rst,
}

/// A conversation over a stream.
pub struct Talk {
    stream: DeadlineStream<Stream>,
    journal: Journal,
    conversation: usize,
    me: From,
    /// Came, but is not expected yet.
    pending: Vec<u8>,
    /// Came along with it (see [`Talk::expect_with`]).
    descriptors: Vec<OwnedFd>,
    closed: Option<Close>,
    patience: Duration,
    queue: RunQueue,
    leftovers: Leftovers,
    /// The dialogue is over: what comes in this last moment is chance, and is not written down.
    dropped: bool,
}

/// Where a conversation that ends with unexpected octets says so, for the scene to find.
pub type Leftovers = Arc<Mutex<Option<Failure>>>;

impl Talk {
    /// Takes a connected stream over; `me` is the side that the check plays.
    pub fn new(stream: Stream, journal: &Journal, conversation: usize, me: From) -> Self {
        stream.nodelay();
        Self {
            stream: DeadlineStream::new(stream),
            journal: journal.clone(),
            conversation,
            me,
            pending: Vec::new(),
            descriptors: Vec::new(),
            closed: None,
            patience: PATIENCE,
            queue: RunQueue::default(),
            leftovers: Leftovers::default(),
            dropped: false,
        }
    }

    /// When this conversation ends, octets that nobody expected are put there.
    pub fn tell(mut self, leftovers: &Leftovers) -> Self {
        self.leftovers = leftovers.clone();
        self
    }

    /// Who has to wait for a processor in this conversation.
    pub fn queueing_at(mut self, queue: &RunQueue) -> Self {
        self.queue = queue.clone();
        self
    }

    /// How long the following expectations wait.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// The local and the remote address of a TCP conversation.
    pub fn addresses(&self) -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
        self.stream.get_ref().addresses()
    }

    // ---- sending ----

    /// Sends all of it.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, self.me, octets);
        let wait = Wait::new(self.patience.max(PATIENCE), &self.queue).with_our_own_work();
        self.write_all(octets, wait).map_err(|e| {
            Failure::new(format!("the program to take {}", human::count(octets.len(), "octet")), self.describe(&e))
        })
    }

    fn write_all(&mut self, mut octets: &[u8], mut wait: Wait) -> io::Result<()> {
        while !octets.is_empty() {
            let until = wait.until().ok_or(io::ErrorKind::TimedOut)?;
            self.stream.set_write_deadline(until);
            match self.stream.write(octets) {
                Ok(n) => octets = &octets[n..],
                Err(e) if error::is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends as much as the program and the kernels between take before they stop taking. Returns how much that was.
    pub fn send_until_full(&mut self, octets: &[u8], stall: Duration) -> usize {
        let mut sent = 0;
        while sent < octets.len() {
            self.stream.set_write_deadline(Instant::now() + stall);
            match self.stream.write(&octets[sent..]) {
                Ok(n) => sent += n,
                Err(_) => break,
            }
        }
        self.journal.data(self.conversation, self.me, &octets[..sent]);
        sent
    }

    /// Sends octets from a thread of its own, while this one reads: both directions of a stream can be full at once.
    pub fn send_in_background(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, self.me, octets);
        let (mut stream, octets) = (self.stream.clone(), octets.to_vec());
        std::thread::Builder::new()
            .spawn(move || {
                // On a busy machine, much takes its time; when the program or the check ends, so does this.
                stream.set_write_deadline(Instant::now() + PATIENCE * 30);
                // What does not arrive is missed by the reader.
                let _ = stream.write_all(&octets);
            })
            .map(drop)
            .map_err(|e| Failure::new("a thread", e.to_string()))
    }

    /// Goes on sending until the program throws the connection away. By the clock: a program that only its own timer stops has
    /// no other limit.
    pub fn send_until_reset(&mut self, octets: &[u8]) -> Outcome {
        let said = format!("{} again and again, until the connection breaks", human::count(octets.len(), "octet"));
        self.journal.event(self.conversation, Kind::Note(said));
        let until = Instant::now() + self.patience;
        self.stream.set_write_deadline(until);
        while Instant::now() < until {
            match self.stream.write(octets) {
                Ok(_) => {}
                Err(e) if error::is_timeout(&e) => break,
                Err(_) => {
                    self.see_close(Close::Rst);
                    return Ok(());
                }
            }
        }
        let limit = human::duration(self.patience);
        Err(Failure::new("the program to give this connection up", format!("it is still open after {limit}")))
    }

    /// Sends octets in pieces, each only after the program has read the one before: to the program, that is a network
    /// that cuts the stream at these offsets.
    pub fn send_split(&mut self, octets: &[u8], cuts: &[usize]) -> Outcome {
        let mut from = 0;
        for &cut in cuts.iter().chain([&octets.len()]) {
            self.send(&octets[from..cut])?;
            from = cut;
            if cut < octets.len() {
                consumed::wait(self.stream.get_ref(), Wait::new(self.patience, &self.queue));
            }
        }
        Ok(())
    }

    /// Sends octets one by one, each after `pause` of silence, until the program closes or says something. Returns how
    /// many it took.
    pub fn drip(&mut self, octets: &[u8], pause: Duration) -> usize {
        for (sent, octet) in octets.iter().enumerate() {
            let _ = self.overhear(pause.into());
            if self.closed.is_some() || !self.pending.is_empty() || self.send(&[*octet]).is_err() {
                return sent;
            }
        }
        octets.len()
    }

    /// Closes our direction; the other stays open.
    pub fn half_close(&mut self) -> Outcome {
        self.journal.event(self.conversation, Kind::Close(self.me));
        self.stream
            .get_ref()
            .half_close()
            .map_err(|e| Failure::new("the connection to be open still", self.describe(&e)))
    }

    /// Leaves with octets unread, as an impatient client does. What was not read is not held against the program.
    pub fn leave(mut self) {
        self.dropped = true;
    }

    /// What comes from now on is not looked at, and not held against the program.
    pub fn ignore(&mut self) {
        self.dropped = true;
    }

    /// Throws the connection away, as a crashing peer or a middlebox does.
    pub fn reset(mut self) -> Outcome {
        self.dropped = true;
        self.journal.event(self.conversation, Kind::Reset(self.me));
        let addresses = self.addresses();
        let lingers = self.stream.get_ref().reset_on_close();
        drop(self);
        if let Some((ours, theirs)) = addresses {
            consumed::wait_until_gone(ours, theirs);
        }
        lingers.map_err(|e| Failure::new("a socket to reset", e.to_string()))
    }

    /// Waits until the program has read everything sent so far (where the system tells; on Linux it does).
    pub fn wait_until_read(&mut self) {
        consumed::wait(self.stream.get_ref(), Wait::new(self.patience, &self.queue));
    }

    /// Does nothing for a while, as a slow client does.
    pub fn pause(&mut self, time: Duration) {
        self.journal.event(self.conversation, Kind::Note(format!("{} pass, and nobody reads", human::duration(time))));
        std::thread::sleep(time);
    }

    // ---- expecting ----

    /// Waits for exactly these octets. What comes after them stays for the next expectation.
    pub fn expect(&mut self, expected: &[u8]) -> Outcome {
        let enough =
            self.fill(expected.len(), self.wait(), |got| !expected.starts_with(&got[..got.len().min(expected.len())]));
        if self.pending.starts_with(expected) {
            self.pending.drain(..expected.len());
            return Ok(());
        }
        if enough.is_ok() && self.pending.len() < expected.len() {
            // A wrong octet: read on a little, for the sake of the message.
            let _ = self.fill(expected.len(), AFTERMATH.into(), |_| false);
        }
        let state = match &enough {
            Err(state) => state.clone(),
            Ok(()) => self.state(),
        };
        let got = std::mem::take(&mut self.pending);
        Err(Failure::octets(expected, &got, state))
    }

    /// Waits for `n` octets and returns them.
    pub fn read_exactly(&mut self, n: usize) -> Outcome<Vec<u8>> {
        match self.fill(n, self.wait(), |_| false) {
            Ok(()) => {
                let rest = self.pending.split_off(n);
                Ok(std::mem::replace(&mut self.pending, rest))
            }
            Err(state) => Err(Failure::new(
                human::count(n, "octet"),
                format!("{}, then {state}", human::count(self.pending.len(), "octet")),
            )),
        }
    }

    /// Waits for a line of at most `limit` octets and returns it with its line end.
    pub fn read_line(&mut self, limit: usize) -> Outcome<Vec<u8>> {
        let filled = self.fill(limit, self.wait(), |got| got.contains(&b'\n'));
        if let Some(end) = self.pending.iter().position(|&o| o == b'\n') {
            return Ok(self.pending.drain(..=end).collect());
        }
        let state = filled.err().unwrap_or_else(|| format!("no line end in {}", human::count(limit, "octet")));
        let got = hexdump::text(&self.pending, 40);
        Err(Failure::new("a line that ends in LF", format!("\"{got}\", then {state}")))
    }

    /// Reads to the end of the stream, which must be clean.
    pub fn read_to_end(&mut self) -> Outcome<Vec<u8>> {
        let state = self.fill(LIMIT, self.wait(), |_| false).err().unwrap_or_else(|| "no end in 64 MiB".into());
        if self.closed == Some(Close::Fin) {
            return Ok(std::mem::take(&mut self.pending));
        }
        let got = human::count(self.pending.len(), "octet");
        Err(Failure::new("the program to close when it is done", format!("{got}, then {state}")))
    }

    /// Reads until the program closes or resets the connection; returns what came, and which it was.
    pub fn read_until_closed(&mut self) -> Outcome<(Vec<u8>, Close)> {
        let state = self.fill(LIMIT, self.wait(), |_| false).err().unwrap_or_else(|| "no end in 64 MiB".into());
        match self.closed {
            Some(close) => Ok((std::mem::take(&mut self.pending), close)),
            None => Err(Failure::new("the program to close the connection", state)),
        }
    }

    /// As [`Talk::read_to_end`], for a stream that is to end before it has brought more than `limit` octets.
    pub fn read_to_end_within(&mut self, limit: usize) -> Outcome<Vec<u8>> {
        if self.fill(limit + 1, self.wait(), |_| false).is_ok() {
            let got = format!("more than {}, and the connection is still open", human::count(limit, "octet"));
            return Err(Failure::new(format!("the program to close the connection {}", self.sign(Close::Fin)), got));
        }
        self.read_to_end()
    }

    /// Waits for `time` and expects nothing to come, not even a close.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        let _ = self.overhear(time.into());
        let shown = human::duration(time);
        let got = match (self.pending.is_empty(), self.closed) {
            (true, None) => {
                self.journal.event(self.conversation, Kind::Note(format!("silence for {shown}, as it should be")));
                return Ok(());
            }
            (true, Some(_)) => self.state(),
            (false, _) => format!("\"{}\"", hexdump::text(&self.pending, 40)),
        };
        Err(Failure::new(format!("silence for {shown}"), got))
    }

    /// Waits for the end of the stream; octets before it are left over, and wrong.
    pub fn expect_close(&mut self, close: Close) -> Outcome {
        let filled = self.overhear(self.wait());
        let verb = if close == Close::Fin { "close" } else { "reset" };
        let wanted = format!("the program to {verb} the connection {}", self.sign(close));
        if filled.is_ok() {
            return Err(Failure::new(wanted, self.overheard("more first")));
        }
        if self.closed == Some(close) { Ok(()) } else { Err(Failure::new(wanted, self.state())) }
    }

    /// How the stream has ended, as far as it was seen by now.
    pub fn closed(&self) -> Option<Close> {
        self.closed
    }

    /// Waits for `time` and expects no RST, not even one that comes after a FIN.
    pub fn expect_no_reset(&mut self, time: Duration) -> Outcome {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(self.stream.get_ref().as_fd(), PollFlags::empty())];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut fds, timeout);
            let seen = fds[0].revents().unwrap_or(PollFlags::empty());
            if seen.contains(PollFlags::POLLERR) {
                self.see_close(Close::Rst);
                return Err(Failure::new("no reset (RST), neither now nor after the FIN", self.state()));
            }
            // A hang-up without an error: both directions ended well, and nothing can come any more.
            if seen.contains(PollFlags::POLLHUP) || left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Waits for `time` and expects no further octets; a close is no octet.
    pub fn expect_no_more(&mut self, time: Duration) -> Outcome {
        let _ = self.overhear(time.into());
        if self.pending.is_empty() { Ok(()) } else { Err(Failure::new("nothing more", self.overheard("left over"))) }
    }

    /// Waits for octets that should not come. When some do, a few more are read for the sake of the message.
    fn overhear(&mut self, wait: Wait) -> Result<(), String> {
        let came = self.fill(1, wait, |_| false);
        if came.is_ok() {
            let _ = self.fill(UNEXPECTED, AFTERMATH.into(), |_| false);
        }
        came
    }

    fn wait(&self) -> Wait {
        Wait::new(self.patience, &self.queue).with_our_own_work()
    }

    /// How many came, and the first of them as text.
    fn overheard(&self, how: &str) -> String {
        format!("{} {how}: \"{}\"", human::count(self.pending.len(), "octet"), hexdump::text(&self.pending, 40))
    }

    /// Reads until `n` octets are pending or `enough` says so. `Err` says in words why that cannot be.
    fn fill(&mut self, n: usize, mut wait: Wait, enough: impl Fn(&[u8]) -> bool) -> Result<(), String> {
        let mut buffer = vec![0; n.clamp(1, 1 << 18)];
        while self.pending.len() < n && (self.pending.is_empty() || !enough(&self.pending)) {
            if self.closed.is_some() {
                return Err(self.state());
            }
            let Some(until) = wait.until() else {
                return Err(format!("nothing for {}", human::duration(wait.limit())));
            };
            // No further than the expectation goes: how far ahead the program is differs from run to run.
            let room = (n - self.pending.len()).min(buffer.len());
            match self.read_some(until, &mut buffer[..room]) {
                Ok(0) => self.see_close(Close::Fin),
                Ok(got) => {
                    if !self.dropped {
                        self.journal.data(self.conversation, self.me.other(), &buffer[..got]);
                    }
                    self.pending.extend_from_slice(&buffer[..got]);
                }
                Err(e) if error::is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.see_close(Close::Rst),
            }
        }
        Ok(())
    }

    fn see_close(&mut self, close: Close) {
        self.closed = Some(close);
        if self.dropped {
            return;
        }
        let from = self.me.other();
        let kind = if close == Close::Fin { Kind::Close(from) } else { Kind::Reset(from) };
        self.journal.event(self.conversation, kind);
    }

    fn state(&self) -> String {
        match self.closed {
            None => "the connection is still open".into(),
            Some(Close::Fin) => format!("the program closed the connection {}", self.sign(Close::Fin)),
            Some(Close::Rst) => format!("the program reset the connection {}", self.sign(Close::Rst)),
        }
    }

    /// What shows the end of a stream: TCP has segments for it, a Unix socket only what a call returns.
    fn sign(&self, close: Close) -> &'static str {
        match (self.stream.get_ref(), close) {
            (Stream::Tcp(_), Close::Fin) => "(FIN)",
            (Stream::Tcp(_), Close::Rst) => "(RST)",
            (Stream::Unix(_), Close::Fin) => "(end of file)",
            (Stream::Unix(_), Close::Rst) => "(ECONNRESET)",
        }
    }

    fn describe(&self, e: &io::Error) -> String {
        match e.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => {
                "the program had reset the connection".into()
            }
            _ if error::is_timeout(e) => format!("it stopped reading for {}", human::duration(self.patience)),
            _ => error::cause_text(e),
        }
    }
}

/// What is left over on the wire is a failure, whether the check looked for it or not.
impl Drop for Talk {
    fn drop(&mut self) {
        if std::mem::replace(&mut self.dropped, true) {
            return;
        }
        let left_over = self.expect_no_more(Duration::from_millis(1)).err().or_else(|| self.unwanted_descriptors());
        if let Some(failure) = left_over {
            self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }
}
