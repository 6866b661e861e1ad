//! `counting_echo`: an echo that counts, and a stop in good order.

use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const CLEAN: &str = "with its last connection gone, a stopping server has nothing to wait for, and nothing went wrong";

pub fn program() -> Program {
    Program::exercise(3, "counting_echo")
        .check("echoes_to_the_half_close", "octets go back, and after the half-close a FIN", echoes)
        .check(
            "serves_clients_side_by_side",
            "a silent client does not hold up the next",
            common::serves_clients_side_by_side,
        )
        .check("says_nothing_while_it_serves", "standard output has the announcement, and nothing else yet", silent)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("counts_clients_that_left", "clients that came and went are counted", gone)
        .check("counts_each_client_once", "a client is one client, however much it says", once)
        .check("says_one_client", "the line says 1 client, but 0 clients and 2 clients", singular)
        .check("counts_clients_that_reset", "a client that leaves by RST was a client, too", reset)
        .check("accepts_nobody_after_sigint", "after SIGINT, new clients are refused", no_more)
        .check("finishes_what_it_accepted", "after SIGINT, whoever is connected is served to the end", finishes)
        .check("speaks_when_the_last_has_left", "the line comes when nobody is connected any more", last)
        .check("counts_clients_still_connected", "whoever is connected at SIGINT is counted, too", connected)
        .check("waits_no_longer_than_grace", "after --grace the server leaves, whoever is still there", grace)
        .with(&["--grace", "150ms"])
        .check("counts_clients_it_cut_off", "whoever was cut off after --grace was a client, too", cut_off)
        .with(&["--grace", "150ms"])
        .check("does_the_same_on_sigterm", "SIGTERM is SIGINT without a keyboard", sigterm)
}

/// A client that comes, is served, and goes.
fn visit(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    c.expect(words.as_bytes())?;
    c.expect_close(Close::Fin)
}

/// A client that has come, and is served.
fn enter(s: &mut Scene) -> Outcome<Talk> {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.expect(words.as_bytes())?;
    Ok(c)
}

/// Ends the conversation from our side; the server should follow.
fn leave(mut c: Talk) -> Outcome {
    c.half_close()?;
    c.expect_close(Close::Fin)
}

/// Ends the server when it has nobody left, and returns the line that it says.
fn end(s: &mut Scene, signal: Signal) -> Outcome<String> {
    s.signal(signal)?;
    end_of(s)
}

fn end_of(s: &mut Scene) -> Outcome<String> {
    s.expect_exit(0, Duration::from_secs(2)).because(CLEAN)?;
    let line =
        s.output_line().because("standard output is for what a program was asked for; the log goes elsewhere")?;
    s.expect_no_output(Duration::ZERO)?;
    s.journal.note(format!("standard output: {line}"));
    Ok(line)
}

fn expect_line(line: &str, clients: usize, why: &str) -> Outcome {
    let wanted = format!("served {clients} client{}", if clients == 1 { "" } else { "s" });
    if line == wanted { Ok(()) } else { Err(Failure::new(format!("`{wanted}`"), format!("`{line}`"))).because(why) }
}

fn echoes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    let why = "RFC 862: any data received is sent back to the originating source";
    c.expect(words.as_bytes()).because(why)?;
    c.half_close()?;
    c.expect_close(Close::Fin).because("RFC 862: this continues until the calling user terminates the connection")
}

fn silent(s: &mut Scene) -> Outcome {
    visit(s)?;
    let c = enter(s)?;
    s.expect_no_output(ms(30)).because("the number is not known before the last client has come")?;
    leave(c)
}

fn gone(s: &mut Scene) -> Outcome {
    let clients = s.rng.usize(3..7);
    for _ in 0..clients {
        visit(s)?;
    }
    let line = end(s, Signal::SIGINT)?;
    expect_line(&line, clients, "a client that left was served all the same")
}

/// Four messages, each of which is read by itself. Whether it is one `client` is the next check's affair.
fn once(s: &mut Scene) -> Outcome {
    let mut c = enter(s)?;
    for _ in 0..3 {
        let words = s.phrase();
        c.send(words.as_bytes())?;
        c.expect(words.as_bytes())?;
    }
    leave(c)?;
    let line = end(s, Signal::SIGINT)?;
    let line = if line == "served 1 clients" { "served 1 client" } else { &line };
    expect_line(line, 1, "accept(2): one call, one connection; what is read from it is another matter")
}

fn singular(s: &mut Scene) -> Outcome {
    s.start()?;
    let none = end(s, Signal::SIGINT)?;
    s.start()?;
    visit(s)?;
    let one = end(s, Signal::SIGINT)?;
    let why = "programs read this line, too: it is part of the contract, to the letter";
    expect_line(&none, 0, why)?;
    expect_line(&one, 1, why)
}

fn reset(s: &mut Scene) -> Outcome {
    enter(s)?.reset()?;
    visit(s)?;
    // The reset has been seen as well.
    s.wait_until_still(ms(500))?;
    let line = end(s, Signal::SIGINT)?;
    expect_line(&line, 2, "RFC 9293 §3.5.3: a reset aborts its connection, and undoes nothing that was before")
}

fn no_more(s: &mut Scene) -> Outcome {
    let c = enter(s)?;
    s.signal(Signal::SIGINT)?;
    s.expect_refusal().because(
        "listen(2): while the socket listens, the kernel completes handshakes for clients that nobody will serve",
    )?;
    c.leave();
    s.expect_exit(0, Duration::from_secs(2)).because(CLEAN)
}

fn finishes(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = enter(s)?;
    s.signal(Signal::SIGINT)?;
    s.expect_refusal()?;
    let why = "a stop is no reason to break a promise: whoever was accepted is served";
    c.expect_silence(ms(30)).because(why)?;
    c.send(words.as_bytes()).because(why)?;
    c.expect(words.as_bytes()).because(why)?;
    c.half_close().because(why)?;
    c.expect_close(Close::Fin).because(why)?;
    s.expect_exit(0, Duration::from_secs(2)).because(CLEAN)
}

fn last(s: &mut Scene) -> Outcome {
    let c = enter(s)?;
    s.signal(Signal::SIGINT)?;
    s.expect_refusal()?;
    s.expect_no_output(ms(30)).because("whoever reads that line may take the server for gone")?;
    leave(c)?;
    end_of(s).map(drop)
}

fn connected(s: &mut Scene) -> Outcome {
    visit(s)?;
    visit(s)?;
    let stay = [enter(s)?, enter(s)?, enter(s)?];
    s.signal(Signal::SIGINT)?;
    s.expect_refusal()?;
    stay.into_iter().try_for_each(leave)?;
    let line = end_of(s)?;
    expect_line(&line, 5, "a client is served from accept(2) on, not from its end on")
}

fn grace(s: &mut Scene) -> Outcome {
    let c = enter(s)?;
    s.signal(Signal::SIGINT)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("a client that neither speaks nor closes would keep a server for ever that waits for it")?;
    c.leave();
    Ok(())
}

fn cut_off(s: &mut Scene) -> Outcome {
    visit(s)?;
    let stay = [enter(s)?, enter(s)?];
    s.signal(Signal::SIGINT)?;
    let line = end_of(s)?;
    stay.into_iter().for_each(|c| s.keep(c));
    expect_line(&line, 3, "a client is served from accept(2) on, not from its end on")
}

fn sigterm(s: &mut Scene) -> Outcome {
    visit(s)?;
    visit(s)?;
    let line = end(s, Signal::SIGTERM)?;
    expect_line(&line, 2, "signal(7): SIGTERM is what `kill`, systemd and every container send")
}
