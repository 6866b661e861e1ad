//! The one place for system calls that no crate in the tree wraps, and for what the system limits.

pub mod inherited;
pub mod limits;
pub mod path_mtu;
pub mod priority;
pub mod tcp_info;
