//! Uploads over TFTP, and the folder that they go to.

use netkata_kit::prelude::*;
use netkata_kit::tftp::{TftpClient, ack, data, request};
use std::fs;
use std::path::Path;

/// Octets in a block (RFC 1350, section 2).
pub const BLOCK: usize = 512;

pub fn wrq(name: &str) -> Vec<u8> {
    request(2, name.as_bytes(), "octet", &[])
}

/// A folder for the uploads, given to the subject as `--root`.
pub fn inbox(s: &mut Scene) -> Outcome<std::path::PathBuf> {
    let folder = s.folder()?.join("inbox");
    fs::create_dir(&folder).map_err(|e| Failure::new("a folder", e.to_string()))?;
    s.option("--root", folder.display());
    Ok(folder)
}

/// A name that no file has, different each time.
pub fn name(s: &mut Scene) -> String {
    format!("{}.log", s.phrase().replace(' ', "-"))
}

/// A WRQ, and the ACK 0 that lets the client begin.
pub fn begin(s: &mut Scene, name: &str) -> Outcome<TftpClient> {
    let mut c = s.tftp()?;
    c.request(&wrq(name))?;
    c.expect(&ack(0)).because("RFC 1350 §4: an ACK with block number zero lets the writer begin")?;
    Ok(c)
}

/// A block and its ACK.
pub fn block(c: &mut TftpClient, number: u16, payload: &[u8]) -> Outcome {
    c.send(&data(number, payload))?;
    c.expect(&ack(number))
}

/// The whole file, block by block, with the block at its end that is not full.
pub fn send(c: &mut TftpClient, octets: &[u8]) -> Outcome {
    for (number, payload) in (1..).zip(octets.chunks(BLOCK)) {
        block(c, number, payload)?;
    }
    if octets.len().is_multiple_of(BLOCK) { block(c, (octets.len() / BLOCK + 1) as u16, b"") } else { Ok(()) }
}

/// A request that is answered by this ERROR, from a port of its own.
pub fn refused(s: &mut Scene, request: &[u8], code: u16) -> Outcome {
    let mut c = s.tftp()?;
    c.request(request)?;
    c.expect_error(code)
}

/// What is in the folder: nothing is waited for, since an answer has told that it should be so by now.
pub fn holds(folder: &Path, name: &str, octets: &[u8]) -> Outcome {
    match fs::read(folder.join(name)) {
        Ok(got) if got == octets => Ok(()),
        Ok(got) => {
            let same = got.iter().zip(octets).take_while(|(a, b)| a == b).count();
            let has = format!("{}, of which the first {same} are right", netkata::human::count(got.len(), "octet"));
            Err(Failure::new(format!("the file, {}", netkata::human::count(octets.len(), "octet")), has))
        }
        Err(e) => Err(Failure::new("the file under its name", netkata::error::cause_text(&e))),
    }
}

/// All names in the folder, in order.
pub fn names(folder: &Path) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::new("a folder", netkata::error::cause_text(&e)))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Waits until the folder holds these names and nothing else.
pub fn expect_names(folder: &Path, expected: &[&str]) -> Outcome {
    let until = Instant::now() + PATIENCE;
    loop {
        let names = names(folder)?;
        if names == expected {
            return Ok(());
        }
        if Instant::now() > until {
            let shown = if names.is_empty() { "none".into() } else { names.join(", ") };
            let wanted = if expected.is_empty() { "no file left in the folder".into() } else { expected.join(", ") };
            return Err(Failure::new(wanted, shown));
        }
        std::thread::sleep(ms(1));
    }
}
