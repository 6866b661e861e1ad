//! `blast`: loads a server and compares what comes back. The grader plays the server, the good and the bad.

use crate::checks::common;
use netkata_kit::prelude::*;
use netkata_kit::udp_upstream::UdpUpstream;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EXACT: &str = "a load generator that takes a wrong answer for a right one measures how fast a server fails";
const STREAM: &str =
    "RFC 9293 §3.8: TCP carries a stream of octets; without framing, the count is all that ends an answer";
const OPEN_LOOP: &str = "who waits behind a server that stands still waits, too: coordinated omission leaves that out";
const UDP: &str = "RFC 768: no order, no delivery, no protection from duplicates: whoever counts must tell them apart";

pub fn program() -> Program {
    Program::finished(4, "blast")
        .check("sends_so_many_octets", "a message has --size octets", size)
        .check("waits_for_the_answer", "the next message is sent when the last one is answered", in_turn)
        .check("opens_so_many_connections", "there are --connections connections, all at once", connections)
        .check("no_two_messages_are_alike", "no two messages of a run are alike", different)
        .check("stops_after_so_many", "after --requests messages it closes (FIN)", number)
        .check("counts_right_answers", "each right answer is counted", counts)
        .check("histogram_holds_all", "every right answer is in the histogram, and percentiles rise", histogram)
        .check("fails_on_a_wrong_answer", "a wrong answer ends in exit status 1", wrong_status)
        .check("finds_a_wrong_octet", "one wrong octet is found, and where it is", wrong_octet)
        .check("names_whose_answer_it_is", "an answer to another message is wrong, and told apart", swapped)
        .check("half_an_answer_is_none", "a stream that ends in an answer is an error", half)
        .check("counts_a_reset", "a reset is an error of its own kind", reset)
        .check("waits_no_longer_than_asked", "no answer within --timeout is a timeout", silent)
        .check("a_drip_is_no_answer", "the time is for the whole answer", drip)
        .check("gives_a_late_connection_up", "after a timeout it goes on with a new connection", anew)
        .check("ends_in_time", "it ends after --time", time)
        .check("a_silent_server_does_not_hold_it", "it ends after --time, whether answered or not", held)
        .check("ctrl_c_ends_it", "SIGINT ends the run, and the results so far are printed", interrupt)
        .check("reconnects", "with --reconnect each message has a connection of its own", reconnects)
        .check("streams", "with --stream it sends on without waiting, and reads what comes back", streams)
        .check("finds_a_wrong_octet_in_a_stream", "a stream is compared, too, message by message", wrong_in_stream)
        .check(
            "one_way_waits_for_the_close",
            "with --one-way it half-closes at the end, and waits for the close",
            one_way,
        )
        .check("keeps_the_rate", "with --rate messages leave by the clock", paced)
        .check("latency_counts_from_the_due_time", "with --rate, latency counts from when a message was due", open_loop)
        .check("warms_up", "what happens in --warmup is not counted", warmup)
        .check("prints_bars", "for people there are percentiles, and bars of text", bars)
        .check("speaks_unix", "the same works on a socket file", unix)
        .check("draws_the_histogram", "with --svg it writes a picture that is well-formed XML", svg)
        .check("prints_nothing_else", "into a pipe, --json prints one line, and standard error stays empty", quiet)
        .check("shows_progress_at_a_terminal", "at a terminal there is a line of progress", progress)
        .check("counts_lost_datagrams", "over UDP, no answer within --timeout is a lost datagram", lost)
        .check("finds_a_wrong_octet_in_a_datagram", "datagrams are compared, too", wrong_datagram)
        .check("tells_late_datagrams", "an answer after the timeout is late", late)
        .check("tells_repeated_datagrams", "an answer that comes again is repeated", repeated)
        .check("tells_foreign_datagrams", "what another address sends is no answer", foreign)
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
}

// ---- starting it, answering, reading its results ----

/// Starts it on a port of the grader's, with these options and `--json`.
fn start(s: &mut Scene, options: &[&str]) -> Outcome {
    let address = s.listen()?.to_string();
    start_at(s, &address, options)
}

fn start_at(s: &mut Scene, address: &str, options: &[&str]) -> Outcome {
    s.run_unseen(&[&[address, "--json"], options].concat())
}

/// So many messages, each answered as it should be.
fn echo(c: &mut Talk, size: usize, n: usize) -> Outcome {
    for _ in 0..n {
        let message = c.read_exactly(size)?;
        c.send(&message)?;
    }
    Ok(())
}

/// Answers until it closes. Returns how many messages there were. What it closes upon is not held against it.
fn echo_on(c: &mut Talk, size: usize) -> Outcome<u64> {
    c.ignore();
    let mut n = 0;
    loop {
        match c.read_exactly(size) {
            Ok(message) if c.send(&message).is_ok() => n += 1,
            Ok(_) => return Ok(n),
            Err(_) if c.closed().is_some() => return Ok(n),
            Err(e) => return Err(e),
        }
    }
}

/// Its one line of JSON, and its exit status.
fn results(s: &mut Scene, status: i32) -> Outcome<Value> {
    let line = s.output_line()?;
    s.expect_exit(status, Duration::from_secs(5))?;
    match serde_json::from_str(&line) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Failure::new("a line with one JSON object", format!("{line:?}"))),
    }
}

/// A value of the results, by its JSON pointer.
fn expect(results: &Value, pointer: &str, expected: impl Into<Value>) -> Outcome {
    let (expected, got) = (expected.into(), results.pointer(pointer).cloned().unwrap_or_default());
    if got == expected {
        return Ok(());
    }
    let name = pointer.trim_start_matches('/').replace('/', ".");
    Err(Failure::new(format!("\"{name}\": {expected} in the results"), got.to_string()))
}

fn number_at(results: &Value, pointer: &str) -> f64 {
    results.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// At least so many milliseconds, in the results' unit.
fn expect_at_least(results: &Value, pointer: &str, least: u64) -> Outcome {
    if number_at(results, pointer) >= least as f64 * 1000.0 {
        return Ok(());
    }
    Err(Failure::new(format!("\"{}\" of {least} ms at least", pointer.trim_start_matches('/')), "less"))
}

fn random_size(s: &mut Scene) -> usize {
    let size = s.rng.usize(20..200);
    if size == 64 { 65 } else { size }
}

// ---- messages and connections ----

fn size(s: &mut Scene) -> Outcome {
    let size = random_size(s);
    start(s, &["-s", &size.to_string(), "--time", "20s"])?;
    let mut c = s.accept()?;
    c.read_exactly(size).because(STREAM)?;
    c.expect_silence(ms(60)).because(STREAM)?;
    c.leave();
    Ok(())
}

fn in_turn(s: &mut Scene) -> Outcome {
    start(s, &["--time", "20s"])?;
    let mut c = s.accept()?;
    let first = c.read_exactly(64)?;
    c.send(&first[..20])?;
    c.expect_silence(ms(60)).because("an answer is there when all of it is there")?;
    c.send(&first[20..])?;
    c.read_exactly(64)?;
    c.leave();
    Ok(())
}

fn connections(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(3..6);
    start(s, &["-c", &n.to_string(), "--time", "10s", "--threads", "1"])?;
    let mut all = Vec::new();
    for _ in 0..n {
        let mut c = s.accept()?;
        c.read_exactly(64)?;
        all.push(c);
    }
    s.expect_nobody()?;
    all.into_iter().for_each(Talk::leave);
    Ok(())
}

fn different(s: &mut Scene) -> Outcome {
    start(s, &["-c", "2", "--time", "20s", "--threads", "1"])?;
    let mut all = [s.accept()?, s.accept()?];
    let (mut whole, mut pieces) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..10 {
        for c in &mut all {
            let message = c.read_exactly(64)?;
            pieces.extend(message.chunks(8).map(<[u8]>::to_vec));
            c.send(&message)?;
            whole.insert(message);
        }
    }
    let why = "an answer that came late, or to somebody else, is found only if it differs from the one that is due";
    all.into_iter().for_each(Talk::leave);
    if (whole.len(), pieces.len()) == (20, 160) {
        return Ok(());
    }
    let got = format!("{} different messages, {} different eights of octets", whole.len(), pieces.len());
    Err(Failure::new("20 different messages, different in all of their parts", got)).because(why)
}

fn number(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(3..9);
    start(s, &["-n", &n.to_string()])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, n)?;
    c.expect_close(Close::Fin)?;
    results(s, 0).map(drop)
}

fn counts(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(70..90);
    start(s, &["-n", &n.to_string()])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, n)?;
    let found = results(s, 0)?;
    expect(&found, "/answered", n)?;
    expect(&found, "/sent", n)?;
    expect(&found, "/wrong/answers", 0)?;
    expect(&found, "/errors", json!({}))
}

// ---- wrong answers ----

/// Answers three messages, one of them with the octet at this offset changed. Returns which one.
fn one_octet_wrong(s: &mut Scene, at: usize) -> Outcome<usize> {
    let which = s.rng.usize(1..=3);
    start(s, &["-n", "3"])?;
    let mut c = s.accept()?;
    for n in 1..=3 {
        let mut message = c.read_exactly(64)?;
        if n == which {
            message[at] ^= 0x20;
        }
        c.send(&message)?;
    }
    Ok(which)
}

fn wrong_octet(s: &mut Scene) -> Outcome {
    let at = s.rng.usize(10..64);
    let which = one_octet_wrong(s, at)?;
    let found = results(s, 1).because(EXACT)?;
    expect(&found, "/wrong/answers", 1).because(EXACT)?;
    expect(&found, "/wrong/first/request", which).because(EXACT)?;
    expect(&found, "/wrong/first/offset", at).because(EXACT)?;
    expect(&found, "/answered", 2).because(EXACT)
}

fn wrong_status(s: &mut Scene) -> Outcome {
    one_octet_wrong(s, 0)?;
    common::fails_with(s, ": 1 wrong answer")
        .because("exit(3): a script looks at the status; one that is 0 says that all went well")
}

/// Each of two connections gets the other's answer.
fn swapped(s: &mut Scene) -> Outcome {
    start(s, &["-c", "2", "-n", "2", "--threads", "1"])?;
    let mut all = [s.accept()?, s.accept()?];
    let [first, second] = &mut all;
    let (a, b) = (first.read_exactly(64)?, second.read_exactly(64)?);
    first.send(&b)?;
    second.send(&a)?;
    let found = results(s, 1)?;
    let why = "a proxy that mixes connections up sends right octets to the wrong client";
    expect(&found, "/wrong/answers", 2).because(why)?;
    expect(&found, "/wrong/crossed", 2).because(why)?;
    let (asked, owner) = (&found["wrong"]["first"]["connection"], &found["wrong"]["first"]["answers"]["connection"]);
    if owner.is_u64() && asked != owner {
        return Ok(());
    }
    Err(Failure::new("\"wrong.first.answers.connection\": the other connection", owner.to_string())).because(why)
}

fn half(s: &mut Scene) -> Outcome {
    start(s, &["-n", "1"])?;
    let mut c = s.accept()?;
    let message = c.read_exactly(64)?;
    c.send(&message[..s.rng.usize(1..64)])?;
    c.half_close()?;
    let found = results(s, 1)?;
    expect(&found, "/answered", 0).because(STREAM)?;
    expect(&found, "/errors/read: closed in the middle of an answer", 1).because(STREAM)
}

fn reset(s: &mut Scene) -> Outcome {
    start(s, &["-n", "1"])?;
    let mut c = s.accept()?;
    c.read_exactly(64)?;
    c.reset()?;
    let found = results(s, 1)?;
    expect(&found, "/errors/read: connection reset by peer", 1)
        .because("RFC 9293 §3.5.2: a reset is the other side's word that it knows nothing of this connection")
}

// ---- time ----

fn silent(s: &mut Scene) -> Outcome {
    let started = Instant::now();
    start(s, &["-n", "1", "--timeout", "200ms"])?;
    let mut c = s.accept()?;
    c.read_exactly(64)?;
    let found = results(s, 1).because("recv(2) waits for ever, unless it is told not to")?;
    common::not_before(started, ms(200))?;
    expect(&found, "/timeouts", 1)
}

/// Forty octets, one at a time, in at least 1.2 s.
fn drip(s: &mut Scene) -> Outcome {
    start(s, &["-n", "1", "--timeout", "300ms"])?;
    let mut c = s.accept()?;
    let message = c.read_exactly(64)?;
    let sent = c.drip(&message[..40], ms(30));
    c.leave();
    let why = "socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time";
    if sent == 40 {
        return Err(Failure::new("it to give up after 300ms", "40 octets and 1.2s later, it still reads")).because(why);
    }
    let found = results(s, 1).because(why)?;
    expect(&found, "/timeouts", 1).because(why)
}

fn anew(s: &mut Scene) -> Outcome {
    start(s, &["-n", "2", "--timeout", "200ms"])?;
    let mut first = s.accept()?;
    first.read_exactly(64)?;
    let why = "on the old connection, the late answer would be taken for the next one";
    first.expect_close(Close::Fin).because(why)?;
    let mut second = s.accept().because(why)?;
    echo(&mut second, 64, 1)?;
    let found = results(s, 0)?;
    expect(&found, "/timeouts", 1)?;
    expect(&found, "/answered", 1)
}

fn time(s: &mut Scene) -> Outcome {
    let started = Instant::now();
    start(s, &["--time", "300ms"])?;
    let mut c = s.accept()?;
    // 10 s is what it takes when nothing is said.
    let n = echo_on(c.within(Duration::from_secs(12)), 64)?;
    common::not_before(started, ms(300))?;
    if started.elapsed() > Duration::from_secs(8) {
        return Err(Failure::new("the run to end after 300ms", "it went on for more than 8 s"));
    }
    let found = results(s, 0)?;
    if number_at(&found, "/answered") > n as f64 || number_at(&found, "/answered") < 1.0 {
        return Err(Failure::new("as many answers as there were, at the most", found["answered"].to_string()));
    }
    Ok(())
}

fn held(s: &mut Scene) -> Outcome {
    let started = Instant::now();
    start(s, &["-c", "3", "--time", "200ms", "--timeout", "30s", "--threads", "1"])?;
    let mut all = [s.accept()?, s.accept()?, s.accept()?];
    for c in &mut all {
        c.read_exactly(64)?;
    }
    let found = results(s, 1).because("shutdown(2) wakes a thread that waits in recv(2); nothing else of ours does")?;
    common::not_before(started, ms(200))?;
    expect(&found, "/unfinished", 3)?;
    expect(&found, "/timeouts", 0)
}

fn interrupt(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(3..9);
    start(s, &["--time", "60s"])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, n)?;
    c.read_exactly(64)?;
    s.signal(Signal::SIGINT)?;
    let found =
        results(s, 0).because("signal(7): SIGINT is Ctrl-C at a terminal: what was measured is worth something")?;
    expect(&found, "/answered", n)?;
    expect(&found, "/interrupted", true)
}

// ---- other shapes of load ----

fn reconnects(s: &mut Scene) -> Outcome {
    start(s, &["-n", "3", "--reconnect"])?;
    for _ in 0..3 {
        let mut c = s.accept()?;
        echo(&mut c, 64, 1)?;
        c.expect_close(Close::Fin)?;
    }
    expect(&results(s, 0)?, "/answered", 3)
}

fn streams(s: &mut Scene) -> Outcome {
    let size = s.rng.usize(900..1100);
    start(s, &["-n", "20", "--stream", "-s", &size.to_string()])?;
    let mut c = s.accept()?;
    let all = c
        .read_exactly(20 * size)
        .because("a stream that waits for answers is no faster than the way there and back")?;
    c.send(&all)?;
    expect(&results(s, 0)?, "/answered", 20)
}

fn wrong_in_stream(s: &mut Scene) -> Outcome {
    let (size, which, at) = (s.rng.usize(900..1100), s.rng.usize(5..15), s.rng.usize(100..900));
    start(s, &["-n", "20", "--stream", "-s", &size.to_string()])?;
    let mut c = s.accept()?;
    let mut all = c.read_exactly(20 * size)?;
    all[(which - 1) * size + at] ^= 1;
    c.send(&all)?;
    let found = results(s, 1).because(EXACT)?;
    expect(&found, "/wrong/answers", 1)?;
    expect(&found, "/answered", 19)?;
    expect(&found, "/wrong/first/request", which)?;
    expect(&found, "/wrong/first/offset", at)
}

fn one_way(s: &mut Scene) -> Outcome {
    start(s, &["-n", "7", "--one-way", "-s", "1000"])?;
    let mut c = s.accept()?;
    c.read_exactly(7000)?;
    let why =
        "what the kernel took is not what the server read: only its close, after ours, tells that all has arrived";
    c.expect_close(Close::Fin).because(why)?;
    // Which results it prints is of no interest here.
    s.expect_no_output(ms(80)).map_err(|f| Failure { got: "its results".into(), ..f }).because(why)?;
    c.half_close()?;
    expect(&results(s, 0)?, "/answered", 7)
}

fn paced(s: &mut Scene) -> Outcome {
    let started = Instant::now();
    start(s, &["-n", "6", "--rate", "20"])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, 6)?;
    common::not_before(started, ms(250))
        .because("the sixth of 20 a second is due a quarter of a second after the first")?;
    results(s, 0).map(drop)
}

/// Due at 0, 20, … 100 ms. The server stands still for 400 ms: nobody got his answer in less than 300.
fn open_loop(s: &mut Scene) -> Outcome {
    start(s, &["-n", "6", "--rate", "50"])?;
    let mut c = s.accept()?;
    let first = c.read_exactly(64)?;
    c.expect_silence(ms(400))?;
    c.send(&first)?;
    echo(&mut c, 64, 5)?;
    let found = results(s, 0)?;
    expect_at_least(&found, "/latency_us/max", 400).because(OPEN_LOOP)?;
    expect_at_least(&found, "/latency_us/min", 290).because(OPEN_LOOP)
}

fn warmup(s: &mut Scene) -> Outcome {
    let started = Instant::now();
    start(s, &["-n", "5", "--warmup", "150ms"])?;
    let mut c = s.accept()?;
    let n = echo_on(&mut c, 64)?;
    common::not_before(started, ms(150))?;
    let found = results(s, 0)?;
    let why = "first connections, first pages and first packets are slow; they tell of the start, not of the server";
    if n <= 5 {
        return Err(Failure::new("more than the five messages that count", format!("{n} in all"))).because(why);
    }
    expect(&found, "/answered", 5).because(why)?;
    let counted = found["histogram"].as_array().into_iter().flatten().filter_map(|row| row["count"].as_u64());
    match counted.sum() {
        5_u64 => Ok(()),
        n => Err(Failure::new("5 latencies in the histogram", if n > 5 { "more" } else { "fewer" })).because(why),
    }
}

// ---- results ----

fn histogram(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(70..90);
    start(s, &["-n", &n.to_string()])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, n - 1)?;
    // One that takes its time, so that the tail is known.
    let last = c.read_exactly(64)?;
    c.expect_silence(ms(40))?;
    c.send(&last)?;
    let found = results(s, 0)?;
    let rows: Vec<&Value> = found["histogram"].as_array().into_iter().flatten().collect();
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    if counted != n as u64 {
        return Err(Failure::new(format!("a histogram of {n} answers"), format!("{counted} in its rows")));
    }
    expect_at_least(&found, "/latency_us/p99_9", 40)?;
    let rising = ["min", "p50", "p99", "p99_9", "max"].map(|key| number_at(&found["latency_us"], &format!("/{key}")));
    if rising.is_sorted() && rows.iter().all(|row| number_at(row, "/from") < number_at(row, "/to")) {
        return Ok(());
    }
    Err(Failure::new("percentiles that rise, and rows from less to more", "others"))
}

fn bars(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "-n", "10"])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, 10)?;
    s.expect_exit(0, Duration::from_secs(5))?;
    for text in ["10 right answers", "p50 ", "p99 ", "p99.9 ", "max ", "mean ", "█"] {
        s.expect_output(text).because("one number hides what the others show: a tail is seen only when it is drawn")?;
    }
    Ok(())
}

fn svg(s: &mut Scene) -> Outcome {
    let folder = s.folder()?;
    // What is legal in a path need not be in XML.
    let socket = folder.join("ebb & <flow>.sock").display().to_string();
    let picture = folder.join("ebb.svg").display().to_string();
    let listener =
        std::os::unix::net::UnixListener::bind(&socket).map_err(|e| Failure::new("a socket file", e.to_string()))?;
    start_at(s, &format!("unix://{socket}"), &["-n", "10", "--svg", &picture])?;
    let answering = std::thread::spawn(move || echo_file(&listener));
    let found = results(s, 0)?;
    let _ = answering.join();
    let text = String::from_utf8_lossy(&s.contents("ebb.svg")?).into_owned();
    let rows = found["histogram"].as_array().map_or(0, Vec::len);
    let mut reader = quick_xml::Reader::from_str(&text);
    let mut bars = 0;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(quick_xml::events::Event::Empty(tag)) => bars += usize::from(tag.name().as_ref() == "rect"),
            Ok(_) => {}
            Err(_) => {
                let got = "what an XML parser refuses";
                return Err(Failure::new("well-formed XML", got))
                    .because("XML 1.0 §2.4: & and < are written &amp; and &lt;");
            }
        }
    }
    // The page is one.
    let why = "XML 1.0 §2.4: & and < are written &amp; and &lt;";
    if !text.contains("ebb &amp; &lt;flow&gt;.sock") {
        return Err(Failure::new("the target's name in the picture, escaped", "another text")).because(why);
    }
    if bars == rows + 1 {
        return Ok(());
    }
    Err(Failure::new("a bar for each row of the histogram", if bars <= rows { "fewer" } else { "more" }))
}

/// Ten messages there and back, the last of them after a while: between two peaks there is a valley.
fn echo_file(listener: &std::os::unix::net::UnixListener) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut message = [0; 64];
    for n in 0..10 {
        stream.read_exact(&mut message)?;
        if n == 9 {
            std::thread::sleep(ms(60));
        }
        stream.write_all(&message)?;
    }
    Ok(())
}

fn quiet(s: &mut Scene) -> Outcome {
    start(s, &["--time", "400ms"])?;
    let mut c = s.accept()?;
    echo_on(&mut c, 64)?;
    results(s, 0)?;
    s.expect_output_end()?;
    let said = s.subject()?.stderr.all();
    if said.is_empty() {
        return Ok(());
    }
    let got = format!("{:?}", said.chars().filter(|c| !c.is_ascii_digit()).take(24).collect::<String>());
    Err(Failure::new("nothing on standard error", got))
        .because("isatty(3): a line that is drawn again and again is for a terminal")
}

fn progress(s: &mut Scene) -> Outcome {
    s.at_a_terminal();
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--time", "60s"])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, 10)?;
    let outcome = s.expect_error(" requests, ").because("who waits for a minute wants to see that something happens");
    c.leave();
    outcome
}

fn unix(s: &mut Scene) -> Outcome {
    let path = s.listen_unix()?;
    start_at(s, &path, &["-n", "10"])?;
    let mut c = s.accept()?;
    echo(&mut c, 64, 10)?;
    expect(&results(s, 0)?, "/answered", 10)
}

// ---- datagrams ----

/// Starts it on a UDP port of the grader's.
fn start_udp(s: &mut Scene, n: u32) -> Outcome<UdpUpstream> {
    let peer = s.upstream_udp()?;
    start_at(s, &peer.to_string(), &["-n", &n.to_string(), "--timeout", "200ms"])?;
    Ok(peer)
}

/// One message, answered as it should be.
fn answer(peer: &mut UdpUpstream) -> Outcome {
    let (message, from) = peer.receive()?;
    peer.reply(from, &message)
}

fn lost(s: &mut Scene) -> Outcome {
    let mut peer = start_udp(s, 3)?;
    answer(&mut peer)?;
    peer.receive()?;
    answer(&mut peer)?;
    let found = results(s, 0)?;
    expect(&found, "/lost", 1).because(UDP)?;
    expect(&found, "/answered", 2).because(UDP)
}

fn wrong_datagram(s: &mut Scene) -> Outcome {
    let at = s.rng.usize(10..64);
    let mut peer = start_udp(s, 2)?;
    let (mut message, from) = peer.receive()?;
    message[at] ^= 4;
    peer.reply(from, &message)?;
    // One octet too many.
    let (mut message, from) = peer.receive()?;
    message.push(b'!');
    peer.reply(from, &message)?;
    let found = results(s, 1).because(EXACT)?;
    expect(&found, "/wrong/first/offset", at).because(EXACT)?;
    expect(&found, "/wrong/answers", 2)
        .because("RFC 768: a datagram has a length of its own; one that is longer is another one")
}

fn late(s: &mut Scene) -> Outcome {
    let mut peer = start_udp(s, 2)?;
    let (first, from) = peer.receive()?;
    let (second, _) = peer.receive()?;
    peer.reply(from, &first)?;
    peer.reply(from, &second)?;
    let found = results(s, 0).because(UDP)?;
    expect(&found, "/late", 1).because(UDP)?;
    expect(&found, "/lost", 1).because(UDP)?;
    expect(&found, "/answered", 1).because(UDP)
}

fn repeated(s: &mut Scene) -> Outcome {
    let mut peer = start_udp(s, 2)?;
    let (first, from) = peer.receive()?;
    peer.reply(from, &first)?;
    peer.reply(from, &first)?;
    answer(&mut peer)?;
    let found = results(s, 0).because(UDP)?;
    expect(&found, "/repeated", 1).because(UDP)?;
    expect(&found, "/late", 0).because(UDP)?;
    expect(&found, "/answered", 2).because(UDP)
}

fn foreign(s: &mut Scene) -> Outcome {
    let mut peer = start_udp(s, 2)?;
    let (first, from) = peer.receive()?;
    peer.reply_from_a_foreign_port(from, &first)?;
    answer(&mut peer)?;
    let found = results(s, 0)?;
    let why = "RFC 768: anyone can send a datagram to a port; an answer comes from where the question went";
    expect(&found, "/foreign", 1).because(why)?;
    expect(&found, "/answered", 1).because(why)?;
    expect(&found, "/lost", 1).because(why)
}
