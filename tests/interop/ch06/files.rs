//! Files to be sent, of the sizes at which a transfer can go wrong.

use netkata_kit::Failure;
use std::fs;
use std::path::Path;

pub(super) type Done = Result<(), Failure>;

/// Around a block's 512 octets, the chapter's own file, and 1 MiB.
pub(super) const SIZES: [usize; 6] = [0, 511, 512, 513, 75_352, 1 << 20];

/// A folder `root` with a file of each size, a file `secret` beside it, and room for what clients get.
pub(super) struct Folder {
    folder: tempfile::TempDir,
    root: String,
}

impl Folder {
    pub(super) fn with_files() -> Result<Self, Failure> {
        let made = Self::empty()?;
        for size in SIZES {
            fs::write(made.file(size), octets(size)).map_err(|e| refused(&e))?;
        }
        fs::write(made.beside("secret"), "the harbour master's").map_err(|e| refused(&e))?;
        Ok(made)
    }

    pub(super) fn empty() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("netkata-").tempdir().map_err(|e| refused(&e))?;
        let root = folder.path().join("root");
        fs::create_dir(&root).map_err(|e| refused(&e))?;
        Ok(Self { root: root.display().to_string(), folder })
    }

    pub(super) fn path(&self) -> &str {
        &self.root
    }

    /// What the file of this size is called.
    pub(super) fn name(size: usize) -> String {
        format!("tides-{size}.bin")
    }

    /// The file of this size.
    pub(super) fn file(&self, size: usize) -> String {
        format!("{}/{}", self.root, Self::name(size))
    }

    /// A path outside of `root`.
    pub(super) fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The file at `path` is the one of this size.
    pub(super) fn same(&self, size: usize, path: impl AsRef<Path>) -> Done {
        let got = fs::read(&path).map_err(|e| refused(&e))?;
        let expected = octets(size);
        if got == expected {
            return Ok(());
        }
        let same = got.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        Err(Failure::new(format!("{size} octets"), format!("{}, the first {same} of them right", got.len())))
    }
}

/// Octets that do not repeat for a while.
fn octets(n: usize) -> Vec<u8> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A failure with whose it was.
pub(super) fn failed(who: &str, failure: Failure) -> Failure {
    Failure { got: format!("{who}: {}", failure.got), ..failure }
}

fn refused(e: &std::io::Error) -> Failure {
    Failure::new("a file", e.to_string())
}
