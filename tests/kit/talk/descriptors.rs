//! Open descriptors in a dialogue over a Unix socket (unix(7), `SCM_RIGHTS`).
//!
//! Whatever comes along with the octets is taken over, expected or not: a plain read(2) would have the kernel close it, and
//! nobody would know that it came.

use super::Talk;
use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, Wait};
use crate::stream::Stream;
use netkata::human;
use netkata::tap::Kind;
use netkata::unix::pass;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

impl Talk {
    /// Sends octets, and with the first of them these descriptors: `c.send_with(b"here\n", &[pipe.as_fd()])`.
    pub fn send_with(&mut self, octets: &[u8], handed: &[BorrowedFd<'_>]) -> Outcome {
        let count = human::count(handed.len(), "descriptor");
        self.journal.event(self.conversation, Kind::Note(format!("with {count}:")));
        self.journal.data(self.conversation, self.me, octets);
        let wait = Wait::new(self.patience.max(PATIENCE), &self.queue).with_our_own_work();
        let sent = match self.stream.get_ref() {
            Stream::Unix(stream) => {
                stream.set_write_timeout(Some(self.patience)).and_then(|()| pass::send(stream, octets, handed))
            }
            Stream::Tcp(_) => Err(io::Error::other("TCP carries no descriptors")),
        };
        sent.and_then(|sent| self.write_all(&octets[sent..], wait))
            .map_err(|e| Failure::new(format!("the program to take {count}"), self.describe(&e)))
    }

    /// Waits for exactly these octets and `n` descriptors with them, which it returns.
    pub fn expect_with(&mut self, expected: &[u8], n: usize) -> Outcome<Vec<OwnedFd>> {
        self.expect(expected)?;
        self.take_descriptors(n)
    }

    /// The descriptors that came with what was read so far, `n` of them. For octets of which only a part is known.
    pub fn take_descriptors(&mut self, n: usize) -> Outcome<Vec<OwnedFd>> {
        let came = std::mem::take(&mut self.descriptors);
        if came.len() == n {
            return Ok(came);
        }
        let wanted = if n == 0 { "no descriptor".into() } else { human::count(n, "descriptor") };
        Err(Failure::new(format!("{wanted} with these octets"), human::count(came.len(), "descriptor")))
    }

    /// A read that leaves no descriptor behind.
    pub(super) fn read_some(&mut self, until: Instant, buffer: &mut [u8]) -> io::Result<usize> {
        let Stream::Unix(stream) = self.stream.get_ref() else {
            self.stream.set_read_deadline(until);
            return self.stream.read(buffer);
        };
        // A timeout of zero would be none.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let parcel = pass::receive(stream, buffer)?;
        if !parcel.descriptors.is_empty() && !self.dropped {
            let came = human::count(parcel.descriptors.len(), "descriptor");
            self.journal.event(self.conversation, Kind::Note(format!("with {came}:")));
        }
        self.descriptors.extend(parcel.descriptors);
        Ok(parcel.len)
    }

    /// Descriptors that came and that nobody asked for.
    pub(super) fn unwanted_descriptors(&mut self) -> Option<Failure> {
        let left = std::mem::take(&mut self.descriptors).len();
        (left > 0).then(|| Failure::new("octets alone", format!("{} with them", human::count(left, "descriptor"))))
    }
}

/// The grader's end, for a descriptor of it that is handed over.
impl AsFd for Talk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().as_fd()
    }
}
