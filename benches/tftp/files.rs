//! What is served: files of random octets, so that no block looks like another.

use std::io;
use std::os::unix::fs::PermissionsExt;

/// Blocks of 512 octets have numbers of sixteen bits: without a wrap, they are enough for 33,553,919 octets.
pub(crate) const LARGE: &str = "large";
pub(crate) const LARGE_OCTETS: usize = 32_000_000;
/// An eighth of it: eight transfers at once carry as much.
pub(crate) const EIGHTH: &str = "eighth";
pub(crate) const EIGHTH_OCTETS: usize = LARGE_OCTETS / 8;
pub(crate) const SMALL: &str = "small";
const SMALL_OCTETS: usize = 1000;

/// The folder, gone with the bench, and its files in memory, to compare with.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) large: Vec<u8>,
    pub(crate) small: Vec<u8>,
}

impl Files {
    pub(crate) fn write() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut large = vec![0; LARGE_OCTETS];
        fastrand::Rng::with_seed(69).fill(&mut large);
        let small = large[..SMALL_OCTETS].to_vec();
        for (name, octets) in [(LARGE, &large[..]), (EIGHTH, &large[..EIGHTH_OCTETS]), (SMALL, &small[..])] {
            let path = folder.path().join(name);
            std::fs::write(&path, octets)?;
            // Some servers send only what everybody may read.
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder, large, small })
    }

    pub(crate) fn eighth(&self) -> &[u8] {
        &self.large[..EIGHTH_OCTETS]
    }
}
