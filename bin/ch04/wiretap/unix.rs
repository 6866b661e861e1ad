//! Unix sockets that keep messages apart: sequenced packets, and datagrams.

use crate::Args;
use netkata::error::{Attempt, NetError, Result};
use netkata::relay::{From, Options};
use netkata::tap::record::{Number, Recorder, Talk};
use netkata::tap::unixgrams::{self, relay::Limits};
use netkata::tap::{Conversation, Transport, seqpackets};
use netkata::unix::seqpacket::{self, Packets};
use netkata::unix::stream::Client;
use netkata::unix::{Access, Kind, Name, file};
use netkata::{accept, exit, listen, stop};
use std::sync::Arc;
use std::time::Duration;

/// Two sockets of the same kind, which is not the stream.
pub struct Ends {
    kind: Kind,
    listen: Name,
    upstream: Name,
}

/// Reads the two addresses, if they are of such sockets.
pub fn ends(listen: &str, upstream: &str) -> Result<Option<Ends>> {
    let kind = match (kind_of(listen), kind_of(upstream)) {
        (None, None) => return Ok(None),
        (Some(one), Some(other)) if one == other => one,
        _ => {
            let both = format!("{listen} to {upstream}");
            return Err(NetError::invalid("carry", both, "messages go to a socket of the same kind only"));
        }
    };
    let name = |text: &str| text.parse().map_err(|why: String| NetError::invalid("address", format!("{text:?}"), why));
    Ok(Some(Ends { kind, listen: name(listen)?, upstream: name(upstream)? }))
}

fn kind_of(text: &str) -> Option<Kind> {
    let (scheme, _) = text.split_once(':')?;
    [Kind::Datagram, Kind::Seqpacket].into_iter().find(|kind| kind.scheme() == scheme)
}

/// Serves until it is told to stop.
pub fn carry(ends: &Ends, args: &Args, recorder: &Recorder) -> Result<()> {
    match ends.kind {
        Kind::Datagram => carry_datagrams(ends, args, recorder),
        _ => carry_packets(ends, args, recorder),
    }
}

fn carry_datagrams(Ends { kind, listen, upstream }: &Ends, args: &Args, recorder: &Recorder) -> Result<()> {
    let stop = stop::on_signals()?;
    let front = file::datagrams(listen, &Access::default()).attempt("listen", listen.url(*kind))?;
    listen::say_where(listen.url(*kind))?;
    let limits = Limits { idle: args.idle, clients: args.max_connections };
    unixgrams::carry(&front, upstream, &limits, recorder, &stop).attempt("receive", listen.url(*kind))
}

fn carry_packets(Ends { kind, listen, upstream }: &Ends, args: &Args, recorder: &Recorder) -> Result<()> {
    let limits = accept::Limits { connections: args.max_connections, grace: args.grace };
    let tap = Arc::new(Tap {
        upstream: upstream.clone(),
        connect_timeout: args.connect_timeout,
        options: Options { idle: args.idle, ..Options::default() },
        quiet: args.quiet,
        recorder: recorder.clone(),
    });
    let listening = || {
        let listener = seqpacket::listen(listen, &Access::default()).attempt("listen", listen.url(*kind))?;
        listen::say_where(listen.url(*kind))?;
        Ok(listener)
    };
    accept::run_with(listening, listen.url(*kind), &limits, move |client, who| tap.attend(client, who))
}

struct Tap {
    upstream: Name,
    connect_timeout: Duration,
    options: Options,
    quiet: bool,
    recorder: Recorder,
}

impl Tap {
    fn attend(&self, client: Packets, who: Client) {
        // Before the server is reached: clients that come one after the other are A and B, whichever gets there first.
        let number = self.recorder.number();
        let upstream = self.upstream.url(Kind::Seqpacket);
        match Packets::connect(&self.upstream, self.connect_timeout).attempt("connect", upstream) {
            Ok(server) => {
                let mut talk = self.begin(number, who);
                seqpackets::carry(client, server, &self.options, None, &mut talk);
            }
            Err(e) => {
                let mut talk = self.begin(number, who);
                talk.note(e.to_string());
                talk.reset(From::Server);
                if self.quiet {
                    exit::log(format_args!("{who}: {e}"));
                }
            }
        }
    }

    fn begin(&self, number: Number, who: Client) -> Talk {
        self.recorder.begin(
            number,
            Conversation {
                transport: Transport::UnixPacket,
                client: None,
                server: None,
                client_name: who.to_string(),
                server_name: self.upstream.url(Kind::Seqpacket),
            },
        )
    }
}
