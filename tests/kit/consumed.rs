//! Waiting until the peer's program has read what was sent, without guessing a time.
//!
//! An acknowledgement says only that the peer's *kernel* has the octets. Linux tells more: the receive queue of every
//! TCP socket stands in /proc/net/tcp, and it is empty once the program has read. Elsewhere a short pause must do.

use crate::stream::Stream;
use std::time::{Duration, Instant};

/// Waits until the receive queue at the other end of this connection is empty, or `limit` has passed: the dialogue
/// goes on either way, and its next expectation shows what is wrong.
pub fn wait(stream: &Stream, limit: Duration) {
    let until = Instant::now() + limit;
    let Some((ours, theirs)) = stream.addresses() else { return pause() };
    while Instant::now() < until {
        match unread(theirs, ours) {
            Some(0) => return,
            // The kernel moves the octets within microseconds; the table is the only way to see it.
            Some(_) => std::thread::sleep(Duration::from_micros(200)),
            None => return pause(),
        }
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Octets in the receive queue of the socket at `local` that is connected to `remote`.
fn unread(local: std::net::SocketAddr, remote: std::net::SocketAddr) -> Option<u64> {
    let table = netkata::proc_net::tcp_with_port(local.port()).ok()?;
    let socket = table.iter().find(|s| s.local == local && s.remote == remote)?;
    Some(u64::from(socket.receive_queue))
}
