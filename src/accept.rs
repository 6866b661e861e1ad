//! The accept loop that chapter 3 writes out by hand (`bin/ch03/echo_server.rs`), for the programs that come later.

use crate::addr::Network;
use crate::context::{Context, Ready};
use crate::error::{Attempt, Result, is_about_one_connection, is_shortage};
use crate::exit::log;
use crate::human;
use crate::slots::{Slot, Slots};
use crate::{listen, stop, sys};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How a server treats its connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections served at once; more are closed at once.
    pub connections: usize,
    /// How long the connections may go on after a stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 12_000, grace: Duration::from_secs(5) }
    }
}

/// The first pause after accept(2) ran out of descriptors, or the system out of threads. It doubles up to [`LONGEST_PAUSE`].
/// The connection stays in the queue meanwhile, so a loop without a pause would spin.
pub const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// See [`FIRST_PAUSE`].
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A whole server: listens, announces it, serves until SIGINT or SIGTERM, and lets the connections finish.
///
/// # Errors
/// When it cannot listen, or the listener fails for good.
pub fn run<H>(network: Network, address: &str, limits: &Limits, handle: H) -> Result<()>
where
    H: Fn(TcpStream, SocketAddr) + Clone + Send + 'static,
{
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    let listener = listen::tcp_announced(network, address)?;
    match serve(&stop, listener, limits, handle).attempt("accept", address)? {
        0 => {}
        left => {
            let (left, grace) = (human::count(left, "connection"), human::duration(limits.grace));
            log(format_args!("cut off {left} after {grace}"));
        }
    }
    Ok(())
}

/// Accepts connections and runs `handle` for each in a thread of its own, until `ctx` ends; then gives them
/// [`Limits::grace`] to finish. Returns how many were still open.
///
/// # Errors
/// When the listener itself fails for good. What goes wrong with one connection is `handle`'s to deal with.
pub fn serve<H>(ctx: &Context, listener: TcpListener, limits: &Limits, handle: H) -> io::Result<usize>
where
    H: Fn(TcpStream, SocketAddr) + Clone + Send + 'static,
{
    // A client may be gone between poll(2) and accept(2); the listener must not block then.
    listener.set_nonblocking(true)?;
    let slots = Slots::new(limits.connections);
    let mut pause = FIRST_PAUSE;
    while ctx.wait_readable(&listener)? == Ready::Socket {
        let trouble = match listener.accept() {
            Ok((stream, peer)) => match slots.take() {
                Some(slot) => start(stream, peer, slot, handle.clone()).err(),
                None => {
                    log(format_args!("{peer}: refused, {} open", human::count(slots.limit(), "connection")));
                    None
                }
            },
            Err(e) if is_about_one_connection(&e) => None,
            Err(e) if is_shortage(&e) => Some(e),
            Err(e) => return Err(e),
        };
        match trouble {
            None => pause = FIRST_PAUSE,
            Some(e) => {
                log(format_args!("accept: {}; waiting {}", crate::error::cause_text(&e), human::duration(pause)));
                let _ = ctx.sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    // From here on, new clients are refused; those already here may finish.
    drop(listener);
    Ok(slots.wait_empty(limits.grace))
}

/// `thread::spawn` panics when the system has no thread left. The builder returns the error, and the connection is
/// closed by dropping it.
fn start<H>(stream: TcpStream, peer: SocketAddr, slot: Slot, handle: H) -> io::Result<()>
where
    H: FnOnce(TcpStream, SocketAddr) + Send + 'static,
{
    // Some systems let an accepted socket inherit the listener's non-blocking mode.
    stream.set_nonblocking(false)?;
    thread::Builder::new().name(peer.to_string()).spawn(move || {
        let _slot = slot;
        handle(stream, peer);
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Two clients at once; the one over the limit sees a clean close; a cancel ends the loop.
    #[test]
    fn serves_refuses_and_stops() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let ctx = Context::new();
        let limits = Limits { connections: 2, grace: Duration::from_secs(5) };
        let stop = ctx.clone();
        let server = thread::spawn(move || {
            serve(&stop, listener, &limits, |mut stream, _| {
                let mut octet = [0];
                while let Ok(1) = stream.read(&mut octet) {
                    let _ = stream.write_all(&octet);
                }
            })
        });
        let ask = |octet: u8| {
            let mut stream = TcpStream::connect(address).expect("connect");
            stream.write_all(&[octet]).expect("write");
            let mut reply = [0];
            stream.read_exact(&mut reply).expect("read");
            assert_eq!(reply, [octet]);
            stream
        };
        let clients = (ask(1), ask(2));
        let mut third = TcpStream::connect(address).expect("connect");
        assert_eq!(third.read(&mut [0]).expect("closed, not reset"), 0);
        drop(clients);
        ctx.cancel();
        assert_eq!(server.join().expect("join").expect("serve"), 0);
    }
}
