//! Chance by the number: the same question has the same answer, whenever and however often it is asked.

use crate::relay::From;

/// What chance is asked about. Each has numbers of its own, so that asking for one kind of fault changes no other.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Drop = 1,
    Repeat,
    Reorder,
    Corrupt,
    Truncate,
    Foreign,
    Jitter,
    WhichBit,
    WhereToCut,
}

/// Sixty-four bits that look random.
pub(super) fn bits(seed: u64, from: From, number: u64, about: About) -> u64 {
    let side = match from {
        From::Client => 0,
        From::Server => 1,
    };
    mix(mix(mix(seed).wrapping_add(number)).wrapping_add((about as u64) << 1 | side))
}

/// From 0 to, but without, 1.
pub(super) fn fraction(seed: u64, from: From, number: u64, about: About) -> f64 {
    // As many bits as an f64 holds.
    (bits(seed, from, number, about) >> 11) as f64 / (1_u64 << 53) as f64
}

/// From 0 to, but without, `end`, which is not zero.
pub(super) fn below(end: u64, seed: u64, from: From, number: u64, about: About) -> u64 {
    let wide = u128::from(bits(seed, from, number, about)) * u128::from(end);
    (wide >> 64) as u64
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014): each input bit changes about half of the output bits. Written out
/// here, and not taken from a library, so that a seed in a lesson means the same for ever.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
