//! What skipping the network stack gives: the same echo over TCP's loopback and over a Unix socket, in one run, beside other
//! servers on a Unix socket: `cargo bench --bench unix [workload]`.
//!
//! As in `benches/echo.rs`, every workload goes round the servers several times, and what counts is the ratio within a round.
//! Client and servers share the cores. Every octet that comes back is compared with what was sent. A large message is copied
//! by the kernel in both cases; what is saved is segments, checksums, acknowledgments and the timers behind them. Where many
//! connections are busy at once, that need not be the shorter way.
//!
//! `BENCH_SECONDS` is the time for one server and one workload (default 1).

#[path = "common/mod.rs"]
mod common;
#[path = "echo/load.rs"]
mod load;
#[path = "unix/memory.rs"]
mod memory;
#[path = "unix/peers.rs"]
mod peers;
#[path = "unix/report.rs"]
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
    let folder = tempfile::tempdir()?;
    let mut goals = Vec::new();
    let peers = peers::start_all(folder.path());
    for workload in WORKLOADS.iter().filter(|w| settings.is_wanted(&w.to_string())) {
        if settings.has_descriptors(&workload.to_string(), workload.descriptors()) {
            let rows = measure(workload, &peers, settings.round)?;
            report::table(workload, &rows);
            goals.extend(report::goals(workload, &rows));
        }
    }
    drop(peers);
    if settings.is_wanted("idle") && settings.has_descriptors("idle", memory::CONNECTIONS as u64 + 50) {
        memory::idle_connections(folder.path());
    }
    settings.conclude(&goals);
    Ok(())
}

/// All servers in turn, again and again. A server that fails is an error: a fast wrong answer is worth nothing.
fn measure(workload: &Workload, peers: &[Peer], round: Duration) -> Result<Vec<Row>, Box<dyn Error>> {
    let able: Vec<&Peer> = peers.iter().filter(|p| workload.connections() <= p.most_connections).collect();
    // As in benches/echo.rs: one connection never uses two cores at once, and where its ends run would decide everything.
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
