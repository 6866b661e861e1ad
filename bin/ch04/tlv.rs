//! Makes frames of type, length and value, and shows what is in them.
//!
//! `encode` writes values to standard output as frames, in the order given; on a terminal, or with `--hex`, as hexadecimal.
//! `decode` prints a line for each frame: `[String] "Alma"`, `[Binary] 00 ff`. `hexdump` prints the octets under a ruler, each
//! frame on lines of its own, with its offset. A frame that is wrong or cut off ends it with status 1, after all that was right.
//! What is held in memory is one frame: 10 MiB at the most, and only what has come of it.
//!
//! ```text
//! cargo run -q --bin tlv -- encode --string Alma --binary 00ff | cargo run -q --bin tlv -- decode
//! cargo run -q --bin tlv -- encode --string Alma --binary 00ff | cargo run -q --bin tlv -- hexdump
//! ```

use clap::{Parser, Subcommand};
use netkata::error::{Attempt, NetError, Result};
use netkata::tlv::arguments::Given;
use netkata::tlv::{Decoded, Error, Reader, VALUES, Value, decode};
use netkata::{exit, hexdump, human};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::process::ExitCode;

/// Octets read at once by `hexdump`.
const CHUNK: usize = 16 * 1024;
/// Octets of a wrong frame that `hexdump` shows.
const SHOWN: usize = 32;
/// Stands over the columns of a dump.
const RULER: &str = "offset    T  length      value";

/// Makes frames, and takes them apart.
#[derive(Parser)]
#[command(after_help = "Example:\n  tlv encode --string Alma --binary 00ff | tlv hexdump")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Values to frames. Without values: each line of standard input, as a String
    Encode {
        #[command(flatten)]
        given: Given,
        /// Write hexadecimal digits, a line for each frame
        #[arg(short = 'x', long)]
        hex: bool,
    },
    /// Frames to values, a line for each
    Decode(Source),
    /// Frames as octets, under a ruler
    Hexdump(Source),
}

#[derive(clap::Args)]
struct Source {
    /// A file with frames; - is standard input
    #[arg(default_value = "-")]
    file: String,
    /// Frames in hexadecimal, instead of a file
    #[arg(short = 'x', long, value_name = "HEX", conflicts_with = "file")]
    hex: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit::run(|| match args.what {
        What::Encode { given, hex } => encode(&given, hex || io::stdout().is_terminal()),
        What::Decode(source) => read_out(&source),
        What::Hexdump(source) => dump(&source),
    })
}

impl Source {
    fn open(&self) -> Result<Box<dyn Read>> {
        match (&self.hex, self.file.as_str()) {
            (Some(hex), _) => {
                let octets = hexdump::parse(hex).map_err(|why| NetError::invalid("decode", "--hex", why))?;
                Ok(Box::new(io::Cursor::new(octets)))
            }
            (None, "-") => Ok(Box::new(io::stdin())),
            (None, path) => Ok(Box::new(File::open(path).attempt("open", path)?)),
        }
    }

    fn name(&self) -> &str {
        match (&self.hex, self.file.as_str()) {
            (Some(_), _) => "--hex",
            (None, "-") => "standard input",
            (None, path) => path,
        }
    }
}

fn encode(given: &Given, hex: bool) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for value in given.values_or_lines()? {
        let mut frame = Vec::new();
        value?.write_to(&mut frame).map_err(io::Error::from).attempt("encode", "a value")?;
        let text = hex.then(|| format!("{}\n", hexdump::hex(&frame, usize::MAX)));
        let octets = text.as_ref().map_or(&frame[..], |text| text.as_bytes());
        out.write_all(octets).and_then(|()| out.flush()).attempt("write", "standard output")?;
    }
    Ok(())
}

fn read_out(source: &Source) -> Result<()> {
    let mut frames = Reader::new(BufReader::new(source.open()?), VALUES);
    while let Some(value) = frames.read_value().map_err(|e| failed(source, e))? {
        exit::say(value)?;
    }
    Ok(())
}

/// Decodes what is there, and reads more when that is not enough.
fn dump(source: &Source) -> Result<()> {
    let mut input = source.open()?;
    let (mut there, mut offset) = (Vec::new(), 0);
    exit::say(RULER)?;
    loop {
        match decode::value(&there) {
            Decoded::Complete(value, used) => {
                rows(&there[..used], offset, &about(&value))?;
                there.drain(..used);
                offset += used as u64;
            }
            Decoded::Incomplete(_) if read_more(&mut input, &mut there).attempt("read", source.name())? => {}
            // The stream has ended. Between two frames, that is how it should be.
            Decoded::Incomplete(_) if there.is_empty() => return Ok(()),
            Decoded::Incomplete(why) => return give_up(source, &there, offset, why.after(offset).into()),
            Decoded::Invalid(why) => return give_up(source, &there, offset, why.after(offset).into()),
        }
    }
}

/// One read: whether anything came.
fn read_more(input: &mut impl Read, there: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; CHUNK];
    let got = input.read(&mut chunk)?;
    there.extend_from_slice(&chunk[..got]);
    Ok(got > 0)
}

/// As much of the wrong frame as tells what it is, and the error.
fn give_up(source: &Source, there: &[u8], offset: u64, why: Error) -> Result<()> {
    rows(&there[..there.len().min(SHOWN)], offset, "?")?;
    Err(failed(source, why))
}

fn failed(source: &Source, e: Error) -> NetError {
    NetError::new("decode", source.name(), e.into())
}

fn about(value: &Value) -> String {
    format!("{}, {}", value.kind().name, human::count(value.octets().len(), "octet"))
}

/// Sixteen octets a line; what the frame is stands behind the first.
fn rows(octets: &[u8], offset: u64, about: &str) -> Result<()> {
    for (i, octets) in octets.chunks(16).enumerate() {
        let note = if i == 0 { format!("  {about}") } else { String::new() };
        let row = hexdump::dump(octets);
        exit::say(format_args!("{:08x}{}{note}", offset + 16 * i as u64, row[8..].trim_end()))?;
    }
    Ok(())
}
