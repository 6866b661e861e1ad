//! Whether somebody listens on an address, without connecting to find out: a probe would be a client like any other.

use netkata::proc_net::State;
use netkata::sock_diag;
use std::net::SocketAddr;

/// Whether the kernel knows a listener at this very address. Where it does not tell, nobody knows: then no.
pub fn is_there(address: SocketAddr) -> bool {
    let listeners = sock_diag::with_local_port(address.port(), &[State::Listen]);
    listeners.is_ok_and(|listeners| listeners.iter().any(|socket| socket.local == address))
}
