//! One server on several ports, a thread for each, and one stop for all.
//!
//! The client speaks first. Each datagram is answered with the number of the port that it came to, a colon, a space and its own
//! octets: `7063: ahoy`. Of a datagram that has more than 1,024 octets, the rest is not answered. Each port is announced on a
//! line of its own, in the order of the arguments, and only when all of them are bound: a port that is taken fails the start,
//! and no other is left open. SIGINT and SIGTERM end all of them at once.
//!
//! The kernel keeps a queue for each socket: a flood to one port takes nothing from the buffers of the others.
//!
//! ```text
//! cargo run --bin many_ports
//! printf 'ahoy' | nc -u -w1 127.0.0.1 7063
//! ```

use clap::Parser;
use netkata::addr::{Network, split_host_port};
use netkata::context::Context;
use netkata::datagram::{self, Received, canonical};
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::{exit, human, listen, stop};
use std::io;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::thread;

/// Octets of a datagram that are answered.
const BUFFER: usize = 1024;
/// A range of ports by mistake could be 65,535 threads.
const MOST: usize = 256;

/// Serves on several UDP ports at once.
#[derive(Parser)]
#[command(after_help = "Examples:
  many_ports 127.0.0.1:7062-7064
  many_ports :7062 :7063 '[::1]:7070-7079'
  printf 'ahoy' | nc -u -w1 127.0.0.1 7063")]
struct Args {
    /// Where to listen: host:port, or host:first-last for a range; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7062-7064", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// udp, udp4 or udp6
    #[arg(long, default_value = "udp")]
    network: Network,
    /// Log each datagram
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| serve(&args))
}

fn serve(args: &Args) -> Result<()> {
    let stop = stop::on_signals()?;
    let addresses: Vec<String> = args.addresses.iter().map(|text| each(text)).collect::<Result<Vec<_>>>()?.concat();
    if addresses.len() > MOST {
        return Err(NetError::invalid("listen", "", format!("{} ports, at most {MOST}", addresses.len())));
    }
    // All, before the first is announced. An error here closes those that were bound already.
    let bind = |address: &String| Port::bind(args.network, address);
    let ports = addresses.iter().map(bind).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for port in &ports {
            let work = || port.serve(&stop, args.verbose);
            let thread = thread::Builder::new().name(port.name.clone()).spawn_scoped(scope, work);
            // The scope waits for those that run: they must be told.
            threads.push(thread.inspect_err(|_| stop.cancel()).attempt("start a thread for", &port.name)?);
        }
        ports.iter().try_for_each(Port::announce).inspect_err(|_| stop.cancel())?;
        // Each is waited for, whatever became of the one before.
        let ended = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked())));
        ended.collect::<Vec<_>>().into_iter().zip(&ports).try_for_each(|(ended, port)| port.sum_up(ended?))
    })
}

fn panicked() -> NetError {
    NetError::invalid("serve", "", "a thread panicked")
}

/// The addresses that an argument stands for.
fn each(text: &str) -> Result<Vec<String>> {
    let wrong = |why: &str| NetError::invalid("listen", text, why);
    let (host, ports) = split_host_port(text).map_err(|why| wrong(&why))?;
    // The name of a service may have a hyphen, too.
    let Some((first, last)) =
        ports.split_once('-').filter(|(first, _)| first.starts_with(|c: char| c.is_ascii_digit()))
    else {
        return Ok(vec![text.to_string()]);
    };
    let number = |text: &str| text.parse::<u16>().ok().filter(|&port| port > 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => {
            // What was inside brackets goes back there.
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
            Ok((first..=last).map(|port| format!("{host}:{port}")).collect())
        }
        (Some(_), Some(_)) => Err(wrong("the range ends before it begins")),
        _ => Err(wrong("invalid port in a range (write 7062-7064)")),
    }
}

/// One of the server's ports.
struct Port {
    socket: UdpSocket,
    number: u16,
    /// With its address, for logs and errors.
    name: String,
}

impl Port {
    fn bind(network: Network, address: &str) -> Result<Self> {
        let socket = datagram::bind(network, address)?;
        let bound = socket.local_addr().attempt("listen", address)?;
        Ok(Self { socket, number: bound.port(), name: format!("udp://{bound}") })
    }

    fn announce(&self) -> Result<()> {
        listen::announce("udp", self.socket.local_addr().attempt("listen", &self.name)?)
    }

    /// The work of one thread. A port that fails for good ends the others, too: half a server is hard to notice.
    fn serve(&self, stop: &Context, verbose: bool) -> Result<usize> {
        let mut datagrams = 0;
        let ended = datagram::serve(stop, &self.socket, &mut [0; BUFFER], |came, got| {
            datagrams += 1;
            if verbose {
                let size = human::count(got.whole, "octet");
                exit::log(format_args!("{}: {size} from {}", self.name, canonical(got.from)));
            }
            if let Err(e) = self.answer(came, &got) {
                exit::log(format_args!("{}: {} not answered: {}", self.name, canonical(got.from), cause_text(&e)));
            }
        });
        stop.cancel();
        ended.attempt("receive", &self.name).map(|()| datagrams)
    }

    fn sum_up(&self, datagrams: usize) -> Result<()> {
        exit::log(format_args!("{}: {}", self.name, human::count(datagrams, "datagram")));
        Ok(())
    }

    fn answer(&self, octets: &[u8], question: &Received) -> io::Result<()> {
        let answer = [format!("{}: ", self.number).as_bytes(), octets].concat();
        datagram::reply(&self.socket, &answer, question)
    }
}
