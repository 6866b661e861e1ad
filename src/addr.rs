//! Addresses as people write them: `host:port`, `:port`, `host:`, `[v6]:port`, service names, `tcp4` and `tcp6`.
//!
//! std's parser takes `127.0.0.1:80` and `localhost:80`. It does not take `:80`, `127.0.0.1:` or `localhost:http`.

use crate::error::NetError;
use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A transport, with or without a restriction to one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Network {
    /// TCP over IPv4 or IPv6.
    #[default]
    Tcp,
    /// TCP over IPv4 only.
    Tcp4,
    /// TCP over IPv6 only.
    Tcp6,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// UDP over IPv4 only.
    Udp4,
    /// UDP over IPv6 only.
    Udp6,
}

impl Network {
    const ALL: [(&'static str, Network); 6] = [
        ("tcp", Network::Tcp),
        ("tcp4", Network::Tcp4),
        ("tcp6", Network::Tcp6),
        ("udp", Network::Udp),
        ("udp4", Network::Udp4),
        ("udp6", Network::Udp6),
    ];

    /// Whether an address of this version of IP belongs to the network.
    pub fn admits(self, ip: IpAddr) -> bool {
        match self {
            Network::Tcp | Network::Udp => true,
            Network::Tcp4 | Network::Udp4 => ip.is_ipv4(),
            Network::Tcp6 | Network::Udp6 => ip.is_ipv6(),
        }
    }

    fn socktype(self) -> SockType {
        match self {
            Network::Tcp | Network::Tcp4 | Network::Tcp6 => SockType::Stream,
            Network::Udp | Network::Udp4 | Network::Udp6 => SockType::DGram,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, n)| n == self).map_or("tcp", |(name, _)| name))
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .find(|(name, _)| *name == s)
            .map(|(_, network)| *network)
            .ok_or_else(|| format!("unknown network {s:?}: write tcp, tcp4, tcp6, udp, udp4 or udp6"))
    }
}

/// Splits `host:port` at the right colon. The brackets of `[v6]:port` are taken off; either part may be empty.
///
/// # Errors
/// Says which part is missing or too much.
pub fn split_host_port(text: &str) -> Result<(&str, &str), String> {
    let wrong = |why: &str| Err(format!("{why} (write host:port, :port or [v6]:port)"));
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, tail)) = rest.split_once(']') else { return wrong("a bracket without its partner") };
        return match tail.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if tail.is_empty() => wrong("no port"),
            None => wrong("something between ] and :"),
        };
    }
    match text.rsplit_once(':') {
        None => wrong("no port"),
        Some((host, _)) if host.contains(':') => wrong("too many colons: an IPv6 address needs brackets"),
        Some(parts) => Ok(parts),
    }
}

/// The addresses to connect to. An empty host is this machine; an empty port is an error.
///
/// Host and service names are looked up by the system's resolver, which has a deadline of its own (resolv.conf(5)).
///
/// # Errors
/// Names the address and what is wrong with it: no port, an unknown service, an unknown host.
pub fn resolve(network: Network, text: &str) -> Result<Vec<SocketAddr>, NetError> {
    let (host, port) = split_host_port(text).map_err(|e| bad(text, e))?;
    if port.is_empty() {
        return Err(bad(text, "no port to connect to"));
    }
    let port = port_number(network, port).map_err(|e| bad(text, e))?;
    if port == 0 {
        return Err(bad(text, "port 0 is a request to be given a port: it can be listened on, not connected to"));
    }
    let found = match host {
        "" => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect(),
        host => host_addresses(network, host, port).map_err(|e| NetError::new("resolve", text, e))?,
    };
    of_network(network, text, found)
}

/// The addresses to listen on, best first. An empty host is every address of this machine; an empty port is 0, any
/// free port.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_listen(network: Network, text: &str) -> Result<Vec<SocketAddr>, NetError> {
    let (host, port) = split_host_port(text).map_err(|e| bad(text, e))?;
    let port = match port {
        "" => 0,
        port => port_number(network, port).map_err(|e| bad(text, e))?,
    };
    let found = match host {
        // The IPv6 wildcard takes IPv4 as well, where the system has IPv6 at all: hence first, not alone.
        "" => vec![
            SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
            SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
        ],
        host => host_addresses(network, host, port).map_err(|e| NetError::new("resolve", text, e))?,
    };
    of_network(network, text, found)
}

fn of_network(network: Network, text: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, NetError> {
    found.retain(|a| network.admits(a.ip()));
    if found.is_empty() { Err(bad(text, format!("no address for {network}"))) } else { Ok(found) }
}

fn bad(text: &str, why: impl Into<String>) -> NetError {
    NetError::invalid("address", format!("{text:?}"), why)
}

/// A port number, or the number of a service that services(5) lists for this transport.
fn port_number(network: Network, port: &str) -> Result<u16, String> {
    if port.bytes().all(|b| b.is_ascii_digit()) {
        return port.parse().map_err(|_| format!("invalid port {port}: ports go from 0 to 65535"));
    }
    let hints = AddrInfoHints { socktype: network.socktype().into(), ..AddrInfoHints::default() };
    let unknown = || format!("unknown service {port:?}: not in /etc/services");
    // The service is asked for alone, so that an unknown service and an unknown host are told apart.
    let mut found = getaddrinfo(Some("127.0.0.1"), Some(port), Some(hints)).map_err(|_| unknown())?;
    found.find_map(Result::ok).map(|info| info.sockaddr.port()).ok_or_else(unknown)
}

fn host_addresses(network: Network, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let hints = AddrInfoHints { socktype: network.socktype().into(), ..AddrInfoHints::default() };
    let service = port.to_string();
    let found = getaddrinfo(Some(host), Some(&service), Some(hints)).map_err(lookup_error)?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for info in found.filter_map(Result::ok) {
        if !addresses.contains(&info.sockaddr) {
            addresses.push(info.sockaddr);
        }
    }
    Ok(addresses)
}

/// getaddrinfo(3) has error numbers of its own. "Name or service not known" covers every host that does not exist.
fn lookup_error(e: dns_lookup::LookupError) -> io::Error {
    match e.kind() {
        dns_lookup::LookupErrorKind::NoName => io::Error::new(io::ErrorKind::NotFound, "unknown host"),
        dns_lookup::LookupErrorKind::Again => {
            io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer; try again")
        }
        _ => io::Error::from(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Vec<String> {
        resolve_listen(Network::Tcp, text).expect(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn forms_of_an_address() {
        assert_eq!(split_host_port("127.0.0.1:7"), Ok(("127.0.0.1", "7")));
        assert_eq!(split_host_port("[2001:ed27::1]:https"), Ok(("2001:ed27::1", "https")));
        assert_eq!(split_host_port(":"), Ok(("", "")));
        assert_eq!(listen(":7007"), ["[::]:7007", "0.0.0.0:7007"]);
        assert_eq!(listen("127.0.0.1:"), ["127.0.0.1:0"]);
        assert_eq!(listen("[::1]:7007"), ["[::1]:7007"]);
    }

    /// Service names stand for ports, as in /etc/services.
    #[test]
    fn service_names() {
        let https = resolve(Network::Tcp, "[2001:ed27::1]:https");
        // A machine without services(5) says so; everyone else knows 443.
        match https {
            Ok(found) => assert_eq!(found[0].port(), 443),
            Err(e) => assert!(e.to_string().contains("unknown service"), "{e}"),
        }
    }

    /// The message names the address and the mistake in it.
    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("127.0.0.1", "no port"),
            ("::1:80", "brackets"),
            ("[::1", "partner"),
            ("[::1]80", "between"),
            ("[::1]", "no port"),
            ("localhost:65536", "65535"),
            ("localhost:123456", "invalid port 123456"),
            ("localhost:no-such-service", "unknown service \"no-such-service\""),
            ("localhost:", "no port to connect"),
            ("localhost:0", "port 0"),
        ] {
            let e = resolve(Network::Tcp, text).expect_err(text).to_string();
            assert!(e.contains(part) && e.contains(text), "{e}");
        }
        let e = resolve(Network::Tcp6, "127.0.0.1:80").expect_err("v4 is not v6").to_string();
        assert!(e.contains("no address for tcp6"), "{e}");
    }

    #[test]
    fn networks_by_name() {
        assert_eq!("tcp6".parse(), Ok(Network::Tcp6));
        assert_eq!(Network::Udp4.to_string(), "udp4");
        assert!("sctp".parse::<Network>().is_err());
    }
}
