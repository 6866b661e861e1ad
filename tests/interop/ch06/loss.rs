//! The loss experiment: files of 1 MiB through `lossy_link`, which drops one datagram in five each way, repeats one in twenty and lets
//! later ones overtake one in twenty. Every file must arrive, octet for octet.
//!
//! `make loss` runs a hundred transfers and prints what it took; the interop tests run a few.

use super::clients::{free_port, is_root, ready};
use super::files::{Done, Folder, SIZES};
use crate::{Test, our_server, ours, theirs};
use netkata::human::{count, thousands};
use netkata_kit::Failure;
use netkata_kit::subject::Subject;
use nix::sys::signal::Signal;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    Test { name: "ch06::loss::ours", needs: "sh", run: ours_to_ours },
    Test { name: "ch06::loss::tftp_hpa_gets", needs: "tftp", run: hpa_gets },
    Test { name: "ch06::loss::curl_gets", needs: "curl", run: curl_gets },
    Test { name: "ch06::loss::from_tftpd_hpa", needs: "in.tftpd", run: from_hpa },
];

const FAULTS: [&str; 6] = ["--repeat", "5%", "--reorder", "5%", "--seed", "7"];
/// Both sides of ours wait so long: a round trip takes a fraction of that, and with one datagram in three lost somewhere, most of
/// the time is spent waiting.
const TIMEOUT: &str = "2ms";
/// One attempt in three fails. So many in a row do not.
const ATTEMPTS: &str = "50";
const SIZE: usize = 1 << 20;
/// Transfers at the same time.
const AT_ONCE: usize = 8;
/// For each transfer. It takes a few seconds; this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ways to ask, and how many of ten transfers do so.
const WAYS: [(&str, usize, &[&str]); 3] = [
    ("blocks of 512", 1, &["--no-options"]),
    ("blocks of 1428", 5, &["--blksize", "1428"]),
    ("windows of 16 x 1428", 4, &["--blksize", "1428", "--windowsize", "16"]),
];

/// A link with faults in front of a server.
struct Line {
    link: Subject,
    port: String,
}

/// What the link says at its end, one direction under the other.
struct Fates {
    came: usize,
    dropped: usize,
    repeated: usize,
    reordered: usize,
}

impl Line {
    fn to(port: &str) -> Result<Self, Failure> {
        Self::with(port, &["--drop", "20%"])
    }

    fn with(port: &str, loss: &[&str]) -> Result<Self, Failure> {
        let upstream = format!("127.0.0.1:{port}");
        let link = ours("lossy_link", &[&["127.0.0.1:0", &upstream], loss, &FAULTS[..]].concat())?;
        let address = link.announced()?;
        let port = address.rsplit(':').next().unwrap_or_default().to_string();
        Ok(Self { link, port })
    }

    fn end(mut self) -> Result<Fates, Failure> {
        self.link.signal(Signal::SIGINT)?;
        crate::ends(&mut self.link, 0)?;
        let said = self.link.stdout.all();
        let sum = |what| said.lines().filter_map(|line| number_before(line, what)).sum();
        Ok(Fates {
            came: sum(" came"),
            dropped: sum(" dropped"),
            repeated: sum(" repeated"),
            reordered: sum(" reordered"),
        })
    }
}

/// The number in front of this word: `1,204 resent`.
fn number_before(text: &str, word: &str) -> Option<usize> {
    let before = text.split(word).next().filter(|before| before.len() < text.len())?;
    before.rsplit([' ', '\n']).next()?.replace(',', "").parse().ok()
}

/// One way of asking, and what came of it.
struct Row {
    way: &'static str,
    transfers: usize,
    fates: Fates,
    resent: usize,
    took: Duration,
}

/// All three ways at the same time, each with a server and a link of its own: most of it is waiting.
fn ours_to_ours() -> Done {
    let folder = Folder::with_files()?;
    let asked = std::env::var("LOSS").ok().and_then(|n| n.parse().ok());
    let (transfers, start): (usize, _) = (asked.unwrap_or(8), Instant::now());
    let rows = thread::scope(|scope| {
        let shares = WAYS.iter().map(|(way, share, options)| (way, transfers * share / 10, options));
        let folder = &folder;
        let running: Vec<_> = (shares.filter(|(_, n, _)| *n > 0))
            .map(|(way, n, options)| scope.spawn(move || row(folder, way, n, options)))
            .collect();
        running.into_iter().map(|row| row.join().expect("a row")).collect::<Result<Vec<_>, _>>()
    })?;
    if asked.is_some() {
        print(&rows, start.elapsed());
    }
    Ok(())
}

fn row(folder: &Folder, way: &'static str, transfers: usize, options: &[&str]) -> Result<Row, Failure> {
    let patience = ["--root", folder.path(), "--timeout", TIMEOUT, "--retries", ATTEMPTS];
    let (mut server, port) = our_server("tftp_server", &patience)?;
    let (line, start) = (Line::to(&port)?, Instant::now());
    let by_clients = side_by_side(transfers, &|i| get(folder, &line.port, SIZE, &format!("{way}-{i}"), options))?;
    let took = start.elapsed();
    let fates = line.end()?;
    server.signal(Signal::SIGINT)?;
    crate::ends(&mut server, 0)?;
    let said = server.stderr.all();
    let by_server = said.lines().last().and_then(|last| number_before(last, " resent"));
    Ok(Row { way, transfers, fates, resent: by_clients + by_server.unwrap_or_default(), took })
}

/// One transfer: how often the client sent something again. Its file is compared, and removed.
fn get(folder: &Folder, port: &str, size: usize, to: &str, options: &[&str]) -> Result<usize, Failure> {
    let (url, to) = (format!("127.0.0.1:{port}/{}", Folder::name(size)), folder.beside(to));
    let patience = ["-o", &to, "--timeout", TIMEOUT, "--retries", ATTEMPTS];
    let mut client = ours("tftp_client", &[&[url.as_str()], &patience[..], options].concat())?;
    ends_well(&mut client)?;
    folder.same(size, &to)?;
    let _ = std::fs::remove_file(&to);
    let said = client.stderr.all();
    number_before(&said, " resent").ok_or_else(|| Failure::new("a number of packets that were resent", said))
}

/// As [`crate::ends`], with the patience for a transfer.
fn ends_well(client: &mut Subject) -> Done {
    let status = client.exit(PATIENCE)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new("a transfer", format!("{status}; standard error: {}", client.stderr.all())))
}

/// Transfers 0 to `n`, some at the same time, to the first that fails. Gives the sum of what they give.
fn side_by_side(n: usize, transfer: &(dyn Fn(usize) -> Result<usize, Failure> + Sync)) -> Result<usize, Failure> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)).filter(|i| *i < n));
        numbers.map(transfer).sum::<Result<usize, Failure>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE.min(n)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
    })
}

fn print(rows: &[Row], took: Duration) {
    let line = |way: &str, cells: [&str; 8]| {
        eprintln!("{way:20}{}", cells.map(|cell| format!("{cell:>12}")).concat());
    };
    eprintln!();
    line("", ["transfers", "octets", "datagrams", "dropped", "repeated", "reordered", "resent", "time"]);
    for Row { way, transfers, fates, resent, took } in rows {
        let numbers =
            [*transfers, transfers * SIZE, fates.came, fates.dropped, fates.repeated, fates.reordered, *resent];
        let [a, b, c, d, e, f, g] = &numbers.map(thousands);
        line(way, [a, b, c, d, e, f, g, &format!("{:.1} s", took.as_secs_f64())]);
    }
    // The first file that differs ends the experiment, and is its result.
    let all = count(rows.iter().map(|row| row.transfers).sum(), "transfer");
    eprintln!("{all}: 100 % identical, in {:.1} s", took.as_secs_f64());
}

/// 148 blocks by a client of others, which repeats nothing for seconds: our server does. The same for a few.
fn theirs_get(client: &(dyn Fn(&str, &str) -> Result<Subject, Failure> + Sync)) -> Done {
    let folder = Folder::with_files()?;
    let options = ["--root", folder.path(), "--timeout", TIMEOUT, "--retries", "250"];
    let (_server, port) = our_server("tftp_server", &options)?;
    let line = Line::to(&port)?;
    let size = SIZES[4];
    side_by_side(4, &|i| {
        let to = folder.beside(&format!("got-{i}"));
        ends_well(&mut client(&line.port, &to)?)?;
        folder.same(size, &to).map(|()| 0)
    })
    .map(drop)
}

fn hpa_gets() -> Done {
    let name = Folder::name(SIZES[4]);
    theirs_get(&|port, to| theirs(&["tftp", "-m", "binary", "127.0.0.1", port, "-c", "get", &name, to]))
}

/// Without options: it would ask the server to wait for seconds.
fn curl_gets() -> Done {
    let name = Folder::name(SIZES[4]);
    theirs_get(&|port, to| {
        theirs(&["curl", "-sS", "--tftp-no-options", "-o", to, &format!("tftp://127.0.0.1:{port}/{name}")])
    })
}

/// A server of others, and our client. tftpd-hpa sends a block six times and gives up, so less must be lost here.
fn from_hpa() -> Done {
    if !is_root("in.tftpd") {
        return Ok(());
    }
    let folder = Folder::with_files()?;
    let port = free_port("127.0.0.1")?;
    let address = format!("127.0.0.1:{port}");
    // Microseconds, and no fewer are taken.
    let server = theirs(&["in.tftpd", "-L", "--address", &address, "-T", "10000", "-s", folder.path()])?;
    ready(&server, port)?;
    let line = Line::with(&port.to_string(), &["--drop", "5%"])?;
    side_by_side(4, &|i| get(&folder, &line.port, SIZES[4], &format!("got-{i}"), &[])).map(drop)
}
