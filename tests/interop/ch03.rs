//! Chapter 3 and its peers.

use crate::{Test, ends, our_server, ours, port_of, says, theirs};
use netkata::tap::{Conversation, From, Journal, Kind, Transport, pcapng};
use netkata_kit::Failure;
use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch03::echo_server::nc", needs: "nc", run: || echoes(&["nc", "-N", "127.0.0.1"]) },
    Test { name: "ch03::echo_server::ncat", needs: "ncat", run: || echoes(&["ncat", "127.0.0.1"]) },
    Test { name: "ch03::echo_server::socat", needs: "socat", run: socat_to_echo_server },
    Test { name: "ch03::echo_server::nc_a_mebibyte", needs: "nc", run: nc_a_mebibyte },
    Test { name: "ch03::echo_single::nc", needs: "nc", run: nc_stops_echo_single },
    Test { name: "ch03::echo_client::nc_listens", needs: "nc", run: echo_client_to_nc },
    Test { name: "ch03::echo_client::socat_echoes", needs: "socat", run: echo_client_to_socat },
    Test { name: "ch03::echo_client::ncat_echoes", needs: "ncat", run: echo_client_to_ncat },
    Test { name: "ch03::daytime_server::nc", needs: "nc", run: nc_reads_daytime },
    Test { name: "ch03::daytime_server::socat", needs: "socat", run: socat_reads_daytime },
    Test { name: "ch03::daytime_client::ncat", needs: "ncat", run: daytime_client_reads_ncat },
    Test { name: "ch03::deadline_server::nc", needs: "nc", run: deadline_server_leaves_nc },
    Test { name: "ch03::dial::nc_listens", needs: "nc", run: dial_nc },
    Test { name: "ch03::dial_fanout::nc_listens", needs: "nc", run: fanout_to_nc },
    Test { name: "ch03::heartbeat_server::nc", needs: "nc", run: nc_hears_heartbeats },
    Test { name: "ch03::heartbeat_client::ncat", needs: "ncat", run: heartbeat_client_hears_ncat },
    Test { name: "ch03::listen::ss", needs: "ss", run: ss_sees_listen },
    Test { name: "ch03::listen::nc", needs: "nc", run: nc_connects_without_accept },
    Test { name: "ch03::tcp_states::ss", needs: "ss", run: tcp_states_agrees_with_ss },
    Test { name: "ch03::tcp_info::ss", needs: "ss", run: tcp_info_agrees_with_ss },
    Test { name: "ch03::capture::tshark", needs: "tshark", run: tshark_reads_captures },
];

/// A client of others sends a line, gets it back, ends its input, and ends.
fn echoes(client: &[&str]) -> Done {
    let (_server, port) = our_server("echo_server", &[])?;
    let mut client = theirs(&[client, &[port.as_str()]].concat())?;
    client.type_line("Corvo sounds 12 fathoms")?;
    says(&client, "Corvo sounds 12 fathoms\n")?;
    client.end_input();
    ends(&mut client, 0)
}

fn socat_to_echo_server() -> Done {
    let (_server, port) = our_server("echo_server", &[])?;
    let mut client = theirs(&["socat", "-t10", "-", &format!("TCP:127.0.0.1:{port}")])?;
    client.type_line("Doris leaves")?;
    client.end_input();
    says(&client, "Doris leaves\n")?;
    ends(&mut client, 0)
}

/// A mebibyte through nc's pipes: what goes in comes out, to the last octet, after the half-close.
fn nc_a_mebibyte() -> Done {
    let (_server, port) = our_server("echo_server", &[])?;
    let octets: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut nc = Command::new("nc")
        .args(["-N", "127.0.0.1", &port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::new("nc", e.to_string()))?;
    let mut stdin = nc.stdin.take().ok_or_else(|| Failure::new("a pipe", "none"))?;
    let sent = octets.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = nc.wait_with_output().map_err(|e| Failure::new("nc's output", e.to_string()))?;
    let _ = writer.join();
    if output.stdout == octets { Ok(()) } else { Err(Failure::octets(&octets, &output.stdout, "nc ended")) }
}

fn nc_stops_echo_single() -> Done {
    let (mut server, port) = our_server("echo_single", &[])?;
    let mut nc = theirs(&["nc", "-N", "127.0.0.1", &port])?;
    nc.type_line("Elbe")?;
    says(&nc, "Elbe\n")?;
    says(&server, "-> Elbe\n")?;
    nc.type_line("STOP")?;
    ends(&mut server, 0)?;
    nc.end_input();
    ends(&mut nc, 0)
}

/// nc answers by hand: what a person types there is the reply.
fn echo_client_to_nc() -> Done {
    let mut nc = theirs(&["nc", "-l", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut client = ours("echo_client", &[&format!("127.0.0.1:{port}")])?;
    client.type_line("any berth free?")?;
    says(&nc, "any berth free?\n")?;
    nc.type_line("number four")?;
    says(&client, "->: number four\n")?;
    client.end_input();
    nc.end_input();
    ends(&mut client, 0)
}

fn echo_client_to_socat() -> Done {
    let socat = theirs(&["socat", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"])?;
    let port = port_of(&socat)?;
    echo_client_to(&port)
}

fn echo_client_to_ncat() -> Done {
    let ncat = theirs(&["ncat", "-l", "127.0.0.1", "0", "--exec", "/bin/cat"])?;
    let port = port_of(&ncat)?;
    echo_client_to(&port)
}

fn echo_client_to(port: &str) -> Done {
    let mut client = ours("echo_client", &[&format!("127.0.0.1:{port}")])?;
    client.type_line("Fulmar waits")?;
    says(&client, "->: Fulmar waits\n")?;
    client.end_input();
    ends(&mut client, 0)
}

fn nc_reads_daytime() -> Done {
    let (_server, port) = our_server("daytime_server", &["--zone", "UTC"])?;
    let mut nc = theirs(&["nc", "-d", "127.0.0.1", &port])?;
    says(&nc, "-UTC\r\n")?;
    ends(&mut nc, 0)
}

fn socat_reads_daytime() -> Done {
    let (_server, port) = our_server("daytime_server", &["--zone", "UTC"])?;
    let mut socat = theirs(&["socat", "-u", &format!("TCP:127.0.0.1:{port}"), "-"])?;
    says(&socat, "-UTC\r\n")?;
    ends(&mut socat, 0)
}

fn daytime_client_reads_ncat() -> Done {
    let mut ncat = theirs(&["ncat", "-l", "127.0.0.1", "0", "--send-only"])?;
    let port = port_of(&ncat)?;
    ncat.type_line("high water at 07:41\r")?;
    ncat.end_input();
    let mut client = ours("daytime_client", &[&format!("127.0.0.1:{port}")])?;
    says(&client, "high water at 07:41\n")?;
    ends(&mut client, 0)
}

fn deadline_server_leaves_nc() -> Done {
    let (server, port) = our_server("deadline_server", &["--deadline", "150ms"])?;
    let mut nc = theirs(&["nc", "-d", "127.0.0.1", &port])?;
    ends(&mut nc, 0)?;
    let said = server.stderr.contains("closing", crate::PATIENCE);
    said.map_err(|(rest, _)| Failure::new("closing", rest))
}

fn dial_nc() -> Done {
    let mut nc = theirs(&["nc", "-d", "-l", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut dial = ours("dial", &[&format!("localhost:{port}")])?;
    ends(&mut dial, 0)?;
    says(&dial, &format!("-> 127.0.0.1:{port}\n"))?;
    ends(&mut nc, 0)
}

fn fanout_to_nc() -> Done {
    let nc = theirs(&["nc", "-k", "-d", "-l", "127.0.0.1", "0"])?;
    let port = port_of(&nc)?;
    let mut fan = ours("dial_fanout", &[&format!("127.0.0.1:{port}"), "--dialers", "3"])?;
    says(&fan, "retrieved the resource\n")?;
    says(&fan, "context: canceled\n")?;
    ends(&mut fan, 0)
}

fn nc_hears_heartbeats() -> Done {
    let (_server, port) = our_server("heartbeat_server", &["--interval", "50ms", "--deadline", "400ms"])?;
    let mut nc = theirs(&["nc", "-d", "127.0.0.1", &port])?;
    says(&nc, "pingpingping")?;
    ends(&mut nc, 0)
}

/// A shell behind ncat is the server: it says `ping`, and shows what it is answered.
fn heartbeat_client_hears_ncat() -> Done {
    let ncat = theirs(&["ncat", "-l", "127.0.0.1", "0", "--sh-exec", "printf ping; head -c 7 >&2"])?;
    let port = port_of(&ncat)?;
    let mut client = ours("heartbeat_client", &[&format!("127.0.0.1:{port}"), "--pings", "1", "--more", "0"])?;
    let answered = ncat.stderr.contains("PONG!!!", crate::PATIENCE);
    answered.map_err(|(rest, _)| Failure::new("PONG!!!", rest))?;
    ends(&mut client, 0)
}

fn output_of(command: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(command).args(arguments).output();
    let output = output.map_err(|e| Failure::new(format!("{command} to run"), e.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn ss_sees_listen() -> Done {
    let (_listen, port) = our_server("listen", &[])?;
    let table = output_of("ss", &["-Hltn", &format!("sport = :{port}")])?;
    if table.starts_with("LISTEN") { Ok(()) } else { Err(Failure::new("a LISTEN line of ss", table)) }
}

/// The kernel completes the handshake; ss shows the connection in the queue of the listener.
fn nc_connects_without_accept() -> Done {
    let (_listen, port) = our_server("listen", &[])?;
    let nc = theirs(&["nc", "-v", "-d", "127.0.0.1", &port])?;
    let connected = nc.stderr.contains("succeeded!", crate::PATIENCE);
    connected.map_err(|(rest, _)| Failure::new("nc to connect", rest))
}

/// A half-closed connection, held still: both tools name the same states for its two ends.
fn tcp_states_agrees_with_ss() -> Done {
    let (_listen, port) = our_server("listen", &[])?;
    let address = format!("127.0.0.1:{port}");
    let stream = std::net::TcpStream::connect(&address).map_err(|e| Failure::new("a connect", e.to_string()))?;
    stream.shutdown(std::net::Shutdown::Write).map_err(|e| Failure::new("a half-close", e.to_string()))?;
    let until = std::time::Instant::now() + crate::PATIENCE;
    let mut last = String::new();
    while std::time::Instant::now() < until {
        let ours = Command::new(crate::built("tcp_states")).args(["--port", &port]).output();
        let ours = ours.map_err(|e| Failure::new("tcp_states", e.to_string()))?;
        let ours = states(&String::from_utf8_lossy(&ours.stdout), 1);
        let filter = format!("sport = :{port} or dport = :{port}");
        let ss = states(&output_of("ss", &["-tanH", &filter])?, 0);
        let same: Vec<String> = ss.iter().map(|s| s.replace('-', "_")).collect();
        // The FIN and its ACK may still be under way at the first look.
        if ours == ["CLOSE_WAIT", "FIN_WAIT_2", "LISTEN"] && same == ours {
            return Ok(());
        }
        last = format!("{ours:?} from tcp_states, {same:?} from ss");
    }
    Err(Failure::new("CLOSE_WAIT, FIN_WAIT_2 and LISTEN from both", last))
}

/// The first column, sorted, without connections of earlier programs that had the same port by chance.
fn states(table: &str, skip: usize) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_string);
    let mut states: Vec<String> = table.lines().skip(skip).filter_map(first).collect();
    states.retain(|state| !state.starts_with("TIME"));
    states.sort();
    states
}

/// Both read TCP_INFO: the segment size of a loopback connection is the same number.
fn tcp_info_agrees_with_ss() -> Done {
    let (_server, port) = our_server("echo_server", &[])?;
    let held = theirs(&["nc", "127.0.0.1", &port]).or_else(|_| ours("dial", &[&format!("127.0.0.1:{port}")]))?;
    let mut info = ours("tcp_info", &[&format!("127.0.0.1:{port}"), "--rounds", "1"])?;
    ends(&mut info, 0)?;
    let said = info.stdout.all();
    let mss = said.lines().nth(1).and_then(|l| l.split_whitespace().nth(5)).unwrap_or_default().to_string();
    let table = output_of("ss", &["-tinH", &format!("dport = :{port}")])?;
    drop(held);
    let wanted = format!("mss:{mss} ");
    if !mss.is_empty() && table.contains(&wanted) {
        Ok(())
    } else {
        Err(Failure::new(wanted, format!("{table}\n{said}")))
    }
}

/// A capture of ours, as Wireshark's own reader sees it: checksums right, nothing malformed or lost, the octets intact.
fn tshark_reads_captures() -> Done {
    let io = |e: std::io::Error| Failure::new("a capture", e.to_string());
    let folder = tempfile::tempdir().map_err(io)?;
    let path = folder.path().join("echo.pcapng").to_string_lossy().into_owned();
    let mut file = File::create(&path).map_err(io)?;
    pcapng::write(&recorded(), &mut file).map_err(io)?;
    drop(file);
    let strict = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let wrong = "tcp.analysis.flags or _ws.malformed or tcp.checksum.status==0 or ip.checksum.status==0";
    let complaints = output_of("tshark", &[&["-r", &path, "-Y", wrong][..], &strict].concat())?;
    if !complaints.trim().is_empty() {
        return Err(Failure::new("no complaint of tshark", complaints));
    }
    let followed = output_of("tshark", &["-r", &path, "-q", "-z", "follow,tcp,raw,0"])?;
    let wanted = "416c6d610a";
    if followed.contains(wanted) { Ok(()) } else { Err(Failure::new(wanted, followed)) }
}

fn recorded() -> Journal {
    let journal = Journal::new(1 << 20);
    let c = journal.open(Conversation {
        transport: Transport::Tcp,
        client: "127.0.0.1:50001".parse().ok(),
        server: "127.0.0.1:7007".parse().ok(),
        client_name: "client".into(),
        server_name: "echo_server".into(),
    });
    journal.data(c, From::Client, b"Alma\n");
    journal.data(c, From::Server, b"Alma\n");
    journal.data(c, From::Client, &[0xa5; 40_000]);
    journal.event(c, Kind::Close(From::Client));
    journal.event(c, Kind::Close(From::Server));
    journal
}
