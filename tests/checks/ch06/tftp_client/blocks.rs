//! Blocks, one after another.

use super::*;

const END: &str = "RFC 1350 §6: a block of fewer than 512 octets is the last, and it may have none";

pub fn checks(program: Program) -> Program {
    program
        .check("keeps_every_octet", "the file has the blocks' octets, in order, and nothing else", keeps)
        .check("ends_with_an_empty_block", "after a full block there is another, if need be empty", even)
        .check("keeps_an_empty_file", "a file of no octets is a file", empty)
        .check("tells_what_came", "a summary says how much came", summary)
}

fn keeps(s: &mut Scene) -> Outcome {
    let (blocks, rest) = (s.rng.usize(2..5), s.rng.usize(1..BLOCK));
    let file = s.octets(blocks * BLOCK + rest);
    let (wanted, mut transfer) = asked(s, &[])?;
    transfer.serve(&file, BLOCK).because("RFC 1350 §6: each block is acknowledged before the next is sent")?;
    expect_kept(s, &wanted.name, &file).because("RFC 1350 §1: in mode octet, the octets of the file")
}

fn even(s: &mut Scene) -> Outcome {
    let file = s.octets(2 * BLOCK);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.serve(&file, BLOCK).because(END)?;
    expect_kept(s, &wanted.name, &file).because(END)
}

fn empty(s: &mut Scene) -> Outcome {
    let (wanted, mut transfer) = asked(s, &[])?;
    transfer.data(1, b"")?;
    transfer.expect_ack(1).because(END)?;
    expect_kept(s, &wanted.name, b"").because(END)
}

fn summary(s: &mut Scene) -> Outcome {
    let (blocks, rest) = (s.rng.usize(2..5), s.rng.usize(1..BLOCK));
    let file = s.octets(blocks * BLOCK + rest);
    let (wanted, mut transfer) = asked(s, &[])?;
    transfer.serve(&file, BLOCK)?;
    s.expect_exit(0, Duration::from_secs(5))?;
    let why = "a transfer that says nothing leaves the user to look for himself";
    let octets = netkata::human::count(file.len(), "octet");
    let wanted = [format!("{}: {octets} in {} blocks", wanted.name, blocks + 1), "0 resent".into()];
    let line = s.error_line()?;
    // Between them is the time that it took.
    match line.split(", ").collect::<Vec<_>>().as_slice() {
        [first, _, last] if [*first, *last] == wanted => Ok(()),
        [first, ..] => {
            Err(Failure::new(format!("`{}, …, {}`", wanted[0], wanted[1]), format!("`{first}, …`"))).because(why)
        }
        [] => Err(Failure::new("a line on standard error", "none")).because(why),
    }
}
