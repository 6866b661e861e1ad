//! Copying both ways between two streams: what proxies, taps and tunnels have in common.

mod watch;

pub use watch::{From, Watch};
