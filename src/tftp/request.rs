//! Read and write requests: what file, in which form, with which options.

use super::fault::{Fault, What};
use super::field;
use super::opcode::Opcode;
use super::options::Pair;

/// The longest request, in octets, options included (RFC 2347).
pub const LONGEST_REQUEST: usize = 512;

/// What an RRQ or a WRQ asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name as it came: any octets but NUL, and at least one.
    pub filename: &'a [u8],
    /// The mode as it came. [`Mode::of`] reads it.
    pub mode: &'a [u8],
    /// The options as they came. [`super::Options::read`] reads those that are known here.
    pub options: Vec<Pair<'a>>,
}

/// How a file's octets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they are.
    Octet,
    /// As text: every line ends with CR LF, a lone CR becomes CR NUL (RFC 764).
    Netascii,
    /// To a person instead of a file. Obsolete since 1992.
    Mail,
}

impl Mode {
    /// The mode with this name, in any mixture of upper and lower case (RFC 1350, section 5).
    pub fn of(name: &[u8]) -> Option<Self> {
        [Self::Octet, Self::Netascii, Self::Mail]
            .into_iter()
            .find(|mode| name.eq_ignore_ascii_case(mode.name().as_bytes()))
    }

    /// As it is written on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
            Self::Mail => "mail",
        }
    }
}

impl<'a> Request<'a> {
    pub(super) fn parse(packet: Opcode, datagram: &'a [u8]) -> Result<Self, Fault> {
        within_limit(packet, datagram.len())?;
        let mut texts = Texts { packet, datagram, at: field::TEXTS.start };
        let filename = texts.next_filled("filename")?;
        let mode = texts.next_filled("mode")?;
        Ok(Self { filename, mode, options: texts.pairs()? })
    }

    pub(super) fn emit(&self, packet: Opcode, out: &mut Vec<u8>) -> Result<(), Fault> {
        emit_text(packet, "filename", self.filename, out)?;
        emit_text(packet, "mode", self.mode, out)?;
        emit_pairs(packet, &self.options, out)?;
        within_limit(packet, out.len())
    }
}

fn within_limit(packet: Opcode, octets: usize) -> Result<(), Fault> {
    if octets <= LONGEST_REQUEST {
        return Ok(());
    }
    let what = What::TooLong { octets, limit: LONGEST_REQUEST };
    Err(Fault { packet: Some(packet), offset: LONGEST_REQUEST, what })
}

/// Texts in a row, each ended by a NUL.
pub(super) struct Texts<'a> {
    pub(super) packet: Opcode,
    pub(super) datagram: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Texts<'a> {
    /// The next text, without its NUL. A buffer with zeros behind the datagram would hide that the NUL is missing: so the
    /// datagram must be cut to what was received.
    pub(super) fn next(&mut self, field: &'static str) -> Result<&'a [u8], Fault> {
        let rest = &self.datagram[self.at..];
        let end = rest.iter().position(|&octet| octet == 0);
        let Some(end) = end else {
            let what = if rest.is_empty() { What::Missing(field) } else { What::NoNul(field) };
            return Err(Fault { packet: Some(self.packet), offset: self.datagram.len(), what });
        };
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn next_filled(&mut self, field: &'static str) -> Result<&'a [u8], Fault> {
        let offset = self.at;
        match self.next(field)? {
            [] => Err(Fault { packet: Some(self.packet), offset, what: What::Empty(field) }),
            text => Ok(text),
        }
    }

    /// Options and their values, to the end of the datagram.
    pub(super) fn pairs(&mut self) -> Result<Vec<Pair<'a>>, Fault> {
        let mut pairs = Vec::new();
        while self.at < self.datagram.len() {
            let name = self.next_filled("option's name")?;
            pairs.push(Pair { name, value: self.next("option's value")? });
        }
        Ok(pairs)
    }
}

pub(super) fn emit_text(packet: Opcode, field: &'static str, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let wrong = |at: usize, what| Err(Fault { packet: Some(packet), offset: out.len() + at, what });
    if text.is_empty() && field != "option's value" {
        return wrong(0, What::Empty(field));
    }
    if let Some(at) = text.iter().position(|&octet| octet == 0) {
        return wrong(at, What::NulInside(field));
    }
    out.extend_from_slice(text);
    out.push(0);
    Ok(())
}

pub(super) fn emit_pairs(packet: Opcode, pairs: &[Pair<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    for pair in pairs {
        emit_text(packet, "option's name", pair.name, out)?;
        emit_text(packet, "option's value", pair.value, out)?;
    }
    Ok(())
}
