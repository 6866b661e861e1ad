//! What client and server agree on before the first block (RFC 2347).

use crate::failure::Failure;
use crate::name::shown;
use netkata::tftp::{BLOCK_SIZE, ErrorCode, Options, Pair};

/// The terms of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Octets in every block but the last.
    pub blksize: usize,
    /// Blocks before each ACK.
    pub windowsize: u16,
    /// Seconds before a packet is sent again, if they were agreed on.
    pub timeout: Option<u8>,
    /// Octets in the file, if the server tells.
    pub tsize: Option<u64>,
}

impl Agreed {
    /// RFC 1350's own: what holds when a server knows no options.
    pub fn plain() -> Self {
        Self { blksize: BLOCK_SIZE, windowsize: 1, timeout: None, tsize: None }
    }

    /// What the server grants: nothing that was not asked for, and no more than that. An option that it leaves out is refused,
    /// and then RFC 1350 holds.
    ///
    /// # Errors
    /// For the server: ERROR 8 ends a negotiation (RFC 2347).
    pub fn by(asked: &Options, granted: &[Pair<'_>]) -> Result<Self, Failure> {
        let refuse = |what: String| Err(Failure::Protocol { code: ErrorCode::OPTION_NEGOTIATION, what });
        let names = asked.texts();
        if let Some(pair) =
            granted.iter().find(|p| !names.iter().any(|(n, _)| p.name.eq_ignore_ascii_case(n.as_bytes())))
        {
            return refuse(format!("the server grants {}, which was not asked for", shown(pair.name)));
        }
        let got = match Options::read(granted) {
            Ok(options) => options,
            Err(misuse) => return refuse(misuse.to_string()),
        };
        if got.blksize > asked.blksize {
            return refuse(format!("blksize {}, more than was asked for", got.blksize.unwrap_or_default()));
        }
        if got.windowsize > asked.windowsize {
            return refuse(format!("windowsize {}, more than was asked for", got.windowsize.unwrap_or_default()));
        }
        // RFC 2349: a server that accepts it answers with the same value.
        if got.timeout.is_some() && got.timeout != asked.timeout {
            return refuse(format!("timeout {}, which is not what was asked for", got.timeout.unwrap_or_default()));
        }
        let plain = Self::plain();
        Ok(Self {
            blksize: got.blksize.map_or(plain.blksize, usize::from),
            windowsize: got.windowsize.unwrap_or(plain.windowsize),
            timeout: got.timeout,
            tsize: got.tsize,
        })
    }
}
