//! Octets that differ from message to message, and cost nothing to make.
//!
//! Random octets are made once. A message is a cut out of that sea, at a place that its connection and number choose,
//! behind a stamp of eight octets that no other message has. So the reply to another request is told from the right one
//! at its first octets, and a reply that is pieced together from two at the seam.

use std::io::IoSlice;

/// How many octets of a message are its stamp.
pub const STAMP: usize = 8;
/// Places at which a message may begin. A prime, so that no pattern of numbers keeps coming back to the same few.
const PLACES: usize = 65_521;
/// Odd, so that multiplying by it loses nothing: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
/// `MIX * UNMIX` is 1, modulo 2^64.
const UNMIX: u64 = inverse(MIX);
/// The stamp has room for so many connections.
pub const MOST_CONNECTIONS: u32 = 1 << 24;
const NUMBER_BITS: u32 = 40;

/// Newton's method doubles the right digits in each step; an odd number is its own inverse in the last three.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut step = 0;
    while step < 5 {
        guess = guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess)));
        step += 1;
    }
    guess
}

/// Which message: the connection, counted from 0, and the request on it, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Below [`MOST_CONNECTIONS`].
    pub connection: u32,
    /// Below 2^40.
    pub number: u64,
}

/// Where the messages of a run come from.
#[derive(Debug)]
pub struct Sea {
    octets: Vec<u8>,
    seed: u64,
    size: usize,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    stamp: [u8; STAMP],
    body: &'a [u8],
    size: usize,
}

impl Sea {
    /// Messages of `size` octets. Two seas of one seed are the same.
    pub fn new(seed: u64, size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut octets = vec![0; PLACES + size];
        random.fill(&mut octets);
        Self { octets, seed, size }
    }

    /// How many octets each message has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A message of a stream or a datagram.
    pub fn message(&self, id: Id) -> Message<'_> {
        let mixed = self.mix(id);
        let place = (mixed % PLACES as u64) as usize;
        let body = &self.octets[place..place + self.size.saturating_sub(STAMP)];
        Message { stamp: mixed.to_be_bytes(), body, size: self.size }
    }

    /// Whose message these octets are, if all of them are a message of this sea.
    pub fn owner(&self, octets: &[u8]) -> Option<Id> {
        let stamp = octets.first_chunk::<STAMP>()?;
        let id = self.unmix(u64::from_be_bytes(*stamp));
        (octets.len() == self.size && self.message(id).first_difference(octets).is_none()).then_some(id)
    }

    /// One to one: as many stamps as messages.
    fn mix(&self, id: Id) -> u64 {
        let plain = (u64::from(id.connection) << NUMBER_BITS) | (id.number & ((1 << NUMBER_BITS) - 1));
        let mixed = (plain ^ self.seed).wrapping_mul(MIX);
        (mixed ^ (mixed >> 32)).wrapping_mul(MIX)
    }

    fn unmix(&self, stamp: u64) -> Id {
        let mixed = stamp.wrapping_mul(UNMIX);
        let plain = (mixed ^ (mixed >> 32)).wrapping_mul(UNMIX) ^ self.seed;
        Id { connection: (plain >> NUMBER_BITS) as u32, number: plain & ((1 << NUMBER_BITS) - 1) }
    }
}

impl<'a> Message<'a> {
    /// The octets from `offset` on, in up to two pieces, for writev(2).
    pub fn slices(&self, offset: usize) -> [IoSlice<'_>; 2] {
        let stamp = &self.stamp[..self.size.min(STAMP)];
        let body = &self.body[offset.saturating_sub(stamp.len())..];
        [IoSlice::new(&stamp[offset.min(stamp.len())..]), IoSlice::new(body)]
    }

    /// Appends the octets.
    pub fn copy_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stamp[..self.size.min(STAMP)]);
        out.extend_from_slice(self.body);
    }

    /// Where `got` first differs from the message. One that is longer or shorter differs where the shorter ends.
    pub fn first_difference(&self, got: &[u8]) -> Option<usize> {
        self.difference_at(0, got).or((got.len() < self.size).then_some(got.len()))
    }

    /// As [`Message::first_difference`], for the part of a reply that begins at `offset` and need not reach the end.
    pub fn difference_at(&self, offset: usize, got: &[u8]) -> Option<usize> {
        let mut at = offset;
        for piece in &self.slices(offset) {
            let n = piece.len().min(got.len() - (at - offset));
            let part = &got[at - offset..at - offset + n];
            // Equal as a rule, and then this is one call of memcmp.
            if part != &piece[..n] {
                return part.iter().zip(&piece[..n]).position(|(a, b)| a != b).map(|i| at + i);
            }
            at += n;
        }
        (at - offset < got.len()).then_some(at)
    }

    /// The octet at `offset`, while there is one.
    pub fn octet(&self, offset: usize) -> Option<u8> {
        self.slices(offset).iter().find_map(|piece| piece.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(sea: &Sea, connection: u32, number: u64) -> Vec<u8> {
        let mut out = Vec::new();
        sea.message(Id { connection, number }).copy_to(&mut out);
        out
    }

    /// Every message of every size is whole, its own, and no other.
    #[test]
    fn messages_are_told_apart() {
        for size in [1, 7, 8, 9, 64, 70_000] {
            let sea = Sea::new(7, size);
            let message = sea.message(Id { connection: 3, number: 9 });
            let own = octets(&sea, 3, 9);
            assert_eq!((own.len(), message.first_difference(&own)), (size, None));
            for offset in [0, size / 2, size - 1] {
                let joined: Vec<u8> = message.slices(offset).iter().flat_map(|s| s.to_vec()).collect();
                assert_eq!(joined, own[offset..], "{size} from {offset}");
            }
        }
        let sea = Sea::new(7, 8);
        let all: std::collections::BTreeSet<_> =
            (0..50).flat_map(|c| (1..50).map(move |n| (c, n))).map(|(c, n)| octets(&sea, c, n)).collect();
        assert_eq!(all.len(), 50 * 49, "the stamp alone is different for each");
    }

    /// One changed octet is found where it is; so are octets that are missing or too many.
    #[test]
    fn the_first_difference() {
        let sea = Sea::new(1, 100);
        let message = sea.message(Id { connection: 0, number: 1 });
        let right = octets(&sea, 0, 1);
        for at in [0, 7, 8, 55, 99] {
            let mut wrong = right.clone();
            wrong[at] ^= 0x20;
            assert_eq!(message.first_difference(&wrong), Some(at));
            assert_eq!(message.difference_at(5, &wrong[5..]), (at >= 5).then_some(at));
            assert_eq!(message.octet(at), Some(right[at]));
        }
        assert_eq!(message.first_difference(&right[..60]), Some(60));
        assert_eq!(message.first_difference(&[right.as_slice(), b"!"].concat()), Some(100));
        assert_eq!(message.difference_at(0, &right[..60]), None, "so far, so good");
        assert_eq!(message.octet(100), None);
    }

    /// A message names its owner; any other octets name none.
    #[test]
    fn owners() {
        let sea = Sea::new(99, 20);
        let id = Id { connection: 12, number: 1 << 33 };
        assert_eq!(sea.owner(&octets(&sea, id.connection, id.number)), Some(id));
        assert_eq!(sea.owner(&[7; 20]), None);
        assert_eq!(sea.owner(b"ebb"), None);
        assert_eq!(Sea::new(98, 20).owner(&octets(&sea, 12, 1)), None, "another run's");
    }
}
