//! What is agreed on before the first block.

use super::*;
use crate::checks::common::fails_with;
use netkata::tftp::Options;

const REFUSED: &str = "RFC 2347: what cannot be agreed on ends in an ERROR with code 8";

pub fn checks(program: Program) -> Program {
    program
        .check("takes_what_is_granted", "the OACK is acknowledged as block 0, and what it grants holds", granted)
        .check("goes_on_without_an_oack", "a server that knows no options sends block 1, and RFC 1350 holds", ignored)
        .check("acknowledges_an_oack_again", "when the OACK comes again, so does the ACK of block 0", oack_again)
        .check("refuses_what_it_did_not_ask_for", "an option that was not asked for is refused with ERROR 8", unasked)
        .check("refuses_more_than_it_asked_for", "so is a larger block, a larger window, another timeout", more)
        .check("refuses_nonsense", "so is a value that an option cannot have", nonsense)
        .check("asks_again_without", "when ERROR 8 refuses the options, it asks once more without them", without)
        .check("refuses_a_longer_block", "a block longer than agreed gets ERROR 4", longer)
        .check("refuses_a_file_without_room", "a size for which there is no room gets ERROR 3", no_room)
        .check("limits_the_size_told", "a size beyond --max-size gets ERROR 3, before the first block", max_told)
        .check("limits_the_size", "a file that grows beyond --max-size gets ERROR 3", max_seen)
        .check("expects_the_size_told", "a file that is shorter or longer than the server told is not kept", lies)
}

fn granted(s: &mut Scene) -> Outcome {
    let size = s.rng.usize(64..200);
    let file = s.octets(2 * size + 5);
    let (size_text, file_size) = (size.to_string(), file.len().to_string());
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--blksize", "1000"])?;
    transfer.oack(&[("blksize", &size_text), ("tsize", &file_size)])?;
    transfer.expect_ack(0).because("RFC 2347: an OACK is answered by an ACK of block 0")?;
    transfer
        .serve(&file, size)
        .because("RFC 2348: the server may grant fewer octets than were asked for; then that is the size")?;
    expect_kept(s, &wanted.name, &file)
}

fn ignored(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--blksize", "1000", "--windowsize", "4"])?;
    transfer.serve(&file, BLOCK).because("RFC 2347: a server that knows no options answers as if there were none")?;
    expect_kept(s, &wanted.name, &file)
}

fn oack_again(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--dally", "0"])?;
    for _ in 0..2 {
        transfer.oack(&[("blksize", "1428")])?;
        transfer.expect_ack(0).because("RFC 2347: an OACK that comes again was not heard to be acknowledged")?;
    }
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1)?;
    expect_kept(s, &wanted.name, words.as_bytes())
}

/// Each of these answers ends the transfer with ERROR 8.
fn refuses(s: &mut Scene, options: &[&str], grants: &[(&'static str, &str)], named: &str) -> Outcome {
    let (_, mut transfer) = asked(s, &[&["--timeout", "10s"], options].concat())?;
    transfer.oack(grants)?;
    transfer.expect_error(8).because(REFUSED)?;
    fails_with(s, named).because(REFUSED)
}

fn unasked(s: &mut Scene) -> Outcome {
    refuses(s, &[], &[("windowsize", "4")], "windowsize, which was not asked for")?;
    refuses(s, &[], &[("tsize", "4"), ("rollover", "0")], "rollover, which was not asked for")
}

fn more(s: &mut Scene) -> Outcome {
    refuses(s, &["--blksize", "1000"], &[("blksize", "1001")], "blksize 1001, more than was asked for")?;
    refuses(s, &["--windowsize", "4"], &[("windowsize", "5")], "windowsize 5, more than was asked for")?;
    refuses(s, &["--timeout-option", "3"], &[("timeout", "4")], "timeout 4, which is not what was asked for")
}

fn nonsense(s: &mut Scene) -> Outcome {
    refuses(s, &[], &[("blksize", "7")], "option blksize cannot be \"7\"")?;
    refuses(s, &[], &[("tsize", "-1")], "option tsize cannot be \"-1\"")?;
    refuses(s, &[], &[("tsize", "12"), ("tsize", "12")], "option tsize is there twice")
}

fn without(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (mut wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.error(8, b"no options here")?;
    let why = "RFC 2347: a client whose options are refused may ask again without";
    let mut again = wanted.server.expect_request(&wanted.name, &Options::default()).because(why)?;
    if again.client() == transfer.client() {
        return Err(Failure::new("a request from another port", "the same port")).because(
            "RFC 1350 §4: a port is a transfer; what is still on its way for the first is no part of the second",
        );
    }
    again.data(1, words.as_bytes())?;
    again.expect_ack(1)?;
    expect_kept(s, &wanted.name, words.as_bytes())
}

fn longer(s: &mut Scene) -> Outcome {
    for (grants, size) in [(&[][..], 513), (&[("blksize", "100")][..], 101)] {
        let block = s.octets(size);
        let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
        if !grants.is_empty() {
            transfer.oack(grants)?;
            transfer.expect_ack(0)?;
        }
        transfer.data(1, &block)?;
        transfer.expect_error(4).because("RFC 1350 §5: a block has 512 octets at most, or what RFC 2348 agreed on")?;
        fails_with(s, &format!("block 1 has {size} octets"))?;
    }
    Ok(())
}

fn no_room(s: &mut Scene) -> Outcome {
    let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.oack(&[("tsize", "9000000000000000000")])?;
    transfer
        .expect_error(3)
        .because("RFC 2349: if the file is too large for the client, it ends the transfer with code 3")?;
    fails_with(s, "there is room for")
}

fn max_told(s: &mut Scene) -> Outcome {
    let (_, mut transfer) = asked(s, &["--timeout", "10s", "--max-size", "1000"])?;
    transfer.oack(&[("tsize", "1001")])?;
    transfer
        .expect_error(3)
        .because("RFC 2349: if the file is too large for the client, it ends the transfer with code 3")?;
    fails_with(s, "1001 octets; --max-size is 1000")
}

fn max_seen(s: &mut Scene) -> Outcome {
    let file = s.octets(2 * BLOCK);
    let (_, mut transfer) = asked(s, &["--timeout", "10s", "--max-size", "1000"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_error(3).because("a server that tells no size need never end: block numbers wrap")?;
    fails_with(s, "more than 1000 octets")
}

fn lies(s: &mut Scene) -> Outcome {
    for told in ["8", "10"] {
        let block = s.octets(9);
        let (_, mut transfer) = asked(s, &["--timeout", "10s"])?;
        transfer.oack(&[("tsize", told)])?;
        transfer.expect_ack(0)?;
        transfer.data(1, &block)?;
        transfer
            .expect_error(4)
            .because("RFC 2349: tsize is the size of the file; who gets another has another file")?;
        fails_with(s, &format!("9 octets came; the server had told {told}"))?;
    }
    Ok(())
}
