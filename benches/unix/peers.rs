//! The echo servers: ours over TCP and over a Unix socket, the same pair in C, and what the machine has.

use crate::common::peers::{FORKS, Peer, announced, answering, c_program, started};
use netkata::endpoint::Endpoint;
use netkata::unix::Name;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// The server of the lesson, and what it is compared with.
pub(crate) const OURS: &str = "unix_echo_server";
pub(crate) const OURS_TCP: &str = "echo_server, TCP";
pub(crate) const C_UNIX: &str = "C threads, Unix";
pub(crate) const C_TCP: &str = "C threads, TCP";
const SOCAT: &str = "socat, fork, Unix";

/// The servers that can be had here, with their sockets in this folder. Says which cannot, and why.
pub(crate) fn start_all(folder: &Path) -> Vec<Peer> {
    started(vec![
        (OURS, ours(folder)),
        (OURS_TCP, ours_tcp()),
        (C_UNIX, c_unix(folder)),
        (C_TCP, c_program("threads").and_then(|program| announced(C_TCP, &mut Command::new(program)))),
        (SOCAT, socat(folder)),
    ])
}

/// The release build of bin/ch07/unix_echo_server.rs.
pub(crate) fn ours(folder: &Path) -> io::Result<Peer> {
    announced(OURS, Command::new(env!("CARGO_BIN_EXE_unix_echo_server")).arg(free(folder)))
}

/// The release build of bin/ch03/echo_server.rs.
pub(crate) fn ours_tcp() -> io::Result<Peer> {
    announced(OURS_TCP, Command::new(env!("CARGO_BIN_EXE_echo_server")).arg("0.0.0.0:0"))
}

pub(crate) fn c_unix(folder: &Path) -> io::Result<Peer> {
    announced(C_UNIX, Command::new(c_program("threads")?).arg(free(folder)))
}

fn socat(folder: &Path) -> io::Result<Peer> {
    let path = free(folder);
    let mut socat = Command::new("socat");
    socat.args(["-b", "65536", &format!("UNIX-LISTEN:{},fork,backlog=4096", path.display()), "PIPE"]);
    let endpoint = Endpoint::Unix(Name::Path(path.clone()));
    let mut peer = answering(SOCAT, endpoint, &mut socat, || UnixStream::connect(&path).is_ok())?;
    peer.most_connections = FORKS;
    Ok(peer)
}

/// A path in the folder where nothing is.
fn free(folder: &Path) -> std::path::PathBuf {
    let paths = (1..).map(|n| folder.join(format!("{n}.sock")));
    let mut free = paths.filter(|path| !path.exists());
    free.next().unwrap_or_else(|| folder.join("0.sock"))
}
