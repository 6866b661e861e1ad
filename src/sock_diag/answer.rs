//! What the kernel sends in answer to a question: netlink(7) messages, each a header and a body.

use crate::proc_net::{Entry, State, Timer};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// `struct nlmsghdr` (linux/netlink.h): where its fields lie, in octets, and its length.
pub(super) mod header {
    /// Of header and body, 32 bits. The next message begins at a multiple of 4.
    pub(in super::super) const LENGTH: usize = 0;
    /// 16 bits.
    pub(in super::super) const KIND: usize = 4;
    /// 16 bits.
    pub(in super::super) const FLAGS: usize = 6;
    /// Of the question; an answer repeats it. 32 bits.
    pub(in super::super) const SEQUENCE: usize = 8;
    /// There follows the port of the sender: 0 is the kernel.
    pub(in super::super) const SIZE: usize = 16;
}

/// `struct inet_diag_msg`, the answer for a socket. Attributes follow (rtnetlink(7)), which nobody asked for.
mod tell {
    pub(super) const FAMILY: usize = 0;
    pub(super) const STATE: usize = 1;
    pub(super) const TIMER: usize = 2;
    pub(super) const RETRANSMITS: usize = 3;
    pub(super) const LOCAL_PORT: usize = 4;
    pub(super) const REMOTE_PORT: usize = 6;
    pub(super) const LOCAL: usize = 8;
    pub(super) const REMOTE: usize = 24;
    /// Milliseconds, 32 bits, as all that follows.
    pub(super) const EXPIRES: usize = 52;
    pub(super) const RECEIVE_QUEUE: usize = 56;
    pub(super) const SEND_QUEUE: usize = 60;
    pub(super) const UID: usize = 64;
    pub(super) const INODE: usize = 68;
    pub(super) const SIZE: usize = 72;
}

/// Kinds of messages: the kernel's control messages (netlink(7)), and a socket.
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// There is more to come, up to NLMSG_DONE.
const NLM_F_MULTI: u16 = 0x02;
/// The table changed under the kernel's hands: what it has sent may be wrong.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// AF_INET and AF_INET6, as Linux numbers them.
const INET: u8 = 2;
const INET6: u8 = 10;

/// Takes the messages of one datagram. True when that was the whole answer.
pub(super) fn take(mut datagram: &[u8], sequence: u32, found: &mut Vec<Entry>) -> io::Result<bool> {
    while !datagram.is_empty() {
        let length = u32_at(datagram, header::LENGTH)? as usize;
        let (kind, flags) = (u16_at(datagram, header::KIND)?, u16_at(datagram, header::FLAGS)?);
        let message = datagram.get(..length).ok_or_else(|| wrong("a message that is longer than its datagram"))?;
        let body = message.get(header::SIZE..).ok_or_else(|| wrong("a message that is shorter than its header"))?;
        // An answer to an earlier question, which ran out of time, is none to this one.
        if u32_at(message, header::SEQUENCE)? == sequence {
            if flags & NLM_F_DUMP_INTR != 0 {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "the sockets changed meanwhile"));
            }
            match kind {
                NLMSG_NOOP => {}
                NLMSG_ERROR | NLMSG_DONE => return status(body).map(|()| true),
                SOCK_DIAG_BY_FAMILY => found.push(socket(body)?),
                _ => return Err(wrong(&format!("a message of kind {kind}"))),
            }
            if kind == SOCK_DIAG_BY_FAMILY && flags & NLM_F_MULTI == 0 {
                return Ok(true);
            }
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// A control message begins with 0, or with an error number, negative.
fn status(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0)?.cast_signed() {
        0.. => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
    }
}

fn socket(body: &[u8]) -> io::Result<Entry> {
    if body.len() < tell::SIZE {
        return Err(wrong(&format!("a socket in {} octets", body.len())));
    }
    let state = State::from_code(body[tell::STATE]);
    let state = state.ok_or_else(|| wrong(&format!("a socket in state {}", body[tell::STATE])))?;
    let timer = timer(body[tell::TIMER]);
    Ok(Entry {
        local: address(body, tell::LOCAL, tell::LOCAL_PORT)?,
        remote: address(body, tell::REMOTE, tell::REMOTE_PORT)?,
        state,
        // Of a listener, this is how many connections may wait, and nothing that was written.
        send_queue: if state == State::Listen { 0 } else { u32_at(body, tell::SEND_QUEUE)? },
        receive_queue: u32_at(body, tell::RECEIVE_QUEUE)?,
        timer: timer
            .map(|t| io::Result::Ok((t, Duration::from_millis(u32_at(body, tell::EXPIRES)?.into()))))
            .transpose()?,
        // With the other timers, this octet counts probes.
        retransmits: if timer == Some(Timer::Retransmit) { body[tell::RETRANSMITS].into() } else { 0 },
        uid: u32_at(body, tell::UID)?,
        inode: u32_at(body, tell::INODE)?.into(),
    })
}

fn timer(code: u8) -> Option<Timer> {
    match code {
        1 => Some(Timer::Retransmit),
        2 => Some(Timer::KeepAlive),
        3 => Some(Timer::TimeWait),
        4 => Some(Timer::Probe),
        _ => None,
    }
}

fn address(body: &[u8], at: usize, port: usize) -> io::Result<SocketAddr> {
    let ip = match body[tell::FAMILY] {
        INET => IpAddr::from(array::<4>(body, at)?),
        INET6 => IpAddr::from(array::<16>(body, at)?),
        other => return Err(wrong(&format!("a socket of family {other}"))),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(array(body, port)?)))
}

fn u16_at(octets: &[u8], at: usize) -> io::Result<u16> {
    array(octets, at).map(u16::from_ne_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> io::Result<u32> {
    array(octets, at).map(u32::from_ne_bytes)
}

fn array<const N: usize>(octets: &[u8], at: usize) -> io::Result<[u8; N]> {
    octets.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(|| wrong("a message that is cut off"))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Linux 6.18 answered, on a little-endian machine, to the question for all sockets of a port: a listener with a
    /// connection that nobody has accepted yet, and a connection whose program has not read 12 octets.
    const DUMP: &str = "7c0000001400020007000000f62c0000020a0000af7f00007f0000010000000000000000000000000000000000000000\
        000000000000000000000000c1d300000000000000000000010000008000000000000000b2f45e03050008000000000008000f0000000000\
        0c00150001000000000000000600160052000000\
        7c0000001400020007000000f62c000002010000af7f945c7f0000010000000000000000000000007f000001000000000000000000000000\
        00000000c0d3000000000000000000000c0000000000000000000000b4f45e03050008000000000008000f00000000000c00150001000000\
        000000000600160052000000";
    const DONE: &str = "140000000300020007000000f62c000000000000";
    /// The answer for a connection that is not there: ENOENT, and the question again.
    const NONE: &str = "5c0000000200000007000000f62c0000feffffff4800000014000100070000000000000002060000fe0f0000000100027f00\
        00010000000000000000000000007f00000100000000000000000000000000000000ffffffffffffffff";
    const SEQUENCE: u32 = 7;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
    }

    /// The message of a whole answer, or what was made of it.
    fn taken(datagram: &[u8]) -> (String, Vec<Entry>) {
        let mut found = Vec::new();
        let result = take(datagram, SEQUENCE, &mut found);
        (result.map_or_else(|e| e.to_string(), |done| format!("done: {done}")), found)
    }

    /// A connection, as it answers the question for it alone: a message that no other follows. With these octets changed.
    fn one(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut message = octets(DUMP)[124..].to_vec();
        message[header::FLAGS] = 0;
        for (at, octet) in changes {
            message[*at] = *octet;
        }
        message
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn recorded_octets() {
        let (end, found) = taken(&octets(DUMP));
        assert_eq!((end.as_str(), found.len()), ("done: false", 2));
        let connection = Entry {
            local: "127.0.0.1:44927".parse().expect("address"),
            remote: "127.0.0.1:37980".parse().expect("address"),
            state: State::Established,
            send_queue: 0,
            receive_queue: 12,
            timer: None,
            retransmits: 0,
            uid: 0,
            inode: 56_554_676,
        };
        assert_eq!(found[1], connection);
        let listener = Entry {
            remote: "0.0.0.0:0".parse().expect("address"),
            state: State::Listen,
            receive_queue: 1,
            inode: 56_554_674,
            ..connection.clone()
        };
        assert_eq!(found[0], listener, "its backlog of 128 is no send queue");
        assert_eq!(taken(&octets(DONE)), ("done: true".into(), vec![]));
        assert_eq!(taken(&one(&[])), ("done: true".into(), vec![connection]));
    }

    /// The timer says what the count beside it counts.
    #[cfg(target_endian = "little")]
    #[test]
    fn timers() {
        let at = |field: usize| header::SIZE + field;
        for (code, timer, retransmits) in [
            (0, None, 0),
            (1, Some(Timer::Retransmit), 3),
            (2, Some(Timer::KeepAlive), 0),
            (3, Some(Timer::TimeWait), 0),
            (4, Some(Timer::Probe), 0),
            (9, None, 0),
        ] {
            let message = one(&[(at(tell::TIMER), code), (at(tell::RETRANSMITS), 3), (at(tell::EXPIRES), 200)]);
            let (_, found) = taken(&message);
            assert_eq!(found[0].timer, timer.map(|timer| (timer, Duration::from_millis(200))));
            assert_eq!(found[0].retransmits, retransmits);
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn mistakes_are_named() {
        let not_there = io::Error::from_raw_os_error(libc::ENOENT);
        let mut found = Vec::new();
        let e = take(&octets(NONE), SEQUENCE, &mut found).expect_err("an error");
        assert_eq!(e.raw_os_error(), not_there.raw_os_error());
        for (message, text) in [
            (octets(&DUMP[..80]), "the kernel sent a message that is longer than its datagram"),
            (octets(&DUMP[..8]), "the kernel sent a message that is cut off"),
            (octets(&DONE[..32]), "the kernel sent a message that is longer than its datagram"),
            (one(&[(0, 0)]), "the kernel sent a message that is shorter than its header"),
            (one(&[(0, 50)]), "the kernel sent a socket in 34 octets"),
            (one(&[(header::KIND, 4)]), "the kernel sent a message of kind 4"),
            (one(&[(header::SIZE, 9)]), "the kernel sent a socket of family 9"),
            (one(&[(header::SIZE + 1, 0)]), "the kernel sent a socket in state 0"),
            (one(&[(header::FLAGS, 0x12)]), "the sockets changed meanwhile"),
            // What a socket asked before it gave up, and nothing.
            (one(&[(header::SEQUENCE, 6)]), "done: false"),
            (vec![], "done: false"),
        ] {
            assert_eq!(taken(&message).0, text);
        }
        // An end without a status, and one that says that the dump has failed.
        assert_eq!(
            taken(&octets("1000000003000200070000000000000000")[..16]).0,
            "the kernel sent a message that is cut off"
        );
        assert!(taken(&octets("14000000030002000700000000000000f4ffffff")).0.contains("memory"), "ENOMEM");
    }

    proptest! {
        /// Whatever comes, from nothing or from what the kernel might have sent: an answer or an error, and no more
        /// sockets than there is room for.
        #[test]
        fn any_octets(noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..248, cut in 0_usize..249) {
            let mut bent = octets(DUMP);
            for (octet, noise) in bent[at..].iter_mut().zip(&noise[..noise.len().min(4)]) {
                *octet = *noise;
            }
            for datagram in [&noise[..], &bent[..cut]] {
                prop_assert!(taken(datagram).1.len() <= datagram.len() / tell::SIZE);
            }
        }
    }
}
