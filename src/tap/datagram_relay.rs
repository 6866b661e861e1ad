//! A relay for datagrams that writes a journal, as [`super::relay`] does for connections.
//!
//! A client is a conversation, whichever of the server's ports it talks to: a transfer over TFTP, which moves to a port of its
//! own after the request, stays one.

use super::journal::{Conversation, Journal, Kind, Transport};
use crate::context::Context;
use crate::datagram::canonical;
use crate::relay::From;
use crate::relay::datagrams::{Hook, Limits, Verdict, carry};
use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::{self, JoinHandle};

/// A running relay. Dropping it stops it.
#[derive(Debug)]
pub struct DatagramRelay {
    address: SocketAddr,
    stop: Context,
    thread: Option<JoinHandle<()>>,
}

impl DatagramRelay {
    /// Binds a free port of 127.0.0.1 and carries each client's datagrams to `upstream`, and the answers back. In the journal
    /// the two sides are called `names`, the client first.
    ///
    /// # Errors
    /// When there is no port, descriptor or thread left.
    pub fn start(journal: &Journal, upstream: SocketAddr, names: (&str, &str)) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, stop) = (socket.local_addr()?, Context::new());
        let names = (names.0.to_string(), names.1.to_string());
        let mut hook = Journalist { journal: journal.clone(), upstream, names, known: HashMap::new() };
        let until = stop.clone();
        let thread = thread::Builder::new().name("datagrams".into()).spawn(move || {
            if let Err(e) = carry(&socket, upstream, &Limits::default(), &mut hook, &until) {
                hook.journal.note(format!("the relay's socket failed: {e}"));
            }
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops at once. What was on its way has been written down.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for DatagramRelay {
    fn drop(&mut self) {
        self.end();
    }
}

struct Journalist {
    journal: Journal,
    upstream: SocketAddr,
    names: (String, String),
    /// The conversation with each client.
    known: HashMap<SocketAddr, usize>,
}

impl Hook for Journalist {
    type Path = usize;

    fn begin(&mut self, client: SocketAddr, _: SocketAddr, _: Option<&usize>) -> usize {
        let (journal, upstream, names) = (&self.journal, self.upstream, &self.names);
        *self.known.entry(client).or_insert_with(|| {
            journal.open(Conversation {
                transport: Transport::Udp,
                client: Some(canonical(client)),
                server: Some(upstream),
                client_name: names.0.clone(),
                server_name: names.1.clone(),
            })
        })
    }

    fn datagram(&mut self, conversation: &mut usize, from: From, octets: &[u8]) -> Verdict {
        self.journal.data(*conversation, from, octets);
        Verdict::Pass
    }

    fn refused(&mut self, conversation: &mut usize, from: From) {
        self.journal.event(*conversation, Kind::Reset(from));
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        self.journal.note(format!("{whose}: not carried: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        socket
    }

    /// A server that answers from another port, and is spoken to there: one conversation.
    #[test]
    fn a_transfer_is_one_conversation() {
        let (journal, asked, answers, ship) = (Journal::new(100), socket(), socket(), socket());
        let upstream = asked.local_addr().expect("address");
        let relay = DatagramRelay::start(&journal, upstream, ("ship", "quay")).expect("relay");
        let mut buffer = [0; 16];
        ship.send_to(b"read", relay.addr()).expect("send");
        let (_, from) = asked.recv_from(&mut buffer).expect("request");
        answers.send_to(b"data", from).expect("send");
        let (n, door) = ship.recv_from(&mut buffer).expect("data");
        assert_eq!(&buffer[..n], b"data");
        assert_ne!(door, relay.addr());
        ship.send_to(b"ack", door).expect("send");
        let (n, _) = answers.recv_from(&mut buffer).expect("ack");
        assert_eq!(&buffer[..n], b"ack");
        relay.stop();
        let said: Vec<Kind> = journal.events().into_iter().map(|e| e.kind).collect();
        let data = |from, octets: &[u8]| Kind::Data(from, octets.to_vec());
        let told = [Kind::Open, data(From::Client, b"read"), data(From::Server, b"data"), data(From::Client, b"ack")];
        assert_eq!(said, told);
    }
}
