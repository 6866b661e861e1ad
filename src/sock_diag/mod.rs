//! The kernel's TCP sockets of one port, or of one connection, by sock_diag(7): what ss(8) asks. Linux only.
//!
//! /proc/net/tcp is all or nothing: after a busy hour, a hundred thousand lines. Here the question names what is wanted,
//! and the kernel looks for it: one connection by its hash, in microseconds; one port by a walk through its table, in
//! which nothing else is written out. The answers are [`proc_net`]'s. Where there is no sock_diag, as in some sandboxes,
//! [`proc_net`] is asked, so whoever calls need not care.
//!
//! A message of netlink(7) is a header and a body, in the order of the processor; ports and addresses in network order.

#[cfg(any(target_os = "linux", test))]
mod answer;
#[cfg(target_os = "linux")]
mod netlink;

#[cfg(target_os = "linux")]
use crate::error::NetError;
use crate::error::Result;
use crate::proc_net::{self, Entry, State};
#[cfg(target_os = "linux")]
use std::io;
use std::net::SocketAddr;

/// The sockets with this port at their own end that are in one of these states. Listeners come first.
///
/// The kernel locks a part of its table at a time: a socket that comes or goes meanwhile may be among them or not.
///
/// # Errors
/// `ask sock_diag: …`; on other systems than Linux as [`proc_net::tcp`].
pub fn with_local_port(port: u16, states: &[State]) -> Result<Vec<Entry>> {
    // No socket has port 0; to the kernel's ears, it would mean any.
    if port == 0 {
        return Ok(Vec::new());
    }
    #[cfg(target_os = "linux")]
    if netlink::answers() {
        return netlink::sockets(port, states).map_err(failed);
    }
    let mut sockets = proc_net::tcp_with_port(port)?;
    sockets.retain(|s| s.local.port() == port && states.contains(&s.state));
    Ok(sockets)
}

/// Every socket that waits for connections. The kernel keeps those in a table of their own, which is short.
///
/// # Errors
/// As [`with_local_port`].
pub fn listeners() -> Result<Vec<Entry>> {
    #[cfg(target_os = "linux")]
    if netlink::answers() {
        return netlink::sockets(0, &[State::Listen]).map_err(failed);
    }
    let mut sockets = proc_net::tcp()?;
    sockets.retain(|s| s.state == State::Listen);
    Ok(sockets)
}

/// The socket of the connection from `local` to `remote`, seen from the end at `local`: on loopback, each end has one.
/// None when it is gone.
///
/// A socket of IPv6 that carries IPv4 is found by either spelling, `127.0.0.1` or `::ffff:127.0.0.1`.
///
/// # Errors
/// As [`with_local_port`].
pub fn connection(local: SocketAddr, remote: SocketAddr) -> Result<Option<Entry>> {
    #[cfg(target_os = "linux")]
    if netlink::answers() {
        return netlink::connection(local, remote).map_err(failed);
    }
    Ok(proc_net::tcp_with_port(local.port())?.into_iter().find(|s| is_between(s, local, remote)))
}

fn is_between(socket: &Entry, local: SocketAddr, remote: SocketAddr) -> bool {
    let plain = |address: SocketAddr| (address.ip().to_canonical(), address.port());
    plain(socket.local) == plain(local) && plain(socket.remote) == plain(remote)
}

#[cfg(target_os = "linux")]
fn failed(e: io::Error) -> NetError {
    NetError::new("ask", "sock_diag", e)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    /// Every state: what [`proc_net`] shows.
    fn every_state() -> Vec<State> {
        (1..=12).filter_map(State::from_code).collect()
    }

    fn pair(address: &str) -> (TcpListener, TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let server = listener.accept().expect("accept").0;
        (listener, client, server)
    }

    fn addresses(stream: &TcpStream) -> (SocketAddr, SocketAddr) {
        (stream.local_addr().expect("ours"), stream.peer_addr().expect("theirs"))
    }

    /// Waits, since an acknowledgement takes its way even here.
    fn until(what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what}");
            std::thread::yield_now();
        }
    }

    /// Both sources, about the same sockets: a listener, a connection that has something to read, one that is closed.
    fn differs_in_nothing(address: &str) {
        if !netlink::answers() {
            return;
        }
        let (listener, client, server) = pair(address);
        let (_, gone, waiting) = pair(address);
        // A timer's rest, which goes down between the two questions, is not compared.
        let plain = |mut sockets: Vec<Entry>| {
            sockets.iter_mut().for_each(|s| s.timer = s.timer.map(|(timer, _)| (timer, Duration::ZERO)));
            sockets.sort_by_key(|s| (s.local, s.remote));
            sockets
        };
        (&server).write_all(b"twelve ships").expect("write");
        drop(gone);
        for stream in [&client, &server, &waiting] {
            let (local, remote) = addresses(stream);
            until("the two agree", || {
                let table = proc_net::tcp_with_port(local.port()).expect("table");
                let found = netlink::connection(local, remote).expect("netlink").expect("a connection");
                let port = netlink::sockets(local.port(), &every_state()).expect("netlink");
                let listed = table.iter().find(|s| is_between(s, local, remote)).cloned();
                let own = table.into_iter().filter(|s| s.local.port() == local.port()).collect();
                plain(vec![found]) == plain(listed.into_iter().collect()) && plain(port) == plain(own)
            });
        }
        let (local, remote) = addresses(&client);
        assert_eq!(connection(local, remote).expect("ask").expect("a connection").receive_queue, 12);
        let listeners = with_local_port(remote.port(), &[State::Listen]).expect("ask");
        assert_eq!(listeners.iter().map(|s| s.local).collect::<Vec<_>>(), [listener.local_addr().expect("address")]);
        assert!(super::listeners().expect("ask").contains(&listeners[0]));
        assert_eq!(with_local_port(0, &every_state()).expect("ask"), [], "no socket has port 0");
    }

    #[test]
    fn agrees_with_proc() {
        differs_in_nothing("127.0.0.1:0");
    }

    #[test]
    fn agrees_with_proc_over_ipv6() {
        if TcpListener::bind("[::1]:0").is_ok() {
            differs_in_nothing("[::1]:0");
        }
    }

    /// A socket of IPv6 that serves IPv4 is the same socket, however its addresses are written.
    #[test]
    fn ipv4_inside_ipv6() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let port = listener.local_addr().expect("address").port();
        let Ok(client) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let server = listener.accept().expect("accept").0;
        let (local, remote) = addresses(&client);
        for (ours, theirs) in [(remote, local), addresses(&server)] {
            let found = connection(ours, theirs).expect("ask").expect("a connection");
            assert!(found.local.is_ipv6() && is_between(&found, remote, local), "{found:?}");
        }
    }

    /// The kernel offers the listener instead; and another connection is none.
    #[test]
    fn a_connection_that_is_not_there() {
        let (listener, client, _server) = pair("127.0.0.1:0");
        let (local, remote) = addresses(&client);
        let other = SocketAddr::new(local.ip(), local.port() ^ 1);
        assert_eq!(connection(remote, other).expect("ask"), None);
        drop(listener);
        assert_eq!(connection(remote, other).expect("ask"), None);
        assert_eq!(connection(local, remote).expect("ask").map(|s| s.state), Some(State::Established));
        assert_eq!(with_local_port(remote.port(), &[State::Listen, State::CloseWait]).expect("ask"), []);
    }
}
