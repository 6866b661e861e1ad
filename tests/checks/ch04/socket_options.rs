//! `socket_options`: what is asked of the kernel, what it answers, and what the peer sees of it.
//!
//! The table has numbers that differ from machine to machine, so what the program prints is not shown in the dialogue.

use crate::checks::common;
use netkata::proc_net::Timer;
use netkata::sock_diag;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(3);
/// More than the socket of a reader that does not read takes in, and less than both ends together hold.
const MUCH: &str = "1000000";
const DEFAULTS: &str =
    "socket(7), tcp(7): std and socket2 create a socket and set nothing; who wants an option asks for it";

pub fn program() -> Program {
    Program::finished(4, "socket_options")
        .check("holds_until_enter", "the connection stays open and silent until Enter, and ends with a FIN", enter)
        .check("leaves_the_defaults_alone", "what is not asked for is not set", defaults)
        .finished_only()
        .check("closes_after_hold", "with --hold it closes after that long", hold)
        .with(&["--hold", "300ms"])
        .check("closes_on_ctrl_c", "Ctrl-C closes the connection, and is no failure", ctrl_c)
        .check("ends_with_its_peer", "when the peer closes, it closes", peer_closes)
        .check("tells_of_a_reset", "a peer that resets is something to tell, and no failure", reset)
        .finished_only()
        .check("sets_the_keepalive", "the three times of keepalive are set, and the kernel's timer runs", keepalive)
        .finished_only()
        .check("sets_nodelay", "--nodelay turns Nagle's algorithm off", nodelay)
        .finished_only()
        .check("shows_a_buffer_doubled", "a buffer is twice what was asked for, and the table says so", doubled)
        .finished_only()
        .check("shows_a_buffer_cut", "a buffer beyond the system's limit is cut, and the table says so", cut)
        .finished_only()
        .check(
            "sets_options_before_the_handshake",
            "the receive buffer is there when the window's scale is told",
            scale,
        )
        .finished_only()
        .check("sets_them_late_when_asked", "with --late, the scale is told before the buffer is set", late)
        .finished_only()
        .check("delivers_in_the_background", "without --linger, close returns at once and nothing is lost", background)
        .with(&["--send", MUCH, "--hold", "0"])
        .check("linger_0_resets", "with --linger 0, close throws away what is left, and resets", linger_0)
        .with(&["--send", MUCH, "--hold", "0", "--linger", "0"])
        .check("linger_waits", "with --linger 1s, close waits for the peer, for a second at the most", linger_1)
        .with(&["--send", MUCH, "--hold", "0", "--linger", "1s"])
        .check("passes_options_on_to_what_it_accepts", "with --listen, the connection has the options", accepted)
        .finished_only()
        .check("refuses_what_the_kernel_cannot", "times that the kernel cannot keep are bad usage", bad_usage)
        .finished_only()
        .check("ends_on_sigterm", "SIGTERM ends it while it waits for a client", common::ends_on_sigterm)
        .with(&["--listen"])
        .check("names_a_refused_connection", "a refusal names the peer in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a host or port that cannot be is named in one line", common::names_a_bad_peer)
        .finished_only()
}

fn enter(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect_silence(ms(150)).because("what is to be seen with ss(8) has to last, and to be silent")?;
    s.type_line("")?;
    c.expect_close(Close::Fin).because("close(2), socket(7): without SO_LINGER, a close is a FIN")?;
    s.expect_exit(0, SOON)
}

fn hold(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.expect_silence(ms(200)).because("--hold is how long the connection can be looked at")?;
    c.expect_close(Close::Fin).because("a program in the background has no Enter")?;
    s.expect_exit(0, SOON)
}

fn ctrl_c(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    // The table is complete: it holds.
    row(s, "window scale")?;
    s.signal(Signal::SIGINT)?;
    c.expect_close(Close::Fin)?;
    s.expect_exit(0, SOON).because("signal(7): Ctrl-C is how a person says that it is enough; nothing went wrong")
}

fn peer_closes(s: &mut Scene) -> Outcome {
    let words = s.octets(2000);
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    c.send(&words)?;
    c.half_close()?;
    c.expect_close(Close::Fin).because(
        "RFC 9293 §3.6.1: who closes with octets unread resets the connection; and who does not close stays in CLOSE-WAIT",
    )?;
    s.expect_exit(0, SOON)
}

fn reset(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let c = s.accept()?;
    row(s, "window scale")?;
    c.reset()?;
    s.expect_output("the connection is gone: connection reset by peer")
        .because("recv(2), ECONNRESET: that is what the other end of --linger 0 sees")?;
    s.expect_exit(0, SOON)
}

fn defaults(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let c = s.accept()?;
    let timer = timer(&c);
    s.keep(c);
    for name in ["keepalive", "interval", "retries", "linger", "nodelay"] {
        let row = row(s, name)?;
        if row.asked != "-" || row.got != row.default {
            let got = format!("asked for {}, and it is {}", row.asked, row.got);
            return Err(Failure::new(format!("{name} as it is by default, {}", row.default), got)).because(DEFAULTS);
        }
    }
    if timer?.is_some_and(|(timer, _)| timer == Timer::KeepAlive) {
        return Err(Failure::new("no keepalive timer", "one, by ss(8)")).because(DEFAULTS);
    }
    Ok(())
}

fn keepalive(s: &mut Scene) -> Outcome {
    let (time, interval, retries) = (s.rng.u64(100..7000), s.rng.u64(10..70), s.rng.u64(2..9));
    s.option("--keepalive", format!("{time}s"));
    s.option("--interval", format!("{interval}s"));
    s.option("--retries", retries);
    s.start_client_unseen()?;
    let c = s.accept()?;
    row(s, "window scale")?;
    let timer = timer(&c);
    s.keep(c);
    let wanted = [("keepalive", seconds(time)), ("interval", seconds(interval)), ("retries", retries.to_string())];
    for (name, wanted) in wanted {
        expect_got(s, name, &wanted).because(
            "tcp(7): TCP_KEEPIDLE before the first probe, TCP_KEEPINTVL between probes, TCP_KEEPCNT of them",
        )?;
    }
    let why = "socket(7), SO_KEEPALIVE: the three times alone start nothing; the option does";
    let left = timer?.filter(|(timer, _)| *timer == Timer::KeepAlive).map(|(_, left)| left.as_secs());
    // The timer was set a moment ago.
    if left.is_some_and(|left| left <= time && left + 30 > time) {
        return Ok(());
    }
    let got = left.map_or("no such timer".into(), |left| format!("{left} seconds"));
    Err(Failure::new(format!("a keepalive timer of {time} seconds, by ss(8)"), got)).because(why)
}

fn nodelay(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--nodelay"])?;
    let c = s.accept()?;
    s.keep(c);
    expect_got(s, "nodelay", "on").because("tcp(7), TCP_NODELAY: small writes leave at once")
}

fn doubled(s: &mut Scene) -> Outcome {
    for (option, name) in [("--receive-buffer", "receive buffer"), ("--send-buffer", "send buffer")] {
        let asked = s.rng.usize(10_000..60_000);
        let address = s.listen()?.to_string();
        s.run_unseen(&[&address, option, &asked.to_string()])?;
        let c = s.accept()?;
        s.keep(c);
        let row = row(s, name)?;
        if (row.asked.as_str(), row.got.as_str()) != (&asked.to_string(), &(2 * asked).to_string()) {
            let got = format!("{} asked for, {} got", row.asked, row.got);
            return Err(Failure::new(format!("{name}: {asked} asked for, {} got", 2 * asked), got)).because(
                "socket(7), SO_RCVBUF: the kernel doubles this value, and the doubled value is returned by getsockopt(2)",
            );
        }
        if !row.remark.starts_with("doubled") {
            return Err(Failure::new("the remark \"doubled …\"", format!("{:?}", row.remark)));
        }
    }
    Ok(())
}

fn cut(s: &mut Scene) -> Outcome {
    let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    let Ok(limit) = limit.trim().parse::<usize>() else {
        return Err(Failure::new("net.core.rmem_max", "nothing that can be read"));
    };
    let asked = limit + s.rng.usize(4000..90_000);
    s.option("--receive-buffer", asked);
    s.start_client_unseen()?;
    let c = s.accept()?;
    s.keep(c);
    let why = "socket(7): the largest allowed value is set by rmem_max; to ask for more is no error, and gives less";
    expect_got(s, "receive buffer", &(2 * limit).to_string()).because(why)?;
    let remark = row(s, "receive buffer")?.remark;
    if remark.starts_with("cut") { Ok(()) } else { Err(Failure::new("the remark \"cut …\"", format!("{remark:?}"))) }
}

fn scale(s: &mut Scene) -> Outcome {
    let asked = s.rng.usize(4000..9000);
    s.option("--receive-buffer", asked);
    s.start_client_unseen()?;
    let c = s.accept()?;
    s.keep(c);
    expect_got(s, "window scale", "0")
        .because("RFC 7323 §2.2: the scale stands in the SYN and holds for good; a buffer of few KB needs none")
}

fn late(s: &mut Scene) -> Outcome {
    let address = s.listen()?.to_string();
    s.run_unseen(&[&address, "--receive-buffer", "5000", "--late"])?;
    let c = s.accept()?;
    s.keep(c);
    let scale = row(s, "window scale")?.got;
    if scale != "0" {
        return expect_got(s, "receive buffer", "10000").because("the options are set all the same, only later");
    }
    Err(Failure::new("the scale of an untouched socket", "that of a socket with a small buffer"))
        .because("RFC 7323 §2.2: the SYN is gone when the buffer is set; to see what that means is what --late is for")
}

fn background(s: &mut Scene) -> Outcome {
    let why =
        "socket(7), SO_LINGER: without it, close(2) returns immediately and the closing is done in the background";
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    s.expect_exit(0, SOON).because(why)?;
    expect_close_within(s, ms(0), ms(900)).because(why)?;
    let (octets, close) = c.read_until_closed()?;
    if octets.len().to_string() == MUCH && close == Close::Fin {
        return Ok(());
    }
    let end = if close == Close::Rst { "a reset (RST)" } else { "a FIN" };
    let got = format!("{}, and {end}", netkata::human::count(octets.len(), "octet"));
    Err(Failure::new("1,000,000 octets and a FIN, though the program has ended", got)).because(why)
}

fn linger_0(s: &mut Scene) -> Outcome {
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    s.expect_exit(0, SOON)?;
    let (octets, close) = c.read_until_closed()?;
    c.ignore();
    if close == Close::Rst && octets.len() < 1_000_000 {
        return Ok(());
    }
    let all = if octets.len() < 1_000_000 { "some of the octets" } else { "all octets" };
    let end = if close == Close::Rst { "a reset (RST)" } else { "a FIN" };
    Err(Failure::new("some of the octets, and a reset (RST)", format!("{all}, and {end}")))
        .because("socket(7), SO_LINGER of zero; RFC 9293 §3.10.5: an abort sends an RST and discards what is queued")
}

fn linger_1(s: &mut Scene) -> Outcome {
    let why = "socket(7), SO_LINGER: close(2) waits until what is queued has been sent, or the time is up";
    s.start_client_unseen()?;
    let mut c = s.accept()?;
    s.expect_exit(0, SOON).because(why)?;
    expect_close_within(s, ms(900), SOON).because(why)?;
    // On Linux, time that is up is no reason to throw anything away.
    let (_, close) = c.read_until_closed()?;
    if close == Close::Fin { Ok(()) } else { Err(Failure::new("a FIN in the end", "a reset")) }
}

fn accepted(s: &mut Scene) -> Outcome {
    let time = s.rng.u64(100..7000);
    s.run_unseen(&["127.0.0.1:0", "--listen", "--keepalive", &format!("{time}s"), "--receive-buffer", "5000"])?;
    let address = s.subject()?.announced()?;
    let address = address.parse().map_err(|_| Failure::new("an address", format!("{address:?}")))?;
    let client = std::net::TcpStream::connect_timeout(&address, SOON);
    let client = client.map_err(|e| Failure::new("a connection", e.to_string()))?;
    expect_got(s, "keepalive", &seconds(time))
        .because("tcp(7): most options are inherited from the listening socket")?;
    expect_got(s, "window scale", "0")
        .because("listen(2): the kernel answers the SYN; when accept(2) returns, the scale has been told")?;
    drop(client);
    s.expect_exit(0, SOON)
}

fn bad_usage(s: &mut Scene) -> Outcome {
    for (options, reason) in [
        (&["--keepalive", "1500ms"][..], "whole seconds"),
        (&["--keepalive", "32768s"], "whole seconds"),
        (&["--linger", "500ms"], "whole seconds"),
        (&["--interval", "5s"], "--keepalive"),
        (&["--keepalive", "9s", "--retries", "128"], "127"),
    ] {
        s.run_unseen(&[&["127.0.0.1:1"], options].concat())?;
        s.expect_exit(2, SOON).because("tcp(7): these are integers, in seconds; half a second would become 0")?;
        s.expect_error(reason)?;
    }
    Ok(())
}

/// A row of the table.
struct Row {
    default: String,
    asked: String,
    got: String,
    remark: String,
}

/// Waits for the table, and finds the row of this name.
fn row(s: &mut Scene, name: &str) -> Outcome<Row> {
    let until = Instant::now() + SOON;
    loop {
        let said = s.subject()?.stdout.all();
        let complete = said.lines().any(|l| l.starts_with("window scale") && l.ends_with(|c: char| c.is_alphabetic()));
        if let Some(line) = said.lines().find(|l| complete && l.starts_with(name)) {
            let mut words = line[name.len()..].split_whitespace().map(str::to_string);
            let mut word = || words.next().unwrap_or_default();
            let (default, asked, got) = (word(), word(), word());
            return Ok(Row { default, asked, got, remark: words.collect::<Vec<_>>().join(" ") });
        }
        if Instant::now() > until {
            return Err(Failure::new(format!("a table with a row {name:?}"), format!("{said:?}")));
        }
        // The table comes in lines; nothing tells of the last.
        std::thread::sleep(ms(2));
    }
}

fn expect_got(s: &mut Scene, name: &str, wanted: &str) -> Outcome {
    let got = row(s, name)?.got;
    if got == wanted { Ok(()) } else { Err(Failure::new(format!("{name}: {wanted}"), got)) }
}

/// `close took 1.003s`, the last line.
fn expect_close_within(s: &mut Scene, least: Duration, most: Duration) -> Outcome {
    let said = s.subject()?.stdout.all();
    let last = said.lines().last().unwrap_or_default();
    let took = last.strip_prefix("close took ").and_then(|time| netkata::human::parse_duration(time).ok());
    match took {
        Some(took) if (least..=most).contains(&took) => Ok(()),
        Some(_) if least.is_zero() => Err(Failure::new("a close that does not wait", "one that waits")),
        Some(_) => Err(Failure::new("a close that waits", "one that does not")),
        None => Err(Failure::new("the line \"close took …\"", format!("{last:?}"))),
    }
}

/// The timer of the program's end of this conversation.
fn timer(c: &Talk) -> Outcome<Option<(Timer, Duration)>> {
    let (ours, theirs) = c.addresses().ok_or_else(|| Failure::new("a connection", "none"))?;
    let socket = sock_diag::connection(theirs, ours).map_err(|e| Failure::new("the kernel's view", e.to_string()))?;
    socket.map(|s| s.timer).ok_or_else(|| Failure::new("the program's socket", "none"))
}

fn seconds(n: u64) -> String {
    netkata::human::duration(Duration::from_secs(n))
}
