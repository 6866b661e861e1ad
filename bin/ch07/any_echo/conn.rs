//! What an echo needs of a connection, and how three kinds of connection do it.

use netkata::deadline::Timeouts;
use netkata::human::{count, thousands};
use netkata::unix::seqpacket::{Packets, Received};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

// [conn]
/// A connection, whatever carries it.
pub trait Conn {
    /// Limits every wait to `idle`, so that a silent peer, or one that does not read, ends as a timeout.
    fn set_up(&self, idle: Duration) -> io::Result<()>;

    /// Waits for octets of a stream, or for one packet. `None` is the end: the peer will send no more.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Sends all of it, or fails. What [`Conn::receive`] gave as one packet leaves as one.
    fn send(&self, octets: &[u8]) -> io::Result<()>;

    /// Ends the conversation, so that the peer can still read what it was sent.
    fn finish(&self);
}
// [/conn]

impl Conn for TcpStream {
    fn set_up(&self, idle: Duration) -> io::Result<()> {
        // Nagle's algorithm would hold small echoes back until the last one is acknowledged (RFC 896). Only TCP has it.
        self.set_nodelay(true)?;
        limit(self, idle)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        receive_some(self, buffer)
    }

    fn send(&self, octets: &[u8]) -> io::Result<()> {
        let mut stream = self;
        stream.write_all(octets)
    }

    fn finish(&self) {
        // It fails when the peer has gone already.
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Conn for UnixStream {
    fn set_up(&self, idle: Duration) -> io::Result<()> {
        limit(self, idle)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        receive_some(self, buffer)
    }

    fn send(&self, octets: &[u8]) -> io::Result<()> {
        let mut stream = self;
        stream.write_all(octets)
    }

    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Conn for Packets {
    fn set_up(&self, idle: Duration) -> io::Result<()> {
        limit(self, idle)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match Packets::receive(self, buffer)? {
            Received::End => Ok(None),
            // An empty packet is a packet. Of a stream, a read of nothing is the end.
            Received::Packet { len, whole } if whole == len => Ok(Some(len)),
            Received::Packet { len, whole } => {
                let why = format!("a packet of {}, longer than {}", count(whole, "octet"), thousands(len));
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
        }
    }

    fn send(&self, octets: &[u8]) -> io::Result<()> {
        Packets::send(self, octets)
    }

    fn finish(&self) {
        // To close with packets unread would be a reset, which the peer learns of before it reads its echoes. After a shutdown
        // it can send no more, so what is left to read has an end.
        if self.shutdown(Shutdown::Both).is_ok() {
            while let Ok(Received::Packet { .. }) = Packets::receive(self, &mut []) {}
        }
    }
}

fn limit(conn: &impl Timeouts, idle: Duration) -> io::Result<()> {
    conn.read_timeout(Some(idle))?;
    conn.write_timeout(Some(idle))
}

/// What the stream has by now. A program that was stopped and goes on (Ctrl-Z, then fg) finds its read interrupted, without any
/// handler (signal(7)): that is no reason to end a conversation.
fn receive_some(mut stream: impl Read, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(len) => return Ok(Some(len)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
