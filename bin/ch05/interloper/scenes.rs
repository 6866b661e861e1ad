//! The three scenes, and what the client makes of each.

use crate::{BUFFER, outcome};
use netkata::context::{Context, Ready};
use netkata::datagram;
use netkata::error::{Attempt, NetError, Result};
use netkata::exit::say;
use netkata::hexdump;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const PARDON: &str = "pardon me";

/// One scene after the other.
pub fn play(server: SocketAddr, timeout: Duration) -> Result<()> {
    let stage = Stage { server, name: format!("udp://{server}"), timeout };
    stage.not_connected()?;
    stage.bound_first()?;
    stage.connected_first()
}

/// Where the three meet.
struct Stage {
    server: SocketAddr,
    /// The server's, for errors.
    name: String,
    timeout: Duration,
}

impl Stage {
    fn not_connected(&self) -> Result<()> {
        say("1. not connected: bind, send_to, recv_from")?;
        let client = self.bound()?;
        self.speak_first(&client)?;
        self.ask(&client, |client| client.send_to(b"ping", self.server))
    }

    // [connect]
    fn bound_first(&self) -> Result<()> {
        say("2. connected in two steps: bind, connect, send, recv")?;
        let client = self.bound()?;
        self.speak_first(&client)?;
        client.connect(self.server).attempt("connect", &self.name)?;
        say("   client is connected to the server")?;
        self.speak_in_vain(&client)?;
        self.ask(&client, |client| client.send(b"ping"))
    }

    fn connected_first(&self) -> Result<()> {
        say("3. connected at once: connect, send, recv")?;
        let client = datagram::connect_one(self.server).attempt("connect", &self.name)?;
        self.speak_in_vain(&client)?;
        self.ask(&client, |client| client.send(b"ping"))
    }
    // [/connect]

    /// A client's socket on the address that leads to the server.
    fn bound(&self) -> Result<UdpSocket> {
        let route = datagram::connect_one(self.server).and_then(|socket| socket.local_addr());
        let ip = route.attempt("connect", &self.name)?.ip();
        UdpSocket::bind((ip, 0)).attempt("listen", ip)
    }

    /// The interloper, while the client takes datagrams from anybody.
    fn speak_first(&self, client: &UdpSocket) -> Result<()> {
        let stranger = self.stranger(client)?;
        stranger.send(PARDON.as_bytes()).attempt("write", "the client")?;
        // It is in the client's receive buffer: what the client does now comes too late.
        match Context::new().with_timeout(self.timeout).wait_readable(client).attempt("poll", "the client")? {
            Ready::Socket => Ok(()),
            Ready::Ended(cause) => Err(NetError::new("write", "the client", cause.into())),
        }
    }

    /// The interloper, when the client's kernel knows better.
    fn speak_in_vain(&self, client: &UdpSocket) -> Result<()> {
        let stranger = self.stranger(client)?;
        stranger.send(PARDON.as_bytes()).attempt("write", "the client")?;
        say(format_args!("   {}", outcome(&stranger, self.timeout).attempt("read", "the client")?))
    }

    fn stranger(&self, client: &UdpSocket) -> Result<UdpSocket> {
        let at = client.local_addr().attempt("listen", "")?;
        let stranger = datagram::connect_one(at).attempt("connect", at)?;
        let from = stranger.local_addr().attempt("connect", at)?;
        say(format_args!("   interloper {from} sends \"{PARDON}\" to client {at}"))?;
        Ok(stranger)
    }

    /// The client asks, and takes what comes until it is the server's.
    fn ask(&self, client: &UdpSocket, send: impl FnOnce(&UdpSocket) -> io::Result<usize>) -> Result<()> {
        let (server, until, mut buffer) = (self.server, Instant::now() + self.timeout, [0; BUFFER]);
        say(format_args!("   client sends \"ping\" to server {server}"))?;
        send(client).attempt("write", &self.name)?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NetError::new("read", &self.name, ErrorKind::WouldBlock.into()));
            }
            client.set_read_timeout(Some(left)).attempt("read", &self.name)?;
            let (n, from) = client.recv_from(&mut buffer).attempt("read", &self.name)?;
            let who = if from == server { "the server" } else { "a stranger" };
            say(format_args!("   client receives \"{}\" from {from}, {who}", hexdump::text(&buffer[..n], BUFFER)))?;
            if from == server {
                return Ok(());
            }
        }
    }
}
