//! What the grader plays: the server of a subject that dials, or the upstream of one that relays.

use super::{Scene, refused};
use crate::failure::{Failure, Outcome};
use crate::talk::Talk;
use crate::tftp_server::TftpServer;
use crate::udp_upstream::UdpUpstream;
use crate::upstream::Upstream;
use netkata::endpoint::Endpoint;
use netkata::unix::Name;
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

impl Scene {
    /// Listens on a free port of loopback and starts the subject with that address, followed by the check's options.
    pub fn start_client(&mut self) -> Outcome<SocketAddr> {
        self.start_client_with(true)
    }

    /// As [`Scene::start_client`], without its output in the dialogue: for output that differs from run to run.
    pub fn start_client_unseen(&mut self) -> Outcome<SocketAddr> {
        self.start_client_with(false)
    }

    fn start_client_with(&mut self, shown: bool) -> Outcome<SocketAddr> {
        let address = self.listen()?;
        self.dial_from_subject(address.to_string(), shown)?;
        Ok(address)
    }

    /// As [`Scene::start_client`], on a socket file.
    pub fn start_client_unix(&mut self) -> Outcome<String> {
        let path = self.listen_unix()?;
        self.dial_from_subject(format!("unix://{path}"), true)?;
        Ok(path)
    }

    fn dial_from_subject(&mut self, address: String, shown: bool) -> Outcome {
        let mut arguments = vec![address];
        arguments.extend(self.options.iter().cloned());
        if !shown {
            self.journal.note(format!("{} {}", self.launch.name, arguments.join(" ")));
        }
        self.launch(&arguments, shown)
    }

    /// Listens on a free port of loopback, for a subject that is started later.
    pub fn listen(&mut self) -> Outcome<SocketAddr> {
        let listener = Upstream::tcp(None, self.scribe("grader")).map_err(|e| refused("a port", &e))?;
        let address = listener.socket_address().ok_or_else(|| Failure::new("a port", "none"))?;
        self.listener = Some(listener);
        Ok(address)
    }

    /// Listens on a socket file, for a subject that is started later.
    pub fn listen_unix(&mut self) -> Outcome<String> {
        let path = self.socket_path()?;
        let listener = Upstream::unix(&Endpoint::Unix(Name::Path(path.clone().into())), self.scribe("grader"));
        self.listener = Some(listener.map_err(|e| refused("a socket file", &e))?);
        Ok(path)
    }

    /// Closes the listening socket: from now on, connects are refused, as long as nobody else takes the port.
    pub fn stop_listening(&mut self) {
        self.listener = None;
    }

    /// An address that refuses connects for as long as the scene lasts: bound, so that nobody else gets the port, and
    /// not listened on.
    pub fn refusing_address(&mut self) -> Outcome<SocketAddr> {
        let bound = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
            let address = socket.local_addr()?.as_socket();
            Ok((socket, address))
        };
        let (socket, address) = bound().map_err(|e: std::io::Error| refused("a port", &e))?;
        self.bound.push(socket);
        address.ok_or_else(|| Failure::new("an IPv4 address", "another"))
    }

    /// Waits for the subject to connect to what [`Scene::listen`] or its like has opened last.
    pub fn accept(&mut self) -> Outcome<Talk> {
        self.listener()?.accept()
    }

    /// Nobody has connected; asked when the subject has ended, or is known to be elsewhere.
    pub fn expect_nobody(&mut self) -> Outcome {
        self.listener()?.expect_nobody(Duration::from_millis(1))
    }

    fn listener(&self) -> Outcome<&Upstream> {
        self.listener.as_ref().ok_or_else(|| Failure::new("a listener", "none"))
    }

    // ---- several at once: the grader is the client and the upstream ----

    /// A server of the grader's on a free port of loopback, beside whatever else it plays.
    pub fn upstream(&mut self) -> Outcome<Upstream> {
        Upstream::tcp(None, self.scribe("upstream")).map_err(|e| refused("a port", &e))
    }

    /// As [`Scene::upstream`], with a small receive buffer: a server that can be slow.
    pub fn upstream_slow(&mut self, receive_buffer: usize) -> Outcome<Upstream> {
        Upstream::tcp(Some(receive_buffer), self.scribe("upstream")).map_err(|e| refused("a port", &e))
    }

    /// As [`Scene::upstream`], on a socket file.
    pub fn upstream_unix(&mut self) -> Outcome<Upstream> {
        let path = self.socket_path()?;
        Upstream::unix(&Endpoint::Unix(Name::Path(path.into())), self.scribe("upstream"))
            .map_err(|e| refused("a socket file", &e))
    }

    /// As [`Scene::upstream`], on an abstract name (Linux only).
    pub fn upstream_abstract(&mut self) -> Outcome<Upstream> {
        let name = self.abstract_name();
        let name = name.trim_start_matches("unix:@").as_bytes().to_vec();
        Upstream::unix(&Endpoint::Unix(Name::Abstract(name)), self.scribe("upstream"))
            .map_err(|e| refused("a name", &e))
    }

    /// Keeps a port until the subject has ended, and refuses what still comes there. A port that is given back at once may be
    /// the next check's, and what this subject sends would arrive there.
    pub fn keep_port(&mut self, socket: std::net::UdpSocket) {
        // Connected to itself, a socket lets nobody else in.
        let _ = socket.local_addr().and_then(|own| socket.connect(own));
        self.bound.push(socket.into());
    }

    /// A UDP service of the grader's on a free port of loopback.
    pub fn upstream_udp(&mut self) -> Outcome<UdpUpstream> {
        let opened = UdpUpstream::open(&self.launch.name, &self.journal);
        opened.map(|socket| socket.queueing_at(&self.queue)).map_err(|e| refused("a UDP port", &e))
    }

    /// A TFTP server of the grader's on a free port of loopback.
    pub fn tftp_server(&mut self) -> Outcome<TftpServer> {
        self.tftp_server_at([127, 0, 0, 1].into())
    }

    /// As [`Scene::tftp_server`], on this address.
    pub fn tftp_server_at(&mut self, ip: IpAddr) -> Outcome<TftpServer> {
        let opened = TftpServer::open(ip, &self.launch.name, &self.journal);
        opened.map(|server| server.queueing_at(&self.queue)).map_err(|e| refused("a UDP port", &e))
    }
}
