//! `deadline_server`: two clocks on a connection, one that octets move on, and one that nothing moves.

use crate::checks::common;
use netkata_kit::prelude::*;

const ANEW: &str =
    "a deadline is a point in time: it stays where it is until somebody moves it on, at each octet that came";
const TOTAL: &str =
    "a limit that traffic can move is no limit: a client that drips an octet a second would stay for ever";

pub fn program() -> Program {
    Program::finished(3, "deadline_server")
        .check("sends_back_what_it_gets", "the octets that arrive go back, and nothing else", echoes)
        .check(
            "answers_the_half_close",
            "a client that has finished sending still gets the rest, then a FIN",
            half_close,
        )
        .check(
            "serves_clients_side_by_side",
            "a silent client does not hold up the next",
            common::serves_clients_side_by_side,
        )
        .check("survives_a_reset", "a peer that resets ends its own connection and no other", common::survives_a_reset)
        .check(
            "goes_on_after_the_first_timeout",
            "the first time, the deadline is moved on and nothing is lost",
            goes_on,
        )
        .with(&["--deadline", "600ms"])
        .check("closes_at_the_second_timeout", "the second time, the server closes", second_timeout)
        .with(&["--deadline", "200ms"])
        .check("every_octet_moves_the_deadline", "a client that speaks now and then is heard on", pushed_on)
        .with(&["--deadline", "500ms"])
        .check("total_ends_a_silent_client", "--total ends a connection before its deadline, too", total_silent)
        .with(&["--total", "300ms"])
        .check("total_is_moved_by_nothing", "at --total the connection ends, whatever is said", total)
        .with(&["--total", "300ms"])
        .check("gives_up_who_does_not_read", "the deadline is for the answer, too", does_not_read)
        .with(&["--deadline", "300ms"])
        .check("takes_no_limit_of_zero", "a limit of zero is bad usage, status 2", zero)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_port_in_use)
        .finished_only()
}

fn exchange(c: &mut Talk, words: &str) -> Outcome {
    c.send(words.as_bytes())?;
    c.expect(words.as_bytes())
}

fn echoes(s: &mut Scene) -> Outcome {
    let octets = s.every_octet();
    let words = s.phrase();
    let why = "RFC 862: any data received is sent back to the originating source";
    let mut c = s.connect()?;
    exchange(&mut c, &words).because(why)?;
    c.send(&octets)?;
    c.expect(&octets).because(why)?;
    c.expect_no_more(ms(30)).because(why)
}

fn half_close(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    c.send(words.as_bytes())?;
    c.half_close()?;
    let why = "RFC 9293 §3.6: a FIN closes one direction; the other is still good for what is due";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_close(Close::Fin).because(why)
}

/// The client is silent for one deadline, and not for two.
fn goes_on(s: &mut Scene) -> Outcome {
    let (before, after) = (s.phrase(), s.phrase());
    let why = "a deadline that has passed is no fault of the connection: moved on, the same connection works again";
    let mut c = s.connect()?;
    exchange(&mut c, &before)?;
    c.expect_silence(ms(750)).because(why)?;
    exchange(&mut c, &after).because(why)
}

fn second_timeout(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    c.expect_close(Close::Fin).because(
        "RFC 9293 §3.8.4: without keep-alives TCP itself is silent; a quiet peer and one that is gone look the same",
    )?;
    common::not_before(start, ms(400))
}

/// Messages, each well within the deadline, the last of them beyond two deadlines.
fn pushed_on(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let mut c = s.connect()?;
    exchange(&mut c, &words)?;
    for _ in 0..3 {
        c.expect_silence(ms(350)).because(ANEW)?;
        exchange(&mut c, &words).because(ANEW)?;
    }
    Ok(())
}

fn total_silent(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    c.expect_close(Close::Fin)
        .because("two limits, and the nearer one counts: a deadline beyond the end is the end")?;
    common::not_before(start, ms(300))
}

/// An exchange every 30 ms, forty of them at the most.
fn total(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    for _ in 0..40 {
        let exchanged = c.expect_silence(ms(30)).and_then(|()| exchange(&mut c, "."));
        if let Err(failure) = exchanged {
            // Too early, this is the failure; from the limit on, it is the end that was expected.
            return if start.elapsed() < ms(300) { Err(failure) } else { c.expect_close(Close::Fin).because(TOTAL) };
        }
    }
    Err(Failure::new("the connection to end after 300ms", "40 exchanges and 1.2s later, it goes on")).because(TOTAL)
}

/// What the client did not read in time does not come any more.
fn does_not_read(s: &mut Scene) -> Outcome {
    let flood = s.octets(1 << 16).repeat(16 * 24);
    let mut c = s.connect_slow(4096)?;
    let sent = c.send_until_full(&flood, ms(800));
    let (came, _) = c.read_until_closed()?;
    if came.len() < sent {
        return Ok(());
    }
    Err(Failure::new("the server to give up a client that does not read", "it waited, and sent everything"))
        .because("send(2) blocks while the peer takes nothing: a write needs its deadline as well")
}

fn zero(s: &mut Scene) -> Outcome {
    let why = "socket(7), SO_RCVTIMEO: zero means that a read never times out, the opposite of what was asked for";
    for option in ["--deadline", "--total"] {
        s.run_with(&["127.0.0.1:0", option, "0s"])?;
        s.expect_exit(2, Duration::from_secs(2)).because(why)?;
        s.expect_error(option).because(why)?;
    }
    Ok(())
}
