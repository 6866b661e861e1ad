//! `read_chunks`: a fixed buffer, reads of any size, and an end that only the stream tells.

use crate::checks::common;
use netkata::human;
use netkata_kit::prelude::*;

const END: &str = "recv(2): zero octets is the end of the stream; a short read is only a short read";
const READ: &str = "read(2): it is no error if fewer octets are read than asked for; that many were there";
const ANEW: &str = "a stream may be as long as it likes, as long as it moves: the limit is on silence";

pub fn program() -> Program {
    Program::finished(4, "read_chunks")
        .check("says_nothing", "the reader connects and listens", says_nothing)
        .check("tells_each_read", "each read is told with its size, when it is made", each_read)
        .check("reads_to_the_end", "only the end of the stream ends the loop", to_the_end)
        .check("sums_the_octets", "the totals have the number of octets and their CRC-32", sums)
        .check("an_empty_stream_is_one", "a stream may end before its first octet", empty)
        .check("reads_what_the_buffer_holds", "a read brings no more than the buffer holds", fills)
        .with(&["--buffer", "1KiB"])
        .check(
            "sums_the_reads",
            "the totals have the smallest read, the largest, and how many filled the buffer",
            extremes,
        )
        .with(&["--buffer", "1KiB"])
        .check("quiet_tells_the_totals", "with --quiet there are only the totals", quiet)
        .with(&["--quiet"])
        .check("a_reset_is_an_error", "a reset is not the end of a stream; what came before it is told", reset)
        .check("waits_no_longer_than_asked", "nothing for --timeout is an error", silent)
        .with(&["--timeout", "200ms"])
        .check("every_read_has_its_time", "the time begins anew with each read", anew)
        .with(&["--timeout", "500ms"])
        .check("takes_the_limit", "a stream may have --limit octets", at_the_limit)
        .with(&["--limit", "4KiB"])
        .check("takes_no_more", "more than --limit octets are an error, and not waited for", over_the_limit)
        .with(&["--limit", "4KiB"])
        .check("names_a_refused_connection", "who refuses is named in one line", common::names_a_refused_connection)
        .finished_only()
        .check("names_a_bad_peer", "a bad address is named in one line", common::names_a_bad_peer)
        .finished_only()
        .check("serves_so_many", "with --serve, each client gets --octets octets, then a FIN", serves)
        .with(&["--serve"])
        .check("serves_all_the_same", "each client gets the same, and its CRC-32 is logged", the_same)
        .with(&["--serve", "--octets", "100000"])
        .check("another_seed_is_another_stream", "--seed chooses the octets", seeds)
        .with(&["--serve", "--octets", "1000"])
        .check("lets_the_client_talk", "octets that nobody reads do not make the close a reset", talker)
        .with(&["--serve", "--octets", "64KiB"])
        .check("serves_clients_side_by_side", "a client that does not read holds up no other", side_by_side)
        .with(&["--serve", "--octets", "16MiB"])
        .check("leaves_a_stuck_reader", "a client that takes nothing for --timeout is dropped", stuck)
        .with(&["--serve", "--octets", "16MiB", "--timeout", "150ms"])
        .check("ends_on_sigterm", "SIGTERM ends an idle server", common::ends_on_sigterm)
        .with(&["--serve", "--octets", "4KiB"])
        .check("ends_on_sigint", "Ctrl-C ends an idle server", common::ends_on_sigint)
        .with(&["--serve", "--octets", "4KiB"])
}

/// Starts the reader and plays the server.
fn serve(s: &mut Scene) -> Outcome<Talk> {
    s.start_client_unseen()?;
    s.accept()
}

/// The same, with what it prints in the dialogue: for checks that wait for its end.
fn watched(s: &mut Scene) -> Outcome<Talk> {
    s.start_client()?;
    s.accept()
}

/// The stream ends, and then the reader, as it should.
fn ends_well(s: &mut Scene, c: &mut Talk) -> Outcome {
    c.half_close()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn says_nothing(s: &mut Scene) -> Outcome {
    let octets = s.octets(100);
    let mut c = serve(s)?;
    c.expect_silence(ms(60)).because("the server speaks; a reader has nothing to say")?;
    c.send(&octets)?;
    ends_well(s, &mut c)?;
    c.expect_close(Close::Fin)
}

/// The stream stays open meanwhile.
fn each_read(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(2..900);
    let octets = s.octets(n);
    let mut c = serve(s)?;
    c.send(&octets)?;
    s.expect_line(&format!("read {n} octets")).because(READ)?;
    ends_well(s, &mut c)
}

/// In lock step: a piece is sent when the one before has been told.
fn to_the_end(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    let mut all = 0;
    for _ in 0..3 {
        let n = s.rng.usize(2..300);
        let octets = s.octets(n);
        c.send(&octets).because(END)?;
        c.wait_until_read();
        s.expect_line(&format!("read {n} octets")).because(END)?;
        s.expect_no_output(ms(20)).because(END)?;
        all += n;
    }
    ends_well(s, &mut c)?;
    s.expect_output(&format!("{all} octets in 3 reads")).because(END)
}

fn sums(s: &mut Scene) -> Outcome {
    let octets = s.octets(700);
    let mut c = watched(s)?;
    c.send(&octets)?;
    ends_well(s, &mut c)?;
    s.expect_line("read 700 octets")?;
    s.expect_line(&format!("700 octets in 1 read, crc-32 {:08x}", crc32(&octets)))
        .because("RFC 1952 §8: the CRC-32 of gzip; two ends that agree on it have read the same")
}

fn empty(s: &mut Scene) -> Outcome {
    let mut c = watched(s)?;
    ends_well(s, &mut c)?;
    s.expect_line("0 octets in 0 reads, crc-32 00000000").because(END)
}

/// All of it is there before the reader looks.
fn waiting(s: &mut Scene, n: usize) -> Outcome {
    let octets = s.octets(n);
    s.start_client()?;
    let mut c = s.accept()?;
    s.subject()?.hold()?;
    c.send(&octets)?;
    c.half_close()?;
    s.subject()?.release()?;
    s.expect_exit(0, Duration::from_secs(2))
}

fn fills(s: &mut Scene) -> Outcome {
    waiting(s, 2 * 1024 + 500)?;
    for n in ["1,024", "1,024", "500"] {
        s.expect_line(&format!("read {n} octets"))
            .because("the buffer is what bounds the memory of a reader, not the stream")?;
    }
    Ok(())
}

fn extremes(s: &mut Scene) -> Outcome {
    let rest = s.rng.usize(2..900);
    waiting(s, 2 * 1024 + rest)?;
    s.expect_output("in 3 reads")?;
    s.expect_output(&format!("smallest {rest}, largest 1,024; 2 filled the buffer of 1,024\n")).because(READ)
}

fn quiet(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    let mut c = watched(s)?;
    c.send(&octets)?;
    ends_well(s, &mut c)?;
    s.expect_line(&format!("300 octets in 1 read, crc-32 {:08x}", crc32(&octets)))
        .because("who compares two streams has no use for thousands of lines")
}

fn reset(s: &mut Scene) -> Outcome {
    let octets = s.octets(300);
    let mut c = watched(s)?;
    c.send(&octets)?;
    s.expect_line("read 300 octets")?;
    c.reset()?;
    s.expect_output("300 octets in 1 read")?;
    common::fails_with(s, "connection reset by peer")
        .because("RFC 9293 §3.5.3: a reset aborts the connection; what was still on its way is lost")
}

fn silent(s: &mut Scene) -> Outcome {
    let start = Instant::now();
    let octets = s.octets(300);
    let mut c = serve(s)?;
    c.send(&octets)?;
    s.expect_output("300 octets in 1 read")
        .because("a server that is gone sends no FIN; only a limit ends the wait")?;
    common::fails_with(s, "nothing came for 200ms")?;
    common::not_before(start, ms(200))
}

/// Two pieces, each within the time, together beyond it.
fn anew(s: &mut Scene) -> Outcome {
    let octets = s.octets(50);
    let mut c = serve(s)?;
    for _ in 0..2 {
        c.expect_silence(ms(280)).because(ANEW)?;
        c.send(&octets).because(ANEW)?;
        s.expect_line("read 50 octets").because(ANEW)?;
    }
    ends_well(s, &mut c)
}

fn at_the_limit(s: &mut Scene) -> Outcome {
    let octets = s.octets(4096);
    let mut c = serve(s)?;
    c.send(&octets)?;
    ends_well(s, &mut c).because("a limit belongs to what it allows")?;
    s.expect_output("4,096 octets in ")
}

/// The server goes on and on, and never closes.
fn over_the_limit(s: &mut Scene) -> Outcome {
    let mut c = serve(s)?;
    c.send_until_reset(&[b'~'; 5000])
        .because("who reads to the end of a stream lets the server choose where that is")?;
    common::fails_with(s, "more than 4,096 octets")
}

fn serves(s: &mut Scene) -> Outcome {
    let n = s.rng.usize(300_000..400_000);
    s.option("--octets", n);
    let mut c = s.connect()?;
    let got = c.read_to_end().because(END)?.len();
    if got == n {
        return Ok(());
    }
    Err(Failure::new(human::count(n, "octet"), human::count(got, "octet")))
        .because("write(2) may take fewer octets than it was given: the rest is still to be written")
}

fn the_same(s: &mut Scene) -> Outcome {
    let (first, second) = (s.connect()?.read_to_end()?, s.connect()?.read_to_end()?);
    if first != second {
        return Err(Failure::octets(&first, &second, "to the second client"))
            .because("only what is known at both ends can be compared");
    }
    let crc = crc32(&first);
    s.expect_error(&format!("100,000 octets for each client, crc-32 {crc:08x}\n"))
}

fn seeds(s: &mut Scene) -> Outcome {
    let mut streams = Vec::new();
    for seed in ["17", "18", "17"] {
        s.start_with(&["--serve", "--octets", "1000", "--seed", seed])?;
        streams.push(s.connect()?.read_to_end()?);
    }
    let same = [streams[0] == streams[2], streams[0] == streams[1]];
    if same == [true, false] {
        return Ok(());
    }
    let got = if same[1] { "the same octets for 17 and 18" } else { "other octets for 17 the second time" };
    Err(Failure::new("one stream for each seed", got)).because("a failure that cannot be repeated is hard to find")
}

/// The client's octets are there before the server looks.
fn talker(s: &mut Scene) -> Outcome {
    let talk = s.octets(3000);
    s.hold()?;
    let mut c = s.connect_slow(4096)?;
    c.send(&talk)?;
    c.half_close()?;
    s.release()?;
    // It has said all, and closed if it does not listen, before anything is read here.
    s.wait_until_still(Duration::from_secs(2))?;
    let why = "RFC 9293 §3.6.1: a close while received octets are unread sends an RST, which can destroy the last of the data";
    let got = c.read_to_end().because(why)?.len();
    if got == 64 << 10 { Ok(()) } else { Err(Failure::new("65,536 octets", human::count(got, "octet"))).because(why) }
}

fn side_by_side(s: &mut Scene) -> Outcome {
    let mut stuck = s.connect_slow(4096)?;
    // From here on it is being served.
    stuck.read_exactly(1)?;
    let mut c = s.connect()?;
    let got = c.read_to_end().because("write(2) waits for a reader; the others need not wait with it")?.len();
    stuck.leave();
    if got == 16 << 20 { Ok(()) } else { Err(Failure::new("16,777,216 octets", human::count(got, "octet"))) }
}

fn stuck(s: &mut Scene) -> Outcome {
    let c = s.connect_slow(4096)?;
    let named = c.addresses().map(|(ours, _)| format!("{ours}: timed out")).unwrap_or_default();
    s.expect_error(&named)
        .because("socket(7), SO_SNDTIMEO: left alone, a write to a reader that is stuck waits for ever")?;
    c.leave();
    Ok(())
}

/// Bit by bit, as RFC 1952 section 8 defines it.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, &octet| {
        (0..8).fold(crc ^ u32::from(octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
