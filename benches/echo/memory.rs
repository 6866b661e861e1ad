//! Resident memory of a server per idle connection. Kernel memory (socket buffers, kernel stacks) is not in it.

use crate::common::memory::status;
use crate::common::peers::Peer;
use crate::peers::{self, C_THREADS, ECHO_SERVER, ON_ACCEPT, OURS};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// The goal, in octets.
const GOAL: usize = 14 * 1024;
/// How long the server may take until a thread stands behind each connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Each is started afresh: what a process has once used stays with it.
const SERVERS: &[(&str, Start)] =
    &[(ECHO_SERVER, peers::echo_server), (ON_ACCEPT, peers::on_accept), (C_THREADS, peers::c_threads)];

type Start = fn() -> io::Result<Peer>;

/// Prints the table; returns what became of the goal.
pub(crate) fn idle_connections(descriptors: u64) -> io::Result<Vec<String>> {
    println!(
        "\n{:<28} {:>12} {:>14} {:>14}",
        "idle, resident octets each", "connections", "never spoke", "after an echo"
    );
    let mut goals = Vec::new();
    for connections in [1000, 10_000] {
        if connections as u64 + 50 > descriptors {
            println!("{connections}: skipped, {descriptors} descriptors are too few (ulimit -n)");
            continue;
        }
        for (name, start) in SERVERS {
            let measured = start().and_then(|peer| per_connection(&peer, connections));
            let (silent, spoke) = match measured {
                Ok(measured) => measured,
                Err(e) => {
                    println!("{name:<28} {connections:>12} skipped: {e}");
                    continue;
                }
            };
            println!("{name:<28} {connections:>12} {silent:>14} {spoke:>14}");
            if OURS.contains(name) {
                let verdict = if silent < GOAL { "met   " } else { "MISSED" };
                goals.push(format!("{verdict}  {name}, {connections} idle: {silent} octets each, goal under {GOAL}"));
            }
        }
    }
    Ok(goals)
}

fn per_connection(peer: &Peer, connections: usize) -> io::Result<(usize, usize)> {
    let before = status(peer.pid(), "VmRSS:")?;
    let streams: io::Result<Vec<TcpStream>> =
        (0..connections).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, peer.port()))).collect();
    let streams = streams?;
    let start = Instant::now();
    while status(peer.pid(), "Threads:")? <= connections {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other("the server did not start a thread for each"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let silent = status(peer.pid(), "VmRSS:")?;
    for mut stream in &streams {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"ahoy")?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply)?;
        if &reply != b"ahoy" {
            return Err(io::Error::other("what came back is not what was sent"));
        }
    }
    let spoke = status(peer.pid(), "VmRSS:")?;
    let each = |now: usize| now.saturating_sub(before) * 1024 / connections;
    Ok((each(silent), each(spoke)))
}
