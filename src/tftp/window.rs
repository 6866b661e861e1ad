//! Windows (RFC 7440): several blocks on their way, one ACK for all of them.

use super::{Block, Content, DATA_HEADER, End, Packet, Peer};
use std::time::Instant;

/// Blocks that were not acknowledged yet, each as the datagram that it is, one behind the other.
struct Window {
    octets: Vec<u8>,
    /// Octets from the start of one datagram to that of the next.
    stride: usize,
    /// The number of the first block.
    first: Block,
    blocks: usize,
    /// So many of them were sent before.
    old: usize,
    /// Octets of the last datagram of the transfer, once it is here.
    end: Option<usize>,
}

/// Sends `content` in windows of `windowsize` blocks of `blksize` octets.
///
/// # Errors
/// As [`super::lockstep::send`].
pub fn send(peer: &mut Peer, content: &mut Content, blksize: usize, windowsize: u16) -> Result<(), End> {
    let mut window = Window::new(blksize, windowsize.into());
    loop {
        window.fill(content)?;
        let through = deliver(peer, &window)?;
        window.drop_through(through);
        if window.blocks == 0 && window.end.is_some() {
            return Ok(());
        }
    }
}

/// Sends the window until an ACK moves it on: the last block that it names is the last that arrived in order. What came behind
/// it is lost (go back N), and is sent again at once, for that ACK was for something new.
fn deliver(peer: &mut Peer, window: &Window) -> Result<usize, End> {
    for attempt in 0..peer.patience.sends {
        let old = if attempt == 0 { window.old } else { window.blocks };
        peer.send_all(window.packets(), window.stride, old)?;
        let (sent, wait) = (Instant::now(), peer.wait(attempt));
        while let Some(datagram) = peer.receive(sent + wait)? {
            match Packet::parse(datagram) {
                Ok(Packet::Ack { block }) if window.index(block) < window.blocks => {
                    // The round trip of a block that was sent once: those of an earlier window went out before.
                    peer.rto.answered(attempt > 0 || window.index(block) < window.old, sent.elapsed());
                    return Ok(window.index(block) + 1);
                }
                Ok(Packet::Error { code, message }) => return Err(End::told(code, message)),
                // An ACK of an earlier window, as in lock-step.
                _ => {}
            }
        }
        peer.rto.back_off();
    }
    Err(End::Silent(peer.patience.sends))
}

impl Window {
    fn new(blksize: usize, windowsize: usize) -> Self {
        let stride = DATA_HEADER + blksize;
        Self { octets: vec![0; stride * windowsize], stride, first: Block(1), blocks: 0, old: 0, end: None }
    }

    /// Adds blocks until it is full, or the content is at its end.
    fn fill(&mut self, content: &mut Content) -> Result<(), End> {
        let mut number = self.first;
        for (i, datagram) in self.octets.chunks_exact_mut(self.stride).enumerate() {
            if i >= self.blocks && self.end.is_none() {
                let (header, payload) = datagram.split_at_mut(DATA_HEADER);
                let len = content.next_block(payload).map_err(End::File)?;
                header.copy_from_slice(&Packet::data_header(number));
                self.blocks += 1;
                self.end = (len < payload.len()).then_some(DATA_HEADER + len);
            }
            number = number.next();
        }
        Ok(())
    }

    /// Where in the window this block is. Of an earlier block: far behind its end.
    fn index(&self, block: Block) -> usize {
        block.since(self.first).into()
    }

    /// The packets of all blocks. Only the last one of the transfer can be shorter than the others.
    fn packets(&self) -> &[u8] {
        let short = self.end.map_or(0, |len| self.stride - len);
        &self.octets[..self.blocks * self.stride - short]
    }

    /// The first `n` have arrived.
    fn drop_through(&mut self, n: usize) {
        self.octets.copy_within(n * self.stride..self.blocks * self.stride, 0);
        self.blocks -= n;
        self.old = self.blocks;
        self.first = self.first + u16::try_from(n).unwrap_or(u16::MAX);
    }
}
