//! The small programs of the chapter: nc, socat, dig, tshark, text2pcap and ping.

use crate::{PATIENCE, Test, built, ends, our_server, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use std::fs;
use std::process::{Command, Output};
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch05::udp_daytime_server::nc_asks", needs: "nc", run: nc_asks },
    Test { name: "ch05::udp_daytime_server::socat_asks", needs: "socat", run: socat_asks },
    Test { name: "ch05::udp_daytime_client::nc_answers", needs: "nc", run: nc_answers },
    Test { name: "ch05::udp_daytime_client::socat_answers", needs: "socat", run: socat_answers },
    Test { name: "ch05::qr_flip::dig", needs: "dig", run: dig_takes_it_for_an_answer },
    Test { name: "ch05::udp_header::tshark_reads", needs: "tshark", run: tshark_reads_what_we_encode },
    Test {
        name: "ch05::udp_header::text2pcap_writes",
        needs: "text2pcap tshark",
        run: we_decode_what_text2pcap_writes,
    },
    Test { name: "ch05::mtu_probe::ping", needs: "ping", run: ping_agrees_on_loopback },
    Test { name: "ch05::mtu_probe::router", needs: "unshare nsenter ip ping", run: ping_agrees_behind_a_router },
];

fn io_failure(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::new(what, e.to_string())
}

/// Runs a command of others to its end.
fn run(command: &[&str]) -> Result<Output, Failure> {
    Command::new(command[0]).args(&command[1..]).output().map_err(io_failure("a command"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn expect(output: &Output, part: &str) -> Done {
    if text(output).contains(part) {
        return Ok(());
    }
    Err(Failure::new(part, format!("{}{}", text(output), String::from_utf8_lossy(&output.stderr))))
}

/// `Friday, November 20, 2026 16:26:08-UTC`, and CR LF.
fn expect_daytime(said: &str) -> Done {
    let right = said.ends_with("-UTC\r\n") && said.matches(", ").count() == 2 && said.lines().count() == 1;
    if right { Ok(()) } else { Err(Failure::new("a line with the date and the time", format!("{said:?}"))) }
}

fn nc_asks() -> Done {
    let (_server, port) = our_server("udp_daytime_server", &["--zone", "UTC"])?;
    expect_daytime(&text(&run(&["sh", "-c", &format!("echo | nc -u -W 1 -w 5 127.0.0.1 {port}")])?))
}

fn socat_asks() -> Done {
    let (_server, port) = our_server("udp_daytime_server", &["--zone", "UTC"])?;
    expect_daytime(&text(&run(&["sh", "-c", &format!("echo | socat -t 1 - UDP4:127.0.0.1:{port}")])?))
}

/// Waits until a peer has bound a UDP socket, and returns its port: by proc(5), since no peer says it.
fn udp_port_of(subject: &Subject) -> Result<String, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let links = fs::read_dir(format!("/proc/{}/fd", subject.pid())).into_iter().flatten().flatten();
        let links: Vec<_> = links.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        for line in fs::read_to_string("/proc/net/udp").map_err(io_failure("/proc/net/udp"))?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = fields[1].rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
            let socket = format!("socket:[{}]", fields[9]);
            if let (Some(port), true) = (port, links.iter().any(|link| link.to_str() == Some(&socket))) {
                return Ok(port.to_string());
            }
        }
        std::thread::yield_now();
    }
    Err(Failure::new("a peer with a UDP port", format!("none; standard error: {}", subject.stderr.all())))
}

/// nc hears the question, and what is typed there is the answer.
fn nc_answers() -> Done {
    let mut nc = theirs(&["nc", "-u", "-l", "127.0.0.1", "0"])?;
    let port = udp_port_of(&nc)?;
    let mut client = ours("udp_daytime_client", &[&format!("127.0.0.1:{port}")])?;
    says(&nc, "\n")?;
    nc.type_line("high water at 7:41")?;
    ends(&mut client, 0)?;
    says(&client, "high water at 7:41\n")
}

/// Whoever does not read what socat brings breaks its pipe; and after the question, it leaves half a second to answer, unless told
/// otherwise.
fn socat_answers() -> Done {
    let socat = theirs(&[
        "socat",
        "-t",
        "10",
        "UDP4-RECVFROM:0,bind=127.0.0.1",
        "SYSTEM:read question; echo low water at noon",
    ])?;
    let port = udp_port_of(&socat)?;
    let mut client = ours("udp_daytime_client", &[&format!("127.0.0.1:{port}"), "--timeout", "5s"])?;
    ends(&mut client, 0)?;
    says(&client, "low water at noon\n")
}

/// With and without EDNS, and for a name that is none.
fn dig_takes_it_for_an_answer() -> Done {
    let (_server, port) = our_server("qr_flip", &[])?;
    for options in [&["berth.harbour.example"][..], &["+noedns", "harbour.example", "MX"], &["-x", "127.0.0.1"]] {
        let dig = run(&[&["dig", "@127.0.0.1", "-p", &port, "+tries=1"], options].concat())?;
        for part in ["status: NOERROR", "flags: qr rd", "QUERY: 1, ANSWER: 0, AUTHORITY: 0", ";; QUESTION SECTION:"] {
            expect(&dig, part)?;
        }
    }
    Ok(())
}

/// Even and odd lengths, both versions of IP, the checksum that comes out as zero, and one that is wrong.
fn tshark_reads_what_we_encode() -> Done {
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    let file = folder.path().join("datagram.pcap").display().to_string();
    let read = || {
        let fields = [
            "-T",
            "fields",
            "-e",
            "udp.checksum.status",
            "-e",
            "udp.srcport",
            "-e",
            "udp.length",
            "-e",
            "_ws.malformed",
        ];
        run(&[&["tshark", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r", &file], &fields[..]]
            .concat())
    };
    for (to, data, length) in
        [("127.0.0.1:7", "", 8), ("127.0.0.1:7", "ebb", 11), ("[::1]:7", "tide", 12), ("[::1]:7", "tides", 13)]
    {
        let mut encoder = ours("udp_header", &["encode", "--to", to, "--pcap", &file, data])?;
        ends(&mut encoder, 0)?;
        expect(&read()?, &format!("1\t50001\t{length}\t"))?;
    }
    let mut decoder = ours(
        "udp_header",
        &["decode", "--from", "127.0.0.1", "--to", "127.0.0.1", "--pcap", &file, "c3510007000c65ad74696465"],
    )?;
    ends(&mut decoder, 1)?;
    expect(&read()?, "0\t50001\t12\t")
}

/// text2pcap makes the headers and their checksums; tshark shows the octets, those of an Ethernet header before them.
fn we_decode_what_text2pcap_writes() -> Done {
    const ETHERNET: usize = 14;
    let folder = tempfile::tempdir().map_err(io_failure("a folder"))?;
    let at = folder.path().display();
    let made = run(&[
        "sh",
        "-c",
        &format!("cd '{at}' && echo '0000 74 69 64 65 73' >data && text2pcap -u 50001,7 data out.pcap"),
    ])?;
    let dump = text(&run(&["tshark", "-x", "-r", &format!("{at}/out.pcap")])?);
    // `0010  00 21 12 34 …   .!.4`: sixteen octets a line.
    let octets = dump.lines().filter_map(|line| line.get(6..53)).flat_map(str::split_whitespace);
    let digits: String = octets.skip(ETHERNET).collect();
    if digits.is_empty() {
        return Err(Failure::new("a packet", String::from_utf8_lossy(&made.stderr)));
    }
    let mut decoder = ours("udp_header", &["decode", "--packet", &digits])?;
    ends(&mut decoder, 0)?;
    says(&decoder, "  50001\n")?;
    says(&decoder, "  right\n")?;
    says(&decoder, "\"tides\"\n")
}

/// The longest that we find, ping takes as well, and one octet more it does not: both headers have eight octets.
fn ping_agrees_on_loopback() -> Done {
    let mut probe = ours("mtu_probe", &["127.0.0.1:9"])?;
    ends(&mut probe, 0)?;
    let longest = longest_in(&probe.stdout.all())?;
    let ping =
        |data: usize| run(&["ping", "-n", "-c", "1", "-W", "5", "-M", "do", "-s", &data.to_string(), "127.0.0.1"]);
    expect(&ping(longest)?, " 0% packet loss")?;
    let longer = ping(longest + 1)?;
    if longer.status.success() {
        Err(Failure::new("ping to find one octet more too long", text(&longer)))
    } else {
        Ok(())
    }
}

/// The number in the last line `the longest datagram that it takes: 65,507 octets of data; …`.
fn longest_in(said: &str) -> Result<usize, Failure> {
    let number = |line: &str| {
        line.strip_prefix("the longest datagram that it takes: ")?.split(' ').next()?.replace(',', "").parse().ok()
    };
    said.lines().filter_map(number).next_back().ok_or_else(|| Failure::new("the longest datagram", said.to_string()))
}

/// Three network namespaces in a row. The link to the first has an MTU of 1,500, the link to the last one of 1,400, so that
/// only the router between them knows how long a packet may be.
const ROUTER: &str = r#"
set -e
unshare -n sleep 60 & near=$!
unshare -n sleep 60 & far=$!
trap 'kill $near $far' EXIT
until [ "$(readlink /proc/$near/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
      [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add r1 type veth peer name near netns $near
ip link add r2 type veth peer name far netns $far
ip addr add 10.9.1.1/24 dev r1; ip addr add fd09:1::1/64 dev r1 nodad; ip link set r1 up
ip addr add 10.9.2.1/24 dev r2; ip addr add fd09:2::1/64 dev r2 nodad; ip link set r2 mtu 1400 up
echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
nsenter -t $near -n sh -ec 'ip addr add 10.9.1.2/24 dev near; ip addr add fd09:1::2/64 dev near nodad
  ip link set near up; ip route add default via 10.9.1.1; ip route add default via fd09:1::1'
nsenter -t $far -n sh -ec 'ip addr add 10.9.2.2/24 dev far; ip addr add fd09:2::2/64 dev far nodad
  ip link set far mtu 1400 up; ip route add default via 10.9.2.1; ip route add default via fd09:2::1'
nsenter -t $near -n ping -n -c 1 -W 5 10.9.2.2 >&2
nsenter -t $near -n ping -n -c 1 -W 5 fd09:2::2 >&2
echo ready
"#;

/// Both find 1,400. Where namespaces are for root alone, or there is no veth, that is said.
fn ping_agrees_behind_a_router() -> Done {
    let probe = built("mtu_probe").display().to_string();
    let asked = format!(
        "{ROUTER}
nsenter -t $near -n '{probe}' 10.9.2.2:9 --ping
nsenter -t $near -n '{probe}' '[fd09:2::2]:9' --ping
nsenter -t $near -n ping -n -c 1 -W 5 -M do -s 1372 10.9.2.2
nsenter -t $near -n ping -n -c 1 -W 5 -M do -s 1373 10.9.2.2 2>&1 || true
"
    );
    let output = run(&["unshare", "-rn", "sh", "-c", &asked])?;
    if !text(&output).contains("ready\n") {
        let why = String::from_utf8_lossy(&output.stderr);
        eprintln!(
            "skipped: ch05::mtu_probe::router: no network of its own: {}",
            why.lines().last().unwrap_or_default()
        );
        return Ok(());
    }
    for part in [
        "path MTU, as far as this host knows: 1,500 octets\n",
        "a router on the way",
        "path MTU, as far as this host knows: 1,400 octets\nthe longest datagram that it takes: 1,372 octets of data; 1,373 are too long\n",
        "ping with 1,372 octets of data: answered\nping: the path carries packets of 1,400 octets, and no longer ones\n",
        "the longest datagram that it takes: 1,352 octets of data; 1,353 are too long\n",
        "ping with 1,352 octets of data: answered\nping: the path carries packets of 1,400 octets, and no longer ones\n",
        "1380 bytes from 10.9.2.2",
        "message too long, mtu=1400",
    ] {
        expect(&output, part)?;
    }
    Ok(())
}
