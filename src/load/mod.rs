//! Load: many connections that send as fast as they may, and compare every octet that comes back.
//!
//! [`run()`] does what a [`Plan`] says and gives a [`Report`]. A lane is a thread with one connection or several; a
//! [`gate`] lets all lanes into a phase (warm-up, then the measurement) together; a [`pace`] hands out the requests of a
//! phase; a [`sea`] is where the octets come from; each lane keeps a [`tally`] of its own until the phase is over.
//!
//! # Latency, and what hides it
//!
//! A closed loop sends the next request when the last one is answered. While a server stands still, such a client sends
//! nothing, so that a pause of a second that a thousand users would have felt is one slow request in its statistics
//! (coordinated omission). With [`Plan::rate`] the loop is open: request `k` is due at `k / rate` seconds, whatever the
//! server does, and its latency counts from then, whenever a connection was free to send it.

pub mod connect;
pub mod datagrams;
pub mod exchange;
pub mod gate;
pub mod lane;
pub mod pace;
pub mod plan;
pub mod run;
pub mod sea;
pub mod stream;
pub mod tally;

pub use plan::{Kind, Plan};
pub use run::{Live, Report, run, run_on};
