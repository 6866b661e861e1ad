//! Ping-pong over UDP: what is lost is counted, and whatever else comes is told apart.

use crate::load::lane::{Seat, Shared};
use crate::load::pace::Pace;
use crate::load::plan::LARGEST_DATAGRAM;
use crate::load::sea::{Id, Message};
use crate::load::tally::{Batch, Tally, Wrong};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Requests that were given up, of which an answer may still come: so many of them are remembered.
const REMEMBERED: usize = 1024;
/// After a failure, such as nobody listening there.
const PAUSE: Duration = Duration::from_millis(10);

/// One connection's socket, and what it remembers.
struct Quay<'a> {
    run: &'a Shared<'a>,
    socket: UdpSocket,
    peer: SocketAddr,
    /// One octet more than the answer has, so that one that is too long is seen.
    buffer: Vec<u8>,
    given_up: VecDeque<Id>,
}

/// What became of one request.
enum End {
    Answered,
    Wrong(Wrong),
    Lost,
    Failed(&'static str, io::Error),
}

/// One connection for one phase.
pub fn ping_pong(run: &Shared<'_>, pace: &Pace, seat: &mut Seat, tally: &mut Tally) {
    let mut quay = match run.links.datagrams(&run.target, seat.connection, run.plan.timeout) {
        Ok((socket, peer)) => {
            let buffer = vec![0; (run.plan.size + 1).min(LARGEST_DATAGRAM + 1)];
            Quay { run, socket, peer, buffer, given_up: VecDeque::new() }
        }
        Err(e) => return tally.failed("open", e.cause()),
    };
    let mut batch = Batch::new(&run.latencies);
    let (mut outgoing, mut now) = (Vec::new(), Instant::now());
    while let Some(due) = pace.next(now) {
        seat.number += 1;
        tally.sent += 1;
        let message = run.sea.message(seat.id());
        outgoing.clear();
        message.copy_to(&mut outgoing);
        let end = quay.exchange(&outgoing, seat.id(), &message, tally);
        now = Instant::now();
        match end {
            _ if run.links.is_cut() => tally.unfinished += 1,
            End::Answered => {
                tally.answered += 1;
                tally.last = Some(now);
                batch.record(now.saturating_duration_since(due));
            }
            End::Wrong(wrong) => tally.found(wrong),
            End::Lost => {
                tally.lost += 1;
                quay.give_up(seat.id());
            }
            End::Failed(verb, e) => {
                tally.failed(verb, &e);
                pace.rest(PAUSE);
                now = Instant::now();
            }
        }
    }
    run.links.close(seat.connection);
}

impl Quay<'_> {
    fn exchange(&mut self, octets: &[u8], id: Id, message: &Message<'_>, tally: &mut Tally) -> End {
        let deadline = Instant::now() + self.run.plan.timeout;
        if let Err(e) = self.socket.send_to(octets, self.peer) {
            return self.failed("send", e);
        }
        let mut limit = self.run.plan.timeout;
        loop {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((n, from)) => {
                    if let Some(end) = self.sort(n, from, id, message, tally) {
                        return self.restore(limit, end);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if crate::error::is_timeout(&e) => return self.restore(limit, End::Lost),
                Err(e) => return self.failed("receive", e),
            }
            // Something else came, which must not renew the time.
            limit = deadline.saturating_duration_since(Instant::now());
            if limit.is_zero() || self.run.links.is_cut() {
                return self.restore(limit, End::Lost);
            }
            let _ = self.socket.set_read_timeout(Some(limit));
        }
    }

    /// Whose datagram it is. `None` when this was not the answer.
    fn sort(&mut self, n: usize, from: SocketAddr, id: Id, message: &Message<'_>, tally: &mut Tally) -> Option<End> {
        if from != self.peer {
            tally.foreign += 1;
            return None;
        }
        let came = &self.buffer[..n];
        let Some(offset) = message.first_difference(came) else { return Some(End::Answered) };
        let answers = self.run.sea.owner(came);
        match answers {
            Some(old) if old.connection == id.connection && old.number < id.number => {
                // Given up, and it comes after all; or it came already.
                let remembered = self.given_up.iter().position(|lost| *lost == old);
                match remembered.and_then(|at| self.given_up.remove(at)) {
                    Some(_) => tally.late += 1,
                    None => tally.repeated += 1,
                }
                None
            }
            _ => Some(End::Wrong(Wrong {
                id,
                offset,
                expected: message.octet(offset),
                got: came.get(offset).copied(),
                answers,
                at: Instant::now(),
            })),
        }
    }

    fn give_up(&mut self, id: Id) {
        if self.given_up.len() == REMEMBERED {
            self.given_up.pop_front();
        }
        self.given_up.push_back(id);
    }

    fn restore(&self, limit: Duration, end: End) -> End {
        if limit != self.run.plan.timeout {
            let _ = self.socket.set_read_timeout(Some(self.run.plan.timeout));
        }
        end
    }

    fn failed(&self, verb: &'static str, e: io::Error) -> End {
        forget_error(&self.socket);
        End::Failed(verb, e)
    }
}

/// With IP_RECVERR each error also waits in a queue that takes room from datagrams (ip(7)): take it out.
#[cfg(target_os = "linux")]
fn forget_error(socket: &UdpSocket) {
    let mut room = [std::mem::MaybeUninit::uninit(); 256];
    while SockRef::from(socket).recv_with_flags(&mut room, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT).is_ok() {}
}

#[cfg(not(target_os = "linux"))]
fn forget_error(_: &UdpSocket) {}
