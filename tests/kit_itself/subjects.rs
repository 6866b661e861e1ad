//! Programs for the grader's tools to be tried on. They are tests of this binary that only a scene starts.

use netkata::conn::{Conn, Peer};
use netkata::context::Context;
use netkata::dial;
use netkata::endpoint::Endpoint;
use netkata::listen::{self, Accept};
use netkata::unix::{Access, Kind, Name, datagram, file};
use netkata_kit::scene::Scene;
use netkata_kit::subject::Launch;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::thread;

/// A scene whose subject is the test of this name in this file. Its arguments are what follows `--`.
pub fn scene(name: &str) -> Scene {
    let this = std::env::current_exe().expect("a path");
    let line = format!("'{}' --nocapture --ignored --exact subjects::{name} --", this.display());
    Scene::new(&Launch::command(name, &line).expect("a command"), &[], 7)
}

fn arguments() -> Vec<Endpoint> {
    let given = std::env::args().skip_while(|a| a != "--").skip(1);
    given.map(|text| text.parse().expect("an endpoint")).collect()
}

/// `LISTEN UPSTREAM`: what comes goes on, both ways.
#[test]
#[ignore = "a program for other tests"]
fn relay() {
    let [listen, upstream] = arguments().try_into().expect("two endpoints");
    let listener = listen::announced(&listen).expect("a listener");
    loop {
        let (client, _): (Conn, Peer) = listener.accept_one().expect("a client");
        let server = dial::endpoint(&Context::new(), &upstream).expect("an upstream");
        let (from, to) = (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
        thread::spawn(move || pump(from, to));
        thread::spawn(move || pump(server, client));
    }
}

fn pump(mut from: Conn, mut to: Conn) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// `ADDRESS`: dials, and leaves.
#[test]
#[ignore = "a program for other tests"]
fn caller() {
    let [address] = arguments().try_into().expect("one endpoint");
    let mut conn = dial::endpoint(&Context::new(), &address).expect("a server");
    io::Write::write_all(&mut conn, b"Alma").expect("sent");
}

/// `NAME`: an echo of datagrams. To `stranger`, one without a name answers; to `failures`, it answers how many could not be.
#[test]
#[ignore = "a program for other tests"]
fn datagrams() {
    let name: Name = std::env::args().next_back().expect("a name").parse().expect("a name");
    let bound = file::datagrams(&name, &Access::default()).expect("a socket");
    listen::say_where(name.url(Kind::Datagram)).expect("said");
    let (mut failures, mut buffer) = (0, [0; 64]);
    loop {
        let got = datagram::receive(&bound.socket, &mut buffer).expect("a datagram");
        let Some(from) = got.from else {
            failures += 1;
            continue;
        };
        let answered = match &buffer[..got.len] {
            b"stranger" => UnixDatagram::unbound().and_then(|s| datagram::send_to(&s, b"boo", &from)),
            b"failures" => datagram::send_to(&bound.socket, failures.to_string().as_bytes(), &from),
            octets => datagram::send_to(&bound.socket, octets, &from),
        };
        failures += usize::from(answered.is_err());
    }
}

/// `LISTEN`: each client is told who it is, by number: user, group, groups.
#[test]
#[cfg(target_os = "linux")]
#[ignore = "a program for other tests"]
fn mirror() {
    use netkata::unix::credentials;
    use std::io::Write;
    let [listen] = arguments().try_into().expect("an endpoint");
    let listener = listen::announced(&listen).expect("a listener");
    loop {
        let (mut client, _): (Conn, Peer) = listener.accept_one().expect("a client");
        let peer = credentials::of(&client).expect("credentials");
        let groups = credentials::groups_of(&client).expect("groups");
        writeln!(client, "{} {} {:?}", peer.uid, peer.gid, &groups[1..]).expect("a write");
    }
}
