//! One round of load on one server, with `netkata::load`. A server that fails is an error: a fast wrong answer is worth
//! nothing.

use netkata::context::Context;
use netkata::endpoint::Endpoint;
use netkata::load::connect::Target;
use netkata::load::{Kind, Plan, Report, run_on};
use netkata::{human, load};
use std::error::Error;
use std::time::Duration;

/// Threads that keep many connections busy between them, so that the servers get the processor.
const LOADERS: usize = 2;
/// A server that does not answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The load of one round: every connection has been accepted, and has answered, before the clock starts.
pub(crate) fn plan(endpoint: &Endpoint, kind: Kind, connections: usize, size: usize, time: Duration) -> Plan {
    Plan {
        connections,
        threads: LOADERS.min(connections),
        size,
        kind,
        warmup: if kind == Kind::PingPong { (time / 10).min(Duration::from_millis(50)) } else { Duration::ZERO },
        time: Some(time),
        timeout: PATIENCE,
        setup: PATIENCE,
        ..Plan::new(endpoint.clone())
    }
}

/// Messages a second.
pub(crate) fn rate(plan: &Plan) -> Result<f64, Box<dyn Error>> {
    let report = load::run(plan, &Context::new(), &mut |_| {})?;
    faultless(&report)
}

/// As [`rate`], for a server that listens on all addresses of this machine, when each message has a connection of its own.
pub(crate) fn rate_spread(plan: &Plan) -> Result<f64, Box<dyn Error>> {
    let ctx = Context::new();
    let target = Target::resolve(&ctx, &plan.target)?.spread();
    let report = run_on(plan, target, &ctx, &mut |_| {})?;
    faultless(&report)
}

fn faultless(report: &Report) -> Result<f64, Box<dyn Error>> {
    let tally = &report.tally;
    if let Some((kind, times)) = tally.errors.iter().next() {
        return Err(format!("{} × {kind}", human::thousands(*times as usize)).into());
    }
    if let Some(e) = &report.not_connected.1 {
        return Err(e.to_string().into());
    }
    if tally.wrong > 0 {
        return Err("what came back is not what was sent".into());
    }
    if tally.timeouts > 0 || tally.answered == 0 {
        return Err("it did not answer".into());
    }
    Ok(tally.answered as f64 / report.elapsed.as_secs_f64())
}
