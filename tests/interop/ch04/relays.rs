use crate::{PATIENCE, Test, ends, ours, port_of, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::proxy::nc_to_nc", needs: "nc", run: nc_to_nc },
    Test { name: "ch04::proxy::socat_echoes", needs: "socat", run: socat_echoes },
    Test { name: "ch04::proxy::socat_client_unix_to_unix", needs: "socat", run: socat_unix_to_unix },
    Test { name: "ch04::proxy::socat_abstract", needs: "socat", run: socat_abstract },
    Test { name: "ch04::proxy::curl_tcp_to_unix", needs: "curl python3", run: curl_tcp_to_unix },
    Test { name: "ch04::proxy::curl_unix_to_tcp", needs: "curl python3", run: curl_unix_to_tcp },
];

// ---- proxy ----------------------------------------------------------------------------------------------------------

/// A relay, and where it said that it listens.
fn proxy(listen: &str, upstream: &str) -> Result<(Subject, String), Failure> {
    let proxy = ours("proxy", &[listen, upstream])?;
    let address = proxy.announced()?;
    Ok((proxy, address))
}

fn folder() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))
}

/// Waits until a peer listens on its socket file: between bind(2) and listen(2) it would refuse.
fn made(path: &str) -> Done {
    // Num RefCount Protocol Flags Type St Inode Path; the flag is __SO_ACCEPTCON (proc(5), /proc/net/unix).
    let listens = |line: &str| line.split(' ').nth(3) == Some("00010000") && line.ends_with(path);
    let until = Instant::now() + PATIENCE;
    while !std::fs::read_to_string("/proc/net/unix").is_ok_and(|table| table.lines().any(listens)) {
        if Instant::now() >= until {
            return Err(Failure::new(format!("a socket file {path}"), "none"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Two people type; one ends, and still reads what the other says.
fn nc_to_nc() -> Done {
    let mut harbour = theirs(&["nc", "-l", "127.0.0.1", "0"])?;
    let (_proxy, address) = proxy("127.0.0.1:0", &format!("127.0.0.1:{}", port_of(&harbour)?))?;
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    let mut ship = theirs(&["nc", "-N", host, port])?;
    ship.type_line("any berth free?")?;
    says(&harbour, "any berth free?\n")?;
    ship.end_input();
    harbour.type_line("number four")?;
    says(&ship, "number four\n")?;
    harbour.end_input();
    ends(&mut ship, 0)?;
    ends(&mut harbour, 0)
}

/// socat asks through the relay, and ends with the answer: the half-close has gone all the way round.
fn socat_asks(address: &str) -> Done {
    let mut client = theirs(&["socat", "-t10", "-", address])?;
    client.type_line("Doris leaves")?;
    client.end_input();
    says(&client, "Doris leaves\n")?;
    ends(&mut client, 0)
}

fn socat_echoes() -> Done {
    let echo = theirs(&["socat", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"])?;
    let (_proxy, address) = proxy("127.0.0.1:0", &format!("127.0.0.1:{}", port_of(&echo)?))?;
    socat_asks(&format!("TCP:{address}"))
}

fn socat_unix_to_unix() -> Done {
    let folder = folder()?;
    let [near, far] = ["near.sock", "far.sock"].map(|name| folder.path().join(name).display().to_string());
    let _echo = theirs(&["socat", &format!("UNIX-LISTEN:{far}"), "EXEC:cat"])?;
    made(&far)?;
    let (_proxy, address) = proxy(&near, &format!("unix://{far}"))?;
    socat_asks(&format!("UNIX-CONNECT:{address}"))
}

/// What socat calls ABSTRACT is written `@name` here.
fn socat_abstract() -> Done {
    let name = format!("netkata-{}", std::process::id());
    let echo = theirs(&["socat", "TCP4-LISTEN:0,bind=127.0.0.1", "EXEC:cat"])?;
    // `unix:@name` is announced without the slashes of a path.
    let proxy = ours("proxy", &[&format!("@{name}"), &format!("127.0.0.1:{}", port_of(&echo)?)])?;
    says(&proxy, &format!("listening on unix:@{name}\n"))?;
    socat_asks(&format!("ABSTRACT-CONNECT:{name}"))
}

/// Python's web server on a socket file. It expects a client to have an address, for its log.
const WEB_ON_A_FILE: &str = "
import http.server, socketserver, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()";

/// A folder with a list of ships, 200,000 octets long.
fn site() -> Result<tempfile::TempDir, Failure> {
    let folder = folder()?;
    std::fs::write(folder.path().join("ships.txt"), "Alma\n".repeat(40_000))
        .map_err(|e| Failure::new("a file", e.to_string()))?;
    Ok(folder)
}

/// curl fetches the list through the relay, whole.
fn curl_gets(options: &[&str]) -> Done {
    let told = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n", "--max-time", "10"];
    let mut curl = theirs(&[&["curl"], &told[..], options].concat())?;
    says(&curl, "200 200000\n")?;
    ends(&mut curl, 0)
}

fn curl_tcp_to_unix() -> Done {
    let site = site()?;
    let far = site.path().join("web.sock").display().to_string();
    let serve = format!("cd {}; exec python3 -c \"$0\" {far}", site.path().display());
    let _web = theirs(&["sh", "-c", &serve, WEB_ON_A_FILE])?;
    made(&far)?;
    let (_proxy, address) = proxy("127.0.0.1:0", &far)?;
    curl_gets(&[&format!("http://{address}/ships.txt")])
}

fn curl_unix_to_tcp() -> Done {
    let site = site()?;
    let folder = site.path().display().to_string();
    let web = theirs(&["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", &folder, "0"])?;
    let near = site.path().join("near.sock").display().to_string();
    let (_proxy, address) = proxy(&near, &format!("127.0.0.1:{}", port_of(&web)?))?;
    curl_gets(&["--unix-socket", &address, "http://harbour/ships.txt"])
}
