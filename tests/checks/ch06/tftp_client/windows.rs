//! Several blocks for each ACK.

use super::*;

const WINDOW: &str = "RFC 7440 §4: the receiver acknowledges the last block of a window, and with it those before";
const GAP: &str = "RFC 7440 §4: when a block is missing, the ACK of the last one in order makes the sender go back";
const BLOCKS: usize = 16;

pub fn checks(program: Program) -> Program {
    program
        .check("one_ack_for_a_window", "a window of blocks gets one ACK, for its last block", one_ack)
        .check("a_short_window_ends_it", "the last block of all is acknowledged, wherever in the window", short_end)
        .check("keeps_half_a_window", "when the rest of a window does not come, what came is acknowledged", half)
        .check("tells_a_gap_once", "for a missing block, the last one in order is acknowledged, once", gap)
        .check("counts_from_its_last_ack", "after a gap, a window begins with the block that was missing", after_a_gap)
        .check("a_late_block_moves_no_window", "a late copy in a window changes nothing", late)
        .check("goes_on_after_65535", "after block 65,535 comes block 0", wraps)
}

/// A transfer of blocks of 16 octets, four for each ACK.
fn windowed(s: &mut Scene, timeout: &str) -> Outcome<(Wanted, Transfer)> {
    let options = ["--blksize", "16", "--windowsize", "4", "--timeout", timeout, "--dally", "0"];
    let (wanted, mut transfer) = asked(s, &options)?;
    transfer.oack(&[("blksize", "16"), ("windowsize", "4")])?;
    transfer.expect_ack(0)?;
    Ok((wanted, transfer))
}

/// These blocks of the file.
fn send(transfer: &mut Transfer, file: &[u8], blocks: std::ops::RangeInclusive<usize>) -> Outcome {
    for block in blocks {
        transfer.data(block as u16, &file[(block - 1) * BLOCKS..file.len().min(block * BLOCKS)])?;
    }
    Ok(())
}

fn one_ack(s: &mut Scene) -> Outcome {
    let file = s.octets(7 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "10s")?;
    send(&mut transfer, &file, 1..=3)?;
    transfer.expect_silence(ms(30)).because(WINDOW)?;
    send(&mut transfer, &file, 4..=4)?;
    transfer.expect_ack(4).because(WINDOW)?;
    send(&mut transfer, &file, 5..=8)?;
    transfer.expect_ack(8).because(WINDOW)?;
    expect_kept(s, &wanted.name, &file)
}

fn short_end(s: &mut Scene) -> Outcome {
    let file = s.octets(5 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "10s")?;
    send(&mut transfer, &file, 1..=4)?;
    transfer.expect_ack(4)?;
    send(&mut transfer, &file, 5..=6)?;
    transfer.expect_ack(6).because("RFC 7440 §4: a window that the file's end cuts short is acknowledged at once")?;
    expect_kept(s, &wanted.name, &file)
}

/// Block 2 is lost: 3 and 4 say so, and one ACK is enough.
fn gap(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "10s")?;
    send(&mut transfer, &file, 1..=1)?;
    send(&mut transfer, &file, 3..=4)?;
    transfer.expect_ack(1).because(GAP)?;
    transfer.expect_silence(ms(30)).because("RFC 1123 §4.2.3.1: an ACK too many brings a window too many")?;
    send(&mut transfer, &file, 2..=4)?;
    transfer.expect_ack(4)?;
    expect_kept(s, &wanted.name, &file).because(GAP)
}

fn after_a_gap(s: &mut Scene) -> Outcome {
    let file = s.octets(8 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "10s")?;
    send(&mut transfer, &file, 1..=2)?;
    send(&mut transfer, &file, 4..=4)?;
    transfer.expect_ack(2).because(GAP)?;
    send(&mut transfer, &file, 3..=5)?;
    transfer.expect_silence(ms(30)).because("RFC 7440 §4: the next window begins after the block of the last ACK")?;
    send(&mut transfer, &file, 6..=6)?;
    transfer.expect_ack(6)?;
    send(&mut transfer, &file, 7..=9)?;
    transfer.expect_ack(9)?;
    expect_kept(s, &wanted.name, &file)
}

fn half(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "60ms")?;
    send(&mut transfer, &file, 1..=2)?;
    transfer.expect_ack(2).because("RFC 7440 §4: a receiver that waited too long acknowledges what came in order")?;
    send(&mut transfer, &file, 3..=4)?;
    transfer.expect_ack(4)?;
    expect_kept(s, &wanted.name, &file)
}

fn late(s: &mut Scene) -> Outcome {
    let file = s.octets(8 * BLOCKS + 5);
    let (wanted, mut transfer) = windowed(s, "10s")?;
    send(&mut transfer, &file, 1..=4)?;
    transfer.expect_ack(4)?;
    send(&mut transfer, &file, 5..=6)?;
    send(&mut transfer, &file, 3..=3)?;
    send(&mut transfer, &file, 7..=8)?;
    transfer.expect_ack(8).because(WINDOW)?;
    send(&mut transfer, &file, 9..=9)?;
    transfer.expect_ack(9)?;
    expect_kept(s, &wanted.name, &file)
}

/// Windows make it quick: 65,540 blocks of 8 octets are half a mebibyte.
fn wraps(s: &mut Scene) -> Outcome {
    const WINDOW: usize = 128;
    let file = s.octets(8 * 65_540 + 3);
    let window = WINDOW.to_string();
    let (wanted, mut transfer) = asked(s, &["--blksize", "8", "--windowsize", &window, "--timeout", "10s"])?;
    transfer.oack(&[("blksize", "8"), ("windowsize", &window)])?;
    transfer.expect_ack(0)?;
    s.journal.note("65,541 blocks of 8 octets, 128 for each ACK");
    let last = file.len() / 8 + 1;
    for (i, payload) in netkata_kit::tftp_server::blocks(&file, 8).enumerate() {
        let number = i + 1;
        transfer.data_unseen(number as u16, payload)?;
        if number % WINDOW == 0 || number == last {
            transfer.expect_ack_unseen(number as u16).because(
                "block numbers have sixteen bits; most peers go on with 0, and a file of 33,553,920 octets needs it",
            )?;
        }
    }
    expect_kept(s, &wanted.name, &file)
}
