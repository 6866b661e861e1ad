//! Whether somebody listens on an address, without connecting to find out: a probe would be a client like any other.

use netkata::proc_net::{self, State};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;

/// Whether the kernel's table shows a listener at this very address. Where there is no such table, nobody knows: then no.
///
/// Listeners stand first in the table. What comes after them is not read: on a busy machine, that is a hundred thousand
/// connections in TIME_WAIT.
pub fn is_there(address: SocketAddr) -> bool {
    let table = if address.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let Ok(file) = File::open(table) else { return false };
    BufReader::new(file)
        .lines()
        .skip(1)
        .map_while(|line| proc_net::parse(&format!("header\n{}", line.ok()?)).ok()?.pop())
        .take_while(|socket| socket.state == State::Listen)
        .any(|socket| socket.local == address)
}
