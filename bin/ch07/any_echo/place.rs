//! Where to listen, as people write it.

use netkata::endpoint::Endpoint;
use netkata::error::NetError;
use netkata::unix::{Kind, Name};
use std::fmt;
use std::str::FromStr;

/// An address that takes connections.
#[derive(Clone, Debug)]
pub enum Place {
    /// `tcp://host:port` or `host:port`.
    Tcp(String),
    /// `unix:///path`, `unix:@name`, or a path: streams.
    Unix(Name),
    /// `unixpacket:///path` or `unixpacket:@name`: sequenced packets.
    Packets(Name),
}

impl FromStr for Place {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = |why: String| NetError::invalid("address", format!("{text:?}"), why);
        if text.starts_with("unixpacket:") {
            return text.parse().map(Place::Packets).map_err(wrong);
        }
        match text.split_once("://") {
            Some((scheme, _)) if !["tcp", "unix"].contains(&scheme) => {
                Err(wrong(format!("no connections over {scheme:?}: write tcp://, unix:// or unixpacket://")))
            }
            _ => match text.parse()? {
                Endpoint::Unix(name) => Ok(Place::Unix(name)),
                Endpoint::Tcp(address) | Endpoint::Udp(address) => Ok(Place::Tcp(address)),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(address) => write!(f, "tcp://{address}"),
            Place::Unix(name) => f.write_str(&name.url(Kind::Stream)),
            Place::Packets(name) => f.write_str(&name.url(Kind::Seqpacket)),
        }
    }
}
