//! HTTP/1 by its request and status lines, HTTP/2 by its preface.

use super::{Label, Protocol, line, shown};

/// How an HTTP/2 client begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An HTTP/2 frame header: length, type, flags, stream (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;
const SETTINGS: u8 = 4;

/// `GET /tides HTTP/1.1` (RFC 9112, section 3).
pub(super) fn request(octets: &[u8]) -> Option<Label> {
    let words: Vec<&[u8]> = line(octets)?.split(|&o| o == b' ').collect();
    let [method, target, version] = words[..] else { return None };
    let is_method = !method.is_empty() && method.iter().all(|o| o.is_ascii_uppercase() || *o == b'-');
    if !is_method || target.is_empty() || !is_version(version) {
        return None;
    }
    let (protocol, upgrade) = upgrade(octets);
    let (version, method, target) = (shown(version), shown(method), shown(target));
    Some(Label::sure(protocol, format!("{version} {method} {target}{upgrade}")))
}

/// `HTTP/1.1 200 OK` (RFC 9112, section 4).
pub(super) fn status(octets: &[u8]) -> Option<Label> {
    let line = line(octets)?;
    let (version, rest) = line.split_at_checked(8)?;
    let code = rest.strip_prefix(b" ")?;
    let digits = code.len() >= 3 && code[..3].iter().all(u8::is_ascii_digit);
    if !is_version(version) || !digits || !matches!(code.get(3), None | Some(b' ')) {
        return None;
    }
    let (protocol, upgrade) = upgrade(octets);
    Some(Label::sure(protocol, format!("{} {}{upgrade}", shown(version), shown(code.trim_ascii_end()))))
}

/// The preface is there to make an HTTP/1 server stop at once.
pub(super) fn preface(octets: &[u8]) -> Option<Label> {
    octets.starts_with(PREFACE).then(|| Label::sure(Protocol::Http2, "HTTP/2 connection preface"))
}

/// The server's first frame has to be SETTINGS.
pub(super) fn settings(octets: &[u8]) -> Option<Label> {
    let header = octets.get(..FRAME_HEADER)?;
    (header[3] == SETTINGS && header[5..] == [0; 4]).then(|| Label::sure(Protocol::Http2, "HTTP/2 SETTINGS"))
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, b"HTTP/1.0" | b"HTTP/1.1")
}

/// Whether a header field asks for, or grants, a WebSocket (RFC 6455, section 4.1).
fn upgrade(octets: &[u8]) -> (Protocol, &'static str) {
    let mut fields = octets.split(|&o| o == b'\n').skip(1).take_while(|l| !l.trim_ascii().is_empty());
    let found = fields.any(|field| {
        let mut parts = field.splitn(2, |&o| o == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        name.eq_ignore_ascii_case(b"upgrade") && value.trim_ascii().eq_ignore_ascii_case(b"websocket")
    });
    if found { (Protocol::WebSocket, ", WebSocket upgrade") } else { (Protocol::Http, "") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map_or(String::new(), |l| l.to_string())
    }

    #[test]
    fn requests_and_answers() {
        assert_eq!(text(request(b"GET /tides HTTP/1.1\r\n\r\n")), "HTTP/1.1 GET /tides");
        assert_eq!(text(request(b"M-SEARCH * HTTP/1.1\r\n")), "HTTP/1.1 M-SEARCH *");
        let asks = b"GET /buoy HTTP/1.1\r\nHost: x\r\nupgrade:  WebSocket\r\n\r\n";
        assert_eq!(text(request(asks)), "HTTP/1.1 GET /buoy, WebSocket upgrade");
        assert_eq!(text(status(b"HTTP/1.0 404 Not Found\r\n")), "HTTP/1.0 404 Not Found");
        assert_eq!(text(status(b"HTTP/1.1 204\r\n")), "HTTP/1.1 204");
        assert_eq!(text(settings(&[0, 0, 0, 4, 0, 0, 0, 0, 0])), "HTTP/2 SETTINGS");
    }

    /// A line that goes on past what there is, a version to come, a body that mentions an upgrade.
    #[test]
    fn not_quite() {
        for octets in [&b"GET /tides HTTP/1.1"[..], b"GET /tides\r\n", b"get / HTTP/1.1\r\n", b"GET / HTTP/3\r\n", b""]
        {
            assert_eq!(request(octets), None);
        }
        for octets in [&b"HTTP/1.1 2000\r\n"[..], b"HTTP/1.1 OK\r\n", b"HTTP/1.1200\r\n", b"\n"] {
            assert_eq!(status(octets), None);
        }
        let body = b"POST / HTTP/1.1\r\n\r\nUpgrade: websocket\r\n";
        assert_eq!(text(request(body)), "HTTP/1.1 POST /");
    }
}
