//! Two programs on one machine: the same echo on a socket file and on a TCP port.

use crate::common::load::{plan, rate};
use crate::common::peers::{Peer, ourselves};
use crate::common::report::{Row, ratio, ratio_range};
use crate::common::settings::ROUNDS;
use crate::common::{pin, served};
use netkata::human;
use netkata::load::Kind;
use std::error::Error;
use std::time::Duration;

const TCP: &str = "TCP on loopback";
const UNIX: &str = "Unix socket";
/// Connections, and the octets of a message.
const SHAPES: [(usize, usize); 3] = [(1, 64), (50, 64), (50, 16 * 1024)];

pub(crate) fn unix_and_tcp(round: Duration) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = format!("unix://{}", folder.path().join("echo.sock").display());
    let servers = [ourselves(TCP, served::ECHO, "127.0.0.1:0")?, ourselves(UNIX, served::ECHO, &file)?];
    println!("\n{:<22} {TCP:>16} {UNIX:>16} {:>26}", "echo, a second", "Unix is");
    for (connections, size) in SHAPES {
        let all: Vec<&Peer> = servers.iter().collect();
        let _pinned = (connections == 1).then(|| pin::to_one_core(&all));
        let mut rows = [TCP, UNIX].map(|name| Row { name, rates: Vec::new() });
        for _ in 0..ROUNDS {
            for (server, row) in servers.iter().zip(&mut rows) {
                let plan = plan(&server.endpoint, Kind::PingPong, connections, size, round);
                row.rates.push(rate(&plan).map_err(|e| format!("{}: {e}", server.name))?);
            }
        }
        let [tcp, unix] = &rows;
        let (low, high) = ratio_range(unix, tcp);
        let told = format!("{:.2} of TCP ({low:.2} to {high:.2})", ratio(unix, tcp));
        let [a, b] = [tcp, unix].map(|row| human::thousands(row.median() as usize));
        println!("{:<22} {a:>16} {b:>16} {told:>26}", format!("{connections} x {size}"));
    }
    Ok(())
}
