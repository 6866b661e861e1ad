//! Random inputs, and a folder for files.

use super::{Scene, refused};
use crate::failure::{Failure, Outcome};
use std::path::PathBuf;

/// What the names of folders and sockets begin with; six characters of chance follow.
pub const PREFIX: &str = "netkata-";
/// A socket address has room for a path of 107 octets (unix(7)), and some systems' temporary folders are deep.
const DEEP: usize = 60;
/// More octets than this are drawn eight at a time.
const MANY: usize = 1 << 17;

impl Scene {
    /// `n` random octets.
    pub fn octets(&mut self, n: usize) -> Vec<u8> {
        let mut octets: Vec<u8> = (0..n.min(MANY)).map(|_| self.rng.u8(..)).collect();
        octets.resize(n, 0);
        // One by one, forty-eight mebibytes take longer than the dialogue about them.
        self.rng.fill(&mut octets[n.min(MANY)..]);
        octets
    }

    /// Every value of an octet once, in random order.
    pub fn every_octet(&mut self) -> Vec<u8> {
        let mut octets: Vec<u8> = (0..=255).collect();
        self.rng.shuffle(&mut octets);
        octets
    }

    /// A line of harbour talk, different each time, without a line end.
    pub fn phrase(&mut self) -> String {
        const SHIPS: [&str; 8] = ["Alma", "Bruna", "Corvo", "Doris", "Elbe", "Fulmar", "Gudrun", "Halcyon"];
        const DOINGS: [&str; 6] =
            ["at berth", "leaves berth", "asks for berth", "sounds fathom", "waits at buoy", "tows barge"];
        let (ship, doing) = (self.rng.usize(..SHIPS.len()), self.rng.usize(..DOINGS.len()));
        format!("{} {} {}", SHIPS[ship], DOINGS[doing], self.rng.u16(100..1000))
    }

    /// A folder that is removed with the scene. Its path is short enough for socket files.
    pub fn folder(&mut self) -> Outcome<PathBuf> {
        if let Some(folder) = &self.folder {
            return Ok(folder.path().to_path_buf());
        }
        let usual = std::env::temp_dir();
        let place = if usual.as_os_str().len() > DEEP { PathBuf::from("/tmp") } else { usual };
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place);
        let folder = folder.map_err(|e| refused("a temporary folder", &e))?;
        let path = folder.path().to_path_buf();
        self.folder = Some(folder);
        Ok(path)
    }

    /// A path in the scene's folder where nothing is yet, for a socket file; a new one each time.
    pub fn socket_path(&mut self) -> Outcome<String> {
        let folder = self.folder()?;
        self.sockets += 1;
        Ok(format!("{}/{}.sock", folder.display(), self.sockets))
    }

    /// A name in the abstract namespace that nobody else has, as a program is given it: `unix:@netkata-x3k9ab`.
    pub fn abstract_name(&mut self) -> String {
        // Not by the seed: two graders with one seed may run at the same time.
        let chance: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        format!("unix:@{PREFIX}{chance}")
    }

    /// The path of a file in the scene's folder, for a program that writes one.
    pub fn file(&mut self, name: &str) -> Outcome<PathBuf> {
        Ok(self.folder()?.join(name))
    }

    /// What the program wrote to that file.
    pub fn contents(&mut self, name: &str) -> Outcome<Vec<u8>> {
        let path = self.file(name)?;
        std::fs::read(path).map_err(|e| Failure::new(format!("a file {name}"), netkata::error::cause_text(&e)))
    }
}
