use super::*;
use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::thread;

const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for a datagram on loopback, most of the time; a silence that is not one is found in the end.
const MOMENT: Duration = Duration::from_millis(50);

fn socket_at(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket
}

fn socket() -> UdpSocket {
    socket_at("127.0.0.1:0")
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("address")
}

/// A relay on `entrance` to `upstream`, for as long as `scene` takes.
fn relayed(entrance: &UdpSocket, upstream: SocketAddr, limits: &Limits, hook: impl Hook + Send, scene: impl FnOnce()) {
    let (stop, mut hook) = (Context::new(), hook);
    thread::scope(|s| {
        let relay = s.spawn(|| carry(entrance, upstream, limits, &mut hook, &stop));
        let scene = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scene));
        stop.cancel();
        relay.join().expect("join").expect("carry");
        if let Err(e) = scene {
            std::panic::resume_unwind(e);
        }
    });
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; LONGEST];
    let (n, from) = socket.recv_from(&mut buffer).expect("datagram");
    buffer.truncate(n);
    (buffer, from)
}

fn expect_silence(socket: &UdpSocket) {
    socket.set_read_timeout(Some(MOMENT)).expect("timeout");
    let came = socket.recv_from(&mut [0; 64]);
    assert!(came.as_ref().is_err_and(crate::error::is_timeout), "{came:?}");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
}

/// TFTP's way: asked on one port, the server goes on from another, and is spoken to there. Two clients do so at once, and the
/// ports of the relay are a picture of the server's.
#[test]
fn the_server_may_go_on_from_another_port() {
    let (entrance, server, transfers) = (socket(), socket(), [socket(), socket()]);
    relayed(&entrance, address(&server), &Limits::default(), (), || {
        let clients = [socket(), socket()];
        let mut doors = Vec::new();
        for (client, transfer) in clients.iter().zip(&transfers) {
            client.send_to(b"tides?", address(&entrance)).expect("send");
            let (_, from) = receive(&server);
            transfer.send_to(b"block 1", from).expect("send");
            let (octets, door) = receive(client);
            assert_eq!(octets, b"block 1");
            client.send_to(b"ack 1", door).expect("send");
            assert_eq!(receive(transfer), (b"ack 1".to_vec(), from), "from the port that asked");
            doors.push(door);
        }
        assert!(doors[0] != doors[1] && !doors.contains(&address(&entrance)));
        // The asked port still answers as itself.
        clients[0].send_to(b"tides?", address(&entrance)).expect("send");
        server.send_to(b"enough", receive(&server).1).expect("send");
        assert_eq!(receive(&clients[0]), (b"enough".to_vec(), address(&entrance)));
        // Who sends to another's door reaches that port of the server's, as itself.
        clients[1].send_to(b"pardon me", doors[0]).expect("send");
        let (octets, stranger) = receive(&transfers[0]);
        assert_eq!(octets, b"pardon me");
        transfers[0].send_to(b"error 5", stranger).expect("send");
        assert_eq!(receive(&clients[1]), (b"error 5".to_vec(), doors[0]));
    });
}

/// Other hosts are not let in by the client's port.
#[cfg(target_os = "linux")]
#[test]
fn only_the_servers_host_answers() {
    let (entrance, server, stranger) = (socket(), socket(), socket_at("127.0.0.2:0"));
    relayed(&entrance, address(&server), &Limits::default(), (), || {
        let client = socket();
        client.send_to(b"tides?", address(&entrance)).expect("send");
        let (_, from) = receive(&server);
        stranger.send_to(b"low water", from).expect("send");
        server.send_to(b"high water", from).expect("send");
        assert_eq!(receive(&client).0, b"high water");
        expect_silence(&client);
    });
}

/// An entrance on all addresses answers from the one that was asked, by a door too.
#[cfg(target_os = "linux")]
#[test]
fn the_asked_address_answers() {
    for entrance in ["0.0.0.0:0", "[::]:0"] {
        let (entrance, server, transfer) = (socket_at(entrance), socket(), socket());
        let asked = SocketAddr::from(([127, 0, 0, 3], address(&entrance).port()));
        relayed(&entrance, address(&server), &Limits::default(), (), || {
            let client = socket();
            client.send_to(b"tides?", asked).expect("send");
            let (_, from) = receive(&server);
            server.send_to(b"soon", from).expect("send");
            assert_eq!(receive(&client), (b"soon".to_vec(), asked));
            transfer.send_to(b"block 1", from).expect("send");
            let (_, door) = receive(&client);
            assert_eq!(door.ip(), asked.ip());
            client.send_to(b"ack 1", door).expect("send");
            assert_eq!(receive(&transfer), (b"ack 1".to_vec(), from));
        });
    }
}

/// IPv6 on both sides, and IPv6 in front of IPv4.
#[test]
fn both_versions() {
    for (listen, upstream) in [("[::1]:0", "[::1]:0"), ("[::1]:0", "127.0.0.1:0"), ("127.0.0.1:0", "[::1]:0")] {
        let (entrance, server) = (socket_at(listen), socket_at(upstream));
        relayed(&entrance, address(&server), &Limits::default(), (), || {
            let client = socket_at(listen);
            client.send_to(b"tides?", address(&entrance)).expect("send");
            server.send_to(b"high", receive(&server).1).expect("send");
            assert_eq!(receive(&client), (b"high".to_vec(), address(&entrance)));
        });
    }
    assert_eq!(somebody(([0, 0, 0, 0], 69).into()), ([127, 0, 0, 1], 69).into());
    assert_eq!(somebody((Ipv6Addr::UNSPECIFIED, 69).into()), (Ipv6Addr::LOCALHOST, 69).into());
}

/// The client is gone. The server, which would go on for ever, hears it from the relay's host as it would from the client's.
#[cfg(target_os = "linux")]
#[test]
fn a_client_that_is_gone_is_gone_for_the_server() {
    let (entrance, server) = (socket(), socket());
    relayed(&entrance, address(&server), &Limits::default(), (), || {
        let client = socket();
        client.send_to(b"tides?", address(&entrance)).expect("send");
        let (_, from) = receive(&server);
        drop(client);
        server.connect(from).expect("connect");
        let until = Instant::now() + PATIENCE;
        while server.send(b"block 1").is_ok() {
            assert!(Instant::now() < until, "nobody said so");
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Says what to do with one datagram after another, of whichever side.
struct Script(VecDeque<Verdict>);

impl Hook for Script {
    type Path = ();

    fn begin(&mut self, _: SocketAddr, _: SocketAddr, _: Option<&()>) {}

    fn datagram(&mut self, (): &mut (), _: From, _: &[u8]) -> Verdict {
        self.0.pop_front().unwrap_or(Verdict::Pass)
    }
}

fn later(text: &str, after: Duration, behind: usize) -> Verdict {
    Verdict::Instead(vec![Delivery { octets: text.into(), after, behind, foreign: false }])
}

/// Sends `count` datagrams through a relay that follows the script; what arrives, and how long it took.
fn played(script: Vec<Verdict>, count: u8, arrivals: usize) -> (Vec<String>, Duration) {
    let (entrance, server) = (socket(), socket());
    let (mut got, mut took) = (Vec::new(), Duration::ZERO);
    relayed(&entrance, address(&server), &Limits::default(), Script(script.into()), || {
        let (client, start) = (socket(), Instant::now());
        for number in 0..count {
            client.send_to(&[b'0' + number], address(&entrance)).expect("send");
        }
        got = (0..arrivals).map(|_| String::from_utf8(receive(&server).0).expect("text")).collect();
        took = start.elapsed();
        expect_silence(&server);
    });
    (got, took)
}

/// Nothing, something else, two of them.
#[test]
fn the_hook_decides_what_arrives() {
    let twice = Verdict::Instead(vec![Delivery { octets: b"x".to_vec(), ..at_once() }; 2]);
    let (got, _) = played(vec![Verdict::Instead(Vec::new()), twice, Verdict::Pass], 3, 3);
    assert_eq!(got, ["x", "x", "2"]);
}

fn at_once() -> Delivery {
    Delivery { octets: Vec::new(), after: Duration::ZERO, behind: 0, foreign: false }
}

/// The hook decides when: after a while; after so many others; and not for ever, when no others come.
#[test]
fn the_hook_decides_when() {
    let (got, took) = played(vec![later("late", MOMENT, 0)], 3, 3);
    assert_eq!((got, took >= MOMENT), (vec!["1".into(), "2".into(), "late".into()], true));

    let (got, took) = played(vec![later("overtaken", PATIENCE, 2)], 4, 4);
    assert_eq!((got, took < PATIENCE), (vec!["1".into(), "2".into(), "overtaken".into(), "3".into()], true));

    let (got, took) = played(vec![Verdict::Pass, later("last", MOMENT, 5)], 2, 2);
    assert_eq!((got, took >= MOMENT), (vec!["0".into(), "last".into()], true));
}

/// One that was sent before does not overtake, however late it is.
#[test]
fn an_older_one_does_not_overtake() {
    let (got, took) = played(vec![later("slow", MOMENT / 2, 0), later("second", MOMENT, 1)], 2, 2);
    assert_eq!((got, took >= MOMENT), (vec!["slow".into(), "second".into()], true));
}

/// From another port of the relay's host, which nobody can answer.
#[test]
fn a_foreign_port() {
    let foreign = Verdict::Instead(vec![Delivery { octets: b"pardon me".to_vec(), foreign: true, ..at_once() }]);
    let (entrance, server) = (socket(), socket());
    relayed(&entrance, address(&server), &Limits::default(), Script([Verdict::Pass, foreign].into()), || {
        let client = socket();
        client.send_to(b"tides?", address(&entrance)).expect("send");
        let (_, from) = receive(&server);
        server.send_to(b"high", from).expect("send");
        let (octets, stranger) = receive(&client);
        assert_eq!(octets, b"pardon me");
        assert!(stranger != address(&entrance) && stranger.ip() == address(&entrance).ip());
    });
}

/// What would wait in too large a queue is dropped.
#[test]
fn the_queue_has_an_end() {
    let (entrance, server) = (socket(), socket());
    let script = (0..3).map(|_| later("123", MOMENT, 0)).collect();
    let limits = Limits { queue: 2 * (3 + 256), ..Limits::default() };
    relayed(&entrance, address(&server), &limits, Script(script), || {
        let client = socket();
        for _ in 0..3 {
            client.send_to(b"123", address(&entrance)).expect("send");
        }
        assert_eq!((receive(&server).0, receive(&server).0), (b"123".to_vec(), b"123".to_vec()));
        expect_silence(&server);
    });
}

/// A server with more ports than the relay has doors for: the one unused the longest is closed.
#[test]
fn there_are_so_many_doors() {
    let (entrance, server, ports) = (socket(), socket(), [socket(), socket(), socket()]);
    let limits = Limits { ports: 2, ..Limits::default() };
    relayed(&entrance, address(&server), &limits, (), || {
        let client = socket();
        client.send_to(b"tides?", address(&entrance)).expect("send");
        let (_, from) = receive(&server);
        let doors: Vec<SocketAddr> = ports
            .iter()
            .map(|port| {
                port.send_to(b"block 1", from).expect("send");
                receive(&client).1
            })
            .collect();
        for (door, port) in doors.iter().zip(&ports).skip(1) {
            client.send_to(b"ack 1", *door).expect("send");
            assert_eq!(receive(port).0, b"ack 1");
        }
        client.connect(doors[0]).expect("connect");
        let _ = client.send(b"ack 1");
        expect_silence(&ports[0]);
    });
}
