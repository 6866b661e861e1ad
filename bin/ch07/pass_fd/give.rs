//! The giver: meets the client, learns its name, and hands the connection over.

use crate::hand_over::hand_over;
use crate::{LINE, lines, usual_place};
use clap::Args;
use netkata::accept::{self, Limits};
use netkata::addr::Network;
use netkata::context::{Context, Ready};
use netkata::deadline::DeadlineStream;
use netkata::endpoint::Endpoint;
use netkata::error::{Attempt, NetError, Result};
use netkata::{exit, hexdump, human};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const QUESTION: &[u8] = b"your ship?\n";
const NO_BERTH: &[u8] = b"no berth free\n";
const TOO_LONG: &[u8] = b"the name is too long\n";

#[derive(Args)]
pub struct Options {
    /// Where to listen: host:port, :port or [v6]:port; port 0 is any free port
    #[arg(default_value = "127.0.0.1:7072")]
    listen: String,
    /// The taker's socket: a path, or @name
    #[arg(long, value_name = "NAME", default_value_t = usual_place())]
    to: String,
    /// The time for a client to say its ship's name
    #[arg(long, default_value = "30s", value_parser = human::parse_limit)]
    name_time: Duration,
    /// The time for the taker to say that it has taken the connection
    #[arg(long, default_value = "5s", value_parser = human::parse_limit)]
    take_time: Duration,
    /// Hand over to a taker of any user, not only to one's own and root's
    #[arg(long)]
    any_user: bool,
    /// Clients that are asked at once; more are closed at once
    #[arg(long, default_value_t = 1_000)]
    max_connections: usize,
    /// After SIGINT or SIGTERM, let what has begun go on for this long
    #[arg(long, default_value = "5s", value_parser = human::parse_duration)]
    grace: Duration,
}

pub fn serve(options: Options) -> Result<()> {
    let name = options.to.parse().map_err(|why| NetError::invalid("address", format!("{:?}", options.to), why))?;
    let limits = Limits { connections: options.max_connections, grace: options.grace };
    let listen = options.listen.clone();
    let shared = Arc::new((options, Endpoint::Unix(name)));
    accept::run(Network::Tcp, &listen, &limits, move |client, peer| {
        let (options, taker) = &*shared;
        match meet(&client, options, taker) {
            // Dropping it closes our descriptor, and no more. A shutdown(2) would end the connection itself, for the taker too.
            Ok(ship) => exit::log(format_args!("{peer}: {ship}, handed over to {taker}")),
            Err((why, farewell)) => turn_away(client, peer, &why, farewell),
        }
    })
}

/// Gives the ship's name, for the log; or why it failed, and what the client is told.
fn meet(
    client: &TcpStream,
    options: &Options,
    taker: &Endpoint,
) -> std::result::Result<String, (NetError, &'static [u8])> {
    let line = ask(client, options.name_time).attempt("ask", "for the name").map_err(|e| {
        let farewell: &[u8] = if e.cause().kind() == io::ErrorKind::InvalidData { TOO_LONG } else { b"" };
        (e, farewell)
    })?;
    hand_over(client, &line, taker, options.take_time, options.any_user).map_err(|e| (e, NO_BERTH))?;
    Ok(hexdump::text(lines::without_end(&line), LINE))
}

/// The question, and the line that answers it.
fn ask(mut client: &TcpStream, limit: Duration) -> io::Result<Vec<u8>> {
    // The connection is new: its send buffer has room, so this does not block.
    client.write_all(QUESTION)?;
    first_line(client, limit)
}

/// Takes one line from the socket, and not an octet more: what we had read too far, the next process would never see. And no
/// timeout is set on the socket: that would be handed over with it.
// [first-line]
fn first_line(mut client: &TcpStream, limit: Duration) -> io::Result<Vec<u8>> {
    let time = Context::new().with_timeout(limit);
    let (mut line, mut ahead) = (Vec::new(), [0; LINE]);
    while line.len() < LINE {
        wait_for(client, &time)?;
        let room = &mut ahead[line.len()..];
        let seen = client.peek(room)?;
        let end = room[..seen].iter().position(|&octet| octet == b'\n').map_or(seen, |at| at + 1);
        // They are there already. Where there is no LF, all that was seen belongs to the line.
        let part = &mut room[..end];
        client.read_exact(part)?;
        line.extend_from_slice(part);
        match part.last() {
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the line was whole")),
            Some(b'\n') => return Ok(line),
            Some(_) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("no line end in {LINE} octets")))
}
// [/first-line]

fn wait_for(client: &TcpStream, time: &Context) -> io::Result<()> {
    match time.wait_readable(client)? {
        Ready::Socket => Ok(()),
        Ready::Ended(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no name in time")),
    }
}

/// The taker may have the connection after all, and have been too slow to say so: the client must not be told one thing and
/// then hear another. A shutdown ends the connection for every process that has it.
fn turn_away(client: TcpStream, peer: SocketAddr, why: &NetError, farewell: &[u8]) {
    exit::log(format_args!("{peer}: {why}"));
    let _ = (&client).write_all(farewell);
    let client = DeadlineStream::new(client);
    lines::part(&client);
    let _ = client.get_ref().shutdown(Shutdown::Both);
}
