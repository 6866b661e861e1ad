//! A run: connect, warm up, measure, end.

use crate::context::Context;
use crate::error::{Attempt, NetError, Result};
use crate::load::connect::{Links, Target};
use crate::load::gate::Gate;
use crate::load::lane::{Shared, work};
use crate::load::pace::Pace;
use crate::load::plan::{Kind, Plan};
use crate::load::sea::Sea;
use crate::load::tally::{Latencies, Tally};
use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A lane does little, and there may be thousands.
const STACK: usize = 128 * 1024;
/// What is on its way when the time is up may still arrive for so long.
const GRACE: Duration = Duration::from_millis(250);
/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(100);

/// A look at a run while it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Since the phase began.
    pub elapsed: Duration,
    /// Requests so far.
    pub requests: u64,
    /// Nothing is counted yet.
    pub warming_up: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// From the start of the measurement to its end, or to the last answer if that came later.
    pub elapsed: Duration,
    /// Counts. Wrong answers of the warm-up are among them, and nothing else of it.
    pub tally: Tally,
    /// In nanoseconds, of right answers; none in a stream, where requests do not wait for each other.
    pub latencies: Histogram<u64>,
    /// Requests that were due, with a rate, while no connection was free to send them.
    pub unsent: u64,
    /// Connections that failed before the load began, and why the first of them did.
    pub not_connected: (usize, Option<NetError>),
    /// Whether the context ended it.
    pub interrupted: bool,
}

/// Does what the plan says. `watch` is told of the progress about ten times a second.
///
/// # Errors
/// A plan that cannot be carried out, a name that has no address, no connection at all, no threads.
pub fn run(plan: &Plan, ctx: &Context, watch: &mut dyn FnMut(Live)) -> Result<Report> {
    plan.check()?;
    let target = Target::resolve(&ctx.with_timeout(plan.setup), &plan.target)?;
    run_on(plan, target, ctx, watch)
}

/// As [`run()`], on a target that was looked up before.
///
/// # Errors
/// As [`run()`].
pub fn run_on(plan: &Plan, target: Target, ctx: &Context, watch: &mut dyn FnMut(Live)) -> Result<Report> {
    plan.check()?;
    let shared = Shared {
        plan,
        target,
        sea: Sea::new(plan.seed, plan.size),
        links: Links::new(plan.connections),
        gate: Gate::default(),
        pace: Mutex::default(),
        latencies: Latencies::new().attempt("load", &plan.target)?,
        tally: Mutex::default(),
        failed: Mutex::default(),
        setup_until: Instant::now() + plan.setup,
    };
    let lanes = if plan.kind == Kind::PingPong && !plan.is_datagrams() {
        plan.threads.clamp(1, plan.connections)
    } else {
        plan.connections
    };
    thread::scope(|scope| {
        let started = (0..lanes).try_for_each(|lane| {
            let connections = (lane as u32..plan.connections as u32).step_by(lanes);
            let thread = thread::Builder::new().name(format!("lane {lane}")).stack_size(STACK);
            thread
                .spawn_scoped(scope, {
                    let shared = &shared;
                    move || work(shared, connections)
                })
                .map(drop)
        });
        let measured = match started.attempt("start", format_args!("{lanes} threads")) {
            Ok(()) => Conductor { shared: &shared, lanes, ctx }.conduct(watch),
            Err(e) => Err(e),
        };
        // Whatever happened, nobody is left behind the gate or in a call.
        shared.links.cut();
        *lock(&shared.pace) = None;
        shared.gate.stay_open();
        measured
    })
}

/// Leads the lanes through the phases.
struct Conductor<'a> {
    shared: &'a Shared<'a>,
    lanes: usize,
    ctx: &'a Context,
}

impl Conductor<'_> {
    fn conduct(&self, watch: &mut dyn FnMut(Live)) -> Result<Report> {
        let (shared, plan) = (self.shared, self.shared.plan);
        // Each connect has a deadline of its own; only the context can end this earlier.
        while !self.shared.gate.all_are_here(self.lanes, TICK) {
            self.ctx.check().map_err(|cause| NetError::new("connect", plan.target.to_string(), cause.into()))?;
        }
        let not_connected = match std::mem::take(&mut *lock(&shared.failed)) {
            (all, Some(e)) if all == plan.connections => return Err(e),
            some => some,
        };
        let mut warmed = Tally::default();
        if !plan.warmup.is_zero() {
            self.phase(Pace::new(self.ctx, Some(plan.warmup), None, plan.rate), true, watch)?;
            warmed = std::mem::take(&mut *lock(&shared.tally));
            shared.latencies.reset();
        }
        let (elapsed, due) = self.phase(Pace::new(self.ctx, plan.time, plan.requests, plan.rate), false, watch)?;
        let mut tally = std::mem::take(&mut *lock(&shared.tally));
        if matches!(plan.kind, Kind::Stream | Kind::OneWay) {
            // All of them at once, whatever ended it.
            tally.unfinished = tally.sent.saturating_sub(tally.answered + tally.wrong);
        }
        let unsent = due.map_or(0, |due| due.saturating_sub(tally.sent));
        let (wrong, crossed, first_wrong) = (warmed.wrong, warmed.crossed, warmed.first_wrong);
        tally.add(Tally { wrong, crossed, first_wrong, ..Tally::default() });
        let latencies = shared.latencies.all();
        Ok(Report { elapsed, tally, latencies, unsent, not_connected, interrupted: self.ctx.cause().is_some() })
    }

    /// One phase, to its end. Returns how long it took, and how many requests were due.
    fn phase(&self, pace: Pace, warming_up: bool, watch: &mut dyn FnMut(Live)) -> Result<(Duration, Option<u64>)> {
        let pace = Arc::new(pace);
        *lock(&self.shared.pace) = Some(pace.clone());
        self.shared.gate.open();
        let is_over = || self.ctx.cause().is_some() || !pace.goes_on(Instant::now());
        while !is_over() && !self.shared.gate.all_are_here(self.lanes, self.tick(&pace)) {
            watch(Live { elapsed: pace.begin().elapsed(), requests: pace.taken(), warming_up });
        }
        let over = Instant::now();
        pace.stop();
        if warming_up {
            // Each answer has a deadline. Only the context ends this earlier.
            while !self.shared.gate.all_are_here(self.lanes, TICK) && self.ctx.cause().is_none() {}
        }
        let mut grace = GRACE;
        while !self.shared.gate.all_are_here(self.lanes, grace) {
            // Again and again: a lane may have been about to connect.
            self.shared.links.cut();
            grace = TICK / 4;
        }
        let last = lock(&self.shared.tally).last;
        let end = match pace.end() {
            Some(end) if over >= end => end,
            _ if self.ctx.cause().is_some() => over,
            _ => last.unwrap_or(over),
        };
        let end = last.map_or(end, |last| last.max(end));
        Ok((end.saturating_duration_since(pace.begin()), pace.due_by(end)))
    }

    /// Until the next look: the end of the phase is not missed.
    fn tick(&self, pace: &Pace) -> Duration {
        pace.end().map_or(TICK, |end| end.saturating_duration_since(Instant::now()).min(TICK))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;

    /// Answers every connection in a thread of its own, for as long as the test lasts. `change` may spoil what goes back.
    fn echo<C: FnMut(&mut [u8]) + Clone + Send + 'static>(change: C) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let change = change.clone();
                thread::spawn(move || serve(stream, change));
            }
        });
        address
    }

    fn serve(mut stream: TcpStream, mut change: impl FnMut(&mut [u8])) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                n => {
                    change(&mut buffer[..n]);
                    stream.write_all(&buffer[..n])?;
                }
            }
        }
    }

    fn plan(target: &str, kind: Kind, connections: usize, size: usize, requests: u64) -> Plan {
        let target = target.parse().expect("endpoint");
        let (time, requests) = (None, Some(requests));
        Plan { connections, threads: connections, size, kind, time, requests, ..Plan::new(target) }
    }

    fn report(plan: &Plan) -> Report {
        run(plan, &Context::new(), &mut |_| {}).expect("run")
    }

    /// Each shape of load gets every answer, in sizes below and above what a kernel holds, and every latency is recorded.
    #[test]
    fn all_are_answered() {
        let echo = echo(|_| {});
        for (kind, connections, size, requests) in [
            (Kind::PingPong, 1, 1, 50),
            (Kind::PingPong, 40, 64, 2000),
            (Kind::PingPong, 3, 65_536, 60),
            (Kind::PingPong, 2, 5 << 20, 6),
            (Kind::Reconnect, 5, 100, 50),
            (Kind::Stream, 2, 9, 20_000),
            (Kind::Stream, 2, 300_000, 60),
        ] {
            let report = report(&plan(&echo, kind, connections, size, requests));
            let tally = &report.tally;
            assert_eq!(
                (tally.answered, tally.wrong, tally.failures()),
                (requests, 0, 0),
                "{kind} of {size}: {tally:?}"
            );
            let recorded = if kind == Kind::Stream { 0 } else { requests };
            assert_eq!(report.latencies.len(), recorded, "{kind} of {size}");
        }
    }

    /// Two threads drive twenty connections; each connection is sent to before the first is read.
    #[test]
    fn threads_share_connections() {
        let plan = Plan { threads: 2, ..plan(&echo(|_| {}), Kind::PingPong, 20, 64, 1000) };
        assert_eq!(report(&plan).tally.answered, 1000);
    }

    /// A changed octet is found in each shape of load, in messages that are compared whole and in pieces.
    #[test]
    fn one_octet_is_found() {
        for (kind, size) in
            [(Kind::PingPong, 64), (Kind::PingPong, 200_000), (Kind::Reconnect, 64), (Kind::Stream, 5000)]
        {
            let mut left = 1_usize;
            let spoil = move |octets: &mut [u8]| {
                if let (Some(octet), 1) = (octets.get_mut(20), left) {
                    *octet ^= 1;
                    left = 0;
                }
            };
            let report = report(&plan(&echo(spoil), kind, 1, size, 5));
            let offset = report.tally.first_wrong.as_ref().map(|wrong| wrong.offset);
            assert_eq!(offset, Some(20), "{kind} of {size}: {:?}", report.tally);
        }
    }

    /// A server that never answers does not hold the run, nor does one that never accepts.
    #[test]
    fn nobody_answers() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = silent.local_addr().expect("address").to_string();
        let start = Instant::now();
        for kind in [Kind::PingPong, Kind::Stream, Kind::OneWay, Kind::Reconnect] {
            let time = Some(Duration::from_millis(50));
            let plan = Plan { time, requests: None, ..plan(&address, kind, 3, 100_000, 1) };
            let report = report(&plan);
            assert_eq!((report.tally.answered, report.tally.wrong), (0, 0), "{kind}");
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    }

    /// A cancel ends it, and what was counted is there.
    #[test]
    fn cancelled() {
        let ctx = Context::new();
        let mut plan = plan(&echo(|_| {}), Kind::PingPong, 2, 64, u64::MAX);
        plan.warmup = Duration::from_millis(20);
        let report = run(&plan, &ctx, &mut |live| {
            if live.requests > 0 && !live.warming_up {
                ctx.cancel()
            }
        })
        .expect("run");
        assert!(report.interrupted && report.tally.answered > 0, "{:?}", report.tally);
    }

    /// Nobody is there: the first connect says so.
    #[test]
    fn nobody_listens() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ebb.sock");
        drop(UnixListener::bind(&path).expect("bind"));
        let plan = plan(path.to_str().expect("UTF-8"), Kind::PingPong, 3, 64, 1);
        let e = run(&plan, &Context::new(), &mut |_| {}).expect_err("nobody");
        assert!(e.to_string().ends_with("connection refused"), "{e}");
    }
}
