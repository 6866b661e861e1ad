//! `tftp_server` and the clients of others: tftp-hpa, curl, atftp, and a few lines of python3 that know RFC 1350 and nothing else.

use super::files::{Done, Folder, SIZES, failed};
use crate::{PATIENCE, Test, ends, our_server, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;

pub const TESTS: &[Test] = &[
    Test { name: "ch06::tftp_server::tftp_hpa", needs: "tftp", run: || every_size(&hpa) },
    Test { name: "ch06::tftp_server::curl", needs: "curl", run: || every_size(&|f| curl(f, &["--tftp-no-options"])) },
    Test { name: "ch06::tftp_server::curl_asks_for_8192", needs: "curl", run: curl_asks },
    Test { name: "ch06::tftp_server::atftp", needs: "atftp", run: || every_size(&|fetch| atftp(fetch, &[])) },
    Test { name: "ch06::tftp_server::atftp_asks_for_1428", needs: "atftp", run: atftp_asks },
    Test { name: "ch06::tftp_server::atftp_asks_for_windows", needs: "atftp", run: atftp_windows },
    Test { name: "ch06::tftp_server::python3", needs: "python3", run: || every_size(&python) },
    Test { name: "ch06::tftp_server::file_not_found", needs: "tftp curl atftp", run: not_found },
    Test { name: "ch06::tftp_server::outside_of_the_root", needs: "tftp curl atftp", run: outside },
    Test { name: "ch06::tftp_server::netascii", needs: "tftp", run: netascii },
    Test { name: "ch06::tftp_server::one_payload", needs: "curl", run: payload },
    Test { name: "ch06::tftp_server::clients_side_by_side", needs: "tftp curl atftp python3", run: side_by_side },
];

/// What a client is to get, and where it is to put it.
struct Fetch<'a> {
    port: &'a str,
    name: &'a str,
    to: &'a str,
}

/// A server for the folder, on the port.
fn serving(folder: &Folder, options: &[&str]) -> Result<(Subject, String), Failure> {
    our_server("tftp_server", &[&["--root", folder.path()], options].concat())
}

fn hpa(Fetch { port, name, to }: &Fetch<'_>) -> Result<Subject, Failure> {
    theirs(&["tftp", "-m", "binary", "127.0.0.1", port, "-c", "get", name, to])
}

fn curl(Fetch { port, name, to }: &Fetch<'_>, options: &[&str]) -> Result<Subject, Failure> {
    let url = format!("tftp://127.0.0.1:{port}/{name}");
    theirs(&[&["curl", "-sS", "--path-as-is", "--max-time", "9", &url, "-o", to], options].concat())
}

fn atftp(Fetch { port, name, to }: &Fetch<'_>, options: &[&str]) -> Result<Subject, Failure> {
    theirs(&[&["atftp", "--get", "-r", name, "-l", to, "127.0.0.1", port], options].concat())
}

/// Lock-step without anything else, as short as it can be written.
fn python(Fetch { port, name, to }: &Fetch<'_>) -> Result<Subject, Failure> {
    const CLIENT: &str = r#"
import socket, struct, sys
port, name, to = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"\0\1" + name.encode() + b"\0octet\0", ("127.0.0.1", int(port)))
got, block, peer = b"", 0, None
while True:
    packet, sender = s.recvfrom(65536)
    peer = peer or sender
    assert sender == peer and sender[1] != int(port), "another port than the transfer's"
    opcode, number = struct.unpack(">HH", packet[:4])
    assert opcode == 3, packet
    s.sendto(struct.pack(">HH", 4, number), peer)
    if number == block + 1:
        block, got = number, got + packet[4:]
        if len(packet) < 516:
            break
open(to, "wb").write(got)
"#;
    theirs(&["python3", "-c", CLIENT, port, name, to])
}

/// A file of each size, one after the other, octet for octet.
fn every_size(client: &dyn Fn(&Fetch<'_>) -> Result<Subject, Failure>) -> Done {
    let folder = Folder::with_files()?;
    let (server, port) = serving(&folder, &[])?;
    for size in SIZES {
        one(&folder, &port, size, client)?;
        let blocks = netkata::human::count(size / 512 + 1, "block");
        logs(&server, &format!("sent {blocks}, {} in ", netkata::human::count(size, "octet")))?;
    }
    Ok(())
}

fn one(folder: &Folder, port: &str, size: usize, client: &dyn Fn(&Fetch<'_>) -> Result<Subject, Failure>) -> Done {
    let (name, to) = (Folder::name(size), folder.beside(&format!("got-{size}")));
    ends(&mut client(&Fetch { port, name: &name, to: &to })?, 0)?;
    folder.same(size, &to)
}

fn logs(server: &Subject, text: &str) -> Done {
    server.stderr.contains(text, PATIENCE).map_err(|(said, _)| Failure::new(format!("{text:?} in its log"), said))
}

/// Every option that curl knows: blksize, timeout, tsize. Not of the empty file: curl takes a tsize of 0 in an OACK for an error,
/// whoever sends it.
fn curl_asks() -> Done {
    let folder = Folder::with_files()?;
    let (server, port) = serving(&folder, &[])?;
    for size in SIZES.into_iter().filter(|size| *size > 0) {
        one(&folder, &port, size, &|fetch| curl(fetch, &["--tftp-blksize", "8192"]))?;
        let name = Folder::name(size);
        logs(&server, &format!("requested {name} (octet, blksize 8192, timeout "))?;
        logs(&server, &format!(", tsize {size})"))?;
    }
    Ok(())
}

fn atftp_asks() -> Done {
    let folder = Folder::with_files()?;
    let (server, port) = serving(&folder, &[])?;
    for size in SIZES {
        one(&folder, &port, size, &|fetch| atftp(fetch, &["--option", "blksize 1428"]))?;
        logs(&server, &format!("requested {} (octet, blksize 1428)", Folder::name(size)))?;
    }
    Ok(())
}

/// atftp knows RFC 7440 from version 0.8 on.
fn atftp_windows() -> Done {
    let folder = Folder::with_files()?;
    let (server, port) = serving(&folder, &[])?;
    for (size, window) in SIZES.into_iter().flat_map(|size| [(size, 2), (size, 16)]) {
        let asked = format!("windowsize {window}");
        one(&folder, &port, size, &|fetch| atftp(fetch, &["--option", "blksize 1428", "--option", &asked]))?;
        logs(&server, &format!("requested {} (octet, blksize 1428, {asked})", Folder::name(size)))?;
    }
    Ok(())
}

/// Each client understands the ERROR, and says so in its own way. tftp-hpa ends with 0 all the same.
fn refused(name: &str, code: u8, why: &str, curl_status: i32) -> Done {
    let folder = Folder::with_files()?;
    let (_server, port) = serving(&folder, &[])?;
    let to = folder.beside("got");
    let fetch = Fetch { port: &port, name, to: &to };
    let mut client = hpa(&fetch)?;
    ends(&mut client, 0)?;
    crate::says(&client, &format!("Error code {code}: {why}\n"))?;
    ends(&mut curl(&fetch, &[])?, curl_status)?;
    let mut client = atftp(&fetch, &[])?;
    ends(&mut client, 255)?;
    let said = format!("error received from server <{why}>");
    client.stderr.contains(&said, PATIENCE).map_err(|(got, _)| Failure::new(said, got)).map(drop)
}

/// 68: "File not found on TFTP server" (curl(1)).
fn not_found() -> Done {
    refused("no-such-chart", 1, "no such file", 68)
}

/// 69: "Permission problem on TFTP server" (curl(1)). There is such a file, beside the folder.
fn outside() -> Done {
    refused("../secret", 2, "no way leads upwards", 69)
}

fn netascii() -> Done {
    let folder = Folder::with_files()?;
    let (_server, port) = serving(&folder, &[])?;
    let to = folder.beside("got");
    let mut client = theirs(&["tftp", "-m", "ascii", "127.0.0.1", &port, "-c", "get", &Folder::name(513), &to])?;
    ends(&mut client, 0)?;
    crate::says(&client, "Error code 4: only mode octet (binary) is served\n")
}

/// The chapter's own figures: 75,352 octets are 148 blocks.
fn payload() -> Done {
    let folder = Folder::with_files()?;
    let file = folder.file(75_352);
    let (server, port) = our_server("tftp_server", &["--payload", &file])?;
    for name in ["tides.svg", "whatever"] {
        let to = folder.beside(name);
        ends(&mut curl(&Fetch { port: &port, name, to: &to }, &["--tftp-no-options"])?, 0)?;
        folder.same(75_352, &to)?;
        logs(&server, "sent 148 blocks, 75,352 octets in ")?;
    }
    Ok(())
}

/// Two of each at the same time.
fn side_by_side() -> Done {
    let folder = Folder::with_files()?;
    let (_server, port) = serving(&folder, &[])?;
    let (size, mut running) = (1 << 20, Vec::new());
    let name = Folder::name(size);
    for turn in 0..2 {
        let to = |client: &str| folder.beside(&format!("{client}-{turn}"));
        let places = [to("hpa"), to("curl"), to("atftp"), to("python")];
        let fetch = |i: usize| Fetch { port: &port, name: &name, to: &places[i] };
        running.extend([hpa(&fetch(0))?, curl(&fetch(1), &[])?, atftp(&fetch(2), &[])?, python(&fetch(3))?]);
    }
    running.iter_mut().try_for_each(|client| ends(client, 0))?;
    for (client, turn) in ["hpa", "curl", "atftp", "python"].into_iter().flat_map(|client| [(client, 0), (client, 1)]) {
        folder.same(size, folder.beside(&format!("{client}-{turn}"))).map_err(|e| failed(client, e))?;
    }
    Ok(())
}
