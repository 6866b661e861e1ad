//! The transfers that run, by client: its address and port are one half of a transfer's name.

use netkata::slots::Slot;
use netkata::tftp::{Ender, ErrorCode, Peer};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The table. Clones share it.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<SocketAddr, Entry>>>);

struct Entry {
    /// Octet for octet.
    request: Vec<u8>,
    ender: Ender,
}

/// A transfer's line in the table, and its slot. Given back when dropped, however the thread ends.
pub struct Seat {
    running: Running,
    client: SocketAddr,
    ender: Ender,
    _slot: Slot,
}

impl Running {
    /// Whether this very request is being served.
    pub fn has(&self, client: SocketAddr, request: &[u8]) -> bool {
        self.lock().get(&client).is_some_and(|entry| entry.request == request)
    }

    /// Ends all, and tells their clients why. Returns how many there were.
    pub fn end_all(&self, why: &str) -> usize {
        let mut table = self.lock();
        for entry in table.values() {
            entry.ender.end();
            entry.ender.tell(ErrorCode::NOT_DEFINED, why);
        }
        table.drain().count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Enters a transfer. Another request from the same port means that the client has given the first one up, as boot loaders
    /// do that ask for the size, then for the file: that transfer ends without a word, for the port is no longer its own.
    pub fn take(running: &Running, request: &[u8], peer: &Peer, slot: Slot) -> Self {
        let (client, ender) = (peer.address(), peer.ender());
        let entry = Entry { request: request.to_vec(), ender: ender.clone() };
        if let Some(former) = running.lock().insert(client, entry) {
            former.ender.end();
        }
        Self { running: running.clone(), client, ender, _slot: slot }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.running.lock();
        if table.get(&self.client).is_some_and(|entry| entry.ender.is(&self.ender)) {
            table.remove(&self.client);
        }
    }
}
