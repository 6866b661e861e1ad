//! Shows the three kinds of Unix sockets side by side: what becomes of the places where one write ended and the next began.
//!
//! Every line of the table is a small experiment, really done on a pair of sockets (socketpair(2)) of each kind: a *stream*, as
//! TCP has, *datagrams*, as UDP has, and *sequenced packets*, which are a connection that keeps packets apart. Nothing leaves
//! the machine, and nothing is left to chance: what was written is there for the reader before write(2) returns.
//!
//! Octets stand in quotation marks, those of one read in one pair. `end`: the other end has closed, or said that it is done.
//! `waits`: there was nothing to read within 20 ms, and there would never be. Else the error is told in the system's words.
//!
//! ```text
//! cargo run --bin boundaries
//! cargo run --bin boundaries -- --write ahoy --times 3 --read 3
//! ```

mod end;
mod experiment;

use clap::Parser;
use end::End;
use experiment::{Experiment, LONGEST, Pair, WAIT};
use netkata::error::{Attempt, Result};
use netkata::exit::{self, say};
use netkata::human::{duration, size_within};
use netkata::unix::seqpacket::Packets;
use std::io;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::ExitCode;

/// Shows what becomes of the boundaries between writes: streams, datagrams and sequenced packets side by side.
#[derive(Parser)]
#[command(after_help = "Examples:\n  boundaries\n  boundaries --write ahoy --times 3 --read 2 --read 3")]
struct Args {
    /// What each write sends; 64 octets at the most
    #[arg(long, value_name = "TEXT", default_value = "ping", value_parser = text)]
    write: String,
    /// How many writes
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(1..=100))]
    times: u8,
    /// Octets of the reader's buffer; may be given several times
    #[arg(long, value_name = "SIZE", default_values = ["1024", "2"], value_parser = size_within::<usize>(1..=65_536))]
    read: Vec<usize>,
}

/// Makes a pair of sockets of a kind.
type Maker = fn() -> io::Result<Pair>;

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| show(&args))
}

fn show(args: &Args) -> Result<()> {
    let kinds: [(&str, Maker); 3] = [
        ("stream", || UnixStream::pair().map(ends)),
        ("datagram", || UnixDatagram::pair().map(ends)),
        ("seqpacket", || Packets::pair().map(ends)),
    ];
    let experiments = experiment::list(&args.write, args.times, &args.read);
    let mut columns = vec![vec![String::new()]];
    columns[0].extend(experiments.iter().map(|(label, _)| label.clone()));
    for (kind, make) in kinds {
        columns.push(column(kind, make, &experiments).attempt("make a pair of sockets", kind)?);
    }
    let widths: Vec<usize> = columns.iter().map(|cells| cells.iter().map(String::len).max().unwrap_or(0)).collect();
    for row in 0..columns[0].len() {
        let cells: Vec<String> = columns.iter().zip(&widths).map(|(cells, w)| format!("{:w$}", cells[row])).collect();
        say(cells.join("  ").trim_end())?;
    }
    say(format!("\nwaits: there was nothing to read within {}", duration(WAIT)))
}

/// What became of all experiments with one kind of socket, below its name.
fn column(kind: &str, make: Maker, experiments: &[Experiment]) -> io::Result<Vec<String>> {
    // macOS has no sequenced packets.
    if make().is_err_and(|e| e.raw_os_error() == Some(libc::EPROTONOSUPPORT)) {
        return Ok([vec![format!("{kind}: not on this system")], vec!["-".into(); experiments.len()]].concat());
    }
    let results = experiments.iter().map(|(_, acts)| experiment::result(acts, make()?));
    std::iter::once(Ok(kind.into())).chain(results).collect()
}

fn ends<E: End + 'static>((writer, reader): (E, E)) -> Pair {
    [Some(Box::new(writer)), Some(Box::new(reader))]
}

fn text(given: &str) -> std::result::Result<String, String> {
    if given.len() > LONGEST { Err(format!("{} octets: {LONGEST} at the most", given.len())) } else { Ok(given.into()) }
}
