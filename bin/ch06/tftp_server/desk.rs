//! The known port: requests are taken here, and answered from elsewhere.

use crate::Rules;
use crate::running::{Running, Seat};
use crate::shelf::Shelf;
use crate::tally::{Tally, add};
use crate::transfer::Transfer;
use netkata::crew::Crew;
use netkata::datagram::{Received, canonical};
use netkata::error::cause_text;
use netkata::exit::log;
use netkata::slots::Slots;
use netkata::tftp::{ErrorCode, Mode, Opcode, Packet, Peer, Refusal, Request};
use netkata::{hexdump, human};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Octets of a packet that the log shows.
const SHOWN: usize = 60;

pub struct Desk {
    /// Where the requests arrive.
    local: IpAddr,
    shelf: Arc<Shelf>,
    rules: Rules,
    slots: Slots,
    crew: Crew,
    running: Running,
    tally: Arc<Tally>,
}

impl Desk {
    pub fn new(local: IpAddr, shelf: Shelf, rules: Rules, most: usize) -> Self {
        let (shelf, slots, crew) = (Arc::new(shelf), Slots::new(most), Crew::new("transfer"));
        Self { local, shelf, rules, slots, crew, running: Running::default(), tally: Arc::default() }
    }

    /// A datagram came to the known port.
    pub fn take(&self, octets: &[u8], came: &Received) {
        let (local, client) = (came.to.unwrap_or(self.local).to_canonical(), canonical(came.from));
        let refused = match Packet::parse(octets) {
            Ok(Packet::Rrq(request)) => self.start(octets, &request, local, client),
            // Never an ERROR for an ERROR: two servers would go on for ever.
            _ if Opcode::Error.leads(octets) || octets.len() < 2 => {
                self.remark(client, &format!("ignored: {}", hexdump::text(octets, SHOWN)));
                Ok(())
            }
            Ok(Packet::Wrq(_)) => Err(Refusal::new(ErrorCode::ACCESS_VIOLATION, "files are read here, not written")),
            // DATA and the like are for a transfer's own port.
            Ok(_) => Err(Refusal::new(ErrorCode::UNKNOWN_TRANSFER_ID, "no transfer has this port")),
            Err(fault) => Err(Refusal::new(ErrorCode::ILLEGAL_OPERATION, fault.to_string())),
        };
        if let Err(refusal) = refused {
            let asked =
                Packet::parse(octets).map_or_else(|_| hexdump::text(octets, SHOWN), |packet| packet.to_string());
            log(format_args!("{client}: refused {asked}: {}", refusal.why));
            add(&self.tally.refused, 1);
            // Even an ERROR comes from a port of its own. Without one there is none: the client will ask again.
            if let Ok(peer) = Peer::open(local, client, self.rules.patience) {
                peer.tell(refusal.code, &refusal.why);
            }
        }
    }

    fn start(&self, octets: &[u8], request: &Request<'_>, local: IpAddr, client: SocketAddr) -> Result<(), Refusal> {
        if Mode::of(request.mode) != Some(Mode::Octet) {
            return Err(Refusal::new(ErrorCode::ILLEGAL_OPERATION, "only mode octet is served"));
        }
        // The client lost patience, or the network sent it twice: the transfer's own timer takes care of both.
        if self.running.has(client, octets) {
            self.remark(client, "ignored: the same request again");
            return Ok(());
        }
        let slot = self.slots.take().ok_or_else(|| {
            let most = human::count(self.slots.limit(), "transfer");
            Refusal::new(ErrorCode::NOT_DEFINED, format!("busy with {most}: ask again later"))
        })?;
        let lack = |e: std::io::Error| Refusal::new(ErrorCode::NOT_DEFINED, cause_text(&e));
        let peer = Peer::open(local, client, self.rules.patience).map_err(lack)?;
        let seat = Seat::take(&self.running, octets, &peer, slot);
        let transfer = Transfer::new(request, self.shelf.clone(), self.rules, self.tally.clone());
        self.crew.run(move || transfer.run(peer, seat)).map_err(lack)
    }

    /// Waits for the transfers to end; tells the clients of the others.
    pub fn close(&self, grace: Duration) {
        log(format_args!("stopping: {} running", human::count(self.slots.taken(), "transfer")));
        if self.slots.wait_empty(grace) > 0 {
            let cut = self.running.end_all("the server stops");
            add(&self.tally.failed, cut as u64);
            let (cut, grace) = (human::count(cut, "transfer"), human::duration(grace));
            log(format_args!("cut off {cut} after {grace}"));
        }
        log(&self.tally);
    }

    fn remark(&self, client: SocketAddr, what: &str) {
        if self.rules.verbose {
            log(format_args!("{client}: {what}"));
        }
    }
}
