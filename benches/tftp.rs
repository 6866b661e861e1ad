//! `tftp_server` side by side with other TFTP servers, all with the same client, in one run:
//! `cargo bench --bench tftp [workload]`.
//!
//! As in the echo bench, every workload goes round the servers several times, and what counts is the ratio within a round.
//! A transfer is a whole file of 32,000,000 octets, or eight of 4,000,000 each at once; client and servers share the cores.
//! Every octet is compared. What a server does not grant, it is measured without, and the table says so. At the end,
//! clients fetch from our server.
//!
//! atftpd excludes tftpd-hpa on some systems: `ATFTPD` names its program where it is not installed. dnsmasq serves at
//! port 69 only, which takes a privilege.

#[path = "tftp/clients.rs"]
mod clients;
#[path = "common/mod.rs"]
mod common;
#[path = "tftp/fetch.rs"]
mod fetch;
#[path = "tftp/files.rs"]
mod files;
#[path = "tftp/peers.rs"]
mod peers;
#[path = "tftp/workload.rs"]
mod workload;

use common::peers::Peer;
use common::pin;
use common::report::{Row, best, busy_machine, judge, named, ratio};
use common::settings::{ROUNDS, Settings};
use fetch::Got;
use files::Files;
use netkata::exit;
use peers::TFTP_SERVER;
use std::error::Error;
use std::process::ExitCode;
use workload::{WORKLOADS, Workload};

fn main() -> ExitCode {
    exit::run(run)
}

fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::read()?;
    busy_machine();
    let files = Files::write()?;
    let peers = peers::start_all(&files);
    let mut goals = Vec::new();
    for workload in WORKLOADS.iter().filter(|w| settings.is_wanted(&w.to_string())) {
        let (rows, got) = measure(workload, &peers, &files)?;
        table(workload, &rows, &got);
        let (ours, fastest) = (named(&rows, TFTP_SERVER), best(&rows, |row| row.name != TFTP_SERVER));
        goals.extend(ours.zip(fastest).map(|(a, b)| judge(&workload.to_string(), a, b, workload.goal)));
    }
    if let Some(ours) = peers.iter().find(|peer| peer.name == TFTP_SERVER && settings.is_wanted("clients")) {
        goals.extend(clients::all(ours, &files)?);
    }
    settings.conclude(&goals);
    Ok(())
}

/// All servers in turn, again and again. A server that fails is an error: a fast wrong answer is worth nothing.
fn measure(workload: &Workload, peers: &[Peer], files: &Files) -> Result<(Vec<Row>, Vec<Got>), Box<dyn Error>> {
    // A transfer is one conversation, in which one of the two nearly always waits, for a block or for the ACK of a window.
    // Where the system happens to put them changes the figures tenfold. So both go on one core.
    let _pinned = (workload.at_once == 1).then(|| pin::to_one_core(&peers.iter().collect::<Vec<_>>()));
    let mut rows: Vec<Row> = peers.iter().map(|p| Row { name: p.name, rates: Vec::new() }).collect();
    let mut sums = vec![Got::default(); peers.len()];
    for _ in 0..ROUNDS {
        for ((peer, row), sum) in peers.iter().zip(&mut rows).zip(&mut sums) {
            let measured = workload.run(peers::address(peer)?, files);
            let (rate, got) = measured.map_err(|e| format!("{}: {workload}: {e}", peer.name))?;
            row.rates.push(rate);
            *sum = Got { resent: sum.resent + got.resent, ..got };
        }
    }
    Ok((rows, sums))
}

fn table(workload: &Workload, rows: &[Row], got: &[Got]) {
    println!(
        "\n{:<28} {:>12} {:>8} {:>18} {:>8}",
        workload.to_string(),
        "MB a second",
        "spread",
        "tftp_server is",
        "resent"
    );
    let ours = named(rows, TFTP_SERVER);
    for (row, got) in rows.iter().zip(got) {
        let of = ours.filter(|ours| ours.name != row.name).map(|ours| format!("{:.2} of it", ratio(ours, row)));
        let (rate, spread) = (row.median() / 1e6, row.spread() * 100.0);
        let granted = match (got.blksize == workload.ask.blksize, got.windowsize == workload.ask.windowsize) {
            (true, true) => String::new(),
            _ => format!("  grants blksize {}, windowsize {}", got.blksize, got.windowsize),
        };
        println!(
            "{:<28} {rate:>12.1} {spread:>7.0}% {:>18} {:>8}{granted}",
            row.name,
            of.unwrap_or_default(),
            got.resent
        );
    }
}
