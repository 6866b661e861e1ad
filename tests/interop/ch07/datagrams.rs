//! Echoes in datagrams between socket files: python3, socat and nc ask; ss looks.

use crate::{Test, ends, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use tempfile::TempDir;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch07::unixgram_echo::python3", needs: "python3", run: python_asks },
    Test { name: "ch07::unixgram_echo::python3_without_a_name", needs: "python3", run: python_asks_without_a_name },
    Test { name: "ch07::unixgram_echo::socat", needs: "socat", run: socat_asks },
    Test { name: "ch07::unixgram_echo::socat_without_a_name", needs: "socat", run: socat_asks_without_a_name },
    Test { name: "ch07::unixgram_echo::socat_client", needs: "socat", run: socat_tries_both_types },
    Test { name: "ch07::unixgram_echo::socat_abstract", needs: "socat", run: socat_asks_an_abstract_name },
    Test { name: "ch07::unixgram_echo::nc", needs: "nc", run: nc_asks },
    Test { name: "ch07::unixgram_echo::ss", needs: "ss", run: ss_looks },
];

/// Our server on a socket file, in a folder that is gone with the test.
struct Harbour {
    folder: TempDir,
    server: Subject,
    path: String,
}

fn harbour(options: &[&str]) -> Result<Harbour, Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))?;
    let path = folder.path().join("harbour.sock").to_string_lossy().into_owned();
    let server = ours("unixgram_echo", &[&[path.as_str()], options].concat())?;
    let announced = server.announced()?;
    if announced != path {
        return Err(Failure::new(path, announced));
    }
    Ok(Harbour { folder, server, path })
}

impl Harbour {
    /// A path in the same folder, for a client.
    fn berth(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// What the server logs.
    fn logs(&self, text: &str) -> Done {
        self.server.stderr.contains(text, crate::PATIENCE).map_err(|(rest, _)| Failure::new(format!("{text:?}"), rest))
    }
}

/// Two lines there and back. The peer adds the line ends, and they are echoed.
fn two_lines(peer: &mut Subject) -> Done {
    for line in ["ahoy, harbour", "a berth for the Alma?"] {
        peer.type_line(line)?;
        says(peer, &format!("{line}\n"))?;
    }
    Ok(())
}

/// Three sends, three reads, from the server's own path; more than UDP carries; and an answer that waits until it is read.
fn python_asks() -> Done {
    let harbour = harbour(&["--buffer", "131072"])?;
    let script = "import socket, sys
server, client = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.settimeout(10)
s.bind(client)
for octets in (b'ping', b'', b'pong'):
    s.sendto(octets, server)
for octets in (b'ping', b'', b'pong'):
    got, sender = s.recvfrom(65536)
    assert (got, sender) == (octets, server), (got, sender)
s.connect(server)
for octets in (bytes(range(256)), b'x' * 100000):
    s.send(octets)
    assert s.recv(131072) == octets, len(octets)
print('all came back')";
    let mut python = theirs(&["python3", "-c", script, &harbour.path, &harbour.berth("alma.sock")])?;
    ends(&mut python, 0)?;
    says(&python, "all came back\n")
}

/// Until it calls bind(2), nobody can answer it. Python may leave the name to the kernel (unix(7), "Autobind feature").
fn python_asks_without_a_name() -> Done {
    let harbour = harbour(&[])?;
    let script = "import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
s.send(b'who am I?')
s.settimeout(0.2)
try:
    print('an answer:', s.recv(64))
except TimeoutError:
    print('no answer')
s.settimeout(10)
s.bind('')
s.send(b'and now?')
print(s.recv(64))";
    let mut python = theirs(&["python3", "-c", script, &harbour.path])?;
    ends(&mut python, 0)?;
    says(&python, "no answer\nb'and now?'\n")?;
    harbour.logs("a client without a name: not answered: ")
}

/// A datagram each line. With `bind`, socat makes a socket file of its own, and removes it at its end.
fn socat_asks() -> Done {
    let harbour = harbour(&[])?;
    let berth = harbour.berth("alma.sock");
    let mut socat = theirs(&["socat", "-t5", "-", &format!("UNIX-SENDTO:{},bind={berth}", harbour.path)])?;
    two_lines(&mut socat)
}

fn socat_asks_without_a_name() -> Done {
    let harbour = harbour(&[])?;
    let mut socat = theirs(&["socat", "-t0.2", "-", &format!("UNIX-SENDTO:{}", harbour.path)])?;
    socat.type_line("ahoy")?;
    harbour.logs("a client without a name: not answered: ")?;
    socat.end_input();
    ends(&mut socat, 0)?;
    if socat.stdout.all().is_empty() { Ok(()) } else { Err(Failure::new("no answer", socat.stdout.all())) }
}

/// UNIX-CLIENT tries a stream first, is told that this is no stream (EPROTOTYPE), and takes datagrams then.
fn socat_tries_both_types() -> Done {
    let harbour = harbour(&[])?;
    let berth = harbour.berth("bruna.sock");
    let mut socat = theirs(&["socat", "-t5", "-", &format!("UNIX-CLIENT:{},bind={berth}", harbour.path)])?;
    two_lines(&mut socat)
}

/// Abstract names on both sides.
fn socat_asks_an_abstract_name() -> Done {
    let chance: String = std::iter::repeat_with(fastrand::alphanumeric).take(8).collect();
    let name = format!("netkata-{chance}");
    let server = ours("unixgram_echo", &[&format!("@{name}")])?;
    if server.announced()? != format!("@{name}") {
        return Err(Failure::new(format!("@{name}"), server.announced()?));
    }
    let mut socat = theirs(&["socat", "-t5", "-", &format!("ABSTRACT-SENDTO:{name},bind={name}-alma")])?;
    two_lines(&mut socat)
}

/// OpenBSD's nc makes a socket file by itself, so that it can be answered; -s says where.
fn nc_asks() -> Done {
    let harbour = harbour(&["--verbose"])?;
    let mut nc = theirs(&["nc", "-u", "-U", &harbour.path])?;
    two_lines(&mut nc)?;
    let berth = harbour.berth("corvo.sock");
    let mut nc = theirs(&["nc", "-u", "-U", "-s", &berth, &harbour.path])?;
    two_lines(&mut nc)?;
    harbour.logs(&format!("{berth}: 14 octets\n"))
}

/// One unconnected datagram socket, and no more of it when the server has ended.
fn ss_looks() -> Done {
    let Harbour { folder, mut server, path } = harbour(&[])?;
    let look = || {
        let mut ss = theirs(&["ss", "-H", "-a", "-x", "src", &path])?;
        ends(&mut ss, 0)?;
        Ok(ss.stdout.all())
    };
    let line = look()?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(..5) != Some(&["u_dgr", "UNCONN", "0", "0", path.as_str()]) {
        return Err(Failure::new(format!("u_dgr UNCONN 0 0 {path}"), line));
    }
    server.signal(nix::sys::signal::Signal::SIGTERM)?;
    ends(&mut server, 0)?;
    let (line, left) = (look()?, std::fs::read_dir(folder.path()).map_or(0, Iterator::count));
    if line.is_empty() && left == 0 { Ok(()) } else { Err(Failure::new("nothing left", line)) }
}
