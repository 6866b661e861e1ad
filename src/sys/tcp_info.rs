//! What the kernel knows of a TCP connection: `getsockopt(TCP_INFO)`, tcp(7). Linux only.
//!
//! `struct tcp_info` (linux/tcp.h) only ever grows at its end. An older kernel fills less of it and says how much, so
//! what came late is an [`Option`] here.

use crate::proc_net::State;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// A look at one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state of RFC 9293 section 3.3.2.
    pub state: State,
    /// How often the wait for the next window probe was doubled since the peer's window closed (or for the next
    /// retransmission, since the last acknowledgement).
    pub backoff: u8,
    /// The windows that the peer advertises count in units of 2 to this power (RFC 7323); what its SYN said.
    pub snd_wscale: u8,
    /// The same for the windows we advertise; what our SYN said.
    pub rcv_wscale: u8,
    /// The round trip, smoothed (SRTT, RFC 6298).
    pub rtt: Duration,
    /// How much the round trip varies (RTTVAR, RFC 6298).
    pub rttvar: Duration,
    /// The congestion window, in segments: how many may be on their way at once, whatever the peer's window.
    pub snd_cwnd: u32,
    /// The largest segment we send, in octets.
    pub snd_mss: u32,
    /// Segments sent that were not acknowledged yet.
    pub unacked: u32,
    /// Segments sent again, since the connection began.
    pub total_retrans: u32,
    /// How many octets of receive buffer the kernel plans for in a round trip.
    pub rcv_space: u32,
    /// Octets that were written and not sent yet. Linux 4.6.
    pub notsent: Option<u32>,
    /// The window the peer advertised last, in octets. Linux 5.4.
    pub snd_wnd: Option<u32>,
    /// The window we advertised last, in octets. Linux 6.2.
    pub rcv_wnd: Option<u32>,
}

/// Where the fields lie in `struct tcp_info`, in octets. The state, the backoff and the scales are octets, all others 32 bits.
#[cfg(any(target_os = "linux", test))]
mod at {
    pub(super) const STATE: usize = 0;
    pub(super) const BACKOFF: usize = 4;
    pub(super) const WSCALES: usize = 6;
    pub(super) const SND_MSS: usize = 16;
    pub(super) const UNACKED: usize = 24;
    pub(super) const RTT: usize = 68;
    pub(super) const RTTVAR: usize = 72;
    pub(super) const SND_CWND: usize = 80;
    pub(super) const RCV_SPACE: usize = 96;
    pub(super) const TOTAL_RETRANS: usize = 100;
    pub(super) const NOTSENT: usize = 144;
    pub(super) const SND_WND: usize = 228;
    pub(super) const RCV_WND: usize = 232;
}

/// Asks the kernel about a connection.
///
/// # Errors
/// As getsockopt(2); `Unsupported` on other systems than Linux.
#[cfg(target_os = "linux")]
pub fn tcp_info(stream: &TcpStream) -> io::Result<TcpInfo> {
    let mut info = [0_u8; 512];
    let filled = getsockopt(stream, &mut info)?;
    parse(&info[..filled])
}

/// Fills `info` from the start; returns how many octets the kernel had to say.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn getsockopt(stream: &TcpStream, info: &mut [u8]) -> io::Result<usize> {
    use std::os::fd::AsRawFd;
    let room = info.len();
    let mut len = libc::socklen_t::try_from(room).unwrap_or(libc::socklen_t::MAX);
    let fd = stream.as_raw_fd();
    // SAFETY: `fd` is open as long as `stream` is borrowed; the kernel writes at most `len` octets, all inside `info`, and then `len`.
    let result =
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(len).unwrap_or(room).min(room))
}

/// Asks the kernel about a connection; this one cannot answer.
///
/// # Errors
/// Always `Unsupported`.
#[cfg(not(target_os = "linux"))]
pub fn tcp_info(_: &TcpStream) -> io::Result<TcpInfo> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has TCP_INFO"))
}

#[cfg(any(target_os = "linux", test))]
fn parse(info: &[u8]) -> io::Result<TcpInfo> {
    let late = |at: usize| info.get(at..)?.first_chunk().map(|octets| u32::from_ne_bytes(*octets));
    let short = || io::Error::new(io::ErrorKind::InvalidData, format!("TCP_INFO ends after {} octets", info.len()));
    let early = |at: usize| late(at).ok_or_else(short);
    let octet = |at: usize| info.get(at).copied().ok_or_else(short);
    let code = octet(at::STATE)?;
    let (snd_wscale, rcv_wscale) = scales(octet(at::WSCALES)?);
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, format!("TCP_INFO has state {code}"));
    Ok(TcpInfo {
        state: State::from_code(code).ok_or_else(unknown)?,
        backoff: octet(at::BACKOFF)?,
        snd_wscale,
        rcv_wscale,
        rtt: Duration::from_micros(early(at::RTT)?.into()),
        rttvar: Duration::from_micros(early(at::RTTVAR)?.into()),
        snd_cwnd: early(at::SND_CWND)?,
        snd_mss: early(at::SND_MSS)?,
        unacked: early(at::UNACKED)?,
        total_retrans: early(at::TOTAL_RETRANS)?,
        rcv_space: early(at::RCV_SPACE)?,
        notsent: late(at::NOTSENT),
        snd_wnd: late(at::SND_WND),
        rcv_wnd: late(at::RCV_WND),
    })
}

/// Two bit fields share an octet, the peer's scale first. Which half comes first is the processor's choice, as with octets.
#[cfg(any(target_os = "linux", test))]
fn scales(octet: u8) -> (u8, u8) {
    let (low, high) = (octet & 0x0f, octet >> 4);
    if cfg!(target_endian = "little") { (low, high) } else { (high, low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each octet of the struct is its own offset, so a field read from the wrong place shows.
    fn numbered(len: u8) -> Vec<u8> {
        let mut info: Vec<u8> = (0..len).collect();
        info[0] = 1;
        info
    }

    #[test]
    fn fields_lie_where_the_kernel_puts_them() {
        let info = parse(&numbered(248)).expect("whole");
        assert_eq!(info.state, State::Established);
        assert_eq!(info.backoff, 4);
        assert_eq!((info.snd_wscale, info.rcv_wscale), if cfg!(target_endian = "little") { (6, 0) } else { (0, 6) });
        assert_eq!(info.snd_mss, u32::from_ne_bytes([16, 17, 18, 19]));
        assert_eq!(info.total_retrans, u32::from_ne_bytes([100, 101, 102, 103]));
        assert_eq!(info.rcv_wnd, Some(u32::from_ne_bytes([232, 233, 234, 235])));
    }

    /// Linux 2.6 fills 104 octets: what came later is unknown, not zero. A field cut in half is unknown too.
    #[test]
    fn an_older_kernel_says_less() {
        let info = parse(&numbered(104)).expect("the old part");
        assert_eq!((info.notsent, info.snd_wnd, info.rcv_wnd), (None, None, None));
        assert_eq!(parse(&numbered(146)).expect("the old part").notsent, None);
        let e = parse(&numbered(103)).expect_err("too short").to_string();
        assert_eq!(e, "TCP_INFO ends after 103 octets");
        assert!(parse(&[]).is_err());
        assert!(parse(&[99; 248]).expect_err("no such state").to_string().contains("state 99"));
    }

    /// The kernel under this test answers for a real connection.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_real_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let info = tcp_info(&client).expect("TCP_INFO");
        assert_eq!(info.state, State::Established);
        assert!(info.snd_wscale <= 14 && info.rcv_wscale <= 14, "RFC 7323: {info:?}");
        assert!(info.snd_mss > 500 && info.snd_cwnd >= 1, "{info:?}");
        drop(listener.accept().expect("accept"));
        // The end of the stream has come when the FIN has.
        assert_eq!(io::Read::read(&mut &client, &mut [0]).expect("end"), 0);
        assert_eq!(tcp_info(&client).expect("TCP_INFO").state, State::CloseWait);
    }
}
