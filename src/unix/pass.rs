//! Open descriptors, handed from one process to another over a Unix socket (unix(7), `SCM_RIGHTS`).
//!
//! What arrives is a number of the receiver's own, for the same open file or socket: as after dup(2), across processes. The
//! sender may close its own at once; while the message waits in the queue, the kernel holds it open.

use crate::sys::descriptors;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors that one message carries (unix(7), `SCM_MAX_FD`).
pub const MOST: usize = 253;

/// What came with one read.
#[derive(Debug)]
pub struct Parcel {
    /// Octets in the buffer. Zero without descriptors: the peer has closed.
    pub len: usize,
    /// The descriptors that came along. Each is closed when it is dropped; none is inherited by programs that are started.
    pub descriptors: Vec<OwnedFd>,
    /// Some are missing: this process may not have so many open. What did come is in [`Parcel::descriptors`].
    pub cut: bool,
}

/// Sends octets, and with the first of them these descriptors. Gives how many octets were taken: on a stream perhaps not all.
/// The descriptors have gone with the first octet, so the rest is sent without them.
///
/// # Errors
/// As sendmsg(2). At least one octet is needed: on a stream, descriptors alone are not sent.
pub fn send(socket: &impl AsFd, octets: &[u8], handed: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if octets.is_empty() || handed.len() > MOST {
        let why =
            format!("{} octets with {} descriptors: at least one octet, at most {MOST}", octets.len(), handed.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    descriptors::send(socket.as_fd(), octets, handed)
}

/// Reads octets, and takes whatever descriptors came with them. On a stream, a read ends behind a message that had descriptors,
/// and not before it: octets that were sent earlier, without any, may come in the same read. So descriptors never mix, and
/// which octet they were sent with is not known.
///
/// All that came are taken, for those that were left out here would stay open for ever: the peer decides how many it sends.
///
/// # Errors
/// As recvmsg(2). A signal is no error.
pub fn receive(socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<Parcel> {
    let (len, descriptors, cut) = descriptors::receive(socket.as_fd(), buffer)?;
    Ok(Parcel { len, descriptors, cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// The descriptor works although its sender has closed it, and has the close-on-exec flag.
    #[test]
    fn a_pipe_changes_hands() {
        let (here, there) = UnixStream::pair().expect("pair");
        let (mut reader, writer) = std::io::pipe().expect("pipe");
        assert_eq!(send(&here, b"pipe", &[writer.as_fd()]).expect("send"), 4);
        drop(writer);
        let mut buffer = [0; 16];
        let mut parcel = receive(&there, &mut buffer).expect("receive");
        assert_eq!((&buffer[..parcel.len], parcel.cut), (&b"pipe"[..], false));
        let writer = parcel.descriptors.pop().expect("one descriptor");
        let flags = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETFD).expect("flags");
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        std::fs::File::from(writer).write_all(b"ahoy").expect("write");
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("read, to the end: nobody else has it");
        assert_eq!(said, "ahoy");
    }

    /// A read takes octets that were sent before the descriptors along with them, and none that were sent after.
    #[test]
    fn a_read_ends_behind_them() {
        let (here, there) = UnixStream::pair().expect("pair");
        for (octets, handed) in [(b"1234", None), (b"5678", Some(here.as_fd())), (b"9abc", None)] {
            send(&here, octets, handed.as_slice()).expect("send");
        }
        let mut buffer = [0; 32];
        let mut read = || {
            let parcel = receive(&there, &mut buffer).expect("receive");
            (buffer[..parcel.len].to_vec(), parcel.descriptors.len())
        };
        let got = [read(), read()];
        #[cfg(target_os = "linux")]
        assert_eq!(got, [(b"12345678".to_vec(), 1), (b"9abc".to_vec(), 0)]);
        assert_eq!(got.iter().map(|(_, descriptors)| descriptors).sum::<usize>(), 1);
    }

    /// As many as the kernel carries; none; and the end.
    #[test]
    fn many_none_and_the_end() {
        let (here, there) = UnixStream::pair().expect("pair");
        let handed = vec![here.as_fd(); MOST];
        send(&here, b"a", &handed).expect("send");
        send(&here, b"b", &[]).expect("send");
        assert!(send(&here, b"c", &vec![here.as_fd(); MOST + 1]).is_err());
        assert!(send(&here, b"", &[here.as_fd()]).is_err());
        drop(here);
        let first = receive(&there, &mut [0; 1]).expect("receive");
        assert_eq!((first.len, first.descriptors.len(), first.cut), (1, MOST, false));
        let second = receive(&there, &mut [0; 9]).expect("receive");
        assert_eq!((second.len, second.descriptors.len()), (1, 0));
        drop(first);
        assert_eq!(receive(&there, &mut [0; 9]).expect("the end").len, 0);
    }
}
