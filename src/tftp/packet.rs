//! The six packets.

use super::block::Block;
use super::error_code::ErrorCode;
use super::fault::{Fault, What};
use super::opcode::Opcode;
use super::options::Pair;
use super::request::{Request, Texts, emit_pairs};
use super::{DATA_HEADER, field};

/// A packet, as it travels in one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Asks for a file.
    Rrq(Request<'a>),
    /// Offers a file.
    Wrq(Request<'a>),
    /// A block of the file.
    Data {
        /// Its number.
        block: Block,
        /// Its octets. Fewer than a block has: this is the last one.
        payload: &'a [u8],
    },
    /// Every block up to this one has come.
    Ack {
        /// Its number.
        block: Block,
    },
    /// The transfer is over. Nobody acknowledges it, and nobody repeats it (RFC 1350, section 7).
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people: netascii, as it came.
        message: &'a [u8],
    },
    /// The options that the server accepts, with its values (RFC 2347).
    Oack(Vec<Pair<'a>>),
}

impl<'a> Packet<'a> {
    /// Reads a packet. `datagram` is exactly what was received: not the buffer's old octets behind it.
    ///
    /// # Errors
    /// What is wrong, and at which octet. How long a payload may be is not checked here: that was agreed on elsewhere.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Fault> {
        let code = number(None, datagram, field::OPCODE, "opcode")?;
        let unknown = Fault { packet: None, offset: 0, what: What::UnknownOpcode(code) };
        let packet = Opcode::of(code).ok_or(unknown)?;
        let block = || number(Some(packet), datagram, field::BLOCK, "block number").map(Block);
        match packet {
            Opcode::Rrq => Request::parse(packet, datagram).map(Self::Rrq),
            Opcode::Wrq => Request::parse(packet, datagram).map(Self::Wrq),
            Opcode::Data => Ok(Self::Data { block: block()?, payload: &datagram[field::PAYLOAD] }),
            Opcode::Ack => {
                let block = block()?;
                ended(packet, datagram, field::BLOCK.end)?;
                Ok(Self::Ack { block })
            }
            Opcode::Error => {
                let code = number(Some(packet), datagram, field::CODE, "error code").map(ErrorCode)?;
                let mut texts = Texts { packet, datagram, at: field::MESSAGE.start };
                let message = texts.next("message")?;
                ended(packet, datagram, texts.at)?;
                Ok(Self::Error { code, message })
            }
            Opcode::Oack => Texts { packet, datagram, at: field::TEXTS.start }.pairs().map(Self::Oack),
        }
    }

    /// Which of the six it is.
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Rrq(_) => Opcode::Rrq,
            Self::Wrq(_) => Opcode::Wrq,
            Self::Data { .. } => Opcode::Data,
            Self::Ack { .. } => Opcode::Ack,
            Self::Error { .. } => Opcode::Error,
            Self::Oack(_) => Opcode::Oack,
        }
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// A text that is empty or holds a NUL, a request that is too long.
    pub fn emit(&self) -> Result<Vec<u8>, Fault> {
        let packet = self.opcode();
        let mut out = (packet as u16).to_be_bytes().to_vec();
        match self {
            Self::Rrq(request) | Self::Wrq(request) => request.emit(packet, &mut out)?,
            Self::Data { block, payload } => {
                out.extend_from_slice(&block.0.to_be_bytes());
                out.extend_from_slice(payload);
            }
            Self::Ack { block } => out.extend_from_slice(&block.0.to_be_bytes()),
            Self::Error { code, message } => {
                out.extend_from_slice(&code.0.to_be_bytes());
                if let Some(at) = message.iter().position(|&octet| octet == 0) {
                    let what = What::NulInside("message");
                    return Err(Fault { packet: Some(packet), offset: out.len() + at, what });
                }
                out.extend_from_slice(message);
                out.push(0);
            }
            Self::Oack(pairs) => emit_pairs(packet, pairs, &mut out)?,
        }
        Ok(out)
    }

    /// The four octets before a block's own. A server that sends thousands of blocks puts them into a buffer of its own.
    pub fn data_header(block: Block) -> [u8; DATA_HEADER] {
        with_number(Opcode::Data, block.0)
    }

    /// An ACK, whole.
    pub fn ack(block: Block) -> [u8; 4] {
        with_number(Opcode::Ack, block.0)
    }
}

fn with_number(packet: Opcode, number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = ((packet as u16).to_be_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

fn number(
    packet: Option<Opcode>,
    datagram: &[u8],
    at: std::ops::Range<usize>,
    field: &'static str,
) -> Result<u16, Fault> {
    match datagram.get(at.start..datagram.len().min(at.end)) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        Some([_]) => Err(Fault { packet, offset: datagram.len(), what: What::Half(field) }),
        _ => Err(Fault { packet, offset: datagram.len(), what: What::Missing(field) }),
    }
}

fn ended(packet: Opcode, datagram: &[u8], end: usize) -> Result<(), Fault> {
    match datagram.len() - end {
        0 => Ok(()),
        n => Err(Fault { packet: Some(packet), offset: end, what: What::TrailingOctets(n) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tftp::{Options, pairs};

    /// What goes out comes in again, octet for octet.
    #[test]
    fn both_ways() {
        let options = Options { blksize: Some(1428), tsize: Some(0), ..Options::default() };
        let texts = options.texts();
        let request = Request { filename: b"tides.txt", mode: b"octet", options: pairs(&texts) };
        for (packet, octets) in [
            (Packet::Rrq(request), &b"\0\x01tides.txt\0octet\0blksize\x001428\0tsize\x000\0"[..]),
            (Packet::Data { block: Block(258), payload: b"high" }, b"\0\x03\x01\x02high"),
            (Packet::Data { block: Block(0), payload: b"" }, b"\0\x03\0\0"),
            (Packet::Ack { block: Block(65_535) }, b"\0\x04\xff\xff"),
            (Packet::Error { code: ErrorCode::FILE_NOT_FOUND, message: b"no tides" }, b"\0\x05\0\x01no tides\0"),
            (Packet::Oack(pairs(&texts[..1])), b"\0\x06blksize\x001428\0"),
        ] {
            assert_eq!(packet.emit().expect("emit"), octets);
            assert_eq!(Packet::parse(octets), Ok(packet));
        }
        assert_eq!(Options::read(&pairs(&texts)), Ok(options));
    }
}
