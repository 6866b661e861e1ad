//! `retry_write`: a peer that is stuck for a while, and every octet once.

use crate::checks::common;
use netkata_kit::prelude::*;

const GREETING: &[u8] = b"ahoy, harbour\n";
/// More than two kernels keep between two programs that do not read, on a machine with large buffers.
const FLOOD: usize = 16 << 20;
const ONCE: &str = "write(2): a part may have been taken before an error; who sends it again doubles it at the peer";
const TEMPORARY: &str = "socket(7), SO_SNDTIMEO: a write that timed out may go well later; nothing is broken";

pub fn program() -> Program {
    Program::finished(4, "retry_write")
        .check("greets", "it connects, sends its greeting, and then a FIN", greets)
        .check("tells_what_was_written", "it prints how much was written, and to whom", tells)
        .check("sends_standard_input", "with --stdin it sends what it reads, text or not", input)
        .with(&["--stdin"])
        .check("leaves_without_a_reset", "what the peer says does not make the close a reset", talker)
        .check("waits_for_a_slow_reader", "a peer that reads slowly is no error", slow)
        .finished_only()
        .check("says_that_it_waits", "a write that the peer does not take is a temporary error, which is logged", stall)
        .finished_only()
        .check("goes_on_where_it_was", "after a stall every octet arrives, and arrives once", once)
        .finished_only()
        .check("pauses_between_attempts", "there are --pause between two attempts", pauses)
        .finished_only()
        .check(
            "gives_up_after_the_last",
            "after --attempts attempts it gives up, and tells how much was written",
            gives_up,
        )
        .finished_only()
        .check("a_reset_is_permanent", "a reset ends it at once, whatever attempts are left", reset)
        .finished_only()
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
}

/// Starts the program and plays its peer.
fn serve(s: &mut Scene) -> Outcome<Talk> {
    s.start_client_unseen()?;
    s.accept()
}

/// The program is given more than the kernels keep, and its peer does not read. A receive buffer that is set does not grow.
fn flooded(s: &mut Scene, options: &[&str]) -> Outcome<(Talk, Vec<u8>)> {
    // A short piece of chance, again and again, at offsets that do not fit it: shifted octets are wrong octets.
    let piece = s.octets(65_537);
    let mut octets = piece.repeat(FLOOD / piece.len() + 1);
    octets.truncate(FLOOD);
    let peer = s.upstream_slow(1 << 18)?;
    s.run_unseen(&[&[peer.to_string().as_str(), "--stdin"], options].concat())?;
    s.type_octets(&octets)?;
    s.end_input()?;
    Ok((peer.accept()?, octets))
}

/// As `expect`. Where a stream goes wrong after a stall depends on how much the kernels hold, so the message does not say it.
fn expect_octets(c: &mut Talk, octets: &[u8]) -> Outcome {
    let got = c.within(Duration::from_secs(4)).read_exactly(octets.len());
    c.within(PATIENCE);
    if got.as_ref().is_ok_and(|got| got == octets) {
        return Ok(());
    }
    let state = if got.is_ok() { "other octets than are due here" } else { "the stream does not go on" };
    Err(Failure::new("every octet once, in order", state))
}

fn greets(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    c.expect(GREETING)?;
    c.expect_close(Close::Fin).because("shutdown(2), SHUT_WR: only a FIN tells a peer that this was all")?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn tells(s: &mut Scene) -> Outcome {
    let address = s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect(GREETING)?;
    c.half_close()?;
    s.expect_line(&format!("wrote {} octets to tcp://{address}", GREETING.len()))?;
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn input(s: &mut Scene) -> Outcome {
    let octets = [s.every_octet(), s.every_octet()].concat();
    s.start_client_unseen()?;
    s.type_octets(&octets[..100])?;
    s.type_octets(&octets[100..])?;
    s.end_input()?;
    let mut c = s.accept()?;
    c.expect(&octets).because("RFC 9293 §3.8: TCP carries octets; what they mean is not its business")?;
    c.expect_close(Close::Fin)?;
    c.half_close()?;
    s.expect_output("wrote 512 octets to tcp:")?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn talker(s: &mut Scene) -> Outcome {
    let talk = s.octets(2000);
    let mut c = serve(s)?;
    c.send(&talk)?;
    let why =
        "RFC 9293 §3.6.1: a close while received octets are unread sends an RST, which can destroy what was written";
    c.expect(GREETING).because(why)?;
    c.expect_close(Close::Fin).because(why)?;
    c.expect_no_reset(ms(30)).because(why)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// The whole takes longer than --timeout; no single write waits that long without having moved something.
fn slow(s: &mut Scene) -> Outcome {
    let (mut c, octets) = flooded(s, &["--timeout", "1s", "--attempts", "1"])?;
    for piece in octets.chunks(FLOOD / 16) {
        expect_octets(&mut c, piece)
            .because("write(2): after a timeout it returns what was taken until then, and that is no error")?;
        // A slow reader: eleven of the sixteen pieces do not fit into the kernels' buffers, so the writer needs more than
        // 1.3 s. As a note in the dialogue it would be there as often as the kernels please.
        std::thread::sleep(ms(125));
    }
    c.expect_close(Close::Fin)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn stall(s: &mut Scene) -> Outcome {
    let (c, _) = flooded(s, &["--timeout", "60ms", "--pause", "40ms", "--attempts", "3"])?;
    for attempt in [2, 3] {
        let line = s.error_line().because(TEMPORARY)?;
        let expected = format!("temporary error: timed out; attempt {attempt} of 3 in 40ms");
        if line != expected {
            return Err(Failure::new(format!("{expected:?} on standard error"), format!("{line:?}")))
                .because(TEMPORARY);
        }
    }
    c.leave();
    s.expect_exit(1, Duration::from_secs(2))
}

/// Twice the peer stops reading, and goes on when the program has said that it waits.
fn once(s: &mut Scene) -> Outcome {
    let (mut c, octets) = flooded(s, &["--timeout", "60ms", "--pause", "250ms", "--attempts", "30"])?;
    s.expect_error("temporary error")?;
    expect_octets(&mut c, &octets[..FLOOD / 3]).because(ONCE)?;
    s.expect_error("temporary error")?;
    expect_octets(&mut c, &octets[FLOOD / 3..]).because(ONCE)?;
    c.expect_close(Close::Fin).because(ONCE)?;
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn pauses(s: &mut Scene) -> Outcome {
    let (c, _) = flooded(s, &["--timeout", "50ms", "--pause", "300ms", "--attempts", "4"])?;
    s.expect_error("attempt 2 of 4")?;
    let start = Instant::now();
    s.expect_error("attempt 3 of 4")?;
    s.expect_error("attempt 4 of 4")?;
    common::not_before(start, ms(600))
        .because("a peer that is stuck now is stuck in a millisecond, too: what an attempt costs must buy some time")?;
    c.leave();
    s.expect_exit(1, Duration::from_secs(3))
}

fn gives_up(s: &mut Scene) -> Outcome {
    let (c, _) = flooded(s, &["--timeout", "50ms", "--pause", "50ms", "--attempts", "3"])?;
    let why = "a peer that never reads again would keep this program for ever";
    s.expect_exit(1, Duration::from_secs(4)).because(why)?;
    for attempt in [2, 3] {
        s.expect_error(&format!("attempt {attempt} of 3"))?;
    }
    s.expect_error("\nerror: write tcp://127.0.0.1:")?;
    s.expect_error("temporary write failure threshold exceeded: timed out, after ").because(why)?;
    s.expect_error(&format!(" of {} octets\n", netkata::human::thousands(FLOOD)))?;
    c.leave();
    Ok(())
}

fn reset(s: &mut Scene) -> Outcome {
    let (c, _) = flooded(s, &["--timeout", "60ms", "--pause", "100ms", "--attempts", "30"])?;
    s.expect_error("temporary error")?;
    c.reset()?;
    s.expect_exit(1, Duration::from_secs(2))
        .because("RFC 9293 §3.5.3: a reset aborts the connection; no waiting will bring it back")?;
    s.expect_error("connection reset by peer")
}
