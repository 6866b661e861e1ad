//! Waiting until the peer's program has read what was sent, without guessing a time.
//!
//! An acknowledgement says only that the peer's *kernel* has the octets. Linux tells more: how many octets wait in the
//! receive queue of a TCP socket (sock_diag(7)); none, once the program has read. Of a Unix socket it tells what waits in ours, which
//! is the same there. Elsewhere a short pause must do.

use crate::patience::Wait;
use crate::stream::Stream;
use netkata::sock_diag;
use netkata::sys::out_queue;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Waits until the receive queue at the other end of this connection is empty, or `wait` is over: the dialogue
/// goes on either way, and its next expectation shows what is wrong.
pub fn wait(stream: &Stream, mut wait: Wait) {
    let Some((ours, theirs)) = stream.addresses() else { return wait_unix(stream, wait) };
    while wait.until().is_some() {
        match sock_diag::connection(theirs, ours).ok().flatten().map(|socket| socket.receive_queue) {
            Some(0) => return,
            // The kernel moves the octets within microseconds; to ask is the only way to see it.
            Some(_) => std::thread::sleep(Duration::from_micros(200)),
            None => return pause(),
        }
    }
}

fn wait_unix(stream: &Stream, mut wait: Wait) {
    while wait.until().is_some() {
        match out_queue::waiting(stream) {
            Ok(0) => return,
            Ok(_) => std::thread::sleep(Duration::from_micros(200)),
            Err(_) => return pause(),
        }
    }
}

/// Waits until a socket that we closed is gone, for a second at most. A program that another check starts at this moment
/// has a copy of it between fork(2) and execve(2), and the reset leaves with the last copy only.
pub fn wait_until_gone(ours: SocketAddr, theirs: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until && matches!(sock_diag::connection(ours, theirs), Ok(Some(_))) {
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
