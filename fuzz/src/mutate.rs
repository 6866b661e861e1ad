//! Small changes to octets that were right.

use fastrand::Rng;

/// Numbers that length fields are wrong with: around zero, powers of two, and all ones.
const EDGES: [u32; 12] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 1 << 30, 0x7fff_ffff, u32::MAX];

/// Changes the octets in one to four places; `numbers` are worth a try where a length may stand.
pub fn mutate(rng: &mut Rng, octets: &mut Vec<u8>, numbers: &[u32]) {
    for _ in 0..rng.usize(1..=4) {
        let at = rng.usize(..=octets.len());
        let end = octets.len().min(at + rng.usize(..16));
        match rng.u8(..8) {
            0 if at < octets.len() => octets[at] ^= 1 << rng.u8(..8),
            1 if at < octets.len() => octets[at] = rng.u8(..),
            2 => octets.insert(at, rng.u8(..)),
            3 => drop(octets.drain(at..end)),
            4 => octets.truncate(at),
            5 => octets.extend_from_within(at..end),
            _ => overwrite(octets, at, &number(rng, numbers).to_be_bytes()),
        }
    }
}

/// So many random octets, fewer being likelier.
pub fn noise(rng: &mut Rng, most: usize) -> Vec<u8> {
    let most = rng.usize(..=most);
    (0..rng.usize(..=most)).map(|_| rng.u8(..)).collect()
}

/// One of these, or one at an edge.
pub fn number(rng: &mut Rng, numbers: &[u32]) -> u32 {
    let from = if rng.bool() { numbers } else { &EDGES };
    rng.choice(from).copied().unwrap_or_default()
}

fn overwrite(octets: &mut [u8], at: usize, with: &[u8]) {
    octets[at..].iter_mut().zip(with).for_each(|(octet, new)| *octet = *new);
}
