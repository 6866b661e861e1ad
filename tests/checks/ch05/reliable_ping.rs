//! `reliable_ping`: tries, and what comes back for them.

use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;
use std::net::SocketAddr;

/// Longer than any answer of the grader's takes.
const AGES: &str = "10s";
const FORM: &str = "the contract: `ping`, the number and the try, in two octets each, the most significant first";
const TRIES: &str = "RFC 768: delivery is not guaranteed; who needs an answer asks again, and has to stop at some time";
const DUPLICATES: &str = "RFC 768: duplicate protection is not guaranteed; what came twice must not count twice";
const WHOLE: &str = "RFC 768: a datagram is whole or it is not there; one of another length is another datagram";
const KARN: &str = "RFC 6298 §3: a time between a repeated try and an answer to nobody knows which try means nothing";

pub fn program() -> Program {
    Program::exercise(5, "reliable_ping")
        .check("sends_a_ping", "a ping is 8 octets: the letters, the number, the try", sends)
        .check("waits_for_the_answer", "nothing more is sent while there is time for an answer", waits)
        .check("prints_the_reply", "an answer is shown with its number, its try and its time", prints)
        .check("numbers_pings_and_tries", "pings are numbered from 1, and the tries of each from 1", numbers)
        .check("tries_again", "without an answer, the next try goes out after --timeout", tries_again)
        .check("gives_up", "after --retries further tries the ping is lost, and the next one goes out", gives_up)
        .check("takes_an_answer_to_an_earlier_try", "an answer to any of its tries is an answer to the ping", earlier)
        .check("times_the_try_that_was_answered", "the time is that since the answered try was sent", times)
        .check("knows_a_duplicate", "a second answer to a ping is a duplicate, and answers no other ping", duplicate)
        .check("knows_a_late_answer", "an answer to a lost ping is late; the next one to it is a duplicate", late)
        .check("knows_a_cut_answer", "a datagram of fewer than 8 octets is no answer, and may be empty", cut)
        .check("knows_a_longer_answer", "a datagram of more than 8 octets is no answer", longer)
        .check("knows_other_letters", "a datagram that begins with other letters is no answer", letters)
        .check("knows_what_it_never_sent", "numbers and tries that were never sent are no answers", never_sent)
        .check("hears_no_stranger", "what another port sends is not heard", stranger)
        .check("is_not_held_up", "whatever comes that is no answer, the next try goes out in time", drips)
        .check("goes_on_after_a_refusal", "a refusal is shown, and the time of the try goes on", refusal)
        .check("sums_up", "the last lines are the sums and the times", sums)
        .check("misses_every_answer", "without a single reply it fails", no_reply)
        .check("copes_with_a_bad_network", "through a lossy link, every ping is answered in the end", bad_network)
}

fn ping(number: u16, attempt: u16) -> Vec<u8> {
    [b"ping".as_slice(), &number.to_be_bytes(), &attempt.to_be_bytes()].concat()
}

/// Starts the program, and plays the server. What it prints has times in it, and is noted down line by line without them.
fn serve(s: &mut Scene, options: &[&str]) -> Outcome<UdpUpstream> {
    let server = s.upstream_udp()?;
    let address = server.address().to_string();
    s.run_unseen(&[&[address.as_str()], options].concat())?;
    Ok(server)
}

/// The next line, its time left out of the dialogue.
fn line(s: &mut Scene) -> Outcome<String> {
    let line = s.output_line()?;
    let plain = line.split_once(": ").map_or(line.as_str(), |(plain, _)| plain);
    s.journal.note(format!("it prints \"{plain}\""));
    Ok(line)
}

fn expect_line(s: &mut Scene, wanted: &str) -> Outcome {
    match line(s)? {
        got if got == wanted => Ok(()),
        got => {
            let plain = got.split_once(": ").map_or(got.as_str(), |(plain, _)| plain);
            Err(Failure::new(format!("the line `{wanted}`"), format!("`{plain}`")))
        }
    }
}

/// `reply 1, try 2: 1.2ms`; returns the time.
fn expect_reply(s: &mut Scene, number: u16, attempt: u16) -> Outcome<Duration> {
    let (wanted, got) = (format!("reply {number}, try {attempt}"), line(s)?);
    let (plain, time) = got.split_once(": ").unwrap_or((&got, ""));
    match human::parse_duration(time) {
        Ok(time) if plain == wanted => Ok(time),
        _ => Err(Failure::new(format!("a line `{wanted}: TIME`"), format!("`{plain}`"))),
    }
}

fn sends(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES])?;
    server.expect(&ping(1, 1)).map(drop).because(FORM)
}

fn waits(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES])?;
    server.expect(&ping(1, 1))?;
    server.expect_silence(ms(80)).because("an answer takes its time; who asks too soon asks twice for nothing")
}

fn prints(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES])?;
    let from = server.expect(&ping(1, 1))?;
    server.reply(from, &ping(1, 1))?;
    expect_reply(s, 1, 1).map(drop).because(FORM)
}

fn numbers(s: &mut Scene) -> Outcome {
    let count = s.rng.u16(3..6);
    let mut server = serve(s, &["--timeout", AGES, "--count", &count.to_string()])?;
    for number in 1..=count {
        let from = server.expect(&ping(number, 1)).because("the contract: pings and tries are counted from 1")?;
        server.reply(from, &ping(number, 1))?;
        expect_reply(s, number, 1)?;
    }
    s.expect_exit(0, Duration::from_secs(2))?;
    server.expect_silence(ms(1))
}

fn tries_again(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let mut server = serve(s, &["--timeout", "100ms"])?;
    for attempt in 1..=3 {
        server.expect(&ping(1, attempt)).because(TRIES)?;
    }
    common::not_before(start, ms(200)).because(TRIES)
}

fn gives_up(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", "40ms", "--retries", "2"])?;
    for (number, attempt) in [(1, 1), (1, 2), (1, 3), (2, 1)] {
        server.expect(&ping(number, attempt)).because(TRIES)?;
    }
    expect_line(s, "lost 1").because(TRIES)
}

/// The first try is answered when the second is out. The program is slower with its third than the grader with the answer: the
/// time for it begins anew.
fn answer_the_first_of_two(s: &mut Scene) -> Outcome<(UdpUpstream, SocketAddr)> {
    let mut server = serve(s, &["--timeout", "300ms", "--retries", "9"])?;
    server.expect(&ping(1, 1))?;
    let from = server.expect(&ping(1, 2))?;
    server.reply(from, &ping(1, 1))?;
    Ok((server, from))
}

fn earlier(s: &mut Scene) -> Outcome {
    let (mut server, _) = answer_the_first_of_two(s)?;
    expect_reply(s, 1, 1).because(TRIES)?;
    expect_the_next(&mut server)
}

/// On a slow day, a further try left before the answer came.
fn expect_the_next(server: &mut UdpUpstream) -> Outcome {
    let (next, _) = server.receive()?;
    if next == ping(1, 3) { server.expect(&ping(2, 1)).map(drop) } else { same(&ping(2, 1), &next) }
}

fn same(wanted: &[u8], got: &[u8]) -> Outcome {
    if got == wanted { Ok(()) } else { Err(Failure::octets(wanted, got, "one datagram")) }
}

fn times(s: &mut Scene) -> Outcome {
    let (mut server, _) = answer_the_first_of_two(s)?;
    let time = expect_reply(s, 1, 1)?;
    expect_the_next(&mut server)?;
    if time >= ms(300) {
        return Ok(());
    }
    Err(Failure::new("a time of 300ms or more: the second try went out so late", "a shorter time")).because(KARN)
}

fn duplicate(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES, "--count", "3"])?;
    for number in [1, 2] {
        let from = server.expect(&ping(number, 1))?;
        server.reply(from, &ping(number, 1))?;
        expect_reply(s, number, 1)?;
        server.reply(from, &ping(number, 1))?;
        expect_line(s, &format!("duplicate {number}")).because(DUPLICATES)?;
    }
    let from = server.expect(&ping(3, 1)).because(DUPLICATES)?;
    server.reply(from, &ping(3, 1))?;
    expect_reply(s, 3, 1).because(DUPLICATES)?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// How many further pings are lost meanwhile is a matter of the machine's speed.
fn late(s: &mut Scene) -> Outcome {
    const WHY: &str = "who gave up has given up; but the answer tells that the network is slow, and not that it loses";
    let mut server = serve(s, &["--timeout", "60ms", "--retries", "0", "--count", "1000"])?;
    server.expect(&ping(1, 1))?;
    let from = server.expect(&ping(2, 1))?;
    expect_line(s, "lost 1")?;
    for wanted in ["late 1", "duplicate 1"] {
        server.reply(from, &ping(1, 1))?;
        let got = first_but_losses(s)?;
        if got != wanted {
            return Err(Failure::new(format!("the line `{wanted}`"), format!("`{got}`"))).because(WHY);
        }
    }
    Ok(())
}

/// The next line that is no loss.
fn first_but_losses(s: &mut Scene) -> Outcome<String> {
    loop {
        let line = s.output_line()?;
        if !line.starts_with("lost ") {
            s.journal.note(format!("it prints \"{line}\""));
            return Ok(line);
        }
    }
}

/// Each of these datagrams is shown as what it is not, and the ping waits on.
fn expect_unknown(s: &mut Scene, why: &'static str, wrong: &[Vec<u8>]) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES])?;
    let from = server.expect(&ping(1, 1))?;
    for octets in wrong {
        server.reply(from, octets)?;
        expect_line(s, &format!("unknown, {}", human::count(octets.len(), "octet"))).because(why)?;
    }
    server.expect_silence(ms(1)).because(why)?;
    server.reply(from, &ping(1, 1))?;
    expect_reply(s, 1, 1).map(drop).because(why)
}

fn cut(s: &mut Scene) -> Outcome {
    let lengths = [7, s.rng.usize(5..7), 4, s.rng.usize(1..4), 0];
    expect_unknown(s, WHOLE, &lengths.map(|length| ping(1, 1)[..length].to_vec()))
}

fn longer(s: &mut Scene) -> Outcome {
    let more = [1, s.rng.usize(2..52), 60].map(|more| s.octets(more));
    expect_unknown(s, WHOLE, &more.map(|more| [ping(1, 1), more].concat()))
}

fn letters(s: &mut Scene) -> Outcome {
    let other = s.octets(1)[0] & 0x1f;
    let wrong = (0..4).map(|at| {
        let mut octets = ping(1, 1);
        octets[at] = other;
        octets
    });
    expect_unknown(s, "the port may have had another service; what is no ping answers none", &wrong.collect::<Vec<_>>())
}

fn never_sent(s: &mut Scene) -> Outcome {
    let number = s.rng.u16(2..900);
    let wrong = [(number, 1), (1, number), (2, 1), (1, 2), (0, 1), (1, 0), (u16::MAX, u16::MAX), (256, 256)];
    expect_unknown(
        s,
        "RFC 768: any value in the payload is a value that somebody can send",
        &wrong.map(|(number, attempt)| ping(number, attempt)),
    )
}

fn stranger(s: &mut Scene) -> Outcome {
    const WHY: &str = "connect(2): the socket then receives datagrams from its peer's address alone";
    let mut server = serve(s, &["--timeout", AGES])?;
    let from = server.expect(&ping(1, 1))?;
    server.reply_from_a_foreign_port(from, &ping(1, 1))?;
    // Not what it printed: there is a time in it.
    let heard = |_| Failure::new("nothing on standard output", "a line");
    s.expect_no_output(ms(60)).map_err(heard).because(WHY)?;
    server.reply(from, &ping(1, 1))?;
    expect_reply(s, 1, 1).map(drop).because(WHY)
}

fn drips(s: &mut Scene) -> Outcome {
    const WHY: &str = "SO_RCVTIMEO (socket(7)) is for each call anew; the time of a try is until a point in time";
    let mut server = serve(s, &["--timeout", "200ms"])?;
    let from = server.expect(&ping(1, 1))?;
    let start = Instant::now();
    s.journal.note("from now on, it is sent an octet again and again");
    while start.elapsed() < Duration::from_secs(3) {
        server.reply_unseen(from, b"!")?;
        if let Some((octets, _)) = server.look(ms(20))? {
            return same(&ping(1, 2), &octets).because(WHY);
        }
    }
    Err(Failure::new("try 2 after 200ms", "nothing for 3s")).because(WHY)
}

fn refusal(s: &mut Scene) -> Outcome {
    const WHY: &str = "udp(7): an ICMP error is told to a connected socket; the server may be back before the next try";
    let server = s.upstream_udp()?;
    server.refuse()?;
    let (start, address) = (Instant::now(), server.address().to_string());
    s.run_unseen(&[&address, "--timeout", "100ms", "--retries", "1", "--count", "1000"])?;
    for wanted in ["refused 1", "refused 1", "lost 1"] {
        expect_line(s, wanted).because(WHY)?;
    }
    common::not_before(start, ms(200)).because(WHY)
}

fn sums(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", AGES, "--count", "3"])?;
    for number in 1..=3 {
        let from = server.expect(&ping(number, 1))?;
        if number == 2 {
            server.expect_silence(ms(60))?;
            server.reply(from, &ping(1, 1))?;
            server.reply(from, b"ahoy")?;
        }
        server.reply(from, &ping(number, 1))?;
    }
    expect_reply(s, 1, 1)?;
    expect_line(s, "duplicate 1")?;
    expect_line(s, "unknown, 4 octets")?;
    expect_reply(s, 2, 1)?;
    expect_reply(s, 3, 1)?;
    expect_line(s, "3 pings, 3 tries, 3 answered, 0 lost, 1 duplicate, 0 late, 1 unknown")?;
    let times = s.output_line()?;
    let parsed: Vec<Duration> = times
        .strip_prefix("round trip: shortest ")
        .map(|rest| rest.replace(" mean ", "").replace(" longest ", ""))
        .into_iter()
        .flat_map(|rest| rest.split(',').filter_map(|t| human::parse_duration(t).ok()).collect::<Vec<_>>())
        .collect();
    match parsed[..] {
        [shortest, mean, longest] if shortest <= mean && mean <= longest && longest >= ms(60) => {}
        _ => {
            let wanted = "`round trip: shortest T, mean T, longest T`, in that order, the longest over 60ms";
            return Err(Failure::new(wanted, "another line, or other times"));
        }
    }
    s.expect_exit(0, Duration::from_secs(2))
}

fn no_reply(s: &mut Scene) -> Outcome {
    let mut server = serve(s, &["--timeout", "40ms", "--retries", "0", "--count", "1"])?;
    server.expect(&ping(1, 1))?;
    expect_line(s, "lost 1")?;
    expect_line(s, "1 ping, 1 try, 0 answered, 1 lost, 0 duplicates, 0 late, 0 unknown")?;
    common::fails_with(s, "no reply").because("who asks in a script whether somebody is there looks at the exit status")
}

/// A real echo, behind a link that loses a fifth in each direction, repeats, holds back and damages.
fn bad_network(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 768: neither delivery nor order nor duplicate protection; each try may meet each of them";
    let echo = s.echo_udp()?;
    let faults = Faults {
        seed: s.rng.u64(..),
        drop: Fault::rate(20.0),
        repeat: Fault::rate(10.0),
        reorder: Fault::rate(10.0),
        corrupt: Fault::rate(5.0),
        hold: ms(20),
        ..Faults::default()
    };
    let link = s.lossy_link(echo.address(), faults)?;
    s.run_unseen(&[&link.to_string(), "--timeout", "40ms", "--retries", "14", "--count", "12"])?;
    let sums = loop {
        let line = s.output_line().because(WHY)?;
        if line.contains(" pings, ") {
            break line;
        }
    };
    let sent = link.counts().up.came;
    if sums.starts_with(&format!("12 pings, {sent} tries, 12 answered, 0 lost, ")) {
        return s.expect_exit(0, Duration::from_secs(2));
    }
    let wanted = "`12 pings, N tries, 12 answered, 0 lost, …`, N as many as came to the link";
    Err(Failure::new(wanted, format!("`{sums}`"))).because(WHY)
}
