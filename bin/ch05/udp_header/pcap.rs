//! A capture of one packet, in the old and simple form (draft-ietf-opsawg-pcap).

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Written in the writer's octet order, so that the reader learns which it is; time stamps count millionths of a second.
const MAGIC: u32 = 0xa1b2_c3d4;
/// Major, then minor.
const VERSION: [u16; 2] = [2, 4];
/// No packet is longer, with the longest IPv6 header and payload.
const SNAP_LENGTH: u32 = 262_144;
/// Packets begin with their IP header, of version 4 or 6. There is no Ethernet below.
const LINKTYPE_RAW: u32 = 101;

/// Writes `packet`, as seen now.
pub fn write(path: &Path, packet: &[u8]) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let length = packet.len() as u32;
    let mut file = MAGIC.to_le_bytes().to_vec();
    file.extend(VERSION.iter().flat_map(|n| n.to_le_bytes()));
    // Two fields that nobody uses, the longest packet, the link; then the packet's time, its octets here and on the wire.
    for n in [0, 0, SNAP_LENGTH, LINKTYPE_RAW, now.as_secs() as u32, now.subsec_micros(), length, length] {
        file.extend(n.to_le_bytes());
    }
    file.extend_from_slice(packet);
    fs::write(path, file)
}
