//! The file on this side: whole, or not there.

use super::*;
use crate::checks::common::fails_with;
use nix::sys::signal::Signal;

const WHOLE: &str = "rename(2): a file gets its name in one step; whoever looks for it finds all of it, or none";

pub fn checks(program: Program) -> Program {
    program
        .check("keeps_the_last_part_of_the_name", "the file's name here is the last part of its name there", last_part)
        .check("has_no_name_before_the_end", "until the last block, nothing has the file's name", no_name)
        .check("leaves_nothing_half", "a transfer that fails leaves nothing behind", nothing_half)
        .check("leaves_nothing_on_ctrl_c", "Ctrl-C ends it with 130: the server is told, nothing is left", interrupted)
        .check("leaves_nothing_on_sigterm", "SIGTERM ends it with 143 in the same way", terminated)
        .check("replaces_a_file", "an existing file is replaced, and stays what it was until then", replaces)
        .check("leaves_a_file_alone", "with --no-clobber an existing file stays, and nobody is asked", no_clobber)
        .check("tells_a_full_disk", "what cannot be written is told to the server by ERROR 3", disk_full)
        .check("writes_to_standard_output", "-o - is standard output", standard_output)
        .check("tells_a_closed_output", "a reader that has gone is told to the server as well", closed_output)
        .check("compares_the_hash", "with --sha512-256, another file is thrown away", hash)
        .check("prints_the_hash", "--print-hash prints a line as sha512_256sum does", print_hash)
        .check("is_quiet", "--quiet says nothing, and without it a pipe gets one line", quiet)
        .check("shows_progress_at_a_terminal", "at a terminal, a bar shows how much has come", progress)
}

/// The client has one block of two.
fn half_way(s: &mut Scene) -> Outcome<(Wanted, Transfer, Vec<u8>)> {
    let file = s.octets(BLOCK + 9);
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    Ok((wanted, transfer, file))
}

fn last_part(s: &mut Scene) -> Outcome {
    s.inside_its_folder();
    let (name, words, mut server) = (file_name(s), s.phrase(), s.tftp_server()?);
    s.run_unseen(&[&format!("{server}/north/sea/{name}")])?;
    let why = "folders are the server's business: there are others here";
    let mut transfer = server.request().because(why)?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1)?;
    expect_kept(s, &name, words.as_bytes()).because(why)
}

fn no_name(s: &mut Scene) -> Outcome {
    let (wanted, mut transfer, file) = half_way(s)?;
    if names(s)?.contains(&wanted.name) {
        return Err(Failure::new(format!("no file {}", wanted.name), "half of it")).because(WHOLE);
    }
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_ack(2)?;
    expect_kept(s, &wanted.name, &file)
}

fn nothing_half(s: &mut Scene) -> Outcome {
    let (_, mut transfer, _) = half_way(s)?;
    transfer.error(0, b"out of ink")?;
    fails_with(s, "out of ink")?;
    expect_nothing_kept(s).because("half a file is worse than none: it looks like one")
}

fn ends_by(s: &mut Scene, signal: Signal, status: i32) -> Outcome {
    let (_, mut transfer, _) = half_way(s)?;
    s.signal(signal)?;
    transfer
        .expect_error(0)
        .because("RFC 1350 §7: who leaves says so; otherwise the server waits and repeats itself")?;
    s.expect_exit(status, Duration::from_secs(5)).because("signal(7): shells count 128 and the signal's number")?;
    expect_nothing_kept(s).because("half a file is worse than none: it looks like one")
}

fn interrupted(s: &mut Scene) -> Outcome {
    ends_by(s, Signal::SIGINT, 130)
}

fn terminated(s: &mut Scene) -> Outcome {
    ends_by(s, Signal::SIGTERM, 143)
}

/// Another file of this name is there before the client is started.
fn with_an_old_file(s: &mut Scene, options: &[&str]) -> Outcome<(String, TftpServer, String)> {
    let (name, old, server) = (file_name(s), s.phrase(), s.tftp_server()?);
    let path = s.file(&name)?;
    std::fs::write(path, &old).map_err(|e| Failure::new("a file", e.to_string()))?;
    s.journal.note(format!("{name} exists"));
    s.inside_its_folder();
    s.run_unseen(&[&[format!("{server}/{name}").as_str(), "--timeout", "10s"], options].concat())?;
    Ok((name, server, old))
}

fn replaces(s: &mut Scene) -> Outcome {
    let file = s.octets(BLOCK + 9);
    let (name, mut server, old) = with_an_old_file(s, &[])?;
    let mut transfer = server.request()?;
    transfer.data(1, &file[..BLOCK])?;
    transfer.expect_ack(1)?;
    expect_file(s, &name, old.as_bytes()).because(WHOLE)?;
    transfer.data(2, &file[BLOCK..])?;
    transfer.expect_ack(2)?;
    expect_kept(s, &name, &file)?;
    match names(s)?.len() {
        1 => Ok(()),
        n => Err(Failure::new("one file", netkata::human::count(n, "file"))),
    }
}

fn no_clobber(s: &mut Scene) -> Outcome {
    let (name, mut server, old) = with_an_old_file(s, &["--no-clobber"])?;
    fails_with(s, &format!("write {name}: file exists"))
        .because("a request that could only end in a refusal need not be made")?;
    server.expect_silence(ms(1))?;
    expect_file(s, &name, old.as_bytes())
}

/// On Linux, `/dev/full` is a disk without room (full(4)).
fn disk_full(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &["--timeout", "10s", "-o", "/dev/full"])?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_error(3).because("RFC 1350 §5: 3 is a full disk; an ACK would say that the block is safe")?;
    fails_with(s, "write /dev/full: no space left on device")
}

fn standard_output(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &["--timeout", "10s", "-o", "-"])?;
    transfer.data(1, words.as_bytes())?;
    transfer.expect_ack(1)?;
    s.expect_line(&words)?;
    s.expect_output_end()?;
    s.expect_exit(0, Duration::from_secs(5))?;
    expect_nothing_kept(s)
}

fn closed_output(s: &mut Scene) -> Outcome {
    let words = s.phrase();
    let (_, mut transfer) = asked(s, &["--timeout", "10s", "-o", "-"])?;
    s.close_output();
    transfer.data(1, words.as_bytes())?;
    transfer.expect_error(3).because("write(2), EPIPE: the reader has gone; the rest of the file is for nobody")?;
    fails_with(s, "write standard output: broken pipe")
}

fn hash(s: &mut Scene) -> Outcome {
    const ABC: &str = "53048E2681941EF99B2E29B76B4C7DABE4C2D0C634FC6D46E0E2F13107E7AF23";
    for (file, right) in [("abc", true), ("abd", false)] {
        let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--sha512-256", ABC])?;
        transfer.data(1, file.as_bytes())?;
        transfer.expect_ack(1)?;
        if right {
            expect_kept(s, &wanted.name, file.as_bytes())?;
            let path = s.file(&wanted.name)?;
            std::fs::remove_file(path).map_err(|e| Failure::new("a file that can be removed", e.to_string()))?;
        } else {
            fails_with(s, "its SHA-512/256 is ")
                .because("UDP's checksum has 16 bits, and a file may be wrong on the server already")?;
            expect_nothing_kept(s)?;
        }
    }
    Ok(())
}

fn print_hash(s: &mut Scene) -> Outcome {
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s", "--print-hash"])?;
    transfer.data(1, b"abc")?;
    transfer.expect_ack(1)?;
    s.expect_line(&format!("53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23  {}", wanted.name))?;
    s.expect_exit(0, Duration::from_secs(5))
}

fn quiet(s: &mut Scene) -> Outcome {
    let file = s.octets(3 * BLOCK + 9);
    for (options, lines) in [(&[][..], 1), (&["--quiet"][..], 0)] {
        let (_, mut transfer) = asked(s, options)?;
        transfer.serve(&file, BLOCK)?;
        s.expect_exit(0, Duration::from_secs(5))?;
        let said = s.subject()?.stderr.all();
        let count = said.split_inclusive(['\n', '\r']).count();
        if count != lines {
            return Err(Failure::new(netkata::human::count(lines, "line") + " on standard error", count.to_string()))
                .because("isatty(3): a progress bar is for a person at a terminal; in a pipe it is noise");
        }
    }
    Ok(())
}

fn progress(s: &mut Scene) -> Outcome {
    let file = s.octets(4 * BLOCK + 9);
    s.at_a_terminal();
    let (wanted, mut transfer) = asked(s, &["--timeout", "10s"])?;
    let size = file.len().to_string();
    transfer.oack(&[("tsize", &size)])?;
    transfer.expect_ack(0)?;
    transfer.serve(&file, BLOCK)?;
    expect_kept(s, &wanted.name, &file)?;
    if s.subject()?.stderr.all().contains("2.01 KiB of 2.01 KiB") {
        return Ok(());
    }
    Err(Failure::new("2.01 KiB of 2.01 KiB on standard error", "no such bar"))
        .because("isatty(3): a person at a terminal wants to know that it goes on, and for how long")
}
