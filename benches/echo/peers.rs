//! Starting the servers: our two, two small ones in C, and what the machine has.

use crate::on_accept;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(5);

/// The names of the servers that all others are compared with: a thread started for each connection, and a crew.
pub(crate) const OURS: [&str; 2] = [ECHO_SERVER, ON_ACCEPT];
pub(crate) const ECHO_SERVER: &str = "echo_server";
pub(crate) const ON_ACCEPT: &str = "accept::serve";
pub(crate) const C_THREADS: &str = "C, thread per connection";
pub(crate) const C_EPOLL: &str = "C, one epoll loop";

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    /// A process for each connection does not go far.
    pub(crate) most_connections: usize,
    child: Child,
}

impl Peer {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The servers that can be had here. Says which cannot, and why.
pub(crate) fn start_all() -> Vec<Peer> {
    let socat = ["-b", "65536", "TCP-LISTEN:{port},fork,reuseaddr,nodelay,backlog=4096", "PIPE"];
    let ncat = ["-l", "-k", "-m", "200", "0.0.0.0", "{port}", "--exec", "/bin/cat"];
    let attempts = [
        (ECHO_SERVER, echo_server()),
        (ON_ACCEPT, on_accept()),
        (C_THREADS, c_threads()),
        (C_EPOLL, c_program(C_EPOLL, "epoll")),
        ("socat, fork", on_a_port("socat, fork", "socat", &socat)),
        ("ncat, fork and cat", on_a_port("ncat, fork and cat", "ncat", &ncat)),
    ];
    let mut peers = Vec::new();
    for (name, attempt) in attempts {
        match attempt {
            Ok(peer) => peers.push(peer),
            Err(e) => println!("skipped {name}: {e}"),
        }
    }
    peers
}

/// The release build of bin/ch03/echo_server.rs.
pub(crate) fn echo_server() -> io::Result<Peer> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo_server"));
    announced(ECHO_SERVER, command.arg("0.0.0.0:0"))
}

/// This very program, in its other role.
pub(crate) fn on_accept() -> io::Result<Peer> {
    announced(ON_ACCEPT, Command::new(std::env::current_exe()?).arg(on_accept::WORD))
}

pub(crate) fn c_threads() -> io::Result<Peer> {
    c_program(C_THREADS, "threads")
}

/// Compiles benches/peers/NAME.c into the target folder and starts it.
fn c_program(name: &'static str, file: &str) -> io::Result<Peer> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("benches/peers/{file}.c"));
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("echo-{file}"));
    let compiled = Command::new("cc").args(["-O2", "-Wall", "-pthread", "-o"]).arg(&program).arg(source).status();
    match compiled {
        Ok(status) if status.success() => announced(name, &mut Command::new(program)),
        Ok(status) => Err(io::Error::other(format!("cc: {status}"))),
        Err(e) => Err(io::Error::other(format!("cc: {e}"))),
    }
}

/// A server that says on its first line where it listens.
fn announced(name: &'static str, command: &mut Command) -> io::Result<Peer> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let mut peer = Peer { name, port: 0, most_connections: usize::MAX, child };
    let port = line.trim_end().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    peer.port = port.ok_or_else(|| io::Error::other(format!("it said {line:?}, not where it listens")))?;
    Ok(peer)
}

/// A server that must be given a port. One that was free a moment ago is free enough.
fn on_a_port(name: &'static str, program: &str, args: &[&str]) -> io::Result<Peer> {
    let port = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
    let args = args.iter().map(|a| a.replace("{port}", &port.to_string()));
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut peer = Peer { name, port, most_connections: 50, child: command.spawn()? };
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = peer.child.try_wait()? {
            return Err(io::Error::other(format!("it ended: {status}")));
        }
        if start.elapsed() > START {
            return Err(io::Error::other("it does not listen"));
        }
        std::thread::yield_now();
    }
    Ok(peer)
}
