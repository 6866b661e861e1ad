//! Waiting until the peer's program has read what was sent, without guessing a time.
//!
//! An acknowledgement says only that the peer's *kernel* has the octets. Linux tells more: the receive queue of every
//! TCP socket stands in /proc/net/tcp, and it is empty once the program has read. Elsewhere a short pause must do.

use crate::stream::Stream;
use netkata::proc_net::Entry;
use std::net::SocketAddr;
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

/// Waits until the program at the other end of this connection has filled all there is to fill: its send queue holds
/// something, and stays as it is.
pub fn wait_until_stuck(stream: &Stream, limit: Duration) {
    const STILL: Duration = Duration::from_millis(60);
    let until = Instant::now() + limit;
    let Some((ours, theirs)) = stream.addresses() else { return pause() };
    let (mut queue, mut since) = (0, Instant::now());
    while Instant::now() < until {
        match entry(theirs, ours).map(|socket| socket.send_queue) {
            Some(now) if now != queue || now == 0 => (queue, since) = (now, Instant::now()),
            Some(_) if since.elapsed() > STILL => return,
            Some(_) => {}
            None => return pause(),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Octets in the receive queue of the socket at `local` that is connected to `remote`.
fn unread(local: SocketAddr, remote: SocketAddr) -> Option<u64> {
    entry(local, remote).map(|socket| u64::from(socket.receive_queue))
}

fn entry(local: SocketAddr, remote: SocketAddr) -> Option<Entry> {
    let table = netkata::proc_net::tcp().ok()?;
    table.into_iter().find(|s| s.local == local && s.remote == remote)
}
