//! What to get and where, as one argument: `tftp://HOST[:PORT]/NAME` (RFC 3617), and the scheme may be left out.

use crate::name::shown;
use netkata::tftp::PORT;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;

/// A file on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `host:port`, as `netkata::addr` reads it.
    pub server: String,
    /// The file's name as it is sent: any octets but NUL.
    pub name: Vec<u8>,
}

impl Source {
    /// The last part of the name: the server's folders are no business of this machine. `None` where nothing is left that
    /// could be a file.
    pub fn file_name(&self) -> Option<OsString> {
        match self.name.rsplit(|&octet| octet == b'/').next() {
            None | Some(b"" | b"." | b"..") => None,
            Some(last) => Some(OsString::from_vec(last.into())),
        }
    }

    /// The name, for people.
    pub fn shown(&self) -> String {
        shown(&self.name)
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tftp") => rest,
            Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                return Err(format!("scheme {scheme}: this client speaks tftp alone"));
            }
            _ => text,
        };
        let Some((server, name)) = rest.split_once('/') else {
            return Err("no name of a file (write HOST[:PORT]/NAME)".into());
        };
        let name = match name.rsplit_once(";mode=") {
            Some((name, mode)) if mode.eq_ignore_ascii_case("octet") => name,
            Some((_, mode)) => return Err(format!("mode {mode}: files are sent as they are (octet)")),
            None => name,
        };
        let name = octets(name)?;
        match name.as_slice() {
            [] => Err("no name of a file (write HOST[:PORT]/NAME)".into()),
            name if name.contains(&0) => Err("a NUL would end the name early".into()),
            _ => Ok(Self { server: with_port(server)?, name }),
        }
    }
}

fn with_port(server: &str) -> Result<String, String> {
    let host = server.rsplit_once(']').map_or(server, |(_, rest)| rest);
    match server {
        "" => Err("no host (write HOST[:PORT]/NAME)".into()),
        _ if host.contains(':') => Ok(server.into()),
        _ => Ok(format!("{server}:{PORT}")),
    }
}

/// `%41` is an octet written in hexadecimal (RFC 3986, section 2.1).
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut pieces = text.split('%');
    let mut octets = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        octets.push(octet.ok_or("% without two hexadecimal digits (a percent sign is %25)")?);
        octets.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Ok(octets)
}
