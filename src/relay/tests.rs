use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
enum Over {
    Tcp,
    Unix,
}

/// Two ends of a connection.
fn connected(over: Over) -> (Conn, Conn) {
    let (a, b) = match over {
        Over::Unix => UnixStream::pair().map(|(a, b)| (a.into(), b.into())).expect("pair"),
        Over::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
            let a = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
            (a.into(), listener.accept().expect("accept").0.into())
        }
    };
    (patient(a), b)
}

fn patient(end: Conn) -> Conn {
    crate::deadline::Timeouts::read_timeout(&end, Some(PATIENCE)).expect("timeout");
    end
}

/// A client, a server, and what carries between them.
fn relayed<W: Watch + Send + 'static>(
    client: Over,
    server: Over,
    options: &Options,
    mut watch: W,
) -> (Conn, Conn, JoinHandle<(Outcome, W)>) {
    let ((client, near), (server, far)) = (connected(client), connected(server));
    let options = options.clone();
    let relay = thread::spawn(move || (carry(near, far, &options, None, &mut watch), watch));
    (client, server, relay)
}

fn octets(n: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| rng.u8(..)).collect()
}

fn send_all(conn: &Conn, octets: Vec<u8>) -> JoinHandle<()> {
    let conn = conn.try_clone().expect("clone");
    thread::spawn(move || {
        (&conn).write_all(&octets).expect("write");
        conn.shutdown(Shutdown::Write).expect("shutdown");
    })
}

fn read_all(mut conn: &Conn) -> Vec<u8> {
    let mut got = Vec::new();
    conn.read_to_end(&mut got).expect("read");
    got
}

/// Both ways at once, over each kind of socket, by splice and by copying.
#[test]
fn everything_arrives() {
    let (up, down) = (octets(3 << 20, 1), octets(5 << 20, 2));
    for (client, server) in [(Over::Tcp, Over::Tcp), (Over::Tcp, Over::Unix), (Over::Unix, Over::Tcp)] {
        for splice in [true, false] {
            let options = Options { splice, ..Options::default() };
            let (client, server, relay) = relayed(client, server, &options, ());
            let sending = [send_all(&client, up.clone()), send_all(&server, down.clone())];
            let reading = thread::spawn(move || read_all(&server));
            assert!(read_all(&client) == down);
            assert!(reading.join().expect("join") == up);
            sending.into_iter().for_each(|thread| thread.join().expect("join"));
            let outcome = relay.join().expect("join").0;
            assert!(matches!(outcome.end, End::Finished), "{outcome:?}");
            assert_eq!((outcome.from_client, outcome.from_server), (3 << 20, 5 << 20));
        }
    }
}

/// Messages of one octet come alone, also after a stream has taken the direction over: nothing is held back.
#[test]
fn small_follows_large() {
    let (client, server, _relay) = relayed(Over::Tcp, Over::Tcp, &Options::default(), ());
    let much = octets(1 << 20, 3);
    for round in 0..3 {
        let sending = {
            let (client, much) = (client.try_clone().expect("clone"), much.clone());
            thread::spawn(move || (&client).write_all(&much).expect("write"))
        };
        let mut got = vec![0; much.len()];
        (&server).read_exact(&mut got).expect("stream");
        assert!(got == much);
        sending.join().expect("join");
        for octet in 0..200 {
            let mut got = [round];
            (&client).write_all(&[octet]).expect("write");
            (&server).read_exact(&mut got).expect("one octet");
            (&server).write_all(&got).expect("write");
            (&client).read_exact(&mut got).expect("one octet back");
            assert_eq!(got, [octet]);
        }
    }
}

/// Sees the first octets of each direction, and counts the rest.
#[derive(Default)]
struct First {
    seen: Vec<u8>,
    passed: usize,
    told: Vec<String>,
}

impl First {
    const WANTED: usize = 100_000;
}

impl Watch for First {
    fn wants(&self, _: From) -> bool {
        self.seen.len() < Self::WANTED
    }

    fn data(&mut self, _: From, octets: &[u8]) {
        self.seen.extend_from_slice(octets);
    }

    fn passed(&mut self, _: From, octets: usize) {
        self.passed += octets;
    }

    fn closed(&mut self, from: From) {
        self.told.push(format!("{from:?} closed"));
    }

    fn broken(&mut self, from: From, e: &io::Error) {
        self.told.push(format!("{from:?}: {:?}", e.kind()));
    }
}

/// What is wanted is seen in order and without a gap; what is not is counted.
#[test]
fn a_watch_sees_what_it_wants() {
    let (client, server, relay) = relayed(Over::Tcp, Over::Tcp, &Options::default(), First::default());
    let up = octets(4 << 20, 4);
    let sending = send_all(&client, up.clone());
    assert!(read_all(&server) == up);
    sending.join().expect("join");
    drop((client, server));
    let (_, watch) = relay.join().expect("join");
    assert!(watch.seen.len() >= First::WANTED && up.starts_with(&watch.seen));
    assert_eq!(watch.seen.len() + watch.passed, up.len());
    assert_eq!(watch.told, ["Client closed", "Server closed"]);
}

/// A server that resets in the middle: who reads late still gets everything that came before, and then the reset.
#[test]
fn a_reset_overtakes_nothing() {
    let (mut client, server, relay) = relayed(Over::Tcp, Over::Tcp, &Options::default(), First::default());
    let last = octets(300_000, 5);
    (&server).write_all(&last).expect("write");
    let Conn::Tcp(stream) = &server else { unreachable!("TCP") };
    // As long as our kernel still holds some, a reset of ours would throw it away before the relay could read it.
    while crate::sys::tcp_info::tcp_info(stream).is_ok_and(|i| i.unacked > 0 || i.notsent.is_some_and(|n| n > 0)) {
        thread::yield_now();
    }
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(server);
    let mut got = vec![0; last.len()];
    client.read_exact(&mut got).expect("all of it");
    assert!(got == last);
    assert_eq!(client.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    let (outcome, watch) = relay.join().expect("join");
    assert!(matches!(outcome.end, End::Broken(From::Server, _)), "{outcome:?}");
    assert_eq!(watch.told, ["Server: ConnectionReset"]);
}

/// A client on a Unix socket that has sent all and gone: poll(2) reports a hang-up from then on, and nothing is lost.
#[test]
fn a_hang_up_is_no_reset() {
    let (client, server, relay) = relayed(Over::Unix, Over::Tcp, &Options::default(), ());
    let words = octets(1 << 20, 6);
    let (sending, sent) = (thread::spawn(move || drop((&client).write_all(&words))), octets(1 << 20, 6));
    assert!(read_all(&server) == sent);
    sending.join().expect("join");
    drop(server);
    assert!(matches!(relay.join().expect("join").0.end, End::Finished));
}

/// Nobody moves: both sides are reset. One side moves: they are not.
#[test]
fn silence_has_an_end() {
    let options = Options { idle: Duration::from_millis(40), ..Options::default() };
    let (mut client, mut server, relay) = relayed(Over::Tcp, Over::Tcp, &options, ());
    assert!(matches!(relay.join().expect("join").0.end, End::Idle));
    for end in [&mut client, &mut server] {
        assert_eq!(end.read(&mut [0]).expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
}

/// A stop is felt while nothing moves.
#[test]
fn a_stop_is_felt() {
    let ((mut client, near), (_server, far)) = (connected(Over::Tcp), connected(Over::Tcp));
    let (stop, wake) = io::pipe().expect("pipe");
    let relay = thread::spawn(move || carry(near, far, &Options::default(), Some(stop.as_fd()), &mut ()));
    drop(wake);
    assert!(matches!(relay.join().expect("join").end, End::Stopped));
    assert_eq!(client.read(&mut [0]).expect("end of file"), 0);
}

/// Room is made when octets come, and given back when they have gone: a page for a message, a pipe for a stream.
#[test]
fn room_comes_and_goes() {
    let ((near, source), (sink, far)) = (connected(Over::Tcp), connected(Over::Tcp));
    source.set_nonblocking(true).expect("nonblocking");
    let mut flow = flow::Flow::new(From::Client, true);
    assert!(!flow.is_spare() && !flow.streams());
    (&near).write_all(b"ahoy").expect("write");
    assert_eq!(flow.receive(&source, &mut ()).expect("receive"), 4);
    flow.rest();
    assert_eq!(flow.held(), 4, "what is on the way is kept");
    flow.send(&sink).expect("send");
    assert!(flow.is_spare() && !flow.streams());
    flow.rest();
    assert!(!flow.is_spare());

    let drain = thread::spawn(move || read_all(&far).len());
    let sending = send_all(&near, vec![7; 8 << 20]);
    let mut streamed = false;
    while !flow.shut {
        match flow.receive(&source, &mut ()) {
            Ok(n) => flow.finished = n == 0,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
        streamed |= flow.streams();
        flow.send(&sink).expect("send");
        while flow.held() > 0 {
            flow.send(&sink).expect("send");
        }
    }
    sending.join().expect("join");
    assert!(streamed);
    assert_eq!(drain.join().expect("join"), 4 + (8 << 20));
    flow.rest();
    assert!(!flow.is_spare());
}
