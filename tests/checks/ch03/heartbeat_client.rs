//! `heartbeat_client`: hears pings, answers once, and listens on. Here the check is the server.
//!
//! What the client prints comes beside the dialogue, now a little sooner and now a little later: it is not shown in it.

use super::dialling::{SOON, expect_end_after};
use crate::checks::common;
use netkata_kit::prelude::*;

const STREAM: &str = "RFC 9293 §3.8: a stream of octets: one read may bring two messages, or half of one";
const ABSOLUTE: &str = "a limit for each read begins anew with each octet; a deadline is a point in time";

pub fn program() -> Program {
    Program::finished(3, "heartbeat_client")
        .check("answers_when_it_has_heard_enough", "after --pings of them it sends PONG!!!, once", answers)
        .with(&["--pings", "3"])
        .check("pings_may_come_together", "three pings in one segment are three pings", together)
        .with(&["--pings", "3"])
        .check("a_ping_may_come_in_pieces", "a ping is four octets, however the network cuts them", pieces)
        .with(&["--pings", "2"])
        .check("stays_until_the_server_closes", "after --more pings it still listens, to the end", stays)
        .with(&["--pings", "1", "--more", "2"])
        .check("prints_what_it_was_asked_for", "it prints up to --more pings after its answer", prints)
        .with(&["--pings", "2", "--more", "3"])
        .check("keeps_quiet_when_told_to", "with --no-pong it sends nothing at all", quiet)
        .with(&["--pings", "2", "--no-pong"])
        .check("knows_a_ping_from_other_words", "four octets that are not `ping` are an error, quoted safely", garbage)
        .check("half_a_ping_is_no_ping", "an end in the middle of a ping is an error", half)
        .with(&["--pings", "1"])
        .check("an_early_end_is_an_error", "a server that closes before the last ping has not kept its word", early)
        .with(&["--pings", "3"])
        .check("names_a_reset", "a server that resets is named in one line", reset)
        .check("gives_a_silent_server_up", "a server that says nothing for --deadline is given up", silent)
        .with(&["--deadline", "200ms"])
        .check("drips_do_not_move_the_deadline", "a ping must be whole by the deadline, not just begun", drips)
        .with(&["--deadline", "500ms"])
        .check("only_asked_for_pings_move_it", "beyond --more, pings do not move the deadline any more", flood)
        .with(&["--deadline", "400ms", "--pings", "1", "--more", "1"])
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
}

fn answers(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    for _ in 0..2 {
        c.send(b"ping")?;
        s.expect_output("] ping\n")?;
        c.expect_silence(ms(30))
            .because("the server's count and the client's must agree: the answer is due after the third")?;
    }
    c.send(b"ping")?;
    c.expect(b"PONG!!!")
        .because("the answer tells the server that the client lives; without it the deadline passes")?;
    c.expect_silence(ms(30)).because("seven octets without a line end, and one answer: the next ping needs none")?;
    close(s, c)
}

fn together(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"pingpingping")?;
    c.expect(b"PONG!!!").because(STREAM)?;
    close(s, c)
}

fn pieces(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"p")?;
    c.expect_silence(ms(100)).because(STREAM)?;
    c.send_split(b"ingping", &[2, 5])?;
    c.expect(b"PONG!!!").because(STREAM)?;
    close(s, c)
}

fn stays(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"ping")?;
    c.expect(b"PONG!!!")?;
    c.send(b"pingping")?;
    s.expect_output("] sent PONG!!!\n")?;
    s.expect_output("] ping\n")?;
    s.expect_output("] ping\n")?;
    c.expect_silence(ms(60))
        .because("a ping that arrives after a close is answered with a reset (RFC 9293 §3.10.7.1)")?;
    close(s, c)
}

fn prints(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"pingping")?;
    c.expect(b"PONG!!!")?;
    c.send(&b"ping".repeat(5))?;
    close(s, c)?;
    let said = s.subject()?.stdout.all();
    let lines = said.lines().filter_map(|l| l.split_once("] ")).map(|(_, what)| what).collect::<Vec<_>>();
    let wanted = ["ping", "ping", "sent PONG!!!", "ping", "ping", "ping", "the server closed"];
    if lines == wanted {
        return Ok(());
    }
    Err(Failure::new(format!("the lines {}", wanted.join(", ")), lines.join(", ")))
        .because("what is read and what is shown are two things: all is read, so that the close is clean")
}

fn quiet(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"pingping")?;
    c.half_close()?;
    c.expect_close(Close::Fin)
        .because("without an answer the server's deadline passes: that is what --no-pong is there to show")?;
    s.expect_exit(0, SOON)
}

/// Letters first, then what a terminal would obey.
fn garbage(s: &mut Scene) -> Outcome {
    let word = (0..4).map(|_| s.rng.alphabetic()).collect::<String>();
    for (sent, shown) in [(word.as_str(), word.as_str()), ("\x1b[2J", "\\x1b[2J")] {
        let address = s.start_client_unseen()?;
        let mut c = s.accept()?;
        c.send(sent.as_bytes())?;
        s.expect_exit(1, SOON)
            .because("a heartbeat is an agreement: something else means that this is another server")?;
        let line = format!("error: read tcp://{address}: expected \"ping\", got \"{shown}\"\n");
        s.expect_error(&line).because(
            "console_codes(4): ESC [ 2 J erases the display; what a stranger sends must not reach a terminal as it is",
        )?;
    }
    Ok(())
}

fn half(s: &mut Scene) -> Outcome {
    let why =
        "read(2): zero octets is the end of the stream; only who knows what was due can tell that some is missing";
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"ping")?;
    c.expect(b"PONG!!!")?;
    c.send(b"pi")?;
    c.half_close()?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: the server closed in the middle of a ping")).because(why)
}

fn early(s: &mut Scene) -> Outcome {
    let why = "a FIN says that nothing more will come; whether that was all is for the protocol to say";
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"ping")?;
    c.half_close()?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: the server closed after 1 ping")).because(why)
}

fn reset(s: &mut Scene) -> Outcome {
    let why = "RFC 9293 §3.5.3: a reset is no close: it says that the connection was thrown away";
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"ping")?;
    s.expect_output("] ping\n")?;
    c.reset()?;
    s.expect_exit(1, SOON).because(why)?;
    s.expect_error(&format!("error: read tcp://{address}: connection reset by peer")).because(why)
}

fn silent(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    expect_end_after(s, 1, start, ms(200))
        .because("RFC 9293 §3.8.4: TCP itself says nothing while nothing is sent; a cable can be out for hours")?;
    s.expect_error(&format!("error: read tcp://{address}: deadline passed"))?;
    c.expect_close(Close::Fin)
}

/// Half a ping at 350 ms. With a limit for each read, the client would wait until 850 ms.
fn drips(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"p")?;
    c.expect_silence(ms(350))?;
    let half = Instant::now();
    // On a busy machine the client may be gone already.
    let _ = c.send(b"i");
    s.expect_exit(1, SOON)?;
    if half.elapsed() >= ms(500) {
        let got = "a whole deadline after half of the ping";
        return Err(Failure::new("an end 500ms after the client began to wait", got)).because(ABSOLUTE);
    }
    s.expect_error(&format!("error: read tcp://{address}: deadline passed")).because(ABSOLUTE)
}

/// A ping every 40 ms, for three times the deadline.
fn flood(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(b"ping")?;
    c.expect(b"PONG!!!")?;
    // The client may be gone meanwhile: that is what is waited for.
    let gone = (0..30).any(|_| c.send(b"ping").is_err() || c.expect_silence(ms(40)).is_err());
    if !gone {
        return Err(Failure::new("the client to give up after 400ms", "it still listens"))
            .because("what nobody asked for proves nothing: a server that never stops would keep its client for ever");
    }
    s.expect_exit(1, SOON)?;
    s.expect_error("deadline passed")
}

/// The server closes, and the client follows.
fn close(s: &mut Scene, mut c: Talk) -> Outcome {
    c.half_close()?;
    c.expect_close(Close::Fin).because("RFC 9293 §3.6: each direction is closed by its own FIN")?;
    s.expect_exit(0, SOON)
}
