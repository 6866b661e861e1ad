//! Conversations in datagrams: with a subject that serves, and with one that asks.

use super::{Scene, refused};
use crate::datagram::Datagrams;
use crate::failure::Outcome;
use crate::udp_upstream::UdpUpstream;
use std::net::SocketAddr;

impl Scene {
    /// As [`Scene::datagrams`], with an address that the subject did not announce: another port, or another of a wildcard's
    /// addresses.
    pub fn datagrams_to(&mut self, peer: SocketAddr) -> Outcome<Datagrams> {
        self.datagrams_between(SocketAddr::new(peer.ip(), 0), peer)
    }

    /// As [`Scene::datagrams_to`], from an address of the check's choice.
    pub fn datagrams_between(&mut self, ours: SocketAddr, peer: SocketAddr) -> Outcome<Datagrams> {
        let opened = Datagrams::open_from(ours, peer, &self.launch.name, &self.journal);
        opened.map(|socket| socket.queueing_at(&self.queue)).map_err(|e| refused("a UDP socket", &e))
    }

    /// A UDP service of the grader's, and the subject started with its address, followed by the check's options.
    pub fn start_client_udp(&mut self) -> Outcome<UdpUpstream> {
        self.start_client_udp_with(true)
    }

    /// As [`Scene::start_client_udp`], without its output in the dialogue: for output that may come sooner or later than what
    /// the grader does.
    pub fn start_client_udp_unseen(&mut self) -> Outcome<UdpUpstream> {
        self.start_client_udp_with(false)
    }

    fn start_client_udp_with(&mut self, shown: bool) -> Outcome<UdpUpstream> {
        let server = self.upstream_udp()?;
        let arguments = [&[server.address().to_string()], self.options.as_slice()].concat();
        self.launch(&arguments, shown)?;
        Ok(server)
    }
}
