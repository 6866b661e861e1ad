//! The two ports of a transfer: ours, and the one that the server takes when it answers.

use crate::args::Args;
use crate::cleanup::Cleanup;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::refusal;
use crate::sink::Sink;
use netkata::datagram::{self, LONGEST, Received};
use netkata::error;
use netkata::tftp::{BLOCK_SIZE, Block, ErrorCode, Opcode, Packet};
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Our end of a transfer.
pub struct Link {
    socket: UdpSocket,
    /// Where requests go.
    pub server: SocketAddr,
    /// Where everything else goes: the server's host, and the port of its first answer.
    transfer: Option<SocketAddr>,
    /// Octets in a block: what was agreed on.
    pub blksize: usize,
    /// What goes out again when nothing comes.
    last_sent: Vec<u8>,
    /// The last block that the server may know of as received.
    pub acked: Block,
    patience: Patience,
    /// The socket's timeout now: setting it costs a system call.
    armed: Duration,
    /// A datagram that was looked at and put back.
    held: Option<Vec<u8>>,
    stranger: Option<SocketAddr>,
    /// What the network said that may pass.
    complaint: Option<io::Error>,
    pub tally: Tally,
    cleanup: Cleanup,
}

/// How much went wrong on the way.
#[derive(Default)]
pub struct Tally {
    /// Packets that were sent again.
    pub resent: u64,
    /// Blocks that came again.
    pub repeated: u64,
}

impl Link {
    pub fn open(server: SocketAddr, args: &Args, cleanup: &Cleanup) -> Result<Self, Failure> {
        let any: SocketAddr =
            if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).map_err(Failure::Network)?;
        refusal::report(&socket, server).map_err(Failure::Network)?;
        Ok(Self {
            socket,
            server,
            transfer: None,
            blksize: BLOCK_SIZE,
            last_sent: Vec::new(),
            acked: Block(0),
            patience: Patience::new(args.timeout, args.retries),
            armed: Duration::ZERO,
            held: None,
            stranger: None,
            complaint: None,
            tally: Tally::default(),
            cleanup: cleanup.clone(),
        })
    }

    /// A window of blocks comes at once, and the kernel has to keep it for us meanwhile.
    pub fn make_room_for(&self, octets: usize) {
        // What the system does not give is lost and sent again: slower, not wrong.
        let _ = SockRef::from(&self.socket).set_recv_buffer_size(octets.saturating_mul(2).clamp(1 << 18, 1 << 22));
    }

    /// Room for any datagram at all: one that is longer than it may be is seen to be so, and not cut.
    pub fn buffer() -> Vec<u8> {
        vec![0; LONGEST]
    }

    /// Sends something new: a request, or the ACK of something new.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.will_repeat(octets);
        self.emit(octets)
    }

    /// Sends it again. The wait goes on: who repeats itself for ever must not keep us here for ever.
    pub fn repeat(&mut self) -> Result<(), Failure> {
        self.tally.resent += 1;
        let octets = std::mem::take(&mut self.last_sent);
        let sent = self.emit(&octets);
        self.last_sent = octets;
        sent
    }

    /// What to send when nothing more comes.
    pub fn will_repeat(&mut self, octets: &[u8]) {
        self.last_sent.clear();
        self.last_sent.extend_from_slice(octets);
        self.patience.restart();
    }

    /// A packet that is not the next block. If it is the last block again, our ACK was lost: it is due once more. An older
    /// one is a late copy, and its ACK would be news to nobody. Whatever else it is does not belong here.
    pub fn came_again(&mut self, packet: &Packet<'_>, last: Block, sink: &Sink) -> Result<(), Failure> {
        match packet {
            Packet::Data { block, .. } if !sink.is_empty() => {
                self.tally.repeated += 1;
                if *block == last { self.repeat() } else { Ok(()) }
            }
            // A block that is none of the first, before the first: as late as it can be.
            Packet::Data { .. } => Ok(()),
            // The ACK of block 0 was lost.
            Packet::Oack(_) if sink.is_empty() => self.repeat(),
            Packet::Oack(_) => Ok(()),
            other => Err(Failure::unexpected(other.opcode())),
        }
    }

    fn emit(&mut self, octets: &[u8]) -> Result<(), Failure> {
        if let Ok(Packet::Ack { block }) = Packet::parse(octets) {
            self.acked = block;
        }
        loop {
            match self.socket.send_to(octets, self.transfer.unwrap_or(self.server)) {
                Ok(_) => return Ok(()),
                // What an earlier datagram met with is told now, instead of sending this one. Each is told once.
                Err(e) => self.weigh(e)?,
            }
        }
    }

    /// The next packet of this transfer. When none comes, the last one of ours goes out again, and again.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Packet<'b>, Failure> {
        let len = match self.held.take() {
            Some(octets) => {
                buffer[..octets.len()].copy_from_slice(&octets);
                octets.len()
            }
            None => self.wait(buffer)?,
        };
        match Packet::parse(&buffer[..len])? {
            Packet::Error { code, message } => Err(Failure::Server { code, message: message.into() }),
            Packet::Data { block, payload } if payload.len() > self.blksize => Err(Failure::illegal(format!(
                "block {block} has {} octets; {} were agreed on",
                payload.len(),
                self.blksize
            ))),
            packet => Ok(packet),
        }
    }

    fn wait(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        loop {
            let left = self.patience.left();
            if left.is_zero() {
                if !self.patience.again() {
                    return Err(self.silence());
                }
                self.repeat()?;
                continue;
            }
            if let Some(received) = self.receive(buffer, left)?
                && self.is_ours(&buffer[..received.len], received.from)
            {
                return Ok(received.len);
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8], limit: Duration) -> Result<Option<Received>, Failure> {
        if limit != self.armed {
            self.socket.set_read_timeout(Some(limit)).map_err(Failure::Network)?;
            self.armed = limit;
        }
        match datagram::receive(&self.socket, buffer) {
            Ok(received) => Ok(Some(received)),
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

    /// The next call of [`Link::next`] returns it again.
    pub fn put_back(&mut self, octets: Vec<u8>) {
        self.held = Some(octets);
    }

    /// Sends the ERROR that the failure asks for. Nobody acknowledges it, and nobody repeats it.
    pub fn give_up(&mut self, failure: Failure) -> Failure {
        if let (Some((code, text)), Some(transfer)) = (failure.for_the_server(), self.transfer) {
            self.tell(transfer, code, &text);
        }
        failure
    }

    fn tell(&self, to: SocketAddr, code: ErrorCode, text: &str) {
        if let Ok(octets) = (Packet::Error { code, message: text.as_bytes() }).emit() {
            // If it is lost, the other side notices by itself, later.
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
            let ours = same(about, self.transfer.unwrap_or(self.server));
            if ours && e.kind() == io::ErrorKind::ConnectionRefused {
                return Err(Failure::Network(e));
            }
            self.complaint = if ours { Some(e) } else { self.complaint.take() };
        }
        if told || datagram::passes(&e) { Ok(()) } else { Err(Failure::Network(e)) }
    }

    fn silence(&mut self) -> Failure {
        Failure::Silence {
            waited: netkata::human::round_to(self.patience.waited(), Duration::from_millis(1)),
            sent: self.patience.sent,
            strangers: self.stranger,
            cause: self.complaint.take(),
        }
    }

    /// Stays for a while after the last ACK: if that was lost, the server sends the last block again (RFC 1350, section 6).
    pub fn dally(&mut self, time: Option<Duration>, last: Block) -> Result<(), Failure> {
        let lossy = self.tally.resent + self.tally.repeated > 0;
        let time = time.unwrap_or(if lossy { self.patience.first * 2 } else { Duration::ZERO });
        let (until, mut buffer) = (Instant::now() + time, Self::buffer());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let Ok(received) = self.receive(&mut buffer, left) else { return Ok(()) };
            let Some(received) = received.filter(|r| self.is_ours(&buffer[..r.len], r.from)) else { continue };
            if matches!(Packet::parse(&buffer[..received.len]), Ok(Packet::Data { block, .. }) if block == last) {
                self.repeat()?;
            }
        }
    }
}

/// The same host and port. The rest of an IPv6 socket address is this machine's own business.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    (a.ip(), a.port()) == (b.ip(), b.port())
}
