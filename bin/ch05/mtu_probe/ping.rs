//! ICMP echoes that may not be split (RFC 792, RFC 4443): what ping(8) does with `-M do`.

use crate::search::{filling, is_too_long};
use netkata::error::{Attempt, Result, is_timeout};
use netkata::exit;
use netkata::human::count;
use netkata::sys::path_mtu::{never_split, path_mtu};
use netkata::wire::checksum;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Where things are in an echo, in octets.
mod field {
    use super::Range;

    pub const KIND: usize = 0;
    pub const CHECKSUM: Range<usize> = 2..4;
    pub const IDENTIFIER: Range<usize> = 4..6;
    pub const SEQUENCE: Range<usize> = 6..8;
    pub const HEADER: usize = 8;
}

/// How often to ask with the same length: one echo may be lost for any reason.
const TRIES: usize = 2;

/// A socket for echoes to one host.
pub struct Pinger {
    socket: Socket,
    /// A raw socket gets every ICMP packet of that host, over IPv4 with its IP header.
    raw: bool,
    ipv6: bool,
    peer: SocketAddr,
    identifier: u16,
    sequence: u16,
}

/// What came of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Echo,
    TooLong,
    Nothing,
}

impl Pinger {
    /// An ICMP socket for datagrams where this system gives one to its users (icmp(7)), or else a raw one, which is for root.
    pub fn open(peer: SocketAddr) -> io::Result<Self> {
        let (domain, protocol, ipv6) = match peer {
            SocketAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, false),
            SocketAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, true),
        };
        let (socket, raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, false),
            Err(_) => (Socket::new(domain, Type::RAW, Some(protocol))?, true),
        };
        let mut host = peer;
        // ICMP has no ports.
        host.set_port(0);
        socket.connect(&host.into())?;
        never_split(&socket, ipv6)?;
        Ok(Self { socket, raw, ipv6, peer, identifier: fastrand::u16(..), sequence: 0 })
    }

    /// The longest data of an echo that is answered, from `least` to `most`; nothing when not even the least is.
    pub fn longest(&mut self, least: usize, most: usize, patience: Duration) -> Result<Option<usize>> {
        if self.ask(least, patience)? != Answer::Echo {
            return Ok(None);
        }
        let (mut fits, mut fails) = (least, most + 1);
        // The most is what this host believes: mostly it is right.
        let mut next = most;
        while fails - fits > 1 {
            match self.ask(next, patience)? {
                Answer::Echo => fits = next,
                Answer::TooLong | Answer::Nothing => fails = next,
            }
            // A router that says "too long" says how long would do; otherwise, the middle.
            let told = self.believed().filter(|told| fits < *told && *told < fails);
            next = told.unwrap_or(fits + (fails - fits) / 2);
        }
        Ok(Some(fits))
    }

    /// The longest data, by what this host knows of the path now.
    fn believed(&self) -> Option<usize> {
        let ip = if self.ipv6 { 40 } else { 20 };
        path_mtu(&self.socket, self.ipv6).ok()?.checked_sub(ip + field::HEADER)
    }

    fn ask(&mut self, len: usize, patience: Duration) -> Result<Answer> {
        let mut answer = Answer::Nothing;
        for _ in 0..TRIES {
            answer = self.echo(len, patience).attempt("ping", self.peer.ip())?;
            if answer != Answer::Nothing {
                break;
            }
        }
        let said = match answer {
            Answer::Echo => "answered",
            Answer::TooLong => "too long",
            Answer::Nothing => "no answer",
        };
        exit::say(format_args!("ping with {} of data: {said}", count(len, "octet")))?;
        Ok(answer)
    }

    fn echo(&mut self, len: usize, patience: Duration) -> io::Result<Answer> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = self.request(len);
        match self.socket.send(&request) {
            Ok(_) => {}
            Err(e) if is_too_long(&e) => return Ok(Answer::TooLong),
            Err(e) => return Err(e),
        }
        let until = Instant::now() + patience;
        // Room for an IP header with all its options.
        let mut buffer = vec![0; request.len() + 60];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Answer::Nothing);
            }
            self.socket.set_read_timeout(Some(left))?;
            match (&self.socket).read(&mut buffer) {
                Ok(n) if self.is_reply(&buffer[..n], &request) => return Ok(Answer::Echo),
                // A raw socket sees what is meant for others, too: our own requests, on loopback.
                Ok(_) => {}
                Err(e) if is_too_long(&e) => return Ok(Answer::TooLong),
                Err(e) if is_timeout(&e) || e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Type 8 over IPv4, 128 over IPv6. The kernel makes the checksum of IPv6, which counts the addresses.
    fn request(&self, len: usize) -> Vec<u8> {
        let mut octets = [vec![0; field::HEADER], filling(len)].concat();
        octets[field::KIND] = if self.ipv6 { 128 } else { 8 };
        octets[field::IDENTIFIER].copy_from_slice(&self.identifier.to_be_bytes());
        octets[field::SEQUENCE].copy_from_slice(&self.sequence.to_be_bytes());
        let sum = checksum::of(&octets);
        octets[field::CHECKSUM].copy_from_slice(&sum.to_be_bytes());
        octets
    }

    /// Type 0, or 129; the rest is as it was, but for the identifier of a socket for datagrams, which the kernel chooses.
    fn is_reply(&self, packet: &[u8], request: &[u8]) -> bool {
        let header =
            if self.raw && !self.ipv6 { packet.first().map_or(0, |first| usize::from(first & 0xf) * 4) } else { 0 };
        let Some(reply) = packet.get(header..).filter(|reply| reply.len() == request.len()) else { return false };
        let kind = if self.ipv6 { 129 } else { 0 };
        let own = !self.raw || reply[field::IDENTIFIER] == request[field::IDENTIFIER];
        own && reply[field::KIND] == kind && reply[field::SEQUENCE.start..] == request[field::SEQUENCE.start..]
    }
}
