//! What a client is told, and how its connection ends.

use crate::door::Door;
use netkata::context::{Context, Ready};
use netkata::deadline::DeadlineStream;
use netkata::error::cause_text;
use netkata::exit::log;
use netkata::unix::stream::Client;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a client may say although nobody listens.
const CHATTER: usize = 1 << 20;
/// How long, and how many octets, to listen to a client that the server has closed.
pub const LINGER: Duration = Duration::from_millis(500);
const LINGER_OCTETS: u64 = 1 << 20;

/// Judges a client, tells it, and lets it stay or go.
pub fn hold(stop: &Context, door: &Door, mut stream: UnixStream, client: Client) {
    let judgement = door.judge(&stream);
    log(format_args!("{client}: {}", judgement.line));
    let told = match judgement.allowed {
        true => stream.write_all(b"Welcome\n").and_then(|()| keep(stop, &stream)),
        false => stream.write_all(b"Access denied\n"),
    };
    match told {
        Ok(()) if judgement.allowed => log(format_args!("{client}: gone")),
        Ok(()) => {}
        Err(e) => log(format_args!("{client}: {}", cause_text(&e))),
    }
    farewell(stream);
}

/// Until the client goes, or the server stops. There is no deadline: between two processes of one machine nothing can get lost,
/// so the kernel tells of every client that has gone, a killed one as well.
fn keep(stop: &Context, mut stream: &UnixStream) -> io::Result<()> {
    let mut unheard = [0; 1024];
    let mut said = 0;
    while stop.wait_readable(stream)? == Ready::Socket {
        match stream.read(&mut unheard)? {
            0 => break,
            n => said += n,
        }
        if said > CHATTER {
            return Err(io::Error::other("it said more than 1 MiB, closed"));
        }
    }
    Ok(())
}

/// To close a socket that holds unread octets is a reset (*connection reset by peer*) for the client that sent them, on a Unix
/// socket as in TCP: first the end of our direction, then a last look.
fn farewell(stream: UnixStream) {
    if stream.shutdown(Shutdown::Write).is_ok() {
        let stream = DeadlineStream::new(stream);
        stream.set_timeout(LINGER);
        let _ = io::copy(&mut stream.take(LINGER_OCTETS), &mut io::sink());
    }
}
