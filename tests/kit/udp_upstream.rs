//! A UDP service that the grader plays: datagrams come from whoever sends, and are answered one by one.

use crate::datagram::receive;
use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, RunQueue, Wait};
use netkata::tap::{Conversation, From, Journal, Transport};
use netkata::{error, hexdump, human};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// A bound UDP socket of the grader's. It shows itself as its address, with the scheme: `udp://127.0.0.1:40123`.
pub struct UdpUpstream {
    socket: UdpSocket,
    address: SocketAddr,
    journal: Journal,
    subject: String,
    /// The conversation with each sender.
    known: HashMap<SocketAddr, usize>,
    patience: Duration,
    queue: RunQueue,
}

impl UdpUpstream {
    /// A free port of loopback; `subject` is who will send there.
    pub fn open(subject: &str, journal: &Journal) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let (journal, subject) = (journal.clone(), subject.to_string());
        Ok(Self {
            socket,
            address,
            journal,
            subject,
            known: HashMap::new(),
            patience: PATIENCE,
            queue: RunQueue::default(),
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who has to wait for a processor in this conversation.
    pub fn queueing_at(mut self, queue: &RunQueue) -> Self {
        self.queue = queue.clone();
        self
    }

    /// How long the following expectations wait.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// Waits for a datagram; returns it and who sent it.
    pub fn receive(&mut self) -> Outcome<(Vec<u8>, SocketAddr)> {
        match self.next(Wait::new(self.patience, &self.queue))? {
            Some(came) => Ok(came),
            None => Err(Failure::new("a datagram", format!("nothing for {}", human::duration(self.patience)))),
        }
    }

    /// Waits for a datagram with exactly these octets; returns who sent it.
    pub fn expect(&mut self, expected: &[u8]) -> Outcome<SocketAddr> {
        let (got, from) = self.receive()?;
        if got == expected { Ok(from) } else { Err(Failure::octets(expected, &got, "one datagram")) }
    }

    /// Waits for `time` and expects no datagram.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        match self.next(time.into())? {
            None => Ok(()),
            Some((octets, _)) => Err(Failure::new(
                format!("silence for {}", human::duration(time)),
                format!("a datagram: \"{}\"", hexdump::text(&octets, 40)),
            )),
        }
    }

    /// Sends a datagram back to a sender.
    pub fn reply(&mut self, to: SocketAddr, octets: &[u8]) -> Outcome {
        let conversation = self.conversation(to);
        self.journal.data(conversation, From::Server, octets);
        self.socket.send_to(octets, to).map(drop).map_err(|e| unsent(&e))
    }

    /// Sends a datagram from another port than the one that was asked: what a stranger can do to any UDP client. Returns
    /// the stranger's address.
    pub fn reply_from_a_foreign_port(&mut self, to: SocketAddr, octets: &[u8]) -> Outcome<SocketAddr> {
        self.journal.note(format!("a stranger sends {} to that port", human::count(octets.len(), "octet")));
        let stranger = UdpSocket::bind("127.0.0.1:0").map_err(|e| unsent(&e))?;
        stranger.send_to(octets, to).and_then(|_| stranger.local_addr()).map_err(|e| unsent(&e))
    }

    /// From now on, what anybody sends here is refused over ICMP, as if the port were closed; it stays ours. Connected to
    /// itself, a socket lets nobody else in, and the kernel says on its behalf that there is no such port.
    pub fn refuse(&self) -> Outcome {
        self.journal.note("from now on, the port refuses datagrams");
        self.socket.connect(self.address).map_err(|e| Failure::new("a port that refuses", error::cause_text(&e)))
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn next(&mut self, wait: Wait) -> Outcome<Option<(Vec<u8>, SocketAddr)>> {
        let came = receive(&self.socket, wait)?;
        if let Some((octets, from)) = &came {
            let conversation = self.conversation(*from);
            self.journal.data(conversation, From::Client, octets);
        }
        Ok(came)
    }

    fn conversation(&mut self, with: SocketAddr) -> usize {
        let (journal, subject, address) = (&self.journal, &self.subject, self.address);
        *self.known.entry(with).or_insert_with(|| {
            journal.open(Conversation {
                transport: Transport::Udp,
                client: Some(with),
                server: Some(address),
                client_name: subject.clone(),
                server_name: "upstream".into(),
            })
        })
    }
}

impl fmt::Display for UdpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "udp://{}", self.address)
    }
}

fn unsent(e: &io::Error) -> Failure {
    Failure::new("a datagram to be sent", error::cause_text(e))
}
