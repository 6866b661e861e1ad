//! The taker: the grader is the client and the giver.

use super::{LINE, ONE_SOCKET, TAKEN};
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use socket2::SockRef;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

const ANYTHING: &str = "unix(7), SCM_RIGHTS: the kernel hands any descriptor over; whether it is what it should be, the receiver finds out";
const STREAM: &str = "unix(7): a stream keeps no boundaries, with descriptors or without; where a write ended is lost";
const SHARED: &str =
    "fcntl(2): O_NONBLOCK belongs to the open socket, not to the descriptor; who takes it over takes its mode over";
const LIMITED: &str =
    "getrlimit(2): open descriptors are limited; who keeps one for each mistake of a peer ends up without any";
/// The most descriptors that a message has (unix(7), SCM_MAX_FD).
const MOST: usize = 253;

pub fn checks(program: Program) -> Program {
    program
        .check("takes_a_connection_over", "the taker says so, and greets the client by name", takes)
        .check("finishes_the_conversation", "each line is answered, until bye", finishes)
        .check("puts_a_handed_line_together", "the line of a hand-over may come in pieces", pieces)
        .check("needs_no_giver", "a client whose giver has gone is served all the same", no_giver)
        .check("takes_connections_only", "what is no stream socket is refused", no_stream)
        .check("takes_connected_ones_only", "a socket without a TCP peer is refused", no_peer)
        .check("wants_exactly_one", "no descriptor, or more than one, is refused", exactly_one)
        .check("wants_a_name", "a line that is no text is refused", no_name)
        .check("reads_no_more_than_a_line", "a line without an end is refused after 256 octets", too_long)
        .check("gives_a_dripping_giver_up", "a hand-over has --give-time", dripping)
        .with(&["--give-time", "500ms"])
        .check("makes_the_socket_wait_again", "a socket that was left non-blocking is set right", non_blocking)
        .check("sets_its_own_time_limits", "a timeout that the giver had set has no effect", foreign_timeout)
        .check("closes_an_idle_client", "a client has --idle for its next line", idle)
        .with(&["--idle", "200ms"])
        .check("ends_in_its_own_way", "a close is a FIN, whatever the giver had set", lingers)
        .with(&["--idle", "200ms"])
        .check("limits_the_clients_lines", "a line of a client has 256 octets at most", long_words)
        .check("serves_side_by_side", "a silent giver and a silent client keep nobody waiting", side_by_side)
        .check("closes_what_it_does_not_take", "of what was refused, nothing stays open", no_leak)
        .check("notices_that_some_are_missing", "when not all descriptors fit, what came is closed", cut)
        .finished_only()
        .check("gives_its_file_the_mode", "the socket file has the mode that was asked for", mode)
        .with(&["--mode", "0600"])
        .finished_only()
        .check("takes_nothing_from_a_stranger", "a giver of another user is refused", stranger)
        .with(&["--mode", "0666"])
        .as_root()
        .finished_only()
        .check("lets_conversations_end", "after SIGTERM, a conversation may go on to its end", grace)
}

fn start(s: &mut Scene) -> Outcome {
    let path = s.socket_path()?;
    s.start_with_arguments(&["take".into(), path])
}

/// A client, the connection that the taker is to have, and its name.
fn offer(s: &mut Scene) -> Outcome<(Talk, TcpStream, String)> {
    let (client, server) = s.connection()?;
    Ok((client, server, s.phrase()))
}

/// A client that the taker has taken over and greeted.
fn taken(s: &mut Scene) -> Outcome<(Talk, String)> {
    let offered = offer(s)?;
    taken_as_is(s, offered)
}

fn taken_as_is(s: &mut Scene, (mut client, server, name): (Talk, TcpStream, String)) -> Outcome<(Talk, String)> {
    let mut giver = s.connect()?;
    giver.send_with(format!("{name}\n").as_bytes(), &[server.as_fd()])?;
    drop(server);
    giver.expect(TAKEN).because("the giver keeps the connection until it knows that somebody has it")?;
    giver.expect_close(Close::Fin)?;
    client.expect(format!("welcome, {name}\n").as_bytes()).because(ONE_SOCKET)?;
    Ok((client, name))
}

/// A line and its answer.
fn exchange(s: &mut Scene, client: &mut Talk, name: &str) -> Outcome {
    let words = s.phrase();
    client.send(format!("{words}\n").as_bytes())?;
    client.expect(format!("{name}: {words}\n").as_bytes())
}

/// Hands this over; it is refused, and the giver is told.
fn refuses(s: &mut Scene, octets: &[u8], handed: &[BorrowedFd<'_>]) -> Outcome {
    let mut giver = s.connect()?;
    giver.send_with(octets, handed)?;
    refused(&mut giver)
}

fn refused(giver: &mut Talk) -> Outcome {
    giver.expect(b"refused: ")?;
    // The reason is in the program's own words, and the close may find octets unread.
    giver.read_until_closed().map(drop)
}

fn unable(e: io::Error) -> Failure {
    Failure::new("a descriptor to hand over", e.to_string())
}

fn takes(s: &mut Scene) -> Outcome {
    start(s)?;
    taken(s).map(drop)
}

fn finishes(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, name) = taken(s)?;
    let words = s.phrase();
    exchange(s, &mut client, &name)?;
    client.send_split(format!("{words}\r\nbye\r\n").as_bytes(), &[3])?;
    client.expect(format!("{name}: {words}\n").as_bytes())?;
    client.expect(format!("fair winds, {name}\n").as_bytes())?;
    client.expect_close(Close::Fin)
}

/// The descriptor comes with the first octets; the rest follows.
fn pieces(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, server, name) = offer(s)?;
    let mut giver = s.connect()?;
    giver.send_with(&name.as_bytes()[..3], &[server.as_fd()])?;
    drop(server);
    giver.expect_silence(ms(30)).because(STREAM)?;
    giver.send(&name.as_bytes()[3..])?;
    giver.expect_silence(ms(30)).because(STREAM)?;
    giver.send(b"\n")?;
    giver.expect(TAKEN).because(STREAM)?;
    client.expect(format!("welcome, {name}\n").as_bytes())
}

/// The giver is gone before the taker looks.
fn no_giver(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, server, name) = offer(s)?;
    s.hold()?;
    let mut giver = s.connect()?;
    giver.send_with(format!("{name}\n").as_bytes(), &[server.as_fd()])?;
    giver.leave();
    drop(server);
    s.release()?;
    client.expect(format!("welcome, {name}\n").as_bytes()).because(
        "unix(7): what waits in the queue outlives its sender, and the client knows nothing of givers and takers",
    )?;
    exchange(s, &mut client, &name)
}

fn no_stream(s: &mut Scene) -> Outcome {
    start(s)?;
    let (_reader, writer) = io::pipe().map_err(unable)?;
    let udp = UdpSocket::bind("127.0.0.1:0").map_err(unable)?;
    udp.connect(udp.local_addr().map_err(unable)?).map_err(unable)?;
    let file = std::fs::File::open("/dev/null").map_err(unable)?;
    for what in [writer.as_fd(), file.as_fd(), udp.as_fd()] {
        refuses(s, b"Alma\n", &[what]).because(ANYTHING)?;
    }
    Ok(())
}

/// A listener, a pair of Unix sockets, and the giver's own end of the hand-over.
fn no_peer(s: &mut Scene) -> Outcome {
    start(s)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(unable)?;
    let (unix, _other) = UnixStream::pair().map_err(unable)?;
    for what in [listener.as_fd(), unix.as_fd()] {
        refuses(s, b"Alma\n", &[what]).because(ANYTHING)?;
    }
    let mut giver = s.connect()?;
    let own_end = giver.as_fd().try_clone_to_owned().map_err(unable)?;
    giver.send_with(b"Alma\n", &[own_end.as_fd()])?;
    refused(&mut giver).because(ANYTHING)
}

fn exactly_one(s: &mut Scene) -> Outcome {
    start(s)?;
    for count in [0, 2, MOST] {
        let (mut client, server, name) = offer(s)?;
        refuses(s, format!("{name}\n").as_bytes(), &vec![server.as_fd(); count])
            .because("cmsg(3): a message brings as many descriptors as its sender likes, or none")?;
        drop(server);
        client.expect_close(Close::Fin).because(LIMITED)?;
    }
    Ok(())
}

fn no_name(s: &mut Scene) -> Outcome {
    start(s)?;
    for line in [&b"\n"[..], b"  \r\n", b"Alma\x1b[2J\n", b"Alma\xff\n", b"Alma\0\n"] {
        let (mut client, server, _) = offer(s)?;
        refuses(s, line, &[server.as_fd()])
            .because("the name goes to terminals and logs: what is no text there may be a command")?;
        drop(server);
        client.expect_close(Close::Fin)?;
    }
    Ok(())
}

fn too_long(s: &mut Scene) -> Outcome {
    start(s)?;
    let mut offered = offer(s)?;
    offered.2 = "a".repeat(LINE - 1);
    taken_as_is(s, offered)?;
    let (_client, server, _) = offer(s)?;
    refuses(s, &[b'a'; LINE], &[server.as_fd()])
        .because("a line has a limit, or a giver without a line end decides how much memory it gets")
}

fn dripping(s: &mut Scene) -> Outcome {
    const OCTETS: usize = 40;
    start(s)?;
    let (mut client, server, _) = offer(s)?;
    let mut giver = s.connect()?;
    giver.send_with(b"Al", &[server.as_fd()])?;
    drop(server);
    if giver.drip(&[b'a'; OCTETS], ms(40)) == OCTETS {
        return Err(Failure::new("the taker to give up after 500ms", "it went on reading, an octet at a time"))
            .because(
                "socket(7): a receive timeout holds for each call; who sends an octet now and then never meets it",
            );
    }
    giver.ignore();
    client.expect_close(Close::Fin)
}

/// As a Python program does that has set a timeout.
fn non_blocking(s: &mut Scene) -> Outcome {
    start(s)?;
    let offered = offer(s)?;
    offered.1.set_nonblocking(true).map_err(unable)?;
    let (mut client, name) = taken_as_is(s, offered)?;
    s.expect_rest(ms(400)).because(SHARED)?;
    exchange(s, &mut client, &name).because(SHARED)
}

fn foreign_timeout(s: &mut Scene) -> Outcome {
    const WHY: &str = "socket(7): SO_RCVTIMEO is an option of the socket, and travels with it";
    start(s)?;
    let offered = offer(s)?;
    offered.1.set_read_timeout(Some(ms(20))).map_err(unable)?;
    let (mut client, name) = taken_as_is(s, offered)?;
    client.expect_silence(ms(150)).because(WHY)?;
    exchange(s, &mut client, &name).because(WHY)
}

fn idle(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, _) = taken(s)?;
    client.expect_close(Close::Fin).because("a client that has gone without a word would keep its thread for ever")
}

fn lingers(s: &mut Scene) -> Outcome {
    start(s)?;
    let offered = offer(s)?;
    SockRef::from(&offered.1).set_linger(Some(Duration::ZERO)).map_err(unable)?;
    let (mut client, _) = taken_as_is(s, offered)?;
    client
        .expect_close(Close::Fin)
        .because("socket(7): with an SO_LINGER of zero, which travels with the socket, a close is a reset")
}

fn long_words(s: &mut Scene) -> Outcome {
    start(s)?;
    let (mut client, name) = taken(s)?;
    let words = "a".repeat(LINE - 1);
    client.send(format!("{words}\n").as_bytes())?;
    client.expect(format!("{name}: {words}\n").as_bytes())?;
    client.send(format!("{words}a\n").as_bytes())?;
    client
        .expect(b"a line has 256 octets at most\n")
        .because("a line has a limit, or a client without a line end decides how much memory it gets")?;
    client.expect_close(Close::Fin)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    const WHY: &str = "a conversation may last as long as its client likes; it must not keep the taker from the next";
    start(s)?;
    let _silent_giver = s.connect()?;
    s.wait_until_still(ms(500))?;
    let (mut first, name) = taken(s).because(WHY)?;
    let (mut second, other) = taken(s).because(WHY)?;
    exchange(s, &mut second, &other).because(WHY)?;
    exchange(s, &mut first, &name).because(WHY)
}

/// Half messages of givers that leave, and whole ones; with the giver's own end and a pipe, behind as many connections.
fn no_leak(s: &mut Scene) -> Outcome {
    start(s)?;
    let before = s.descriptors()?.unwrap_or(usize::MAX);
    for octets in [&b"Al"[..], b"Alma\0\n", b"Alma\n"] {
        for count in [0, 1, 2, 20] {
            let (_reader, pipe) = io::pipe().map_err(unable)?;
            let (client, server, _) = offer(s)?;
            let mut giver = s.connect()?;
            let own_end = giver.as_fd().try_clone_to_owned().map_err(unable)?;
            let mut handed = vec![server.as_fd(); count];
            handed.extend([own_end.as_fd(), pipe.as_fd()]);
            giver.send_with(octets, &handed)?;
            // It may have been refused, and closed, already.
            let _ = giver.half_close();
            refused(&mut giver)?;
            client.leave();
        }
    }
    s.expect_descriptors(before).because(LIMITED)
}

/// Two descriptors, and room for one beside the connection that they come over.
fn cut(s: &mut Scene) -> Outcome {
    start(s)?;
    if !s.leave_room_for(2)? {
        return Err(Failure::skipped("needs /proc, to count descriptors"));
    }
    start(s)?;
    let (mut client, server, name) = offer(s)?;
    refuses(s, format!("{name}\n").as_bytes(), &[server.as_fd(), server.as_fd()]).because(
        "recvmsg(2): MSG_CTRUNC says that some were thrown away; those that fitted are open, and are nobody's",
    )?;
    drop(server);
    client.expect_close(Close::Fin)?;
    taken(s).map(drop)
}

fn stranger(s: &mut Scene) -> Outcome {
    let who = s.stranger();
    start(s)?;
    let (_client, server, name) = offer(s)?;
    // The taker need not read to know that it does not want it.
    s.hold()?;
    let mut giver = s.connect_as(&who)?;
    giver.send_with(format!("{name}\n").as_bytes(), &[server.as_fd()])?;
    s.release()?;
    refused(&mut giver)
        .because("unix(7), SO_PEERCRED: who connects, the kernel knows; a giver may keep a copy, read along, and write")
}

fn mode(s: &mut Scene) -> Outcome {
    start(s)?;
    let path = s.place()?;
    let mode = std::fs::metadata(path).map_err(unable)?.permissions().mode() & 0o777;
    let why = "unix(7): to connect, a process needs write permission on the socket file";
    if mode == 0o600 { Ok(()) } else { Err(Failure::new("mode 600", "another")).because(why) }
}

fn grace(s: &mut Scene) -> Outcome {
    const WHY: &str = "signal(7): SIGTERM asks a process to end, not to break its word";
    start(s)?;
    let (mut client, name) = taken(s)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_refusal()?;
    client.expect_silence(ms(150)).because(WHY)?;
    exchange(s, &mut client, &name).because(WHY)?;
    client.send(b"bye\n")?;
    client.expect(format!("fair winds, {name}\n").as_bytes())?;
    client.expect_close(Close::Fin)?;
    client.leave();
    s.expect_exit(0, Duration::from_secs(3))
}
