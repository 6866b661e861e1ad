//! A bad link, and a tap, between programs of others: nc, dig, curl, tftp-hpa, python3.

use crate::{PATIENCE, Test, ends, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch05::lossy_link::nc_and_python3", needs: "nc python3", run: nc_through_a_link },
    Test { name: "ch05::lossy_link::dig_asks_again", needs: "dig python3", run: dig_asks_again },
    Test { name: "ch05::lossy_link::dig_hears_a_stranger", needs: "dig python3", run: dig_hears_a_stranger },
    Test { name: "ch05::lossy_link::curl_and_tftpd", needs: "curl in.tftpd", run: curl_through_a_link },
    Test { name: "ch05::lossy_link::tftp_and_tftpd", needs: "tftp in.tftpd", run: tftp_through_loss },
    Test { name: "ch05::wiretap::dig_and_python3", needs: "dig python3", run: dig_is_overheard },
    Test { name: "ch05::wiretap::curl_and_tftpd", needs: "curl in.tftpd", run: curl_is_overheard },
];

/// Sends everything back.
const ECHO: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    octets, who = s.recvfrom(65535)
    s.sendto(octets, who)
";

/// Answers every DNS question with the address 192.0.2.7 (RFC 1035, section 4.1).
const NAMES: &str = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1], flush=True)
while True:
    q, who = s.recvfrom(65535)
    end = q.index(b'\\0', 12) + 5
    header = q[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0'
    s.sendto(header + q[12:end] + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4' + bytes([192, 0, 2, 7]), who)
";

/// A server in python3, and its port.
fn python(script: &str) -> Result<(Subject, String), Failure> {
    let server = theirs(&["python3", "-c", script])?;
    let port = server.stdout.line(PATIENCE).map_err(|_| Failure::new("a port", server.stderr.all()))?;
    Ok((server, port))
}

/// One of our relays in front of this port, and its own.
fn in_front_of(name: &str, port: &str, options: &[&str]) -> Result<(Subject, String), Failure> {
    let scheme = if name == "wiretap" { "udp://" } else { "" };
    let (listen, upstream) = (format!("{scheme}127.0.0.1:0"), format!("{scheme}127.0.0.1:{port}"));
    let relay = ours(name, &[&[listen.as_str(), upstream.as_str()], options].concat())?;
    let address = relay.announced()?;
    Ok((relay, address.rsplit(':').next().unwrap_or_default().to_string()))
}

/// Ends a link and compares its first line of statistics.
fn link_says(mut link: Subject, text: &str) -> Done {
    link.signal(Signal::SIGTERM)?;
    says(&link, text)?;
    ends(&mut link, 0)
}

fn nc_through_a_link() -> Done {
    let (_echo, port) = python(ECHO)?;
    let (link, port) = in_front_of("lossy_link", &port, &["-v", "--drop-nth", "up:2", "--repeat-nth", "down:1"])?;
    let mut nc = theirs(&["nc", "-u", "127.0.0.1", &port])?;
    nc.type_line("ahoy, harbour")?;
    says(&nc, "ahoy, harbour\nahoy, harbour\n")?;
    nc.type_line("is anybody there?")?;
    let dropped = link.stderr.contains("up #2 18 octets dropped\n", PATIENCE);
    dropped.map_err(|(said, _)| Failure::new("up #2 to be dropped", said))?;
    nc.type_line("low water")?;
    says(&nc, "low water\n")?;
    link_says(link, "up: 3 came, 1 dropped, ")
}

fn dig(port: &str) -> Result<Subject, Failure> {
    theirs(&["dig", "@127.0.0.1", "-p", port, "+tries=3", "+time=1", "+noedns", "+short", "harbour.example", "A"])
}

/// The question is lost, and then the answer to the second one.
fn dig_asks_again() -> Done {
    let (_names, port) = python(NAMES)?;
    let (link, port) = in_front_of("lossy_link", &port, &["--drop-nth", "up:1,down:1"])?;
    let mut dig = dig(&port)?;
    says(&dig, "192.0.2.7\n")?;
    ends(&mut dig, 0)?;
    link_says(link, "up: 3 came, 1 dropped, ")
}

/// dig does not take an answer from another port.
fn dig_hears_a_stranger() -> Done {
    let (_names, port) = python(NAMES)?;
    let (link, port) = in_front_of("lossy_link", &port, &["--foreign-nth", "down:1"])?;
    let mut dig = dig(&port)?;
    says(&dig, "192.0.2.7\n")?;
    ends(&mut dig, 0)?;
    link_says(link, "up: 2 came, 0 dropped, ")
}

fn dig_is_overheard() -> Done {
    let (_names, port) = python(NAMES)?;
    let (tap, port) = in_front_of("wiretap", &port, &[])?;
    let mut dig = dig(&port)?;
    ends(&mut dig, 0)?;
    says(&tap, "[perhaps DNS query A harbour.example]\n")?;
    says(&tap, "[perhaps DNS answer, 1 record, A harbour.example]\n")
}

/// Whether in.tftpd can be started: it changes into its folder for good, and takes another user's rights.
fn may_serve() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("skipped: in.tftpd has to be started by root");
    }
    root
}

/// A TFTP server for the files in this folder. It takes no port 0, so a port is looked for that is free.
fn tftpd(folder: &Path) -> Result<(Subject, String), Failure> {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = free.map_err(|e| Failure::new("a free port", e.to_string()))?;
    let (address, folder) = (free.to_string(), folder.display().to_string());
    let server = theirs(&["in.tftpd", "-L", "-u", "root", "-a", &address, "-T", "50000", "-s", &folder])?;
    let (until, entry) = (Instant::now() + PATIENCE, format!(":{:04X} 00000000:0000", free.port()));
    while Instant::now() < until {
        if fs::read_to_string("/proc/net/udp").unwrap_or_default().contains(&entry) {
            return Ok((server, free.port().to_string()));
        }
        std::thread::yield_now();
    }
    Err(Failure::new("in.tftpd to take its port", server.stderr.all()))
}

/// A folder with a file of so many octets, and these.
fn harbour(octets: usize) -> Result<(tempfile::TempDir, Vec<u8>), Failure> {
    let failed = |e: std::io::Error| Failure::new("a folder", e.to_string());
    let folder = tempfile::tempdir().map_err(failed)?;
    let data: Vec<u8> = (0..octets).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(folder.path().join("tides"), &data).map_err(failed)?;
    Ok((folder, data))
}

/// What the client has written is what the server had.
fn same(path: &Path, data: &[u8]) -> Done {
    let got = fs::read(path).map_err(|e| Failure::new("a file", e.to_string()))?;
    if got == data { Ok(()) } else { Err(Failure::octets(data, &got, "the file")) }
}

/// tftpd answers each request from a port of its own, and hears the client there.
fn curl_gets_it(port: &str, folder: &Path, data: &[u8]) -> Done {
    let file = folder.join("copy");
    let url = format!("tftp://127.0.0.1:{port}/tides");
    let mut curl = theirs(&["curl", "-sS", "--max-time", "9", "-o", &file.display().to_string(), &url])?;
    ends(&mut curl, 0)?;
    same(&file, data)
}

fn curl_through_a_link() -> Done {
    if !may_serve() {
        return Ok(());
    }
    let (folder, data) = harbour(300_000)?;
    let (_server, port) = tftpd(folder.path())?;
    let (link, port) = in_front_of("lossy_link", &port, &["--repeat-nth", "up:7", "--reorder-nth", "down:9"])?;
    curl_gets_it(&port, folder.path(), &data)?;
    link_says(link, "0 dropped, 1 repeated, ")
}

fn curl_is_overheard() -> Done {
    if !may_serve() {
        return Ok(());
    }
    let (folder, data) = harbour(1000)?;
    let (_server, port) = tftpd(folder.path())?;
    let (tap, port) = in_front_of("wiretap", &port, &[])?;
    curl_gets_it(&port, folder.path(), &data)?;
    for text in ["[TFTP RRQ tides octet ", "B (the server answers A from this port)\n", "[TFTP DATA 2, 488 octets]\n"] {
        says(&tap, text)?;
    }
    Ok(())
}

/// A fifth is lost in each direction. The server sends again after 50 ms.
fn tftp_through_loss() -> Done {
    if !may_serve() {
        return Ok(());
    }
    let (folder, data) = harbour(10_000)?;
    let (_server, port) = tftpd(folder.path())?;
    let faults = ["--drop", "20%", "--repeat", "10%", "--reorder", "10%", "--hold", "5ms", "--seed", "2"];
    let (link, port) = in_front_of("lossy_link", &port, &faults)?;
    let file = folder.path().join("copy");
    let get = ["-m", "binary", "-c", "get", "tides", &file.display().to_string()];
    let mut tftp = theirs(&[&["tftp", "127.0.0.1", &port], &get[..]].concat())?;
    ends(&mut tftp, 0)?;
    same(&file, &data)?;
    link_says(link, "up: ")
}
