//! What several programs of netkata use and no lesson is about.
//!
//! Each module is introduced by the chapter that first writes the same thing by hand: chapter 3 writes the accept loop
//! in the open, and from chapter 4 on programs call [`accept::serve`].
//!
//! | you want to | module |
//! |---|---|
//! | turn `host:port` into socket addresses | [`addr`] |
//! | name a TCP, UDP or Unix endpoint, and not care which it is | [`endpoint`], [`conn`] |
//! | talk over a socket file, learn who is there, hand over a descriptor | [`unix`] |
//! | listen, and say where | [`listen`] |
//! | send and receive datagrams | [`datagram`] |
//! | tell the time of day | [`daytime`] |
//! | accept connections until told to stop | [`accept`], [`slots`], [`crew`] |
//! | stop on SIGINT or SIGTERM, cancel, time out | [`context`], [`stop`], [`deadline`] |
//! | connect to the first address that answers, or to one that never does | [`dial`], [`black_hole`] |
//! | show that one is still there | [`heartbeat`] |
//! | say what failed, to whom, and why | [`error`], [`exit`] |
//! | load a server, and compare every answer | [`load`] |
//! | carry octets between two connections, or datagrams | [`relay`] |
//! | lose, repeat, reorder, delay and damage datagrams | [`lossy`] |
//! | show octets and conversations | [`hexdump`], [`tap`] |
//! | read and write IP and UDP headers | [`wire`] |
//! | cut a stream into frames: type, length, value | [`tlv`] |
//! | read and write TFTP packets | [`tftp`] |
//! | read and write durations as people do | [`human`] |
//! | read the kernel's socket tables, or ask for one port or connection | [`proc_net`], [`sock_diag`], [`sys`] |

pub mod accept;
pub mod addr;
pub mod black_hole;
pub mod conn;
pub mod context;
pub mod course;
pub mod crew;
pub mod datagram;
pub mod daytime;
pub mod deadline;
pub mod dial;
pub mod endpoint;
pub mod error;
pub mod exit;
pub mod heartbeat;
pub mod hexdump;
pub mod human;
pub mod listen;
pub mod load;
pub mod lossy;
pub mod proc_net;
pub mod relay;
pub mod slots;
pub mod sock_diag;
pub mod stop;
pub mod sys;
pub mod tap;
pub mod tftp;
pub mod tlv;
pub mod unix;
pub mod wire;
