//! Where the files are.

use crate::Files;
use netkata::error::{Attempt, NetError, Result};
use netkata::tftp::{Content, ErrorCode, Refusal, Root};
use std::sync::Arc;

/// One file for every name, or a folder.
pub enum Shelf {
    Payload(Arc<[u8]>),
    Root(Root),
}

impl Shelf {
    pub fn open(files: &Files) -> Result<Self> {
        match (&files.payload, &files.root) {
            (Some(path), _) => {
                std::fs::read(path).map(|octets| Self::Payload(octets.into())).attempt("read", path.display())
            }
            (None, Some(path)) => Root::open(path).map(Self::Root).attempt("open", path.display()),
            (None, None) => Err(NetError::invalid("open", "", "a payload or a root is required")),
        }
    }

    /// The octets that the name stands for.
    pub fn find(&self, name: &[u8]) -> std::result::Result<Content, Refusal> {
        match self {
            Self::Payload(octets) => Ok(Content::memory(octets.clone())),
            Self::Root(root) => {
                Content::file(root.file(name)?).map_err(|e| Refusal::new(ErrorCode::NOT_DEFINED, e.to_string()))
            }
        }
    }
}
