//! Connecting to a name: with patience for a server whose queue is full, and with errors in terms of the file.

use super::file::is_stale;
use super::{Kind, Name};
use crate::context::Context;
use socket2::{Domain, Socket};
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The first pause before a full queue is tried again. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Connects a stream within the context's time. The errors are those of [`explain`].
///
/// # Errors
/// As connect(2), and the context's cause when it ends first.
pub fn stream(ctx: &Context, to: &Name) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Kind::Stream.socket_type(), None)?;
    socket.set_nonblocking(true)?;
    let address = to.address()?;
    let mut pause = FIRST_PAUSE;
    loop {
        ctx.check()?;
        match socket.connect(&address) {
            Ok(()) => break,
            // The server's queue is full (listen(2)). A blocking connect would wait there, deaf to the context; and no event
            // tells when there is room.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => ctx.sleep(pause)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(explain(e, to, Kind::Stream)),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

/// What connect(2) has to say, in terms of the socket file. The kind of the error stays.
pub fn explain(e: io::Error, to: &Name, wanted: Kind) -> io::Error {
    let why = match (e.kind(), to) {
        (io::ErrorKind::ConnectionRefused, Name::Abstract(_)) => "connection refused: nobody has that name".into(),
        (io::ErrorKind::ConnectionRefused, Name::Path(path)) => match fs::metadata(path) {
            Ok(file) if !file.file_type().is_socket() => "connection refused: the file is no socket".into(),
            // Between bind(2) and listen(2), or after close(2): the answer to a stream is the same, that to a datagram is not.
            _ if is_stale(path).is_ok_and(|stale| !stale) => {
                "connection refused: the server there does not listen yet".into()
            }
            _ => "connection refused: the file is stale, nobody listens there".into(),
        },
        (io::ErrorKind::PermissionDenied, Name::Path(path)) => match fs::metadata(path) {
            Ok(_) => "permission denied: the file may not be written to".into(),
            Err(_) => "permission denied: a folder on the way may not be entered".into(),
        },
        _ if e.raw_os_error() == Some(libc::EPROTOTYPE) => {
            format!("the file is no {} socket, but one of another type", wanted.name())
        }
        _ => return e,
    };
    io::Error::new(e.kind(), why)
}

#[cfg(test)]
mod tests {
    use super::super::file::{datagrams, listen};
    use super::super::{Access, Bound};
    use super::*;
    use std::os::unix::net::UnixListener;

    fn live() -> (tempfile::TempDir, Bound<UnixListener>) {
        let folder = tempfile::tempdir().expect("folder");
        let name = Name::Path(folder.path().join("harbour.sock"));
        let live = listen(&name, &Access::default()).expect("listen");
        (folder, live)
    }

    /// Until there is room in the queue, the context decides.
    #[test]
    fn a_full_queue_is_waited_for() {
        let (_folder, live) = live();
        let soon = || Context::new().with_timeout(Duration::from_millis(20));
        nix::sys::socket::listen(&live.socket, nix::sys::socket::Backlog::new(0).expect("backlog")).expect("listen");
        let mut inside = Vec::new();
        let e = loop {
            match stream(&soon(), &live.name) {
                Ok(client) => inside.push(client),
                Err(e) => break e,
            }
            assert!(inside.len() < 10_000, "the queue has no end");
        };
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| stream(&Context::new().with_timeout(Duration::from_secs(20)), &live.name));
            live.socket.accept().expect("accept");
            waiting.join().expect("join").expect("there is room");
        });
    }

    #[test]
    fn errors_are_about_the_file() {
        let (folder, live) = live();
        let says = |name: &Name| stream(&Context::new(), name).expect_err("no stream").to_string();
        let dead = folder.path().join("dead.sock");
        drop(UnixListener::bind(&dead).expect("bind"));
        assert_eq!(says(&Name::Path(dead)), "connection refused: the file is stale, nobody listens there");
        let early = Socket::new(Domain::UNIX, Kind::Stream.socket_type(), None).expect("socket");
        let path = Name::Path(folder.path().join("early.sock"));
        early.bind(&path.address().expect("address")).expect("bind");
        assert_eq!(says(&path), "connection refused: the server there does not listen yet");
        let list = folder.path().join("ships");
        fs::write(&list, "Alma").expect("write");
        assert_eq!(says(&Name::Path(list)), "connection refused: the file is no socket");
        let grams = datagrams(&Name::Path(folder.path().join("grams.sock")), &Access::default()).expect("bind");
        assert_eq!(says(&grams.name), "the file is no stream socket, but one of another type");
        let e = stream(&Context::new(), &Name::Path(folder.path().join("none.sock"))).expect_err("nobody");
        assert_eq!(e.kind(), io::ErrorKind::NotFound);
        let canceled = Context::new();
        canceled.cancel();
        assert!(crate::context::is_canceled(&stream(&canceled, &live.name).expect_err("canceled")));
    }
}
