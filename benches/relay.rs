//! `proxy` and `wiretap` side by side with other relays, in one run: `cargo bench --bench relay [workload]`.
//!
//! Behind each relay stand the same two servers: an echo, and a sink that reads and says nothing. *Direct* is the same
//! load without a relay. As in the echo bench, every workload goes round the relays several times, and what counts is the
//! ratio within a round. All of it shares the cores. Before anything is measured, a stream goes through each relay and
//! back, and every octet is compared; in the ping-pong every octet is compared all the time.
//!
//! `BENCH_SECONDS` is the time for one relay and one workload (default 1).

#[path = "relay/codec.rs"]
mod codec;
#[path = "common/mod.rs"]
mod common;
#[path = "relay/idle.rs"]
mod idle;
#[path = "relay/local.rs"]
mod local;
#[path = "relay/peers.rs"]
mod peers;
#[path = "relay/report.rs"]
mod report;
#[path = "relay/workload.rs"]
mod workload;

use common::peers::Peer;
use common::report::{Row, busy_machine};
use common::settings::{ROUNDS, Settings};
use common::{pin, served};
use netkata::exit;
use peers::{Relay, Servers};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use workload::{WORKLOADS, Workload};

fn main() -> ExitCode {
    served::serve().unwrap_or_else(|| exit::run(run))
}

fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::read()?;
    busy_machine();
    let servers = Servers::start()?;
    let relays: Vec<Relay> = peers::start_all(&servers);
    for relay in relays.iter().filter(|r| r.echo.is_some()) {
        workload::carries_every_octet(relay)?;
    }
    let mut goals = Vec::new();
    for workload in WORKLOADS.iter().filter(|w| settings.is_wanted(&w.to_string())) {
        if settings.has_descriptors(&workload.to_string(), workload.descriptors()) {
            let rows = measure(workload, &relays, &servers, settings.round)?;
            report::table(workload, &rows);
            goals.extend(report::goals(workload, &rows));
        }
    }
    drop(relays);
    if settings.is_wanted("idle") {
        goals.extend(idle::connections(&servers, &settings)?);
    }
    if settings.is_wanted("unix") {
        local::unix_and_tcp(settings.round)?;
    }
    if settings.is_wanted("tlv") {
        codec::decode(settings.round)?;
    }
    settings.conclude(&goals);
    Ok(())
}

/// All relays in turn, again and again. A relay that fails is an error: a fast wrong answer is worth nothing.
fn measure(
    workload: &Workload,
    relays: &[Relay],
    servers: &Servers,
    round: Duration,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let able: Vec<(&Relay, &Peer)> = relays
        .iter()
        .filter_map(|r| Some((r, r.towards(workload)?)))
        .filter(|(_, p)| workload.connections() <= p.most_connections)
        .collect();
    // One conversation never uses two cores at once, and where the system happens to put its three ends changes the
    // figures tenfold. A stream does use two.
    let mut all: Vec<&Peer> = able.iter().map(|(_, peer)| *peer).collect();
    all.push(&servers.echo);
    let _pinned = matches!(workload, Workload::PingPong { connections: 1, .. }).then(|| pin::to_one_core(&all));
    let mut rows: Vec<Row> = able.iter().map(|(r, _)| Row { name: r.name, rates: Vec::new() }).collect();
    for _ in 0..ROUNDS {
        for ((relay, peer), row) in able.iter().zip(&mut rows) {
            let rate = workload.run(&peer.endpoint, round);
            row.rates.push(rate.map_err(|e| format!("{}: {workload}: {e}", relay.name))?);
        }
    }
    Ok(rows)
}
