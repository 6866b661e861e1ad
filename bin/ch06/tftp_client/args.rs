//! The command line.

use crate::progress::Progress;
use crate::source::Source;
use clap::Parser;
use netkata::addr::Network;
use netkata::error::Result;
use netkata::tftp::{BLKSIZE, Options, TIMEOUT, WINDOWSIZE};
use netkata::{exit, human};
use std::path::PathBuf;
use std::time::Duration;

/// Gets a file from a TFTP server.
#[derive(Parser)]
#[command(after_help = "Examples:
  tftp_client tftp://192.0.2.7/tides.txt
  tftp_client [::1]:7069/charts/north%20sea.png -o sea.png --windowsize 16
  tftp_client 127.0.0.1:7069/tides.txt --no-options -o - | less")]
pub struct Args {
    /// What to get, and where: [tftp://]HOST[:PORT]/NAME; %20 and the like stand for octets of the name
    #[arg(value_name = "URL")]
    pub source: Source,
    /// Where to write; - is standard output [default: the last part of NAME, here]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave a file alone that exists already
    #[arg(long)]
    no_clobber: bool,
    /// Ask for blocks of so many octets
    #[arg(long, value_name = "OCTETS", default_value_t = 1428, value_parser = clap::value_parser!(u16).range(*BLKSIZE.start() as i64..=*BLKSIZE.end() as i64))]
    blksize: u16,
    /// Ask for so many blocks before each ACK
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u16).range(*WINDOWSIZE.start() as i64..=*WINDOWSIZE.end() as i64))]
    windowsize: Option<u16>,
    /// Agree with the server that both wait so many seconds, whatever the round trip
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(*TIMEOUT.start() as i64..=*TIMEOUT.end() as i64))]
    timeout_option: Option<u8>,
    /// Ask for no options at all: plain RFC 1350
    #[arg(long, conflicts_with_all = ["blksize", "windowsize", "timeout_option"])]
    no_options: bool,
    /// How long to wait before the last packet is sent again; later as long as answers take, and this at most; doubled each
    /// time, up to eight times this
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = human::parse_limit)]
    pub timeout: Duration,
    /// However soon answers come, wait no less than this
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = human::parse_limit)]
    pub min_timeout: Duration,
    /// How often in a row the last packet is sent again
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    pub retries: u32,
    /// How long to stay after the end, to repeat the last ACK [default: twice --timeout if a packet was lost, else 0]
    #[arg(long, value_name = "TIME", value_parser = human::parse_duration)]
    pub dally: Option<Duration>,
    /// Take no file of more octets
    #[arg(long, value_name = "SIZE", value_parser = human::parse_size)]
    pub max_size: Option<usize>,
    /// Keep the file only if it has this SHA-512/256
    #[arg(long, value_name = "HEX", value_parser = hash)]
    pub sha512_256: Option<[u8; 32]>,
    /// Print the SHA-512/256, as sha512_256sum does
    #[arg(long)]
    pub print_hash: bool,
    /// Say nothing unless something fails
    #[arg(short, long)]
    pub quiet: bool,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    ipv6: bool,
}

impl Args {
    pub fn network(&self) -> Network {
        match (self.ipv4, self.ipv6) {
            (true, _) => Network::Udp4,
            (_, true) => Network::Udp6,
            _ => Network::Udp,
        }
    }

    /// What to ask the server for.
    pub fn options(&self) -> Options {
        if self.no_options {
            return Options::default();
        }
        // In a read request, 0 asks for the size (RFC 2349).
        let (blksize, tsize) = (Some(self.blksize), Some(0));
        Options { blksize, timeout: self.timeout_option, tsize, windowsize: self.windowsize }
    }

    pub fn replaces(&self) -> bool {
        !self.no_clobber
    }

    pub fn progress(&self) -> Progress {
        if self.quiet { Progress::none() } else { Progress::on_a_terminal(&self.source.shown()) }
    }

    /// For what is no failure.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            exit::log(format_args!("note: {text}"));
        }
    }

    /// The line that sha512_256sum prints and checks.
    pub fn print_hash_line(&self, hash: &str) -> Result<()> {
        let name = self.output.as_ref().map(|path| path.to_string_lossy().into_owned());
        exit::say(format_args!("{hash}  {}", name.unwrap_or_else(|| self.source.shown())))
    }
}

fn hash(text: &str) -> std::result::Result<[u8; 32], String> {
    let wrong = || "a SHA-512/256 has 64 hexadecimal digits".to_string();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut octets = [0; 32];
    for (octet, digits) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = str::from_utf8(digits).map_err(|_| wrong())?;
        *octet = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(octets)
}
