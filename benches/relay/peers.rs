//! The relays: ours, and what the machine has. Each is started twice, before the echo and before the sink.

use crate::common::peers::{FORKS, Peer, announced, compiled, free_port, listening, on_a_port, ourselves};
use crate::common::served;
use crate::workload::Workload;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const DIRECT: &str = "direct";
pub(crate) const PROXY: &str = "proxy";
pub(crate) const WIRETAP: &str = "wiretap, capturing";
pub(crate) const SOCAT: &str = "socat, fork";
pub(crate) const HAPROXY: &str = "haproxy, TCP mode";
pub(crate) const NGINX: &str = "nginx, stream";
pub(crate) const GO: &str = "Go, io.Copy";
/// Relays of others, each around an event loop of its own kind.
pub(crate) const THEIRS: [&str; 4] = [SOCAT, HAPROXY, NGINX, GO];
/// Those that wait for many connections in one place.
pub(crate) const EVENT_LOOPS: [&str; 3] = [HAPROXY, NGINX, GO];

/// Where Debian and others put nginx's module, when it is not built in.
const STREAM_MODULES: [&str; 3] = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/libexec/nginx/modules"];

/// The two servers behind every relay.
pub(crate) struct Servers {
    pub(crate) echo: Peer,
    pub(crate) sink: Peer,
    /// Configurations and captures, gone with the bench.
    pub(crate) folder: tempfile::TempDir,
}

impl Servers {
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self {
            echo: ourselves("echo", served::ECHO, "127.0.0.1:0")?,
            sink: ourselves("sink", served::SINK, "127.0.0.1:0")?,
            folder: tempfile::tempdir()?,
        })
    }
}

/// One relay, before each of the servers.
pub(crate) struct Relay {
    pub(crate) name: &'static str,
    pub(crate) echo: Option<Peer>,
    pub(crate) sink: Option<Peer>,
}

impl Relay {
    /// The one that this workload goes through.
    pub(crate) fn towards(&self, workload: &Workload) -> Option<&Peer> {
        match workload {
            Workload::Stream => self.sink.as_ref(),
            Workload::PingPong { .. } => self.echo.as_ref(),
        }
    }
}

/// Starts a relay in front of this port.
pub(crate) type Start = fn(u16, &Path) -> io::Result<Peer>;

/// All relays but *direct*, in the order of the table.
pub(crate) const RELAYS: &[(&str, Start)] =
    &[(PROXY, proxy), (WIRETAP, wiretap), (GO, go), (NGINX, nginx), (HAPROXY, haproxy), (SOCAT, socat)];

/// The relays that can be had here. Says which cannot, and why.
pub(crate) fn start_all(servers: &Servers) -> Vec<Relay> {
    let direct = |server: &Peer| Some(server.borrowed(DIRECT));
    let mut relays = vec![Relay { name: DIRECT, echo: direct(&servers.echo), sink: direct(&servers.sink) }];
    for &(name, start) in RELAYS {
        let started = start(servers.echo.port(), servers.folder.path())
            .and_then(|echo| Ok((echo, start(servers.sink.port(), servers.folder.path())?)));
        match started {
            Ok((echo, sink)) => relays.push(Relay { name, echo: Some(echo), sink: Some(sink) }),
            Err(e) => println!("skipped {name}: {e}"),
        }
    }
    relays
}

fn upstream(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// The release build of bin/ch04/proxy.rs.
fn proxy(port: u16, _: &Path) -> io::Result<Peer> {
    announced(PROXY, Command::new(env!("CARGO_BIN_EXE_proxy")).args(["127.0.0.1:0", &upstream(port)]))
}

/// The release build of bin/ch04/wiretap, with everything that it records by default going to a capture file.
fn wiretap(port: u16, folder: &Path) -> io::Result<Peer> {
    let capture = folder.join(format!("{port}.pcapng"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wiretap"));
    announced(WIRETAP, command.args(["--quiet", "127.0.0.1:0", &upstream(port), "--write"]).arg(capture))
}

/// Built once a run; go keeps what has not changed.
fn go(port: u16, _: &Path) -> io::Result<Peer> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/peers/relay.go");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("peer-relay-go");
    compiled(Command::new("go").args(["build", "-o"]).arg(&program).arg(source))?;
    announced(GO, Command::new(program).arg(upstream(port)))
}

fn socat(port: u16, _: &Path) -> io::Result<Peer> {
    let listen = "TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=4096";
    let mut peer = on_a_port(SOCAT, "socat", &["-b", "131072", listen, &format!("TCP:{},nodelay", upstream(port))])?;
    peer.most_connections = FORKS;
    Ok(peer)
}

/// haproxy splices when it pays (`splice-auto`).
fn haproxy(port: u16, folder: &Path) -> io::Result<Peer> {
    let listen = free_port()?;
    let text = format!(
        "global\n    maxconn 5000\n\
         defaults\n    mode tcp\n    option splice-auto\n    timeout connect 5s\n    timeout client 300s\n    timeout server 300s\n\
         listen relay\n    bind 127.0.0.1:{listen}\n    server upstream {}\n",
        upstream(port)
    );
    let file = folder.join(format!("haproxy-{port}.cfg"));
    fs::write(&file, text)?;
    listening(HAPROXY, listen, Command::new("haproxy").args(["-db", "-q", "-f"]).arg(file))
}

/// A worker for each core, no logs, and every file it wants to write below our folder.
fn nginx(port: u16, folder: &Path) -> io::Result<Peer> {
    let listen = free_port()?;
    let home = folder.join(format!("nginx-{port}"));
    fs::create_dir_all(&home)?;
    let module = STREAM_MODULES.iter().map(|f| Path::new(f).join("ngx_stream_module.so")).find(|f| f.exists());
    let load = module.map_or(String::new(), |file| format!("load_module {};\n", file.display()));
    let text = format!(
        "{load}daemon off;\nworker_processes auto;\nworker_rlimit_nofile 16384;\npid {home}/pid;\nerror_log {home}/log crit;\n\
         events {{ worker_connections 8192; }}\n\
         stream {{ server {{ listen 127.0.0.1:{listen}; proxy_pass {}; proxy_buffer_size 64k; }} }}\n",
        upstream(port),
        home = home.display(),
    );
    let file = home.join("nginx.conf");
    fs::write(&file, text)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(home.join("log")).arg("-p").arg(&home).arg("-c").arg(&file);
    let log = || fs::read_to_string(home.join("log")).unwrap_or_default();
    let why = |e: io::Error| match log().lines().next() {
        // Without the module, it does not know the word.
        Some(line) => io::Error::other(format!("{e}: {line}")),
        None => e,
    };
    listening(NGINX, listen, &mut command).map_err(why)
}
