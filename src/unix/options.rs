//! The options of every server here that makes a socket file.

use super::accounts::group_id;
use super::file::{Access, parse_mode};
use super::name::Name;
use clap::Args;

/// Who may connect to the socket file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct AccessOptions {
    /// Permissions of the socket file, octal; whoever may write to it may connect [default: 0660 with --group, else by the umask]
    #[arg(long, value_parser = parse_mode)]
    mode: Option<u32>,
    /// Group of the socket file, by name or number
    #[arg(long, value_parser = group)]
    group: Option<u32>,
}

impl AccessOptions {
    /// As [`AccessOptions::access`], for a server that has a mode of its own where none is asked for.
    pub fn access_or(&self, name: &Name, mode: u32) -> Access {
        let has_file = matches!(name, Name::Path(_));
        let usual = (has_file && self.group.is_none()).then_some(mode);
        Access { mode: self.mode.or(usual), group: self.group }
    }

    /// What was asked for.
    pub fn access(&self) -> Access {
        Access { mode: self.mode, group: self.group }
    }
}

fn group(name: &str) -> Result<u32, String> {
    match group_id(name) {
        Ok(Some(gid)) => Ok(gid),
        Ok(None) => Err(format!("no group {name:?} on this machine")),
        Err(e) => Err(format!("the list of groups cannot be read: {e}")),
    }
}
