//! Recording that never holds up what it records.
//!
//! Whoever carries a conversation tells a [`Talk`] what happens, and goes on at once. Each place that the record goes to
//! (a [`Sink`]: the screen, the files) has a queue and a thread of its own. A queue holds a bounded number of octets. When
//! a sink is so slow that its queue is full, what comes then is left out of *that* record, counted, and told in its place,
//! as [`Kind::Missing`](super::Kind::Missing): a record may be incomplete, never wrong.

mod lane;
mod only;
mod talk;

pub use lane::{Seen, Sink, What};
pub use only::{Only, Word};
pub use talk::Talk;

use super::journal::Conversation;
use crate::human::{count, thousands};
use lane::{Lane, Pool};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

/// Octets that wait for one sink, at most.
pub const QUEUE: usize = 8 << 20;

/// What is recorded.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Octets of each side of a conversation, at most.
    pub limit: u64,
    /// Which sides, conversations and protocols.
    pub only: Only,
}

/// The time of a record: monotonic. The clock on the wall is looked at once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// What the clock on the wall showed when this one was at zero.
    pub wall: SystemTime,
    start: Instant,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self { wall: SystemTime::now(), start: Instant::now() }
    }
}

/// Keeps the record. Clones are the same.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    rules: Rules,
    clock: Clock,
    lanes: Vec<Lane>,
    pool: Arc<Pool>,
    totals: Totals,
}

/// What was carried, recorded or not.
#[derive(Debug, Default)]
struct Totals {
    conversations: AtomicU64,
    /// From the clients, from the servers.
    octets: [AtomicU64; 2],
    past_limit: AtomicU64,
    unwanted: AtomicU64,
}

/// A conversation's place in the order in which the clients came.
#[derive(Debug)]
pub struct Number(usize);

/// A sink in the making: what it is called, and what it does.
pub type Named = (String, Box<dyn Sink>);

impl Recorder {
    /// Starts a thread for each sink.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(rules: Rules, clock: Clock, sinks: Vec<Named>) -> io::Result<Self> {
        Self::start_with(rules, clock, sinks, QUEUE)
    }

    fn start_with(rules: Rules, clock: Clock, sinks: Vec<Named>, queue: usize) -> io::Result<Self> {
        let pool = Arc::<Pool>::default();
        let lane = |(name, sink)| Lane::start(name, sink, queue, pool.clone());
        let lanes = sinks.into_iter().map(lane).collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(Shared { rules, clock, lanes, pool, totals: Totals::default() })))
    }

    /// Takes a number, which is a letter for people, for a conversation that begins later: as soon as its server is reached.
    pub fn number(&self) -> Number {
        Number(number(self.0.totals.conversations.fetch_add(1, Relaxed)))
    }

    /// A conversation begins.
    pub fn begin(&self, Number(index): Number, conversation: Conversation) -> Talk {
        Talk::begin(self.0.clone(), index, conversation, None)
    }

    /// A conversation begins that goes on in the protocol of another.
    pub fn begin_like(&self, Number(index): Number, conversation: Conversation, other: &Talk) -> Talk {
        Talk::begin(self.0.clone(), index, conversation, other.protocol())
    }

    /// Tells every sink that this was all, and waits for each to have written it, `patience` at most together. Returns
    /// what went wrong, by the sink's name.
    pub fn finish(&self, patience: Duration) -> Vec<(String, io::Error)> {
        let until = Instant::now() + patience;
        let told = self.left_out();
        self.0.lanes.iter().for_each(|lane| lane.finish(told.clone()));
        self.0.lanes.iter().filter_map(|lane| Some((lane.name.clone(), lane.wait(until).err()?))).collect()
    }

    /// What was carried, and what of it is not in the record, a line each.
    pub fn summary(&self) -> Vec<String> {
        let totals = &self.0.totals;
        let [client, server] = totals.octets.each_ref().map(|n| octets(n.load(Relaxed)));
        let conversations = count(number(totals.conversations.load(Relaxed)), "conversation");
        let mut lines = vec![format!("{conversations}, {client} from clients, {server} from servers")];
        lines.extend(self.left_out());
        for lane in &self.0.lanes {
            let (lost, deaf) = lane.lost();
            if lost + deaf > 0 {
                let conversations =
                    if deaf > 0 { format!(" and {}", count(number(deaf), "conversation")) } else { String::new() };
                lines.push(format!("too fast for {}: {}{conversations} left out", lane.name, octets(lost)));
            }
        }
        lines
    }

    /// What nobody wanted recorded.
    fn left_out(&self) -> Vec<String> {
        let totals = &self.0.totals;
        let (past, unwanted) = (totals.past_limit.load(Relaxed), totals.unwanted.load(Relaxed));
        let mut lines = Vec::new();
        if past > 0 {
            let limit = thousands(number(self.0.rules.limit));
            lines.push(format!("not recorded: {} past the first {limit} of a side", octets(past)));
        }
        if unwanted > 0 {
            lines.push(format!("not recorded: {} that were not asked for", octets(unwanted)));
        }
        lines
    }
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn octets(n: u64) -> String {
    count(number(n), "octet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{From, Watch};
    use crate::tap::{Kind, Missing, Transport};
    use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

    /// A sink that says what it was told, and does nothing before it may.
    struct Slow {
        may: Receiver<()>,
        told: Sender<String>,
    }

    impl Sink for Slow {
        fn seen(&mut self, _: Duration, conversation: usize, what: &What) -> io::Result<()> {
            let _ = self.may.recv();
            let text = match what {
                What::Begin(_) => "begin".into(),
                What::End => "end".into(),
                What::Event(Kind::Data(from, octets), label) => {
                    let label = label.as_ref().map_or(String::new(), |l| format!(" [{l}]"));
                    format!("{from:?} {}{label}", octets.len())
                }
                What::Event(Kind::Missing(from, Missing { octets, datagrams, why }), _) => {
                    format!("{from:?} without {octets} in {datagrams}: {why:?}")
                }
                What::Event(kind, _) => format!("{kind:?}"),
            };
            self.told.send(format!("{conversation} {text}")).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self, _: Duration, remarks: &[String]) -> io::Result<()> {
            self.told.send(remarks.join("; ")).map_err(io::Error::other)
        }
    }

    struct Desk {
        recorder: Recorder,
        /// Dropped to let the sink work.
        may: Sender<()>,
        told: Receiver<String>,
    }

    fn desk(limit: u64, only: &[&str], queue: usize) -> Desk {
        let ((may, wait), (tell, told)) = (bounded(0), unbounded());
        let only = only.iter().map(|w| w.parse::<Word>().expect(w)).collect();
        let sinks: Vec<Named> = vec![("a desk".into(), Box::new(Slow { may: wait, told: tell }))];
        let recorder = Recorder::start_with(Rules { limit, only }, Clock::start(), sinks, queue).expect("thread");
        Desk { recorder, may, told }
    }

    impl Desk {
        fn begin(&self, transport: Transport) -> Talk {
            self.recorder.begin(
                self.recorder.number(),
                Conversation {
                    transport,
                    client: None,
                    server: None,
                    client_name: "pilot".into(),
                    server_name: "harbour".into(),
                },
            )
        }

        fn all(self) -> Vec<String> {
            drop(self.may);
            let failed = self.recorder.finish(Duration::from_secs(10));
            assert!(failed.is_empty(), "{failed:?}");
            self.told.iter().collect()
        }
    }

    /// The sink does nothing at all, and whoever carries the octets never waits for it. What there was no room for is told,
    /// in its place, and the end is there.
    #[test]
    fn a_slow_sink_loses_octets_and_holds_nobody_up() {
        let desk = desk(u64::MAX, &[], 10_000);
        let mut talk = desk.begin(Transport::Tcp);
        for _ in 0..10 {
            talk.data(From::Client, &[7; 1000]);
        }
        talk.data(From::Server, &[7; 5000]);
        talk.closed(From::Client);
        drop(talk);
        // Not even room for a beginning.
        drop(desk.begin(Transport::Tcp));
        let summary = desk.recorder.summary().join("; ");
        assert!(summary.ends_with("too fast for a desk: 9,000 octets and 1 conversation left out"), "{summary}");
        assert_eq!(
            desk.all(),
            [
                "0 begin",
                "0 Open",
                "0 Client 1000",
                "0 Client 1000",
                "0 Client 1000",
                "0 Client 1000",
                "0 Client 1000",
                "0 Client 1000",
                "0 Client without 4000 in 0: Slow",
                "0 Server without 5000 in 0: Slow",
                "0 Close(Client)",
                "0 end",
                "the recorder was too slow for 9,000 octets and 1 whole conversation"
            ]
        );
    }

    /// As much of a side as the limit says; the rest is counted, and told before its end.
    #[test]
    fn a_limit_for_each_side() {
        let desk = desk(10, &[], QUEUE);
        let mut talk = desk.begin(Transport::Tcp);
        talk.data(From::Client, &[7; 15]);
        assert!(!talk.wants(From::Client) && talk.wants(From::Server));
        talk.passed(From::Client, 100);
        talk.data(From::Server, b"ahoy");
        talk.closed(From::Client);
        drop(talk);
        let note = "0 Note(\"the client has said 10 octets: what follows is carried, and not recorded\")";
        let why = "0 Client without 105 in 0: Limit(10)";
        let rest = "not recorded: 105 octets past the first 10 of a side";
        let told = ["0 begin", "0 Open", "0 Client 10", note, "0 Server 4", why, "0 Close(Client)", "0 end", rest];
        assert_eq!(desk.all(), told);
    }

    /// Datagrams are recorded whole or not at all, empty ones too.
    #[test]
    fn datagrams_are_not_cut() {
        let desk = desk(10, &["client"], QUEUE);
        let mut talk = desk.begin(Transport::Udp);
        talk.data(From::Client, &[7; 6]);
        talk.data(From::Client, &[7; 6]);
        talk.data(From::Client, &[]);
        talk.data(From::Server, &[7; 3]);
        drop(talk);
        let told = desk.all();
        assert_eq!(told[2], "0 Client 6");
        assert_eq!(
            told[4..7],
            ["0 Client 0", "0 Client without 6 in 1: Limit(10)", "0 Server without 3 in 1: Unwanted"]
        );
    }

    /// A conversation is let in when its protocol shows, with all that came before; others leave no trace but a number.
    #[test]
    fn one_protocol_only() {
        let desk = desk(u64::MAX, &["http"], QUEUE);
        let mut web = desk.begin(Transport::Tcp);
        let mut mail = desk.begin(Transport::Tcp);
        assert!(web.wants(From::Client));
        mail.data(From::Server, b"220 ESMTP\r\n");
        web.data(From::Client, b"GET / HTTP/1.1\r\n\r\n");
        assert!(!mail.wants(From::Client) && web.wants(From::Client));
        mail.passed(From::Client, 6);
        web.data(From::Server, b"HTTP/1.1 200 OK\r\n\r\n");
        drop((web, mail));
        let told = ["0 begin", "0 Open", "0 Client 18 [HTTP/1.1 GET /]", "0 Server 19 [HTTP/1.1 200 OK]", "0 end"];
        let all = desk.all();
        assert_eq!(all[..5], told);
        assert_eq!(all[5..], ["not recorded: 17 octets that were not asked for"]);
    }

    /// One side, one conversation: its first octets are looked at even so, for they name what the other answers.
    #[test]
    fn one_side_of_one_conversation() {
        let desk = desk(u64::MAX, &["server", "B"], QUEUE);
        let mut a = desk.begin(Transport::Tcp);
        let mut b = desk.begin(Transport::Tcp);
        assert!(!a.wants(From::Client) && b.wants(From::Client));
        a.data(From::Client, b"nobody hears this");
        b.data(From::Client, b"GET / HTTP/1.1\r\n\r\n");
        assert!(!b.wants(From::Client));
        b.data(From::Server, b"HTTP/1.1 200 OK\r\n\r\n");
        b.passed(From::Client, 18);
        b.data(From::Server, b"HTTP/1.1 404 Not Found\r\n\r\n");
        b.closed(From::Client);
        drop((a, b));
        let all = desk.all();
        let answers = ["1 Server 19 [HTTP/1.1 200 OK]", "1 Server 26 [HTTP/1.1 404 Not Found]"];
        assert_eq!(all[..4], [&["1 begin", "1 Open"], &answers[..]].concat());
        assert_eq!(all[4..7], ["1 Client without 36 in 0: Unwanted", "1 Close(Client)", "1 end"]);
        assert_eq!(all[7], "not recorded: 53 octets that were not asked for");
    }

    /// A sink that fails is left alone; the talk goes on without it.
    #[test]
    fn a_sink_that_fails() {
        let Desk { recorder, may, told } = desk(u64::MAX, &[], 4 * 2048);
        drop((may, told));
        let mut talk = recorder.begin(
            recorder.number(),
            Conversation {
                transport: Transport::Tcp,
                client: None,
                server: None,
                client_name: String::new(),
                server_name: String::new(),
            },
        );
        for _ in 0..100 {
            talk.data(From::Client, &[7; 1000]);
        }
        let failed = recorder.finish(Duration::from_secs(10));
        assert_eq!((failed.len(), failed[0].0.as_str()), (1, "a desk"));
    }
}
