//! What the grader listens on, for subjects that dial: a client's server, or the upstream of a relay.

use crate::failure::{Failure, Outcome};
use crate::patience::{RunQueue, Wait};
use crate::stream::Stream;
use crate::talk::{Leftovers, PATIENCE, Talk};
use netkata::context::{Context, Ready};
use netkata::endpoint::Endpoint;
use netkata::tap::{Conversation, From, Journal, Transport};
use netkata::unix::{Access, Bound, file};
use socket2::SockRef;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

/// A listening socket of the grader's. It shows itself as the address that a program is given: `127.0.0.1:40123`,
/// `unix:///…/1.sock`, `unix:@…`. Dropping it closes the port, and removes the file.
pub struct Upstream {
    listener: Listener,
    address: String,
    scribe: Scribe,
}

enum Listener {
    Tcp(TcpListener),
    Unix(Bound<UnixListener>),
}

/// What it takes to write a conversation down.
#[derive(Clone)]
pub(crate) struct Scribe {
    pub journal: Journal,
    pub leftovers: Leftovers,
    pub queue: RunQueue,
    /// Who dials.
    pub subject: String,
    /// Whom the grader plays.
    pub role: &'static str,
}

impl Upstream {
    /// A free port of loopback. A receive buffer must be set before the handshake to count.
    pub(crate) fn tcp(receive_buffer: Option<usize>, scribe: Scribe) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        if let Some(size) = receive_buffer {
            SockRef::from(&listener).set_recv_buffer_size(size)?;
        }
        let address = listener.local_addr()?.to_string();
        Ok(Self { listener: Listener::Tcp(listener), address, scribe })
    }

    /// A socket file, or an abstract name.
    pub(crate) fn unix(endpoint: &Endpoint, scribe: Scribe) -> io::Result<Self> {
        let listener = match endpoint {
            Endpoint::Unix(name) => file::listen(name, &Access::default())?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a Unix socket")),
        };
        Ok(Self { listener: Listener::Unix(listener), address: endpoint.to_string(), scribe })
    }

    /// The TCP address; a socket file has none.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }

    /// The socket file, if it is one.
    pub fn path(&self) -> Option<PathBuf> {
        self.address.strip_prefix("unix:///").map(|rest| PathBuf::from(format!("/{rest}")))
    }

    /// Waits for the subject to connect.
    pub fn accept(&self) -> Outcome<Talk> {
        if !self.is_anybody_there(Wait::new(PATIENCE * 2, &self.scribe.queue))? {
            return Err(Failure::new("the program to connect", "it did not within 4 s"));
        }
        let stream = match &self.listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(file) => file.socket.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        stream.map(|stream| self.scribe.talk(stream, From::Server)).map_err(|e| lost("accept", &e))
    }

    /// Waits for `time`, and nobody connects.
    pub fn expect_nobody(&self, time: Duration) -> Outcome {
        if self.is_anybody_there(time.into())? {
            Err(Failure::new("nobody to connect", "a connection"))
        } else {
            Ok(())
        }
    }

    fn is_anybody_there(&self, mut wait: Wait) -> Outcome<bool> {
        while let Some(left) = wait.left() {
            let ready = Context::new().with_timeout(left).wait_readable(self).map_err(|e| lost("poll", &e))?;
            if ready == Ready::Socket {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl AsFd for Upstream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(file) => file.socket.as_fd(),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl Scribe {
    /// Opens a conversation over `stream`, in which the grader is `me`.
    pub fn talk(&self, stream: Stream, me: From) -> Talk {
        let transport = if matches!(stream, Stream::Unix(_)) { Transport::Unix } else { Transport::Tcp };
        let (ours, theirs) = stream.addresses().unzip();
        let (name, grader) = (self.subject.clone(), self.role.to_string());
        let conversation = self.journal.open(match me {
            From::Client => {
                Conversation { transport, client: ours, server: theirs, client_name: grader, server_name: name }
            }
            From::Server => {
                Conversation { transport, client: theirs, server: ours, client_name: name, server_name: grader }
            }
        });
        Talk::new(stream, &self.journal, conversation, me).tell(&self.leftovers).queueing_at(&self.queue)
    }
}

fn lost(what: &str, e: &io::Error) -> Failure {
    Failure::new(format!("{what} to work"), netkata::error::cause_text(e))
}
