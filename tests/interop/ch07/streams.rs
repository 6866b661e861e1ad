//! Streams between Unix sockets: nc, ncat, socat and python3 on both sides; ss looks on.

use crate::{PATIENCE, Test, ends, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch07::unix_echo_server::nc", needs: "nc", run: nc_speaks },
    Test { name: "ch07::unix_echo_server::ncat", needs: "ncat", run: ncat_speaks },
    Test { name: "ch07::unix_echo_server::socat", needs: "socat", run: socat_speaks },
    Test { name: "ch07::unix_echo_server::socat_abstract", needs: "socat", run: socat_speaks_to_a_name },
    Test { name: "ch07::unix_echo_server::python3", needs: "python3", run: python_sends_a_mebibyte },
    Test { name: "ch07::unix_echo_server::ss", needs: "ss nc", run: ss_sees_both_ends },
    Test { name: "ch07::unix_echo_server::nc_was_killed", needs: "nc", run: takes_over_from_a_dead_nc },
    Test { name: "ch07::unix_echo_server::nc_is_alive", needs: "nc", run: leaves_a_live_nc_alone },
    Test { name: "ch07::unix_echo_client::nc_listens", needs: "nc", run: nc_is_greeted },
    Test { name: "ch07::unix_echo_client::ncat_listens", needs: "ncat", run: ncat_echoes },
    Test { name: "ch07::unix_echo_client::socat_listens", needs: "socat", run: socat_echoes },
    Test { name: "ch07::unix_echo_client::socat_abstract", needs: "socat", run: socat_echoes_under_a_name },
    Test { name: "ch07::unix_echo_client::python3_in_pieces", needs: "python3", run: python_echoes_in_pieces },
    Test { name: "ch07::unix_echo_client::python3_in_capitals", needs: "python3", run: python_is_no_echo },
];

const GREETING: &str = "any berth free?";

fn io_failure(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::new(what, e.to_string())
}

/// A folder for socket files, and the path of one.
fn place() -> Result<(tempfile::TempDir, String), Failure> {
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    let path = folder.path().join("h.sock").to_string_lossy().into_owned();
    Ok((folder, path))
}

/// Our server, listening there.
fn served(name: &str) -> Result<Subject, Failure> {
    let server = ours("unix_echo_server", &[name, "-v"])?;
    server.announced()?;
    Ok(server)
}

/// A peer that listens at this path, as soon as it does. Whoever asks by connecting would be its client, and between bind(2) and
/// listen(2) a connect is refused.
fn listening(command: &[&str], path: &str) -> Result<Subject, Failure> {
    let peer = theirs(command)?;
    let until = Instant::now() + PATIENCE;
    while !is_listened_at(path) {
        if Instant::now() > until {
            return Err(Failure::new("a listening peer", format!("none; standard error: {}", peer.stderr.all())));
        }
        std::thread::yield_now();
    }
    Ok(peer)
}

/// By proc(5), /proc/net/unix: the fourth column has the flags, of which one says that the socket accepts connections.
fn is_listened_at(path: &str) -> bool {
    const ACCEPTS: &str = "00010000";
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    sockets.lines().any(|line| line.ends_with(path) && line.split_whitespace().nth(3) == Some(ACCEPTS))
}

fn greet(name: &str, options: &[&str]) -> Result<Subject, Failure> {
    ours("unix_echo_client", &[&[name, "--greeting", GREETING, "--every", "20ms"], options].concat())
}

/// A line there and back, then the end.
fn one_line(mut client: Subject) -> Done {
    client.type_line("ahoy from Alma")?;
    says(&client, "ahoy from Alma\n")?;
    client.end_input();
    ends(&mut client, 0)
}

fn nc_speaks() -> Done {
    let (_folder, path) = place()?;
    let server = served(&path)?;
    one_line(theirs(&["nc", "-N", "-U", &path])?)?;
    server
        .stderr
        .contains("unix client 1: closed after 15 octets", PATIENCE)
        .map_err(|(said, _)| Failure::new("a log", said))
}

fn ncat_speaks() -> Done {
    let (_folder, path) = place()?;
    let _server = served(&path)?;
    one_line(theirs(&["ncat", "-U", &path])?)
}

fn socat_speaks() -> Done {
    let (_folder, path) = place()?;
    let _server = served(&path)?;
    one_line(theirs(&["socat", "-", &format!("UNIX-CONNECT:{path}")])?)
}

fn abstract_name() -> String {
    format!("netkata-interop-{}-{}", std::process::id(), fastrand::u32(..))
}

fn socat_speaks_to_a_name() -> Done {
    let name = abstract_name();
    let _server = served(&format!("@{name}"))?;
    one_line(theirs(&["socat", "-", &format!("ABSTRACT-CONNECT:{name}")])?)
}

fn python_sends_a_mebibyte() -> Done {
    let (_folder, path) = place()?;
    let _server = served(&path)?;
    let script = "import os, socket, sys, threading\n\
                  s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)\n\
                  s.connect(sys.argv[1])\n\
                  sent, back = os.urandom(1 << 20), b''\n\
                  def send(): s.sendall(sent); s.shutdown(socket.SHUT_WR)\n\
                  threading.Thread(target=send).start()\n\
                  while part := s.recv(65536): back += part\n\
                  print('the same' if back == sent else 'another')\n";
    let mut python = theirs(&["python3", "-c", script, &path])?;
    ends(&mut python, 0)?;
    says(&python, "the same\n")
}

/// A socket in the listening state, and one in a connection that has the same name.
fn ss_sees_both_ends() -> Done {
    let (_folder, path) = place()?;
    let _server = served(&path)?;
    let mut nc = theirs(&["nc", "-N", "-U", &path])?;
    nc.type_line("ahoy")?;
    says(&nc, "ahoy\n")?;
    let output = Command::new("ss").args(["-x", "-a", "-H", "src", &path]).output().map_err(io_failure("ss"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut states: Vec<_> = text.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    states.sort_unstable();
    if states == ["ESTAB", "LISTEN"] { Ok(()) } else { Err(Failure::new("a listener and a connection", text)) }
}

/// nc leaves its file behind when it is killed.
fn takes_over_from_a_dead_nc() -> Done {
    let (_folder, path) = place()?;
    let mut nc = listening(&["nc", "-l", "-k", "-U", &path], &path)?;
    nc.signal(Signal::SIGKILL)?;
    nc.exit(PATIENCE)?;
    if !Path::new(&path).exists() {
        return Err(Failure::new("a stale file", "none"));
    }
    let _server = served(&path)?;
    one_line(theirs(&["nc", "-N", "-U", &path])?)
}

/// The one client that nc waits for is still to come.
fn leaves_a_live_nc_alone() -> Done {
    let (_folder, path) = place()?;
    let mut nc = listening(&["nc", "-l", "-N", "-U", &path], &path)?;
    let mut server = ours("unix_echo_server", &[&path])?;
    ends(&mut server, 1)?;
    let mut client = theirs(&["nc", "-N", "-U", &path])?;
    client.type_line("ahoy, nc")?;
    says(&nc, "ahoy, nc\n")?;
    client.end_input();
    nc.end_input();
    ends(&mut nc, 0)?;
    ends(&mut client, 0)
}

/// A greeting and its reply; then Ctrl-C. These peers end with what they read: at our end they do not send what is still due.
fn one_comes_back(path: &str, reply: impl FnOnce() -> Done) -> Done {
    let mut client = ours("unix_echo_client", &[path, "--greeting", GREETING, "--every", "30s"])?;
    reply()?;
    says(&client, &format!("{GREETING}\n"))?;
    client.signal(Signal::SIGINT)?;
    ends(&mut client, 0)
}

/// A person at nc types what comes.
fn nc_is_greeted() -> Done {
    let (_folder, path) = place()?;
    let mut nc = listening(&["nc", "-l", "-N", "-U", &path], &path)?;
    one_comes_back(&path, || {
        says(&nc, GREETING)?;
        nc.type_octets(GREETING.as_bytes())
    })?;
    ends(&mut nc, 0)
}

/// Three greetings, three replies, and the end.
fn three_come_back(name: &str) -> Done {
    let mut client = greet(name, &["--count", "3"])?;
    ends(&mut client, 0)?;
    says(&client, &format!("{GREETING}\n").repeat(3))
}

fn ncat_echoes() -> Done {
    let (_folder, path) = place()?;
    let _ncat = listening(&["ncat", "-l", "-k", "-U", &path, "-e", "/bin/cat"], &path)?;
    one_comes_back(&path, || Ok(()))
}

fn socat_echoes() -> Done {
    let (_folder, path) = place()?;
    let _socat = listening(&["socat", &format!("UNIX-LISTEN:{path},fork"), "EXEC:cat"], &path)?;
    three_come_back(&path)
}

fn socat_echoes_under_a_name() -> Done {
    let name = abstract_name();
    let socat = theirs(&["socat", "-d", "-d", &format!("ABSTRACT-LISTEN:{name},fork"), "EXEC:cat"])?;
    socat.stderr.contains("listening on", PATIENCE).map_err(|(said, _)| Failure::new("socat to listen", said))?;
    three_come_back(&format!("@{name}"))
}

/// A server whose replies go through `change`, octet by octet.
fn python(path: &str, change: &str) -> Result<Subject, Failure> {
    let script = format!(
        "import socketserver, sys\n\
         class Echo(socketserver.BaseRequestHandler):\n \
           def handle(self):\n  \
             while part := self.request.recv(7):\n   \
               for octet in part{change}: self.request.sendall(bytes([octet]))\n\
         socketserver.ThreadingUnixStreamServer(sys.argv[1], Echo).serve_forever()\n"
    );
    listening(&["python3", "-c", &script, path], path)
}

fn python_echoes_in_pieces() -> Done {
    let (_folder, path) = place()?;
    let _python = python(&path, "")?;
    three_come_back(&path)
}

fn python_is_no_echo() -> Done {
    let (_folder, path) = place()?;
    let _python = python(&path, ".upper()")?;
    let mut client = greet(&path, &[])?;
    ends(&mut client, 1)?;
    let right = "expected \"any berth free?\" at offset 0, got \"A";
    client.stderr.contains(right, PATIENCE).map_err(|(said, _)| Failure::new(right, said))
}
