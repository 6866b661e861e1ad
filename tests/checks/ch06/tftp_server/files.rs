//! `--root`: files below a folder, and nothing above it.

use super::{put, serve_folder, unprepared};
use netkata_kit::prelude::*;
use netkata_kit::tftp;
use std::os::unix::fs::symlink;

const ABOVE: &str = "RFC 1350 §5, error 2: access violation; what is not below the folder was never meant to be served";

pub fn checks(program: Program) -> Program {
    program
        .check(
            "sends_the_file_that_was_asked_for",
            "with --root, the name is that of a file below the folder",
            asked_for,
        )
        .check("takes_other_spellings", "/name and dir\\name are below the folder, too", spellings)
        .check("takes_any_octets_for_a_name", "a name is octets: it need not be UTF-8", any_octets)
        .check("knows_no_such_file", "a file that is not there gets ERROR 1", no_such_file)
        .check("leads_nowhere_upwards", "`..` gets ERROR 2, however it is written", upwards)
        .check("follows_no_link_out", "a symbolic link that leaves the folder gets ERROR 2", link_out)
        .check("follows_a_link_inside", "a symbolic link that stays inside is followed", link_inside)
        .check("sends_no_folder", "a folder gets ERROR 2", no_folder)
        .check("waits_for_no_fifo", "a FIFO gets ERROR 2, and holds nobody up", no_fifo)
        .check(
            "tells_of_a_file_that_was_cut",
            "a file that becomes shorter ends in an ERROR, not in a short block",
            cut,
        )
        .check(
            "tells_of_a_file_that_changed",
            "a file that is written to ends in an ERROR, not half old and half new",
            changed,
        )
        .check("keeps_names_on_their_line", "a name in the log cannot move the cursor or begin a line", names)
        .finished_only()
}

fn asked_for(s: &mut Scene) -> Outcome {
    let (low, high) = (s.octets(700), s.octets(700));
    put(s, "root/tides/low.bin", &low)?;
    put(s, "root/high.bin", &high)?;
    serve_folder(s, "root", &[])?;
    for (name, octets) in [("tides/low.bin", &low), ("high.bin", &high)] {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_blocks(1, octets, 512)
            .because("RFC 1350 §5: the filename is what the server makes of it: here, a path")?;
    }
    Ok(())
}

fn spellings(s: &mut Scene) -> Outcome {
    let octets = s.octets(100);
    put(s, "root/tides/low.bin", &octets)?;
    serve_folder(s, "root", &[])?;
    for name in ["/tides/low.bin", "//tides//low.bin", "./tides/./low.bin", "tides\\low.bin", "\\tides\\low.bin"] {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_blocks(1, &octets, 512).because(
            "clients send the path of their own system; what it means is for the server to say (RFC 1350 §5)",
        )?;
    }
    Ok(())
}

fn any_octets(s: &mut Scene) -> Outcome {
    use std::os::unix::ffi::OsStrExt;
    let octets = s.octets(100);
    serve_folder(s, "root", &[])?;
    let name = b"Ebbe \xfcber Gr\xf6de";
    let path = s.file("root")?.join(std::ffi::OsStr::from_bytes(name));
    if std::fs::write(path, &octets).is_err() {
        // Some systems have UTF-8 names only.
        return Ok(());
    }
    let mut c = s.tftp()?;
    c.request(&tftp::request(1, name, "octet", &[]))?;
    c.expect_blocks(1, &octets, 512).because("path_resolution(7): a name is any octets but `/` and NUL")
}

fn no_such_file(s: &mut Scene) -> Outcome {
    put(s, "root/low.bin", b"low")?;
    serve_folder(s, "root", &[])?;
    let long = "x".repeat(300);
    for name in ["high.bin", "tides/low.bin", "low.bin/high", &long] {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_error(1).because("RFC 1350 §5, error 1: file not found")?;
    }
    Ok(())
}

fn upwards(s: &mut Scene) -> Outcome {
    put(s, "secret", b"not yours")?;
    put(s, "root/tides/low.bin", b"low")?;
    serve_folder(s, "root", &[])?;
    let absolute = format!("/..{}", s.file("secret")?.display());
    for name in
        ["../secret", "/../secret", "tides/../../secret", "..\\secret", "tides\\..\\..\\secret", "..", &absolute]
    {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_error(2).because(ABOVE)?;
    }
    Ok(())
}

fn link_out(s: &mut Scene) -> Outcome {
    put(s, "secret/plan", b"not yours")?;
    serve_folder(s, "root", &[])?;
    let (root, secret) = (s.file("root")?, s.file("secret")?);
    for (to, name) in [(secret.join("plan"), "absolute"), ("../secret/plan".into(), "relative"), (secret, "folder")] {
        symlink(to, root.join(name)).map_err(|e| unprepared(&e))?;
    }
    for name in ["absolute", "relative", "folder/plan"] {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_error(2).because(ABOVE)?;
    }
    Ok(())
}

fn link_inside(s: &mut Scene) -> Outcome {
    let octets = s.octets(100);
    put(s, "root/2026/low.bin", &octets)?;
    serve_folder(s, "root", &[])?;
    let root = s.file("root")?;
    symlink("2026", root.join("today")).map_err(|e| unprepared(&e))?;
    let mut c = s.tftp()?;
    c.ask("today/low.bin")?;
    c.expect_blocks(1, &octets, 512)
        .because("openat2(2), RESOLVE_BENEATH: links are followed as long as they stay below")
}

fn no_folder(s: &mut Scene) -> Outcome {
    put(s, "root/tides/low.bin", b"low")?;
    serve_folder(s, "root", &[])?;
    for name in ["tides", "tides/", "/", "."] {
        let mut c = s.tftp()?;
        c.ask(name)?;
        c.expect_error(2)
            .because("open(2) opens a folder; only read(2) refuses, when a size may have been promised")?;
    }
    Ok(())
}

fn no_fifo(s: &mut Scene) -> Outcome {
    serve_folder(s, "root", &[])?;
    let path = s.file("root/tide_pipe")?;
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).map_err(|e| unprepared(&e.into()))?;
    let mut c = s.tftp()?;
    c.ask("tide_pipe")?;
    c.expect_error(2).because("fifo(7): open(2) waits until somebody opens the other end, unless O_NONBLOCK is given")
}

const WHOLE: &str = "a short block says `that was all`: only an ERROR can say that it was not";

/// The file is longer than any server reads ahead.
fn cut(s: &mut Scene) -> Outcome {
    let octets = s.octets(800_000);
    put(s, "root/tides.bin", &octets)?;
    serve_folder(s, "root", &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.bin", &[("blksize", "8000")])?;
    c.expect_oack(&[("blksize", "8000")])?;
    c.ack(0)?;
    c.expect_data(1, &octets[..8000])?;
    let file = std::fs::File::options().write(true).open(s.file("root/tides.bin")?);
    file.and_then(|file| file.set_len(20_000)).map_err(|e| unprepared(&e))?;
    s.journal.note("the file is cut to 20,000 octets");
    expect_an_error_in_time(&mut c, &octets, 8000)
}

/// Every octet becomes another one, and the size stays.
fn changed(s: &mut Scene) -> Outcome {
    let octets = s.octets(20_000);
    put(s, "root/tides.bin", &octets)?;
    serve_folder(s, "root", &[])?;
    let mut c = s.tftp()?;
    c.ask_for("tides.bin", &[("blksize", "8000")])?;
    c.expect_oack(&[("blksize", "8000")])?;
    c.ack(0)?;
    c.expect_data(1, &octets[..8000])?;
    // A file's times are those of the kernel's last tick.
    std::thread::sleep(ms(20));
    let other: Vec<u8> = octets.iter().map(|octet| !octet).collect();
    put(s, "root/tides.bin", &other)?;
    s.journal.note("the file is written anew");
    expect_an_error_in_time(&mut c, &octets, 8000)
}

/// Acknowledges whole blocks from the first on, until an ERROR comes. A short block is too late.
fn expect_an_error_in_time(c: &mut tftp::TftpClient, octets: &[u8], blksize: usize) -> Outcome {
    for block in 1..=u16::try_from(octets.len() / blksize + 1).unwrap_or(u16::MAX) {
        c.ack(block)?;
        match c.receive()? {
            packet if tftp::error_code(&packet).is_some() => return Ok(()),
            packet if packet.len() < 4 + blksize => break,
            _ => {}
        }
    }
    Err(Failure::new("an ERROR before the last block", "a last block, as if all were well")).because(WHOLE)
}

fn names(s: &mut Scene) -> Outcome {
    serve_folder(s, "root", &[])?;
    let mut c = s.tftp()?;
    c.request(&tftp::request(1, b"tides\x1b[2J\n127.0.0.1: sent", "octet", &[]))?;
    c.expect_error(1)?;
    let line = s.error_line()?;
    if line.contains(|c: char| c.is_control()) || !line.contains("tides") || !line.ends_with("no such file") {
        return Err(Failure::new("one line with the name, escaped", format!("{line:?}")))
            .because("a log is read at a terminal, and a name comes from anybody");
    }
    Ok(())
}
