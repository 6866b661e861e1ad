//! Messages, made fit for files that machines read.

/// A message without colours, and with U+FFFD for what XML cannot carry (XML 1.0, section 2.2).
pub fn printable(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut chars = message.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // ECMA-48, 5.4: a control sequence ends with an octet from @ to ~.
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                chars.next();
            }
            '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_illegal_characters_are_shown_as_such() {
        assert_eq!(
            printable("\u{1b}[1;31mFAILED\u{1b}[0m\tgot\u{0}\u{7}…\u{fffe}\n"),
            "FAILED\tgot\u{fffd}\u{fffd}…\u{fffd}\n"
        );
        assert_eq!(printable("\u{1b}[31"), "");
        assert_eq!(printable("\u{1b}]0;title"), "\u{fffd}]0;title");
    }
}
