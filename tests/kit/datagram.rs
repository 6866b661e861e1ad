//! One conversation of a check over UDP: datagrams sent and expected, one by one.

use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, RunQueue, Wait};
use netkata::tap::{Conversation, From, Journal, Transport};
use netkata::{hexdump, human};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// A UDP socket that talks to one subject.
pub struct Datagrams {
    socket: UdpSocket,
    peer: SocketAddr,
    journal: Journal,
    conversation: usize,
    patience: Duration,
    queue: RunQueue,
}

impl Datagrams {
    /// A fresh socket on loopback for a dialogue with `peer`.
    pub fn open(peer: SocketAddr, name: &str, journal: &Journal) -> io::Result<Self> {
        Self::open_from(SocketAddr::new(peer.ip(), 0), peer, name, journal)
    }

    /// As [`Datagrams::open`], from an address of the check's choice.
    pub fn open_from(ours: SocketAddr, peer: SocketAddr, name: &str, journal: &Journal) -> io::Result<Self> {
        let socket = UdpSocket::bind(ours)?;
        let conversation = journal.open(Conversation {
            transport: Transport::Udp,
            client: socket.local_addr().ok(),
            server: Some(peer),
            client_name: "grader".into(),
            server_name: name.into(),
        });
        Ok(Self {
            socket,
            peer,
            journal: journal.clone(),
            conversation,
            patience: PATIENCE,
            queue: RunQueue::default(),
        })
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

    /// Sends one datagram.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, From::Client, octets);
        let sent = self.socket.send_to(octets, self.peer);
        sent.map(drop).map_err(|e| Failure::new("a datagram to be sent", netkata::error::cause_text(&e)))
    }

    /// Waits for one datagram, from the subject's address, with exactly these octets.
    pub fn expect(&mut self, expected: &[u8]) -> Outcome {
        let got = self.receive()?;
        if got == expected { Ok(()) } else { Err(Failure::octets(expected, &got, "one datagram")) }
    }

    /// Waits for one datagram from the subject's address.
    pub fn receive(&mut self) -> Outcome<Vec<u8>> {
        match self.next(Wait::new(self.patience, &self.queue))? {
            Some((octets, from)) if from == self.peer => Ok(octets),
            Some((_, from)) => Err(Failure::new(format!("an answer from {}", self.peer), format!("one from {from}"))),
            None => Err(Failure::new("a datagram", format!("nothing for {}", human::duration(self.patience)))),
        }
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

    fn next(&mut self, wait: Wait) -> Outcome<Option<(Vec<u8>, SocketAddr)>> {
        let came = receive(&self.socket, wait)?;
        if let Some((octets, _)) = &came {
            self.journal.data(self.conversation, From::Server, octets);
        }
        Ok(came)
    }
}

/// The next datagram and its sender, if one comes while `wait` lasts.
pub(crate) fn receive(socket: &UdpSocket, mut wait: Wait) -> Outcome<Option<(Vec<u8>, SocketAddr)>> {
    let mut buffer = vec![0; 65_536];
    loop {
        let Some(left) = wait.left() else { return Ok(None) };
        let _ = socket.set_read_timeout(Some(left));
        match socket.recv_from(&mut buffer) {
            Ok((n, from)) => {
                buffer.truncate(n);
                return Ok(Some((buffer, from)));
            }
            Err(e) if netkata::error::is_timeout(&e) || e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::new("a datagram", netkata::error::cause_text(&e))),
        }
    }
}

/// Addresses and refusals.
impl Datagrams {
    /// Our own address.
    pub fn address(&self) -> Outcome<SocketAddr> {
        self.socket.local_addr().map_err(|e| Failure::new("an address", netkata::error::cause_text(&e)))
    }

    /// Sends one datagram, which the other side refuses over ICMP. The kernel tells only a socket that is connected, so from
    /// now on this one is.
    pub fn expect_refusal(&mut self, octets: &[u8]) -> Outcome {
        let connected = self.socket.connect(self.peer);
        connected.map_err(|e| Failure::new("a socket with one peer", netkata::error::cause_text(&e)))?;
        self.send(octets)?;
        let _ = self.socket.set_read_timeout(Some(self.patience));
        let got = match self.socket.recv(&mut [0; 1]) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                self.journal.note("refused");
                return Ok(());
            }
            Err(e) if netkata::error::is_timeout(&e) => format!("nothing for {}", human::duration(self.patience)),
            Err(e) => netkata::error::cause_text(&e),
            Ok(_) => "a datagram".into(),
        };
        Err(Failure::new("a refusal", got))
    }
}

/// Answers from another port than the one that was asked.
impl Datagrams {
    /// Whom this conversation is with at the moment.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// From now on it is with this one.
    pub fn turn_to(&mut self, peer: SocketAddr) {
        self.peer = peer;
    }

    /// Waits for one datagram, whoever sends it.
    pub fn receive_from_anybody(&mut self) -> Outcome<(Vec<u8>, SocketAddr)> {
        let came = self.next(Wait::new(self.patience, &self.queue))?;
        came.ok_or_else(|| Failure::new("a datagram", format!("nothing for {}", human::duration(self.patience))))
    }

    /// A fresh socket for a conversation with the same peer.
    pub fn neighbour(&self, name: &str) -> Outcome<Self> {
        let opened = Self::open(self.peer, name, &self.journal).map(|socket| socket.queueing_at(&self.queue));
        opened.map_err(|e| Failure::new("a UDP socket", netkata::error::cause_text(&e)))
    }

    /// What it takes to send from another thread: nothing of that is written down.
    pub fn sender(&self) -> Outcome<(UdpSocket, SocketAddr)> {
        let socket = self.socket.try_clone();
        let socket = socket.map_err(|e| Failure::new("a second handle", netkata::error::cause_text(&e)))?;
        Ok((socket, self.peer))
    }

    /// As [`Datagrams::send`], and not written down.
    pub fn send_unseen(&mut self, octets: &[u8]) -> Outcome {
        let sent = self.socket.send_to(octets, self.peer);
        sent.map(drop).map_err(|e| Failure::new("a datagram to be sent", netkata::error::cause_text(&e)))
    }

    /// As [`Datagrams::receive`], and not written down.
    pub fn receive_unseen(&mut self) -> Outcome<Vec<u8>> {
        match receive(&self.socket, Wait::new(self.patience, &self.queue))? {
            Some((octets, from)) if from == self.peer => Ok(octets),
            Some((_, from)) => Err(Failure::new(format!("an answer from {}", self.peer), format!("one from {from}"))),
            None => Err(Failure::new("a datagram", format!("nothing for {}", human::duration(self.patience)))),
        }
    }

    /// The next datagram, if one comes within `time`.
    pub fn overhear(&mut self, time: Duration) -> Outcome<Option<Vec<u8>>> {
        Ok(self.next(time.into())?.map(|(octets, _)| octets))
    }

    /// What came is written down after all.
    pub fn write_down(&self, octets: &[u8]) {
        self.journal.data(self.conversation, From::Server, octets);
    }
}
