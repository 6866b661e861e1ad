//! Streams: TCP and Unix sockets.

use crate::Args;
use netkata::accept;
use netkata::conn::{Conn, Peer};
use netkata::context::Context;
use netkata::endpoint::Endpoint;
use netkata::error::{NetError, Result};
use netkata::relay::{self, From, Options};
use netkata::tap::datagrams::canonical;
use netkata::tap::record::{Number, Recorder, Talk};
use netkata::tap::{Conversation, Transport};
use netkata::{dial, exit};
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

struct Tap {
    upstream: Endpoint,
    connect_timeout: Duration,
    options: Options,
    quiet: bool,
    recorder: Recorder,
}

/// Serves until it is told to stop.
pub fn carry(listen: &Endpoint, upstream: &Endpoint, args: &Args, recorder: &Recorder) -> Result<()> {
    let limits = accept::Limits { connections: args.max_connections, grace: args.grace };
    let tap = Arc::new(Tap {
        upstream: upstream.clone(),
        connect_timeout: args.connect_timeout,
        options: Options { idle: args.idle, ..Options::default() },
        quiet: args.quiet,
        recorder: recorder.clone(),
    });
    accept::run_on(listen, &limits, move |client, peer| tap.attend(client, peer))
}

impl Tap {
    fn attend(&self, client: Conn, peer: Peer) {
        // Before the server is reached: clients that come one after the other are A and B, whichever gets there first.
        let number = self.recorder.number();
        let ctx = Context::new().with_timeout(self.connect_timeout);
        match dial::endpoint(&ctx, &self.upstream) {
            Ok(server) => {
                let mut talk = self.begin(number, peer, &client, address(&server));
                // Whatever the relay sees, the talk is told. It writes nothing itself, so the relay never waits for it.
                relay::carry(client, server, &self.options, None, &mut talk);
            }
            Err(e) => self.turn_away(number, &client, peer, &e),
        }
    }

    fn begin(&self, number: Number, peer: Peer, client: &Conn, server: Option<SocketAddr>) -> Talk {
        let unix = matches!((client, &self.upstream), (Conn::Unix(_), Endpoint::Unix(_)));
        let address = if let Peer::Tcp(address) = peer { Some(canonical(address)) } else { None };
        self.recorder.begin(
            number,
            Conversation {
                transport: if unix { Transport::Unix } else { Transport::Tcp },
                client: address,
                server,
                client_name: address.map_or_else(|| peer.to_string(), |a| a.to_string()),
                server_name: self.upstream.to_string(),
            },
        )
    }

    /// With a linger time of zero, the close that follows sends an RST. The client then knows that this was no answer.
    fn turn_away(&self, number: Number, client: &Conn, peer: Peer, e: &NetError) {
        let mut talk = self.begin(number, peer, client, None);
        talk.note(e.to_string());
        talk.reset(From::Server);
        if let Conn::Tcp(stream) = client {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        if self.quiet {
            exit::log(format_args!("{peer}: {e}"));
        }
    }
}

fn address(server: &Conn) -> Option<SocketAddr> {
    match server {
        Conn::Tcp(stream) => stream.peer_addr().ok(),
        Conn::Unix(_) => None,
    }
}
