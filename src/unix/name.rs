//! What a Unix socket is called: a path in the file system, or a name in Linux's abstract namespace.

use super::Kind;
use socket2::SockAddr;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest name: `sun_path` has 108 octets on Linux, one of them for the final NUL of a path (unix(7)), or the first
/// NUL of an abstract name.
pub const LONGEST: usize = 107;

/// The name of a Unix socket. Which kind of socket it is (stream, datagram, sequenced packets) is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A socket file.
    Path(PathBuf),
    /// A name without a file, which is gone with the last socket that has it (unix(7), "Abstract"). Linux only. Any
    /// process of the machine may connect: there are no permissions.
    Abstract(Vec<u8>),
}

impl Name {
    /// A file in the folder for temporary files: `TMPDIR`, or else `/tmp`.
    pub fn in_temp(file: &str) -> Self {
        Name::Path(std::env::temp_dir().join(file))
    }

    /// For bind(2), connect(2) and sendto(2).
    ///
    /// # Errors
    /// When it is too long, or has a NUL in it.
    pub fn address(&self) -> io::Result<SockAddr> {
        match self {
            Name::Path(path) => SockAddr::unix(path),
            // In `sun_path`, a NUL comes first.
            Name::Abstract(name) => SockAddr::unix(OsStr::from_bytes(&[b"\0", name.as_slice()].concat())),
        }
    }

    /// What the kernel says of a socket; `None` for one without a name, as most clients are.
    pub fn of(address: &SockAddr) -> Option<Self> {
        let path = address.as_pathname().map(|path| Name::Path(path.into()));
        path.or_else(|| address.as_abstract_namespace().map(|name| Name::Abstract(name.into())))
    }

    /// As a URL: `unix:///run/harbour.sock`, `unixgram:@harbour`.
    pub fn url(&self, kind: Kind) -> String {
        match self {
            Name::Path(_) => format!("{}://{self}", kind.scheme()),
            Name::Abstract(_) => format!("{}:{self}", kind.scheme()),
        }
    }
}

impl FromStr for Name {
    type Err = String;

    /// A path, or `@name`; `unix:`, `unixgram:` or `unixpacket:` may stand in front, with or without `//`.
    ///
    /// # Errors
    /// Says what is wrong with it: nothing there, too long, a NUL.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = ["unix:", "unixgram:", "unixpacket:"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .map_or(text, |rest| rest.strip_prefix("//").unwrap_or(rest));
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("{scheme}:// is no Unix socket"));
        }
        let (name, found) = match text.strip_prefix('@') {
            Some(name) => (name, Name::Abstract(name.into())),
            None => (text, Name::Path(text.into())),
        };
        match name.len() {
            0 => Err("no path".into()),
            n if n > LONGEST => Err(format!("a path of {n} octets: a socket address has room for {LONGEST}")),
            _ if name.contains('\0') => Err("a NUL in the path".into()),
            _ => Ok(found),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A path may hold any octet but NUL; a line of output may not.
            Name::Path(path) => match path.to_str() {
                Some(text) if !text.contains(char::is_control) => f.write_str(text),
                _ => write!(f, "{}", path.as_os_str().as_bytes().escape_ascii()),
            },
            Name::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for text in ["/run/harbour.sock", "unix:///run/harbour.sock", "unixgram:/run/harbour.sock"] {
            assert_eq!(text.parse(), Ok(Name::Path("/run/harbour.sock".into())));
        }
        assert_eq!("unixpacket:@harbour".parse(), Ok(Name::Abstract(b"harbour".to_vec())));
        let name: Name = "tide.sock".parse().expect("a relative path");
        assert_eq!(name.url(Kind::Datagram), "unixgram://tide.sock");
        assert_eq!(Name::Abstract(b"tide\n".to_vec()).url(Kind::Seqpacket), "unixpacket:@tide\\n");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "a".repeat(LONGEST + 1);
        for (text, part) in
            [("", "no path"), ("@", "no path"), (&long, "108 octets"), ("a\0b", "NUL"), ("tcp://a:1", "tcp://")]
        {
            let e = text.parse::<Name>().expect_err(text);
            assert!(e.contains(part), "{e}");
        }
    }

    /// The kernel gives a name back as it was given to it.
    #[test]
    fn there_and_back() {
        for text in ["/run/harbour.sock", "tide.sock"] {
            let name: Name = text.parse().expect(text);
            assert_eq!(Name::of(&name.address().expect("address")), Some(name));
        }
        #[cfg(target_os = "linux")]
        assert_eq!(
            Name::of(&Name::Abstract(b"tide".to_vec()).address().expect("address")),
            Some(Name::Abstract(b"tide".to_vec()))
        );
    }
}
