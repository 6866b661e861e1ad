//! A TFTP client that the grader plays, for subjects that serve.

use super::{ack, data, error_code, oack, request};
use crate::datagram::Datagrams;
use crate::failure::{Because, Failure, Outcome};
use crate::patience::PATIENCE;
use crate::scene::Scene;
use netkata::{hexdump, human};
use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// One port of the grader's. It asks the known port, and goes on with the port that answers.
pub struct TftpClient {
    talk: Datagrams,
    known: SocketAddr,
    /// The last request was answered: the other half of the transfer's name is known.
    answered: bool,
}

impl Scene {
    /// A client for the subject, which is started first if need be.
    pub fn tftp(&mut self) -> Outcome<TftpClient> {
        self.datagrams().map(TftpClient::over)
    }

    /// As [`Scene::tftp`], for a subject that listens on more addresses than it says.
    pub fn tftp_at(&mut self, known: SocketAddr) -> Outcome<TftpClient> {
        self.datagrams_at(known).map(TftpClient::over)
    }
}

impl TftpClient {
    /// On this socket, which talks to the known port.
    pub fn over(talk: Datagrams) -> Self {
        let known = talk.peer();
        Self { talk, known, answered: false }
    }

    /// How long the following expectations wait.
    pub fn within(&mut self, patience: Duration) -> &mut Self {
        self.talk.within(patience);
        self
    }

    /// Asks for a file, in mode octet.
    pub fn ask(&mut self, name: &str) -> Outcome {
        self.ask_for(name, &[])
    }

    /// As [`TftpClient::ask`], with options.
    pub fn ask_for(&mut self, name: &str, options: &[(&str, &str)]) -> Outcome {
        self.request(&request(1, name.as_bytes(), "octet", options))
    }

    /// As [`TftpClient::ask`], again and again until an answer comes, as clients do: what finds a full buffer is lost. Returns the
    /// answer.
    pub fn ask_until_answered(&mut self, name: &str) -> Outcome<Vec<u8>> {
        let mut answer = Err(Failure::default());
        for _ in 0..8 {
            self.ask(name)?;
            answer = self.within(Duration::from_millis(500)).receive();
            if answer.is_ok() {
                break;
            }
        }
        self.within(PATIENCE);
        answer
    }

    /// Sends these octets to the known port. What is expected next comes from another one.
    pub fn request(&mut self, octets: &[u8]) -> Outcome {
        self.answered = false;
        self.talk.turn_to(self.known);
        self.talk.send(octets)
    }

    /// Sends these octets to the known port once more, in the middle of the transfer.
    pub fn request_again(&mut self, octets: &[u8]) -> Outcome {
        let transfer = self.talk.peer();
        self.talk.turn_to(self.known);
        self.talk.send(octets)?;
        self.talk.turn_to(transfer);
        Ok(())
    }

    /// Sends these octets to the transfer's port.
    pub fn send(&mut self, octets: &[u8]) -> Outcome {
        self.talk.send(octets)
    }

    /// Acknowledges a block.
    pub fn ack(&mut self, block: u16) -> Outcome {
        self.send(&ack(block))
    }

    /// The next packet: from a new port after a request, from that port afterwards.
    pub fn receive(&mut self) -> Outcome<Vec<u8>> {
        if self.answered {
            return self.talk.receive();
        }
        let (packet, from) = self.talk.receive_from_anybody()?;
        if from.ip() != self.known.ip() {
            return Err(Failure::new(format!("an answer from {}", self.known.ip()), format!("one from {}", from.ip())));
        }
        if from.port() == self.known.port() {
            return Err(Failure::new("an answer from a port of its own", "one from the port that was asked"))
                .because("RFC 1350 §4: each side picks a port for the transfer; the known one takes requests only");
        }
        self.answered = true;
        self.talk.turn_to(from);
        Ok(packet)
    }

    /// The next packet is exactly this one.
    pub fn expect(&mut self, packet: &[u8]) -> Outcome {
        let got = self.receive()?;
        if got == packet { Ok(()) } else { Err(Failure::octets(packet, &got, "one datagram")) }
    }

    /// A block.
    pub fn expect_data(&mut self, block: u16, payload: &[u8]) -> Outcome {
        self.expect(&data(block, payload))
    }

    /// The options that are granted.
    pub fn expect_oack(&mut self, options: &[(&str, &str)]) -> Outcome {
        self.expect(&oack(options))
    }

    /// An ERROR with this code, and any message.
    pub fn expect_error(&mut self, code: u16) -> Outcome {
        let got = self.receive()?;
        match error_code(&got) {
            Some(found) if found == code => Ok(()),
            Some(found) => Err(Failure::new(format!("ERROR {code}"), format!("ERROR {found}"))),
            None => Err(Failure::new(format!("ERROR {code}"), described(&got))),
        }
    }

    /// Nothing comes for `time`.
    pub fn expect_silence(&mut self, time: Duration) -> Outcome {
        match self.talk.overhear(time)? {
            None => Ok(()),
            Some(packet) => Err(Failure::new(format!("silence for {}", human::duration(time)), described(&packet))),
        }
    }

    /// The rest of a transfer: blocks of `blksize` octets from number `block` on, each acknowledged as it comes.
    pub fn expect_blocks(&mut self, mut block: u16, content: &[u8], blksize: usize) -> Outcome {
        let last = content.len() / blksize;
        for i in 0..=last {
            let payload = &content[i * blksize..content.len().min((i + 1) * blksize)];
            self.expect_data(block, payload)?;
            self.ack(block)?;
            block = block.wrapping_add(1);
        }
        Ok(())
    }

    /// A whole transfer by windows of `windowsize` blocks, from block 1 on. A long one: only its ends are written down.
    pub fn expect_windows(&mut self, content: &[u8], blksize: usize, windowsize: usize) -> Outcome {
        let last = content.len() / blksize;
        for i in 0..=last {
            let block = u16::try_from((i + 1) % 65_536).unwrap_or_default();
            let expected = data(block, &content[i * blksize..content.len().min((i + 1) * blksize)]);
            let got = self.talk.receive_unseen()?;
            if got != expected {
                self.talk.write_down(&got);
                return Err(Failure::octets(&expected, &got, format!("block {} of the file", human::thousands(i + 1))));
            }
            if (i + 1) % windowsize == 0 || i == last {
                self.talk.send_unseen(&ack(block))?;
            }
        }
        Ok(())
    }

    /// Somebody else, who talks to the transfer's port.
    pub fn stranger(&self) -> Outcome<Self> {
        Ok(Self { talk: self.talk.neighbour("transfer")?, known: self.known, answered: true })
    }

    /// Sends these packets every `pause` from a thread of its own, until the other end of the channel is dropped.
    pub fn babble(&self, packet: &[u8], pause: Duration) -> Outcome<Sender<()>> {
        let (socket, peer) = self.talk.sender()?;
        let (stop, stopped) = channel::<()>();
        let packet = packet.to_vec();
        std::thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let _ = socket.send_to(&packet, peer);
            }
        });
        Ok(stop)
    }

    /// Our own address.
    pub fn address(&self) -> Outcome<SocketAddr> {
        self.talk.address()
    }

    /// The port of the transfer.
    pub fn transfer_port(&self) -> u16 {
        self.talk.peer().port()
    }
}

/// A packet in a few words.
fn described(packet: &[u8]) -> String {
    match packet {
        [0, 3, high, low, payload @ ..] => {
            let block = u16::from_be_bytes([*high, *low]);
            format!("DATA {block} with {}", human::count(payload.len(), "octet"))
        }
        [0, 6, ..] => "an OACK".into(),
        [0, 5, ..] => {
            error_code(packet).map_or("an ERROR without the NUL at its end".into(), |code| format!("ERROR {code}"))
        }
        _ => format!("a datagram: \"{}\"", hexdump::text(packet, 40)),
    }
}
