//! Prints SHA-512/256 hashes of files, and checks them (FIPS 180-4, section 5.3.6.2).
//!
//! A transfer that ended well may still have brought the wrong octets: UDP's checksum has 16 bits, and nobody checks the disk
//! it came from. Who has the hash from elsewhere can tell. SHA-512/256 is no SHA-512 cut short: it begins with values of its
//! own, so that one tells nothing of the other. On machines with 64-bit words it is faster than SHA-256.
//!
//! One line a file, as sha256sum(1) and its kin print it: the hash, two spaces, the name. A name with a line feed,
//! a carriage return or a backslash in it is written with `\n`, `\r`, `\\`, and then the line begins with a backslash.
//! Without names, and for `-`, standard input is read. A file that cannot be read is told on standard error, the others follow,
//! and the status is 1. `--check` reads such lines, or those that `--tag` and openssl-dgst(1) print, and says `OK` or `FAILED`
//! for each; the status is 0 when all are as they should be.
//!
//! ```text
//! cargo run --bin sha512_256sum -- Cargo.toml > sums
//! cargo run --bin sha512_256sum -- --check sums        # the same as: shasum -a 512256 --check sums
//! ```

mod check;
mod line;

use clap::Parser;
use line::{escaped, say, shown};
use netkata::error::{Attempt, NetError, Result};
use netkata::exit;
use sha2::{Digest, Sha512_256};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;

/// Prints or checks SHA-512/256 hashes.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  sha512_256sum tides.txt charts/*.png > sums\n  sha512_256sum --check --quiet sums"
)]
struct Args {
    /// What to hash, or, with --check, the lists to check; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<OsString>,
    /// Read hashes from the files and check them
    #[arg(short, long)]
    check: bool,
    /// Print lines as BSD does: SHA512/256 (NAME) = HASH
    #[arg(long, conflicts_with = "check")]
    tag: bool,
    /// With --check: say nothing of files that are as they should be
    #[arg(short, long, requires = "check")]
    quiet: bool,
    /// With --check: print nothing; the exit status tells
    #[arg(short, long, requires = "check")]
    status: bool,
    /// With --check: a line that is no hash and name makes the status 1
    #[arg(long, requires = "check")]
    strict: bool,
    /// With --check: tell of each line that is no hash and name
    #[arg(short, long, requires = "check")]
    warn: bool,
    /// With --check: pass over files that are not there
    #[arg(long, requires = "check")]
    ignore_missing: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut well = true;
    for file in &args.files {
        match if args.check { check::list(&args, file) } else { print(&args, file) } {
            Ok(fine) => well &= fine,
            Err(e) => {
                exit::complain(&e);
                well = false;
            }
        }
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(args: &Args, file: &OsStr) -> Result<bool> {
    let (hash, (mark, name)) = (hash_of(file)?, escaped(file));
    if args.tag {
        say(&[mark, b"SHA512/256 (", &name, b") = ", hash.as_bytes()])?;
    } else {
        say(&[mark, hash.as_bytes(), b"  ", &name])?;
    }
    Ok(true)
}

/// The hash in hexadecimal. The file goes by in pieces: it may be larger than the memory.
fn hash_of(file: &OsStr) -> Result<String> {
    let mut input = open(file).attempt("read", shown(file))?;
    let (mut hash, mut buffer) = (Sha512_256::new(), vec![0; 64 << 10]);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(NetError::new("read", shown(file), e)),
        }
    }
}

fn open(file: &OsStr) -> io::Result<Box<dyn Read>> {
    if file == "-" { Ok(Box::new(io::stdin())) } else { Ok(Box::new(File::open(file)?)) }
}
