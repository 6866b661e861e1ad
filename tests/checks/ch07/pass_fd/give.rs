//! The giver: the grader is the client and the taker.

use super::{LINE, ONE_SOCKET, QUESTION, TAKEN};
use crate::checks::common;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::os::fd::AsFd;

const NO_BERTH: &[u8] = b"no berth free\n";
const QUEUE: &str = "recv(2): what was read has left the queue of the socket; it is in our memory, and does not travel with the descriptor";
const OWNER: &str =
    "sendmsg(2) is done when the message is in the queue; only the taker's word says that somebody has it";
const COPY: &str =
    "close(2): the connection ends when the last descriptor of the socket is closed; each process has one of its own";

pub fn checks(program: Program) -> Program {
    program
        .check("asks_for_the_name", "the giver speaks first", asks)
        .check("hands_the_connection_over", "the taker gets the line, and with it the client's connection", hands_over)
        .check("keeps_the_line_as_it_came", "the taker gets the client's line octet by octet", every_octet)
        .check("leaves_the_rest_to_the_taker", "what the client says after its first line is the taker's to read", rest)
        .check("puts_a_line_together", "a line may come in pieces", pieces)
        .check("keeps_no_copy", "when the taker closes, the connection ends", no_copy)
        .check("lets_go_without_a_shutdown", "after the hand-over, the conversation goes on without the giver", goes_on)
        .check("waits_for_the_takers_word", "a client that was not taken is told, and closed", no_word)
        .check("takes_nothing_else_for_a_yes", "a client that was refused is told, and closed", refused)
        .check("turns_clients_away_without_a_taker", "where nobody waits, the client is told, and closed", nobody)
        .check("gives_a_silent_taker_up", "the taker has --take-time to answer", silent_taker)
        .with(&["--take-time", "200ms"])
        .check("leaves_nothing_to_a_late_taker", "a client that was turned away is in nobody's hands", late_taker)
        .with(&["--take-time", "50ms"])
        .check(
            "takes_a_name_of_any_length_up_to_256",
            "a line has 256 octets at most, and that many it may have",
            lengths,
        )
        .check("gives_a_dripping_client_up", "the whole line has --name-time", dripping)
        .with(&["--name-time", "500ms"])
        .check("asks_clients_side_by_side", "a silent client keeps nobody waiting", side_by_side)
        .check("gives_every_descriptor_back", "whatever clients and takers do, nothing stays open", no_leak)
        .with(&["--take-time", "100ms"])
        .check("hands_nothing_to_a_stranger", "a taker of another user gets neither octets nor descriptors", stranger)
        .as_root()
        .finished_only()
        .check("finishes_a_hand_over", "after SIGTERM, a hand-over that has begun goes on to its end", finishes)
        .check("names_a_bad_taker", "what is no Unix socket is named in one line", bad_taker)
        .finished_only()
}

/// A giver with a taker of the grader's.
fn start(s: &mut Scene) -> Outcome {
    let path = s.listen_unix()?;
    start_before(s, &path)
}

fn start_before(s: &mut Scene, taker: &str) -> Outcome {
    s.start_with_arguments(&["give".into(), "127.0.0.1:0".into(), "--to".into(), taker.into()])
}

/// A new client, which has been asked.
fn client(s: &mut Scene) -> Outcome<Talk> {
    let mut client = s.connect()?;
    client.expect(QUESTION)?;
    Ok(client)
}

fn line(s: &mut Scene) -> Vec<u8> {
    format!("{}\n", s.phrase()).into_bytes()
}

/// A client that has said its name, and the hand-over of it, to be answered.
fn offered(s: &mut Scene) -> Outcome<(Talk, Talk, Talk)> {
    let name = line(s);
    let mut client = client(s)?;
    client.send(&name)?;
    let mut giver = s.accept()?;
    let handed = giver.expect_with(&name, 1).because(ONE_SOCKET)?.remove(0);
    let ours = s.take_over(handed).because(ONE_SOCKET)?;
    Ok((client, giver, ours))
}

/// A word each way.
fn exchange(s: &mut Scene, client: &mut Talk, ours: &mut Talk) -> Outcome {
    let (question, answer) = (line(s), line(s));
    client.send(&question)?;
    ours.expect(&question)?;
    ours.send(&answer)?;
    client.expect(&answer)
}

fn asks(s: &mut Scene) -> Outcome {
    start(s)?;
    s.connect()?
        .expect(QUESTION)
        .because("somebody has to speak first; a client that waits for the server waits for ever")
}

fn hands_over(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, mut giver, mut ours) = offered(s)?;
    exchange(s, &mut client, &mut ours).because(ONE_SOCKET)?;
    giver.send(TAKEN)?;
    giver.expect_close(Close::Fin)
}

fn every_octet(s: &mut Scene) -> Outcome {
    let mut name = s.every_octet();
    name.retain(|octet| *octet != b'\n');
    name.truncate(200);
    name.extend(b" \r\n");
    start(s)?;
    let mut client = client(s)?;
    client.send(&name)?;
    let mut giver = s.accept()?;
    giver
        .expect_with(&name, 1)
        .because("what the octets mean is the taker's business; the giver only reads up to the LF")?;
    giver.send(TAKEN)
}

/// The name and what follows come in one segment.
fn rest(s: &mut Scene) -> Outcome {
    let (name, rest) = (line(s), line(s));
    start(s)?;
    let mut client = client(s)?;
    client.send(&[&name[..], &rest].concat())?;
    let mut giver = s.accept()?;
    let handed = giver.expect_with(&name, 1).because(QUEUE)?.remove(0);
    let mut ours = s.take_over(handed)?;
    giver.send(TAKEN)?;
    ours.expect(&rest).because(QUEUE)
}

fn pieces(s: &mut Scene) -> Outcome {
    let name = line(s);
    start(s)?;
    let mut client = client(s)?;
    client.send_split(&name, &[1, 4, name.len() - 1])?;
    let mut giver = s.accept()?;
    giver
        .expect_with(&name, 1)
        .because("RFC 9293 §3.8: TCP carries a stream; where the line is cut, nobody has decided")?;
    giver.send(TAKEN)
}

/// By its descriptors, the giver has let go before the exchange begins.
fn goes_on(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "shutdown(2) ends the connection for all who have the socket; close(2) gives up one's own descriptor only";
    start(s)?;
    let before = s.descriptors()?.unwrap_or(usize::MAX);
    let (mut client, mut giver, mut ours) = offered(s)?;
    giver.send(TAKEN)?;
    giver.expect_close(Close::Fin)?;
    s.expect_descriptors(before)?;
    client.expect_silence(ms(20)).because(WHY)?;
    exchange(s, &mut client, &mut ours).because(WHY)
}

fn no_copy(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, mut giver, ours) = offered(s)?;
    giver.send(TAKEN)?;
    giver.expect_close(Close::Fin)?;
    drop(ours);
    client.expect_close(Close::Fin).because(COPY)
}

/// The taker has the connection, and goes without a word.
fn no_word(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, giver, ours) = offered(s)?;
    drop((giver, ours));
    client.expect(NO_BERTH).because(OWNER)?;
    client.expect_close(Close::Fin)
}

fn refused(s: &mut Scene) -> Outcome {
    let why = format!("refused: {}\n", s.phrase());
    start(s)?;
    let (mut client, mut giver, ours) = offered(s)?;
    drop(ours);
    giver.send(why.as_bytes())?;
    client.expect(NO_BERTH).because(OWNER)?;
    client.expect_close(Close::Fin)
}

fn nobody(s: &mut Scene) -> Outcome {
    let (path, name) = (s.socket_path()?, line(s));
    start_before(s, &path)?;
    let mut client = client(s)?;
    client.send(&name)?;
    client
        .expect(NO_BERTH)
        .because("a connection that just ends tells its client nothing: not even that it is not its fault")?;
    client.expect_close(Close::Fin)
}

/// The grader accepts, and says nothing.
fn silent_taker(s: &mut Scene) -> Outcome {
    let name = line(s);
    start(s)?;
    let mut client = client(s)?;
    let start = Instant::now();
    client.send(&name)?;
    let mut giver = s.accept()?;
    client
        .expect(NO_BERTH)
        .because("a read without a deadline waits as long as the peer likes, and the client waits too")?;
    common::not_before(start, ms(200))?;
    giver.ignore();
    Ok(())
}

/// The message lies in the grader's queue until the giver has given up.
fn late_taker(s: &mut Scene) -> Outcome {
    const WHY: &str = "unix(7): a descriptor in the queue keeps its socket open, so a close alone would end nothing; shutdown(2) does";
    let name = line(s);
    start(s)?;
    let mut client = client(s)?;
    client.send(&name)?;
    let mut giver = s.accept()?;
    client.expect(NO_BERTH)?;
    client.expect_close(Close::Fin).because(WHY)?;
    client.half_close()?;
    giver.expect_with(&name, 1)?;
    giver.expect_close(Close::Fin)
}

fn lengths(s: &mut Scene) -> Outcome {
    const WHY: &str = "a line has a limit, or a client without a line end decides how much memory it gets";
    let mut name = vec![b'a'; LINE - 1];
    start(s)?;
    let mut longest = client(s)?;
    longest.send(&[&name[..], b"\n"].concat())?;
    let mut giver = s.accept()?;
    giver.expect_with(&[&name[..], b"\n"].concat(), 1)?;
    giver.send(TAKEN)?;
    name.extend(b"a\n");
    let mut too_long = client(s)?;
    too_long.send(&name)?;
    too_long.expect(b"the name is too long\n").because(WHY)?;
    too_long.expect_close(Close::Fin)
}

fn dripping(s: &mut Scene) -> Outcome {
    const OCTETS: usize = 40;
    start(s)?;
    let start = Instant::now();
    let mut client = client(s)?;
    if client.drip(&[b'a'; OCTETS], ms(40)) == OCTETS {
        return Err(Failure::new("the giver to close after 500ms", "it went on reading, an octet at a time")).because(
            "socket(7): a receive timeout holds for each call; who sends an octet now and then never meets it",
        );
    }
    common::not_before(start, ms(500))?;
    client.ignore();
    Ok(())
}

fn side_by_side(s: &mut Scene) -> Outcome {
    const WHY: &str = "accept(2) takes one connection at a time; asking must not keep it from the next";
    start(s)?;
    let mut silent = client(s)?;
    let mut last = s.connect()?;
    last.expect(QUESTION).because(WHY)?;
    let (first, second) = (line(s), line(s));
    for (talk, name) in [(&mut last, second), (&mut silent, first)] {
        talk.send(&name)?;
        let mut giver = s.accept().because(WHY)?;
        giver.expect_with(&name, 1).because(WHY)?;
        giver.send(TAKEN)?;
    }
    Ok(())
}

/// A taker that is refused, silent, gone, or sends descriptors itself; clients that leave early, or are reset.
fn no_leak(s: &mut Scene) -> Outcome {
    start(s)?;
    let before = s.descriptors()?.unwrap_or(usize::MAX);
    client(s)?.leave();
    client(s)?.reset()?;
    for answer in [&b"taken\n"[..], b"refused\n", b"tak", b""] {
        let (client, mut giver, ours) = offered(s)?;
        if !answer.is_empty() {
            giver.send_with(answer, &[giver_end(&client)])?;
        }
        // The rest has the time that the giver allows.
        client.leave();
        giver.ignore();
        s.keep(giver);
        ours.leave();
    }
    s.expect_descriptors(before)
        .because("open descriptors are limited, getrlimit(2): who loses one with each peer ends up without any")
}

fn giver_end(talk: &Talk) -> std::os::fd::BorrowedFd<'_> {
    talk.as_fd()
}

fn stranger(s: &mut Scene) -> Outcome {
    let (name, who) = (line(s), s.stranger());
    let taker = who.run(|| s.upstream_abstract()).map_err(|e| Failure::new("another user", e.to_string()))??;
    start_before(s, &taker.to_string())?;
    let mut client = client(s)?;
    client.send(&name)?;
    let mut giver = taker.accept()?;
    giver.expect_close(Close::Fin).because(
        "unix(7), SO_PEERCRED: who listens on a name, the kernel knows; on an abstract one it may be anybody",
    )?;
    client.expect(NO_BERTH)?;
    client.expect_close(Close::Fin)
}

fn finishes(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, mut giver, mut ours) = offered(s)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    giver.expect_silence(ms(150)).because("signal(7): SIGTERM asks a process to end, not to drop what it holds")?;
    giver.send(TAKEN)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    exchange(s, &mut client, &mut ours).because(COPY)
}

fn bad_taker(s: &mut Scene) -> Outcome {
    for (taker, named) in [("tcp://127.0.0.1:9", "no Unix socket"), ("", "no path")] {
        s.run_with(&["give", "127.0.0.1:0", "--to", taker])?;
        common::expect_one_error(s, named)?;
    }
    Ok(())
}
