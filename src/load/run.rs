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
