//! `echo_server` and an echo on `netkata::accept` side by side with other echo servers, in one run:
//! `cargo bench --bench echo [workload]`.
//!
//! The figures of two runs cannot be compared: the machine is never the same twice. So every workload goes round the
//! servers several times, and what counts is the ratio within a round. Client and servers share the cores. Every octet
//! that comes back is compared with what was sent.
//!
//! `BENCH_SECONDS` is the time for one server and one workload (default 1).

#[path = "echo/load.rs"]
mod load;
#[path = "echo/memory.rs"]
mod memory;
#[path = "echo/on_accept.rs"]
mod on_accept;
#[path = "echo/peers.rs"]
mod peers;
#[path = "echo/pin.rs"]
mod pin;
#[path = "echo/report.rs"]
mod report;

use load::Workload;
use netkata::{exit, human, sys};
use peers::Peer;
use report::Row;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Rounds of each workload. The median of five stands one disturbance, and two on the same side.
const ROUNDS: u32 = 5;

const WORKLOADS: &[Workload] = &[
    Workload::PingPong { connections: 1, size: 64 },
    Workload::PingPong { connections: 50, size: 64 },
    Workload::PingPong { connections: 50, size: 65_536 },
    Workload::PingPong { connections: 1000, size: 64 },
    Workload::Short { at_once: 32, size: 64 },
];

fn main() -> ExitCode {
    if std::env::args().any(|a| a == on_accept::WORD) {
        return on_accept::serve();
    }
    exit::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    // cargo passes --bench; any other word chooses workloads.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str()));
    let seconds: f64 = match std::env::var("BENCH_SECONDS") {
        Ok(text) => text.parse().map_err(|_| format!("BENCH_SECONDS={text:?} is no number of seconds"))?,
        Err(_) => 1.0,
    };
    let round = Duration::try_from_secs_f64(seconds / f64::from(ROUNDS)).map_err(|e| format!("BENCH_SECONDS: {e}"))?;
    let start = Instant::now();
    let descriptors = sys::limits::raise_descriptors()?;
    report::busy_machine();

    let mut goals = Vec::new();
    let peers = peers::start_all();
    for workload in WORKLOADS.iter().filter(|w| is_wanted(&w.to_string())) {
        if workload.descriptors() > descriptors {
            println!("\n{workload}: skipped, {descriptors} descriptors are too few (ulimit -n)");
            continue;
        }
        let rows = measure(workload, &peers, round)?;
        report::table(workload, &rows);
        goals.extend(report::goals(workload, &rows));
    }
    drop(peers);
    if is_wanted("idle") {
        goals.extend(memory::idle_connections(descriptors)?);
    }
    println!();
    goals.iter().for_each(|goal| println!("{goal}"));
    println!("\ntook {}", human::duration(human::round_to(start.elapsed(), Duration::from_secs(1))));
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
            row.rates.push(workload.run(peer.port, round).map_err(|e| format!("{}: {workload}: {e}", peer.name))?);
        }
    }
    Ok(rows)
}
