//! `blast` against servers of others: echoes of socat and ncat, on every transport, and a sink.

use crate::{Test, ends, ours, port_of, says, theirs};
use netkata::proc_net;
use netkata_kit::Failure;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::blast::socat_tcp", needs: "socat", run: socat_tcp },
    Test { name: "ch04::blast::socat_tcp_stream", needs: "socat", run: socat_tcp_stream },
    Test { name: "ch04::blast::socat_unix", needs: "socat", run: socat_unix },
    Test { name: "ch04::blast::socat_udp", needs: "socat", run: socat_udp },
    Test { name: "ch04::blast::socat_sink", needs: "socat", run: socat_sink },
    Test { name: "ch04::blast::ncat_reconnects", needs: "ncat", run: ncat_reconnects },
    Test { name: "ch04::blast::socat_that_changes_octets", needs: "socat", run: socat_that_changes_octets },
];

/// Loads a server; all of these requests have right answers.
fn blast(target: &str, n: u32, options: &[&str]) -> Done {
    let n = n.to_string();
    let mut blast = ours("blast", &[&[target, "--json", "-n", &n], options].concat())?;
    ends(&mut blast, 0)?;
    says(&blast, &format!("\"answered\":{n},"))
}

fn socat_tcp() -> Done {
    let server = theirs(&["socat", "TCP-LISTEN:0,bind=127.0.0.1,fork,backlog=100", "EXEC:cat"])?;
    blast(&format!("127.0.0.1:{}", port_of(&server)?), 400, &["-c", "8", "-s", "1KiB"])
}

/// Messages larger than every buffer on the way, read while they are written; and a stream.
fn socat_tcp_stream() -> Done {
    let server = theirs(&["socat", "TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat"])?;
    let target = format!("127.0.0.1:{}", port_of(&server)?);
    blast(&target, 3, &["-s", "8MiB"])?;
    blast(&target, 200, &["-s", "64KiB", "--stream"])
}

fn socat_unix() -> Done {
    let folder = tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))?;
    let path = folder.path().join("tide.sock").display().to_string();
    let _server = theirs(&["socat", &format!("UNIX-LISTEN:{path},fork"), "EXEC:cat"])?;
    until("socat to listen", || UnixStream::connect(&path).is_ok())?;
    blast(&path, 200, &["-c", "4"])
}

/// socat gives each datagram to a process of its own: one at a time, or it loses some.
fn socat_udp() -> Done {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let address = free.map_err(|e| Failure::new("a free port", e.to_string()))?;
    let _server = theirs(&["socat", &format!("UDP-RECVFROM:{},bind=127.0.0.1,fork", address.port()), "EXEC:cat"])?;
    until("socat to listen", || {
        let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
        proc_net::parse(&table).unwrap_or_default().iter().any(|socket| socket.local == address)
    })?;
    blast(&format!("udp://{address}"), 20, &["-s", "1200", "--timeout", "5s", "--rate", "50"])
}

fn socat_sink() -> Done {
    let server = theirs(&["socat", "-u", "TCP-LISTEN:0,bind=127.0.0.1", "OPEN:/dev/null"])?;
    blast(&format!("127.0.0.1:{}", port_of(&server)?), 500, &["-s", "100KiB", "--one-way"])
}

fn ncat_reconnects() -> Done {
    let server = theirs(&["ncat", "-l", "-k", "127.0.0.1", "0", "--exec", "/bin/cat"])?;
    blast(&format!("127.0.0.1:{}", port_of(&server)?), 30, &["-c", "2", "--reconnect"])
}

/// tr(1) between the two directions, without a buffer: each message comes back with its upper case lowered.
fn socat_that_changes_octets() -> Done {
    let filter = "SYSTEM:stdbuf -i0 -o0 tr A-Z a-z";
    let server = theirs(&["socat", "TCP-LISTEN:0,bind=127.0.0.1,fork", filter])?;
    let target = format!("127.0.0.1:{}", port_of(&server)?);
    let mut blast = ours("blast", &[&target, "-n", "20", "-s", "1000"])?;
    ends(&mut blast, 1)?;
    says(&blast, "20 of the answers; the first, connection 0, request 1, offset ")
}

fn until(what: &str, is_so: impl Fn() -> bool) -> Done {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(Failure::new(what, "it does not"));
        }
        std::thread::yield_now();
    }
    Ok(())
}
