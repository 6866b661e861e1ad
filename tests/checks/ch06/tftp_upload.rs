//! `tftp_upload`: the server's half of a write (RFC 1350).

use super::uploads::*;
use netkata_kit::prelude::*;
use netkata_kit::tftp::{ack, data, request};
use nix::sys::signal::Signal;
use std::fs;

const WRITE: &str =
    "RFC 1350 §4: a write request is answered by an ACK with block number zero, from a port of the transfer's own";
const ACKED: &str = "RFC 1350 §2: each block must be acknowledged before the next can be sent";
const LAST: &str = "RFC 1350 §6: the end is marked by a DATA packet with 0 to 511 octets, and by nothing else";
const TWICE: &str = "RFC 1350 §2: a lost ACK makes the sender repeat its block; who writes it again has it twice";
const WHOLE: &str =
    "whoever looks for the name must find the whole file or none: nobody can see that half of it is missing";
const OUTSIDE: &str =
    "the name comes from a stranger, and TFTP knows no passwords: the folder is all that may be written";
const ILLEGAL: &str = "RFC 1350, appendix: ERROR 4 is an illegal TFTP operation";
const TAKEN: &str = "RFC 1350, appendix: ERROR 6 says that the file exists; a stranger must not replace it";
const STRANGER: &str = "RFC 1350 §4: a packet from another port gets an ERROR, and does not disturb the transfer";
const OVER: &str = "RFC 1350 §7: an ERROR ends the transfer; nobody acknowledges it";

pub fn program() -> Program {
    Program::exercise(6, "tftp_upload")
        .check("answers_a_write_request", "a WRQ is answered by ACK 0, from a port of the transfer's own", answers)
        .check("takes_a_short_file", "one block, and the file is there when its ACK is", short)
        .check("goes_on_to_the_short_block", "blocks of 512 octets go on, and a shorter one is the last", several)
        .check("waits_for_the_last_block", "after a full block there is one more, if only an empty one", empty_last)
        .check("shows_no_half_file", "until the last block is here, no file has the name", no_half)
        .check("takes_uploads_side_by_side", "one client's silence does not hold up another", side_by_side)
        .check("writes_a_repeated_block_once", "a block that comes twice gets two ACKs, and is written once", twice)
        .check("takes_blocks_in_order", "a block that is not the next one is not written", in_order)
        .check("answers_the_last_block_again", "when the last ACK is lost, the last block gets another", last_again)
        .check("repeats_its_ack", "an ACK that no block follows is sent again after --timeout, not before", repeats)
        .with(&["--timeout", "150ms"])
        .check("gives_up", "after --retries ACKs without a block it gives up, and nothing is left", gives_up)
        .with(&["--timeout", "60ms", "--retries", "4"])
        .check("ends_at_an_error", "the client's ERROR ends the upload, and nothing is left", client_error)
        .check("keeps_what_is_there", "a name that there is already gets ERROR 6, and the file stays as it was", exists)
        .check("the_first_has_the_name", "of two uploads with one name, the first that is whole has it", first_come)
        .check("stays_in_its_folder", "a name that leads elsewhere gets ERROR 2", outside)
        .check("takes_no_odd_names", "a name that is hidden, or no text, gets ERROR 2", odd)
        .check("has_a_limit", "more than --limit octets get ERROR 3, and nothing is left", limit)
        .with(&["--limit", "1300"])
        .check("refuses_reads", "an RRQ gets ERROR 4", reads)
        .check("refuses_other_modes", "netascii and mail get ERROR 4, OcTeT does not", modes)
        .check(
            "refuses_what_is_no_request",
            "what is no TFTP request gets ERROR 4, and an ERROR gets nothing",
            no_request,
        )
        .check("refuses_a_long_block", "a block of more than 512 octets gets ERROR 4", long_block)
        .check("corrects_strangers", "a packet from a stranger's port gets ERROR 5, and the upload goes on", stranger)
        .check("knows_a_repeated_request", "a WRQ that comes twice begins one upload", request_twice)
        .check("lets_uploads_finish", "SIGTERM lets what runs come to its end", finishes)
        .check("leaves_no_parts", "what is not whole after --grace leaves nothing behind", cut_off)
        .with(&["--grace", "80ms"])
}

fn answers(s: &mut Scene) -> Outcome {
    inbox(s)?;
    let name = name(s);
    let mut c = begin(s, &name).because(WRITE)?;
    c.expect_silence(ms(30)).because(WRITE)
}

fn short(s: &mut Scene) -> Outcome {
    let (folder, name, octets) = (inbox(s)?, name(s), s.every_octet());
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &octets).because(ACKED)?;
    holds(&folder, &name, &octets).because("who acknowledges the last block says that the file is there")?;
    expect_names(&folder, &[&name]).because("what an upload needs on its way goes with it")
}

fn several(s: &mut Scene) -> Outcome {
    let n = 2 * BLOCK + s.rng.usize(1..BLOCK);
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(n));
    let mut c = begin(s, &name)?;
    send(&mut c, &octets).because(LAST)?;
    holds(&folder, &name, &octets).because(LAST)
}

fn empty_last(s: &mut Scene) -> Outcome {
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(2 * BLOCK));
    let mut c = begin(s, &name)?;
    send(&mut c, &octets).because(LAST)?;
    holds(&folder, &name, &octets).because(LAST)
}

fn twice(s: &mut Scene) -> Outcome {
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(2 * BLOCK + 7));
    let mut c = begin(s, &name)?;
    let blocks: Vec<_> = octets.chunks(BLOCK).collect();
    block(&mut c, 1, blocks[0]).because(ACKED)?;
    block(&mut c, 1, blocks[0]).because(TWICE)?;
    block(&mut c, 1, blocks[0]).because(TWICE)?;
    block(&mut c, 2, blocks[1]).because(ACKED)?;
    block(&mut c, 3, blocks[2]).because(ACKED)?;
    holds(&folder, &name, &octets).because(TWICE)
}

/// A block of the past and one of the future; and then the one that is due.
fn in_order(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350 §2: one block at a time; what is not the next one is late, or about something else";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(3 * BLOCK + 7));
    let mut c = begin(s, &name)?;
    let blocks: Vec<_> = octets.chunks(BLOCK).collect();
    block(&mut c, 1, blocks[0]).because(ACKED)?;
    block(&mut c, 2, blocks[1]).because(ACKED)?;
    c.send(&data(4, blocks[3]))?;
    c.expect_silence(ms(30)).because(WHY)?;
    c.send(&data(1, blocks[0]))?;
    // Whether a late block gets another ACK is not said anywhere: one for block 1 or 2 may come.
    c.send(&data(3, blocks[2]))?;
    for _ in 0..2 {
        let got = c.receive()?;
        if got != ack(1) && got != ack(2) {
            is_ack(&got, 3).because(WHY)?;
            break;
        }
    }
    block(&mut c, 4, blocks[3]).because(ACKED)?;
    holds(&folder, &name, &octets).because(WHY)
}

fn is_ack(got: &[u8], number: u16) -> Outcome {
    let expected = ack(number);
    if got == expected { Ok(()) } else { Err(Failure::octets(&expected, got, "one datagram")) }
}

fn last_again(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350 §6: the side that acknowledged the last block waits, in case that ACK was lost";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(100));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &octets).because(ACKED)?;
    block(&mut c, 1, &octets).because(WHY)?;
    block(&mut c, 1, &octets).because(WHY)?;
    holds(&folder, &name, &octets).because(WHY)
}

fn repeats(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350 §2: when a packet is lost, its recipient will time out and repeat its own last packet";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(BLOCK + 9));
    let mut c = begin(s, &name)?;
    for number in [0, 1] {
        c.expect_silence(ms(100)).because("until --timeout has passed, nothing is late")?;
        c.expect(&ack(number)).because(WHY)?;
        block(&mut c, number + 1, octets.chunks(BLOCK).nth(number.into()).unwrap_or_default()).because(ACKED)?;
    }
    holds(&folder, &name, &octets)
}

/// Four in all, the first one included.
fn gives_up(s: &mut Scene) -> Outcome {
    const WHY: &str = "nobody says that a client has gone; without a limit its thread and its half file stay for ever";
    let (folder, name) = (inbox(s)?, name(s));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &[b'~'; BLOCK])?;
    for _ in 0..3 {
        c.expect(&ack(1)).because(WHY)?;
    }
    c.expect_silence(ms(200)).because(WHY)?;
    expect_names(&folder, &[]).because(WHY)
}

fn no_half(s: &mut Scene) -> Outcome {
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(2 * BLOCK + 3));
    let mut c = begin(s, &name)?;
    let missing = |when: &str| match folder.join(&name).exists() {
        true => Err(Failure::new(format!("no file under the name {when}"), "there is one")).because(WHOLE),
        false => Ok(()),
    };
    missing("after ACK 0")?;
    block(&mut c, 1, &octets[..BLOCK]).because(ACKED)?;
    missing("after ACK 1")?;
    block(&mut c, 2, &octets[BLOCK..2 * BLOCK]).because(ACKED)?;
    missing("after ACK 2")?;
    block(&mut c, 3, &octets[2 * BLOCK..]).because(ACKED)?;
    holds(&folder, &name, &octets)
}

fn client_error(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &[b'~'; BLOCK])?;
    c.send(b"\0\x05\0\0the ship has left\0")?;
    expect_names(&folder, &[]).because(OVER)?;
    c.send(&data(2, b"too late"))?;
    c.expect_silence(ms(30)).because(OVER)?;
    expect_names(&folder, &[]).because(OVER)
}

fn exists(s: &mut Scene) -> Outcome {
    let (folder, name, there) = (inbox(s)?, name(s), s.phrase());
    fs::write(folder.join(&name), &there).map_err(|e| Failure::new("a file", e.to_string()))?;
    refused(s, &wrq(&name), 6).because(TAKEN)?;
    holds(&folder, &name, there.as_bytes()).because(TAKEN)
}

fn first_come(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "between the look at a name and the writing, somebody else may come; rename(2) would replace the file";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(90));
    let (mut early, mut late) = (begin(s, &name)?, begin(s, &name)?);
    block(&mut late, 1, &octets).because(ACKED)?;
    early.send(&data(1, &s.octets(80)))?;
    early.expect_error(6).because(WHY)?;
    holds(&folder, &name, &octets).because(WHY)?;
    expect_names(&folder, &[&name]).because(WHOLE)
}

fn outside(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    fs::create_dir(folder.join("berth")).map_err(|e| Failure::new("a folder", e.to_string()))?;
    for name in [
        format!("../{name}"),
        format!("berth/../../{name}"),
        format!("berth/{name}"),
        format!("berth\\{name}"),
        "..".into(),
    ] {
        refused(s, &wrq(&name), 2).because(OUTSIDE)?;
    }
    refused(s, &wrq(&format!("{}/{name}", folder.display())), 2).because(OUTSIDE)?;
    expect_names(&folder, &["berth"]).because(OUTSIDE)
}

fn odd(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    refused(s, &wrq(&format!(".{name}")), 2)
        .because("a name with a dot in front is hidden, and some are commands to a program")?;
    let name = [name.as_bytes(), b"\xff"].concat();
    refused(s, &request(2, &name, "octet", &[]), 2).because(OUTSIDE)?;
    expect_names(&folder, &[])
}

/// 1,300 octets are two full blocks and 276 octets.
fn limit(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350, appendix: ERROR 3 is \"disk full or allocation exceeded\"; a limit is what keeps the first from happening";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(1301));
    let mut c = begin(s, &name)?;
    send(&mut c, &octets[..1300]).because("a limit is part of the contract: what keeps to it is taken")?;
    let too_much = format!("{name}.2");
    let mut c = begin(s, &too_much)?;
    block(&mut c, 1, &octets[..BLOCK]).because(ACKED)?;
    block(&mut c, 2, &octets[BLOCK..2 * BLOCK]).because(ACKED)?;
    c.send(&data(3, &octets[2 * BLOCK..]))?;
    c.expect_error(3).because(WHY)?;
    expect_names(&folder, &[&name]).because(WHY)
}

fn reads(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    fs::write(folder.join(&name), "high water").map_err(|e| Failure::new("a file", e.to_string()))?;
    refused(s, &request(1, name.as_bytes(), "octet", &[]), 4).because(ILLEGAL)
}

fn modes(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    for mode in ["netascii", "mail", "octets"] {
        refused(s, &request(2, name.as_bytes(), mode, &[]), 4).because(ILLEGAL)?;
    }
    let mut c = s.tftp()?;
    c.request(&request(2, name.as_bytes(), "OcTeT", &[]))?;
    let why = "RFC 1350 §5: the mode is in any combination of upper and lower case";
    c.expect(&ack(0)).because(why)?;
    block(&mut c, 1, b"ebb").because(why)?;
    expect_names(&folder, &[&name])
}

/// The last request has lost its NUL: a buffer that is full of zeros would hide that.
fn no_request(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    let unfinished = wrq(&name);
    for octets in [&b"\0\x09tides\0octet\0"[..], b"\0\x02\0octet\0", b"tide", &unfinished[..unfinished.len() - 1]] {
        refused(s, octets, 4).because(ILLEGAL)?;
    }
    let mut c = s.tftp()?;
    c.request(b"\0\x05\0\0ahoy\0")?;
    c.expect_silence(ms(30)).because("RFC 1350 §7: an ERROR is not acknowledged; two servers would go on for ever")?;
    expect_names(&folder, &[])
}

fn long_block(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350 §2: a block has 512 octets; larger ones must be agreed on (RFC 2348), and were not";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(BLOCK + 1));
    let mut c = begin(s, &name)?;
    c.send(&data(1, &octets))?;
    c.expect_error(4).because(WHY)?;
    expect_names(&folder, &[]).because(WHY)
}

fn stranger(s: &mut Scene) -> Outcome {
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(BLOCK + 12));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &octets[..BLOCK]).because(ACKED)?;
    let mut other = c.stranger()?;
    other.send(&data(2, b"nobody asked me"))?;
    other.expect_error(5).because(STRANGER)?;
    c.expect_silence(ms(20)).because(STRANGER)?;
    block(&mut c, 2, &octets[BLOCK..]).because(STRANGER)?;
    holds(&folder, &name, &octets).because(STRANGER)
}

/// The second one is there before the first is answered.
fn request_twice(s: &mut Scene) -> Outcome {
    const WHY: &str = "RFC 1350 §4: a request that was delayed and sent again must not begin two transfers";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(33));
    let mut c = s.tftp()?;
    s.hold()?;
    c.request(&wrq(&name))?;
    c.request(&wrq(&name))?;
    s.release()?;
    c.expect(&ack(0))?;
    c.expect_silence(ms(40)).because(WHY)?;
    block(&mut c, 1, &octets).because(WHY)?;
    holds(&folder, &name, &octets).because(WHY)
}

/// The second file is empty.
fn side_by_side(s: &mut Scene) -> Outcome {
    const WHY: &str = "every transfer has a port and a thread of its own: none waits for another";
    let folder = inbox(s)?;
    let (first, second, octets) = (name(s), name(s) + ".2", s.octets(BLOCK + 1));
    let mut silent = begin(s, &first)?;
    let mut c = begin(s, &second).because(WHY)?;
    block(&mut silent, 1, &octets[..BLOCK]).because(WHY)?;
    block(&mut c, 1, b"").because(WHY)?;
    block(&mut silent, 2, &octets[BLOCK..]).because(WHY)?;
    holds(&folder, &first, &octets).because(WHY)?;
    holds(&folder, &second, b"").because(WHY)
}

fn finishes(s: &mut Scene) -> Outcome {
    const WHY: &str =
        "signal(7): SIGTERM asks a process to end; what it has begun for others it may finish, within --grace";
    let (folder, name, octets) = (inbox(s)?, name(s), s.octets(BLOCK + 40));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &octets[..BLOCK]).because(ACKED)?;
    s.signal(Signal::SIGTERM)?;
    c.expect_silence(ms(30))?;
    block(&mut c, 2, &octets[BLOCK..]).because(WHY)?;
    s.expect_exit(0, Duration::from_secs(2)).because(WHY)?;
    holds(&folder, &name, &octets).because(WHY)
}

fn cut_off(s: &mut Scene) -> Outcome {
    let (folder, name) = (inbox(s)?, name(s));
    let mut c = begin(s, &name)?;
    block(&mut c, 1, &[b'~'; BLOCK])?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2)).because("signal(7): SIGTERM asks a process to end")?;
    expect_names(&folder, &[]).because(WHOLE)
}
