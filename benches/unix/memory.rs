//! Resident memory of a server per idle connection. Kernel memory (socket buffers, kernel stacks) is not in it.

use crate::common::memory::status;
use crate::common::peers::Peer;
use crate::peers::{self, C_UNIX, OURS, OURS_TCP};
use netkata::context::Context;
use netkata::dial;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// So many at once.
pub(crate) const CONNECTIONS: usize = 1000;
/// How long the server may take until a thread stands behind each connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints the table. Each server is started afresh: what a process has once used stays with it.
pub(crate) fn idle_connections(folder: &Path) {
    println!("\n{:<28} {:>12} {:>14}", "idle, resident octets each", "connections", "never spoke");
    let servers = [(OURS, peers::ours(folder)), (OURS_TCP, peers::ours_tcp()), (C_UNIX, peers::c_unix(folder))];
    for (name, server) in servers {
        match server.and_then(|server| per_connection(&server)) {
            Ok(each) => println!("{name:<28} {CONNECTIONS:>12} {each:>14}"),
            Err(e) => println!("{name:<28} {CONNECTIONS:>12} skipped: {e}"),
        }
    }
}

fn per_connection(server: &Peer) -> io::Result<usize> {
    let before = status(server.pid(), "VmRSS:")?;
    let ctx = Context::new().with_timeout(PATIENCE);
    let connect = |_| dial::endpoint(&ctx, &server.endpoint).map_err(io::Error::other);
    let _open: Vec<_> = (0..CONNECTIONS).map(connect).collect::<io::Result<_>>()?;
    let start = Instant::now();
    while status(server.pid(), "Threads:")? <= CONNECTIONS {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other("the server did not start a thread for each"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(status(server.pid(), "VmRSS:")?.saturating_sub(before) * 1024 / CONNECTIONS)
}
