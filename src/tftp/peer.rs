//! The other side of a transfer: one address and port, out of all that may send to ours.
//!
//! The two ports are the transfer's name (RFC 1350, section 4: transfer identifiers, TIDs). Whoever else sends to ours is told
//! so by ERROR 5, and changes nothing. A connected socket would never show a stranger, so nobody could tell him; this one is
//! not connected, and looks at each sender.

use super::refusal::{is_about, is_soft};
use super::{End, ErrorCode, Opcode, Packet, Rto, segments};
use crate::datagram::refusal;
use crate::error::is_timeout;

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Octets taken of one datagram. A sender hears ACKs, of 4, and an ERROR, whose text a person should read.
const BUFFER: usize = 2 * 1024;
/// A receive timeout that is so near to the one in force is not worth a system call.
const NEAR: Duration = Duration::from_millis(1);
/// So long after a deadline, what is here already still counts: on a busy machine, this thread may have waited for its turn.
const LATE: Duration = Duration::from_secs(1);

/// When to send again, and when to give up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long to wait for an answer before the same is sent again: the longest, and the first of [`Peer::rto`].
    pub timeout: Duration,
    /// How often the same is sent, the first time included.
    pub sends: u32,
}

/// The other side of a transfer, by a socket with a port of its own.
#[derive(Debug)]
pub struct Peer {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    /// Rules for what is sent from here on.
    pub patience: Patience,
    /// How long to wait for an answer: at first as long as `patience` says.
    pub rto: Rto,
    /// The kernel does not cut a window into packets here.
    one_by_one: bool,
    /// The receive timeout that is in force.
    armed: Duration,
    called: Arc<AtomicBool>,
    buffer: Vec<u8>,
    /// Packets that were sent again.
    pub resent: u64,
    /// Datagrams from others.
    pub strangers: u64,
}

/// Ends a transfer from outside of its thread.
#[derive(Clone, Debug)]
pub struct Ender {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    called: Arc<AtomicBool>,
}

impl Peer {
    /// A socket on a free port of `local`, for packets to and from `address`.
    ///
    /// # Errors
    /// As socket(2) and bind(2).
    pub fn open(local: IpAddr, address: SocketAddr, patience: Patience) -> io::Result<Self> {
        let local = match (local, address) {
            // A link-local address is one per interface: the way back is the way it came.
            (IpAddr::V6(ip), SocketAddr::V6(from)) => SocketAddrV6::new(ip, 0, 0, from.scope_id()).into(),
            (ip, _) => SocketAddr::new(ip, 0),
        };
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        refusal::ask(&socket, local)?;
        socket.bind(&local.into())?;
        socket.set_read_timeout(Some(patience.timeout))?;
        let (armed, called) = (patience.timeout, Arc::new(AtomicBool::new(false)));
        let (socket, buffer, rto) = (Arc::new(socket.into()), vec![0; BUFFER], Rto::new(patience.timeout, Rto::FLOOR));
        Ok(Self { socket, address, patience, rto, one_by_one: false, armed, called, buffer, resent: 0, strangers: 0 })
    }

    /// Who it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends the transfer from another thread.
    pub fn ender(&self) -> Ender {
        Ender { socket: self.socket.clone(), address: self.address, called: self.called.clone() }
    }

    /// How long to wait for an answer to what was just sent. After the last attempt, as long as may be: there is no hurry.
    pub fn wait(&self, attempt: u32) -> Duration {
        if attempt + 1 < self.patience.sends { self.rto.wait() } else { self.rto.longest() }
    }

    /// Sends a packet, once. `attempt` counts from 0.
    ///
    /// # Errors
    /// When the other side is known to be gone, or the transfer was ended.
    pub fn send(&mut self, packet: &[u8], attempt: u32) -> Result<(), End> {
        if self.called.load(Relaxed) {
            return Err(End::Called);
        }
        self.resent += u64::from(attempt > 0);
        match self.socket.send_to(packet, self.address) {
            Ok(_) => Ok(()),
            Err(e) => self.look_at(e).map(|()| {
                // What failed was an earlier packet: this one has not left yet. If it fails too, it counts as lost.
                let _ = self.socket.send_to(packet, self.address);
            }),
        }
    }

    /// Sends packets that lie one behind the other, each `stride` octets long but for the last. The first `old` were sent before.
    ///
    /// # Errors
    /// As [`Peer::send`].
    pub fn send_all(&mut self, packets: &[u8], stride: usize, old: usize) -> Result<(), End> {
        let several = packets.len() > stride && !self.one_by_one && !self.called.load(Relaxed);
        if several && segments::send(&self.socket, packets, stride, self.address).is_ok() {
            self.resent += old as u64;
            return Ok(());
        }
        // What was sent already is sent twice, once in the transfer.
        self.one_by_one |= several;
        for (i, packet) in packets.chunks(stride).enumerate() {
            self.send(packet, u32::from(i < old))?;
        }
        Ok(())
    }

    /// The next datagram from the other side, or `None` at the deadline.
    ///
    /// # Errors
    /// As [`Peer::send`].
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<&[u8]>, End> {
        let mut empty = false;
        let len = loop {
            let now = Instant::now();
            if now >= deadline && (empty || now > deadline + LATE) {
                return Ok(None);
            }
            self.arm(deadline.saturating_duration_since(now))?;
            empty = false;
            match self.socket.recv_from(&mut self.buffer) {
                Ok((len, from)) if (from.ip(), from.port()) == (self.address.ip(), self.address.port()) => break len,
                Ok((len, from)) => self.correct(len, from),
                Err(e) if is_timeout(&e) => empty = true,
                Err(e) => self.look_at(e)?,
            }
        };
        Ok(Some(&self.buffer[..len]))
    }

    /// Lets recv(2) wait so long, and no longer. Zero would mean for ever.
    fn arm(&mut self, left: Duration) -> Result<(), End> {
        let left = left.max(NEAR);
        if self.armed.abs_diff(left) > NEAR {
            self.socket.set_read_timeout(Some(left)).map_err(End::Socket)?;
            self.armed = left;
        }
        Ok(())
    }

    /// A stranger is told that he has the wrong port, unless he only says so himself: two that correct each other would never stop.
    fn correct(&mut self, len: usize, from: SocketAddr) {
        self.strangers += 1;
        if !Opcode::Error.leads(&self.buffer[..len]) {
            let _ = self.socket.send_to(&unknown_transfer(), from);
        }
    }

    /// Whether an error of the socket is about the other side. An unreachable network may come back.
    fn look_at(&self, e: io::Error) -> Result<(), End> {
        if is_about(&self.socket, self.address) {
            return Err(End::Gone);
        }
        if is_soft(&e) { Ok(()) } else { Err(End::Socket(e)) }
    }

    /// Tells the other side that the transfer is over. Once: nobody acknowledges it (RFC 1350, section 7).
    pub fn tell(&self, code: ErrorCode, message: &str) {
        self.ender().tell(code, message);
    }
}

impl Ender {
    /// Ends the transfer: its thread sends nothing more. It may notice only at its next timeout.
    pub fn end(&self) {
        self.called.store(true, Relaxed);
    }

    /// Whether both end the same transfer.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.called, &other.called)
    }

    /// As [`Peer::tell`].
    pub fn tell(&self, code: ErrorCode, message: &str) {
        if let Ok(packet) = (Packet::Error { code, message: message.as_bytes() }).emit() {
            let _ = self.socket.send_to(&packet, self.address);
        }
    }
}

fn unknown_transfer() -> Vec<u8> {
    let code = ErrorCode::UNKNOWN_TRANSFER_ID;
    Packet::Error { code, message: code.meaning().as_bytes() }.emit().unwrap_or_default()
}
