//! The subject as a server: it is started, says where it listens, and is connected to.

use super::{Scene, refused};
use crate::datagram::Datagrams;
use crate::failure::{Failure, Outcome};
use crate::listener;
use crate::patience::{PATIENCE, Wait};
use crate::stream::Stream;
use crate::talk::Talk;
use netkata::human;
use netkata::tap::From;
use socket2::{Domain, Socket, Type};
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

impl Scene {
    /// Starts the subject on a free port of loopback and reads where it listens.
    pub fn start(&mut self) -> Outcome {
        self.start_on("127.0.0.1:0")
    }

    /// As [`Scene::start`], with these options instead of the check's.
    pub fn start_with(&mut self, options: &[&str]) -> Outcome {
        self.options = options.iter().map(ToString::to_string).collect();
        self.start()
    }

    /// As [`Scene::start`], on an address of the check's choice: `[::1]:0`, [`Scene::socket_path`],
    /// [`Scene::abstract_name`].
    pub fn start_on(&mut self, address: impl Display) -> Outcome {
        self.start_with_arguments(&[address.to_string()])
    }

    /// Starts a relay (`LISTEN UPSTREAM`) on a free port of loopback, in front of what the grader plays.
    ///
    /// ```text
    /// let upstream = s.upstream()?;
    /// s.start_in_front_of(&upstream)?;
    /// let mut client = s.connect()?;
    /// let mut server = upstream.accept()?;
    /// ```
    pub fn start_in_front_of(&mut self, upstream: impl Display) -> Outcome {
        self.start_with_arguments(&["127.0.0.1:0".into(), upstream.to_string()])
    }

    /// Starts the subject with these arguments, followed by the check's options, and reads where it listens. Its second
    /// start in a check replaces the first.
    pub fn start_with_arguments(&mut self, arguments: &[String]) -> Outcome {
        let mut arguments = arguments.to_vec();
        arguments.extend(self.options.iter().cloned());
        self.launch(&arguments, false)?;
        self.address = self.subject()?.announced()?;
        Ok(())
    }

    /// A further argument for the subject, whose value differs from run to run. Before the subject is started.
    pub fn option(&mut self, name: &str, value: impl Display) {
        self.journal.note(format!("started with {name} {value}"));
        self.options.extend([name.to_string(), value.to_string()]);
    }

    /// Where the subject said that it listens; starts it first if need be.
    pub fn address(&mut self) -> Outcome<SocketAddr> {
        if self.address.is_empty() {
            self.start()?;
        }
        self.address.parse().map_err(|_| {
            Failure::new("an address with a port, as in tcp://127.0.0.1:7007", format!("{:?}", self.address))
        })
    }

    /// A new connection to the subject, which is started first if need be.
    pub fn connect(&mut self) -> Outcome<Talk> {
        self.connect_with(None)
    }

    /// A new connection with a small receive buffer: a client that can be slow. Takes setsockopt's view of the size.
    pub fn connect_slow(&mut self, receive_buffer: usize) -> Outcome<Talk> {
        self.connect_with(Some(receive_buffer))
    }

    fn connect_with(&mut self, receive_buffer: Option<usize>) -> Outcome<Talk> {
        let place = self.place()?;
        let stream = match dial_unix(&place) {
            Some(dialled) => dialled.map(Stream::Unix),
            None => dial(self.address()?, receive_buffer).map(Stream::Tcp),
        };
        let stream = stream.map_err(|e| refused(&place, &e))?;
        Ok(self.scribe("grader").talk(stream, From::Client))
    }

    /// A new connection to another process than the subject, over TCP.
    pub fn connect_to(&mut self, address: SocketAddr) -> Outcome<Talk> {
        let stream = dial(address, None).map_err(|e| refused(&format!("tcp://{address}"), &e))?;
        Ok(self.scribe("grader").talk(Stream::Tcp(stream), From::Client))
    }

    /// Where the subject said that it listens, as it can be given to another program: `127.0.0.1:40123`, the path of a
    /// socket file, `@name`. Starts it first if need be.
    pub fn place(&mut self) -> Outcome<String> {
        if self.address.is_empty() {
            self.start()?;
        }
        Ok(self.address.clone())
    }

    /// Datagrams to and from the subject's UDP address.
    pub fn datagrams(&mut self) -> Outcome<Datagrams> {
        let address = self.address()?;
        self.datagrams_at(address)
    }

    /// As [`Scene::datagrams`], to another address that the subject has.
    pub fn datagrams_at(&mut self, address: SocketAddr) -> Outcome<Datagrams> {
        let opened = Datagrams::open(address, &self.launch.name, &self.journal);
        opened.map(|socket| socket.queueing_at(&self.queue)).map_err(|e| refused("a UDP socket", &e))
    }

    /// Keeps a conversation open for as long as the subject runs, and looks at it no more: so that what the subject does when
    /// a client leaves has no part in this check.
    pub fn keep(&mut self, mut talk: Talk) {
        talk.ignore();
        self.kept.push(talk);
    }

    /// Many connections at once, not written down one by one.
    pub fn crowd(&mut self, n: usize) -> Outcome<Vec<TcpStream>> {
        let address = self.address()?;
        self.journal.note(format!("{} clients connect", human::thousands(n)));
        (0..n)
            .map(|i| {
                TcpStream::connect_timeout(&address, PATIENCE * 5).map_err(|e| {
                    let got =
                        format!("client {} could not: {}", human::thousands(i + 1), netkata::error::cause_text(&e));
                    Failure::new(format!("{} clients to be let in", human::thousands(n)), got)
                })
            })
            .collect()
    }

    /// Waits until connects to the subject's address are refused. As long as the kernel's table shows a listener there,
    /// nobody connects to find out: a probe would be a client like any other.
    pub fn expect_refusal(&mut self) -> Outcome {
        let place = self.place()?;
        let mut wait = Wait::new(PATIENCE, &self.queue);
        while wait.until().is_some() {
            let refusal = match dial_unix(&place) {
                Some(dialled) => dialled.err(),
                None => self.address().map(refusal_of)?,
            };
            if refusal.is_some_and(|e| matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)) {
                self.journal.note("a new client is refused");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(Failure::new("new clients to be refused", "the kernel still shakes hands with them 2 s later"))
    }
}

fn refusal_of(address: SocketAddr) -> Option<io::Error> {
    if listener::is_there(address) { None } else { TcpStream::connect_timeout(&address, PATIENCE).err() }
}

/// A connection to a socket file or an abstract name; nothing when the place is neither.
pub(super) fn dial_unix(place: &str) -> Option<io::Result<UnixStream>> {
    match place.strip_prefix('@') {
        Some(name) => Some(dial_abstract(name)),
        None => place.starts_with('/').then(|| UnixStream::connect(place)),
    }
}

#[cfg(target_os = "linux")]
fn dial_abstract(name: &str) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    UnixStream::connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn dial_abstract(_: &str) -> io::Result<UnixStream> {
    Err(io::Error::new(ErrorKind::Unsupported, "abstract names are for Linux only"))
}

/// A connect with a deadline, and with a receive buffer that must be set before the handshake to count.
fn dial(address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.connect_timeout(&address.into(), PATIENCE * 2)?;
    Ok(socket.into())
}
