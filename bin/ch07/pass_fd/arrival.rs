//! The taker's half of a hand-over: a line, and the descriptor of a connected TCP socket.

use crate::{LINE, lines};
use netkata::conn::Conn;
use netkata::deadline::Timeouts;
use netkata::unix::pass;
use socket2::{SockRef, Type};
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A connection that has changed hands.
pub struct Arrival {
    pub client: TcpStream,
    pub ship: String,
}

/// Reads up to the LF, and looks at each descriptor as it comes. What is not wanted is closed by its drop, at once.
pub fn receive(giver: &Conn, limit: Duration) -> io::Result<Arrival> {
    let until = Instant::now() + limit;
    let (mut line, mut len, mut client) = ([0; LINE], 0, None);
    let end = loop {
        giver.read_timeout(Some(left(until)?))?;
        let parcel = pass::receive(giver, &mut line[len..])?;
        if parcel.cut {
            return Err(wrong("more descriptors than may be open here"));
        }
        for descriptor in parcel.descriptors {
            if client.replace(connection(descriptor)?).is_some() {
                return Err(wrong("more than one descriptor"));
            }
        }
        len += parcel.len;
        match line[..len].iter().position(|&octet| octet == b'\n') {
            Some(end) => break end,
            None if parcel.len == 0 => return Err(wrong("closed in the middle of the line")),
            None if len == LINE => return Err(wrong("the line is too long")),
            None => {}
        }
    };
    let client = client.ok_or_else(|| wrong("no descriptor"))?;
    Ok(Arrival { client, ship: name(&line[..end])? })
}

/// Whatever a descriptor is, the kernel hands it over. This is for connected TCP sockets alone.
fn connection(descriptor: OwnedFd) -> io::Result<TcpStream> {
    let socket = SockRef::from(&descriptor);
    let kind = socket.r#type().map_err(|_| wrong("no socket"))?;
    let peer = socket.peer_addr().map_err(|_| wrong("a socket that is not connected"))?;
    if kind != Type::STREAM || peer.as_socket().is_none() {
        return Err(wrong("no TCP connection"));
    }
    // The descriptor is ours; the mode and the options are the socket's, as the giver left them. Its own deadlines may have made
    // it non-blocking (O_NONBLOCK belongs to what dup(2) shares, fcntl(2)); a linger time of zero would make our close a reset.
    socket.set_nonblocking(false)?;
    socket.set_linger(None)?;
    socket.set_tcp_nodelay(true)?;
    Ok(descriptor.into())
}

fn name(line: &[u8]) -> io::Result<String> {
    match std::str::from_utf8(lines::without_end(line)) {
        Ok(name) if !name.trim().is_empty() && !name.contains(char::is_control) => Ok(name.trim().into()),
        _ => Err(wrong("the line is no name")),
    }
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
