//! `tcp_states`: the kernel's table of sockets, and what changes in it.
//!
//! Other sockets may have had the same port a minute ago, and stand in the table still, in TIME_WAIT. So the rows that
//! count are those with both of our ends, and the output is not shown in the dialogue.

use super::dialling::expect_bad_usage;
use netkata::proc_net::State;
use netkata::sys::tcp_info::tcp_info;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// The kernel's table may be long: a hundred thousand lines after a busy hour.
const SOON: Duration = Duration::from_secs(10);
const TABLE: &str =
    "proc_pid_net(5): /proc/net/tcp has a line for each socket; both ends of a loopback connection are there";

pub fn program() -> Program {
    Program::finished(3, "tcp_states")
        .check("shows_that_port_only", "--port shows no other sockets", shows_only)
        .finished_only()
        .check("shows_a_listener", "a socket that listens is in the table, with no other end", shows_listener)
        .finished_only()
        .check("shows_both_ends", "--port shows the sockets with this port at either end", shows_both)
        .finished_only()
        .check("shows_a_half_close", "after a half-close one end is in FIN_WAIT_2, the other in CLOSE_WAIT", half_close)
        .finished_only()
        .check("shows_what_waits_to_be_read", "recv-q counts the octets that came and were not read", queues)
        .finished_only()
        .check("watches_a_connection_live", "--watch tells each change of state, from the old to the new", watches)
        .finished_only()
        .check("counts_changes", "with --count it ends after so many changes", counts)
        .finished_only()
        .check("ends_on_a_signal", "Ctrl-C and SIGTERM end the watch, with status 0", signals)
        .finished_only()
        .check("names_a_count_without_a_watch", "--count without --watch is bad usage", bad_usage)
        .finished_only()
}

/// A connection on loopback, with its listener.
struct Line {
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Line {
    fn new(s: &Scene) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(lost)?;
        Self::on(s, listener)
    }

    fn on(s: &Scene, listener: TcpListener) -> Outcome<Self> {
        let client = TcpStream::connect(listener.local_addr().map_err(lost)?).map_err(lost)?;
        let (server, _) = listener.accept().map_err(lost)?;
        s.journal.note("a client and a server connect");
        Ok(Self { listener, client, server })
    }

    /// The client's end, and the server's.
    fn ends(&self) -> Outcome<(SocketAddr, SocketAddr)> {
        Ok((self.client.local_addr().map_err(lost)?, self.server.local_addr().map_err(lost)?))
    }

    /// The client closes its direction, and the server has heard of it.
    fn half_close(&mut self, s: &Scene) -> Outcome {
        self.client.shutdown(Shutdown::Write).map_err(lost)?;
        s.journal.note("the client sends FIN");
        std::io::Read::read(&mut self.server, &mut [0]).map_err(lost)?;
        // Until the acknowledgement is back the client is in FIN_WAIT_1, and acknowledgements may be delayed.
        let until = Instant::now() + SOON;
        while tcp_info(&self.client).map_err(lost)?.state != State::FinWait2 && Instant::now() < until {
            std::thread::yield_now();
        }
        Ok(())
    }
}

fn shows_listener(s: &mut Scene) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(lost)?;
    let address = listener.local_addr().map_err(lost)?;
    let rows = table(s, address.port())?;
    let shown = rows.iter().any(|row| row[0] == "LISTEN" && row[3] == address.to_string() && row[4].ends_with(":0"));
    if shown {
        return Ok(());
    }
    Err(Failure::new(format!("LISTEN at {address}"), "no such line"))
        .because("RFC 9293 §3.3.2: LISTEN waits for a connection request from any remote peer")
}

fn shows_both(s: &mut Scene) -> Outcome {
    let line = Line::new(s)?;
    // The client's port is a remote one to the server, and a local one to the client.
    let rows = table(s, line.ends()?.0.port())?;
    expect_states(&rows, &line, "ESTABLISHED", "ESTABLISHED").because(TABLE)
}

fn shows_only(s: &mut Scene) -> Outcome {
    let (line, _other) = (Line::new(s)?, Line::new(s)?);
    let port = line.ends()?.1.port();
    let ending = format!(":{port}");
    match table(s, port)?.iter().find(|row| !row[3].ends_with(&ending) && !row[4].ends_with(&ending)) {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("sockets with port {port}"), "sockets without it"))
            .because("a server has thousands of sockets: who looks for one needs the others out of the way"),
    }
}

fn half_close(s: &mut Scene) -> Outcome {
    let mut line = Line::new(s)?;
    line.half_close(s)?;
    let rows = table(s, line.ends()?.1.port())?;
    expect_states(&rows, &line, "FIN_WAIT_2", "CLOSE_WAIT")
        .because("RFC 9293 §3.6: who closed first waits in FIN-WAIT-2 until the other, in CLOSE-WAIT, closes as well")
}

fn queues(s: &mut Scene) -> Outcome {
    let why = "proc_pid_net(5), rx_queue: octets that the kernel holds for the program; tx_queue: for the peer";
    let mut line = Line::new(s)?;
    let octets = s.rng.usize(1000..9999);
    let words = s.octets(octets);
    std::io::Write::write_all(&mut line.client, &words).map_err(lost)?;
    s.journal.note("the client sends, and the server does not read");
    // They have arrived when they can be looked at.
    let mut seen = vec![0; octets];
    while line.server.peek(&mut seen).map_err(lost)? < octets {
        std::thread::yield_now();
    }
    let (client, server) = line.ends()?;
    let rows = table(s, server.port())?;
    let row = row(&rows, server, client)?;
    if row[1] == octets.to_string() {
        return Ok(());
    }
    Err(Failure::new(format!("recv-q {octets} at the server's end"), format!("recv-q {}", row[1]))).because(why)
}

fn watches(s: &mut Scene) -> Outcome {
    let why = "RFC 9293 §3.3.2, figure 5: CLOSED, ESTABLISHED, CLOSE-WAIT and LAST-ACK, CLOSED for who closes last";
    let listener = TcpListener::bind("127.0.0.1:0").map_err(lost)?;
    let port = listener.local_addr().map_err(lost)?.port();
    s.run_unseen(&["--watch", "--port", &port.to_string(), "--interval", "10ms"])?;
    s.expect_error("watching ")?;
    s.error_line()?;
    let mut line = Line::on(s, listener)?;
    let (client, server) = line.ends()?;
    expect_changes(
        s,
        // A look in the middle of the handshake shows it in two changes.
        &[format!("{client} {server} * -> ESTABLISHED"), format!("{server} {client} * -> ESTABLISHED")],
    )
    .because(why)?;
    line.half_close(s)?;
    expect_changes(s, &[format!("{server} {client} ESTABLISHED -> CLOSE_WAIT"), " -> FIN_WAIT_2".into()])
        .because(why)?;
    drop(line.server);
    s.journal.note("the server sends FIN");
    std::io::Read::read(&mut line.client, &mut [0]).map_err(lost)?;
    // TIME_WAIT, or nothing any more: a kernel that has too many such sockets leaves it out (tcp_max_tw_buckets, tcp(7)).
    expect_changes(s, &[format!("{client} {server} FIN_WAIT_2 -> ")])
        .because("RFC 9293 §3.6: both directions are closed; who closed first waits out the last octets in TIME-WAIT")
}

fn counts(s: &mut Scene) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(lost)?;
    let port = listener.local_addr().map_err(lost)?.port();
    s.run_unseen(&["--watch", "--port", &port.to_string(), "--interval", "10ms", "--count", "2"])?;
    s.expect_error("watching ")?;
    s.error_line()?;
    let line = Line::on(s, listener)?;
    let why = "a connection on loopback is two changes, one for each end: two were asked for";
    s.expect_exit(0, SOON).because(why)?;
    let told = s.subject()?.stdout.all().lines().count();
    drop(line);
    if told == 2 { Ok(()) } else { Err(Failure::new("2 changes", told.to_string())).because(why) }
}

fn signals(s: &mut Scene) -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // A port that nobody has: nothing to tell.
        s.run_unseen(&["--watch", "--port", "1", "--interval", "1m"])?;
        s.expect_error("watching ")?;
        s.error_line()?;
        s.signal(signal)?;
        s.expect_exit(0, SOON)
            .because("signal(7): both ask a process to end; nothing went wrong, so the status is 0")?;
    }
    Ok(())
}

fn bad_usage(s: &mut Scene) -> Outcome {
    s.run_unseen(&["--count", "3"])?;
    expect_bad_usage(s, "--watch")
        .because("an option that has no effect is a misunderstanding: better said than ignored")
}

/// The rows of `--port`, in words, without the header.
fn table(s: &mut Scene, port: u16) -> Outcome<Vec<Vec<String>>> {
    s.run_unseen(&["--port", &port.to_string()])?;
    s.expect_exit(0, SOON)?;
    let said = s.subject()?.stdout.all();
    let rows = said.lines().skip(1).map(|l| l.split_whitespace().map(str::to_string).collect::<Vec<_>>());
    Ok(rows.filter(|row| row.len() == 7).collect())
}

fn row(rows: &[Vec<String>], local: SocketAddr, remote: SocketAddr) -> Outcome<&Vec<String>> {
    rows.iter()
        .find(|row| row[3] == local.to_string() && row[4] == remote.to_string())
        .ok_or_else(|| Failure::new(format!("a line {local} {remote}"), "no such line"))
}

fn expect_states(rows: &[Vec<String>], line: &Line, client_state: &str, server_state: &str) -> Outcome {
    let (client, server) = line.ends()?;
    let _open = &line.listener;
    let got = (&row(rows, client, server)?[0], &row(rows, server, client)?[0]);
    if got == (&client_state.to_string(), &server_state.to_string()) {
        return Ok(());
    }
    let wanted = format!("{client_state} at the client's end, {server_state} at the server's");
    Err(Failure::new(wanted, format!("{} and {}", got.0, got.1)))
}

/// Lines of the watch, up to those with these parts, in any order; `*` is anything. A watch that repeats itself does not end, so not many.
fn expect_changes(s: &mut Scene, parts: &[String]) -> Outcome {
    let mut missing = parts.to_vec();
    for _ in 0..100 {
        let Ok(line) = s.output_line() else { break };
        let told = |part: &str| match part.split_once('*') {
            Some((start, end)) => line.starts_with(start) && line.ends_with(end),
            None => line.contains(part),
        };
        missing.retain(|part| !told(part));
        if missing.is_empty() {
            return Ok(());
        }
    }
    Err(Failure::new(format!("a line {:?}", missing[0]), "no such line"))
}

fn lost(e: std::io::Error) -> Failure {
    Failure::new("a connection of our own", e.to_string())
}
