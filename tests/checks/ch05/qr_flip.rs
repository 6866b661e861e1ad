//! `qr_flip`: a DNS query as its own answer, by a server that knows nothing else.

use crate::checks::common;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::SocketAddr;

const HEADER: usize = 12;
const FLAGS: usize = 2;
const QR: u8 = 0x80;
const RFC1035: &str = "RFC 1035 §4.1.1: QR, the first bit of the third octet, is 0 in a query and 1 in a response";
const THREADS: &str = "who answers in the loop that receives makes everybody wait for the slowest";

pub fn program() -> Program {
    Program::finished(5, "qr_flip")
        .check("sets_the_qr_bit", "the answer has the bit that makes it an answer", sets)
        .check("keeps_all_other_bits", "all else is as it was in the query", keeps)
        .check("answers_a_bare_header", "12 octets are a whole DNS header", bare)
        .check("answers_a_long_query", "a query may have 65,507 octets", long)
        .check("drops_a_cut_header", "less than 12 octets are no DNS message, and get no answer", cut)
        .check("drops_an_answer", "what is an answer already gets none", loops)
        .check("answers_side_by_side", "each query has a thread of its own", side_by_side)
        .with(&["--delay", "400ms"])
        .check("answers_the_sender", "each answer goes to the one who asked", sender)
        .with(&["--delay", "150ms"])
        .check("answers_from_where_it_was_asked", "on the wildcard, the address that was asked answers", from_there)
        .check("drops_beyond_its_slots", "more queries than --slots at once are dropped", beyond)
        .with(&["--slots", "2", "--delay", "300ms"])
        .check("gives_slots_back", "an answer that is sent makes room for the next query", gives_back)
        .with(&["--slots", "1"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .check("finishes_what_it_took", "after SIGTERM, a query that was taken is answered", finishes)
        .with(&["--delay", "300ms"])
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", common::names_a_udp_port_in_use)
        .finished_only()
}

/// A query for the address of a ship, with recursion desired, and what it is as an answer.
fn query(s: &mut Scene) -> (Vec<u8>, Vec<u8>) {
    let mut octets = s.octets(2);
    octets.extend([1, 0x20, 0, 1, 0, 0, 0, 0, 0, 0]);
    let ship = format!("alma{}", s.rng.u16(100..1000));
    for label in [ship.as_str(), "harbour", "example"] {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    let answer = answer_to(&octets);
    (octets, answer)
}

fn answer_to(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[FLAGS] |= QR;
    answer
}

fn sets(s: &mut Scene) -> Outcome {
    let (query, _) = query(s);
    let mut c = s.datagrams()?;
    c.send(&query)?;
    let answer = c.receive().because("RFC 1035 §4.2.1: a query in a datagram is answered by a datagram")?;
    match answer.get(FLAGS) {
        Some(flags) if flags & QR != 0 => Ok(()),
        flags => {
            Err(Failure::new("the bit 80 set in octet 2", flags.map_or("no octet 2".into(), |o| format!("{o:02x}"))))
                .because(RFC1035)
        }
    }
}

fn exchange(c: &mut Datagrams, query: &[u8], why: &str) -> Outcome {
    c.send(query)?;
    c.expect(&answer_to(query)).because(why)
}

fn keeps(s: &mut Scene) -> Outcome {
    let (query, _) = query(s);
    let mut c = s.datagrams()?;
    exchange(&mut c, &query, "RFC 1035 §4.1.1: the identifier, RD and the question are copied into the response")?;
    // No flag set but QR itself clear; and all others set.
    let noise = [s.octets(2), vec![0x7f, 0xff], s.octets(30)].concat();
    exchange(&mut c, &noise, "a server that understands one bit has no business with the others")
}

fn bare(s: &mut Scene) -> Outcome {
    let query = [s.octets(2), vec![0; HEADER - 2]].concat();
    let mut c = s.datagrams()?;
    exchange(&mut c, &query, "RFC 1035 §4.1: the header is always present; the counts say what follows, here nothing")
}

fn long(s: &mut Scene) -> Outcome {
    let query = [s.octets(2), vec![0; 10], s.octets(65_507 - HEADER)].concat();
    let mut c = s.datagrams()?;
    exchange(&mut c, &query, "recv(2): what does not fit the buffer is thrown away, without a word")
}

/// Too short by one octet, and as short as can be; then it still answers.
fn cut(s: &mut Scene) -> Outcome {
    let (query, _) = query(s);
    let mut c = s.datagrams()?;
    let why = "RFC 1035 §4.1.1: the header has 12 octets; what has fewer is no message, and may come from anywhere";
    for n in [HEADER - 1, 0] {
        c.send(&query[..n])?;
        c.expect_silence(ms(60)).because(why)?;
        s.expect_error(&format!("dropped: {n} octets, and a DNS header has 12")).because(why)?;
    }
    exchange(&mut c, &query, why)
}

fn loops(s: &mut Scene) -> Outcome {
    let (query, answer) = query(s);
    let mut c = s.datagrams()?;
    let why = "a server that answers answers talks with another of its kind for ever, after one forged datagram";
    c.send(&answer)?;
    c.expect_silence(ms(80)).because(why)?;
    s.expect_error("dropped: an answer, and not a query").because(why)?;
    exchange(&mut c, &query, why)
}

/// One after the other, five answers take two seconds at least.
fn side_by_side(s: &mut Scene) -> Outcome {
    let queries: Vec<_> = (0..5).map(|_| query(s)).collect();
    let mut c = s.datagrams()?;
    let start = Instant::now();
    for (query, _) in &queries {
        c.send(query)?;
    }
    for _ in &queries {
        let answer = c.receive()?;
        if !queries.iter().any(|(_, expected)| *expected == answer) {
            return Err(Failure::new("an answer to one of the five", "another datagram"));
        }
    }
    if start.elapsed() < ms(2000) {
        return Ok(());
    }
    Err(Failure::new("five answers of 400 ms each within 2 s", "they came one after the other")).because(THREADS)
}

/// The second query comes while the first is thought about.
fn sender(s: &mut Scene) -> Outcome {
    let ((first, to_first), (second, to_second)) = (query(s), query(s));
    let (mut a, mut b) = (s.datagrams()?, s.datagrams()?);
    a.send(&first)?;
    b.send(&second)?;
    let why = "recvfrom(2): every datagram brings its sender's address, and it has to stay with the query";
    a.expect(&to_first).because(why)?;
    b.expect(&to_second).because(why)?;
    b.expect_silence(ms(30)).because(why)
}

/// Two addresses of loopback. Elsewhere than on Linux, the second must be set up first.
fn from_there(s: &mut Scene) -> Outcome {
    let (query, _) = query(s);
    s.start_on("0.0.0.0:0")?;
    let port = s.address()?.port();
    for last in [2, 1] {
        let mut c = s.datagrams_to(SocketAddr::from(([127, 0, 0, last], port)))?;
        let why = "RFC 1122 §4.1.3.5: a response should come from the address that the request was sent to";
        exchange(&mut c, &query, why)?;
    }
    Ok(())
}

fn beyond(s: &mut Scene) -> Outcome {
    s.hold()?;
    let mut c = s.datagrams()?;
    for _ in 0..3 {
        let (query, _) = query(s);
        c.send(&query)?;
    }
    s.release()?;
    let why = "a thread for each datagram, without a limit, lets strangers decide how many threads there are";
    s.expect_error("dropped: all 2 slots are taken").because(why)?;
    for _ in 0..2 {
        c.receive()?;
    }
    c.expect_silence(ms(100)).because(why)
}

/// The place is free a moment after the answer has left.
fn gives_back(s: &mut Scene) -> Outcome {
    let mut c = s.datagrams()?;
    for _ in 0..4 {
        let (query, _) = query(s);
        exchange(&mut c, &query, "a place that is not given back is lost until the server is restarted")?;
        c.expect_silence(ms(20))?;
    }
    Ok(())
}

fn finishes(s: &mut Scene) -> Outcome {
    let (query, answer) = query(s);
    let mut c = s.datagrams()?;
    c.send(&query)?;
    // It is taken when the thread that received it has gone back to wait.
    s.wait_until_still(ms(200))?;
    s.signal(Signal::SIGTERM)?;
    c.expect(&answer)
        .because("a query that was taken is owed an answer; the client cannot know that it has to ask again")?;
    s.expect_exit(0, Duration::from_secs(2))
}
