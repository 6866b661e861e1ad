//! The failed dialogue as a file that Wireshark opens.

use crate::check::{Check, Program};
use netkata::tap::{Journal, pcapng};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the capture and returns its path; a failed check is worth more than its capture, so an error here gives none.
pub fn write(folder: &Path, program: &Program, check: &Check, journal: &Journal) -> Option<PathBuf> {
    fs::create_dir_all(folder).ok()?;
    let path = folder.join(format!("ch{:02}-{}-{}.pcapng", program.chapter, program.name, check.name));
    let mut file = BufWriter::new(File::create(&path).ok()?);
    pcapng::write(journal, &mut file).ok()?;
    file.flush().ok()?;
    Some(path)
}
