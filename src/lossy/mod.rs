//! A link that loses, repeats, reorders, delays and damages datagrams, and does it the same way each time.
//!
//! What happens to a datagram is its [`Fate`]. It depends on the seed, the direction and the datagram's number
//! in that direction, and on nothing else: not on the time, not on what the datagram says, and for each kind of fault not on
//! whether others are asked for. [`Faults`] says how often each kind happens; [`link`] carries datagrams under it.

mod chance;
pub mod counts;
pub mod fate;
pub mod faults;
pub mod link;
pub mod parse;

pub use counts::Counts;
pub use fate::Fate;
pub use faults::{Each, Fault, Faults, Nth, Percent};
