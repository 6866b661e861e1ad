//! Echoes in datagrams: nc, socat and python3 on either side, and a stranger between them.

use crate::{PATIENCE, Test, ends, our_server, ours, says, sockets_of, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use std::fs;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch05::udp_echo_server::nc", needs: "nc", run: nc_asks },
    Test { name: "ch05::udp_echo_server::nc_asks_another_address", needs: "nc", run: nc_asks_another_address },
    Test { name: "ch05::udp_echo_server::socat", needs: "socat", run: socat_asks },
    Test { name: "ch05::udp_echo_server::socat_over_ipv6", needs: "socat", run: socat_asks_over_ipv6 },
    Test { name: "ch05::udp_echo_server::python3", needs: "python3", run: python_asks },
    Test { name: "ch05::udp_echo_client::nc", needs: "nc", run: nc_is_asked },
    Test { name: "ch05::udp_echo_client::socat", needs: "socat", run: socat_is_asked },
    Test { name: "ch05::udp_echo_client::python3", needs: "python3", run: python_is_asked },
    Test { name: "ch05::interloper::socat", needs: "socat", run: interloper_asks_socat },
    Test { name: "ch05::interloper::nc", needs: "nc", run: interloper_disturbs_nc },
    Test { name: "ch05::many_ports::nc", needs: "nc", run: nc_asks_each_port },
];

/// Waits until a peer has a UDP socket, and returns its port (proc(5), /proc/net/udp).
fn udp_port_of(subject: &Subject) -> Result<String, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let inodes = sockets_of(subject.pid().as_raw());
        let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let port = table.lines().skip(1).find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let ours = inodes.contains(&fields.get(9)?.parse().ok()?);
            let port = fields[1].rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok());
            port.filter(|&port| ours && port > 0)
        });
        if let Some(port) = port {
            return Ok(port.to_string());
        }
        std::thread::yield_now();
    }
    Err(Failure::new("a peer with a UDP port", format!("none; standard error: {}", subject.stderr.all())))
}

/// Two lines there and back. nc adds the line ends, and they are echoed.
fn two_lines(peer: &mut Subject) -> Done {
    for line in ["ahoy, harbour", "a berth for the Alma?"] {
        peer.type_line(line)?;
        says(peer, &format!("{line}\n"))?;
    }
    Ok(())
}

fn nc_asks() -> Done {
    let (_server, port) = our_server("udp_echo_server", &[])?;
    two_lines(&mut theirs(&["nc", "-u", "127.0.0.1", &port])?)
}

/// nc connects its socket: an echo from another of this machine's addresses would not get in.
fn nc_asks_another_address() -> Done {
    let server = ours("udp_echo_server", &["0.0.0.0:0"])?;
    let address = server.announced()?;
    let (_, port) = address.rsplit_once(':').unwrap_or_default();
    two_lines(&mut theirs(&["nc", "-u", "127.0.0.2", port])?)
}

fn socat_asks() -> Done {
    let (server, port) = our_server("udp_echo_server", &["--buffer", "5", "--stop-word", "STOP"])?;
    let mut socat = theirs(&["socat", "-", &format!("UDP:127.0.0.1:{port}")])?;
    socat.type_line("berth")?;
    says(&socat, "berth")?;
    socat.type_line("STOP")?;
    says(&socat, "STOP\n")?;
    let (mut server, log) = (server, ": 6 octets, cut to 5\n");
    ends(&mut server, 0)?;
    let said = server.stderr.all();
    if said.contains(log) { Ok(()) } else { Err(Failure::new(log, said)) }
}

fn socat_asks_over_ipv6() -> Done {
    let server = ours("udp_echo_server", &["[::]:0"])?;
    let address = server.announced()?;
    let (_, port) = address.rsplit_once(':').unwrap_or_default();
    two_lines(&mut theirs(&["socat", "-", &format!("UDP6:[::1]:{port}")])?)?;
    // The same socket takes IPv4, too.
    two_lines(&mut theirs(&["socat", "-", &format!("UDP4:127.0.0.2:{port}")])?)
}

/// What a shell cannot send: nothing at all, every octet, and the longest payload.
fn python_asks() -> Done {
    let script = "import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(('127.0.0.1', int(sys.argv[1])))
for octets in (b'', bytes(range(256)), b'', b'x' * 65507):
    s.send(octets)
    assert s.recv(65535) == octets, len(octets)
print('all came back')";
    let (_server, port) = our_server("udp_echo_server", &["--buffer", "65535"])?;
    let mut python = theirs(&["python3", "-c", script, &port])?;
    ends(&mut python, 0)?;
    says(&python, "all came back\n")
}

/// A person at nc answers: what is no echo is shown, and the echo is taken.
fn nc_is_asked() -> Done {
    let mut nc = theirs(&["nc", "-lu", "127.0.0.1", "0"])?;
    let port = udp_port_of(&nc)?;
    let mut client = ours("udp_echo_client", &[&format!("127.0.0.1:{port}"), "ahoy\n", "--timeout", "10s"])?;
    says(&nc, "ahoy\n")?;
    nc.type_line("who is there?")?;
    says(&client, "Reply: who is there?\\n\n")?;
    nc.type_line("ahoy")?;
    says(&client, "Reply: ahoy\\n\n")?;
    ends(&mut client, 0)
}

fn socat_is_asked() -> Done {
    let socat = theirs(&["socat", "UDP-LISTEN:0,bind=127.0.0.1,fork", "PIPE"])?;
    let port = udp_port_of(&socat)?;
    let mut client = ours("udp_echo_client", &[&format!("127.0.0.1:{port}"), "--timeout", "10s"])?;
    client.type_octets(b"ahoy, harbour\na berth for the Alma?\nSTOP\n")?;
    ends(&mut client, 0)?;
    says(&client, "Reply: ahoy, harbour\nReply: a berth for the Alma?\nReply: STOP\n")
}

fn python_is_asked() -> Done {
    let script = "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
print('listening on udp://127.0.0.1:%d' % s.getsockname()[1], flush=True)
while True:
    octets, sender = s.recvfrom(65535)
    s.sendto(octets, sender)";
    let python = theirs(&["python3", "-c", script])?;
    let address = python.announced()?;
    for more in [&[][..], &["--unconnected"]] {
        let mut client = ours("udp_echo_client", &[&[address.as_str(), "ahoy", "", "STOP"], more].concat())?;
        ends(&mut client, 0)?;
        says(&client, "ahoy\n")?;
        says(&client, "STOP\n")?;
    }
    Ok(())
}

/// Each scene has a client of its own, and socat a process for each datagram. (Its UDP-LISTEN hands its socket to the process that
/// serves the first client, and is away for a moment before it has another.)
fn interloper_asks_socat() -> Done {
    let socat = theirs(&["socat", "UDP-RECVFROM:0,bind=127.0.0.1,fork", "PIPE"])?;
    let address = format!("127.0.0.1:{}", udp_port_of(&socat)?);
    let mut interloper = ours("interloper", &[&address, "--timeout", "10s"])?;
    ends(&mut interloper, 0)?;
    let server = format!("client receives \"ping\" from {address}, the server\n");
    for _ in 0..3 {
        says(&interloper, &server)?;
    }
    Ok(())
}

/// nc takes the first datagram from anybody, and connects to its sender: the interloper was faster, and is heard. After that,
/// nobody else is.
fn interloper_disturbs_nc() -> Done {
    let nc = theirs(&["nc", "-lu", "127.0.0.1", "0"])?;
    let address = format!("127.0.0.1:{}", udp_port_of(&nc)?);
    let mut first = ours("interloper", &["--send", "pardon me", "--to", &address, "--timeout", "20ms"])?;
    says(&nc, "pardon me")?;
    ends(&mut first, 0)?;
    let mut second = ours("interloper", &["--send", "me too", "--to", &address, "--timeout", "10s"])?;
    ends(&mut second, 0)?;
    says(&second, "refused, as if nobody had that port\n")
}

fn nc_asks_each_port() -> Done {
    let server = ours("many_ports", &["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"])?;
    for _ in 0..3 {
        let address = server.announced()?;
        let (_, port) = address.rsplit_once(':').unwrap_or_default();
        let mut nc = theirs(&["nc", "-u", "127.0.0.1", port])?;
        nc.type_line("ahoy")?;
        says(&nc, &format!("{port}: ahoy\n"))?;
    }
    Ok(())
}
