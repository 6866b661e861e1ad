//! The question, and how it is asked.

use super::answer::{self, header};
use super::is_between;
use crate::error;
use crate::proc_net::{Entry, State};
use nix::sys::socket::{AddressFamily, MsgFlags, recv};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// `struct inet_diag_req_v2` (linux/inet_diag.h), the question. What is not named here stays zero: anything.
mod ask {
    pub(super) const FAMILY: usize = 0;
    pub(super) const PROTOCOL: usize = 1;
    /// 32 bits: a bit for each state, by its number.
    pub(super) const STATES: usize = 4;
    pub(super) const LOCAL_PORT: usize = 8;
    pub(super) const REMOTE_PORT: usize = 10;
    /// 16 octets, of which IPv4 uses the first 4.
    pub(super) const LOCAL: usize = 12;
    pub(super) const REMOTE: usize = 28;
    /// 32 bits: the interface of a link-local address.
    pub(super) const INTERFACE: usize = 44;
    /// 64 bits; all ones: any.
    pub(super) const COOKIE: usize = 48;
    pub(super) const SIZE: usize = 56;
}

const NLM_F_REQUEST: u16 = 0x01;
/// NLM_F_ROOT and NLM_F_MATCH: all that fit the description, not one.
const NLM_F_DUMP: u16 = 0x300;
/// The kernel answers in the call that asks. This is for the day when it does not.
const LIMIT: Duration = Duration::from_secs(5);
/// The kernel puts at most this much into a datagram, and no more than it was ever asked to read at once.
const DATAGRAM: usize = 32 * 1024;
/// How often to ask when something comes between.
const TRIES: usize = 10;
/// The sequence number. A socket asks one question only.
const QUESTION: u32 = 1;

/// Whether the kernel knows this kind of netlink, and its sandbox allows it. That does not change while a process runs.
pub(super) fn answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    // A dump, since it tells a port without sockets from a kernel without the module; for a connection, both are ENOENT.
    if let Some(known) = ANSWERS.get() {
        return *known;
    }
    match sockets(1, &[State::Listen]) {
        Err(e) if error::is_shortage(&e) => true,
        asked => *ANSWERS.get_or_init(|| asked.is_ok()),
    }
}

/// All in one of these states, at any port when it is 0.
pub(super) fn sockets(port: u16, states: &[State]) -> io::Result<Vec<Entry>> {
    let mut question = question(states);
    put(&mut question, ask::LOCAL_PORT, &port.to_be_bytes());
    let mut found = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        question[ask::FAMILY] = family as u8;
        match ask(&question, NLM_F_DUMP) {
            // A kernel without IPv6.
            Err(e) if family == AddressFamily::Inet6 && e.raw_os_error() == Some(libc::ENOENT) => {}
            sockets => found.extend(sockets?),
        }
    }
    found.sort_by_key(|s: &Entry| s.state != State::Listen);
    Ok(found)
}

pub(super) fn connection(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Entry>> {
    let mut question = question(&[]);
    let (ours, theirs) = (local.ip().to_canonical(), remote.ip().to_canonical());
    question[ask::FAMILY] = if ours.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 } as u8;
    put(&mut question, ask::LOCAL_PORT, &local.port().to_be_bytes());
    put(&mut question, ask::REMOTE_PORT, &remote.port().to_be_bytes());
    for (at, ip) in [(ask::LOCAL, ours), (ask::REMOTE, theirs)] {
        match ip {
            IpAddr::V4(ip) => put(&mut question, at, &ip.octets()),
            IpAddr::V6(ip) => put(&mut question, at, &ip.octets()),
        }
    }
    if let SocketAddr::V6(local) = local {
        put(&mut question, ask::INTERFACE, &local.scope_id().to_ne_bytes());
    }
    match ask(&question, 0) {
        // The kernel looks as for a segment that has arrived: where there is no connection, a listener may take it.
        Ok(found) => Ok(found.into_iter().find(|s| is_between(s, local, remote))),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// About TCP, and any socket.
fn question(states: &[State]) -> [u8; ask::SIZE] {
    let mut question = [0; ask::SIZE];
    question[ask::PROTOCOL] = libc::IPPROTO_TCP as u8;
    let mask = states.iter().fold(0_u32, |mask, state| mask | 1 << state.code());
    put(&mut question, ask::STATES, &mask.to_ne_bytes());
    put(&mut question, ask::COOKIE, &[0xff; 8]);
    question
}

/// Asks again when a signal came between, or a change of the table.
fn ask(question: &[u8; ask::SIZE], flags: u16) -> io::Result<Vec<Entry>> {
    let mut tries = 1..TRIES;
    loop {
        match exchange(question, flags) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted && tries.next().is_some() => {}
            other => return other,
        }
    }
}

/// Asks, and reads to the end of the answer. Its length is not limited: it is the kernel's, which limits its sockets.
fn exchange(question: &[u8], flags: u16) -> io::Result<Vec<Entry>> {
    let until = Instant::now() + LIMIT;
    let socket =
        Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(Protocol::from(libc::NETLINK_SOCK_DIAG)))?;
    socket.send(&message(question, flags | NLM_F_REQUEST))?;
    let (mut found, mut datagram) = (Vec::new(), vec![0; DATAGRAM]);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
        }
        socket.set_read_timeout(Some(left))?;
        // With MSG_TRUNC, the length is the datagram's, and not only what there was room for.
        let length = recv(socket.as_raw_fd(), &mut datagram, MsgFlags::MSG_TRUNC)?;
        let datagram = datagram.get(..length).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent {length} octets at once"))
        })?;
        if answer::take(datagram, QUESTION, &mut found)? {
            return Ok(found);
        }
    }
}

fn message(question: &[u8], flags: u16) -> Vec<u8> {
    let mut message = vec![0; header::SIZE];
    let length = (header::SIZE + question.len()) as u32;
    put(&mut message, header::LENGTH, &length.to_ne_bytes());
    put(&mut message, header::KIND, &answer::SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&mut message, header::FLAGS, &flags.to_ne_bytes());
    put(&mut message, header::SEQUENCE, &QUESTION.to_ne_bytes());
    message.extend_from_slice(question);
    message
}

fn put(message: &mut [u8], at: usize, octets: &[u8]) {
    message[at..at + octets.len()].copy_from_slice(octets);
}
