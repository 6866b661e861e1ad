//! A TFTP server that the grader plays, packet by packet: requests come to its port, and every transfer has one of its own.

use crate::datagram::receive;
use crate::failure::{Failure, Outcome};
use crate::patience::{PATIENCE, RunQueue, Wait};
use netkata::tap::{Conversation, From, Journal, Transport};
use netkata::tftp::{Block, ErrorCode, Mode, Opcode, Options, Packet, Request};
use netkata::{error, hexdump, human};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The port that requests go to. It shows itself as `127.0.0.1:40123`.
pub struct TftpServer {
    socket: UdpSocket,
    address: SocketAddr,
    journal: Journal,
    subject: String,
    patience: Duration,
    queue: RunQueue,
    /// The conversation with the port that asked last.
    known: Option<(SocketAddr, usize)>,
}

/// A transfer: a fresh port of the grader's, and the client's port.
pub struct Transfer {
    socket: UdpSocket,
    client: SocketAddr,
    journal: Journal,
    conversation: usize,
    patience: Duration,
    queue: RunQueue,
    /// The request, as it came.
    pub request: Vec<u8>,
}

impl TftpServer {
    /// A free port of this address; `subject` is who will ask there.
    pub fn open(ip: IpAddr, subject: &str, journal: &Journal) -> io::Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        let address = socket.local_addr()?;
        let (journal, subject) = (journal.clone(), subject.to_string());
        Ok(Self { socket, address, journal, subject, patience: PATIENCE * 2, queue: RunQueue::default(), known: None })
    }

    /// Who has to wait for a processor in this conversation.
    pub fn queueing_at(mut self, queue: &RunQueue) -> Self {
        self.queue = queue.clone();
        self
    }

    /// Waits for a read request, with or without options; the transfer's port is ready.
    pub fn request(&mut self) -> Outcome<Transfer> {
        let (octets, client) = self.next()?;
        match Packet::parse(&octets) {
            Ok(Packet::Rrq(_)) => self.transfer(octets, client),
            Ok(other) => Err(Failure::new("a read request (RRQ)", format!("{} came", other.opcode()))),
            Err(fault) => Err(Failure::new("a read request (RRQ)", fault.to_string())),
        }
    }

    /// Waits for the request for this file, octet by octet. The order of options means nothing; here it is the one that is
    /// given.
    pub fn expect_request(&mut self, name: &str, options: &Options) -> Outcome<Transfer> {
        let (got, client) = self.next()?;
        let texts = options.texts();
        let options = netkata::tftp::pairs(&texts);
        let request = Request { filename: name.as_bytes(), mode: Mode::Octet.name().as_bytes(), options };
        let expected = emitted(&Packet::Rrq(request))?;
        // A mode may be written in upper or lower case; nobody does, and the RFC's examples do not.
        if got == expected { self.transfer(got, client) } else { Err(Failure::octets(&expected, &got, "one datagram")) }
    }

    /// Waits for `time`, and nobody asks again.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        match receive(&self.socket, time.into())? {
            None => {
                self.journal.note(format!("silence for {}, as it should be", human::duration(time)));
                Ok(())
            }
            Some((octets, from)) => Err(self.too_much(&octets, from, time)),
        }
    }

    fn next(&mut self) -> Outcome<(Vec<u8>, SocketAddr)> {
        loop {
            let Some((octets, from)) = receive(&self.socket, Wait::new(self.patience, &self.queue))? else {
                return Err(nothing("a read request (RRQ)", self.patience));
            };
            // The port may have been another's a moment ago, and a block for that one late: nobody sends DATA to a server
            // that it asks.
            if octets.starts_with(&(Opcode::Data as u16).to_be_bytes()) {
                continue;
            }
            self.heard(&octets, from);
            return Ok((octets, from));
        }
    }

    fn heard(&mut self, octets: &[u8], from: SocketAddr) {
        let conversation = match self.known {
            Some((known, conversation)) if known == from => conversation,
            _ => open(&self.journal, &self.subject, "grader", from, self.address),
        };
        self.known = Some((from, conversation));
        self.journal.data(conversation, From::Client, octets);
    }

    fn too_much(&mut self, octets: &[u8], from: SocketAddr, time: Duration) -> Failure {
        self.heard(octets, from);
        unwanted(octets, time)
    }

    fn transfer(&self, request: Vec<u8>, client: SocketAddr) -> Outcome<Transfer> {
        let socket = UdpSocket::bind((self.address.ip(), 0)).map_err(|e| unable(&e))?;
        let port = socket.local_addr().map_err(|e| unable(&e))?;
        let conversation = open(&self.journal, &self.subject, "grader", client, port);
        let (journal, patience, queue) = (self.journal.clone(), PATIENCE, self.queue.clone());
        Ok(Transfer { socket, client, journal, conversation, patience, queue, request })
    }
}

impl Transfer {
    /// Somebody else at this machine who knows the client's port, and has no part in the transfer.
    pub fn stranger(&self) -> Outcome<Transfer> {
        self.stranger_at(IpAddr::from([127, 0, 0, 1]))
    }

    /// As [`Transfer::stranger`], at another address.
    pub fn stranger_at(&self, ip: IpAddr) -> Outcome<Transfer> {
        let open_port = || {
            let socket = UdpSocket::bind((ip, 0))?;
            let conversation = open(&self.journal, "program", "stranger", self.client, socket.local_addr()?);
            Ok((socket, conversation))
        };
        let (socket, conversation) = open_port().map_err(|e| unable(&e))?;
        let (client, journal, patience) = (self.client, self.journal.clone(), self.patience);
        Ok(Transfer { socket, client, journal, conversation, patience, queue: self.queue.clone(), request: Vec::new() })
    }

    /// How long the following expectations wait.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// Who asked.
    pub fn client(&self) -> SocketAddr {
        self.client
    }

    /// Sends a datagram, whatever it is.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.journal.data(self.conversation, From::Server, octets);
        self.socket.send_to(octets, self.client).map(drop).map_err(|e| unable(&e))
    }

    /// Sends a block.
    pub fn data(&mut self, block: u16, payload: &[u8]) -> Outcome {
        self.send(&[&Packet::data_header(Block(block)), payload].concat())
    }

    /// As [`Transfer::data`], not in the dialogue: one of thousands.
    pub fn data_unseen(&mut self, block: u16, payload: &[u8]) -> Outcome {
        let octets = [&Packet::data_header(Block(block)), payload].concat();
        self.socket.send_to(&octets, self.client).map(drop).map_err(|e| unable(&e))
    }

    /// Leaves: from now on, what the client sends here is refused. The port stays taken, so that nobody else gets it.
    pub fn leave(&self) -> Outcome {
        // A connected socket takes datagrams from its peer alone; for others, nobody has the port.
        self.journal.note("it leaves the port");
        self.socket.connect("127.0.0.1:9").map_err(|e| unable(&e))
    }

    /// Grants these options.
    pub fn oack(&mut self, options: &[(&'static str, &str)]) -> Outcome {
        let texts: Vec<_> = options.iter().map(|(name, value)| (*name, value.to_string())).collect();
        self.send(&emitted(&Packet::Oack(netkata::tftp::pairs(&texts)))?)
    }

    /// Ends the transfer.
    pub fn error(&mut self, code: u16, message: &[u8]) -> Outcome {
        self.send(&emitted(&Packet::Error { code: ErrorCode(code), message })?)
    }

    /// Waits for the ACK of this block.
    pub fn expect_ack(&mut self, block: u16) -> Outcome {
        let expected = Packet::ack(Block(block));
        let got = self.receive(&format!("ACK {block}"))?;
        if got == expected { Ok(()) } else { Err(Failure::octets(&expected, &got, "one datagram")) }
    }

    /// As [`Transfer::expect_ack`], not in the dialogue: one of thousands.
    pub fn expect_ack_unseen(&mut self, block: u16) -> Outcome {
        let expected = Packet::ack(Block(block));
        match receive(&self.socket, Wait::new(self.patience, &self.queue))? {
            Some((got, from)) if got == expected && from == self.client => Ok(()),
            Some((got, _)) => {
                self.journal.data(self.conversation, From::Client, &got);
                Err(Failure::octets(&expected, &got, "one datagram"))
            }
            None => Err(nothing(&format!("ACK {block}"), self.patience)),
        }
    }

    /// Waits for an ERROR with this code; returns its message.
    pub fn expect_error(&mut self, code: u16) -> Outcome<String> {
        let code = ErrorCode(code);
        let wanted = format!("ERROR {code}");
        let got = self.receive(&wanted)?;
        match Packet::parse(&got) {
            Ok(Packet::Error { code: got, message }) if got == code => {
                Ok(String::from_utf8_lossy(message).into_owned())
            }
            Ok(Packet::Error { code: got, .. }) => Err(Failure::new(wanted, format!("ERROR {got}"))),
            Ok(Packet::Ack { block }) => Err(Failure::new(wanted, format!("ACK {block}"))),
            Ok(other) => Err(Failure::new(wanted, other.opcode().to_string())),
            Err(fault) => Err(Failure::new(wanted, fault.to_string())),
        }
    }

    /// Waits for `time` and expects no datagram.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        match receive(&self.socket, time.into())? {
            None => {
                self.journal.note(format!("silence for {}, as it should be", human::duration(time)));
                Ok(())
            }
            Some((octets, _)) => {
                self.journal.data(self.conversation, From::Client, &octets);
                Err(unwanted(&octets, time))
            }
        }
    }

    /// Serves a file from its first block to its last, one ACK for each.
    pub fn serve(&mut self, file: &[u8], blksize: usize) -> Outcome {
        for (i, payload) in blocks(file, blksize).enumerate() {
            let block = (i + 1) as u16;
            self.data(block, payload)?;
            self.expect_ack(block)?;
        }
        Ok(())
    }

    fn receive(&mut self, wanted: &str) -> Outcome<Vec<u8>> {
        let Some((octets, from)) = receive(&self.socket, Wait::new(self.patience, &self.queue))? else {
            return Err(nothing(wanted, self.patience));
        };
        self.journal.data(self.conversation, From::Client, &octets);
        if from == self.client {
            return Ok(octets);
        }
        Err(Failure::new(format!("{wanted} from the port that asked"), "it came from another"))
    }
}

/// The blocks of a file. The last one is shorter than the others, if need be empty.
pub fn blocks(file: &[u8], blksize: usize) -> impl Iterator<Item = &[u8]> {
    let last = file.len() / blksize;
    (0..=last).map(move |i| &file[i * blksize..file.len().min((i + 1) * blksize)])
}

impl fmt::Display for TftpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

fn open(journal: &Journal, subject: &str, name: &str, client: SocketAddr, server: SocketAddr) -> usize {
    journal.open(Conversation {
        transport: Transport::Udp,
        client: Some(client),
        server: Some(server),
        client_name: subject.into(),
        server_name: name.into(),
    })
}

fn emitted(packet: &Packet<'_>) -> Outcome<Vec<u8>> {
    packet.emit().map_err(|fault| Failure::new("a packet that can be sent", fault.to_string()))
}

fn nothing(wanted: &str, patience: Duration) -> Failure {
    Failure::new(wanted, format!("nothing for {}", human::duration(patience)))
}

fn unwanted(octets: &[u8], time: Duration) -> Failure {
    let what = match Packet::parse(octets) {
        Ok(Packet::Ack { block }) => format!("ACK {block}"),
        Ok(Packet::Error { code, .. }) => format!("ERROR {code}"),
        Ok(packet) => packet.opcode().to_string(),
        Err(_) => format!("a datagram: \"{}\"", hexdump::text(octets, 40)),
    };
    Failure::new(format!("silence for {}", human::duration(time)), what)
}

fn unable(e: &io::Error) -> Failure {
    Failure::new("a datagram to be sent", error::cause_text(e))
}
