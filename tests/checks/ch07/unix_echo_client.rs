//! `unix_echo_client`: greets an echo server on a socket file, and compares what comes back.

use super::files::{fails, leave_behind, like_everybody, own};
use crate::checks::common::not_before;
use netkata::unix::{Kind, Name};
use netkata_kit::prelude::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use socket2::{Domain, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const STREAM: &str = "unix(7), SOCK_STREAM: octets go through in order; where one write ended, no reader can see";
const HALF: &str = "shutdown(2), SHUT_WR: our direction has ended; what the server owes us still comes";
const CONNECT: &str = "connect(2): the error says what is wrong, and a person needs it in terms of the file";

pub fn program() -> Program {
    Program::finished(7, "unix_echo_client")
        .check("sends_the_greeting", "what it says is --greeting, octet for octet", sends)
        .check("prints_the_reply", "what came back is printed, on a line of its own", prints)
        .check("joins_what_was_cut", "a reply is whole when all of its octets are there", cut)
        .check("keeps_the_time", "a greeting leaves every --every, and no sooner", in_time)
        .with(&["--every", "120ms"])
        .check("greets_on_without_a_reply", "the next greeting does not wait for the last reply", greets_on)
        .with(&["--every", "50ms"])
        .check("parts_what_was_merged", "one read may bring two replies", merged)
        .with(&["--every", "20ms"])
        .check("waits_with_sixty_four_on_their_way", "no more than 64 greetings are on their way", sixty_four)
        .with(&["--every", "1ms"])
        .check("names_the_wrong_octet", "what comes back must be what was sent", wrong)
        .with(&["--every", "20ms", "--timeout", "30s"])
        .check("takes_no_more_than_it_sent", "an echo has no more octets than were sent", too_much)
        .check("counts_what_is_missing", "a server that closes in the middle of a reply is an error", closes_early)
        .check("says_that_the_server_closed", "a server that closes before the client is an error", closes)
        .check("waits_no_longer_than_asked", "no reply within --timeout is an error", silent)
        .with(&["--timeout", "200ms"])
        .check("drips_are_no_reply", "the time is for the whole reply, and single octets do not renew it", drips)
        .with(&["--timeout", "300ms", "--every", "10s"])
        .check("stops_after_count", "after --count greetings it half-closes, takes what is due, and ends", counts)
        .with(&["--every", "20ms", "--count", "3"])
        .check("half_closes_on_ctrl_c", "SIGINT and SIGTERM end it as a count does", signals)
        .check("waits_for_the_close_in_vain", "a server that does not close is left after --timeout", stays_open)
        .with(&["--count", "1", "--timeout", "200ms"])
        .check("logs_each_read", "with --verbose it says how many octets each read brought", reads)
        .with(&["--verbose"])
        .check("reaches_an_abstract_name", "the server may have an abstract name", abstract_name)
        .check("waits_for_a_place", "while the server's queue is full, it waits for its turn", queue)
        .check("names_a_missing_file", "a file that is not there is named", missing)
        .finished_only()
        .check("names_a_stale_file", "a file at which nobody listens is called stale", stale)
        .finished_only()
        .check("names_another_type", "a socket of another type is told from a stream socket", other_type)
        .finished_only()
        .check("names_a_file_it_may_not_use", "who lacks permission is told for what", forbidden)
        .finished_only()
        .check("refuses_an_empty_greeting", "a greeting has 1 to 1,024 octets", greetings)
        .finished_only()
}

/// Starts it with a greeting of chance, and plays the server.
fn serve(s: &mut Scene) -> Outcome<(Talk, String)> {
    let words = s.phrase();
    s.option("--greeting", &words);
    s.start_client_unix()?;
    Ok((s.accept()?, words))
}

/// As [`serve`], when the first greeting has come.
fn greeted(s: &mut Scene) -> Outcome<(Talk, String)> {
    let (mut c, words) = serve(s)?;
    c.expect(words.as_bytes())?;
    Ok((c, words))
}

fn sends(s: &mut Scene) -> Outcome {
    let (mut c, words) = serve(s)?;
    let why = "a stream has no ends of lines, or of anything: what is not to be sent must not be added";
    c.expect(words.as_bytes()).because(why)?;
    c.expect_silence(ms(50)).because(why)?;
    s.keep(c);
    Ok(())
}

fn prints(s: &mut Scene) -> Outcome {
    let (path, words) = (s.listen_unix()?, s.phrase());
    // What it prints too early comes before or after its connect, as chance will have it: not into the dialogue.
    s.run_unseen(&[&path, "--greeting", &words])?;
    let mut c = s.accept()?;
    s.expect_no_output(ms(80)).because("only what has come back is a reply")?;
    c.expect(words.as_bytes())?;
    c.send(words.as_bytes())?;
    s.expect_line(&words).because("setvbuf(3): into a pipe, output waits in a buffer until it is flushed")?;
    s.keep(c);
    Ok(())
}

fn cut(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    let at = s.rng.usize(1..words.len());
    let (head, tail) = words.as_bytes().split_at(at);
    c.send(head)?;
    s.expect_no_output(ms(60)).because(STREAM)?;
    c.send(tail)?;
    s.expect_line(&words).because(STREAM)?;
    s.keep(c);
    Ok(())
}

/// The second greeting comes before the first is answered.
fn merged(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.expect(words.as_bytes())?;
    c.send(words.repeat(2).as_bytes())?;
    s.expect_line(&words).because(STREAM)?;
    s.expect_line(&words).because(STREAM)?;
    s.keep(c);
    Ok(())
}

/// The first at once, the fifth after four times that long at the soonest.
fn in_time(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let (mut c, words) = serve(s)?;
    for _ in 0..5 {
        c.expect(words.as_bytes())?;
        c.send(words.as_bytes())?;
        s.expect_line(&words)?;
    }
    not_before(start, ms(4 * 120))
        .because("a greeting each second is what the server was promised, and not a flood")?;
    s.keep(c);
    Ok(())
}

fn greets_on(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.expect(words.as_bytes()).because(
        "both directions of a stream are there at the same time: who waits for the one need not stop the other",
    )?;
    s.keep(c);
    Ok(())
}

fn sixty_four(s: &mut Scene) -> Outcome {
    let (mut c, words) = serve(s)?;
    let why = "a sender without a limit fills every buffer on the way, and then stops in a write";
    for _ in 0..2 {
        c.expect(words.repeat(64).as_bytes())?;
        c.expect_silence(ms(60)).because(why)?;
        c.send(words.repeat(64).as_bytes())?;
    }
    s.keep(c);
    Ok(())
}

/// An octet of the second reply is another.
fn wrong(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.send(words.as_bytes())?;
    c.expect(words.as_bytes())?;
    let at = s.rng.usize(1..words.len());
    let mut reply = words.clone().into_bytes();
    reply[at] = b'~';
    c.send(&reply)?;
    c.ignore();
    fails(s, &format!("at offset {}, got \"~", words.len() + at))
        .because("RFC 862: any data received is sent back; who does not compare does not know whether it was")
}

fn too_much(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    let more = s.phrase();
    c.send(format!("{words}{more}").as_bytes())?;
    c.ignore();
    fails(s, &format!("expected no more than {} octets, then got \"{}", words.len(), &more[..8]))
        .because("RFC 862: the data received is sent back, and nothing else")
}

fn closes_early(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    let half = s.rng.usize(2..words.len() - 2);
    c.send(&words.as_bytes()[..half])?;
    c.half_close()?;
    let missing = words.len() - half;
    fails(s, &format!("the server closed; {missing} octets did not come back"))
        .because("read(2): zero is the end of the stream; whether all has come, only who counts can tell")
}

fn closes(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.send(words.as_bytes())?;
    s.expect_line(&words)?;
    c.half_close()?;
    fails(s, "the server closed").because("there was more to say, and nobody is there to hear it")
}

fn silent(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let (c, words) = greeted(s)?;
    fails(s, &format!("timed out after 200ms; {} octets did not come back", words.len()))
        .because("read(2) waits for ever; a server that hangs must not hang its clients")?;
    not_before(start, ms(200))?;
    c.leave();
    Ok(())
}

/// Each octet of the reply comes well within the time, all of them together do not.
fn drips(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.drip(words.as_bytes(), ms(40));
    c.leave();
    fails(s, "timed out after 300ms")
        .because("socket(7): SO_RCVTIMEO limits each read anew; a deadline is a point in time")
}

/// The server answers the last two when it has read to the end.
fn counts(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    c.send(words.as_bytes())?;
    c.expect(words.repeat(2).as_bytes())?;
    c.expect_close(Close::Fin).because(HALF)?;
    c.send(words.repeat(2).as_bytes()).because(HALF)?;
    for _ in 0..3 {
        s.expect_line(&words).because(HALF)?;
    }
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2)).because(HALF)?;
    s.expect_error(&format!("{} octets came back", 3 * words.len()))
}

fn signals(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let path = s.listen_unix()?;
        s.run_with(&[&path, "--greeting", &words])?;
        let mut c = s.accept()?;
        c.expect(words.as_bytes())?;
        s.signal(signal)?;
        c.expect_close(Close::Fin).because(HALF)?;
        c.send(words.as_bytes()).because(HALF)?;
        s.expect_line(&words).because(HALF)?;
        c.half_close()?;
        s.expect_exit(0, Duration::from_secs(2)).because("signal(7): SIGINT and SIGTERM ask a process to end")?;
    }
    Ok(())
}

fn stays_open(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let (mut c, words) = greeted(s)?;
    c.expect_close(Close::Fin)?;
    c.send(words.as_bytes())?;
    fails(s, "timed out after 200ms; the server has not closed")
        .because("after our end the server may go on for as long as it likes; only our limit ends it")?;
    not_before(start, ms(200))
}

fn reads(s: &mut Scene) -> Outcome {
    let (mut c, words) = greeted(s)?;
    let at = s.rng.usize(2..words.len() - 2);
    for part in [&words.as_bytes()[..at], &words.as_bytes()[at..]] {
        c.send(part)?;
        s.expect_error(&format!("a read of {} octets", part.len())).because(STREAM)?;
    }
    s.keep(c);
    Ok(())
}

fn abstract_name(s: &mut Scene) -> Outcome {
    let (server, words) = (s.upstream_abstract()?, s.phrase());
    s.run_with(&[&server.to_string(), "--greeting", &words])?;
    let why = "unix(7), Abstract: the name has a NUL in front, and no place in the file system";
    let mut c = server.accept().because(why)?;
    c.expect(words.as_bytes()).because(why)?;
    s.keep(c);
    Ok(())
}

/// Nobody has accepted the clients that fill the queue.
fn queue(s: &mut Scene) -> Outcome {
    let broken = |e: std::io::Error| Failure::new("a full queue", e.to_string());
    let (path, words) = (s.socket_path()?, s.phrase());
    let address = Name::Path(path.clone().into()).address().map_err(broken)?;
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(broken)?;
    listener.bind(&address).and_then(|()| listener.listen(0)).map_err(broken)?;
    let mut inside = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(broken)?;
        client.set_nonblocking(true).map_err(broken)?;
        match client.connect(&address) {
            Ok(()) => inside.push(client),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(broken(e)),
        }
    }
    s.journal.note("the server's queue is full");
    s.run_with(&[&path, "--greeting", &words, "--count", "1"])?;
    let why = "connect(2), EAGAIN: the queue of a Unix socket is full for now; a busy server is no dead one";
    s.expect_no_output(ms(80)).because(why)?;
    if s.subject()?.poll()?.is_some() {
        s.expect_exit(0, ms(100)).because(why)?;
    }
    for _ in &inside {
        listener.accept().map_err(broken)?;
    }
    wait_for_client(s, &listener, why)?;
    let (mut ours, _) = listener.accept().map_err(broken)?;
    let mut came = vec![0; words.len()];
    let answer = ours.set_read_timeout(Some(PATIENCE)).and_then(|()| ours.read_exact(&mut came));
    answer.and_then(|()| ours.write_all(&came)).and_then(|()| ours.shutdown(Shutdown::Both)).map_err(broken)?;
    s.expect_exit(0, Duration::from_secs(2)).because(why)
}

/// Until the subject has connected; if it ends instead, accept(2) would wait for ever.
fn wait_for_client(s: &mut Scene, listener: &Socket, why: &str) -> Outcome {
    let until = Instant::now() + PATIENCE * 5;
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(20u8)).is_ok_and(|ready| ready > 0) {
            return Ok(());
        }
        if s.subject()?.poll()?.is_some() {
            s.expect_exit(0, ms(100)).because(why)?;
        }
        if Instant::now() >= until {
            return Err(Failure::new("the program to connect when there is room", "nobody")).because(why);
        }
    }
}

fn missing(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.run_with(&[&path])?;
    fails(s, &format!("connect unix://{path}: no such file or directory")).because(CONNECT)
}

fn stale(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    leave_behind(Kind::Stream, &path)?;
    s.run_with(&[&path])?;
    fails(s, "connection refused: the file is stale, nobody listens there").because(CONNECT)
}

fn other_type(s: &mut Scene) -> Outcome {
    for kind in [Kind::Datagram, Kind::Seqpacket] {
        let path = s.socket_path()?;
        let _live = own(kind, &path)?;
        s.run_with(&[&path])?;
        fails(s, "the file is no stream socket, but one of another type").because(
            "connect(2), EPROTOTYPE: the socket type does not support the requested communications protocol",
        )?;
    }
    Ok(())
}

/// The file may not be written to; then its folder may not even be entered.
fn forbidden(s: &mut Scene) -> Outcome {
    like_everybody(s)?;
    let folder = s.folder()?.join("ebb");
    let path = folder.join("harbour.sock");
    let allow = |path: &Path, mode| {
        let allowed = fs::set_permissions(path, Permissions::from_mode(mode));
        allowed.map_err(|e| Failure::new("permissions of the grader's choice", e.to_string()))
    };
    fs::create_dir(&folder).map_err(|e| Failure::new("a folder", e.to_string()))?;
    let _live = own(Kind::Stream, &path.to_string_lossy())?;
    for (place, mode, why) in [
        (&path, 0o444, "permission denied: the file may not be written to"),
        (&folder, 0o600, "permission denied: a folder on the way may not be entered"),
    ] {
        allow(place, mode)?;
        s.run_with(&[&path.to_string_lossy()])?;
        let failed = fails(s, why)
            .because("connect(2), EACCES: write permission is denied on the file, or search permission on a folder");
        allow(place, 0o700)?;
        failed?;
    }
    Ok(())
}

fn greetings(s: &mut Scene) -> Outcome {
    let why = "an echo of nothing cannot be told from no echo";
    for (greeting, length) in [(String::new(), "0 octets"), ("~".repeat(1025), "1,025 octets")] {
        s.run_with(&["harbour.sock", "--greeting", &greeting])?;
        s.expect_exit(2, Duration::from_secs(2)).because(why)?;
        s.expect_error(&format!("{length}: a greeting has 1 to 1,024 octets")).because(why)?;
    }
    Ok(())
}
