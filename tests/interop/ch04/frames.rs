//! Frames of type, length and value, made and read by others: python3's `struct`, and octets that a person types.

use crate::{PATIENCE, Test, ends, our_server, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::tlv_server::python3", needs: "python3", run: python_client },
    Test { name: "ch04::tlv_server::nc", needs: "nc", run: nc_types_octets },
    Test { name: "ch04::tlv_server::nc_is_told", needs: "nc", run: nc_types_wrong_octets },
    Test { name: "ch04::tlv_client::python3", needs: "python3", run: python_server },
    Test { name: "ch04::tlv_client::socat", needs: "socat", run: socat_echoes },
    Test { name: "ch04::tlv::python3_reads", needs: "python3", run: python_reads_encoded },
    Test { name: "ch04::tlv::python3_writes", needs: "python3", run: python_writes },
];

/// The whole codec, as it is written in Python: `>` is big-endian, `B` and `I` are u8 and u32.
const STRUCT: &str = r#"
import socket, struct, sys
def send(s, kind, value):
    s.sendall(struct.pack(">BI", kind, len(value)) + value)
def exactly(f, n):
    octets = f.read(n)
    assert len(octets) == n, "the stream ended after %d of %d octets" % (len(octets), n)
    return octets
def receive(f):
    kind, length = struct.unpack(">BI", exactly(f, 5))
    return kind, exactly(f, length)
"#;

fn python(script: &str, arguments: &[&str]) -> Result<Subject, Failure> {
    let script = format!("{STRUCT}{script}");
    theirs(&[&["python3", "-c", &script], arguments].concat())
}

/// A MiB, empty values, letters of two octets, each in its turn; then all but the first at once, before anything is read.
fn python_client() -> Done {
    let (_server, port) = our_server("tlv_server", &[])?;
    let script = r#"
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sent = [(1, bytes(range(256)) * 4096), (2, b""), (2, "Bødø".encode()), (1, b"")]
f = s.makefile("rb")
for kind, value in sent:
    send(s, kind, value)
    assert receive(f) == (kind, value)
for kind, value in sent[1:]:
    send(s, kind, value)
s.shutdown(socket.SHUT_WR)
assert [receive(f) for _ in sent[1:]] == sent[1:]
assert f.read() == b""
print("all came back")
"#;
    let mut client = python(script, &[&port])?;
    says(&client, "all came back\n")?;
    ends(&mut client, 0)
}

fn nc_types_octets() -> Done {
    let (server, port) = our_server("tlv_server", &[])?;
    let mut nc = theirs(&["nc", "-N", "127.0.0.1", &port])?;
    nc.type_octets(b"\x02\0\0\0\x04Al")?;
    nc.type_octets(b"ma\x01\0\0\0\x01~")?;
    nc.end_input();
    says(&nc, "\u{2}\0\0\0\u{4}Alma\u{1}\0\0\0\u{1}~")?;
    ends(&mut nc, 0)?;
    for line in ["[String] \"Alma\"\n", "[Binary] 7e\n"] {
        server.stderr.contains(line, PATIENCE).map_err(|(logged, _)| Failure::new("both values in the log", logged))?;
    }
    Ok(())
}

/// What nc shows is enough to see what was wrong.
fn nc_types_wrong_octets() -> Done {
    let (_server, port) = our_server("tlv_server", &[])?;
    let mut nc = theirs(&["nc", "127.0.0.1", &port])?;
    nc.type_octets(b"\x02\0\0\0\x01~GET / HTTP/1.1\r\n")?;
    says(&nc, "error: offset 6: unknown type 71 (known: 1 Binary, 2 String)")?;
    // It was given nothing to stop it: the server's FIN does.
    nc.end_input();
    ends(&mut nc, 0)
}

fn python_server() -> Done {
    let script = r#"
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
s, _ = l.accept()
f = s.makefile("rb")
for expected in [(2, "høy".encode()), (1, b"\x00\xff"), (2, b"")]:
    got = receive(f)
    assert got == expected, got
    send(s, *got)
assert f.read() == b""
print("all came", flush=True)
"#;
    let mut server = python(script, &[])?;
    let port = server.stdout.line(crate::PATIENCE).map_err(|_| Failure::new("a port", server.stderr.all()))?;
    let address = format!("127.0.0.1:{port}");
    let mut client = ours("tlv_client", &[&address, "--string", "høy", "--binary", "00ff", "--string", ""])?;
    says(&client, "[String] \"høy\"\n[Binary] 00 ff\n[String] \"\"\n")?;
    says(&server, "all came\n")?;
    ends(&mut server, 0)?;
    ends(&mut client, 0)
}

/// A server that knows nothing of frames, and begins to answer before it has a whole one.
fn socat_echoes() -> Done {
    let socat = theirs(&["socat", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"])?;
    let port = crate::port_of(&socat)?;
    let mut client = ours("tlv_client", &[&format!("127.0.0.1:{port}"), "--file", "-"])?;
    client.type_octets(&vec![b'~'; 10 << 20])?;
    client.end_input();
    says(&client, "[Binary] 7e 7e")?;
    ends(&mut client, 0)
}

fn python_reads_encoded() -> Done {
    let mut tlv = ours("tlv", &["encode", "--hex", "--string", "Alma", "--binary", "0c"])?;
    says(&tlv, "01 00 00 00 01 0c\n")?;
    ends(&mut tlv, 0)?;
    let script = r#"
import io
f = io.BytesIO(bytes.fromhex(sys.argv[1]))
assert [receive(f), receive(f), f.read()] == [(2, b"Alma"), (1, b"\x0c"), b""]
print("right")
"#;
    let mut python = python(script, &[&tlv.stdout.all()])?;
    says(&python, "right\n")?;
    ends(&mut python, 0)
}

fn python_writes() -> Done {
    let script = r#"print((struct.pack(">BI", 2, 4) + b"Alma" + struct.pack(">BI", 1, 0)).hex())"#;
    let python = python(script, &[])?;
    let hex = python.stdout.line(crate::PATIENCE).map_err(|_| Failure::new("hex", python.stderr.all()))?;
    let mut tlv = ours("tlv", &["decode", "--hex", &hex])?;
    says(&tlv, "[String] \"Alma\"\n[Binary]\n")?;
    ends(&mut tlv, 0)
}
