//! An echo on `netkata::accept`, as the programs from chapter 4 on use it. This program starts itself once more, with
//! [`WORD`] as its argument, and that process is the server.

use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::exit;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

/// Asks for the server. cargo and people have other words.
pub(crate) const WORD: &str = "--serve-echo-on-accept";

/// Holds what one Ethernet frame brings. Most that come to say little never need more.
const FIRST_BUFFER: usize = 2 * 1024;
/// For those that fill the first: a stream then costs few system calls.
const BUFFER: usize = 64 * 1024;
const IDLE: Duration = Duration::from_secs(300);

pub(crate) fn serve() -> ExitCode {
    let serve = || {
        accept::run(Network::Tcp, "0.0.0.0:0", &Limits::default(), |stream, peer| {
            if let Err(e) = echo(&stream) {
                exit::log(format_args!("{peer}: {e}"));
            }
        })
    };
    exit::run(serve)
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
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
