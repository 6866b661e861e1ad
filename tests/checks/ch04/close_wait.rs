//! `close_wait`: what a handler leaves behind that does not close, by the kernel's own table.

use crate::checks::common;
use netkata::proc_net::State;
use netkata::sock_diag;
use netkata_kit::prelude::*;
use std::net::SocketAddr;

const SOON: Duration = Duration::from_secs(3);
const WAITS: &str = "RFC 9293 §3.6: after the peer's FIN, CLOSE-WAIT lasts until our program closes; no timer ends it";

pub fn program() -> Program {
    Program::finished(4, "close_wait")
        .check("echoes", "to a client that stays, it is an echo server", echoes)
        .check("serves_clients_side_by_side", "a silent client does not hold up the next", side_by_side)
        .check("does_not_close", "when the client closes, the socket stays in CLOSE_WAIT", parked)
        .finished_only()
        .check("a_clone_keeps_it_open", "with --mistake clone, the drop of the stream closes nothing", parked)
        .with(&["--mistake", "clone"])
        .check("what_is_forgotten_stays_open", "with --mistake forget, too", parked)
        .with(&["--mistake", "forget"])
        .check("tells_how_many_pile_up", "after each client, a line says how many are in CLOSE_WAIT", counts)
        .finished_only()
        .check("a_reset_leaves_nothing", "a client that resets leaves a descriptor, but no CLOSE_WAIT", reset)
        .finished_only()
        .check("closes_when_it_is_fixed", "with --fixed, it closes when the client has", fixed)
        .with(&["--fixed"])
        .check(
            "fixed_gives_descriptors_back",
            "with --fixed, many clients one after another are no more than one",
            reused,
        )
        .with(&["--fixed"])
        .check(
            "shutdown_closes_for_every_clone",
            "with --fixed, a living clone keeps the descriptor, not the state",
            fixed,
        )
        .with(&["--mistake", "clone", "--fixed"])
        .check("may_still_write", "in CLOSE_WAIT the server can write; a client that half-closed reads it", asks)
        .finished_only()
        .check("a_write_ends_what_is_dead", "a client that closed altogether answers with a reset", asks_the_dead)
        .finished_only()
        .check("stops_all_the_same", "SIGTERM ends it, whatever is left in CLOSE_WAIT", stops)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port in use is named in one line", common::names_a_port_in_use)
        .finished_only()
}

/// The state of the socket at the program's end; none when it is gone.
fn state(c: &Talk) -> Outcome<Option<State>> {
    let (ours, theirs) = c.addresses().ok_or_else(|| Failure::new("a connection", "none"))?;
    let socket = sock_diag::connection(theirs, ours).map_err(|e| Failure::new("the kernel's view", e.to_string()))?;
    Ok(socket.map(|s| s.state))
}

/// An exchange, so that the server's handler has begun.
fn greeted(s: &mut Scene) -> Outcome<Talk> {
    let words = s.octets(30);
    let mut c = s.connect()?;
    c.send(&words)?;
    c.expect(&words)?;
    Ok(c)
}

fn echoes(s: &mut Scene) -> Outcome {
    let words = s.every_octet();
    let mut c = s.connect()?;
    for _ in 0..3 {
        c.send(&words)?;
        c.expect(&words).because("RFC 862: the data received is sent back")?;
    }
    s.keep(c);
    Ok(())
}

/// The first client is being served, and silent, when the second one comes.
fn side_by_side(s: &mut Scene) -> Outcome {
    let silent = greeted(s)?;
    let c = greeted(s).because("accept(2) takes one connection at a time; serving must not keep it from the next")?;
    s.keep(silent);
    s.keep(c);
    Ok(())
}

/// The client half-closes and waits for the FIN that does not come.
fn parked(s: &mut Scene) -> Outcome {
    let mut c = greeted(s)?;
    c.half_close()?;
    // The handler is done when it has told so.
    s.output_line()?;
    c.expect_silence(ms(60)).because(WAITS)?;
    let seen = state(&c)?;
    s.keep(c);
    match seen {
        Some(State::CloseWait) => Ok(()),
        other => {
            let got = other.map_or("no such socket".into(), |state| state.to_string());
            Err(Failure::new("CLOSE_WAIT at the program's end, by ss(8)", got)).because(WAITS)
        }
    }
}

fn counts(s: &mut Scene) -> Outcome {
    for n in 1..=3 {
        let mut c = greeted(s)?;
        c.half_close()?;
        // One that is still being served is no leak.
        let held = if n == 1 { "1 socket".into() } else { format!("{n} sockets") };
        expect_line(s, &format!("{n} in CLOSE_WAIT, {held} held"))
            .because("proc_pid_net(5), proc(5): state 08, and /proc/PID/fd; a leak is a number that only grows")?;
        s.keep(c);
    }
    Ok(())
}

fn reset(s: &mut Scene) -> Outcome {
    let c = greeted(s)?;
    c.reset()?;
    expect_line(s, "0 in CLOSE_WAIT, 1 socket held")
        .because("RFC 9293 §3.5.3: a reset ends the connection at once; the descriptor is the program's, and stays")?;
    let c = greeted(s)?;
    s.keep(c);
    Ok(())
}

fn fixed(s: &mut Scene) -> Outcome {
    let mut c = greeted(s)?;
    c.half_close()?;
    c.expect_close(Close::Fin).because(
        "shutdown(2) ends the connection for every handle of the socket; close(2) only with the last of them",
    )?;
    s.expect_output("0 in CLOSE_WAIT, ")
}

/// Sixty clients in a row, at a server that has thirty-two descriptors.
fn reused(s: &mut Scene) -> Outcome {
    s.limit_descriptors(32);
    s.start()?;
    for _ in 0..60 {
        let mut c =
            greeted(s).because("getrlimit(2): a descriptor that is not closed is not there for the next client")?;
        c.half_close()?;
        c.expect_close(Close::Fin)?;
    }
    Ok(())
}

fn asks(s: &mut Scene) -> Outcome {
    let mut c = greeted(s)?;
    c.half_close()?;
    s.output_line()?;
    s.type_line("")?;
    c.expect(b"are you there\n").because("RFC 9293 §3.6: a half-closed connection still carries data the other way")?;
    expect_line(s, "1 in CLOSE_WAIT, 1 socket held").because(WAITS)?;
    s.keep(c);
    Ok(())
}

/// The first write draws the reset, the second fails, and the server lets go.
fn asks_the_dead(s: &mut Scene) -> Outcome {
    let mut c = greeted(s)?;
    c.half_close()?;
    expect_line(s, "1 in CLOSE_WAIT, 1 socket held")?;
    let ends = c.addresses();
    drop(c);
    s.type_line("")?;
    s.output_line()?;
    expect_gone(ends)
        .because("RFC 9293 §3.10.7.1: octets for a connection that is no more are answered with an RST")?;
    s.type_line("")?;
    // Nobody is left to ask, so a third line has no answer.
    expect_line(s, "0 in CLOSE_WAIT, 0 sockets held").because("send(2), EPIPE: now the program knows, too")
}

/// The reset is on its way back.
fn expect_gone(ends: Option<(SocketAddr, SocketAddr)>) -> Outcome {
    let (ours, theirs) = ends.ok_or_else(|| Failure::new("a connection", "none"))?;
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        let socket =
            sock_diag::connection(theirs, ours).map_err(|e| Failure::new("the kernel's view", e.to_string()))?;
        if socket.is_none() {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(Failure::new("the program's socket to be gone", "it is still there"))
}

fn stops(s: &mut Scene) -> Outcome {
    let mut c = greeted(s)?;
    c.half_close()?;
    s.output_line()?;
    s.signal(nix::sys::signal::Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2)).because(
        "exit(3): the kernel closes what a program has left open; restarting it is how most of these leaks end",
    )?;
    c.expect_close(Close::Fin)
}

/// The next line of standard output.
fn expect_line(s: &mut Scene, wanted: &str) -> Outcome {
    let line = s.output_line()?;
    if line == wanted { Ok(()) } else { Err(Failure::new(format!("the line {wanted:?}"), format!("{line:?}"))) }
}
