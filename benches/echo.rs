//! `echo_server` and an echo on `netkata::accept` side by side with other echo servers, in one run:
//! `cargo bench --bench echo [workload]`.
//!
//! The figures of two runs cannot be compared: the machine is never the same twice. So every workload goes round the
//! servers several times, and what counts is the ratio within a round. Client and servers share the cores. Every octet
//! that comes back is compared with what was sent.
//!
//! `BENCH_SECONDS` is the time for one server and one workload (default 1).

#[path = "common/mod.rs"]
mod common;
#[path = "echo/load.rs"]
mod load;
#[path = "echo/memory.rs"]
mod memory;
#[path = "echo/peers.rs"]
mod peers;
#[path = "echo/report.rs"]
mod report;

use common::peers::Peer;
use common::report::{Row, busy_machine};
use common::settings::{ROUNDS, Settings};
use common::{pin, served};
use load::Workload;
use netkata::exit;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

const WORKLOADS: &[Workload] = &[
    Workload::PingPong { connections: 1, size: 64 },
    Workload::PingPong { connections: 50, size: 64 },
    Workload::PingPong { connections: 50, size: 65_536 },
    Workload::PingPong { connections: 1000, size: 64 },
    Workload::Short { at_once: 32, size: 64 },
];

fn main() -> ExitCode {
    served::serve().unwrap_or_else(|| exit::run(run))
}

fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::read()?;
    busy_machine();
    let mut goals = Vec::new();
    let peers = peers::start_all();
    for workload in WORKLOADS.iter().filter(|w| settings.is_wanted(&w.to_string())) {
        if settings.has_descriptors(&workload.to_string(), workload.descriptors()) {
            let rows = measure(workload, &peers, settings.round)?;
            report::table(workload, &rows);
            goals.extend(report::goals(workload, &rows));
        }
    }
    drop(peers);
    if settings.is_wanted("idle") {
        goals.extend(memory::idle_connections(settings.descriptors)?);
    }
    settings.conclude(&goals);
    Ok(())
}

/// All servers in turn, again and again. A server that fails is an error: a fast wrong answer is worth nothing.
fn measure(workload: &Workload, peers: &[Peer], round: Duration) -> Result<Vec<Row>, Box<dyn Error>> {
    let able: Vec<&Peer> = peers.iter().filter(|p| workload.connections() <= p.most_connections).collect();
    // One connection is one conversation: it never uses two cores at once, and where the system happens to put the two
    // ends changes the figures tenfold. So both go on one core.
    let _pinned = (workload.connections() == 1).then(|| pin::to_one_core(&able));
    let mut rows: Vec<Row> = able.iter().map(|p| Row { name: p.name, rates: Vec::new() }).collect();
    for _ in 0..ROUNDS {
        for (peer, row) in able.iter().zip(&mut rows) {
            let rate = workload.run(&peer.endpoint, round);
            row.rates.push(rate.map_err(|e| format!("{}: {workload}: {e}", peer.name))?);
        }
    }
    Ok(rows)
}
