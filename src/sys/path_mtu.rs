//! The path MTU: how long a packet may be to get to a peer in one piece (RFC 1191, RFC 8201; ip(7), ipv6(7)). Linux only.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// From now on, no packet of this socket is split, here or on its way: what is too long fails with `EMSGSIZE`, as far as this
/// host knows, and is dropped by the router that cannot pass it on. `ipv6` says which version of IP the socket speaks.
///
/// # Errors
/// As setsockopt(2); `Unsupported` on other systems than Linux.
pub fn never_split(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    linux::never_split(socket.as_fd().as_raw_fd(), ipv6)
}

/// What this host knows of the path to the socket's peer, in octets, the IP header included: the MTU of its own interface,
/// until a router has reported a smaller one.
///
/// # Errors
/// As getsockopt(2): `NotConnected` without a peer; `Unsupported` on other systems than Linux.
pub fn path_mtu(socket: &impl AsFd, ipv6: bool) -> io::Result<usize> {
    linux::path_mtu(socket.as_fd().as_raw_fd(), ipv6)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod linux {
    use libc::{IPPROTO_IP, IPPROTO_IPV6, c_int, socklen_t};
    use std::io;
    use std::os::fd::RawFd;

    /// `c_int` has four octets wherever Linux runs.
    const SIZE: socklen_t = size_of::<c_int>() as socklen_t;

    pub(super) fn never_split(fd: RawFd, ipv6: bool) -> io::Result<()> {
        let (level, name, value) = match ipv6 {
            false => (IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
            true => (IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
        };
        // SAFETY: the caller holds the socket open; the kernel reads one `c_int`, which lives until the call is over.
        let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), SIZE) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(super) fn path_mtu(fd: RawFd, ipv6: bool) -> io::Result<usize> {
        let (level, name) = if ipv6 { (IPPROTO_IPV6, libc::IPV6_MTU) } else { (IPPROTO_IP, libc::IP_MTU) };
        let (mut mtu, mut size): (c_int, _) = (0, SIZE);
        // SAFETY: the caller holds the socket open; the kernel writes at most `size` octets into `mtu`, and then `size`.
        let result = unsafe { libc::getsockopt(fd, level, name, (&raw mut mtu).cast(), &raw mut size) };
        if result == 0 { Ok(usize::try_from(mtu).unwrap_or(0)) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::io;
    use std::os::fd::RawFd;

    pub(super) fn never_split(_: RawFd, _: bool) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has IP_MTU_DISCOVER"))
    }

    pub(super) fn path_mtu(_: RawFd, _: bool) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has IP_MTU"))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    /// Loopback has a long one, and a socket without a peer has none.
    #[test]
    fn of_loopback() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        never_split(&socket, false).expect("set");
        assert_eq!(path_mtu(&socket, false).expect_err("no peer").kind(), io::ErrorKind::NotConnected);
        socket.connect("127.0.0.1:9").expect("connect");
        assert!(path_mtu(&socket, false).expect("a peer") >= 68);
        assert!(path_mtu(&socket, true).is_err(), "an IPv4 socket speaks no IPv6");
    }
}
