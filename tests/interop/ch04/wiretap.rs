//! `wiretap` between clients and servers of others, and its captures in the hands of Wireshark's own reader.

use crate::{Test, ends, our_server, ours, port_of, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::wiretap::curl", needs: "curl", run: curl },
    Test { name: "ch04::wiretap::nc_unix", needs: "nc", run: nc_over_a_socket_file },
    Test { name: "ch04::wiretap::nc_udp", needs: "nc", run: nc_over_udp },
    Test { name: "ch04::wiretap::ncat_tls", needs: "ncat", run: ncat_over_tls },
    Test { name: "ch04::wiretap::tshark_tcp", needs: "tshark", run: tshark_reads_tcp },
    Test { name: "ch04::wiretap::tshark_hole", needs: "tshark", run: tshark_finds_the_hole },
    Test { name: "ch04::wiretap::tshark_dns", needs: "tshark", run: tshark_reads_dns },
    Test { name: "ch04::wiretap::tshark_live", needs: "tshark", run: tshark_looks_on },
];

fn failed(what: &str) -> impl Fn(std::io::Error) -> Failure {
    let what = what.to_string();
    move |e| Failure::new(what.clone(), e.to_string())
}

/// A tap in front of this port, and where it listens.
fn tap(upstream: &str, options: &[&str]) -> Result<(Subject, SocketAddr), Failure> {
    let listen = if upstream.starts_with("udp") { "udp://127.0.0.1:0" } else { "127.0.0.1:0" };
    let tap = ours("wiretap", &[&[listen, upstream], options].concat())?;
    let address = tap.announced()?;
    let address = address.parse().map_err(|_| Failure::new("an address", address.clone()))?;
    Ok((tap, address))
}

fn stop(tap: &mut Subject) -> Done {
    tap.signal(Signal::SIGTERM)?;
    ends(tap, 0)
}

fn output_of(command: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(command).args(arguments).output().map_err(failed(command))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn contains(text: &str, wanted: &str) -> Done {
    if text.contains(wanted) { Ok(()) } else { Err(Failure::new(wanted, text)) }
}

/// Two requests on one connection, a download among them, through the tap: curl gets what Python's server sent.
fn curl() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let tides: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(folder.path().join("tides"), &tides).map_err(failed("a file"))?;
    let place = folder.path().to_string_lossy().into_owned();
    let server = theirs(&["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", &place, "0"])?;
    let (tap, address) = tap(&format!("127.0.0.1:{}", port_of(&server)?), &[])?;
    let got = folder.path().join("got").to_string_lossy().into_owned();
    let mut curl =
        theirs(&["curl", "-s", "-o", &got, &format!("http://{address}/tides"), &format!("http://{address}/none")])?;
    ends(&mut curl, 0)?;
    for line in ["[HTTP/1.1 GET /tides]", "[HTTP/1.0 200 OK]", "[HTTP/1.1 GET /none]", "[HTTP/1.0 404 "] {
        says(&tap, line)?;
    }
    let mut curl = theirs(&["curl", "-s", "-o", &got, &format!("http://{address}/tides")])?;
    ends(&mut curl, 0)?;
    let got = fs::read(got).map_err(failed("curl's file"))?;
    if got == tides { Ok(()) } else { Err(Failure::octets(&tides, &got, "curl ended")) }
}

/// From a socket file to a TCP port.
fn nc_over_a_socket_file() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let path = folder.path().join("tap.sock").to_string_lossy().into_owned();
    let (_server, port) = our_server("echo_server", &[])?;
    let tap = ours("wiretap", &[&path, &format!("127.0.0.1:{port}")])?;
    tap.announced()?;
    let mut nc = theirs(&["nc", "-N", "-U", &path])?;
    nc.type_line("Corvo sounds 12 fathoms")?;
    says(&nc, "Corvo sounds 12 fathoms\n")?;
    nc.end_input();
    ends(&mut nc, 0)?;
    says(&tap, "A → 24 octets")?;
    says(&tap, "A ← 24 octets")
}

/// nc on both sides, each line a datagram.
fn nc_over_udp() -> Done {
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).map_err(failed("a port"))?.port().to_string();
    let mut server = theirs(&["nc", "-u", "-l", "127.0.0.1", &port])?;
    let (tap, address) = tap(&format!("udp://127.0.0.1:{port}"), &[])?;
    let mut client = theirs(&["nc", "-u", "127.0.0.1", &address.port().to_string()])?;
    // nc may not listen yet; then its host refuses the datagram, and the next may get there.
    let until = Instant::now() + crate::PATIENCE;
    loop {
        client.type_line("any berth free?")?;
        if server.stdout.contains("any berth free?\n", Duration::from_millis(200)).is_ok() {
            break;
        }
        if Instant::now() > until {
            return Err(Failure::new("the datagram to arrive", server.stderr.all()));
        }
    }
    server.type_line("number four")?;
    says(&client, "number four\n")?;
    says(&tap, "A → 16 octets")?;
    says(&tap, "A ← 12 octets")
}

/// What is encrypted stays so; the name of the server is not.
fn ncat_over_tls() -> Done {
    let server = theirs(&["ncat", "--ssl", "-l", "127.0.0.1", "0", "--exec", "/bin/cat"])?;
    let (tap, address) = tap(&format!("127.0.0.1:{}", port_of(&server)?), &[])?;
    let mut client = theirs(&["ncat", "--ssl", "-4", "localhost", &address.port().to_string()])?;
    client.type_line("Doris leaves")?;
    says(&client, "Doris leaves\n")?;
    says(&tap, "[TLS ClientHello, server name localhost]")?;
    says(&tap, "[TLS ServerHello, TLS 1.")
}

/// A conversation with an echo, through a tap that writes a capture.
fn recorded(path: &Path, octets: &[u8], options: &[&str]) -> Result<(u16, u16), Failure> {
    let (_server, port) = our_server("echo_server", &[])?;
    let file = path.to_string_lossy().into_owned();
    let (mut tap, address) = tap(&format!("127.0.0.1:{port}"), &[&["-w", &file], options].concat())?;
    let mut stream = TcpStream::connect(address).map_err(failed("a connect"))?;
    let client = stream.local_addr().map_err(failed("an address"))?.port();
    let mut writer = stream.try_clone().map_err(failed("a handle"))?;
    let sent = octets.to_vec();
    let writing = std::thread::spawn(move || writer.write_all(&sent).and_then(|()| writer.shutdown(Shutdown::Write)));
    let mut back = Vec::new();
    stream.read_to_end(&mut back).map_err(failed("an echo"))?;
    let _ = writing.join();
    stop(&mut tap)?;
    let port = port.parse().map_err(|_| Failure::new("a port", port))?;
    if back == octets { Ok((client, port)) } else { Err(Failure::octets(octets, &back, "the echo ended")) }
}

/// Nothing malformed, lost or repeated, every checksum right; the true ports; and both sides' octets.
fn tshark_reads_tcp() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let path = folder.path().join("echo.pcapng");
    let octets: Vec<u8> = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (client, server) = recorded(&path, &octets, &[])?;
    let file = path.to_string_lossy().into_owned();
    let strict = ["-r", &file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let wrong = "tcp.analysis.flags or _ws.malformed or _ws.expert.severity >= warning or tcp.checksum.status==0";
    let complaints = output_of("tshark", &[&strict[..], &["-Y", wrong]].concat())?;
    if !complaints.trim().is_empty() {
        return Err(Failure::new("no complaint of tshark", complaints));
    }
    let fields = |port: u16| {
        let filter = format!("tcp.srcport=={port} and tcp.len>0");
        output_of("tshark", &["-r", &file, "-Y", &filter, "-T", "fields", "-e", "tcp.payload"])
    };
    let wanted: String = octets.iter().map(|o| format!("{o:02x}")).collect();
    for port in [client, server] {
        let payload = fields(port)?.replace(['\n', ':'], "");
        if payload != wanted {
            return Err(Failure::new(format!("the octets of port {port}"), format!("{} digits", payload.len())));
        }
    }
    let ends = output_of("tshark", &["-r", &file, "-q", "-z", "conv,tcp"])?;
    contains(&ends, &format!("127.0.0.1:{client}"))?;
    contains(&ends, &format!("127.0.0.1:{server}"))
}

/// 100 octets are recorded, and the rest is missing: tshark says that a segment was not captured, and by the numbers of the
/// FIN how long it was.
fn tshark_finds_the_hole() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let path = folder.path().join("hole.pcapng");
    let (client, _) = recorded(&path, &[7; 40_000], &["--max-bytes", "100"])?;
    let file = path.to_string_lossy().into_owned();
    let filter = format!("tcp.srcport=={client} and tcp.flags.fin==1 and tcp.analysis.lost_segment");
    let fin = output_of("tshark", &["-r", &file, "-Y", &filter, "-T", "fields", "-e", "tcp.seq"])?;
    if fin.trim() != "40001" {
        return Err(Failure::new("a FIN with the number 40001, after a lost segment", fin));
    }
    let comments = output_of("tshark", &["-r", &file, "-T", "fields", "-e", "frame.comment"])?;
    contains(&comments, "39,900 octets not recorded: past the first 100")
}

/// A question and its answer over UDP: tshark finds no fault in them, and reads the name.
fn tshark_reads_dns() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let file = folder.path().join("dns.pcapng").to_string_lossy().into_owned();
    let server = UdpSocket::bind("127.0.0.1:0").map_err(failed("a port"))?;
    let client = UdpSocket::bind("127.0.0.1:0").map_err(failed("a port"))?;
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(crate::PATIENCE)).map_err(failed("a timeout"))?;
    }
    let upstream = server.local_addr().map_err(failed("an address"))?;
    let (mut tap, address) = tap(&format!("udp://{upstream}"), &["-w", &file])?;
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07harbour\x07example\0\0\x01\0\x01";
    let mut buffer = [0; 512];
    client.send_to(query, address).map_err(failed("a datagram"))?;
    let (n, from) = server.recv_from(&mut buffer).map_err(failed("the question"))?;
    let mut answer = [&buffer[..n], b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07"].concat();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    server.send_to(&answer, from).map_err(failed("a datagram"))?;
    client.recv_from(&mut buffer).map_err(failed("the answer"))?;
    says(&tap, "[perhaps DNS query A harbour.example]")?;
    says(&tap, "[perhaps DNS answer, 1 record, A harbour.example]")?;
    stop(&mut tap)?;
    let decode = format!("udp.port=={},dns", upstream.port());
    let strict = ["-r", &file, "-d", &decode, "-o", "udp.check_checksum:TRUE"];
    let bad = output_of("tshark", &[&strict[..], &["-Y", "_ws.malformed or udp.checksum.status==0"]].concat())?;
    if !bad.trim().is_empty() {
        return Err(Failure::new("no complaint of tshark", bad));
    }
    let fields = ["-T", "fields", "-e", "dns.qry.name", "-e", "dns.a", "-e", "udp.dstport"];
    let read = output_of("tshark", &[&strict[..], &fields].concat())?;
    let client = client.local_addr().map_err(failed("an address"))?;
    contains(&read, &format!("harbour.example\t\t{}\n", upstream.port()))?;
    contains(&read, &format!("harbour.example\t192.0.2.7\t{}\n", client.port()))
}

/// A named pipe between the two: tshark shows packets while the conversation goes on.
fn tshark_looks_on() -> Done {
    let folder = tempfile::tempdir().map_err(failed("a folder"))?;
    let path = folder.path().join("live.pcapng");
    nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|e| Failure::new("a named pipe", e.to_string()))?;
    let file = path.to_string_lossy().into_owned();
    let tshark = theirs(&["tshark", "-l", "-r", &file, "-T", "fields", "-e", "tcp.payload"])?;
    let (_server, port) = our_server("echo_server", &[])?;
    let (_tap, address) = tap(&format!("127.0.0.1:{port}"), &["-w", &file])?;
    let mut stream = TcpStream::connect(address).map_err(failed("a connect"))?;
    for words in [b"ebb\n", b"sea\n"] {
        stream.write_all(words).map_err(failed("a write"))?;
        let digits: String = words.iter().map(|o| format!("{o:02x}")).collect();
        says(&tshark, &digits)?;
    }
    Ok(())
}
