//! Starting servers, and ending them.

use netkata::endpoint::Endpoint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(5);
/// How long it may take to end, when asked.
const LEAVE: Duration = Duration::from_secs(1);

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) endpoint: Endpoint,
    /// A process for each connection does not go far.
    pub(crate) most_connections: usize,
    /// `None` when somebody else ends it.
    child: Option<Child>,
}

/// A process for each connection: so many at the most.
pub(crate) const FORKS: usize = 50;

impl Peer {
    /// A TCP port on this machine; 0 for a server that has none.
    pub(crate) fn port(&self) -> u16 {
        match &self.endpoint {
            Endpoint::Tcp(address) => address.rsplit(':').next().and_then(|p| p.parse().ok()).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The same server under another name; it ends with the first.
    pub(crate) fn borrowed(&self, name: &'static str) -> Peer {
        Peer { name, endpoint: self.endpoint.clone(), most_connections: self.most_connections, child: None }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // A master asked to end takes its workers with it; killed, it would leave them behind.
        let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < LEAVE {
            if let Ok(Some(_)) = child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Those that could be started. Says which could not, and why.
pub(crate) fn started(attempts: Vec<(&'static str, io::Result<Peer>)>) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (name, attempt) in attempts {
        match attempt {
            Ok(peer) => peers.push(peer),
            Err(e) => println!("skipped {name}: {e}"),
        }
    }
    peers
}

/// This very program, in another role.
pub(crate) fn ourselves(name: &'static str, role: &str, endpoint: &str) -> io::Result<Peer> {
    announced(name, Command::new(std::env::current_exe()?).args([role, endpoint]))
}

/// Compiles benches/peers/FILE.c into the target folder.
pub(crate) fn c_program(file: &str) -> io::Result<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("benches/peers/{file}.c"));
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("peer-{file}"));
    compiled(Command::new("cc").args(["-O2", "-Wall", "-pthread", "-o"]).arg(&program).arg(source))?;
    Ok(program)
}

/// Runs a compiler. What it has to say goes to standard error.
pub(crate) fn compiled(compiler: &mut Command) -> io::Result<()> {
    let name = compiler.get_program().to_string_lossy().into_owned();
    match compiler.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(io::Error::other(format!("{name}: {status}"))),
        Err(e) => Err(io::Error::other(format!("{name}: {e}"))),
    }
}

/// A port that was free a moment ago, which is free enough.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port())
}

/// A server that says on its first line where it listens.
pub(crate) fn announced(name: &'static str, command: &mut Command) -> io::Result<Peer> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let mut peer =
        Peer { name, endpoint: Endpoint::Tcp(String::new()), most_connections: usize::MAX, child: Some(child) };
    let said = line.trim_end().strip_prefix("listening on ").and_then(|address| address.parse::<Endpoint>().ok());
    let said = said.ok_or_else(|| io::Error::other(format!("it said {line:?}, not where it listens")))?;
    // Who listens on every address is asked on one.
    peer.endpoint = match said {
        Endpoint::Tcp(address) => Endpoint::Tcp(address.replace("0.0.0.0", "127.0.0.1")),
        other => other,
    };
    Ok(peer)
}

/// A server that must be given a port: it stands for `{port}` in the arguments.
pub(crate) fn on_a_port(name: &'static str, program: &str, args: &[&str]) -> io::Result<Peer> {
    let port = free_port()?;
    let args = args.iter().map(|a| a.replace("{port}", &port.to_string()));
    listening(name, port, Command::new(program).args(args))
}

/// A server that was told to listen on this port, and says nothing about it.
pub(crate) fn listening(name: &'static str, port: u16, command: &mut Command) -> io::Result<Peer> {
    let endpoint = Endpoint::Tcp(format!("127.0.0.1:{port}"));
    answering(name, endpoint, command, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
}

/// A server that says nothing about where it listens: it is there when `answers` says so.
pub(crate) fn answering(
    name: &'static str,
    endpoint: Endpoint,
    command: &mut Command,
    answers: impl Fn() -> bool,
) -> io::Result<Peer> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let program = command.get_program().to_string_lossy();
    let child = child.map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    let mut peer = Peer { name, endpoint, most_connections: usize::MAX, child: Some(child) };
    let start = Instant::now();
    while !answers() {
        if let Some(status) = peer.child.as_mut().map_or(Ok(None), Child::try_wait)? {
            return Err(io::Error::other(format!("it ended: {status}")));
        }
        if start.elapsed() > START {
            return Err(io::Error::other("it does not listen"));
        }
        std::thread::yield_now();
    }
    Ok(peer)
}
