//! Makes UDP datagrams, and takes them apart: the header of RFC 768, field by field, and its checksum, word by word.
//!
//! Nothing is sent: `encode` prints the octets that would be on the wire, `decode` says what octets mean, or what is wrong with
//! them and where. The checksum covers the IP addresses too, so `decode` checks it when it is told them, by `--from` and `--to`,
//! or when it is given the whole IP packet (`--packet`). A datagram over IPv4 has 65,507 octets of data at the most. `--pcap`
//! writes a capture for Wireshark.
//!
//! ```text
//! cargo run -q --bin udp_header -- encode --from 127.0.0.1:50001 --to 127.0.0.1:7 'high water'
//! cargo run -q --bin udp_header -- decode --from 127.0.0.1 --to 127.0.0.1 c3510007000c65ac74696465
//! ```

mod pcap;
mod show;

use clap::{Args, Parser, Subcommand};
use netkata::error::{Attempt, NetError, Result};
use netkata::wire::{ip, udp};
use netkata::{exit, hexdump};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes UDP datagrams, and takes them apart (RFC 768).
#[derive(Parser)]
#[command(after_help = "Examples:
  udp_header encode --from 127.0.0.1:50001 --to 127.0.0.1:7 'high water'
  udp_header encode --to '[::1]:7' --hex 00ff --pcap datagram.pcap
  udp_header decode --packet $(udp_header encode --packet --quiet ahoy)")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Data to a datagram
    Encode(Encode),
    /// A datagram to its fields; what is wrong with it, with status 1
    Decode(Decode),
}

#[derive(Args)]
struct Encode {
    /// What the datagram carries; nothing: an empty datagram
    text: Option<String>,
    /// What it carries, in hexadecimal
    #[arg(short = 'x', long, conflicts_with = "text")]
    hex: Option<String>,
    /// The sender; its default is of the receiver's version of IP
    #[arg(long)]
    from: Option<SocketAddr>,
    /// The receiver
    #[arg(long, default_value = "127.0.0.1:7")]
    to: SocketAddr,
    /// Show the IP packet around it as well
    #[arg(long)]
    packet: bool,
    /// Print the octets alone, in hexadecimal
    #[arg(short, long)]
    quiet: bool,
    /// Write a capture with it
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

#[derive(Args)]
struct Decode {
    /// The octets, in hexadecimal: c351 0007 … or c3:51:00:07:…
    #[arg(required = true)]
    hex: Vec<String>,
    /// The sender's IP address
    #[arg(long, requires = "to", value_parser = address)]
    from: Option<IpAddr>,
    /// The receiver's IP address
    #[arg(long, requires = "from", value_parser = address)]
    to: Option<IpAddr>,
    /// The octets are a whole IPv4 or IPv6 packet
    #[arg(long, conflicts_with = "from")]
    packet: bool,
    /// Write a capture with it, right or wrong
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    exit::run(|| match arguments.what {
        What::Encode(args) => encode(&args),
        What::Decode(args) => decode(&args),
    })
}

/// `127.0.0.1`, or `127.0.0.1:7`: the port is in the datagram.
fn address(text: &str) -> std::result::Result<IpAddr, String> {
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse::<IpAddr>().or_else(|_| with_port()).map_err(|e| e.to_string())
}

fn encode(args: &Encode) -> Result<()> {
    let data = match (&args.hex, &args.text) {
        (Some(digits), _) => hexdump::parse(digits).map_err(|why| NetError::invalid("encode", "--hex", why))?,
        (None, text) => text.clone().unwrap_or_default().into_bytes(),
    };
    let here = SocketAddr::new(
        if args.to.is_ipv4() { [127, 0, 0, 1].into() } else { [0_u16, 0, 0, 0, 0, 0, 0, 1].into() },
        50_001,
    );
    let (from, to) = (args.from.unwrap_or(here), args.to);
    one_family(from.ip(), to.ip()).map_err(|why| NetError::invalid("encode", "--from --to", why))?;
    let datagram = udp::encode(from, to, &data).map_err(|e| NetError::invalid("encode", "", e.to_string()))?;
    let packet = ip::encode(from.ip(), to.ip(), udp::PROTOCOL, &datagram);
    if let Some(path) = &args.pcap {
        pcap::write(path, &packet).attempt("write", path.display())?;
    }
    let shown = if args.packet { &packet } else { &datagram };
    if args.quiet {
        return exit::say(hexdump::hex(shown, usize::MAX).replace(' ', ""));
    }
    if args.packet {
        show::packet(&packet, packet.len() - datagram.len())?;
    }
    show::dump(&datagram, None)?;
    show::fields(&datagram, Some((from.ip(), to.ip())))?;
    show::arithmetic(&datagram, from.ip(), to.ip())
}

fn decode(args: &Decode) -> Result<()> {
    let wrong = |why: String| NetError::invalid("decode", "", why);
    let octets = hexdump::parse(&args.hex.concat()).map_err(wrong)?;
    let mut between = args.from.zip(args.to);
    if let Some((from, to)) = between {
        one_family(from, to).map_err(wrong)?;
    }
    let mut datagram = octets.as_slice();
    if args.packet {
        let packet = packet(&octets, args.pcap.as_deref())?;
        show::packet(&octets, packet.header)?;
        (datagram, between) = (packet.payload, Some((packet.from, packet.to)));
    } else if let Some(path) = &args.pcap {
        let (from, to) = between.ok_or_else(|| wrong("--pcap needs --from and --to, or --packet".into()))?;
        pcap::write(path, &ip::encode(from, to, udp::PROTOCOL, datagram)).attempt("write", path.display())?;
    }
    let fault = udp::decode(datagram, between).err();
    show::dump(datagram, fault.as_ref().map(udp::Fault::offset))?;
    fault.map_or(Ok(()), |fault| Err(wrong(show::fault(fault, datagram, between))))?;
    show::fields(datagram, between)
}

fn packet<'a>(octets: &'a [u8], pcap: Option<&std::path::Path>) -> Result<ip::Packet<'a>> {
    if let Some(path) = pcap {
        pcap::write(path, octets).attempt("write", path.display())?;
    }
    let wrong = |why: String| NetError::invalid("decode", "packet", why);
    let packet = ip::decode(octets).map_err(|e| wrong(e.to_string()))?;
    match packet.protocol {
        udp::PROTOCOL => Ok(packet),
        other => Err(wrong(format!("it carries protocol {other}, and UDP is {}", udp::PROTOCOL))),
    }
}

fn one_family(from: IpAddr, to: IpAddr) -> std::result::Result<(), String> {
    if from.is_ipv4() == to.is_ipv4() { Ok(()) } else { Err(format!("{from} and {to} are of two versions of IP")) }
}
