//! `dial`: a name, its addresses, and what came of each.

use super::dialling::{
    SOON, black_hole, ends, expect_bad_usage, expect_end_after, expect_in_error, expect_line, refusing,
};
use crate::checks::common;
use netkata_kit::prelude::*;
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

pub fn program() -> Program {
    Program::finished(3, "dial")
        .check("closes_without_a_word", "it connects, sends nothing, and closes with a FIN", closes)
        .check("tells_both_ends", "it says which address it tries, and which two ends the connection has", tells_ends)
        .finished_only()
        .check("tries_the_next_address", "an address that refuses is not the end: a name may have another", tries_next)
        .finished_only()
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
        .check("keeps_to_the_family", "with --network tcp4, no IPv6 address is tried, and the other way round", family)
        .finished_only()
        .check("gives_up_at_the_deadline", "a connect that nobody answers ends at --timeout, as a timeout", gives_up)
        .finished_only()
        .check("leaves_time_for_the_next", "a silent address leaves a share of the time to the next", leaves_time)
        .finished_only()
        .check("knows_a_refusal_from_a_timeout", "a refusal is an answer: no timeout, and not temporary", refusal)
        .finished_only()
        .check("refuses_a_timeout_of_zero", "a timeout of zero is bad usage: it leaves no time at all", zero)
        .finished_only()
}

fn closes(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect_close(Close::Fin).because("RFC 9293 §3.6: a close says \"I have no more data to send\", with a FIN")?;
    s.expect_exit(0, SOON).because("there is nothing to wait for: it has connected and closed")
}

fn tells_ends(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    expect_line(s, &format!("trying {address} (1 of 1)"))?;
    let mut c = s.accept()?;
    let (theirs, ours) = ends(&c)?;
    s.expect_exit(0, SOON)?;
    c.expect_close(Close::Fin)?;
    expect_line(s, &format!("connected {theirs} -> {ours}"))
        .because("RFC 9293 §4: a connection is a path identified by a pair of sockets; getsockname(2) tells our own")
}

/// `:port` is this machine, by IPv4 and then by IPv6.
fn tries_next(s: &mut Scene) -> Outcome {
    let why = "getaddrinfo(3): try the addresses one after another, until one of them connects";
    let (refuses, answers) = two_families()?;
    let port = refuses.port();
    s.run_with(&[&format!(":{port}")])?;
    s.expect_output(&format!("trying {refuses} (1 of 2)\n  connection refused\n")).because(why)?;
    s.expect_output(&format!("trying [::1]:{port} (2 of 2)\n")).because(why)?;
    if answers.is_some() {
        s.expect_output(&format!("-> [::1]:{port}\n")).because(why)?;
        s.expect_exit(0, SOON)?;
    } else {
        // A machine without IPv6: the second address fails as well.
        s.expect_exit(1, SOON)?;
    }
    Ok(())
}

fn family(s: &mut Scene) -> Outcome {
    let why = "getaddrinfo(3), ai_family: AF_INET asks for IPv4 addresses, AF_INET6 for IPv6, AF_UNSPEC for both";
    let address = refusing(s)?;
    s.run_unseen(&[&format!(":{}", address.port()), "--network", "tcp4"])?;
    s.expect_exit(1, SOON)?;
    expect_line(s, &format!("trying {address} (1 of 1)")).because(why)?;
    s.run_unseen(&[&address.to_string(), "--network", "tcp6"])?;
    s.expect_exit(1, SOON)?;
    expect_in_error(s, &["no address for tcp6"]).because(why)
}

fn gives_up(s: &mut Scene) -> Outcome {
    let hole = black_hole(s)?;
    let (start, limit) = (Instant::now(), ms(200));
    s.run_with(&[&hole.address().to_string(), "--timeout", "200ms"])?;
    expect_end_after(s, 1, start, limit)
        .because("tcp(7), tcp_syn_retries: left alone, connect(2) goes on for two minutes")?;
    let why = "connect(2), ETIMEDOUT: no answer in time; a second try may find one";
    expect_in_error(s, &["error: ", "deadline exceeded"]).because(why)?;
    expect_in_error(s, &["(timeout: yes, temporary: yes)"]).because(why)
}

/// 127.0.0.1 never answers, and takes half of the time with it; then it is [::1]'s turn.
fn leaves_time(s: &mut Scene) -> Outcome {
    let why = "RFC 6724 §2: go on to the next address when one fails; that takes time which the first must not use up";
    let hole = black_hole(s)?;
    let port = hole.address().port();
    let answers = TcpListener::bind(("::1", port)).ok();
    s.run_with(&[&format!(":{port}"), "--timeout", "600ms"])?;
    s.expect_output(&format!("trying [::1]:{port} (2 of 2)\n"))?;
    let end = s.output_line()?;
    if end.starts_with("connected") || (answers.is_none() && !end.contains("deadline")) {
        return s.expect_exit(if answers.is_some() { 0 } else { 1 }, SOON);
    }
    Err(Failure::new("time left to connect to the second address", format!("{:?}", end.trim()))).because(why)
}

fn refusal(s: &mut Scene) -> Outcome {
    let why = "connect(2), ECONNREFUSED: no one listens there; asking again changes nothing until somebody does";
    let address = refusing(s)?;
    s.run_with(&[&address.to_string()])?;
    s.expect_exit(1, SOON)?;
    s.error_line()?;
    expect_in_error(s, &["nothing listens", "(timeout: no, temporary: no)"]).because(why)
}

fn zero(s: &mut Scene) -> Outcome {
    s.run_with(&["127.0.0.1:9", "--timeout", "0"])?;
    expect_bad_usage(s, "a limit of zero")
        .because("setsockopt(2), socket(7) SO_SNDTIMEO: to the kernel, zero means no timeout at all")
}

/// A port where 127.0.0.1 refuses, and [::1] listens, if there is IPv6.
fn two_families() -> Outcome<(SocketAddr, Option<(TcpListener, Socket)>)> {
    let failed = |e: std::io::Error| Failure::new("a port of our own", e.to_string());
    for _ in 0..100 {
        // Bound and not listening: nobody else gets the port, and a SYN is answered with a reset.
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(failed)?;
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).map_err(failed)?;
        let refuses =
            held.local_addr().map_err(failed)?.as_socket().ok_or_else(|| Failure::new("an address", "none"))?;
        match TcpListener::bind(("::1", refuses.port())) {
            Ok(listener) => return Ok((refuses, Some((listener, held)))),
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => return Ok((refuses, None)),
        }
    }
    Err(Failure::new("a port of our own", "none"))
}
