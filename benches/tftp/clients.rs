//! Clients, each a process for each file: ours, and what the machine has, all with the same server.

use crate::common::peers::Peer;
use crate::common::pin;
use crate::common::report::{Row, best, judge, named, ratio};
use crate::common::settings::ROUNDS;
use crate::files::{Files, LARGE, LARGE_OCTETS};
use crate::peers;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const TFTP_CLIENT: &str = "tftp_client";
/// Who else, and how it is told the block's size. tftp-hpa's has no such option.
const CLIENTS: [&str; 4] = [TFTP_CLIENT, "curl", "atftp", "tftp-hpa"];
const BLOCKS: [usize; 2] = [512, 1428];

/// Prints a table for each size of block; returns what became of the goal.
pub(crate) fn all(server: &Peer, files: &Files) -> Result<Vec<String>, Box<dyn Error>> {
    // Clients inherit our core.
    let _pinned = pin::to_one_core(&[server]);
    let server = peers::address(server)?;
    let target = files.folder.path().join("fetched");
    let mut goals = Vec::new();
    for blksize in BLOCKS {
        let title = format!("clients, blksize {blksize}");
        let mut rows: Vec<Row> = Vec::new();
        for name in CLIENTS {
            match fetch(name, server, blksize, &target, &files.large) {
                Ok(_) => rows.push(Row { name, rates: Vec::new() }),
                Err(e) => println!("{title}: skipped {name}: {e}"),
            }
        }
        for _ in 0..ROUNDS {
            for row in &mut rows {
                let rate = fetch(row.name, server, blksize, &target, &files.large);
                row.rates.push(rate.map_err(|e| format!("{}: {title}: {e}", row.name))?);
            }
        }
        println!("\n{title:<28} {:>12} {:>8} {:>18}", "MB a second", "spread", "tftp_client is");
        let ours = named(&rows, TFTP_CLIENT);
        for row in &rows {
            let of = ours.filter(|ours| ours.name != row.name).map(|ours| format!("{:.2} of it", ratio(ours, row)));
            let (rate, spread) = (row.median() / 1e6, row.spread() * 100.0);
            println!("{:<28} {rate:>12.1} {spread:>7.0}% {:>18}", row.name, of.unwrap_or_default());
        }
        let fastest = best(&rows, |row| row.name != TFTP_CLIENT);
        goals.extend(ours.zip(fastest).map(|(ours, fastest)| judge(&title, ours, fastest, 1.0)));
    }
    Ok(goals)
}

/// Octets a second, with the time that the process takes to start and end. The file must be whole.
fn fetch(name: &str, server: SocketAddr, blksize: usize, target: &Path, expected: &[u8]) -> io::Result<f64> {
    let mut command = command(name, server, blksize, target)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let rate = LARGE_OCTETS as f64 / start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(io::Error::other(format!("it ended: {status}")));
    }
    if std::fs::read(target)? != expected {
        return Err(io::Error::other("the file is not what was sent"));
    }
    std::fs::remove_file(target)?;
    Ok(rate)
}

fn command(name: &str, server: SocketAddr, blksize: usize, target: &Path) -> io::Result<Command> {
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    let size = blksize.to_string();
    let default = blksize == 512;
    let mut command;
    match name {
        TFTP_CLIENT => {
            command = Command::new(env!("CARGO_BIN_EXE_tftp_client"));
            command.arg(format!("tftp://{server}/{LARGE}")).arg("--output").arg(target).args([
                "--quiet",
                "--blksize",
                &size,
            ]);
        }
        "curl" => {
            command = Command::new("curl");
            command.args(["--silent", "--tftp-blksize", &size, "--output"]).arg(target);
            command.arg(format!("tftp://{server}/{LARGE}"));
        }
        "atftp" => {
            command = Command::new("atftp");
            if !default {
                command.args(["--option", &format!("blksize {size}")]);
            }
            command.args(["--get", "--remote-file", LARGE, "--local-file"]).arg(target).args([host, port]);
        }
        _ if default => {
            command = Command::new("tftp");
            command.args(["-m", "binary", &host, &port, "-c", "get", LARGE]).arg(target);
        }
        _ => return Err(io::Error::other("it has no option for the size of a block")),
    }
    Ok(command)
}
