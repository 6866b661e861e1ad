//! The echo servers: our two, two small ones in C, and what the machine has.

use crate::common::peers::{FORKS, Peer, announced, c_program, on_a_port, ourselves, started};
use crate::common::served;
use std::io;
use std::process::Command;

/// The names of the servers that all others are compared with: a thread started for each connection, and a crew.
pub(crate) const OURS: [&str; 2] = [ECHO_SERVER, ON_ACCEPT];
pub(crate) const ECHO_SERVER: &str = "echo_server";
pub(crate) const ON_ACCEPT: &str = "accept::serve";
pub(crate) const C_THREADS: &str = "C, thread per connection";
pub(crate) const C_EPOLL: &str = "C, one epoll loop";
const SOCAT: &str = "socat, fork";
const NCAT: &str = "ncat, fork and cat";

/// The servers that can be had here. Says which cannot, and why.
pub(crate) fn start_all() -> Vec<Peer> {
    let socat = ["-b", "65536", "TCP-LISTEN:{port},fork,reuseaddr,nodelay,backlog=4096", "PIPE"];
    let ncat = ["-l", "-k", "-m", "200", "0.0.0.0", "{port}", "--exec", "/bin/cat"];
    started(vec![
        (ECHO_SERVER, echo_server()),
        (ON_ACCEPT, on_accept()),
        (C_THREADS, c_threads()),
        (C_EPOLL, c_program("epoll").and_then(|program| announced(C_EPOLL, &mut Command::new(program)))),
        (SOCAT, forking(SOCAT, "socat", &socat)),
        (NCAT, forking(NCAT, "ncat", &ncat)),
    ])
}

fn forking(name: &'static str, program: &str, args: &[&str]) -> io::Result<Peer> {
    let mut peer = on_a_port(name, program, args)?;
    peer.most_connections = FORKS;
    Ok(peer)
}

/// The release build of bin/ch03/echo_server.rs.
pub(crate) fn echo_server() -> io::Result<Peer> {
    announced(ECHO_SERVER, Command::new(env!("CARGO_BIN_EXE_echo_server")).arg("0.0.0.0:0"))
}

pub(crate) fn on_accept() -> io::Result<Peer> {
    ourselves(ON_ACCEPT, served::ECHO, "0.0.0.0:0")
}

pub(crate) fn c_threads() -> io::Result<Peer> {
    announced(C_THREADS, &mut Command::new(c_program("threads")?))
}
