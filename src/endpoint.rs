//! Endpoints as people write them: `tcp://host:port` or just `host:port`, `udp://host:port`, `unix:///run/harbour.sock`
//! or just a path, and `unix:@name` for Linux's abstract names.

use crate::addr::split_host_port;
use crate::error::NetError;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest path that fits a socket address: `sun_path` has 108 octets on Linux, one of them for the final NUL (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// Where a stream or datagrams can be sent, or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port: host and port as they were written, not looked up yet.
    Tcp(String),
    /// A UDP port.
    Udp(String),
    /// A socket file; a stream unless the program says otherwise.
    Unix(PathBuf),
    /// A name in Linux's abstract namespace (unix(7)): it has no file, and is gone with the last socket.
    Abstract(Vec<u8>),
}

impl Endpoint {
    /// `tcp`, `udp` or `unix`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Endpoint::Tcp(_) => "tcp",
            Endpoint::Udp(_) => "udp",
            Endpoint::Unix(_) | Endpoint::Abstract(_) => "unix",
        }
    }
}

impl FromStr for Endpoint {
    type Err = NetError;

    /// # Errors
    /// Names the text and what is wrong with it: no port, an unknown scheme, a path that is too long.
    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = |why: String| NetError::invalid("address", format!("{text:?}"), why);
        match text.split_once("://") {
            Some(("tcp", rest)) => port(rest).map(Endpoint::Tcp).map_err(wrong),
            Some(("udp", rest)) => port(rest).map(Endpoint::Udp).map_err(wrong),
            Some(("unix", rest)) => socket_file(rest).map_err(wrong),
            Some((scheme, _)) => Err(wrong(format!("unknown scheme {scheme:?}: write tcp://, udp:// or unix://"))),
            None => match text.strip_prefix("unix:") {
                Some(path) => socket_file(path).map_err(wrong),
                None if text.starts_with('@') || text.contains('/') => socket_file(text).map_err(wrong),
                None => port(text).map(Endpoint::Tcp).map_err(wrong),
            },
        }
    }
}

fn port(text: &str) -> Result<String, String> {
    split_host_port(text).map(|_| text.to_string())
}

fn socket_file(text: &str) -> Result<Endpoint, String> {
    let (name, found) = match text.strip_prefix('@') {
        Some(name) => (name, Endpoint::Abstract(name.into())),
        None => (text, Endpoint::Unix(text.into())),
    };
    match name.len() {
        0 => Err("no path".into()),
        n if n > LONGEST_PATH => Err(format!("a path of {n} octets: a socket address has room for {LONGEST_PATH}")),
        _ if name.contains('\0') => Err("a NUL in the path".into()),
        _ => Ok(found),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Udp(address) => write!(f, "udp://{address}"),
            Endpoint::Unix(path) => write!(f, "unix://{}", printable(path)),
            Endpoint::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

/// A path may hold any octet but NUL; a line of output may not.
fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => text.into(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, shown) in [
            ("127.0.0.1:7040", "tcp://127.0.0.1:7040"),
            (":7040", "tcp://:7040"),
            ("tcp://[::1]:7040", "tcp://[::1]:7040"),
            ("udp://localhost:53", "udp://localhost:53"),
            ("unix:///run/harbour.sock", "unix:///run/harbour.sock"),
            ("unix:harbour.sock", "unix://harbour.sock"),
            ("./harbour.sock", "unix://./harbour.sock"),
            ("/run/harbour.sock", "unix:///run/harbour.sock"),
            ("@harbour", "unix:@harbour"),
            ("unix:@harbour", "unix:@harbour"),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), shown, "{text}");
            assert_eq!(endpoint.to_string().parse::<Endpoint>().expect(shown), endpoint, "both ways");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!("/{}", "a".repeat(LONGEST_PATH));
        for (text, part) in [
            ("harbour", "no port"),
            ("tcp://harbour", "no port"),
            ("http://harbour:80", "unknown scheme \"http\""),
            ("unix://", "no path"),
            ("unix:@", "no path"),
            (long.as_str(), "108 octets"),
            ("/run/\0", "NUL"),
        ] {
            let e = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(e.contains(part), "{e}");
        }
    }
}
