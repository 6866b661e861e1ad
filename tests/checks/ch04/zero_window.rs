//! `zero_window`: a reader that stops, graded by a writer; and a writer that meets one, graded by a reader.
//!
//! How much the kernels between two programs hold differs from run to run, so what the writer prints is not shown in the
//! dialogue.

use crate::checks::common;
use netkata::proc_net::{Entry, Timer};
use netkata::sock_diag;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(3);
/// As long as [`FLOOD`] may take: what found no room is sent again by a timer, later each time.
const IN_THE_END: Duration = Duration::from_secs(8);
/// More than the buffers of both ends hold.
const FLOOD: usize = 24 << 20;
const CLOSED: &str = "RFC 9293 §3.8.6: the window says how much the reader's buffer has room for; full, it is zero";

pub fn program() -> Program {
    Program::finished(4, "zero_window")
        // The reader.
        .check("reads_so_much_and_no_more", "it reads --read octets, and leaves the next in the buffer", stops)
        .with(&["--read", "1000"])
        .check("tells_how_much_it_has_read", "a line says when it stops, and one how much there was in all", tells)
        .with(&["--read", "1000", "--resume-after", "50ms"])
        .check("closes_the_window", "a writer that goes on meets a closed window, and probes it", closes_window)
        .with(&["--read", "1000"])
        .check("reads_on_at_enter", "at Enter it reads everything that waits, and closes after the FIN", enter)
        .with(&["--read", "1000"])
        .check("the_end_of_the_input_is_no_enter", "a closed standard input changes nothing", no_input)
        .with(&["--read", "1000"])
        .check("reads_on_after_a_while", "with --resume-after it reads on by itself, then and not before", after)
        .with(&["--read", "1000", "--resume-after", "300ms"])
        .check("reads_at_a_rate", "with --rate it reads so many octets a second", rate)
        .with(&["--rate", "20000"])
        .check("stops_for_each_client", "a client that waits does not hold up the next", side_by_side)
        .with(&["--read", "1000"])
        .check("reads_on_when_it_is_to_stop", "after SIGTERM it reads what waits, and ends", sigterm)
        .with(&["--read", "1000", "--grace", "1m"])
        // The writer.
        .check("writes_to_a_reader_that_reads", "all octets arrive, then a FIN; and no stall is told of", writes)
        .finished_only()
        .check("tells_of_a_stall", "when the reader stops, it shows the window of zero, and the probe", stall)
        .finished_only()
        .check("goes_on_after_a_stall", "when the reader reads on, all octets arrive, each once", goes_on)
        .finished_only()
        .check("waits_for_the_readers_fin", "it is done when the reader says so, and not before", waits)
        .finished_only()
        .check("gives_up_when_nothing_moves", "after --patience without progress it fails, not sooner", gives_up)
        .finished_only()
        .check("names_a_reset", "a reader that resets is named in one line", reset)
        .finished_only()
        .check("names_who_refuses", "with --send, a refusal names the peer in one line", refused)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends an idle reader", common::ends_on_sigterm)
        .check("ends_on_sigint", "Ctrl-C ends an idle reader", common::ends_on_sigint)
        .check("names_a_bad_address", "a bad address is named in one line", common::names_a_bad_address)
        .finished_only()
        .check("names_a_port_in_use", "a port in use is named in one line", common::names_a_port_in_use)
        .finished_only()
}

/// The socket at the program's end of a conversation, as the kernel shows it.
fn theirs(c: &Talk) -> Outcome<Entry> {
    c.addresses().map_or_else(|| Err(Failure::new("a connection", "none")), |(ours, theirs)| entry(theirs, ours))
}

fn entry(local: std::net::SocketAddr, remote: std::net::SocketAddr) -> Outcome<Entry> {
    let found = sock_diag::connection(local, remote).map_err(|e| Failure::new("the kernel's view", e.to_string()))?;
    found.ok_or_else(|| Failure::new(format!("a socket at {local} that is connected to {remote}"), "none"))
}

/// Waits until this many octets wait at the program's end, and sees that they stay.
fn expect_unread(c: &mut Talk, wanted: usize) -> Outcome {
    let until = Instant::now() + SOON;
    while theirs(c)?.receive_queue as usize != wanted && Instant::now() < until {
        std::thread::yield_now();
    }
    c.expect_silence(ms(60))?;
    match theirs(c)?.receive_queue as usize {
        left if left == wanted => Ok(()),
        left => Err(Failure::new(format!("{wanted} octets unread, by ss(8)"), format!("{left} unread"))),
    }
}

fn stops(s: &mut Scene) -> Outcome {
    let words = s.octets(1000 + 777);
    let mut c = s.connect()?;
    c.send(&words[..400])?;
    expect_unread(&mut c, 0).because("--read 1000: until then, it reads what comes")?;
    c.send(&words[400..])?;
    expect_unread(&mut c, 777).because("--read 1000: what comes after that stays in the kernel's buffer")?;
    s.keep(c);
    Ok(())
}

fn tells(s: &mut Scene) -> Outcome {
    let words = s.octets(2345);
    s.start()?;
    let mut c = s.connect()?;
    let me = c.addresses().map(|(ours, _)| ours.to_string()).unwrap_or_default();
    c.send(&words)?;
    c.half_close()?;
    c.expect_close(Close::Fin)?;
    for line in ["stops after 1,000 octets", "reads on", "the end, after 2,345 octets"] {
        s.expect_line(&format!("{me}: {line}"))
            .because("with ss(8) one sees sockets; who holds them still says the program")?;
    }
    Ok(())
}

fn closes_window(s: &mut Scene) -> Outcome {
    let flood = vec![b'~'; FLOOD];
    let mut c = s.connect()?;
    let taken = c.send_until_full(&flood, ms(500));
    c.ignore();
    if taken == FLOOD {
        return Err(Failure::new("a writer that is made to wait", "24 MiB were taken at once")).because(CLOSED);
    }
    let (ours, theirs) = c.addresses().ok_or_else(|| Failure::new("a connection", "none"))?;
    let asking = entry(ours, theirs)?.timer.is_some_and(|(timer, _)| matches!(timer, Timer::Probe | Timer::Retransmit));
    s.keep(c);
    if asking { Ok(()) } else { Err(Failure::new("the writer's kernel to ask for the window", "no timer for it")) }
        .because("RFC 9293 §3.8.6.1: a sender probes a zero window, since the segment that opens it may be lost")
}

/// Sends more than is read before the pause, and returns it.
fn flooded(s: &mut Scene) -> Outcome<(Talk, usize)> {
    let octets = s.rng.usize(300_000..900_000);
    let mut c = s.connect()?;
    c.send_in_background(&vec![b'~'; octets])?;
    c.expect_silence(ms(60))?;
    Ok((c, octets))
}

/// Whatever was sent has been read to the end: the FIN says so, and the program's count.
fn expect_all_read(s: &mut Scene, c: &mut Talk, octets: usize) -> Outcome {
    c.wait_until_read();
    c.half_close()?;
    c.expect_close(Close::Fin)?;
    s.expect_output(&format!("the end, after {}", netkata::human::count(octets, "octet")))
}

fn enter(s: &mut Scene) -> Outcome {
    let (mut c, octets) = flooded(s)?;
    s.type_line("")?;
    expect_all_read(s, &mut c, octets).because("RFC 9293 §3.8.6: a window that opens again lets the rest in")
}

fn no_input(s: &mut Scene) -> Outcome {
    let mut c = s.connect()?;
    s.end_input()?;
    c.send(&[b'~'; 1500])?;
    expect_unread(&mut c, 500)
        .because("a server in the background has no input; its end is not a key that was pressed")?;
    s.keep(c);
    Ok(())
}

fn after(s: &mut Scene) -> Outcome {
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    c.send(&[b'~'; 9000])?;
    c.half_close()?;
    c.expect_close(Close::Fin)?;
    common::not_before(start, ms(300)).because("--resume-after 300ms: so long the window stays as it is")
}

/// 12,000 octets at 20,000 a second.
fn rate(s: &mut Scene) -> Outcome {
    let why = "backpressure: a reader that takes its time makes the writer wait, and that may be what is wanted";
    s.start()?;
    let start = Instant::now();
    let mut c = s.connect()?;
    c.send(&[b'~'; 12_000])?;
    c.half_close()?;
    c.expect_close(Close::Fin).because(why)?;
    // The pause comes after the last octets as well as after the first.
    common::not_before(start, ms(600)).because(why)
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let mut first = s.connect()?;
    first.send(&[b'~'; 1100])?;
    expect_unread(&mut first, 100)?;
    let mut second = s.connect()?;
    second.send(&[b'~'; 1300])?;
    expect_unread(&mut second, 300).because("a handler that waits is a thread that waits, and not the server")?;
    s.keep(first);
    s.keep(second);
    Ok(())
}

fn sigterm(s: &mut Scene) -> Outcome {
    let (mut c, octets) = flooded(s)?;
    s.signal(Signal::SIGTERM)?;
    expect_all_read(s, &mut c, octets).because("a stop is no reason to throw away what a client has sent")?;
    s.expect_exit(0, SOON)
}

/// Starts the writer, and plays the reader. The program prints numbers of the kernel's: they are not shown.
fn read_from(s: &mut Scene, octets: usize, more: &[&str]) -> Outcome<Talk> {
    let (address, octets) = (s.listen()?.to_string(), octets.to_string());
    s.run_unseen(&[&[&address, "--send", "--octets", &octets, "--stall", "100ms"], more].concat())?;
    s.accept()
}

fn expect_octets(c: &mut Talk, octets: usize) -> Outcome {
    let got = c.within(IN_THE_END).read_to_end()?.len();
    if got == octets {
        return Ok(());
    }
    Err(Failure::new(netkata::human::count(octets, "octet"), netkata::human::count(got, "octet")))
}

/// As many as fit into the buffers at once: a reader with a busy machine is no stall.
fn writes(s: &mut Scene) -> Outcome {
    let octets = s.rng.usize(20_000..60_000);
    let mut c = read_from(s, octets, &[])?;
    expect_octets(&mut c, octets).because("--octets: so many, and then a FIN")?;
    c.half_close()?;
    drop(c);
    s.expect_exit(0, IN_THE_END)?;
    let said = s.subject()?.stdout.all();
    let last = said.lines().last().unwrap_or_default();
    let wanted = format!("all {} octets were taken", netkata::human::thousands(octets));
    if last.starts_with(&wanted) && !said.contains("stalled") {
        return Ok(());
    }
    Err(Failure::new(format!("no row \"stalled\", and at the end \"{wanted} …\""), format!("{last:?}")))
}

/// A row of the writer's table.
struct Row {
    written: usize,
    window: usize,
    unsent: usize,
    backoff: usize,
}

/// The next row that tells of a stall.
fn stalled_row(s: &mut Scene) -> Outcome<Row> {
    let number = |text: &str| text.replace(',', "").parse::<usize>().unwrap_or(usize::MAX);
    loop {
        let line = s.output_line()?;
        let mut words = line.split_whitespace();
        let (_time, event) = (words.next(), words.next());
        if event != Some("stalled") {
            continue;
        }
        let mut next = || words.next().map_or(usize::MAX, number);
        let (written, window, unsent, backoff) = (next(), next(), next(), next());
        return Ok(Row { written, window, unsent, backoff });
    }
}

/// The reader's kernel may keep a little room, too little for a segment, and take that with the first probe: so the first
/// rows are passed over.
fn stall(s: &mut Scene) -> Outcome {
    let c = read_from(s, FLOOD, &[])?;
    s.keep(c);
    let why = "send(2): a write waits when the buffers are full; a writer that says nothing looks dead";
    let mut row = stalled_row(s).because(why)?;
    for _ in 0..30 {
        if row.window == 0 && (1..20).contains(&row.backoff) {
            break;
        }
        row = stalled_row(s)?;
    }
    if row.window != 0 {
        return Err(Failure::new("a window of 0", "another, still after 3 s")).because(CLOSED);
    }
    if row.written >= FLOOD || row.unsent >= row.written || row.unsent == 0 {
        return Err(Failure::new("fewer octets unsent than written, and fewer written than asked for", "others"))
            .because("tcp(7): the reader's buffer has some of them, and the send buffer the rest");
    }
    if (1..20).contains(&row.backoff) {
        return Ok(());
    }
    Err(Failure::new("a backoff, after the first probe", "none"))
        .because("RFC 9293 §3.8.6.1: the interval between window probes is increased exponentially")
}

fn goes_on(s: &mut Scene) -> Outcome {
    let octets = FLOOD - s.rng.usize(1..99_999);
    let mut c = read_from(s, octets, &[])?;
    // What comes is too much to be shown.
    c.ignore();
    stalled_row(s)?;
    expect_octets(&mut c, octets)
        .because("write(2) says how much it took: what it did not take, and nothing else, is written again")?;
    c.half_close()?;
    drop(c);
    s.expect_exit(0, IN_THE_END)?;
    let said = s.subject()?.stdout.all();
    let last = said.lines().last().unwrap_or_default();
    if said.contains("  goes on ") && last.contains("at the longest") {
        return Ok(());
    }
    Err(Failure::new("a row \"goes on\", and at the end how long the longest stall was", format!("{last:?}")))
}

fn waits(s: &mut Scene) -> Outcome {
    let mut c = read_from(s, 3000, &[])?;
    c.read_exactly(3000)?;
    c.expect_close(Close::Fin)?;
    s.expect_output(" waits ").because(
        "what write(2) took stands in a buffer; that the reader has it, only the reader can say, here by its FIN",
    )?;
    c.half_close()?;
    s.expect_output("all 3,000 octets were taken")?;
    s.expect_exit(0, IN_THE_END)
}

fn gives_up(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let c = read_from(s, FLOOD, &["--patience", "700ms"])?;
    s.keep(c);
    common::fails_with(s, "nothing moved for 700ms").because(
        "RFC 9293 §3.8.6.1: as long as the probes are answered, the connection stays; only the program can give it up",
    )?;
    common::not_before(start, ms(700))
}

fn reset(s: &mut Scene) -> Outcome {
    let c = read_from(s, FLOOD, &[])?;
    stalled_row(s)?;
    c.reset()?;
    common::fails_with(s, "reset by peer").because("send(2), ECONNRESET: who was written to has thrown it away")
}

fn refused(s: &mut Scene) -> Outcome {
    let address = s.refusing_address()?.to_string();
    s.run_with(&[&address, "--send"])?;
    common::expect_one_error(s, &format!("connect tcp://{address}: connection refused"))
}
