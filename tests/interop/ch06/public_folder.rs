//! A folder of files for servers that read them as another user.

use netkata_kit::Failure;
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub struct PublicFolder(tempfile::TempDir);

impl PublicFolder {
    pub fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|e| Failure::new("a folder", e.to_string()))?;
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).map_err(|e| Failure::new("a folder for all", e.to_string()))?;
        Ok(Self(folder))
    }

    pub fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// A file of so many octets, and its name. The octets are text, and no two blocks are alike.
    pub fn file(&self, size: usize) -> Result<(String, Vec<u8>), Failure> {
        let name = format!("tides-{size}.txt");
        let octets: Vec<u8> = (0u64..).flat_map(|i| format!("{i:07}\n").into_bytes()).take(size).collect();
        self.write(&name, &octets)?;
        Ok((name, octets))
    }

    /// A file with these octets; returns its path.
    pub fn write(&self, name: &str, octets: &[u8]) -> Result<String, Failure> {
        let path = self.0.path().join(name);
        fs::write(&path, octets).map_err(|e| Failure::new(format!("a file {name}"), e.to_string()))?;
        Ok(path.display().to_string())
    }
}
