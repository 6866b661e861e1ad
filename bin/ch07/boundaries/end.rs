//! One end of a pair: what a read of no octets means to each kind of socket.

use netkata::unix::seqpacket::{Packets, Received};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

/// One end of a pair.
pub trait End: AsFd {
    /// Reads once. `None`: the end, after which nothing more can come.
    fn take(&self, buffer: &mut [u8]) -> io::Result<Option<usize>>;
}

// [reads]
impl End for UnixStream {
    fn take(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // A stream has no empty messages: a read of no octets is the end.
        Ok(Some((&*self).read(buffer)?).filter(|octets| *octets > 0))
    }
}
impl End for UnixDatagram {
    fn take(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // Datagrams have no end: a read of no octets is an empty datagram.
        Ok(Some(self.recv(buffer)?))
    }
}
impl End for Packets {
    fn take(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // Packets can be empty, and they have an end: read(2) does not tell which it was, recvmsg(2) can be made to.
        Ok(if let Received::Packet { len, .. } = self.receive(buffer)? { Some(len) } else { None })
    }
}
// [/reads]
