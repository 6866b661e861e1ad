//! `heartbeat_server`: pings its clients and leaves those that stay silent. The times of the lesson, divided by ten.

use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const ABSOLUTE: &str = "a deadline is a point in time, and only what the *client* sends moves it on";

pub fn program() -> Program {
    Program::finished(3, "heartbeat_server")
        .check("speaks_first", "after an interval the server sends `ping`, four octets and no more", speaks_first)
        .with(&["--interval", "250ms"])
        .check(
            "gives_a_silent_client_up",
            "a client that says nothing hears pings until --deadline, then a FIN",
            silent,
        )
        .with(&["--interval", "100ms", "--deadline", "500ms"])
        .check("an_answer_resets_the_interval", "who talks is not pinged; an interval after the last word it is", reset)
        .with(&["--interval", "600ms"])
        .check("an_answer_moves_the_deadline", "a PONG after the fourth ping moves the end from 0.5 s to 0.9 s", nine)
        .finished_only()
        .check("prints_what_it_hears", "what the client says is printed, control characters made harmless", prints)
        .with(&["--interval", "1m"])
        .check("answers_a_half_close", "a client that closes its direction is not waited for", half_close)
        .with(&["--deadline", "1m"])
        .check("serves_clients_side_by_side", "every client has a heart of its own", side_by_side)
        .with(&["--interval", "100ms"])
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", survives)
        .with(&["--interval", "50ms"])
        .check("refuses_beyond_the_limit", "connections beyond --max-connections are closed at once", refuses)
        .with(&["--max-connections", "1"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check(
            "lets_them_finish",
            "after SIGTERM, hearts go on beating for --grace, and then the server ends",
            finishes,
        )
        .with(&["--interval", "100ms", "--grace", "600ms"])
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

fn speaks_first(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    c.expect(b"ping")
        .because("both ends must agree on the octets of a heartbeat; here they are four, without a line end")?;
    not_before(start, ms(250), "the first ping")
        .because("who has just connected is alive: there is no need to ask yet")?;
    c.expect_no_more(ms(30))
        .because("four octets: a stream has no ends of messages, so a fifth would belong to the next")
}

fn silent(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    // Five deadlines would be time for ten pings.
    let heard = c.read_to_end_within(40).because(ABSOLUTE)?;
    not_before(start, ms(500), "the close")?;
    expect_pings(&heard, 2)?;
    s.expect_error("nothing heard for 500ms, closed")
}

/// Pings at 1, 2, 3 and 4 tenths of a second, the answer, pings at 5 to 8, the end at 9. A machine too busy to keep time
/// gets tenths that are twice as long.
fn nine(s: &mut Scene) -> Outcome {
    for tenth in [ms(100), ms(200), ms(400)] {
        let (interval, deadline) = (human::duration(tenth), human::duration(5 * tenth));
        s.start_with(&["--interval", &interval, "--deadline", &deadline])?;
        let start = Instant::now();
        let mut c = s.connect()?;
        let in_time = (0..4).all(|_| c.expect(b"ping").is_ok()) && start.elapsed() < tenth * 9 / 2;
        if in_time || tenth == ms(400) {
            return answer(&mut c, start, tenth).because(ABSOLUTE);
        }
        c.leave();
    }
    Ok(())
}

fn answer(c: &mut Talk, start: Instant, tenth: Duration) -> Outcome {
    let answered = Instant::now();
    c.send(b"PONG!!!")?;
    let heard = c.within(tenth * 20).read_to_end_within(40)?;
    not_before(answered, tenth * 5, "the close, counted from the answer,")?;
    not_before(start, tenth * 9, "the close")?;
    expect_pings(&heard, 2)
}

/// A word in the middle of the first interval: the ping that was due at its end does not come.
fn reset(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.expect_silence(ms(400))?;
    let spoken = Instant::now();
    c.send(words.as_bytes())?;
    c.expect_silence(ms(400)).because("a heartbeat asks \"are you there?\"; who has just spoken has answered")?;
    c.expect(b"ping").because("a reset starts the interval anew and keeps its length")?;
    not_before(spoken, ms(600), "the ping, counted from the word,")
}

fn prints(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    s.expect_output(&format!("] {words}\n")).because("the server's terminal shows what it hears, and when")?;
    c.send(b"\x1b[2J\r\n")?;
    s.expect_output("] \\x1b[2J\\r\\n\n").because(
        "console_codes(4): ESC [ 2 J erases the display; what a stranger sends must not reach a terminal as it is",
    )
}

fn half_close(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.half_close()?;
    c.expect_close(Close::Fin).because("read(2): zero octets is the end of the stream; more will never come")
}

/// The neighbour goes on hearing pings, well after the reset.
fn survives(s: &mut Scene) -> Outcome {
    let (mut a, mut b) = (s.connect()?, s.connect()?);
    a.expect(b"ping")?;
    b.expect(b"ping")?;
    b.ignore();
    a.reset()?;
    s.expect_error("connection reset by peer")?;
    for _ in 0..8 {
        b.read_exactly(4).because("RFC 9293 §3.5.3: a reset aborts its own connection")?;
    }
    Ok(())
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let mut a = s.connect()?;
    a.expect(b"ping")?;
    a.ignore();
    let mut b = s.connect()?;
    b.expect(b"ping").because("a thread that reads and a thread that pings, for each connection")?;
    b.leave();
    Ok(())
}

fn refuses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut inside = s.connect()?;
    inside.send(words.as_bytes())?;
    s.expect_output(&words)?;
    s.connect()?.expect_close(Close::Fin).because("a cap that is not enforced is no cap: each heart costs two threads")
}

fn finishes(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    c.expect(b"ping")?;
    let stopped = Instant::now();
    s.signal(Signal::SIGTERM)?;
    c.expect(b"ping")
        .because("a stop is no reason to drop a connection that was accepted, as long as it is bounded")?;
    s.expect_exit(0, Duration::from_secs(3))
        .because("a client that never leaves must not keep a server that was stopped")?;
    not_before(stopped, ms(600), "the end")?;
    c.leave();
    s.expect_error("cut off 1 connection after 600ms")
}

fn not_before(start: Instant, least: Duration, what: &str) -> Outcome {
    if start.elapsed() >= least {
        return Ok(());
    }
    let least = human::duration(least);
    Err(Failure::new(format!("{what} after {least}, not before"), "it came sooner"))
}

/// Nothing but whole pings, and at least so many: a machine that is busy may be late with one.
fn expect_pings(heard: &[u8], least: usize) -> Outcome {
    let pings = heard.chunks(4).filter(|ping| ping == b"ping").count();
    if pings >= least && 4 * pings == heard.len() {
        return Ok(());
    }
    let got = format!("{pings} in \"{}\"", netkata::hexdump::text(heard, 40));
    Err(Failure::new(format!("{least} pings and more, and nothing else"), got))
        .because("a heart beats on: one ping would say nothing about the time after it")
}
