//! Servers on `netkata::accept`, as the programs from chapter 4 on use it. A bench starts itself once more, with one of
//! these words as its argument, and that process is the server.

use netkata::accept::{self, Limits};
use netkata::conn::Conn;
use netkata::deadline::Timeouts;
use netkata::endpoint::Endpoint;
use netkata::error::NetError;
use netkata::exit;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Asks for an echo server on the endpoint that follows. cargo and people have other words.
pub(crate) const ECHO: &str = "--serve-echo";
/// Asks for a server that reads and says nothing.
pub(crate) const SINK: &str = "--serve-sink";

/// Holds what one Ethernet frame brings. Most that come to say little never need more.
const FIRST_BUFFER: usize = 2 * 1024;
/// For those that fill the first: a stream then costs few system calls.
const BUFFER: usize = 64 * 1024;
/// A sink has nothing to do but this.
const SINK_BUFFER: usize = 256 * 1024;
const IDLE: Duration = Duration::from_secs(300);

/// The server, if this process is to be one.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let handle = match arguments.next()?.as_str() {
        ECHO => echo,
        SINK => sink,
        _ => return None,
    };
    Some(exit::run(|| -> Result<(), NetError> {
        let endpoint: Endpoint = arguments.next().unwrap_or_default().parse()?;
        accept::run_on(&endpoint, &Limits::default(), move |stream, peer| {
            if let Err(e) = handle(&stream) {
                exit::log(format_args!("{peer}: {e}"));
            }
        })
    }))
}

fn prepare(stream: &Conn) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_timeout(Some(IDLE))?;
    stream.write_timeout(Some(IDLE))
}

fn echo(mut stream: &Conn) -> io::Result<()> {
    prepare(stream)?;
    let mut buffer = vec![0; FIRST_BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => {
                stream.write_all(&buffer[..n])?;
                if n == buffer.len() {
                    buffer.resize(BUFFER, 0);
                }
            }
        }
    }
}

fn sink(mut stream: &Conn) -> io::Result<()> {
    prepare(stream)?;
    let mut buffer = vec![0; SINK_BUFFER];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
