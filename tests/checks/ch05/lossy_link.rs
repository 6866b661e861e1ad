//! `lossy_link`: what it does to datagrams, and that it does the same each time.

use crate::checks::ch04::wiretap;
use crate::checks::common;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

/// For checks that need no server: nobody can listen there.
const NOBODY: &str = "127.0.0.1:9";
const EXACT: &str = "the contract: datagrams are counted from 1, those of each direction apart";
const BY_SEED: &str = "the contract: the fate of a datagram depends on the seed, its direction and its number alone";
/// Longer than a datagram takes.
const MOMENT: Duration = ms(60);

pub fn program() -> Program {
    Program::finished(5, "lossy_link")
        .check(
            "carries_datagrams_whole",
            "datagrams go through one by one, from none to 65,507 octets",
            wiretap::datagrams,
        )
        .check("tells_udp_clients_apart", "each UDP client gets the answers to its own questions", wiretap::udp_clients)
        .check(
            "carries_another_ports_answer",
            "a server may answer from another port, and go on there",
            wiretap::another_port,
        )
        .check("drops_the_named", "--drop-nth loses these datagrams, and no others", drops)
        .with(&["--drop-nth", "up:2-3,down:1"])
        .check("repeats_the_named", "--repeat-nth delivers these twice", repeats)
        .with(&["--repeat-nth", "up:2,down:1"])
        .check("logs_each_datagram", "with --verbose, each datagram and its fate is a line", logs)
        .with(&["-v", "--drop-nth", "up:2", "--repeat-nth", "down:1"])
        .check("reorders_the_named", "--reorder-nth lets --behind later ones overtake these", reorders)
        .with(&["--reorder-nth", "up:1", "--behind", "2", "--hold", "9s"])
        .check("holds_none_for_ever", "one that nobody overtakes goes out after --hold", holds)
        .with(&["--reorder-nth", "up:1", "--hold", "150ms"])
        .check("flips_one_bit", "--corrupt-nth flips one bit, and the datagram arrives", corrupts)
        .with(&["--corrupt-nth", "up:1,down:2", "--seed", "3"])
        .check("cuts_the_end_off", "--truncate-nth delivers the beginning of these", truncates)
        .with(&["--truncate-nth", "up:1,down:2", "--seed", "3"])
        .check("sends_from_a_foreign_port", "--foreign-nth delivers these as a stranger's", foreign)
        .with(&["--foreign-nth", "down:1"])
        .check("delays_each", "--delay is the time that each takes, in order", delays)
        .with(&["--delay", "up:150ms"])
        .check("keeps_the_directions_apart", "a rate may be for one direction only", one_direction)
        .with(&["--drop", "down:100%", "--seed", "5"])
        .check("does_the_same_each_time", "the same seed, the same fates; another seed, others", same_each_time)
        .check("tells_the_seed_it_takes", "without --seed it takes one, and tells which", tells_its_seed)
        .check("keeps_the_rate", "so many of a hundred are lost, in the long run", keeps_the_rate)
        .with(&["--drop", "30%", "--seed", "11", "-v"])
        .check("keeps_the_faults_apart", "what one kind strikes does not depend on the others", faults_apart)
        .check("jitters", "--jitter is by chance, so that some overtake others", jitters)
        .with(&["--jitter", "60ms", "--seed", "2"])
        .check("says_that_nobody_is_there", "a server's closed port is told", refused)
        .check("forgets_who_is_idle", "after --idle, a client's socket is closed", forgets)
        .with(&["--idle", "80ms"])
        .check("takes_so_many_clients", "what clients beyond --max-clients send is dropped, and that is told", so_many)
        .with(&["--max-clients", "1"])
        .check("sums_up", "at the end it prints what became of the datagrams", sums_up)
        .with(&["--drop-nth", "up:2", "--repeat-nth", "up:3", "--corrupt-nth", "down:1", "--seed", "3"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .with(&[NOBODY])
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .with(&[NOBODY])
        .check("names_a_wrong_rate", "a rate, a number or a time that makes no sense is named", wrong_options)
        .finished_only()
        .check("names_a_bad_address", "a bad address, on either side, is named in one line", bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", port_in_use)
        .finished_only()
}

/// The link with the check's options, and who stands at its two ends.
fn linked(s: &mut Scene) -> Outcome<(Datagrams, UdpUpstream)> {
    let upstream = s.upstream_udp()?;
    s.start_in_front_of(upstream.address())?;
    Ok((s.datagrams()?, upstream))
}

fn linked_with(s: &mut Scene, options: &[&str]) -> Outcome<(Datagrams, UdpUpstream)> {
    let upstream = s.upstream_udp()?;
    let arguments = [&["127.0.0.1:0".to_string(), upstream.address().to_string()], &owned(options)[..]].concat();
    s.start_with_arguments(&arguments)?;
    Ok((s.datagrams()?, upstream))
}

fn owned(options: &[&str]) -> Vec<String> {
    options.iter().map(ToString::to_string).collect()
}

fn phrases(s: &mut Scene, n: usize) -> Vec<String> {
    (0..n).map(|_| s.phrase()).collect()
}

/// All of these, and then nothing.
fn only(upstream: &mut UdpUpstream, wanted: &[&String], why: &'static str) -> Outcome {
    for words in wanted {
        upstream.expect(words.as_bytes()).because(why)?;
    }
    upstream.expect_silence(MOMENT).because(why)
}

fn drops(s: &mut Scene) -> Outcome {
    let words = phrases(s, 5);
    let (mut client, mut upstream) = linked(s)?;
    for words in &words {
        client.send(words.as_bytes())?;
    }
    let from = upstream.expect(words[0].as_bytes()).because(EXACT)?;
    only(&mut upstream, &[&words[3], &words[4]], EXACT)?;
    for words in &words[..2] {
        upstream.reply(from, words.as_bytes())?;
    }
    client.expect(words[1].as_bytes()).because(EXACT)?;
    client.expect_silence(MOMENT).because(EXACT)
}

fn repeats(s: &mut Scene) -> Outcome {
    let words = phrases(s, 3);
    let (mut client, mut upstream) = linked(s)?;
    for words in &words {
        client.send(words.as_bytes())?;
    }
    let from = upstream.expect(words[0].as_bytes()).because(EXACT)?;
    only(&mut upstream, &[&words[1], &words[1], &words[2]], EXACT)?;
    upstream.reply(from, words[0].as_bytes())?;
    for _ in 0..2 {
        client.expect(words[0].as_bytes()).because(EXACT)?;
    }
    client.expect_silence(MOMENT).because(EXACT)
}

fn reorders(s: &mut Scene) -> Outcome {
    let words = phrases(s, 4);
    let (mut client, mut upstream) = linked(s)?;
    for words in &words {
        client.send(words.as_bytes())?;
    }
    let why = "the contract: it goes out right after the last that was to overtake it";
    only(&mut upstream, &[&words[1], &words[2], &words[0], &words[3]], why)
}

fn holds(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "where each side waits for the other, no later datagram ever comes: holding it back would be losing it";
    let words = s.phrase();
    let (mut client, mut upstream) = linked(s)?;
    let start = Instant::now();
    client.send(words.as_bytes())?;
    upstream.expect(words.as_bytes()).because(WHY)?;
    common::not_before(start, ms(150)).because(WHY)
}

fn corrupts(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "RFC 768: a checksum that is wrong is a datagram that is dropped; the damage has to come with one that fits";
    let words = s.phrase();
    let (mut client, mut upstream) = linked(s)?;
    client.send(words.as_bytes())?;
    let (spoiled, from) = upstream.receive().because(WHY)?;
    one_bit(words.as_bytes(), &spoiled)?;
    upstream.reply(from, words.as_bytes())?;
    client.expect(words.as_bytes()).because(EXACT)?;
    upstream.reply(from, words.as_bytes())?;
    one_bit(words.as_bytes(), &client.receive().because(WHY)?)
}

fn one_bit(sent: &[u8], got: &[u8]) -> Outcome {
    let bits: u32 = sent.iter().zip(got).map(|(a, b)| (a ^ b).count_ones()).sum();
    if sent.len() == got.len() && bits == 1 {
        return Ok(());
    }
    let got = format!("{bits} of them, in {}", netkata::human::count(got.len(), "octet"));
    Err(Failure::new("as many octets as were sent, with one bit flipped", got))
}

fn truncates(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, mut upstream) = linked(s)?;
    client.send(words.as_bytes())?;
    let (cut, from) = upstream.receive()?;
    a_beginning(words.as_bytes(), &cut)?;
    upstream.reply(from, words.as_bytes())?;
    client.expect(words.as_bytes()).because(EXACT)?;
    upstream.reply(from, words.as_bytes())?;
    a_beginning(words.as_bytes(), &client.receive()?)
}

fn a_beginning(sent: &[u8], got: &[u8]) -> Outcome {
    if got.len() < sent.len() && sent.starts_with(got) {
        return Ok(());
    }
    Err(Failure::octets(&sent[..sent.len() - 1], got, "one datagram"))
}

fn foreign(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "RFC 1350 §4: a source that does not match is a datagram from somewhere else; programs must have met one";
    let words = phrases(s, 2);
    let (mut client, mut upstream) = linked(s)?;
    client.send(words[0].as_bytes())?;
    let from = upstream.expect(words[0].as_bytes())?;
    upstream.reply(from, words[1].as_bytes())?;
    let (octets, stranger) = client.receive_from_anybody()?;
    if octets != words[1].as_bytes() || stranger == client.peer() || stranger.ip() != client.peer().ip() {
        return Err(Failure::new("the datagram, from another port of the link's host", "something else")).because(WHY);
    }
    upstream.reply(from, words[1].as_bytes())?;
    client.expect(words[1].as_bytes()).because(EXACT)
}

fn delays(s: &mut Scene) -> Outcome {
    let words = phrases(s, 3);
    let (mut client, mut upstream) = linked(s)?;
    let start = Instant::now();
    for words in &words {
        client.send(words.as_bytes())?;
    }
    let from = upstream.expect(words[0].as_bytes())?;
    common::not_before(start, ms(150)).because("a long line takes each datagram as long as the one before")?;
    for words in &words[1..] {
        upstream.expect(words.as_bytes()).because("a line that is merely long keeps the order")?;
    }
    upstream.reply(from, words[0].as_bytes())?;
    client.expect(words[0].as_bytes())
}

fn one_direction(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, mut upstream) = linked(s)?;
    for _ in 0..3 {
        client.send(words.as_bytes())?;
        let from = upstream
            .expect(words.as_bytes())
            .because("the contract: up is from the clients, down is from the server")?;
        upstream.reply(from, words.as_bytes())?;
    }
    client.expect_silence(MOMENT).because("the contract: of 100% nothing is left")
}

/// How many datagrams are sent to see who survives.
const CROWD: u8 = 60;

/// Sends so many datagrams of one octet each, with their numbers. Which of them arrive, and how often; and the seed, if the
/// link told it.
fn survivors(s: &mut Scene, options: &[&str]) -> Outcome<(Vec<u8>, Option<String>)> {
    let (mut client, mut upstream) = linked_with(s, &[options, &["-v"]].concat())?;
    s.journal.note(format!("a client sends {CROWD} datagrams"));
    for number in 1..=CROWD {
        client.send_unseen(&[number])?;
    }
    let (mut seed, last) = (None, format!("up #{CROWD} "));
    loop {
        let line = s.error_line()?;
        seed = seed.or(line.strip_prefix("seed ").map(str::to_string));
        if line.starts_with(&last) {
            break;
        }
    }
    let mut arrived = Vec::new();
    while let Some(octets) = upstream.look_unseen(ms(20))? {
        arrived.extend(octets);
    }
    Ok((arrived, seed))
}

fn same_each_time(s: &mut Scene) -> Outcome {
    let seed = s.rng.u32(1..1000).to_string();
    let (first, _) = survivors(s, &["--drop", "50%", "--seed", &seed])?;
    let (again, _) = survivors(s, &["--drop", "50%", "--seed", &seed])?;
    if again != first {
        return Err(Failure::new("the same datagrams to arrive as the first time", "others")).because(BY_SEED);
    }
    let (other, _) = survivors(s, &["--drop", "50%", "--seed", &format!("{seed}0")])?;
    if other == first {
        return Err(Failure::new("other datagrams to arrive with another seed", "the same")).because(BY_SEED);
    }
    Ok(())
}

fn tells_its_seed(s: &mut Scene) -> Outcome {
    let (first, seed) = survivors(s, &["--drop", "50%"])?;
    let Some(seed) = seed else {
        return Err(Failure::new("a line `seed N` on standard error", "none")).because(BY_SEED);
    };
    // It is another each time.
    s.journal.note("started again with the seed that it told");
    let (again, _) = survivors(s, &["--drop", "50%", "--seed", &seed])?;
    if again != first {
        return Err(Failure::new("the same datagrams to arrive with the seed that it told", "others")).because(BY_SEED);
    }
    Ok(())
}

fn keeps_the_rate(s: &mut Scene) -> Outcome {
    const SENT: u32 = 400;
    let (mut client, _upstream) = linked(s)?;
    s.journal.note(format!("a client sends {SENT} datagrams"));
    let mut lost = 0;
    for number in 1..=SENT {
        client.send_unseen(&number.to_be_bytes())?;
        // In turn, so that none is lost for want of room.
        let line = loop {
            let line = s.error_line()?;
            if line.starts_with("up ") {
                break line;
            }
        };
        lost += u32::from(line == format!("up #{number} 4 octets dropped"));
    }
    // 120, and four standard deviations of a binomial distribution.
    if (84..=156).contains(&lost) {
        return Ok(());
    }
    Err(Failure::new("about 120 of 400 to be lost: 84 to 156", lost.to_string()))
        .because("30 of a hundred; that it is more than 36 off happens to one seed in 16,000")
}

fn faults_apart(s: &mut Scene) -> Outcome {
    let seed = s.rng.u32(1..1000).to_string();
    let (alone, _) = survivors(s, &["--drop", "50%", "--seed", &seed])?;
    let (mut together, _) = survivors(s, &["--drop", "50%", "--seed", &seed, "--repeat", "50%"])?;
    let all = together.len();
    together.dedup();
    if together != alone {
        let wanted = "the same datagrams to be lost, whether others are repeated or not";
        return Err(Failure::new(wanted, "others")).because(BY_SEED);
    }
    let repeated = all - together.len();
    if repeated == 0 || repeated == together.len() {
        let got = if repeated == 0 { "none" } else { "all" };
        return Err(Failure::new("some of those that arrive to be repeated", got)).because(BY_SEED);
    }
    Ok(())
}

fn jitters(s: &mut Scene) -> Outcome {
    let (mut client, mut upstream) = linked(s)?;
    s.journal.note("a client sends 40 datagrams at once");
    for number in 1..=40 {
        client.send_unseen(&[number])?;
    }
    let mut arrived = Vec::new();
    while arrived.len() < 40 {
        arrived.extend(upstream.look_unseen(PATIENCE)?.ok_or_else(|| Failure::new("40 datagrams", "fewer"))?);
    }
    if arrived.is_sorted() {
        return Err(Failure::new("some of them to overtake others", "all in their order")).because(
            "RFC 768: nothing keeps datagrams in order; where the time each takes differs, they arrive out of it",
        );
    }
    Ok(())
}

fn logs(s: &mut Scene) -> Outcome {
    let words = phrases(s, 2);
    let (mut client, mut upstream) = linked(s)?;
    client.send(words[0].as_bytes())?;
    let from = upstream.expect(words[0].as_bytes())?;
    client.send(words[1].as_bytes())?;
    let octets = |words: &String| netkata::human::count(words.len(), "octet");
    for line in [format!("up #1 {} passed", octets(&words[0])), format!("up #2 {} dropped", octets(&words[1]))] {
        expect_log(s, &line)?;
    }
    upstream.reply(from, words[1].as_bytes())?;
    expect_log(s, &format!("down #1 {} repeated", octets(&words[1])))
}

fn expect_log(s: &mut Scene, wanted: &str) -> Outcome {
    match s.error_line()? {
        line if line == wanted => Ok(()),
        line => Err(Failure::new(format!("the line `{wanted}`"), format!("`{line}`"))),
    }
    .because("the contract: who, which one, how long, and its fate")
}

fn refused(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, upstream) = linked(s)?;
    upstream.refuse()?;
    client.send(words.as_bytes())?;
    s.expect_error("nobody has the server's port")
        .because("udp(7): an error that nobody passes on looks like a datagram that was lost")
}

/// Twenty of them, since the program may open a few more descriptors after it has said where it listens.
fn forgets(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "nobody says good-bye in UDP: a socket for each client that ever came is one too many at some time";
    let words = s.phrase();
    let (mut client, mut upstream) = linked(s)?;
    let before = s.descriptors()?;
    client.send(words.as_bytes())?;
    upstream.expect(words.as_bytes())?;
    s.journal.note("and so do twenty other clients");
    for _ in 0..20 {
        client.neighbour("link")?.send_unseen(words.as_bytes())?;
        upstream.look_unseen(PATIENCE)?.ok_or_else(|| Failure::new("a datagram", "none"))?;
    }
    let Some(before) = before else { return Ok(()) };
    // Not how many more: that depends on when the first look was.
    let open = |_| Failure::new("the sockets of silent clients to be closed", "most of them are open");
    s.expect_descriptors(before + 10).map_err(open).because(WHY)
}

fn so_many(s: &mut Scene) -> Outcome {
    const WHY: &str = "each client costs a socket, and anybody can send from 65,535 ports";
    let words = phrases(s, 3);
    let (mut first, mut upstream) = linked(s)?;
    let mut second = s.datagrams()?;
    first.send(words[0].as_bytes())?;
    upstream.expect(words[0].as_bytes())?;
    second.send(words[1].as_bytes())?;
    s.expect_error("not carried: 1 conversation already").because(WHY)?;
    first.send(words[2].as_bytes())?;
    only(&mut upstream, &[&words[2]], WHY)
}

fn sums_up(s: &mut Scene) -> Outcome {
    let words = phrases(s, 3);
    let (mut client, mut upstream) = linked(s)?;
    for words in &words {
        client.send(words.as_bytes())?;
    }
    let from = upstream.expect(words[0].as_bytes())?;
    only(&mut upstream, &[&words[2], &words[2]], EXACT)?;
    upstream.reply(from, words[0].as_bytes())?;
    client.receive()?;
    s.signal(Signal::SIGTERM)?;
    for line in [
        "up: 3 came, 1 dropped, 1 repeated, 0 reordered, 0 corrupted, 0 truncated, 0 foreign, 3 delivered",
        "down: 1 came, 0 dropped, 0 repeated, 0 reordered, 1 corrupted, 0 truncated, 0 foreign, 1 delivered",
    ] {
        s.expect_line(line).because("the contract: each direction, and each fate")?;
    }
    s.expect_exit(0, Duration::from_secs(2))
}

fn wrong_options(s: &mut Scene) -> Outcome {
    for (option, value, named) in [
        ("--drop", "20", "no % in \"20\" (write 20% or 0.5%)"),
        ("--repeat", "up:120%", "more than 100 of a hundred"),
        ("--corrupt", "left:20%", "neither up: nor down:"),
        ("--drop-nth", "3", "neither up: nor down: in \"3\""),
        ("--reorder-nth", "up:0", "no number from 1 on"),
        ("--truncate-nth", "down:9-3", "no range"),
        ("--behind", "0", "0 is not in 1.."),
        ("--delay", "30", "no unit"),
    ] {
        s.run_with(&["127.0.0.1:0", NOBODY, option, value])?;
        let why = "a typing error that is taken for something else is a wrong experiment";
        s.expect_exit(2, Duration::from_secs(5)).because(why)?;
        s.expect_error(named).because(why)?;
    }
    Ok(())
}

fn bad_address(s: &mut Scene) -> Outcome {
    for (listen, upstream, named) in [
        ("127.0.0.1:123456", NOBODY, "invalid port"),
        ("127.0.0.1:0", "harbour..nowhere:7", "harbour..nowhere"),
        ("127.0.0.1:0", "127.0.0.1", "no port"),
    ] {
        s.run_with(&[listen, upstream])?;
        common::expect_one_error(s, named)?;
    }
    Ok(())
}

fn port_in_use(s: &mut Scene) -> Outcome {
    let holder = s.upstream_udp()?;
    s.run_with(&[&holder.address().to_string(), NOBODY])?;
    common::expect_one_error(s, &format!("{holder}: address already in use"))
}
