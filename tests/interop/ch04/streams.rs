//! Streams in pieces of any size: nc on both sides, nginx and python3 for HTTP.

use crate::{Test, ends, our_server, ours, port_of, says, theirs};
use netkata_kit::Failure;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::read_chunks::nc_serves", needs: "nc", run: read_chunks_reads_nc },
    Test { name: "ch04::read_chunks::nc_and_gzip_read", needs: "nc", run: gzip_agrees_with_read_chunks },
    Test { name: "ch04::word_scanner::nc_serves", needs: "nc", run: word_scanner_reads_nc },
    Test { name: "ch04::word_scanner::nc_connects", needs: "nc", run: nc_talks_to_word_scanner },
    Test { name: "ch04::retry_write::nc_listens", needs: "nc", run: retry_write_greets_nc },
    Test { name: "ch04::retry_write::nc_is_stopped", needs: "nc", run: retry_write_waits_for_nc },
    Test { name: "ch04::tcp_ping::nc_listens", needs: "nc", run: tcp_ping_sees_nc },
    Test { name: "ch04::head_client::nginx", needs: "nginx", run: head_of_nginx },
    Test { name: "ch04::head_client::python3", needs: "python3", run: head_of_python },
];

/// Octets that do not repeat for a while.
fn octets(n: u32) -> Vec<u8> {
    (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn io_failure(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::new(what, e.to_string())
}

fn read_chunks_reads_nc() -> Done {
    let mut nc = theirs(&["nc", "-lN", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut reader = ours("read_chunks", &[&format!("127.0.0.1:{port}"), "--buffer", "1000"])?;
    nc.type_octets(&octets(123_456))?;
    nc.end_input();
    ends(&mut reader, 0)?;
    says(&reader, "\n123,456 octets in ")?;
    says(&reader, "filled the buffer of 1,000\n")
}

/// gzip ends its output with the CRC-32 of what it was given, and the size (RFC 1952).
fn gzip_agrees_with_read_chunks() -> Done {
    let (server, port) = our_server("read_chunks", &["--serve", "--octets", "3MiB", "--seed", "7"])?;
    let script = format!("nc -d 127.0.0.1 {port} | gzip -c | tail -c 8 | od -An -tx4 --endian=little");
    let output = Command::new("sh").args(["-c", &script]).output().map_err(io_failure("a shell"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some((crc, "00300000")) = text.trim().split_once(' ') else {
        return Err(Failure::new("3 MiB", text));
    };
    server
        .stderr
        .contains(&format!("crc-32 {crc}\n"), crate::PATIENCE)
        .map_err(|(said, _)| Failure::new(format!("crc-32 {crc}"), said))
}

fn word_scanner_reads_nc() -> Done {
    let mut nc = theirs(&["nc", "-lN", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut scanner = ours("word_scanner", &[&format!("127.0.0.1:{port}")])?;
    nc.type_octets("Möwe, two\u{a0}fathoms".as_bytes())?;
    says(&scanner, "Möwe,\ntwo\n")?;
    nc.end_input();
    ends(&mut scanner, 0)?;
    says(&scanner, "fathoms\n")
}

fn nc_talks_to_word_scanner() -> Done {
    let (mut scanner, port) = our_server("word_scanner", &["--listen"])?;
    let mut nc = theirs(&["nc", "-N", "127.0.0.1", &port])?;
    nc.type_line("any berth free?")?;
    says(&scanner, "any\nberth\nfree?\n")?;
    nc.end_input();
    ends(&mut scanner, 0)?;
    ends(&mut nc, 0)
}

fn retry_write_greets_nc() -> Done {
    let mut nc = theirs(&["nc", "-lN", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut writer = ours("retry_write", &[&format!("127.0.0.1:{port}")])?;
    says(&nc, "ahoy, harbour\n")?;
    nc.end_input();
    ends(&mut writer, 0)?;
    ends(&mut nc, 0)
}

/// nc is stopped, as by Ctrl-Z, until the writer has said that it waits.
fn retry_write_waits_for_nc() -> Done {
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    let file = folder.path().join("heard");
    let mut nc = theirs(&["sh", "-c", &format!("exec nc -lN 127.0.0.1 0 >'{}'", file.display())])?;
    let port = port_of(&nc)?;
    nc.hold()?;
    let octets = octets(20 << 20);
    let options = ["--stdin", "--timeout", "100ms", "--pause", "100ms", "--attempts", "50"];
    let mut writer = ours("retry_write", &[&[format!("127.0.0.1:{port}").as_str()], &options[..]].concat())?;
    writer.type_octets(&octets)?;
    writer.end_input();
    let waits = writer.stderr.contains("temporary error: timed out", crate::PATIENCE);
    waits.map_err(|(said, _)| Failure::new("a temporary error", said))?;
    nc.release()?;
    ends(&mut writer, 0)?;
    nc.end_input();
    ends(&mut nc, 0)?;
    let heard = fs::read(&file).map_err(io_failure("what nc has heard"))?;
    if heard == octets { Ok(()) } else { Err(Failure::octets(&octets, &heard, "nc ended")) }
}

fn tcp_ping_sees_nc() -> Done {
    let nc = theirs(&["nc", "-lk", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut ping = ours("tcp_ping", &[&format!("127.0.0.1:{port}"), "-c", "4", "-i", "20ms"])?;
    ends(&mut ping, 0)?;
    says(&ping, &format!("--- 127.0.0.1:{port} ---\n4 sent, 4 connected\nmin/avg/max "))
}

fn head_of_nginx() -> Done {
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    let nginx = nginx(folder.path())?;
    let port = port_of(&nginx)?;
    for how in ["hand", "library"] {
        let address = format!("127.0.0.1:{port}");
        let mut client = ours("head_client", &[&address, "--path", "/tides.txt", "--read", how])?;
        ends(&mut client, 0)?;
        says(&client, "HTTP/1.1 200 OK\nServer: nginx")?;
        says(&client, "\nContent-Length: 19\n")?;
    }
    let mut lost = ours("head_client", &[&format!("127.0.0.1:{port}"), "--path", "/ebb.txt"])?;
    ends(&mut lost, 0)?;
    says(&lost, "HTTP/1.1 404 Not Found\n")
}

/// An nginx of its own, in this folder alone. It cannot be told to take any free port, so one is looked for.
fn nginx(folder: &Path) -> Result<netkata_kit::subject::Subject, Failure> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.map_err(io_failure("a port"))?;
    let at = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {at}/{name};"))
        .join("\n  ");
    let text = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n  \
         {temporary}\n  server {{ listen {address}; root {at}/pages; }}\n}}\n"
    );
    fs::create_dir(folder.join("pages")).map_err(io_failure("a folder"))?;
    fs::write(folder.join("pages/tides.txt"), "high water at 7:41\n").map_err(io_failure("a page"))?;
    fs::write(folder.join("nginx.conf"), text).map_err(io_failure("a configuration"))?;
    theirs(&["nginx", "-p", &at.to_string(), "-c", &format!("{at}/nginx.conf"), "-e", "stderr"])
}

fn head_of_python() -> Done {
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    fs::write(folder.path().join("tides.txt"), "high water at 7:41\n").map_err(io_failure("a page"))?;
    let python =
        theirs(&["python3", "-m", "http.server", "0", "--bind", "127.0.0.1", "-d", &folder.path().to_string_lossy()])?;
    let port = port_of(&python)?;
    for how in ["hand", "library"] {
        let address = format!("127.0.0.1:{port}");
        let mut client = ours("head_client", &[&address, "--path", "/tides.txt", "--read", how])?;
        ends(&mut client, 0)?;
        says(&client, "HTTP/1.0 200 OK\nServer: SimpleHTTP/")?;
        says(&client, "\nContent-Length: 19\n")?;
    }
    Ok(())
}
