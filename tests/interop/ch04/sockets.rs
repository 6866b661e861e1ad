//! `socket_options`, `zero_window` and `close_wait`, as ss(8) sees them, and with nc at the other end.

use crate::{PATIENCE, Test, ends, our_server, ours, says, theirs};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use std::process::Command;
use std::time::Instant;

type Done = Result<(), Failure>;

pub const TESTS: &[Test] = &[
    Test { name: "ch04::socket_options::ss_sees_the_keepalive", needs: "ss", run: ss_sees_the_keepalive },
    Test { name: "ch04::socket_options::ss_sees_the_buffers", needs: "ss", run: ss_sees_the_buffers },
    Test { name: "ch04::socket_options::nc_is_reset", needs: "nc", run: nc_is_reset },
    Test { name: "ch04::zero_window::ss_sees_it_closed", needs: "ss", run: ss_sees_it_closed },
    Test { name: "ch04::zero_window::nc_waits_and_goes_on", needs: "nc", run: nc_waits_and_goes_on },
    Test { name: "ch04::close_wait::ss", needs: "ss", run: ss_sees_close_wait },
];

/// Asks ss again and again until its table has all these parts: the connection may still be on its way.
fn ss_shows(options: &str, filter: &str, parts: &[&str]) -> Done {
    let until = Instant::now() + PATIENCE;
    let mut table = String::new();
    while Instant::now() < until {
        let output = Command::new("ss").args([options, filter]).output();
        let output = output.map_err(|e| Failure::new("ss", e.to_string()))?;
        table = String::from_utf8_lossy(&output.stdout).into_owned();
        // Older connections with the same port wait in TIME-WAIT: not ours.
        let rows: Vec<&str> = table.lines().filter(|row| !row.starts_with("TIME-WAIT")).collect();
        if parts.iter().all(|part| rows.iter().any(|row| row.contains(part))) {
            return Ok(());
        }
    }
    Err(Failure::new(format!("{parts:?} from ss {options} '{filter}'"), table))
}

fn listening(options: &[&str]) -> Result<(Subject, String), Failure> {
    our_server("socket_options", &[&["--listen"], options].concat())
}

/// On the listener's side and on the connecting side.
fn ss_sees_the_keepalive() -> Done {
    let (_server, port) = listening(&["--keepalive", "1h"])?;
    let _client = ours("socket_options", &[&format!("127.0.0.1:{port}"), "--keepalive", "2m"])?;
    ss_shows("-tnoH", &format!("sport = :{port}"), &["timer:(keepalive,59min"])?;
    ss_shows("-tnoH", &format!("dport = :{port}"), &["timer:(keepalive,1min"])
}

/// `rb` and `tb` are what getsockopt gives: twice what was asked for.
fn ss_sees_the_buffers() -> Done {
    let (_server, port) = listening(&[])?;
    let address = format!("127.0.0.1:{port}");
    let client = ours("socket_options", &[&address, "--receive-buffer", "7000", "--send-buffer", "9000"])?;
    says(&client, "14000  doubled")?;
    ss_shows("-tinmH", &format!("dport = :{port}"), &["rb14000,", "tb18000,", "wscale:"])
}

/// With --linger 0 the end is a reset, and nc fails by it.
fn nc_is_reset() -> Done {
    let (mut server, port) = listening(&["--linger", "0", "--send", "5000"])?;
    let nc = theirs(&["nc", "-v", "127.0.0.1", &port])?;
    says(&nc, "~~~~~")?;
    server.type_line("")?;
    ends(&mut server, 0)?;
    // Whether nc says so differs from one nc to the next; none of them waits on.
    let mut nc = nc;
    nc.exit(PATIENCE).map(drop)
}

/// The writer's end: the window is asked for, and octets wait; the reader's end: octets that nobody reads.
fn ss_sees_it_closed() -> Done {
    let (mut reader, port) = our_server("zero_window", &["--read", "1000"])?;
    let mut writer = ours("zero_window", &[&format!("127.0.0.1:{port}"), "--send", "--stall", "200ms"])?;
    says(&writer, "stalled")?;
    ss_shows("-tinmoH", &format!("dport = :{port}"), &["timer:(persist,", "notsent:"]).or_else(|_| {
        // While octets are out that were not acknowledged, it is the retransmission that asks.
        ss_shows("-tinmoH", &format!("dport = :{port}"), &["timer:(on,", "notsent:"])
    })?;
    reader.type_line("")?;
    says(&writer, "all 16,777,216 octets were taken")?;
    ends(&mut writer, 0)?;
    says(&reader, "the end, after 16,777,216 octets")
}

/// A writer that is not ours waits as well, and loses nothing.
fn nc_waits_and_goes_on() -> Done {
    let (mut reader, port) = our_server("zero_window", &["--read", "1000"])?;
    let mut nc = theirs(&["nc", "-N", "127.0.0.1", &port])?;
    nc.type_octets(&[b'~'; 300_000])?;
    nc.end_input();
    says(&reader, "stops after 1,000 octets")?;
    reader.type_line("")?;
    says(&reader, "the end, after 300,000 octets")?;
    ends(&mut nc, 0)
}

fn ss_sees_close_wait() -> Done {
    for (mistake, fixed) in [("table", false), ("clone", false), ("forget", false), ("clone", true)] {
        let options = ["--mistake", mistake, "--fixed"];
        let (server, port) = our_server("close_wait", &options[..if fixed { 3 } else { 2 }])?;
        let client = std::net::TcpStream::connect(format!("127.0.0.1:{port}"));
        let client = client.map_err(|e| Failure::new("a connection", e.to_string()))?;
        let half = client.shutdown(std::net::Shutdown::Write);
        half.map_err(|e| Failure::new("a half-close", e.to_string()))?;
        let filter = format!("sport = :{port}");
        if fixed {
            says(&server, "0 in CLOSE_WAIT, 1 socket held")?;
            if ss_shows_now(&filter)?.contains("CLOSE-WAIT") {
                return Err(Failure::new("no CLOSE-WAIT", "CLOSE-WAIT"));
            }
        } else {
            says(&server, "1 in CLOSE_WAIT, 1 socket held")?;
            ss_shows("-tanH", &filter, &["CLOSE-WAIT"])?;
        }
    }
    Ok(())
}

fn ss_shows_now(filter: &str) -> Result<String, Failure> {
    let output = Command::new("ss").args(["-tanH", filter]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).map_err(|e| Failure::new("ss", e.to_string()))
}
