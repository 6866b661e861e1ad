//! Resident memory of a relay per idle connection. Kernel memory (socket buffers, pipes, kernel stacks) is not in it.

use crate::common::memory::resident;
use crate::common::peers::{FORKS, Peer};
use crate::common::settings::Settings;
use crate::peers::{PROXY, RELAYS, Servers};
use netkata::human;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const CONNECTIONS: usize = 1000;
/// The goal, in octets.
const GOAL: usize = 80 * 1024;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Each is started afresh: what a process has once used stays with it. Prints the table; returns what became of the goal.
pub(crate) fn connections(servers: &Servers, settings: &Settings) -> io::Result<Vec<String>> {
    println!("\n{:<22} {:>12} {:>20}", "idle after an echo", "connections", "resident octets each");
    let mut goals = Vec::new();
    if !settings.has_descriptors("idle", CONNECTIONS as u64 * 6 + 50) {
        return Ok(goals);
    }
    for (name, start) in RELAYS {
        let measured = start(servers.echo.port(), servers.folder.path()).and_then(|relay| per_connection(&relay));
        let each = match measured {
            Ok(each) => each,
            Err(e) => {
                println!("{name:<22} skipped: {e}");
                continue;
            }
        };
        println!("{name:<22} {CONNECTIONS:>12} {:>20}", human::thousands(each));
        if *name == PROXY {
            let verdict = if each < GOAL { "met   " } else { "MISSED" };
            let (each, goal) = (human::thousands(each), human::thousands(GOAL));
            goals.push(format!("{verdict}  idle: {name} has {each} octets for each connection, goal under {goal}"));
        }
    }
    Ok(goals)
}

/// Every connection has carried a few octets both ways, so both of its sides are there.
fn per_connection(relay: &Peer) -> io::Result<usize> {
    if relay.most_connections == FORKS {
        return Err(io::Error::other("a process for each connection"));
    }
    let before = resident(relay.pid())?;
    let streams: io::Result<Vec<TcpStream>> =
        (0..CONNECTIONS).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port()))).collect();
    let streams = streams?;
    for mut stream in &streams {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"ahoy")?;
        let mut reply = [0; 4];
        stream.read_exact(&mut reply)?;
        if &reply != b"ahoy" {
            return Err(io::Error::other("what came back is not what was sent"));
        }
    }
    Ok(resident(relay.pid())?.saturating_sub(before) / CONNECTIONS)
}
