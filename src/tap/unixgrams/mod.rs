//! A relay for datagrams of Unix sockets that writes a record. A client is known by its name, and has a conversation until it
//! is forgotten; all those without a name are one conversation, for nothing tells them apart.

pub mod relay;

use super::journal::{Conversation, Transport};
use super::record::{Recorder, Talk};
use crate::context::Context;
use crate::error::cause_text;
use crate::exit::log;
use crate::relay::{From, Watch};
use crate::unix::{Bound, Kind, Name};
use relay::{Hook, Limits, beside};
use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixDatagram;

/// Carries datagrams between those who send to `front` and `upstream` until `stop` ends.
///
/// # Errors
/// When `front` fails for good.
pub fn carry(
    front: &Bound<UnixDatagram>,
    upstream: &Name,
    limits: &Limits,
    recorder: &Recorder,
    stop: &Context,
) -> io::Result<()> {
    let binder = beside(front.name.clone());
    let mut tap = Tap { recorder: recorder.clone(), server: upstream.url(Kind::Datagram), told: false };
    relay::carry(&front.socket, upstream, &binder, limits, &mut tap, stop)
}

struct Tap {
    recorder: Recorder,
    server: String,
    /// That something is not carried; a flood of it would be a flood of lines.
    told: bool,
}

impl Hook for Tap {
    type Path = Talk;

    fn begin(&mut self, client: Option<&Name>) -> Talk {
        let number = self.recorder.number();
        let conversation = Conversation {
            transport: Transport::UnixDatagram,
            client: None,
            server: None,
            client_name: client.map_or_else(|| "clients without a name".into(), Name::to_string),
            server_name: self.server.clone(),
        };
        self.recorder.begin(number, conversation)
    }

    /// Into the record first: the answer comes after the question.
    fn datagram(&mut self, talk: &mut Talk, from: From, octets: &[u8]) {
        self.told = false;
        talk.data(from, octets);
    }

    fn refused(&mut self, talk: &mut Talk, from: From) {
        talk.reset(from);
    }

    fn unsent(&mut self, talk: &mut Talk, from: From, why: &io::Error) {
        let to = if from == From::Client { "server" } else { "client" };
        talk.note(format!("the datagram to the {to} could not be sent: {}", cause_text(why)));
    }

    fn not_carried(&mut self, whose: &dyn Display, why: &dyn Display) {
        if !std::mem::replace(&mut self.told, true) {
            log(format_args!("{whose}: dropped: {why}"));
        }
    }
}
