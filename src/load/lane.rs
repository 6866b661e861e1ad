//! A lane: a thread with one connection or several, that passes the phases of a run.

use crate::error::{Attempt, NetError};
use crate::load::connect::{Links, Target};
use crate::load::exchange::{Desk, Trouble};
use crate::load::gate::Gate;
use crate::load::pace::Pace;
use crate::load::plan::{Kind, Plan};
use crate::load::sea::{Id, Sea};
use crate::load::tally::{Batch, Latencies, Tally, Wrong};
use crate::load::{datagrams, stream};
use socket2::Socket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a connection has failed: how long to wait before the next, so that a server that is down is not flooded.
const PAUSE: Duration = Duration::from_millis(10);

/// The kernel takes a limit of zero as "none".
const LEAST: Duration = Duration::from_millis(1);

/// What all lanes share.
#[derive(Debug)]
pub struct Shared<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// To whom.
    pub target: Target,
    /// With which octets.
    pub sea: Sea,
    /// The sockets.
    pub links: Links,
    /// When all connections are to be there.
    pub setup_until: Instant,
    /// Where lanes wait for the next phase.
    pub gate: Gate,
    /// The phase; `None` once all is over.
    pub pace: Mutex<Option<Arc<Pace>>>,
    /// Answers of this phase.
    pub latencies: Latencies,
    /// Counts of this phase.
    pub tally: Mutex<Tally>,
    /// Connections that failed before the first phase, and why the first of them did.
    pub failed: Mutex<(usize, Option<NetError>)>,
}

impl Shared<'_> {
    /// Hands a lane's counts in.
    pub fn add(&self, tally: Tally) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
    }

    fn now(&self) -> Option<Arc<Pace>> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn could_not(&self, e: NetError) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.0 += 1;
        failed.1.get_or_insert(e);
    }

    /// Counts why there is no answer.
    pub fn count(&self, trouble: Trouble, tally: &mut Tally) {
        match trouble {
            _ if self.links.is_cut() => tally.unfinished += 1,
            Trouble::Timeout => tally.timeouts += 1,
            Trouble::Failed(verb, e) => tally.failed(verb, &e),
        }
    }
}

/// One connection of a lane.
#[derive(Debug)]
pub struct Seat {
    /// Which one of all.
    pub connection: u32,
    /// `None` while it is not connected.
    pub socket: Option<Arc<Socket>>,
    /// Messages so far.
    pub number: u64,
    /// When the request that is on its way was due.
    due: Instant,
    /// When its answer is given up.
    deadline: Instant,
}

impl Seat {
    fn new(connection: u32) -> Self {
        let now = Instant::now();
        Self { connection, socket: None, number: 0, due: now, deadline: now }
    }

    /// The message that was sent last.
    pub fn id(&self) -> Id {
        Id { connection: self.connection, number: self.number }
    }

    /// Connects.
    fn open(&mut self, run: &Shared<'_>, limit: Duration) -> Result<Arc<Socket>, NetError> {
        let socket = run.links.stream(&run.target, self.connection, limit)?;
        if limit != run.plan.timeout {
            let set = socket.set_read_timeout(Some(run.plan.timeout));
            set.and_then(|()| socket.set_write_timeout(Some(run.plan.timeout))).attempt("connect", &run.plan.target)?;
        }
        self.socket = Some(socket.clone());
        Ok(socket)
    }

    /// Closes.
    pub fn close(&mut self, run: &Shared<'_>) {
        self.socket = None;
        run.links.close(self.connection);
    }

    /// The connection, made anew if there is none. A failure is counted.
    pub fn connected(&mut self, run: &Shared<'_>, pace: &Pace, tally: &mut Tally) -> Option<Arc<Socket>> {
        if let Some(socket) = &self.socket {
            return Some(socket.clone());
        }
        match self.open(run, run.plan.timeout) {
            Ok(socket) => Some(socket),
            Err(e) => {
                if run.links.is_cut() {
                    tally.unfinished += 1;
                } else {
                    tally.failed("connect", e.cause());
                    pace.rest(PAUSE);
                }
                None
            }
        }
    }
}

/// The life of a lane with these connections.
pub fn work(run: &Shared<'_>, connections: impl Iterator<Item = u32>) {
    let place = run.gate.place();
    let mut seats: Vec<Seat> = connections.map(Seat::new).collect();
    if run.plan.kind != Kind::Reconnect && !run.plan.is_datagrams() {
        for seat in &mut seats {
            let left = run.setup_until.saturating_duration_since(Instant::now());
            if let Err(e) = seat.open(run, left.max(LEAST)) {
                run.could_not(e);
            }
        }
    }
    place.arrive();
    while let Some(pace) = run.now() {
        let mut tally = Tally::default();
        match (run.plan.kind, run.plan.is_datagrams()) {
            (_, true) => seats.iter_mut().for_each(|seat| datagrams::ping_pong(run, &pace, seat, &mut tally)),
            (Kind::PingPong | Kind::Reconnect, _) => ping_pong(run, &pace, &mut seats, &mut tally),
            (Kind::Stream | Kind::OneWay, _) => {
                seats.iter_mut().for_each(|seat| stream::flow(run, &pace, seat, &mut tally));
            }
        }
        run.add(tally);
        place.arrive();
    }
}

/// All connections of this lane are sent to, then all are read: the server has them all to do at once.
fn ping_pong(run: &Shared<'_>, pace: &Pace, seats: &mut [Seat], tally: &mut Tally) {
    let mut desk = Desk::new(&run.sea, run.plan.timeout);
    let mut batch = Batch::new(&run.latencies);
    let mut now = Instant::now();
    loop {
        let mut taken = 0;
        for seat in seats.iter_mut() {
            let Some(due) = pace.next(now) else { break };
            taken += 1;
            seat.due = due;
            if let Err(trouble) = seat.send(run, pace, &mut desk, tally) {
                run.count(trouble, tally);
                seat.close(run);
            }
            now = Instant::now();
        }
        if taken == 0 {
            return;
        }
        for seat in &mut seats[..taken] {
            if let Some(socket) = seat.socket.clone() {
                let answer = seat.receive(run, &socket, &mut desk);
                now = Instant::now();
                seat.conclude(run, answer, now, tally, &mut batch);
            }
        }
    }
}

impl Seat {
    /// Sends the next message. Without a connection there is none to wait for afterwards.
    fn send(&mut self, run: &Shared<'_>, pace: &Pace, desk: &mut Desk<'_>, tally: &mut Tally) -> Result<(), Trouble> {
        tally.sent += 1;
        self.number += 1;
        let Some(socket) = self.connected(run, pace, tally) else { return Ok(()) };
        self.deadline = Instant::now() + run.plan.timeout;
        if desk.is_large() {
            return socket.set_nonblocking(true).map_err(|e| Trouble::Failed("write", e));
        }
        desk.send(&socket, &run.sea.message(self.id()), self.deadline)
    }

    fn receive(&self, run: &Shared<'_>, socket: &Socket, desk: &mut Desk<'_>) -> Result<Option<Wrong>, Trouble> {
        let message = run.sea.message(self.id());
        if desk.is_large() {
            desk.both_ways(socket, self.id(), &message, self.deadline)
        } else {
            desk.receive(socket, self.id(), &message, self.deadline)
        }
    }

    /// A connection without an answer is given up: what still comes on it would be taken for the next answer.
    fn conclude(
        &mut self,
        run: &Shared<'_>,
        answer: Result<Option<Wrong>, Trouble>,
        now: Instant,
        tally: &mut Tally,
        batch: &mut Batch<'_>,
    ) {
        let failed = answer.is_err();
        match answer {
            Ok(None) => {
                tally.answered += 1;
                tally.last = Some(now);
                batch.record(now.saturating_duration_since(self.due));
            }
            Ok(Some(wrong)) => tally.found(wrong),
            Err(trouble) => run.count(trouble, tally),
        }
        if failed || run.plan.kind == Kind::Reconnect {
            self.close(run);
        }
    }
}
