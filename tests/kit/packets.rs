//! One conversation of a check with its subject, in sequenced packets: what one write sent is one read, and it has an end.

use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, RunQueue, Wait};
use crate::talk::{Close, Leftovers};
use netkata::deadline::Timeouts;
use netkata::error::{cause_text, is_timeout};
use netkata::tap::{From, Journal, Kind};
use netkata::unix::pass;
use netkata::unix::seqpacket::{Packets, Received};
use netkata::{hexdump, human};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Longer than any packet of a check.
const ROOM: usize = 1 << 20;

/// More packets than wait in the queues of both directions (by `net.core.wmem_default`, a few hundred).
const MANY: usize = 2000;

/// A conversation in packets.
pub struct PacketTalk {
    packets: Packets,
    journal: Journal,
    conversation: usize,
    closed: Option<Close>,
    patience: Duration,
    queue: RunQueue,
    leftovers: Leftovers,
    /// The dialogue is over: what still comes is not written down, and not held against the program.
    dropped: bool,
}

/// A packet that came: the octets that the buffer had room for, and how many there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What there was room for.
    pub octets: Vec<u8>,
    /// Octets that were sent. What is beyond [`Packet::octets`] is gone.
    pub whole: usize,
}

impl PacketTalk {
    /// Takes a connection to the subject over.
    pub fn new(packets: Packets, journal: &Journal, conversation: usize) -> Self {
        Self {
            packets,
            journal: journal.clone(),
            conversation,
            closed: None,
            patience: PATIENCE,
            queue: RunQueue::default(),
            leftovers: Leftovers::default(),
            dropped: false,
        }
    }

    /// When this conversation ends, a packet that nobody expected is put there.
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

    // ---- sending ----

    /// Sends one packet, which may be empty.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, From::Client, octets);
        let mut wait = self.wait();
        while let Some(left) = wait.left() {
            let _ = self.packets.write_timeout(Some(left));
            match self.packets.send(octets) {
                Ok(()) => return Ok(()),
                Err(e) if is_timeout(&e) || e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Err(self.refused(octets.len(), "the program had closed the connection"));
                }
                Err(e) => return Err(self.refused(octets.len(), &cause_text(&e))),
            }
        }
        Err(self.refused(octets.len(), &format!("it stopped reading for {}", human::duration(self.patience))))
    }

    /// Sends one packet with a descriptor of the grader's beside it, which nobody asked for.
    pub fn send_with_a_descriptor(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, From::Client, octets);
        let sent = pass::send(&self.packets, octets, &[self.packets.as_fd()]);
        sent.map(drop).map_err(|e| self.refused(octets.len(), &cause_text(&e)))
    }

    fn refused(&self, octets: usize, got: &str) -> Failure {
        Failure::new(format!("the program to take a packet of {}", human::count(octets, "octet")), got)
    }

    /// Sends this packet again and again, until nobody has taken one for `stall`, or nobody is there any more, or it has been
    /// taken far more often than two queues have room for. Returns how many were taken.
    pub fn send_until_full(&mut self, octets: &[u8], stall: Duration) -> usize {
        let _ = self.packets.write_timeout(Some(stall));
        let mut sent = 0;
        while sent < MANY && self.packets.send(octets).is_ok() {
            sent += 1;
        }
        let said = format!("the same {} again and again, until nobody takes more", human::count(octets.len(), "octet"));
        self.journal.event(self.conversation, Kind::Note(said));
        sent
    }

    /// Closes our direction; the other stays open.
    pub fn half_close(&mut self) -> Outcome {
        self.journal.event(self.conversation, Kind::Close(From::Client));
        let closed = self.packets.shutdown(Shutdown::Write);
        closed.map_err(|e| Failure::new("the connection to be open still", cause_text(&e)))
    }

    /// Closes without a look at what is still to come: the program is told with `EPIPE` when it sends, and with
    /// `ECONNRESET` when it reads, if packets of its own lay here unread.
    pub fn leave(mut self) {
        self.dropped = true;
        self.journal.event(self.conversation, Kind::Note("the grader closes its socket".into()));
    }

    // ---- expecting ----

    /// Waits for one packet of exactly these octets.
    pub fn expect(&mut self, expected: &[u8]) -> Outcome {
        let got = self.receive();
        match got {
            Ok(got) if got == expected => Ok(()),
            // Octets that are not there can be neither shown nor compared.
            Err(failure) if expected.is_empty() => Err(Failure::new("an empty packet", failure.got)),
            Err(failure) => Err(Failure::octets(expected, &[], failure.got)),
            Ok(got) if expected.is_empty() => {
                Err(Failure::new("an empty packet", shown(&Packet { whole: got.len(), octets: got })))
            }
            Ok(got) => {
                Err(Failure::octets(expected, &got, if got.is_empty() { "an empty packet" } else { "one packet" }))
            }
        }
    }

    /// Waits for one packet, however long it is.
    pub fn receive(&mut self) -> Outcome<Vec<u8>> {
        self.receive_into(ROOM).map(|packet| packet.octets)
    }

    /// Waits for one packet with room for so many octets. The rest of it is gone, as the kernel has it.
    pub fn receive_into(&mut self, room: usize) -> Outcome<Packet> {
        match self.next(room, self.wait())? {
            Some(packet) => Ok(packet),
            None => Err(Failure::new("a packet", self.state())),
        }
    }

    /// As [`PacketTalk::receive`], and not written down: one of very many.
    pub fn receive_unseen(&mut self) -> Outcome<Vec<u8>> {
        let (dropped, wait) = (std::mem::replace(&mut self.dropped, true), self.wait());
        let came = self.next(ROOM, wait);
        self.dropped = dropped;
        match came? {
            Some(packet) => Ok(packet.octets),
            None => Err(Failure::new("a packet", self.state())),
        }
    }

    /// Waits until the program has closed its socket, or shut both directions down, and reads nothing.
    pub fn wait_until_closed(&mut self) -> Outcome {
        let mut wait = self.wait();
        while let Some(left) = wait.left() {
            let mut fds = [PollFd::new(self.packets.as_fd(), PollFlags::empty())];
            let _ = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
            if fds[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP)) {
                return Ok(());
            }
        }
        Err(Failure::new("the program to close the connection", self.state()))
    }

    /// Waits for the end of the conversation; a packet before it, an empty one too, is wrong.
    pub fn expect_end(&mut self) -> Outcome {
        self.expect_close(Close::Fin, "the program to close the connection")
    }

    /// Waits for the program to close with packets of ours unread, which the kernel tells us as a reset.
    pub fn expect_reset(&mut self) -> Outcome {
        self.expect_close(Close::Rst, "the program to close with packets unread (reset)")
    }

    fn expect_close(&mut self, close: Close, wanted: &str) -> Outcome {
        match self.next(ROOM, self.wait())? {
            Some(packet) => Err(Failure::new(wanted, format!("{} first", shown(&packet)))),
            None if self.closed == Some(close) => Ok(()),
            None => Err(Failure::new(wanted, self.state())),
        }
    }

    /// Waits for `time` and expects nothing to come, not even an end.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        let limit = human::duration(time);
        let got = match self.next(ROOM, time.into())? {
            Some(packet) => shown(&packet),
            None if self.closed.is_some() => self.state(),
            None => {
                self.journal.event(self.conversation, Kind::Note(format!("silence for {limit}, as it should be")));
                return Ok(());
            }
        };
        Err(Failure::new(format!("silence for {limit}"), got))
    }

    fn wait(&self) -> Wait {
        Wait::new(self.patience, &self.queue).with_our_own_work()
    }

    /// The next packet, if one comes while `wait` lasts and the conversation does.
    fn next(&mut self, room: usize, mut wait: Wait) -> Outcome<Option<Packet>> {
        let mut buffer = vec![0; room];
        while self.closed.is_none() {
            let Some(until) = wait.until() else { return Ok(None) };
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
            let _ = self.packets.read_timeout(Some(left));
            match self.packets.receive(&mut buffer) {
                Ok(Received::Packet { len, whole }) => {
                    buffer.truncate(len);
                    self.write_down(&buffer, whole);
                    return Ok(Some(Packet { octets: buffer, whole }));
                }
                Ok(Received::End) => self.see_close(Close::Fin),
                Err(e) if is_timeout(&e) || e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => self.see_close(Close::Rst),
                Err(e) => return Err(Failure::new("a packet", cause_text(&e))),
            }
        }
        Ok(None)
    }

    fn write_down(&self, octets: &[u8], whole: usize) {
        if self.dropped {
            return;
        }
        self.journal.data(self.conversation, From::Server, octets);
        if whole > octets.len() {
            let said = format!("read with room for {}; the packet had {whole}", human::count(octets.len(), "octet"));
            self.journal.event(self.conversation, Kind::Note(said));
        }
    }

    fn see_close(&mut self, close: Close) {
        self.closed = Some(close);
        if !self.dropped {
            let kind = if close == Close::Fin { Kind::Close(From::Server) } else { Kind::Reset(From::Server) };
            self.journal.event(self.conversation, kind);
        }
    }

    fn state(&self) -> String {
        match self.closed {
            None => format!("nothing for {}", human::duration(self.patience)),
            Some(Close::Fin) => "the program closed the connection".into(),
            Some(Close::Rst) => "the program closed with packets unread (reset)".into(),
        }
    }
}

fn shown(packet: &Packet) -> String {
    match packet.whole {
        0 => "an empty packet".into(),
        _ => format!("a packet: \"{}\"", hexdump::text(&packet.octets, 40)),
    }
}

/// A packet that nobody expected is a failure, whether the check looked for it or not.
impl Drop for PacketTalk {
    fn drop(&mut self) {
        if std::mem::replace(&mut self.dropped, true) || self.closed.is_some() {
            return;
        }
        if let Ok(Some(packet)) = self.next(ROOM, Duration::from_millis(1).into()) {
            let failure = Failure::new("no more packets", format!("{} left over", shown(&packet)));
            self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }
}
