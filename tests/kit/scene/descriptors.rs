//! Connections that change hands: the grader makes one to give away, or goes on with one that it was given.

use super::{Scene, refused};
use crate::failure::{Failure, Outcome};
use crate::stream::Stream;
use crate::talk::Talk;
use netkata::tap::From;
use socket2::SockRef;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

impl Scene {
    /// A TCP connection of the grader's: the client's end as a conversation, and the server's end, to be handed to the
    /// subject. Who drops the second while nobody else has it has closed the connection.
    pub fn connection(&mut self) -> Outcome<(Talk, TcpStream)> {
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            Ok((client, listener.accept()?.0))
        };
        let (client, server) = pair().map_err(|e: std::io::Error| refused("ourselves", &e))?;
        Ok((self.scribe("client").talk(Stream::Tcp(client), From::Client), server))
    }

    /// Goes on with a connected TCP socket that the subject handed over: the conversation with whoever is at its other end.
    pub fn take_over(&mut self, descriptor: OwnedFd) -> Outcome<Talk> {
        let socket = SockRef::from(&descriptor);
        let peer = socket.peer_addr().ok().and_then(|address| address.as_socket());
        if peer.is_none() {
            return Err(Failure::new("the descriptor of a connected TCP socket", "that of something else"));
        }
        // This flag is the socket's, not the descriptor's: whoever had it before may have left it so.
        socket.set_nonblocking(false).map_err(|e| refused("a handed-over socket", &e))?;
        Ok(self.scribe("grader").talk(Stream::Tcp(descriptor.into()), From::Server))
    }
}
