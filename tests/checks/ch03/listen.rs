//! `listen`: a listener and its queue.

use crate::checks::common;
use netkata::proc_net::State;
use netkata::sock_diag;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

const QUEUE: &str = "listen(2): the kernel finishes the handshakes and keeps the connections in a queue for accept(2)";

pub fn program() -> Program {
    Program::finished(3, "listen")
        .check("says_what_it_is_bound_to", "port 0 asks for any port, and the socket knows which", says_port)
        .check("a_port_has_one_listener", "a second socket does not get the same port", exclusive)
        .check("connects_succeed_without_accept", "clients connect, although nobody accepts them", connects)
        .check("keeps_them_in_the_queue", "who connected stays in the listener's queue", queue)
        .check("resets_the_queue_at_the_end", "when the listener closes, who is in the queue is reset", resets)
        .check("understands_short_addresses", "a port may be left out, and so may all but the colon", short_forms)
        .check("no_host_is_every_address", "without a host, every address of the machine is meant", every_address)
        .check("tcp6_takes_no_ipv4", "--network tcp6 leaves IPv4 alone", tcp6)
        .with(&["--network", "tcp6"])
        .check("once_waits_for_nobody", "with --once, it closes without waiting for Ctrl-C", once)
        .with(&["--once"])
        .check("ends_on_sigterm", "SIGTERM ends it", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends it", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

fn says_port(s: &mut Scene) -> Outcome {
    s.start()?;
    let address = s.address()?;
    s.expect_output(&format!("bound to \"{address}\"\n"))
        .because("bind(2): port 0 asks for any free port; getsockname(2) tells which it became")
}

/// What the program finds out, and what anybody else does.
fn exclusive(s: &mut Scene) -> Outcome {
    const WHY: &str = "bind(2), EADDRINUSE: while a socket listens there, no other gets the address and port";
    s.start()?;
    let address = s.address()?;
    s.expect_output(&format!("second bind: listen tcp://{address}: address already in use")).because(WHY)?;
    match TcpListener::bind(address) {
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Ok(()),
        Err(e) => Err(Failure::new("the port to be taken", netkata::error::cause_text(&e))).because(WHY),
        Ok(_) => Err(Failure::new("the port to be taken", "somebody else listens there now")).because(WHY),
    }
}

fn connects(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut clients = vec![s.connect().because(QUEUE)?];
    for _ in 0..s.rng.usize(1..4) {
        clients.push(s.connect().because(QUEUE)?);
    }
    clients[0].expect_silence(ms(60)).because(QUEUE)?;
    for c in &mut clients {
        c.send(words.as_bytes()).because(QUEUE)?;
    }
    clients[0].expect_silence(ms(60)).because(QUEUE)
}

/// The kernel tells the queue's length, where it can be asked.
fn queue(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(3..20);
    let crowd = s.crowd(n - 1)?;
    let mut c = s.connect()?;
    c.expect_silence(ms(60))?;
    let address = s.address()?;
    let Ok(table) = sock_diag::with_local_port(address.port(), &[State::Listen]) else { return Ok(()) };
    let waiting = table.iter().find(|e| e.local == address).map(|e| e.receive_queue as usize);
    drop((crowd, c));
    if waiting == Some(n) {
        return Ok(());
    }
    let got = waiting.map_or("no listener".into(), |n| format!("{n} in the queue"));
    Err(Failure::new(format!("{n} connections in the queue"), got)).because(QUEUE)
}

fn resets(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    s.expect_output("closed")?;
    c.expect_close(Close::Rst)
        .because("RFC 9293 §3.10.5 (ABORT): what nobody accepted has nobody to close it; the kernel sends a reset")
}

fn short_forms(s: &mut Scene) -> Outcome {
    for form in ["127.0.0.1:", ":", "localhost:0"] {
        s.start_on(form).because(
            "ip(7): port 0 leaves the port to the kernel, INADDR_ANY means all addresses: both may go unsaid",
        )?;
        if s.address()?.port() == 0 {
            return Err(Failure::new(format!("a port of the kernel's choice for {form:?}"), "port 0"));
        }
    }
    Ok(())
}

fn every_address(s: &mut Scene) -> Outcome {
    s.start_on(":0")?;
    let address = s.address()?;
    if !address.ip().is_unspecified() {
        return Err(Failure::new("the address that stands for all, 0.0.0.0 or [::]", address.ip().to_string()))
            .because("ip(7): INADDR_ANY stands for every address of the machine; 127.0.0.1 is seen from inside only");
    }
    for host in loopbacks() {
        connect(s, SocketAddr::new(host, address.port()))
            .map_err(|e| Failure::new(format!("a connection to {host}"), e))
            .because("ipv6(7): the IPv6 wildcard takes IPv4 as well, unless IPV6_V6ONLY is set")?;
    }
    Ok(())
}

/// On a machine without IPv6 there is nothing to listen on, and the program has to say that.
fn tcp6(s: &mut Scene) -> Outcome {
    if TcpListener::bind("[::]:0").is_err() {
        s.run_with(&[":0", "--network", "tcp6"])?;
        s.journal.note("this machine has no IPv6");
        return common::expect_one_error(s, "listen tcp://[::]:0");
    }
    // The same port of IPv4 may be somebody else's by chance; not three times.
    for _ in 0..3 {
        s.start_on(":0")?;
        let port = s.address()?.port();
        if loopbacks().contains(&Ipv6Addr::LOCALHOST.into()) {
            connect(s, SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port))
                .map_err(|e| Failure::new("a connection to ::1", e))?;
        }
        if connect(s, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).is_err() {
            return Ok(());
        }
    }
    Err(Failure::new("a connect to 127.0.0.1 to be refused", "it succeeds"))
        .because("ipv6(7), IPV6_V6ONLY: unless it is set, an IPv6 wildcard socket takes IPv4 connections too")
}

fn connect(s: &Scene, to: SocketAddr) -> std::result::Result<(), String> {
    let result = TcpStream::connect_timeout(&to, Duration::from_secs(2));
    let result = result.map(drop).map_err(|e| netkata::error::cause_text(&e));
    s.journal.note(format!("connect to {}: {}", to.ip(), result.as_ref().err().map_or("done", |e| e)));
    result
}

/// This machine, in each version of IP that it has.
fn loopbacks() -> Vec<IpAddr> {
    let all = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    all.into_iter().filter(|ip| TcpListener::bind((*ip, 0)).is_ok()).collect()
}

fn once(s: &mut Scene) -> Outcome {
    s.start()?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("a listener can be closed at any time: only connections make others wait")?;
    s.expect_output("closed")
}
