//! Our port, and who may write to it.

use crate::cleanup::Cleanup;
use crate::failure::Failure;
use netkata::datagram::{self, refusal};
use netkata::error;
use netkata::tftp::{ErrorCode, Opcode, Packet};
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A port of this machine, for one transfer.
pub struct Port {
    socket: UdpSocket,
    /// Where the request goes.
    server: SocketAddr,
    /// Where everything else goes: the server's host, and the port of its first answer.
    transfer: Option<SocketAddr>,
    /// The socket's timeout now: setting it costs a system call.
    armed: Duration,
    /// Who else sent something.
    pub stranger: Option<SocketAddr>,
    /// What the network said that may pass.
    pub complaint: Option<io::Error>,
    cleanup: Cleanup,
}

impl Port {
    pub fn open(server: SocketAddr, cleanup: &Cleanup) -> io::Result<Self> {
        let any: SocketAddr =
            if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        refusal::ask(&socket, server)?;
        let (armed, cleanup) = (Duration::ZERO, cleanup.clone());
        Ok(Self { socket, server, transfer: None, armed, stranger: None, complaint: None, cleanup })
    }

    /// The kernel keeps so many octets for us, if it can.
    pub fn make_room_for(&self, octets: usize) {
        // What there is no room for is lost and sent again: slower, not wrong.
        let _ = SockRef::from(&self.socket).set_recv_buffer_size(octets.clamp(1 << 18, 1 << 22));
    }

    /// Sends to the transfer's other port, or, before that is known, to the server's.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Failure> {
        loop {
            match self.socket.send_to(octets, self.transfer.unwrap_or(self.server)) {
                Ok(_) => return Ok(()),
                // What an earlier datagram met with is told now, instead of sending this one. Each is told once.
                Err(e) => self.weigh(e)?,
            }
        }
    }

    /// Waits for a datagram of the transfer; returns how many octets of the buffer it has. `None`: nothing yet.
    pub fn receive(&mut self, buffer: &mut [u8], limit: Duration) -> Result<Option<usize>, Failure> {
        if limit != self.armed {
            self.socket.set_read_timeout(Some(limit)).map_err(Failure::Network)?;
            self.armed = limit;
        }
        match datagram::receive(&self.socket, buffer) {
            Ok(got) => Ok(self.is_ours(&buffer[..got.len], got.from).then_some(got.len)),
            Err(e) => self.weigh(e).map(|()| None),
        }
    }

    /// Whether a datagram belongs to the transfer. The first one from the server's host says from which port it is run; from
    /// then on, both must be right (RFC 1350, section 4). A stranger gets ERROR 5, and changes nothing here.
    fn is_ours(&mut self, octets: &[u8], from: SocketAddr) -> bool {
        let ours = match self.transfer {
            Some(transfer) => same(transfer, from),
            None => self.server.ip() == from.ip(),
        };
        if !ours {
            self.refuse(octets, from);
        } else if self.transfer.is_none() {
            self.transfer = Some(from);
            self.cleanup.tell_on_signal(&self.socket, from);
        }
        ours
    }

    /// This was no answer to us after all: the server's port is still to be learned.
    pub fn disown(&mut self, octets: &[u8]) {
        if let Some(from) = self.transfer.take() {
            self.refuse(octets, from);
        }
    }

    fn refuse(&mut self, octets: &[u8], stranger: SocketAddr) {
        self.stranger = Some(stranger);
        // Two sides that answer each ERROR with another would never stop.
        if !octets.starts_with(&(Opcode::Error as u16).to_be_bytes()) {
            self.tell(stranger, ErrorCode::UNKNOWN_TRANSFER_ID, "no transfer of yours is here");
        }
    }

    /// Tells the server why the transfer is over, if there is one, and something to tell.
    pub fn give_up(&self, failure: &Failure) {
        if let (Some((code, text)), Some(transfer)) = (failure.for_the_server(), self.transfer) {
            self.tell(transfer, code, &text);
        }
    }

    /// Nobody acknowledges an ERROR, and nobody repeats it: if it is lost, the other side finds out by waiting.
    fn tell(&self, to: SocketAddr, code: ErrorCode, text: &str) {
        if let Ok(octets) = (Packet::Error { code, message: text.as_bytes() }).emit() {
            let _ = self.socket.send_to(&octets, to);
        }
    }

    /// What the network has to say is about one of the datagrams that were sent. That nobody has the server's port is final;
    /// about strangers it is nothing to us; the rest may pass.
    fn weigh(&mut self, e: io::Error) -> Result<(), Failure> {
        if error::is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted {
            return Ok(());
        }
        let mut told = false;
        while let Some((e, about)) = refusal::next(&self.socket) {
            told = true;
            if !same(about, self.transfer.unwrap_or(self.server)) {
                continue;
            }
            if e.kind() == io::ErrorKind::ConnectionRefused {
                return Err(Failure::Network(e));
            }
            self.complaint = Some(e);
        }
        if told || datagram::passes(&e) { Ok(()) } else { Err(Failure::Network(e)) }
    }
}

/// The same host and port. The rest of an IPv6 socket address is this machine's own business.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    (a.ip(), a.port()) == (b.ip(), b.port())
}
