//! Where the blocks go: counted, hashed, and kept.

use crate::agree::Agreed;
use crate::args::Args;
use crate::cleanup::Cleanup;
use crate::failure::Failure;
use crate::part_file::PartFile;
use crate::progress::Progress;
use netkata::error::{Attempt, Result};
use netkata::human;
use sha2::{Digest, Sha512_256};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

/// Octets that are kept until they are worth a system call.
const BUFFER: usize = 64 << 10;

/// The file on this side.
pub struct Sink {
    to: To,
    shown: String,
    hash: Option<Sha512_256>,
    octets: u64,
    blocks: u64,
    most: Option<u64>,
    tsize: Option<u64>,
    progress: Progress,
}

enum To {
    Part(PartFile),
    Stdout(BufWriter<Stdout>),
    /// A device or a pipe: there is nothing to give a name to.
    Device(BufWriter<File>),
}

/// A file that is whole and in its place.
pub struct Done {
    shown: String,
    octets: u64,
    blocks: u64,
    /// In hexadecimal; empty unless it was asked for.
    pub hash: String,
}

impl Sink {
    pub fn open(args: &Args, cleanup: &Cleanup) -> Result<Self> {
        let named = args.source.file_name().map(Into::into);
        let path = args.output.clone().or(named).ok_or_else(|| {
            let name = args.source.shown();
            netkata::error::NetError::invalid(
                "write",
                format!("{name:?}"),
                "no name for a file: give one with --output",
            )
        })?;
        let mut shown = crate::name::shown(path.as_os_str().as_encoded_bytes());
        let to = match path.as_os_str().to_str() {
            Some("-") if args.output.is_some() => {
                shown = "standard output".into();
                To::Stdout(BufWriter::with_capacity(BUFFER, io::stdout()))
            }
            _ if is_device(&path) => {
                let file = File::options().write(true).open(&path).attempt("write", &shown)?;
                To::Device(BufWriter::with_capacity(BUFFER, file))
            }
            _ => To::Part(PartFile::create(&path, args.replaces(), cleanup).attempt("write", &shown)?),
        };
        let hash = (args.sha512_256.is_some() || args.print_hash).then(Sha512_256::new);
        let most = args.max_size.map(|most| most as u64);
        Ok(Self { to, shown, hash, octets: 0, blocks: 0, most, tsize: None, progress: Progress::none() })
    }

    /// Whether a file of the size that the server tells can be kept (RFC 2349: if not, ERROR 3).
    pub fn has_room_for(&self, agreed: &Agreed) -> std::result::Result<(), Failure> {
        let Some(tsize) = agreed.tsize else { return Ok(()) };
        let room = match &self.to {
            To::Part(part) => part.room(),
            _ => u64::MAX,
        };
        match self.most {
            Some(most) if tsize > most => Err(Failure::too_large(format!("{tsize} octets; --max-size is {most}"))),
            _ if tsize > room => Err(Failure::too_large(format!("{tsize} octets; there is room for {room}"))),
            _ => Ok(()),
        }
    }

    /// The transfer begins.
    pub fn prepare(&mut self, agreed: &Agreed, progress: Progress) {
        self.tsize = agreed.tsize;
        self.progress = progress.of(agreed.tsize);
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Takes the next block. After the last one, nothing is left in a buffer: its ACK promises that all was kept.
    pub fn put(&mut self, payload: &[u8], is_the_end: bool) -> std::result::Result<(), Failure> {
        let octets = self.octets + payload.len() as u64;
        match (self.tsize, self.most) {
            (Some(tsize), _) if octets > tsize || is_the_end && octets < tsize => {
                return Err(Failure::illegal(format!("{octets} octets came; the server had told {tsize}")));
            }
            (_, Some(most)) if octets > most => {
                return Err(Failure::too_large(format!("more than {most} octets, which is --max-size")));
            }
            _ => {}
        }
        self.write(payload, is_the_end).attempt("write", &self.shown).map_err(Failure::Local)?;
        if let Some(hash) = &mut self.hash {
            hash.update(payload);
        }
        (self.octets, self.blocks) = (octets, self.blocks + 1);
        self.progress.show(octets);
        Ok(())
    }

    fn write(&mut self, payload: &[u8], is_the_end: bool) -> io::Result<()> {
        let to: &mut dyn Write = match &mut self.to {
            To::Part(part) => &mut part.file,
            To::Stdout(stdout) => stdout,
            To::Device(file) => file,
        };
        to.write_all(payload)?;
        if is_the_end { to.flush() } else { Ok(()) }
    }

    /// The file is whole: if it is the right one, it gets its name.
    pub fn finish(self, args: &Args) -> std::result::Result<Done, Failure> {
        self.progress.end();
        let digest = self.hash.map(Digest::finalize);
        let hash: String = digest.iter().flatten().map(|octet| format!("{octet:02x}")).collect();
        if let (Some(digest), Some(wanted)) = (digest, args.sha512_256)
            && digest.as_slice() != wanted
        {
            return Err(Failure::Unwanted(format!("its SHA-512/256 is {hash}")));
        }
        if let To::Part(part) = self.to {
            part.publish().attempt("write", &self.shown).map_err(Failure::Local)?;
        }
        Ok(Done { shown: self.shown, octets: self.octets, blocks: self.blocks, hash })
    }
}

/// Something that exists and is no file: `/dev/null` must not be replaced by one.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|what| !what.is_file() && !what.is_dir())
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: u64, noun| human::count(usize::try_from(n).unwrap_or(usize::MAX), noun);
        write!(f, "{}: {} in {}", self.shown, count(self.octets, "octet"), count(self.blocks, "block"))
    }
}
