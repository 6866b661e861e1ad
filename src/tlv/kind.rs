//! The types of frames: what a program takes, and how long it may be.

/// Octets in a Binary or a String, at the most: 10 MiB. So many are allowed, and not one more.
pub const LIMIT: u32 = 10 << 20;

/// Octets, as they are.
pub const BINARY: Kind = Kind { code: 1, name: "Binary", limit: LIMIT };
/// Text in UTF-8 (RFC 3629).
pub const STRING: Kind = Kind { code: 2, name: "String", limit: LIMIT };
/// The types that a [`Value`](super::Value) has.
pub const VALUES: Kinds = &[BINARY, STRING];

/// A type of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// On the wire.
    pub code: u8,
    /// For people.
    pub name: &'static str,
    /// Octets in the value, at the most.
    pub limit: u32,
}

/// All types that a program takes. What is not in this table is unknown.
pub type Kinds = &'static [Kind];

/// A table of every code there is, for a program that wants to read what it does not know, answer it, and go on.
pub const fn every(name: &'static str, limit: u32) -> [Kind; 256] {
    let mut kinds = [Kind { code: 0, name, limit }; 256];
    let mut code = 0;
    while code < 256 {
        kinds[code].code = code as u8;
        code += 1;
    }
    kinds
}

/// `1 Binary, 2 String`
pub(super) fn list(kinds: Kinds) -> String {
    kinds.iter().map(|k| format!("{} {}", k.code, k.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_once() {
        let kinds = every("Request", 9);
        for code in 0..=255 {
            assert_eq!(kinds[usize::from(code)], Kind { code, name: "Request", limit: 9 });
        }
    }
}
