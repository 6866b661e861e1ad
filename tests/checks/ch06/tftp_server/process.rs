//! The server as a process: its log, its arguments, its end.

use super::{put, serve, serve_folder};
use crate::checks::common::fails_with;
use netkata_kit::prelude::*;
use nix::sys::signal::Signal;

pub fn checks(program: Program) -> Program {
    program
        .check("logs_each_transfer", "the log tells what was asked for, and what was sent", logs)
        .finished_only()
        .check("names_what_it_cannot_serve", "a payload or a folder that is not there is named in one line", no_files)
        .finished_only()
        .check("finishes_what_it_began", "after SIGTERM, a transfer that runs may finish", finishes)
        .check("tells_those_it_cuts_off", "after --grace, the clients that are left get an ERROR", cuts_off)
        .check("counts_what_it_did", "at its end the server tells how many transfers there were", counts)
        .finished_only()
}

fn logs(s: &mut Scene) -> Outcome {
    let octets = s.octets(75_352);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    let client = c.address()?;
    c.ask("tides.txt")?;
    c.expect_blocks(1, &octets, 512)?;
    let why = "75,352 octets are 147 blocks of 512, and a last one of 88";
    for wanted in [": requested tides.txt (octet)", ": sent 148 blocks, 75,352 octets in "] {
        let line = s.error_line()?;
        if !line.starts_with(&format!("{client}{wanted}")) {
            let line = line.trim_start_matches(&client.to_string()).to_string();
            return Err(Failure::new(format!("a line `CLIENT{wanted}…`"), format!("`…{line}`"))).because(why);
        }
    }
    Ok(())
}

fn no_files(s: &mut Scene) -> Outcome {
    let nowhere = s.file("nowhere")?.display().to_string();
    let why = "a failure names the attempt and the cause, in one line on standard error";
    put(s, "file", b"tides")?;
    let file = s.file("file")?.display().to_string();
    for (option, path, cause) in [
        ("--payload", &nowhere, "no such file or directory"),
        ("--root", &nowhere, "no such file or directory"),
        ("--root", &file, "not a directory"),
    ] {
        s.run_with(&["127.0.0.1:0", option, path])?;
        fails_with(s, &format!("{path}: {cause}")).because(why)?;
    }
    Ok(())
}

fn finishes(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    serve(s, &octets, &[])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    s.signal(Signal::SIGTERM)?;
    s.expect_error("stopping")?;
    let why = "a stop is no reason to break a promise: what was begun is finished";
    c.expect_silence(ms(60)).because(why)?;
    c.ack(1)?;
    c.expect_blocks(2, &octets[512..], 512).because(why)?;
    s.expect_exit(0, Duration::from_secs(2))
        .because("with its last transfer gone, a stopping server has nothing to wait for")
}

fn cuts_off(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    serve(s, &octets, &["--grace", "80ms"])?;
    let mut c = s.tftp()?;
    c.ask("tides.txt")?;
    c.expect_data(1, &octets[..512])?;
    s.signal(Signal::SIGTERM)?;
    c.expect_error(0).because("a client that hears nothing waits for minutes; an ERROR tells it at once")?;
    s.expect_exit(0, Duration::from_secs(2))
}

/// One transfer that ends well, one that the client breaks off, one that is refused.
fn counts(s: &mut Scene) -> Outcome {
    let octets = s.octets(1300);
    put(s, "root/tides.bin", &octets)?;
    serve_folder(s, "root", &["--timeout", "50ms"])?;
    let mut c = s.tftp()?;
    c.ask("tides.bin")?;
    c.expect_data(1, &octets[..512])?;
    c.expect_data(1, &octets[..512])?;
    c.ack(1)?;
    c.expect_blocks(2, &octets[512..], 512)?;
    s.expect_error("sent 3 blocks")?;
    c.ask("tides.bin")?;
    c.expect_data(1, &octets[..512])?;
    c.send(&netkata_kit::tftp::error(0, "high tide"))?;
    s.expect_error("high tide")?;
    c.ask("low.bin")?;
    c.expect_error(1)?;
    s.signal(Signal::SIGTERM)?;
    s.expect_exit(0, Duration::from_secs(2))?;
    let said = s.subject()?.stderr.rest();
    let last = said.lines().last().unwrap_or_default();
    let wanted = "1 transfer finished, 1 failed, 1 refused; 3 blocks, 1,300 octets, ";
    if !last.starts_with(wanted) || !last.ends_with(" resent") || last.ends_with(" 0 resent") {
        return Err(Failure::new(
            format!("a last line `{wanted}N resent`"),
            format!("`{}`", last.split(" octets, ").next().unwrap_or_default()),
        ))
        .because("what was sent again is how a lossy link shows, long before anybody complains");
    }
    Ok(())
}
