//! The accept loop that chapter 3 writes out by hand (`bin/ch03/echo_server.rs`), plus a crew, for the programs that come
//! later.

use crate::addr::Network;
use crate::conn::{Conn, Peer};
use crate::context::{Context, Ready};
use crate::crew::Crew;
use crate::endpoint::Endpoint;
use crate::error::{Attempt, Result, is_about_one_connection, is_shortage};
use crate::exit::log;
use crate::human;
use crate::listen::{self, Accept};
use crate::slots::{Slot, Slots};
use crate::{stop, sys};
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    run_with(|| listen::tcp_announced(network, address), address, limits, handle)
}

/// As [`run`], on any endpoint that takes streams: a TCP port, a socket file, an abstract name.
///
/// # Errors
/// As [`run`].
pub fn run_on<H>(endpoint: &Endpoint, limits: &Limits, handle: H) -> Result<()>
where
    H: Fn(Conn, Peer) + Clone + Send + 'static,
{
    run_with(|| listen::announced(endpoint), endpoint, limits, handle)
}

/// As [`run`], on whatever `listen` listens on and announces; `address` is for messages.
///
/// # Errors
/// As [`run`].
pub fn run_with<L, H>(
    listen: impl FnOnce() -> Result<L>,
    address: impl Display,
    limits: &Limits,
    handle: H,
) -> Result<()>
where
    L: Accept,
    H: Fn(L::Stream, L::Peer) + Clone + Send + 'static,
{
    sys::limits::raise_descriptors().attempt("raise", "the limit on open descriptors")?;
    let stop = stop::on_signals()?;
    match serve(&stop, listen()?, limits, handle).attempt("accept", address)? {
        0 => {}
        left => {
            let (left, grace) = (human::count(left, "connection"), human::duration(limits.grace));
            log(format_args!("cut off {left} after {grace}"));
        }
    }
    Ok(())
}

/// Accepts connections and runs `handle` for each in a thread of its own (see [`Crew`]), until `ctx` ends; then gives them
/// [`Limits::grace`] to finish. Returns how many were still open.
///
/// # Errors
/// When the listener itself fails for good. What goes wrong with one connection is `handle`'s to deal with.
pub fn serve<L, H>(ctx: &Context, listener: L, limits: &Limits, handle: H) -> io::Result<usize>
where
    L: Accept,
    H: Fn(L::Stream, L::Peer) + Clone + Send + 'static,
{
    // A client may be gone between poll(2) and accept(2); the listener must not block then.
    listener.set_nonblocking(true)?;
    let slots = Slots::new(limits.connections);
    let crew = Crew::new("connection");
    let mut pause = FIRST_PAUSE;
    while ctx.wait_readable(&listener)? == Ready::Socket {
        let trouble = match listener.accept_one() {
            Ok((stream, peer)) => match slots.take() {
                Some(slot) => start(&crew, stream, peer, slot, handle.clone()).err(),
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

/// When no thread can be had, the connection is closed by dropping it, and the place is free again.
fn start<S, P, H>(crew: &Crew, stream: S, peer: P, slot: Slot, handle: H) -> io::Result<()>
where
    S: Send + 'static,
    P: Display + Send + 'static,
    H: FnOnce(S, P) + Send + 'static,
{
    crew.run(move || {
        // Held until the job ends, however it ends.
        let _slot = slot;
        // The panic's own message names the thread, which has served others before. Nobody uses what was in use here.
        let name = peer.to_string();
        if catch_unwind(AssertUnwindSafe(|| handle(stream, peer))).is_err() {
            log(format_args!("{name}: cut off by a panic"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::thread;
    use std::time::Instant;

    /// A server in a thread of its own, and how to stop it: gives what `serve` returned.
    fn start_server<H>(connections: usize, handle: H) -> (SocketAddr, impl FnOnce() -> usize)
    where
        H: Fn(TcpStream, SocketAddr) + Clone + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let ctx = Context::new();
        let stop = ctx.clone();
        let limits = Limits { connections, grace: Duration::from_secs(5) };
        let server = thread::spawn(move || serve(&ctx, listener, &limits, handle));
        (address, move || {
            stop.cancel();
            server.join().expect("join").expect("serve")
        })
    }

    fn echo(mut stream: TcpStream) {
        let mut octet = [0];
        while let Ok(1) = stream.read(&mut octet) {
            let _ = stream.write_all(&octet);
        }
    }

    fn ask(address: SocketAddr, octet: u8) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&[octet])?;
        let mut reply = [0];
        stream.read_exact(&mut reply)?;
        assert_eq!(reply, [octet]);
        Ok(stream)
    }

    /// Two clients at once; the one over the limit sees a clean close; a cancel ends the loop.
    #[test]
    fn serves_refuses_and_stops() {
        let (address, stop) = start_server(2, |stream, _| echo(stream));
        let clients = (ask(address, 1).expect("first"), ask(address, 2).expect("second"));
        let mut third = TcpStream::connect(address).expect("connect");
        assert_eq!(third.read(&mut [0]).expect("closed, not reset"), 0);
        drop(clients);
        assert_eq!(stop(), 0);
    }

    /// Clients in a row, more than there are places: each place is given back, and the thread serves the next client.
    #[test]
    fn one_place_serves_many_in_turn() {
        let (address, stop) = start_server(1, |stream, _| echo(stream));
        for octet in 0..200 {
            let start = Instant::now();
            // Until the server has seen the last one leave, it refuses the next.
            while ask(address, octet).is_err() {
                assert!(start.elapsed() < Duration::from_secs(20), "client {octet} was never served");
                thread::yield_now();
            }
        }
        assert_eq!(stop(), 0);
    }

    /// The handler panics; the client sees the end, and the only place is free for the next.
    #[test]
    fn a_panic_costs_its_own_connection_only() {
        let panicked = Arc::new(AtomicBool::new(false));
        let (address, stop) = start_server(1, move |stream, _| {
            if !panicked.swap(true, SeqCst) {
                std::panic::resume_unwind(Box::new("silent"));
            }
            echo(stream);
        });
        let mut first = TcpStream::connect(address).expect("connect");
        assert_eq!(first.read(&mut [0]).expect("closed"), 0);
        let start = Instant::now();
        while ask(address, 7).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "the place was lost");
            thread::yield_now();
        }
        assert_eq!(stop(), 0);
    }
}
