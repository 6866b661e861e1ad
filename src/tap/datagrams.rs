//! A relay for datagrams that writes a record.
//!
//! Nobody connects in UDP, so a client is known by its address alone, and a conversation has no end; it is forgotten when
//! nothing came for a while. What the server says from another port than it was asked on is a conversation of its own, with
//! that port: it is what a capture of the wire would show.

use super::dialogue::letter;
use super::journal::{Conversation, Transport};
use super::record::{Recorder, Talk};
use crate::context::Context;
pub use crate::datagram::canonical;
use crate::error::cause_text;
use crate::exit::log;
use crate::relay::datagrams::{Hook, Limits, Verdict};
use crate::relay::{From, Watch, datagrams};
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Carries datagrams between the clients of `socket` and `upstream` until `stop` ends.
///
/// # Errors
/// When `socket` fails for good.
pub fn carry(
    socket: &UdpSocket,
    upstream: SocketAddr,
    limits: &Limits,
    recorder: &Recorder,
    stop: &Context,
) -> io::Result<()> {
    datagrams::carry(socket, upstream, limits, &mut Tap(recorder), stop)
}

struct Tap<'a>(&'a Recorder);

impl Hook for Tap<'_> {
    type Path = Talk;

    fn begin(&mut self, client: SocketAddr, server: SocketAddr, asked: Option<&Talk>) -> Talk {
        let conversation = Conversation {
            transport: Transport::Udp,
            client: Some(client),
            server: Some(server),
            client_name: client.to_string(),
            server_name: format!("udp://{server}"),
        };
        let number = self.0.number();
        let Some(asked) = asked else { return self.0.begin(number, conversation) };
        let mut talk = self.0.begin_like(number, conversation, asked);
        talk.note(format!("the server answers {} from this port", letter(asked.index())));
        talk
    }

    /// Into the record first: the answer comes after the question.
    fn datagram(&mut self, talk: &mut Talk, from: From, octets: &[u8]) -> Verdict {
        talk.data(from, octets);
        Verdict::Pass
    }

    fn refused(&mut self, talk: &mut Talk, from: From) {
        talk.reset(from);
    }

    fn unsent(&mut self, talk: &mut Talk, from: From, why: &io::Error) {
        let to = if from == From::Client { "server" } else { "client" };
        talk.note(format!("the datagram to the {to} could not be sent: {}", cause_text(why)));
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        log(format_args!("{whose}: dropped: {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::LONGEST;
    use crate::tap::Kind;
    use crate::tap::record::{Clock, Named, Only, Rules, Sink, What};
    use crossbeam_channel::{Receiver, Sender, unbounded};
    use std::thread;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Told(Sender<String>);

    impl Sink for Told {
        fn seen(&mut self, _: Duration, conversation: usize, what: &What) -> io::Result<()> {
            let text = match what {
                What::Event(Kind::Data(from, octets), label) => {
                    let label = label.as_ref().filter(|_| conversation > 0);
                    format!("{from:?} {}{}", octets.len(), label.map_or(String::new(), |l| format!(" {l}")))
                }
                What::Event(Kind::Reset(from), _) => format!("{from:?} gone"),
                What::End => "end".into(),
                _ => return Ok(()),
            };
            self.0.send(format!("{} {text}", letter(conversation))).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn finish(&mut self, _: Duration, _: &[String]) -> io::Result<()> {
            Ok(())
        }
    }

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket
    }

    /// A relay to `upstream`, for as long as `scene` takes; what was recorded.
    fn relayed(
        upstream: SocketAddr,
        limits: &Limits,
        scene: impl FnOnce(SocketAddr, &Receiver<String>),
    ) -> Vec<String> {
        let (tell, told) = unbounded();
        let sinks: Vec<Named> = vec![("told".into(), Box::new(Told(tell)))];
        let rules = Rules { limit: u64::MAX, only: Only::default() };
        let recorder = Recorder::start(rules, Clock::start(), sinks).expect("thread");
        let (socket, stop) = (socket(), Context::new());
        let address = socket.local_addr().expect("address");
        thread::scope(|s| {
            let relay = s.spawn(|| carry(&socket, upstream, limits, &recorder, &stop));
            scene(address, &told);
            stop.cancel();
            relay.join().expect("join").expect("carry");
        });
        assert!(recorder.finish(PATIENCE).is_empty());
        told.iter().collect()
    }

    fn limits() -> Limits {
        Limits { idle: PATIENCE, ..Limits::default() }
    }

    fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; LONGEST];
        let (n, from) = socket.recv_from(&mut buffer).expect("datagram");
        buffer.truncate(n);
        (buffer, from)
    }

    /// Two clients, each with its own answers; the longest datagram, and an empty one.
    #[test]
    fn each_client_gets_its_answers() {
        let server = socket();
        let told = relayed(server.local_addr().expect("address"), &limits(), |relay, _| {
            let clients = [socket(), socket()];
            let asked: Vec<(Vec<u8>, SocketAddr)> = clients
                .iter()
                .zip([65_507, 0])
                .map(|(client, n)| {
                    client.send_to(&vec![n as u8; n], relay).expect("send");
                    receive(&server)
                })
                .collect();
            assert_eq!((asked[0].0.len(), asked[1].0.len()), (65_507, 0));
            assert_ne!(asked[0].1, asked[1].1, "a port for each client");
            server.send_to(b"to B", asked[1].1).expect("send");
            server.send_to(b"", asked[0].1).expect("send");
            assert_eq!(receive(&clients[1]), (b"to B".to_vec(), relay));
            assert_eq!(receive(&clients[0]), (Vec::new(), relay));
        });
        for line in ["A Client 65507", "B Client 0", "B Server 4", "A Server 0", "A end", "B end"] {
            assert!(told.iter().any(|l| l == line), "{line}: {told:?}");
        }
    }

    /// The server's port is closed: its host says so, and the record does.
    #[test]
    fn a_closed_port_is_told() {
        let nobody = socket().local_addr().expect("address");
        relayed(nobody, &limits(), |relay, told| {
            let client = socket();
            client.send_to(b"ahoy", relay).expect("send");
            let lines: Vec<String> = told.iter().take(2).collect();
            assert_eq!(lines, ["A Client 4", "A Server gone"]);
        });
    }

    /// Who says nothing is forgotten, and is a new client when it comes again.
    #[test]
    fn a_silent_client_is_forgotten() {
        let server = socket();
        let limits = Limits { idle: Duration::from_millis(30), clients: 1, ..Limits::default() };
        relayed(server.local_addr().expect("address"), &limits, |relay, told| {
            let client = socket();
            for letter in ["A", "B"] {
                client.send_to(b"ahoy", relay).expect("send");
                receive(&server);
                let lines: Vec<String> = told.iter().take(2).collect();
                assert_eq!(lines, [format!("{letter} Client 4"), format!("{letter} end")]);
            }
        });
    }

    /// One more than may be: what it sends is dropped, and the others do not notice.
    #[test]
    fn there_is_room_for_so_many() {
        let server = socket();
        let limits = Limits { idle: PATIENCE, clients: 1, ..Limits::default() };
        relayed(server.local_addr().expect("address"), &limits, |relay, _| {
            let (first, second) = (socket(), socket());
            first.send_to(b"first", relay).expect("send");
            second.send_to(b"second", relay).expect("send");
            first.send_to(b"third", relay).expect("send");
            assert_eq!(receive(&server).0, b"first");
            assert_eq!(receive(&server).0, b"third");
        });
    }

    /// A server that answers from a port of its own, as for TFTP: a conversation with that port, both ways.
    #[test]
    fn another_port_is_another_conversation() {
        let (server, transfer) = (socket(), socket());
        let told = relayed(server.local_addr().expect("address"), &limits(), |relay, _| {
            let client = socket();
            client.send_to(b"\0\x01tides\0octet\0", relay).expect("send");
            let (_, from) = receive(&server);
            transfer.send_to(b"\0\x03\0\x01high", from).expect("send");
            let (data, door) = receive(&client);
            assert_eq!(data, b"\0\x03\0\x01high");
            assert_ne!(door, relay, "a port of its own");
            client.send_to(b"\0\x04\0\x01", door).expect("send");
            assert_eq!(receive(&transfer), (b"\0\x04\0\x01".to_vec(), from));
        });
        let lines: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_eq!(lines[..3], ["A Client 14", "B Server 8 TFTP DATA 1, 4 octets", "B Client 4 TFTP ACK 1"]);
    }
}
