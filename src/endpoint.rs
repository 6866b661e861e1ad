//! Endpoints as people write them: `tcp://host:port` or just `host:port`, `udp://host:port`, `unix:///run/harbour.sock`
//! or just a path, and `unix:@name` for Linux's abstract names.

use crate::addr::split_host_port;
use crate::error::NetError;
use crate::unix::{Kind, Name};
use std::fmt;
use std::str::FromStr;

/// Where a stream or datagrams can be sent, or waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port: host and port as they were written, not looked up yet.
    Tcp(String),
    /// A UDP port.
    Udp(String),
    /// A socket file or an abstract name; a stream unless the program says otherwise.
    Unix(Name),
}

impl Endpoint {
    /// `tcp`, `udp` or `unix`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Endpoint::Tcp(_) => "tcp",
            Endpoint::Udp(_) => "udp",
            Endpoint::Unix(_) => "unix",
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
    text.parse().map(Endpoint::Unix)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Udp(address) => write!(f, "udp://{address}"),
            Endpoint::Unix(name) => f.write_str(&name.url(Kind::Stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unix::name::LONGEST;

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
        let long = format!("/{}", "a".repeat(LONGEST));
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
