//! Where a relay's clients come in, and where it takes them: TCP to TCP, Unix streams to Unix streams, packets to packets.

use super::journal::{Conversation, Transport};
use super::recorder::Recorder;
use super::seqpackets;
use crate::conn::Conn;
use crate::context::Context;
use crate::listen::Accept;
use crate::relay::{self, Options};
use crate::unix::{Name, connect, seqpacket, stream};
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A listener, and the server behind it.
pub(super) enum Door {
    Tcp { listener: TcpListener, upstream: SocketAddr },
    Unix { listener: stream::Listener, upstream: Name },
    Packets { listener: seqpacket::Listener, upstream: Name },
}

/// Who came in.
pub(super) enum Client {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
    Packets(seqpacket::Packets),
}

/// A client and its server.
pub(super) enum Pair {
    Streams(Conn, Conn),
    Packets(seqpacket::Packets, seqpacket::Packets),
}

/// How they talk.
pub(super) struct Talk {
    transport: Transport,
    addresses: Option<(SocketAddr, SocketAddr)>,
}

impl Door {
    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Door::Tcp { listener, .. } => listener.set_nonblocking(true),
            Door::Unix { listener, .. } => listener.set_nonblocking(true),
            Door::Packets { listener, .. } => listener.set_nonblocking(true),
        }
    }

    pub(super) fn accept(&self) -> io::Result<Client> {
        match self {
            Door::Tcp { listener, .. } => listener.accept().map(|(client, peer)| Client::Tcp(client, peer)),
            Door::Unix { listener, .. } => listener.accept_one().map(|(client, _)| Client::Unix(client)),
            Door::Packets { listener, .. } => listener.accept_one().map(|(client, _)| Client::Packets(client)),
        }
    }

    /// Reaches the server for this client, within the limit. One that is not there resets a client of TCP.
    pub(super) fn connect(&self, client: Client, limit: Duration) -> io::Result<(Pair, Talk)> {
        let unix = |transport| Talk { transport, addresses: None };
        match (self, client) {
            (Door::Tcp { upstream, .. }, Client::Tcp(client, peer)) => {
                let server = TcpStream::connect_timeout(upstream, limit)
                    .inspect_err(|_| drop(SockRef::from(&client).set_linger(Some(Duration::ZERO))))?;
                let talk = Talk { transport: Transport::Tcp, addresses: Some((peer, *upstream)) };
                Ok((Pair::Streams(client.into(), server.into()), talk))
            }
            (Door::Unix { upstream, .. }, Client::Unix(client)) => {
                let within = Context::new().with_timeout(limit);
                let server = connect::stream(&within, upstream)?;
                Ok((Pair::Streams(client.into(), server.into()), unix(Transport::Unix)))
            }
            (Door::Packets { upstream, .. }, Client::Packets(client)) => {
                let server = seqpacket::Packets::connect(upstream, limit)?;
                Ok((Pair::Packets(client, server), unix(Transport::UnixPacket)))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Door::Tcp { listener, .. } => listener.as_fd(),
            Door::Unix { listener, .. } => listener.as_fd(),
            Door::Packets { listener, .. } => listener.as_fd(),
        }
    }
}

impl Pair {
    pub(super) fn carry(self, options: &Options, stop: BorrowedFd<'_>, recorder: &mut Recorder<'_>) {
        match self {
            Pair::Streams(client, server) => relay::carry(client, server, options, Some(stop), recorder),
            Pair::Packets(client, server) => seqpackets::carry(client, server, options, Some(stop), recorder),
        };
    }
}

impl Talk {
    pub(super) fn between(self, (client, server): &(String, String)) -> Conversation {
        Conversation {
            transport: self.transport,
            client: self.addresses.map(|(client, _)| client),
            server: self.addresses.map(|(_, server)| server),
            client_name: client.clone(),
            server_name: server.clone(),
        }
    }
}
