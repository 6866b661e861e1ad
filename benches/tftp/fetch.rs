//! The client that measures: as little as RFC 1350 and its options allow, and every octet compared.
//!
//! A lost datagram does not end it: it sends its last packet again, and tells how often.

use netkata::error::is_timeout;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Without an answer for so long, the last packet is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// So often in a row at the most.
const SENDS: u32 = 20;
/// Room for several windows, where the system allows it.
const BUFFER: usize = 4 << 20;
const RRQ: u8 = 1;
const DATA: u8 = 3;
const ACK: u8 = 4;
const ERROR: u8 = 5;
const OACK: u8 = 6;
const DEFAULT_BLOCK: usize = 512;
const HEADER: usize = 4;

/// How a file is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    /// 512 is asked for by asking for nothing.
    pub(crate) blksize: usize,
    /// One block a window is asked for by asking for nothing.
    pub(crate) windowsize: usize,
}

/// What came of it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Got {
    /// Packets that this client sent again.
    pub(crate) resent: u64,
    /// What the server granted.
    pub(crate) blksize: usize,
    pub(crate) windowsize: usize,
}

/// One transfer.
struct Fetch<'a> {
    socket: UdpSocket,
    expected: &'a [u8],
    /// Octets that are here.
    have: usize,
    /// The last block that came in order.
    block: u16,
    /// Blocks since the last ACK.
    unacknowledged: usize,
    /// The last packet, to be sent again.
    last: Vec<u8>,
    /// A block is missing, and the server was told.
    told: bool,
    got: Got,
}

/// Fetches a file, which must be `expected`.
pub(crate) fn fetch(server: SocketAddr, name: &str, ask: Ask, expected: &[u8]) -> io::Result<Got> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER)?;
    socket.set_read_timeout(Some(AGAIN))?;
    let got = Got { resent: 0, blksize: DEFAULT_BLOCK, windowsize: 1 };
    let (last, block) = (request(name, ask), 0);
    let mut fetch = Fetch { socket, expected, have: 0, block, unacknowledged: 0, last, told: false, got };
    let mut buffer = vec![0; HEADER + ask.blksize.max(DEFAULT_BLOCK) + 1];
    let mut len = fetch.first(server, &mut buffer)?;
    while !fetch.take(&buffer[..len])? {
        len = fetch.next(&mut buffer)?;
    }
    if fetch.have == expected.len() { Ok(fetch.got) } else { Err(wrong("the file is too short")) }
}

fn request(name: &str, ask: Ask) -> Vec<u8> {
    let mut packet = vec![0, RRQ];
    let (blksize, windowsize) = (ask.blksize.to_string(), ask.windowsize.to_string());
    let mut words = vec![name, "octet"];
    if ask.blksize != DEFAULT_BLOCK {
        words.extend(["blksize", &blksize]);
    }
    if ask.windowsize > 1 {
        words.extend(["windowsize", &windowsize]);
    }
    for word in words {
        packet.extend(word.bytes());
        packet.push(0);
    }
    packet
}

impl Fetch<'_> {
    /// Asks until somebody answers: from a port of its own, which the socket keeps to from then on.
    fn first(&mut self, server: SocketAddr, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..SENDS {
            self.socket.send_to(&self.last, server)?;
            match self.socket.recv_from(buffer) {
                Ok((len, from)) => return self.socket.connect(from).map(|()| len),
                Err(e) if is_timeout(&e) => self.got.resent += 1,
                Err(e) => return Err(e),
            }
        }
        Err(wrong("no answer"))
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..SENDS {
            match self.socket.recv(buffer) {
                Err(e) if is_timeout(&e) => {
                    self.got.resent += 1;
                    self.unacknowledged = 0;
                    self.socket.send(&self.last)?;
                }
                other => return other,
            }
        }
        Err(wrong("no more answers"))
    }

    /// Says whether that was the end.
    fn take(&mut self, packet: &[u8]) -> io::Result<bool> {
        match packet {
            [0, DATA, high, low, payload @ ..] => self.data(u16::from_be_bytes([*high, *low]), payload),
            [0, OACK, options @ ..] if self.have == 0 && self.block == 0 => {
                self.agree(options)?;
                self.acknowledge().map(|()| false)
            }
            [0, OACK, ..] => Ok(false),
            [0, ERROR, _, _, text @ ..] => Err(wrong(&format!("ERROR: {}", String::from_utf8_lossy(text)))),
            _ => Err(wrong("a packet that is none")),
        }
    }

    fn data(&mut self, block: u16, payload: &[u8]) -> io::Result<bool> {
        if block != self.block.wrapping_add(1) {
            // An old one again is not answered (RFC 1123, section 4.2.3.1); a gap is, once (RFC 7440, section 4).
            let ahead = usize::from(block.wrapping_sub(self.block)) <= self.got.windowsize;
            if ahead && !self.told {
                self.told = true;
                self.got.resent += 1;
                self.acknowledge()?;
            }
            return Ok(false);
        }
        if self.expected.get(self.have..self.have + payload.len()) != Some(payload) {
            return Err(wrong("other octets than the file's"));
        }
        self.have += payload.len();
        (self.block, self.told) = (block, false);
        self.unacknowledged += 1;
        let end = payload.len() < self.got.blksize;
        if end || self.unacknowledged >= self.got.windowsize {
            self.acknowledge()?;
        } else {
            // What a timeout would send.
            self.last = self.ack().to_vec();
        }
        Ok(end)
    }

    fn ack(&self) -> [u8; HEADER] {
        let [high, low] = self.block.to_be_bytes();
        [0, ACK, high, low]
    }

    fn acknowledge(&mut self) -> io::Result<()> {
        self.unacknowledged = 0;
        let ack = self.ack();
        self.last.clear();
        self.last.extend(ack);
        self.socket.send(&ack).map(drop)
    }

    fn agree(&mut self, options: &[u8]) -> io::Result<()> {
        let words: Vec<&str> =
            options.split(|o| *o == 0).map(|word| str::from_utf8(word).unwrap_or_default()).collect();
        for pair in words.chunks_exact(2) {
            let number = pair[1].parse().map_err(|_| wrong(&format!("OACK: {} {:?}", pair[0], pair[1])));
            match pair[0].to_ascii_lowercase().as_str() {
                "blksize" => self.got.blksize = number?,
                "windowsize" => self.got.windowsize = number?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(what.to_string())
}
