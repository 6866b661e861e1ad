//! Heartbeats: a few octets now and then, so that the other end can tell a quiet peer from a dead one.
//!
//! TCP says nothing while nothing is sent: a cable can be out for hours. Keepalive probes (RFC 9293 section 3.8.4) ask
//! whether the other *kernel* is there, after two hours by default; a heartbeat shows that the *program* is.

use crate::context::Context;
use crossbeam_channel::{Receiver, at, never, select};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// What is sent. Any octets would do that both ends agree on.
pub const PING: &[u8; 4] = b"ping";

/// The time between two pings when nobody said otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// Writes [`PING`] to `writer` whenever an interval has passed without a reset, until `ctx` ends.
///
/// A duration in `resets` starts the interval anew and changes it; a zero starts it anew and keeps its length. One that
/// lies in the channel when the pinger starts is the first interval; without it that is [`DEFAULT_INTERVAL`].
///
/// # Errors
/// The first write that fails ends the pinger. A deadline on `writer` is what bounds a write to a peer that stopped
/// reading.
pub fn pinger(ctx: &Context, writer: &mut impl Write, resets: &Receiver<Duration>) -> io::Result<()> {
    let mut resets = resets.clone();
    let mut rhythm = Rhythm::start(resets.try_recv().unwrap_or_default(), Instant::now());
    while ctx.cause().is_none() {
        select! {
            recv(ctx.done()) -> _ => {}
            recv(ctx.expiry()) -> _ => {}
            recv(resets) -> reset => match reset {
                Ok(interval) => rhythm.reset(interval, Instant::now()),
                // Whoever could reset is gone. A closed channel is always ready: to go on watching it would be a spin.
                Err(_) => resets = never(),
            },
            recv(rhythm.due.map_or_else(never, at)) -> _ => {
                writer.write_all(PING)?;
                writer.flush()?;
                rhythm.reset(Duration::ZERO, Instant::now());
            }
        }
    }
    Ok(())
}

/// When the next ping is due, apart from the clock that says so.
#[derive(Debug)]
struct Rhythm {
    interval: Duration,
    /// `None`: later than a clock can count.
    due: Option<Instant>,
}

impl Rhythm {
    fn start(interval: Duration, now: Instant) -> Self {
        let mut rhythm = Self { interval: DEFAULT_INTERVAL, due: None };
        rhythm.reset(interval, now);
        rhythm
    }

    /// Starts the interval anew; zero keeps its length.
    fn reset(&mut self, interval: Duration, now: Instant) {
        if !interval.is_zero() {
            self.interval = interval;
        }
        self.due = now.checked_add(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::human;
    use crossbeam_channel::{Sender, bounded};
    use std::fmt::Write as _;
    use std::thread;

    const MS: Duration = Duration::from_millis(1);
    /// The resets of the example, in milliseconds; -1 is "no reset".
    const RESETS: [i64; 7] = [0, 200, 300, 0, -1, -1, -1];

    /// A pipe on which a write lasts until somebody reads.
    struct Rendezvous(Sender<Vec<u8>>);

    impl Write for Rendezvous {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.send(octets.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// On a clock of our own the whole table comes out to the letter: a zero repeats the interval before it.
    #[test]
    fn the_example_on_a_clock_of_our_own() {
        let mut now = Instant::now();
        let mut rhythm = Rhythm::start(1000 * MS, now);
        let mut out = String::new();
        for (run, reset) in (1..).zip(RESETS) {
            let _ = writeln!(out, "Run {run}:");
            let began = now;
            if let Ok(millis) = u64::try_from(reset) {
                let interval = Duration::from_millis(millis);
                let _ = writeln!(out, "resetting timer ({})", human::duration(interval));
                rhythm.reset(interval, now);
            }
            now = rhythm.due.expect("due");
            rhythm.reset(Duration::ZERO, now);
            let _ = writeln!(out, "received \"ping\" ({})", human::duration(human::round_to(now - began, 100 * MS)));
        }
        let table = "Run 1:\nresetting timer (0s)\nreceived \"ping\" (1s)\n\
                     Run 2:\nresetting timer (200ms)\nreceived \"ping\" (200ms)\n\
                     Run 3:\nresetting timer (300ms)\nreceived \"ping\" (300ms)\n\
                     Run 4:\nresetting timer (0s)\nreceived \"ping\" (300ms)\n\
                     Run 5:\nreceived \"ping\" (300ms)\nRun 6:\nreceived \"ping\" (300ms)\nRun 7:\nreceived \"ping\" (300ms)\n";
        assert_eq!(out, table);
    }

    /// By the clock on the wall: the first interval lies ready, each reset counts from the moment it is taken.
    #[test]
    fn resets_change_the_interval_or_keep_it() {
        let ctx = Context::new();
        let (reset, resets) = bounded(1);
        let (write, read) = bounded(0);
        let patience = Duration::from_secs(20);
        let began = Instant::now();
        reset.send(20 * MS).expect("room");
        thread::scope(|s| {
            let pinging = s.spawn(|| pinger(&ctx, &mut Rendezvous(write), &resets));
            assert_eq!(read.recv_timeout(patience).expect("sooner than the default"), PING);
            assert!(began.elapsed() >= 20 * MS, "{:?}", began.elapsed());
            reset.send(Duration::from_secs(3600)).expect("taken");
            // Room in the channel again: the reset above was taken.
            reset.send(MS).expect("taken");
            assert_eq!(read.recv_timeout(patience).expect("sooner than an hour"), PING);
            reset.send(Duration::ZERO).expect("taken");
            assert_eq!(read.recv_timeout(patience).expect("zero keeps the interval"), PING);
            ctx.cancel();
            drop(read);
            let _ = pinging.join().expect("join");
        });
    }

    /// It ends, and says why, when nobody can be written to, and also when nobody can reset it any more.
    #[test]
    fn a_failed_write_ends_it() {
        let (write, read) = bounded(0);
        let (reset, resets) = bounded(1);
        reset.send(MS).expect("room");
        drop((read, reset));
        let e = pinger(&Context::new(), &mut Rendezvous(write), &resets).expect_err("nobody reads");
        assert_eq!(e.kind(), io::ErrorKind::BrokenPipe);
    }

    /// A cancel or a deadline ends it in the middle of an interval; one that ended before sends nothing.
    #[test]
    fn it_ends_with_its_context() {
        let (_reset, resets) = bounded(1);
        let mut sent = Vec::new();
        pinger(&Context::new().with_timeout(MS), &mut sent, &resets).expect("the deadline");
        let ctx = Context::new();
        thread::scope(|s| {
            let pinging = s.spawn(|| pinger(&ctx, &mut io::sink(), &resets));
            ctx.cancel();
            pinging.join().expect("join").expect("the cancel");
        });
        let (reset, resets) = bounded(1);
        reset.send(Duration::from_nanos(1)).expect("room");
        pinger(&ctx, &mut sent, &resets).expect("ended before it began");
        assert!(sent.is_empty());
    }
}
