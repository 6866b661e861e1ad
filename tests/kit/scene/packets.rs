//! Conversations in sequenced packets.

use super::{Scene, refused};
use crate::failure::{Failure, Outcome};
use crate::packets::PacketTalk;
use crate::patience::PATIENCE;
use netkata::tap::{Conversation, Journal, Transport};
use netkata::unix::Name;
use netkata::unix::seqpacket::Packets;

impl Scene {
    /// Starts the subject on a socket file of its own in the scene's folder, and returns the path.
    pub fn start_on_a_file(&mut self) -> Outcome<String> {
        let path = self.socket_path()?;
        self.start_on(&path)?;
        Ok(path)
    }

    /// A new connection in packets to the subject, which is started first if need be.
    pub fn packets(&mut self) -> Outcome<PacketTalk> {
        if self.address.is_empty() {
            self.start_on_a_file()?;
        }
        let connected = self.dial_packets()?;
        let conversation = self.journal.open(Conversation {
            transport: Transport::UnixPacket,
            client: None,
            server: None,
            client_name: "grader".into(),
            server_name: self.launch.name.clone(),
        });
        Ok(PacketTalk::new(connected, &self.journal, conversation).tell(&self.leftovers).queueing_at(&self.queue))
    }

    /// As [`Scene::packets`], and not written down: one of very many.
    pub fn packets_unseen(&mut self) -> Outcome<PacketTalk> {
        Ok(PacketTalk::new(self.dial_packets()?, &Journal::new(0), 0).queueing_at(&self.queue))
    }

    fn dial_packets(&mut self) -> Outcome<Packets> {
        let place = self.place()?;
        let name: Name = place.parse().map_err(|why| Failure::new(format!("a socket's name: {why}"), &place))?;
        Packets::connect(&name, PATIENCE * 2).map_err(|e| refused("the program", &e))
    }
}
