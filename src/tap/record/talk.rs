//! One conversation on its way into the record.

use super::lane::{BEGINNING, ENTRY, Lane, Seen, What};
use super::{Shared, number};
use crate::human;
use crate::relay::{From, Watch};
use crate::tap::journal::{Conversation, Kind, Missing, Why};
use crate::tap::protocol::{Label, Protocol, Sniffer};
use crate::tap::recorder::verdict;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What is kept of a conversation while its protocol is unknown and matters.
const HELD: usize = 64 << 10;

/// Tells the recorder of one conversation. Dropping it is the conversation's end.
pub struct Talk {
    shared: Arc<Shared>,
    index: usize,
    datagrams: bool,
    sniffer: Sniffer,
    /// Of each side, the client first.
    sides: [Side; 2],
    /// One for each lane.
    mouths: Vec<Mouth>,
    choice: Choice,
    /// Octets in [`Choice::Open`].
    held: usize,
}

#[derive(Clone, Copy, Default)]
struct Side {
    recorded: u64,
    /// Not recorded, and not told yet.
    missing: Amount,
    limit_told: bool,
}

#[derive(Clone, Copy, Default)]
struct Amount {
    octets: u64,
    datagrams: u64,
}

/// How far a lane has come with this conversation.
#[derive(Default)]
struct Mouth {
    /// There was not even room for its beginning: the lane hears nothing of it.
    deaf: bool,
    /// Of each side: what there was no room for.
    missing: [Amount; 2],
}

/// Whether the conversation is one that is asked for.
enum Choice {
    Yes,
    No,
    /// Not known yet; until then this waits.
    Open(Vec<Seen>),
}

impl Talk {
    pub(super) fn begin(
        shared: Arc<Shared>,
        index: usize,
        conversation: Conversation,
        known: Option<Protocol>,
    ) -> Self {
        let datagrams = conversation.transport.keeps_boundaries();
        let port = conversation.server.map_or(0, |s| s.port());
        let only = &shared.rules.only;
        let choice = match (only.conversation(index), only.asks_for_protocols()) {
            (false, _) => Choice::No,
            (true, false) => Choice::Yes,
            (true, true) => Choice::Open(Vec::new()),
        };
        let mouths = shared.lanes.iter().map(|_| Mouth::default()).collect();
        let sniffer = Sniffer::new(datagrams, port).knowing(known);
        let sides = [Side::default(); 2];
        let mut talk = Self { shared, index, datagrams, sniffer, sides, mouths, choice, held: 0 };
        talk.put(What::Begin(conversation));
        talk.put(What::Event(Kind::Open, None));
        talk
    }

    /// Its place in the order of conversations, from zero.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What is spoken, as far as is known by now.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        self.sniffer.known()
    }

    /// Something of this conversation that is not on the wire.
    pub fn note(&mut self, text: impl Into<String>) {
        self.put(What::Event(Kind::Note(text.into()), None));
    }

    /// The server's host says that nobody has the port (UDP), or a side broke off.
    pub fn reset(&mut self, from: From) {
        self.before_the_end(from);
        self.put(What::Event(Kind::Reset(from), None));
    }

    /// A conversation that is not asked for, or whose protocol is not, is forgotten; one that is, is let in.
    fn choose(&mut self, from: From, label: Option<&Label>) {
        let Choice::Open(waiting) = &mut self.choice else { return };
        let wanted = label.is_some_and(|l| self.shared.rules.only.protocol(l.protocol));
        let settled = label.is_some() || self.held > HELD || self.sniffer.settled(from.other());
        if wanted {
            let waiting = std::mem::take(waiting);
            self.choice = Choice::Yes;
            waiting.into_iter().for_each(|seen| self.pass(seen));
        } else if settled {
            self.choice = Choice::No;
            self.unwanted(self.held);
        }
    }

    /// Of a conversation that nobody asked for.
    fn unwanted(&self, octets: usize) {
        self.shared.totals.unwanted.fetch_add(octets as u64, Relaxed);
    }

    /// How much of what this side says now is recorded: as much as the limit leaves, of a datagram all or nothing.
    fn kept(&mut self, from: From, octets: &[u8]) -> usize {
        let side = &self.sides[from as usize];
        let left = number(self.shared.rules.limit.saturating_sub(side.recorded));
        match octets.len() {
            n if n <= left => n,
            _ if self.datagrams => 0,
            _ => left,
        }
    }

    /// Carried, and kept out of the record on purpose.
    fn leave_out(&mut self, from: From, octets: u64, why: Why) {
        let totals = &self.shared.totals;
        let counter = if why == Why::Unwanted { &totals.unwanted } else { &totals.past_limit };
        counter.fetch_add(octets, Relaxed);
        let side = &mut self.sides[from as usize];
        side.missing.octets += octets;
        side.missing.datagrams += u64::from(self.datagrams);
        if why != Why::Unwanted && !std::mem::replace(&mut side.limit_told, true) {
            let whose = if from == From::Client { "client" } else { "server" };
            let limit = human::count(number(self.shared.rules.limit), "octet");
            self.note(format!("the {whose} has said {limit}: what follows is carried, and not recorded"));
        }
    }

    fn why(&self, from: From) -> Why {
        if self.shared.rules.only.side(from) { Why::Limit(self.shared.rules.limit) } else { Why::Unwanted }
    }

    /// Before a side's last event it is told what is missing of it.
    fn before_the_end(&mut self, from: From) {
        let Amount { octets, datagrams } = std::mem::take(&mut self.sides[from as usize].missing);
        if octets + datagrams > 0 {
            let missing = Missing { octets, datagrams, why: self.why(from) };
            self.put(What::Event(Kind::Missing(from, missing), None));
        }
    }

    fn put(&mut self, what: What) {
        let seen = Seen { at: self.shared.clock.start.elapsed(), conversation: self.index, what };
        match &mut self.choice {
            Choice::Yes => self.pass(seen),
            Choice::No => {}
            Choice::Open(waiting) => waiting.push(seen),
        }
    }

    /// Octets are copied once for all lanes, and not at all when no lane has room for them.
    fn say(&mut self, from: From, octets: &[u8], label: Option<Label>) {
        let cost = ENTRY + octets.len();
        let heard = |(lane, mouth): (&Lane, &Mouth)| !mouth.deaf && lane.has_room(cost);
        if matches!(self.choice, Choice::Yes) && !self.shared.lanes.iter().zip(&self.mouths).any(heard) {
            for (lane, mouth) in self.shared.lanes.iter().zip(&mut self.mouths) {
                mouth.miss_octets(lane, from, octets.len(), self.datagrams);
            }
            return;
        }
        let octets = self.shared.pool.copy(octets);
        self.put(What::Event(Kind::Data(from, octets), label));
    }

    /// Into the queues, or past them.
    fn pass(&mut self, seen: Seen) {
        let seen = Arc::new(seen);
        for (lane, mouth) in self.shared.lanes.iter().zip(&mut self.mouths) {
            let cost = match &seen.what {
                What::Begin(_) => BEGINNING,
                What::Event(Kind::Data(_, octets), _) => ENTRY + octets.len(),
                // There may be one for each datagram.
                What::Event(Kind::Reset(_) | Kind::Note(_), _) if self.datagrams => ENTRY,
                _ => 0,
            };
            // What costs nothing was paid for by the beginning.
            if mouth.deaf || (cost > 0 && !lane.take(cost)) {
                mouth.miss(lane, &seen.what, self.datagrams);
                continue;
            }
            if !matches!(seen.what, What::Begin(_)) {
                mouth.tell_missing(lane, seen.at, seen.conversation);
            }
            lane.send(seen.clone(), cost);
        }
    }
}

impl Mouth {
    fn miss(&mut self, lane: &Lane, what: &What, datagrams: bool) {
        match what {
            What::Begin(_) => {
                self.deaf = true;
                lane.lose_conversation();
            }
            What::Event(Kind::Data(from, octets), _) => self.miss_octets(lane, *from, octets.len(), datagrams),
            What::Event(..) | What::End => {}
        }
    }

    fn miss_octets(&mut self, lane: &Lane, from: From, octets: usize, datagrams: bool) {
        lane.lose(octets as u64);
        let amount = &mut self.missing[from as usize];
        amount.octets += octets as u64;
        amount.datagrams += u64::from(datagrams);
    }

    /// What there was no room for comes first, of both sides, so that all is in its place.
    fn tell_missing(&mut self, lane: &Lane, at: Duration, conversation: usize) {
        for from in From::BOTH {
            let Amount { octets, datagrams } = std::mem::take(&mut self.missing[from as usize]);
            if octets + datagrams > 0 {
                let missing = Missing { octets, datagrams, why: Why::Slow };
                let what = What::Event(Kind::Missing(from, missing), None);
                lane.send(Arc::new(Seen { at, conversation, what }), 0);
            }
        }
    }
}

impl Watch for Talk {
    /// What is past the limit, or not asked for, may travel without a copy. The first octets are looked at all the same:
    /// they may tell the protocol.
    fn wants(&self, from: From) -> bool {
        let rules = &self.shared.rules;
        match self.choice {
            Choice::No => false,
            Choice::Open(_) => true,
            Choice::Yes if !self.sniffer.settled(from) => true,
            Choice::Yes => rules.only.side(from) && self.sides[from as usize].recorded < rules.limit,
        }
    }

    fn data(&mut self, from: From, octets: &[u8]) {
        self.shared.totals.octets[from as usize].fetch_add(octets.len() as u64, Relaxed);
        if let Choice::No = self.choice {
            return self.unwanted(octets.len());
        }
        let label = self.sniffer.look(from, octets);
        self.held += octets.len();
        self.choose(from, label.as_ref());
        if let Choice::No = self.choice {
            return;
        }
        let kept = if self.shared.rules.only.side(from) { self.kept(from, octets) } else { 0 };
        if kept > 0 || octets.is_empty() && self.shared.rules.only.side(from) {
            self.sides[from as usize].recorded += kept as u64;
            self.say(from, &octets[..kept], label);
        }
        if kept < octets.len() {
            self.leave_out(from, (octets.len() - kept) as u64, self.why(from));
        }
    }

    fn passed(&mut self, from: From, octets: usize) {
        self.shared.totals.octets[from as usize].fetch_add(octets as u64, Relaxed);
        self.sniffer.passed(from);
        match self.choice {
            Choice::No => self.unwanted(octets),
            _ => self.leave_out(from, octets as u64, self.why(from)),
        }
    }

    fn closed(&mut self, from: From) {
        self.before_the_end(from);
        self.put(What::Event(Kind::Close(from), None));
    }

    fn broken(&mut self, from: From, e: &io::Error) {
        self.before_the_end(from);
        self.put(What::Event(verdict(from, e), None));
    }

    fn idle(&mut self, limit: Duration) {
        self.note(format!("nothing for {}: wiretap reset both sides", human::duration(limit)));
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        From::BOTH.into_iter().for_each(|from| self.before_the_end(from));
        self.put(What::End);
    }
}
