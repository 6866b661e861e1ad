//! `wiretap`: what goes through is unchanged, what is shown is true, and neither waits for the other.

mod capture;
mod unix;

use super::proxy;
use crate::checks::common;
use capture::{FIN, SYN};
use netkata::hexdump;
use netkata_kit::datagram::Datagrams;
use netkata_kit::prelude::*;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// For checks that need no server: nobody can listen there.
const NOBODY: &str = "127.0.0.1:9";
const UNCHANGED: &str = "a tap is for looking: who is looked at must not be able to tell";
const NEVER_WAITS: &str = "write(2): a pipe that nobody reads takes 65,536 octets, and then the writer waits; a tap that \
                           waits there holds up the traffic";

pub fn program() -> Program {
    proxy::relays(Program::finished(4, "wiretap"))
        .check("carries_unix_sockets", "it stands between socket files as well", unix_sockets)
        .check("carries_packets_one_by_one", "sequenced packets stay apart, and the empty one is no end", unix::packets)
        .check("carries_long_packets_whole", "a packet may be longer than any of UDP", unix::long_packets)
        .check("carries_unix_datagrams_whole", "datagrams between socket files go through one by one", unix::datagrams)
        .check("tells_unix_clients_apart", "each named client gets the answers to its own questions", unix::clients)
        .check("keeps_the_nameless_nameless", "who has no name has none for the server either", unix::nameless)
        .check("drops_no_unix_datagram", "where a client's queue is full, its answers wait", unix::full)
        .check("waits_for_one_alone", "a client that does not read holds up nobody else", unix::holds_up_nobody)
        .check("carries_datagrams_whole", "datagrams go through one by one, from none to 65,507 octets", datagrams)
        .check("tells_udp_clients_apart", "each UDP client gets the answers to its own questions", udp_clients)
        .check("carries_another_ports_answer", "a server may answer from another port, and go on there", another_port)
        .check("resets_where_nobody_is", "an upstream that refuses is a reset for the client, and shown", refused)
        .check("gives_a_silent_upstream_up", "an upstream has --connect-timeout to answer", proxy::silent)
        .with(&["--connect-timeout", "200ms"])
        .check("looks_names_up", "the upstream may be a name", proxy::names)
        .check("leaves_who_is_idle", "a conversation on which nothing moves is reset after --idle, and shown", idle)
        .with(&["--idle", "200ms"])
        .check("shows_each_turn", "a line says who spoke, how much, in hexadecimal and as text", turns)
        .check("tells_conversations_apart", "each conversation has a letter, in the order in which they came", letters)
        .check("shows_a_refused_datagram", "a server's closed UDP port is shown", refused_datagram)
        .check("shows_each_packet", "each packet has a line, the empty one too", unix::shows_packets)
        .check("shows_who_has_gone", "a name that nobody has any more is shown", unix::shows_the_gone)
        .check("shows_the_port_that_answers", "what another port says is a conversation with that port", shows_the_port)
        .check("names_a_protocol", "a protocol that shows itself is named beside the line", names_http)
        .check("marks_a_guess", "what only may be a protocol is marked as a guess", guesses)
        .check("dumps_all_octets", "-x shows all octets, with their place in the stream", dump)
        .with(&["-x"])
        .check("follows_what_is_said", "--follow shows what the two say, and nothing else", follow)
        .with(&["--follow"])
        .check("is_quiet", "--quiet prints nothing of the conversation", quiet)
        .with(&["--quiet"])
        .check("colours_a_terminal", "at a terminal, the two sides have colours", colours)
        .check(
            "stops_at_max_bytes",
            "--max-bytes of each side are recorded; the rest is carried and counted",
            max_bytes,
        )
        .with(&["--max-bytes", "100"])
        .check("shows_only_what_is_asked", "--only shows these sides and conversations, and carries all", only)
        .with(&["--only", "server,B"])
        .check("shows_only_a_protocol", "--only http shows what turns out to be HTTP", only_http)
        .with(&["--only", "http"])
        .check("writes_text_as_it_happens", "a .txt has the lines of the screen, while it happens", text_file)
        .check("writes_a_capture_as_it_happens", "a .pcapng has the true ports, numbers and octets", capture_file)
        .check("leaves_room_for_what_is_missing", "in a .pcapng, what was not recorded has its numbers", capture_hole)
        .with(&["--max-bytes", "100"])
        .check("draws_a_picture", "a .svg is drawn at the end", picture)
        .check("goes_on_when_nobody_reads", "a standard output that stalls does not stall the traffic", stalled)
        .with(&["-x", "--max-bytes", "all"])
        .check("goes_on_when_output_is_closed", "a standard output that is closed does not end the traffic", closed)
        .check("tells_what_it_was_too_slow_for", "what a slow reader of the record misses is told in its place", gap)
        .with(&["--max-bytes", "all", "--octets", "4096", "--quiet"])
        .check("sums_up", "at the end it says how much was carried", summary)
        .check("refuses_beyond_the_limit", "clients beyond --max-connections are turned away", refuses)
        .with(&["--max-connections", "1"])
        .check("finishes_what_it_accepted", "after SIGTERM, a connection may go on to its end", proxy::finishes)
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .with(&[NOBODY])
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .with(&[NOBODY])
        .check("leaves_no_socket_file", "the tap's files are gone when it ends", unix::leaves_nothing)
        .check("carries_like_to_like", "messages and octets are not carried to each other", unix::like_to_like)
        .finished_only()
        .check("names_a_wrong_word", "an option that makes no sense is named, and nothing is started", wrong_words)
        .finished_only()
        .check("names_a_file_it_cannot_write", "a file in no folder is named in one line, with status 1", wrong_file)
        .finished_only()
        .check("names_a_bad_address", "a bad address, on either side, is named in one line", proxy::bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port that is taken is named in one line", proxy::port_in_use)
        .finished_only()
}

// ---- helpers ----

/// A client and its server, with the tap between them.
fn tapped(s: &mut Scene) -> Outcome<(Talk, Talk)> {
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let client = s.connect()?;
    let server = upstream.accept()?;
    Ok((client, server))
}

/// One says something, and the other hears it.
fn says(from: &mut Talk, to: &mut Talk, octets: &[u8]) -> Outcome {
    from.send(octets)?;
    to.expect(octets)
}

/// The next line on standard output, without its time.
fn shown(s: &mut Scene) -> Outcome<String> {
    let line = s.output_line()?;
    let timed = line.split_once(" s  ").filter(|(time, _)| {
        let (seconds, rest) = time.trim_start().split_once('.').unwrap_or_default();
        seconds.parse::<u32>().is_ok() && rest.len() == 3 && rest.parse::<u32>().is_ok()
    });
    match timed {
        Some((_, text)) => Ok(text.into()),
        None => Err(Failure::new("a line with its time, as in `0.003 s  A → …`", format!("{line:?}"))),
    }
}

fn expect_shown(s: &mut Scene, wanted: &str) -> Outcome {
    match shown(s)? {
        line if line == wanted => Ok(()),
        line => Err(Failure::new(format!("the line `{wanted}`"), format!("`{line}`"))),
    }
}

fn expect_connect(s: &mut Scene, letter: char) -> Outcome {
    match shown(s)? {
        line if line.starts_with(&format!("{letter} → connect  (")) => Ok(()),
        line => Err(Failure::new(format!("the line `{letter} → connect  (…)`"), format!("`{line}`"))),
    }
}

/// `→ 6 octets  61 68 6f 79 0d 0a  "ahoy\r\n"`
fn line(who: &str, octets: &[u8]) -> String {
    let count = netkata::human::count(octets.len(), "octet");
    format!("{who} {count}  {}  \"{}\"", hexdump::hex(octets, 16), hexdump::text(octets, 48))
}

/// As [`tapped`], recorded in a file as well. Its path differs from run to run, so it is not shown.
fn tapped_into(s: &mut Scene, path: &Path) -> Outcome<(Talk, Talk)> {
    let upstream = s.upstream()?;
    s.start_with_arguments(&["127.0.0.1:0".into(), upstream.to_string(), "-w".into(), path.display().to_string()])?;
    let client = s.connect()?;
    let server = upstream.accept()?;
    Ok((client, server))
}

/// What a file holds, as soon as that is enough.
fn wait_for<T>(path: &Path, what: &str, enough: impl Fn(&[u8]) -> Option<T>) -> Outcome<T> {
    let until = Instant::now() + Duration::from_secs(4);
    loop {
        let octets = fs::read(path).unwrap_or_default();
        match enough(&octets) {
            Some(found) => return Ok(found),
            None if Instant::now() >= until => {
                let name = path.file_name().unwrap_or_default().display().to_string();
                return Err(Failure::new(format!("{what} in {name}"), "nothing like it after 4s"));
            }
            None => std::thread::sleep(ms(2)),
        }
    }
}

// ---- what goes through ----

fn unix_sockets(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let upstream = s.upstream_unix()?;
    let path = s.folder()?.join("tap.sock").display().to_string();
    s.start_with_arguments(&[path, upstream.to_string()])?;
    let why = "unix(7): a stream is a stream, whatever the address looks like";
    let mut client = s.connect()?;
    let mut server = upstream.accept().because(why)?;
    says(&mut client, &mut server, words[0].as_bytes()).because(why)?;
    says(&mut server, &mut client, words[1].as_bytes()).because(why)?;
    client.half_close()?;
    server.expect_close(Close::Fin).because(why)
}

pub fn datagrams(s: &mut Scene) -> Outcome {
    let mut upstream = udp(s)?;
    let mut client = s.datagrams()?;
    for size in [1 + s.rng.usize(..999), 0, 65_507] {
        let (asked, answer) = (s.octets(size), s.octets(size));
        client.send(&asked)?;
        let from = upstream.expect(&asked).because(
            "RFC 768: a length of 16 bits, less 8 for the header and 20 for IPv4's; and none is a length too",
        )?;
        upstream.reply(from, &answer)?;
        client.expect(&answer).because("the way back is as wide as the way there")?;
    }
    Ok(())
}

fn udp(s: &mut Scene) -> Outcome<UdpUpstream> {
    let upstream = s.upstream_udp()?;
    s.start_with_arguments(&["udp://127.0.0.1:0".into(), upstream.to_string()])?;
    Ok(upstream)
}

/// Answered in the other order.
pub fn udp_clients(s: &mut Scene) -> Outcome {
    let mut upstream = udp(s)?;
    let mut clients = [s.datagrams()?, s.datagrams()?];
    let (words, answers) = ([s.phrase(), s.phrase()], [s.phrase(), s.phrase()]);
    let mut froms = Vec::new();
    for (client, words) in clients.iter_mut().zip(&words) {
        client.send(words.as_bytes())?;
        froms.push(upstream.expect(words.as_bytes())?);
    }
    for (from, answer) in froms.iter().zip(&answers) {
        upstream.reply(*from, answer.as_bytes())?;
    }
    for (client, answer) in clients.iter_mut().zip(&answers).rev() {
        client
            .expect(answer.as_bytes())
            .because("RFC 768: a port is all that tells one client from another; so each needs one of its own")?;
    }
    Ok(())
}

/// As TFTP does: asked on one port, the server goes on from another.
pub fn another_port(s: &mut Scene) -> Outcome {
    let mut upstream = udp(s)?;
    let mut client = s.datagrams()?;
    go_on(s, &mut upstream, &mut client).map(drop)
}

/// Returns the port that goes on, and what it and the client said.
fn go_on(s: &mut Scene, upstream: &mut UdpUpstream, client: &mut Datagrams) -> Outcome<(UdpUpstream, [String; 2])> {
    const WHY: &str = "RFC 1350 §4: the server chooses a port of its own for the transfer, and hears the client there";
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let mut transfer = s.upstream_udp()?;
    client.send(words[0].as_bytes())?;
    let asking = upstream.expect(words[0].as_bytes())?;
    transfer.reply(asking, words[1].as_bytes())?;
    let (got, door) = client.receive_from_anybody().because(WHY)?;
    if got != words[1].as_bytes() {
        return Err(Failure::octets(words[1].as_bytes(), &got, "one datagram"));
    }
    if door == client.peer() {
        return Err(Failure::new("the answer from another port here too", "the port that was asked")).because(WHY);
    }
    client.turn_to(door);
    client.send(words[2].as_bytes())?;
    let from = transfer.expect(words[2].as_bytes()).because(WHY)?;
    if from != asking {
        return Err(Failure::new("the client's own port towards the server", "another")).because(WHY);
    }
    let [_, answer, more] = words;
    Ok((transfer, [answer, more]))
}

fn refused(s: &mut Scene) -> Outcome {
    let nobody = s.refusing_address()?;
    s.start_in_front_of(nobody)?;
    // The connect is over before the program looks: it must not meet the reset.
    s.hold()?;
    let mut client = s.connect()?;
    s.release()?;
    client.expect_close(Close::Rst).because("a clean end would look like an empty answer")?;
    expect_connect(s, 'A')?;
    expect_shown(s, &format!("A (connect tcp://{nobody}: connection refused)"))?;
    expect_shown(s, "A ← RST")
}

fn idle(s: &mut Scene) -> Outcome {
    let (mut client, mut server) = tapped(s)?;
    let why = "RFC 1122 §4.2.3.6: TCP itself never asks whether anybody is still there";
    client.expect_close(Close::Rst).because(why)?;
    server.expect_close(Close::Rst).because(why)?;
    expect_connect(s, 'A')?;
    expect_shown(s, "A (nothing for 200ms: wiretap reset both sides)")
}

// ---- what is shown ----

fn turns(s: &mut Scene) -> Outcome {
    let (asked, answer) = (format!("{}\r\n", s.phrase()), s.phrase());
    let (mut client, mut server) = tapped(s)?;
    let (address, _) = client.addresses().ok_or_else(|| Failure::new("an address", "none"))?;
    says(&mut client, &mut server, asked.as_bytes())?;
    says(&mut server, &mut client, answer.as_bytes())?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    let opening = shown(s)?;
    if !opening.starts_with(&format!("A → connect  ({address} to tcp://127.0.0.1:")) {
        return Err(Failure::new(format!("a line `A → connect  ({address} to …)`"), format!("`{opening}`")));
    }
    expect_shown(s, &line("A →", asked.as_bytes()))
        .because("octets that are not text look like text in some terminal; hexadecimal does not lie")?;
    expect_shown(s, &line("A ←", answer.as_bytes()))?;
    expect_shown(s, "A → FIN")
}

fn letters(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let first = (s.connect()?, upstream.accept()?);
    expect_connect(s, 'A')?;
    let second = (s.connect()?, upstream.accept()?);
    let why = "two clients at once are two conversations; lines without a name mix them up";
    expect_connect(s, 'B').because(why)?;
    let mut talks = [first, second];
    for ((talk, who), words) in [(1, "B →"), (0, "A →"), (1, "B →")].into_iter().zip(words) {
        let (client, server) = &mut talks[talk];
        says(client, server, words.as_bytes())?;
        expect_shown(s, &line(who, words.as_bytes())).because(why)?;
    }
    Ok(())
}

fn refused_datagram(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let nobody = s.upstream_udp()?.to_string();
    s.start_with_arguments(&["udp://127.0.0.1:0".into(), nobody])?;
    s.datagrams()?.send(words.as_bytes())?;
    if !shown(s)?.starts_with("A (127.0.0.1:") {
        return Err(Failure::new("a line `A (127.0.0.1:… to …)`", "another"));
    }
    expect_shown(s, &line("A →", words.as_bytes()))?;
    expect_shown(s, "A ← port unreachable (ICMP)").because(
        "udp(7): a connected socket hears of an ICMP error; without a word, a closed port looks like a slow server",
    )
}

fn shows_the_port(s: &mut Scene) -> Outcome {
    let mut upstream = udp(s)?;
    let mut client = s.datagrams()?;
    let (transfer, [answer, more]) = go_on(s, &mut upstream, &mut client)?;
    let why = "a record is evidence: who looks for the transfer in it looks for its port";
    // The first conversation: its beginning, and the question.
    shown(s)?;
    shown(s)?;
    let (ours, opening) = (client.address()?, shown(s)?);
    if opening != format!("B ({ours} to {transfer})") {
        let wanted = "a line `B (… to udp://…)` with the port that answers";
        return Err(Failure::new(wanted, format!("`{opening}`"))).because(why);
    }
    expect_shown(s, "B (the server answers A from this port)")?;
    expect_shown(s, &line("B ←", answer.as_bytes())).because(why)?;
    expect_shown(s, &line("B →", more.as_bytes())).because(why)
}

fn names_http(s: &mut Scene) -> Outcome {
    let (path, code) = (format!("/tides/{}", s.rng.u16(100..1000)), s.rng.u16(200..300));
    let request = format!("GET {path} HTTP/1.1\r\n\r\n");
    let answer = format!("HTTP/1.1 {code} Low Water\r\n\r\n");
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, request.as_bytes())?;
    says(&mut server, &mut client, answer.as_bytes())?;
    expect_connect(s, 'A')?;
    let why = "RFC 9112 §3, §4: a request line and a status line look like nothing else";
    let wanted = format!("{}  [HTTP/1.1 GET {path}]", line("A →", request.as_bytes()));
    expect_shown(s, &wanted).because(why)?;
    let wanted = format!("{}  [HTTP/1.1 {code} Low Water]", line("A ←", answer.as_bytes()));
    expect_shown(s, &wanted).because(why)
}

/// A frame of this chapter, and no more than that: other protocols have such frames.
fn guesses(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let frame = [&[2][..], &(words.len() as u32).to_be_bytes(), words.as_bytes()].concat();
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, &frame)?;
    expect_connect(s, 'A')?;
    let name = format!("  [perhaps TLV String, {} octets]", words.len());
    match shown(s)? {
        line if line.ends_with(&name) => Ok(()),
        line => Err(Failure::new(format!("a line that ends with `{name}`"), format!("`{line}`"))),
    }
    .because("nothing on a wire says which protocol it is: a guess that looks like knowledge misleads")
}

fn dump(s: &mut Scene) -> Outcome {
    let (first, second) = (s.octets(17), s.octets(5));
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, &first)?;
    expect_connect(s, 'A')?;
    expect_shown(s, "A → 17 octets").because("a line ends where the screen does; a dump goes on below it")?;
    for line in hexdump::dump(&first).lines() {
        s.expect_line(line)?;
    }
    says(&mut client, &mut server, &second)?;
    expect_shown(s, "A →  5 octets")?;
    s.expect_line(hexdump::dump_from(17, &second).trim_end())
        .because("a stream has no messages: the place of an octet is its distance from the first")
}

fn follow(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, format!("{}\r\n{}\r\n", words[0], words[1]).as_bytes())?;
    says(&mut server, &mut client, format!("{}\x1b[2J\n", words[2]).as_bytes())?;
    let why = "who reads the content is held up by times and by hexadecimal";
    expect_bare(s, &format!("A → {}", words[0])).because(why)?;
    expect_bare(s, &format!("A → {}", words[1])).because(why)?;
    expect_bare(s, &format!("A ← {}\\u{{1b}}[2J", words[2]))
        .because("console_codes(4): ESC [ 2 J clears the screen; what a peer says must not do that to who looks on")
}

/// A line as it is; a time in it would differ from run to run, and is not told.
fn expect_bare(s: &mut Scene, wanted: &str) -> Outcome {
    let got = match s.output_line()? {
        line if line == wanted => return Ok(()),
        line if line.contains(" s  ") => "a line with its time".into(),
        line => format!("{line:?}"),
    };
    Err(Failure::new(format!("the line `{wanted}`"), got))
}

fn quiet(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, words.as_bytes())?;
    let silent = s.expect_no_output(ms(100));
    silent
        .map_err(|_| Failure::new("nothing on standard output", "a line about the conversation"))
        .because("who records into files wants the terminal for something else")
}

/// The escape sequence of cyan, and that of green.
fn colours(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    s.at_a_terminal();
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, words.as_bytes())?;
    says(&mut server, &mut client, words.as_bytes())?;
    s.output_line()?;
    for (colour, arrow) in [("\x1b[36m", '→'), ("\x1b[32m", '←')] {
        let wanted = format!("{colour}{arrow} {} octets", words.len());
        if !s.output_line()?.contains(&wanted) {
            return Err(Failure::new(format!("a line with {wanted:?}"), "one without these colours"))
                .because("isatty(3): a person sees at a glance who speaks; in a pipe, colours are octets too many");
        }
    }
    Ok(())
}

// ---- what is left out ----

fn max_bytes(s: &mut Scene) -> Outcome {
    let more = s.rng.usize(1..500);
    let octets = [0xa5].repeat(100 + more);
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, &octets).because(UNCHANGED)?;
    let answer = s.phrase();
    says(&mut server, &mut client, answer.as_bytes())?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    expect_connect(s, 'A')?;
    let why = "a tap that runs for a week must not fill the disk; and a record that was cut short has to say so";
    expect_shown(s, &format!("A → 100 octets  {}", hexdump::hex(&octets[..100], 16))).because(why)?;
    expect_shown(s, "A (the client has said 100 octets: what follows is carried, and not recorded)").because(why)?;
    // The column is as wide as the widest number so far.
    let told = line("A ←", answer.as_bytes()).replacen("← ", "←  ", 1);
    expect_shown(s, &told)?;
    let count = netkata::human::count(more, "octet");
    expect_shown(s, &format!("A → ({count} not recorded: past the first 100)")).because(why)?;
    expect_shown(s, "A → FIN")
}

fn only(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase(), s.phrase()];
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let mut first = (s.connect()?, upstream.accept()?);
    says(&mut first.1, &mut first.0, words[0].as_bytes()).because(UNCHANGED)?;
    let mut second = (s.connect()?, upstream.accept()?);
    says(&mut second.0, &mut second.1, words[1].as_bytes()).because(UNCHANGED)?;
    says(&mut second.1, &mut second.0, words[2].as_bytes()).because(UNCHANGED)?;
    let why = "who looks for one side of one conversation should not have to look past the others";
    expect_connect(s, 'B').because(why)?;
    expect_shown(s, &line("B ←", words[2].as_bytes())).because(why)
}

/// The line about the beginning is shown, though nobody knew then what would be spoken.
fn only_http(s: &mut Scene) -> Outcome {
    let (words, path) = (s.phrase(), format!("/buoys/{}", s.rng.u16(100..1000)));
    let request = format!("GET {path} HTTP/1.1\r\n\r\n");
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let mut other = (s.connect()?, upstream.accept()?);
    says(&mut other.0, &mut other.1, words.as_bytes()).because(UNCHANGED)?;
    says(&mut other.1, &mut other.0, words.as_bytes()).because(UNCHANGED)?;
    let mut web = (s.connect()?, upstream.accept()?);
    says(&mut web.0, &mut web.1, request.as_bytes()).because(UNCHANGED)?;
    let why = "what is spoken shows with the first octets; before that, nothing can be said";
    expect_connect(s, 'B').because(why)?;
    expect_shown(s, &format!("{}  [HTTP/1.1 GET {path}]", line("B →", request.as_bytes()))).because(why)?;
    s.expect_no_output(ms(60)).because(why)
}

// ---- files ----

fn text_file(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let path = s.folder()?.join("talk.txt");
    let (mut client, mut server) = tapped_into(s, &path)?;
    says(&mut client, &mut server, words.as_bytes())?;
    let wanted = format!("{}\n", line("A →", words.as_bytes()));
    wait_for(&path, &format!("the line `{}`", wanted.trim_end()), |octets| {
        String::from_utf8_lossy(octets).ends_with(&wanted).then_some(())
    })
    .because("tail -f: a record is of use while it happens; and after a crash, when what was written is there")
}

fn capture_file(s: &mut Scene) -> Outcome {
    let (asked, answer) = (s.octets(3000), s.octets(200));
    let path = s.folder()?.join("talk.pcapng");
    let (mut client, mut server) = tapped_into(s, &path)?;
    says(&mut client, &mut server, &asked)?;
    says(&mut server, &mut client, &answer)?;
    let ends = client.addresses().zip(server.addresses());
    let ((client, _), (server, _)) = ends.ok_or_else(|| Failure::new("addresses", "none"))?;
    let packets = wait_for(&path, "the packets of question and answer", |octets| {
        let packets = capture::read(octets)?;
        (capture::octets(&packets, server.port()).len() == 200).then_some(packets)
    })?;
    let why = "a capture is evidence: its ports and its octets are those of the wire";
    for (from, to, sent) in [(client, server, &asked), (server, client, &answer)] {
        let sides: Vec<_> = packets.iter().filter(|p| p.from == from.port()).collect();
        if sides.iter().any(|p| p.to != to.port()) || sides.is_empty() {
            return Err(Failure::new("packets between the client's port and the upstream's", "others")).because(why);
        }
        let got = capture::octets(&packets, from.port());
        if got != *sent {
            return Err(Failure::octets(sent, &got, "in the packets of this side")).because(why);
        }
    }
    capture::in_sequence(&packets, client.port()).and_then(|()| capture::in_sequence(&packets, server.port()))
}

fn capture_hole(s: &mut Scene) -> Outcome {
    let size = s.rng.usize(150..900);
    let octets = s.octets(size);
    let path = s.folder()?.join("talk.pcapng");
    let (mut client, mut server) = tapped_into(s, &path)?;
    says(&mut client, &mut server, &octets)?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    let (port, _) = client.addresses().map(|(a, b)| (a.port(), b)).ok_or_else(|| Failure::new("an address", "none"))?;
    let [first, last] = wait_for(&path, "the client's SYN and FIN", |octets| {
        let packets = capture::read(octets)?;
        let find = |flag| packets.iter().find(|p| p.from == port && p.flags & flag != 0).map(|p| p.sequence);
        Some([find(SYN)?, find(FIN)?])
    })?;
    let far = last.wrapping_sub(first) as usize;
    if far == size + 1 {
        return Ok(());
    }
    Err(Failure::new(format!("a FIN {} octets after the SYN", size + 1), format!("one {far} octets after it"))).because(
        "RFC 9293 §3.4: every octet has a number, seen or not; a reader of the capture must find the hole, and its size",
    )
}

fn picture(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let path = s.folder()?.join("talk.svg");
    let (mut client, mut server) = tapped_into(s, &path)?;
    says(&mut client, &mut server, words.as_bytes())?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    server.half_close()?;
    client.expect_close(Close::Fin)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(3))?;
    let text = fs::read_to_string(&path).unwrap_or_default();
    let whole = text.starts_with("<svg") && text.trim_end().ends_with("</svg>");
    if whole && text.contains(&format!("&quot;{words}&quot;")) && text.contains("FIN") {
        return Ok(());
    }
    let got = if whole { "another picture".into() } else { format!("{} octets", text.len()) };
    Err(Failure::new(format!("a whole picture with \"{words}\" in it"), got))
        .because("a picture can only be drawn when all is over: so the end has to be waited for")
}

// ---- who is slow ----

fn stalled(s: &mut Scene) -> Outcome {
    let octets = vec![0xa5; 4 << 20];
    let (mut client, mut server) = tapped(s)?;
    s.stall_output();
    client.send_in_background(&octets)?;
    server.within(Duration::from_secs(5)).expect(&octets).because(NEVER_WAITS)
}

fn closed(s: &mut Scene) -> Outcome {
    let words = [s.phrase(), s.phrase()];
    let (mut client, mut server) = tapped(s)?;
    s.close_output();
    let why = "pipe(7): `| head` closes its end, and the next write fails (EPIPE); the clients cannot help that";
    says(&mut client, &mut server, words[0].as_bytes()).because(why)?;
    s.expect_error("standard output: broken pipe").because(why)?;
    says(&mut server, &mut client, words[1].as_bytes()).because(why)
}

/// The record goes into a named pipe, as it does for a Wireshark that looks on; nobody reads it until all is over.
fn gap(s: &mut Scene) -> Outcome {
    let octets = vec![b'~'; 12 << 20];
    let path = s.folder()?.join("slow.txt");
    let failed = |e: String| Failure::new("a named pipe", e);
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| failed(e.to_string()))?;
    let reader = nix::fcntl::open(&path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty());
    let mut reader = fs::File::from(reader.map_err(|e| failed(e.to_string()))?);
    let (mut client, mut server) = tapped_into(s, &path)?;
    client.send_in_background(&octets)?;
    server.within(Duration::from_secs(10)).expect(&octets).because(NEVER_WAITS)?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    let (mut text, until) = (Vec::new(), Instant::now() + Duration::from_secs(5));
    while !text.ends_with("A → FIN\n".as_bytes()) && Instant::now() < until {
        match reader.read_to_end(&mut text) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(ms(1)),
            _ => {}
        }
    }
    counted(&String::from_utf8_lossy(&text), octets.len())
}

/// The octets of all lines, recorded or not.
fn counted(text: &str, sent: usize) -> Outcome {
    let number = |line: &str, before: &str| -> Option<usize> {
        line.split_once("A → ")?
            .1
            .trim_start_matches('(')
            .trim_start()
            .split_once(before)?
            .0
            .replace(',', "")
            .parse()
            .ok()
    };
    let slow = "octets not recorded: the recorder was too slow)";
    let (missing, recorded): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.ends_with(slow));
    let missing: usize = missing.iter().filter_map(|line| number(line, " octets not")).sum();
    let recorded: usize = recorded.iter().filter_map(|line| number(line, " octets ")).sum();
    let why = "a record may be incomplete; one that does not say so is wrong";
    match (missing, missing + recorded) {
        (1.., sum) if sum == sent => Ok(()),
        (0, _) => Err(Failure::new(format!("a line `A → (… {slow}`"), "none")).because(why),
        _ => Err(Failure::new("octets shown and octets missing to be all that were sent", "another sum")).because(why),
    }
}

// ---- beginning and end ----

fn summary(s: &mut Scene) -> Outcome {
    let (asked, answer) = (s.phrase(), s.phrase());
    let (mut client, mut server) = tapped(s)?;
    says(&mut client, &mut server, asked.as_bytes())?;
    says(&mut server, &mut client, answer.as_bytes())?;
    client.half_close()?;
    server.expect_close(Close::Fin)?;
    server.half_close()?;
    client.expect_close(Close::Fin)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(3))?;
    let (asked, answer) = (asked.len(), answer.len());
    s.expect_error(&format!("1 conversation, {asked} octets from clients, {answer} octets from servers\n"))
        .because("who has looked away for a while wants to know how much there was, recorded or not")
}

fn refuses(s: &mut Scene) -> Outcome {
    let upstream = s.upstream()?;
    s.start_in_front_of(&upstream)?;
    let _first = (s.connect()?, upstream.accept()?);
    let mut second = s.connect()?;
    match second.read_until_closed() {
        Ok((octets, _)) if octets.is_empty() => Ok(()),
        _ => Err(Failure::new("the second client to be turned away", "it is served")),
    }
    .because("each conversation costs two descriptors and a thread; who takes all that come runs out of both")
}

fn wrong_words(s: &mut Scene) -> Outcome {
    for (option, value, named) in [
        ("--only", "ships", "a conversation's letter"),
        ("--max-bytes", "1 league", "unknown unit"),
        ("--write", "talk.pcap", ".txt, .svg or .pcapng"),
    ] {
        s.run_with(&["127.0.0.1:0", NOBODY, option, value])?;
        s.expect_exit(2, Duration::from_secs(3))
            .because("a word that is guessed at records something else than was meant")?;
        s.expect_error(named)?;
    }
    Ok(())
}

fn wrong_file(s: &mut Scene) -> Outcome {
    s.run_with(&["127.0.0.1:0", NOBODY, "-w", "no/such/folder/talk.txt"])?;
    common::fails_with(s, "create no/such/folder/talk.txt: no such file or directory")
        .because("who asks for a record learns now that there will be none, and not when all is over")
}
