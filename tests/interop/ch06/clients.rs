//! `tftp_client` and the servers of others: tftpd-hpa, dnsmasq, atftpd.

use super::public_folder::PublicFolder;
use crate::{PATIENCE, Test, ends, ours, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use nix::unistd::geteuid;
use std::fs;
use std::net::UdpSocket;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch06::tftp_client::tftpd_hpa", needs: "in.tftpd", run: from_tftpd_hpa },
    Test { name: "ch06::tftp_client::tftpd_hpa_past_65535", needs: "in.tftpd", run: past_65535 },
    Test { name: "ch06::tftp_client::tftpd_hpa_in_six", needs: "in.tftpd", run: over_ipv6 },
    Test { name: "ch06::tftp_client::dnsmasq", needs: "dnsmasq", run: from_dnsmasq },
    Test { name: "ch06::tftp_client::atftpd", needs: "atftpd", run: from_atftpd },
];

/// Around a block's end with and without options, many blocks, and none.
const SIZES: [usize; 7] = [0, 511, 512, 1427, 1428, 14_280, 75_352];
/// Plain RFC 1350, what the client asks for by itself, small blocks, windows.
const MANNERS: [&[&str]; 4] = [
    &["--no-options"],
    &[],
    &["--blksize", "512", "--timeout-option", "2"],
    &["--blksize", "1024", "--windowsize", "8"],
];

/// These servers put themselves into a folder and take another user's rights: that is for root.
pub(super) fn is_root(what: &str) -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("skipped: {what} has to be started by root");
    }
    root
}

/// Waits until a server has bound a UDP port: by proc(5), since none of them says it.
pub(super) fn ready(server: &Subject, port: u16) -> Done {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
        if tables.iter().flat_map(|table| table.lines()).any(|line| {
            line.split_ascii_whitespace().nth(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
        }) {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(Failure::new(format!("a server on port {port}"), format!("none; standard error: {}", server.stderr.all())))
}

/// A port that was free a moment ago.
pub(super) fn free_port(host: &str) -> Result<u16, Failure> {
    let port = UdpSocket::bind((host, 0)).and_then(|socket| socket.local_addr()).map(|address| address.port());
    port.map_err(|e| Failure::new("a free port", e.to_string()))
}

/// Every file in every manner, and one that is not there.
fn every_file(server: &str, from: &PublicFolder, manners: &[&[&str]]) -> Done {
    for size in SIZES {
        let (name, octets) = from.file(size)?;
        for manner in manners {
            let mut client =
                ours("tftp_client", &[&[format!("{server}/{name}").as_str(), "-o", "-"], *manner].concat())?;
            ends(&mut client, 0)?;
            if client.stderr.all().contains(" 0 resent\n") && is_same(&client, &octets) {
                continue;
            }
            return Err(Failure::new(format!("{size} octets by {manner:?}"), client.stderr.all()));
        }
    }
    let mut client = ours("tftp_client", &[&format!("{server}/ebb.txt")])?;
    ends(&mut client, 1)?;
    let told = client.stderr.contains(": file not found (1): \"", PATIENCE);
    told.map_err(|(said, _)| Failure::new("file not found", said))
}

/// The test files are ASCII.
fn is_same(client: &Subject, octets: &[u8]) -> bool {
    client.stdout.wait_for_end(PATIENCE);
    client.stdout.all().as_bytes() == octets
}

fn tftpd_hpa(host: &str, from: &PublicFolder) -> Result<(Subject, String), Failure> {
    let port = free_port(host)?;
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let server = theirs(&["in.tftpd", "-L", "--address", &address, "-s", &from.path()])?;
    ready(&server, port)?;
    Ok((server, address))
}

fn from_tftpd_hpa() -> Done {
    if !is_root("in.tftpd") {
        return Ok(());
    }
    let from = PublicFolder::new()?;
    let (_server, address) = tftpd_hpa("127.0.0.1", &from)?;
    every_file(&address, &from, &MANNERS)
}

/// One block after the other: 70,000 of them.
fn past_65535() -> Done {
    if !is_root("in.tftpd") {
        return Ok(());
    }
    let from = PublicFolder::new()?;
    let (_server, address) = tftpd_hpa("127.0.0.1", &from)?;
    let (name, octets) = from.file(8 * 70_000 + 3)?;
    let mut client = ours("tftp_client", &[&format!("{address}/{name}"), "-o", "-", "--blksize", "8"])?;
    ends(&mut client, 0)?;
    let said = client.stderr.all();
    let right = said.contains(": 560,003 octets in 70,001 blocks, ") && is_same(&client, &octets);
    if right { Ok(()) } else { Err(Failure::new("70,001 blocks", said)) }
}

fn over_ipv6() -> Done {
    if !is_root("in.tftpd") || UdpSocket::bind("[::1]:0").is_err() {
        return Ok(());
    }
    let from = PublicFolder::new()?;
    let (_server, address) = tftpd_hpa("::1", &from)?;
    every_file(&address, &from, &MANNERS[..1])
}

/// Its TFTP port is 69, whatever one says: so it gets an address of its own.
fn from_dnsmasq() -> Done {
    if !is_root("dnsmasq") {
        return Ok(());
    }
    let from = PublicFolder::new()?;
    let id = std::process::id();
    let host = format!("127.69.{}.{}", id >> 8 & 255, id & 255 | 1);
    let (root, listen) = (format!("--tftp-root={}", from.path()), format!("--listen-address={host}"));
    let server = theirs(&[
        "dnsmasq",
        "--no-daemon",
        "--conf-file=/dev/null",
        "--pid-file",
        "--port=0",
        "--user=root",
        "--bind-interfaces",
        "--enable-tftp",
        &root,
        &listen,
    ])?;
    ready(&server, 69)?;
    every_file(&host, &from, &MANNERS)
}

fn from_atftpd() -> Done {
    if !is_root("atftpd") {
        return Ok(());
    }
    let (from, port) = (PublicFolder::new()?, free_port("127.0.0.1")?);
    let options = ["--daemon", "--no-fork", "--user", "root.root", "--bind-address", "127.0.0.1", "--logfile", "-"];
    let place = ["--port", &port.to_string(), &from.path()];
    let server = theirs(&[&["atftpd"], &options[..], &place[..]].concat())?;
    ready(&server, port)?;
    every_file(&format!("127.0.0.1:{port}"), &from, &MANNERS)?;
    // It alone of the three knows windows.
    let (name, octets) = from.file(300_000)?;
    let mut client =
        ours("tftp_client", &[&format!("tftp://127.0.0.1:{port}/{name}"), "-o", "-", "--windowsize", "16"])?;
    ends(&mut client, 0)?;
    if is_same(&client, &octets) {
        return Ok(());
    }
    Err(Failure::new("300,000 octets in windows of 16 blocks", client.stderr.all()))
}
