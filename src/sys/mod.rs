//! The one place for system calls that no crate in the tree wraps, and for what the system limits.

pub mod datagram;
pub mod descriptors;
pub mod identity;
pub mod inherited;
pub mod limits;
pub mod out_queue;
pub mod path_mtu;
#[cfg(target_os = "linux")]
pub mod peer_groups;
pub mod priority;
pub mod tcp_info;
