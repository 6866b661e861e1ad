//! Connections that change hands between our programs and python3's `socket.send_fds` and `socket.recv_fds`; nc is the client.

use crate::{PATIENCE, Test, ends, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch07::pass_fd::nc_is_handed_over", needs: "nc", run: both_ours },
    Test { name: "ch07::pass_fd::python3_takes", needs: "nc python3", run: python_takes },
    Test { name: "ch07::pass_fd::python3_gives", needs: "nc python3", run: python_gives },
    Test { name: "ch07::pass_fd::python3_gives_a_listener", needs: "python3", run: python_gives_a_listener },
];

/// Takes one connection, and finishes its conversation.
const TAKER: &str = r#"
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print("listening on unix://" + sys.argv[1], flush=True)
    giver, _ = listener.accept()
line, fds, flags, _ = socket.recv_fds(giver, 256, 4)
giver.sendall(b"taken\n")
giver.close()
assert len(fds) == 1 and not flags & socket.MSG_CTRUNC, (fds, flags)
with socket.socket(fileno=fds[0]) as client:
    client.sendall(b"python has " + line)
    client.sendall(b"and heard " + client.recv(256))
"#;

/// Accepts one client, asks its name, hands it over and ends. The timeout makes its socket non-blocking.
const GIVER: &str = r#"
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("listening on tcp://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
client.settimeout(5)
client.sendall(b"your ship?\n")
line = b""
while not line.endswith(b"\n"):
    line += client.recv(1)
with socket.socket(socket.AF_UNIX) as taker:
    taker.connect(sys.argv[1])
    socket.send_fds(taker, [line], [client.fileno()])
    assert taker.recv(256) == b"taken\n"
"#;

const WRONG_GIVER: &str = r#"
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as taker:
    taker.connect(sys.argv[1])
    socket.send_fds(taker, [b"Alma\n"], [listener.fileno()])
    print(taker.recv(256).decode(), end="")
"#;

/// A folder, and a path in it.
fn place() -> Result<(tempfile::TempDir, String), Failure> {
    let folder = tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))?;
    let path = folder.path().join("harbour.sock").to_string_lossy().into_owned();
    Ok((folder, path))
}

/// nc, connected to whoever says that it listens.
fn nc(server: &Subject) -> Result<Subject, Failure> {
    let address = server.announced()?;
    let port = address.rsplit(':').next().unwrap_or_default();
    theirs(&["nc", "127.0.0.1", port])
}

fn logs(subject: &Subject, text: &str) -> Done {
    subject.stderr.contains(text, PATIENCE).map(drop).map_err(|(said, _)| Failure::new(text, said))
}

/// What the client hears of our taker, once it is handed over.
fn is_served(nc: &mut Subject) -> Done {
    nc.type_line("any berth free?")?;
    says(nc, "Alma: any berth free?\n")?;
    nc.type_line("bye")?;
    says(nc, "fair winds, Alma\n")?;
    nc.end_input();
    Ok(())
}

fn both_ours() -> Done {
    let (_folder, path) = place()?;
    let taker = ours("pass_fd", &["take", &path])?;
    taker.announced()?;
    let mut giver = ours("pass_fd", &["give", "127.0.0.1:0", "--to", &path])?;
    let mut nc = nc(&giver)?;
    says(&nc, "your ship?\n")?;
    nc.type_line("Alma")?;
    says(&nc, "welcome, Alma\n")?;
    logs(&giver, "Alma, handed over to ")?;
    giver.end();
    is_served(&mut nc)?;
    logs(&taker, "Alma has left")
}

fn python_takes() -> Done {
    let (_folder, path) = place()?;
    let mut python = theirs(&["python3", "-c", TAKER, &path])?;
    python.announced()?;
    let giver = ours("pass_fd", &["give", "127.0.0.1:0", "--to", &path])?;
    let mut nc = nc(&giver)?;
    says(&nc, "your ship?\n")?;
    nc.type_octets(b"Alma\nany berth free?\n")?;
    says(&nc, "python has Alma\nand heard any berth free?\n")?;
    ends(&mut python, 0)?;
    nc.end_input();
    ends(&mut nc, 0)
}

fn python_gives() -> Done {
    let (_folder, path) = place()?;
    let taker = ours("pass_fd", &["take", &path])?;
    taker.announced()?;
    let mut python = theirs(&["python3", "-c", GIVER, &path])?;
    let mut nc = nc(&python)?;
    says(&nc, "your ship?\n")?;
    nc.type_line("Alma")?;
    says(&nc, "welcome, Alma\n")?;
    ends(&mut python, 0)?;
    is_served(&mut nc)
}

fn python_gives_a_listener() -> Done {
    let (_folder, path) = place()?;
    let taker = ours("pass_fd", &["take", &path])?;
    taker.announced()?;
    let mut python = theirs(&["python3", "-c", WRONG_GIVER, &path])?;
    says(&python, "refused: ")?;
    ends(&mut python, 0)
}
