//! A transfer as a row of packets: what goes out, what comes in, and what goes out again.

use crate::args::Args;
use crate::cleanup::Cleanup;
use crate::failure::Failure;
use crate::patience::Patience;
use crate::port::Port;
use netkata::datagram::LONGEST;
use netkata::human;
use netkata::tftp::{BLOCK_SIZE, Block, Packet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Our end of a transfer.
pub struct Link {
    /// Who was asked.
    pub server: SocketAddr,
    port: Port,
    /// Octets in a block: what was agreed on.
    pub blksize: usize,
    /// What goes out again when nothing comes.
    last_sent: Vec<u8>,
    /// The last block that the server was told of.
    pub acked: Block,
    pub patience: Patience,
    /// When the last datagram came.
    came: Instant,
    /// A datagram that was looked at and put back.
    held: Option<Vec<u8>>,
    pub tally: Tally,
}

/// How much went wrong on the way.
#[derive(Default)]
pub struct Tally {
    /// Packets that were sent again.
    pub resent: u64,
    /// Blocks that came too late.
    pub late: u64,
}

impl Link {
    pub fn open(server: SocketAddr, args: &Args, cleanup: &Cleanup) -> Result<Self, Failure> {
        let port = Port::open(server, cleanup).map_err(Failure::Network)?;
        let patience = Patience::new(args.timeout, args.min_timeout, args.retries);
        let (last_sent, came, tally) = (Vec::new(), Instant::now(), Tally::default());
        Ok(Self { server, port, blksize: BLOCK_SIZE, last_sent, acked: Block(0), patience, came, held: None, tally })
    }

    /// Room for any datagram at all: one that is longer than it may be is seen to be so, and not cut.
    pub fn buffer() -> Vec<u8> {
        vec![0; LONGEST]
    }

    /// A window of blocks comes at once, and the kernel has to keep it for us meanwhile, with what it needs itself.
    pub fn make_room_for(&self, window: usize) {
        self.port.make_room_for(window.saturating_mul(2));
    }

    /// Sends something new: a request, or the ACK of something new.
    pub fn send(&mut self, octets: &[u8]) -> Result<(), Failure> {
        self.will_repeat(octets);
        self.patience.measure(true);
        self.emit()
    }

    /// What to send when nothing more comes. The wait for it begins now.
    pub fn will_repeat(&mut self, octets: &[u8]) {
        self.last_sent.clear();
        self.last_sent.extend_from_slice(octets);
        self.patience.restart(self.came);
    }

    /// Sends it again. The wait goes on: who repeats itself for ever must not keep us here for ever.
    pub fn repeat(&mut self) -> Result<(), Failure> {
        self.tally.resent += 1;
        self.patience.measure(false);
        self.emit()
    }

    fn emit(&mut self) -> Result<(), Failure> {
        if let Ok(Packet::Ack { block }) = Packet::parse(&self.last_sent) {
            self.acked = block;
        }
        self.port.send(&self.last_sent)
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
            Packet::Data { block, payload } if payload.len() > self.blksize => {
                let (came, agreed) = (payload.len(), self.blksize);
                Err(Failure::illegal(format!("block {block} has {came} octets; {agreed} were agreed on")))
            }
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
            } else if let Some(len) = self.port.receive(buffer, left)? {
                self.came = Instant::now();
                return Ok(len);
            }
        }
    }

    fn silence(&mut self) -> Failure {
        Failure::Silence {
            waited: human::round_to(self.patience.waited(), Duration::from_millis(1)),
            sent: self.patience.sent,
            stranger: self.port.stranger,
            complaint: self.port.complaint.take(),
        }
    }

    /// The next call of [`Link::next`] returns it again.
    pub fn put_back(&mut self, packet: &Packet<'_>) -> Result<(), Failure> {
        self.held = Some(packet.emit()?);
        Ok(())
    }

    /// What came is no answer to us: it is refused, and the answer may still come, from another port.
    pub fn disown(&mut self, packet: &Packet<'_>) -> Result<(), Failure> {
        self.port.disown(&packet.emit()?);
        Ok(())
    }

    /// Tells the server, if the failure is one that it should know of.
    pub fn give_up(&self, failure: Failure) -> Failure {
        self.port.give_up(&failure);
        failure
    }

    /// Stays for a while after the last ACK: if that was lost, the server sends the last block again (RFC 1350, section 6).
    pub fn dally(&mut self, time: Option<Duration>, last: Block) -> Result<(), Failure> {
        let lossy = self.tally.resent + self.tally.late > 0;
        let time = time.unwrap_or(if lossy { self.patience.first * 2 } else { Duration::ZERO });
        let (until, mut buffer) = (Instant::now() + time, Self::buffer());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // A refusal, say: the server has gone, so it has heard the last ACK or no longer cares.
            let Ok(came) = self.port.receive(&mut buffer, left) else { return Ok(()) };
            let Some(Ok(packet)) = came.map(|len| Packet::parse(&buffer[..len])) else { continue };
            if matches!(packet, Packet::Data { block, .. } if block == last) {
                self.repeat()?;
            }
        }
    }
}
