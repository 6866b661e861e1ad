//! Headers as they are on the wire: IPv4, IPv6, UDP, and the checksum they share.
//!
//! ```text
//! octet  0         2         4         6         8 …
//!       ┌─────────┬─────────┬─────────┬─────────┬──────────────────────────┐
//!       │ source  │  dest.  │ length  │checksum │ data: `length` − 8 octets │
//!       │  port   │  port   │         │         │                          │
//!       └─────────┴─────────┴─────────┴─────────┴──────────────────────────┘
//! ```
//!
//! That is all of UDP (RFC 768): where from, where to, how much, and whether it is still what was sent. The rest, from
//! the addresses to the right order, is the business of the layer below or of the program above.
//!
//! | you have | you want | |
//! |---|---|---|
//! | ports and data | a datagram | [`udp::encode`] |
//! | a datagram | ports and data, or what is wrong | [`udp::decode`] |
//! | a datagram | an IP packet with it | [`ip::encode`] |
//! | an IP packet | what it carries, or what is wrong | [`ip::decode`] |
//! | octets | their checksum | [`checksum`] |

pub mod checksum;
pub mod ip;
mod ip_decode;
pub mod udp;
