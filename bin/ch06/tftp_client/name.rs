//! What others wrote, shown to a person.

/// No more characters are shown: a datagram has room for more than a screen.
const LONGEST: usize = 300;

/// Text as text, and no octet that could command a terminal: ESC as `\x1b`, what is no UTF-8 as `\xff`.
pub fn shown(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.is_control() {
                true => text.extend(c.encode_utf8(&mut [0; 4]).as_bytes().escape_ascii().map(char::from)),
                false => text.push(c),
            }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}
