//! Sequenced packets with python3 and socat, as ss sees them; and one echo for nc, nc -U and python3.

use crate::{Test, ends, ours, says, theirs};
use netkata::deadline::Timeouts;
use netkata::unix::Name;
use netkata::unix::seqpacket::{Packets, Received};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch07::unixpacket_echo::python3", needs: "python3", run: python_keeps_packets_apart },
    Test { name: "ch07::unixpacket_echo::python3_is_too_long", needs: "python3", run: python_sends_too_much },
    Test { name: "ch07::unixpacket_echo::socat", needs: "socat", run: socat_connects },
    Test { name: "ch07::unixpacket_echo::socat_by_an_abstract_name", needs: "socat", run: socat_by_an_abstract_name },
    Test { name: "ch07::unixpacket_echo::socat_relays", needs: "socat python3", run: socat_relays },
    Test { name: "ch07::unixpacket_echo::ss", needs: "ss", run: ss_shows_the_type },
    Test { name: "ch07::unixpacket_echo::nc_is_refused", needs: "nc", run: nc_is_refused },
    Test { name: "ch07::seqpacket::socat_listens", needs: "socat", run: we_connect_to_socat },
    Test { name: "ch07::any_echo::nc", needs: "nc", run: any_echo_for_nc },
    Test { name: "ch07::any_echo::nc_unix", needs: "nc", run: any_echo_for_nc_unix },
    Test { name: "ch07::any_echo::python3", needs: "python3", run: any_echo_for_python },
];

/// What a conversation ends with. Each step of it waits for ten seconds at most.
const CLIENT: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(10)
s.connect(sys.argv[1])
";

fn folder() -> Result<TempDir, Failure> {
    tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))
}

fn file_in(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// One of our servers on a socket file in this folder, and the file's path.
fn served(folder: &TempDir, program: &str, scheme: &str, options: &[&str]) -> Result<(Subject, String), Failure> {
    let path = file_in(folder, "harbour.sock");
    let server = ours(program, &[&[format!("{scheme}{path}").as_str()], options].concat())?;
    server.announced()?;
    Ok((server, path))
}

fn python(script: &str, path: &str) -> Result<Subject, Failure> {
    theirs(&["python3", "-c", &format!("{CLIENT}{script}"), path])
}

/// Waits until somebody has made the file: socat does not say when it listens.
fn appears(path: &str, maker: &Subject) -> Done {
    let until = Instant::now() + crate::PATIENCE;
    while Instant::now() < until {
        if Path::new(path).exists() {
            return Ok(());
        }
        std::thread::yield_now();
    }
    Err(Failure::new("a socket file", format!("none; standard error: {}", maker.stderr.all())))
}

fn python_keeps_packets_apart() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "unixpacket_echo", "", &[])?;
    let mut client = python(
        "
for _ in range(3): s.send(b'ping')
print(*(s.recv(99) for _ in range(3)))
for _ in range(3): s.send(b'ping')
print(*(s.recv(2) for _ in range(3)))
for packet in (b'', b'Alma', b''): s.send(packet)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
for packet in (b'', b'Bruna'): s.send(packet)
s.shutdown(socket.SHUT_WR)
print(*(s.recv(99) for _ in range(3)))
for _ in range(3):
    data, control, _, _ = s.recvmsg(99, 99)
    print(data, len(control))
",
        &path,
    )?;
    ends(&mut client, 0)?;
    says(&client, "b'ping' b'ping' b'ping'\nb'pi' b'pi' b'pi'\nb'' b'Alma' b''\nb'' 1\nb'Bruna' 1\nb'' 0\n")
}

fn python_sends_too_much() -> Done {
    let folder = folder()?;
    let (server, path) = served(&folder, "unixpacket_echo", "", &["--max-length", "9"])?;
    let mut client = python(
        "
s.send(b'Alma'); s.send(b'Bruna'); s.send(b'ten octets')
print(s.recv(99), s.recv(99), s.recv(99))
try: s.send(b'Corvo')
except BrokenPipeError: print('EPIPE')
",
        &path,
    )?;
    ends(&mut client, 0)?;
    says(&client, "b'Alma' b'Bruna' b''\nEPIPE\n")?;
    let told = server.stderr.contains("unix client 1: a packet of 10 octets, longer than 9, closed", crate::PATIENCE);
    told.map_err(|(said, _)| Failure::new("the packet in the log", said))
}

fn socat_connects() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "unixpacket_echo", "", &[])?;
    talk_to_socat(&format!("UNIX-CONNECT:{path},type=5"))
}

fn socat_by_an_abstract_name() -> Done {
    let name = format!("netkata-interop-{}", std::process::id());
    let server = ours("unixpacket_echo", &[&format!("@{name}")])?;
    server.announced()?;
    talk_to_socat(&format!("ABSTRACT-CONNECT:{name},type=5"))
}

fn talk_to_socat(address: &str) -> Done {
    let mut socat = theirs(&["socat", "-t5", "-", address])?;
    for words in ["Alma at berth\n", "Bruna asks for berth\n"] {
        socat.type_octets(words.as_bytes())?;
        says(&socat, words)?;
    }
    socat.end_input();
    ends(&mut socat, 0)
}

/// python3, then socat, then our server: two connections in packets, one behind the other.
fn socat_relays() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "unixpacket_echo", "", &[])?;
    let front = file_in(&folder, "front.sock");
    let socat = theirs(&["socat", &format!("UNIX-LISTEN:{front},type=5"), &format!("UNIX-CONNECT:{path},type=5")])?;
    appears(&front, &socat)?;
    let script = "
for packet in (b'Alma', b'Bruna', b'Corvo'):
    s.send(packet)
print(*(s.recv(99) for _ in range(3)))
";
    // The file is there a moment before listen(2).
    let retry = "
import time
def connect():
    until = time.monotonic() + 10
    while True:
        try: return s.connect(sys.argv[1])
        except ConnectionRefusedError:
            if time.monotonic() > until: raise
            time.sleep(0.01)
";
    let client = CLIENT.replace("s.connect(sys.argv[1])\n", &format!("{retry}connect()\n"));
    let mut python = theirs(&["python3", "-c", &format!("{client}{script}"), &front])?;
    ends(&mut python, 0)?;
    says(&python, "b'Alma' b'Bruna' b'Corvo'\n")
}

fn ss_shows_the_type() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "unixpacket_echo", "", &[])?;
    let mut ss = theirs(&["ss", "-xlnH", "src", &path])?;
    ends(&mut ss, 0)?;
    says(&ss, "u_seq")?;
    says(&ss, &path)
}

/// The file is a socket's, and of another type: EPROTOTYPE.
fn nc_is_refused() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "unixpacket_echo", "", &[])?;
    let mut nc = theirs(&["nc", "-NU", &path])?;
    ends(&mut nc, 1)?;
    let told = nc.stderr.contains("Protocol wrong type for socket", crate::PATIENCE);
    told.map_err(|(said, _)| Failure::new("a refusal", said))
}

/// socat echoes; here, our own end of the library is the client.
fn we_connect_to_socat() -> Done {
    let failed = |e: std::io::Error| Failure::new("a conversation with socat", e.to_string());
    let folder = folder()?;
    let path = file_in(&folder, "harbour.sock");
    let socat = theirs(&["socat", &format!("UNIX-LISTEN:{path},type=5"), "PIPE"])?;
    appears(&path, &socat)?;
    let until = Instant::now() + crate::PATIENCE;
    let client = loop {
        match Packets::connect(&Name::Path(path.clone().into()), crate::PATIENCE) {
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused && Instant::now() < until => {
                std::thread::yield_now();
            }
            other => break other.map_err(failed)?,
        }
    };
    client.read_timeout(Some(crate::PATIENCE)).map_err(failed)?;
    let mut buffer = [0; 99];
    for words in ["Alma", "Bruna"] {
        client.send(words.as_bytes()).map_err(failed)?;
        match client.receive(&mut buffer).map_err(failed)? {
            Received::Packet { len, .. } if &buffer[..len] == words.as_bytes() => {}
            other => return Err(Failure::new(words, format!("{other:?}"))),
        }
    }
    Ok(())
}

fn nc_hears_itself(arguments: &[&str]) -> Done {
    let mut nc = theirs(&[&["nc", "-N"], arguments].concat())?;
    nc.type_line("Alma at berth")?;
    says(&nc, "Alma at berth\n")?;
    nc.end_input();
    ends(&mut nc, 0)
}

fn any_echo_for_nc() -> Done {
    let server = ours("any_echo", &["tcp://127.0.0.1:0"])?;
    let address = server.announced()?;
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    nc_hears_itself(&[host, port])
}

fn any_echo_for_nc_unix() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "any_echo", "unix://", &[])?;
    nc_hears_itself(&["-U", &path])
}

fn any_echo_for_python() -> Done {
    let folder = folder()?;
    let (_server, path) = served(&folder, "any_echo", "unixpacket://", &[])?;
    let script = "
for packet in (b'Alma', b'', b'Bruna'): s.send(packet)
print(*(s.recv(99) for _ in range(3)))
";
    let mut client = python(script, &path)?;
    ends(&mut client, 0)?;
    says(&client, "b'Alma' b'' b'Bruna'\n")
}
