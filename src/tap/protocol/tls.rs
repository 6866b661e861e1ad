//! TLS, by the first record of the client and of the server (RFC 8446, sections 4.1 and 5.1).

use super::{Fields, Label, Protocol, shown};

const HANDSHAKE: usize = 22;
const ALERT: usize = 21;
const CLIENT_HELLO: usize = 1;
const SERVER_HELLO: usize = 2;
/// A record's fragment, with room for what encryption adds to it.
const LONGEST: usize = (1 << 14) + 256;
const EXTENSION_SERVER_NAME: usize = 0;
const EXTENSION_SUPPORTED_VERSIONS: usize = 43;
const RANDOM: usize = 32;

/// The client's first words, with the host that it wants to talk to, if it says so and it is here already.
pub(super) fn client_hello(octets: &[u8]) -> Option<Label> {
    let hello = handshake(octets, CLIENT_HELLO)?;
    let name = server_name(hello).map(|name| format!(", server name {}", shown(name)));
    Some(Label::sure(Protocol::Tls, format!("TLS ClientHello{}", name.unwrap_or_default())))
}

/// The server's answer, with the version that it chose; or its refusal.
pub(super) fn server_hello(octets: &[u8]) -> Option<Label> {
    let mut record = Fields(octets);
    if record.number(1)? == ALERT && is_version(record.number(2)?) {
        return Some(Label::sure(Protocol::Tls, "TLS alert"));
    }
    let mut hello = handshake(octets, SERVER_HELLO)?;
    let legacy = hello.number(2)?;
    let version = match chosen(hello).unwrap_or(legacy) {
        0x0304 => ", TLS 1.3",
        0x0303 => ", TLS 1.2",
        0x0302 => ", TLS 1.1",
        0x0301 => ", TLS 1.0",
        _ => "",
    };
    Some(Label::sure(Protocol::Tls, format!("TLS ServerHello{version}")))
}

/// What is there of a handshake message of this kind, from its version on.
fn handshake(octets: &[u8], kind: usize) -> Option<Fields<'_>> {
    let mut record = Fields(octets);
    let (content, version, length) = (record.number(1)?, record.number(2)?, record.number(2)?);
    let (found, size) = (record.number(1)?, record.number(3)?);
    // A message longer than its record goes on in the next.
    let sound = content == HANDSHAKE && is_version(version) && (4..=LONGEST).contains(&length) && size < 1 << 17;
    let hello = Fields(record.0);
    (sound && found == kind && is_version(record.number(2)?)).then_some(hello)
}

fn is_version(version: usize) -> bool {
    (0x0300..=0x0304).contains(&version)
}

/// The extension "server_name" (RFC 6066, section 3).
fn server_name(mut hello: Fields<'_>) -> Option<&[u8]> {
    hello.take(2 + RANDOM)?;
    hello.vector(1)?; // session ID
    hello.vector(2)?; // cipher suites
    hello.vector(1)?; // compression methods
    let mut list = extension(hello, EXTENSION_SERVER_NAME)?.vector(2)?;
    let host_name = list.number(1)? == 0;
    let name = list.vector(2)?.0;
    (host_name && !name.is_empty()).then_some(name)
}

/// The extension "supported_versions" of the server (RFC 8446, section 4.2.1). What follows is from the random on.
fn chosen(mut hello: Fields<'_>) -> Option<usize> {
    hello.take(RANDOM)?;
    hello.vector(1)?; // session ID
    hello.take(3)?; // the cipher suite and the compression method
    extension(hello, EXTENSION_SUPPORTED_VERSIONS)?.number(2)
}

/// One extension. Those that the record's end cuts off are not looked at.
fn extension(mut hello: Fields<'_>, wanted: usize) -> Option<Fields<'_>> {
    let length = hello.number(2)?;
    let mut all = Fields(&hello.0[..hello.0.len().min(length)]);
    loop {
        let (kind, body) = (all.number(2)?, all.vector(2)?);
        if kind == wanted {
            return Some(body);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn vector(length: usize, octets: &[u8]) -> Vec<u8> {
        [&octets.len().to_be_bytes()[8 - length..], octets].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let handshake = [&[kind][..], &vector(3, body)].concat();
        [&[22, 3, 1][..], &vector(2, &handshake)].concat()
    }

    /// A ClientHello with an extension before the one that matters.
    pub(in crate::tap::protocol) fn hello(name: &str) -> Vec<u8> {
        let entry = [&[0][..], &vector(2, name.as_bytes())].concat();
        let sni = [&[0, 0][..], &vector(2, &vector(2, &entry))].concat();
        let extensions = [&[0, 23, 0, 0][..], &sni].concat();
        let body =
            [&[3, 3][..], &[7; 32], &vector(1, &[1; 32]), &vector(2, &[0x13, 1]), &[1, 0], &vector(2, &extensions)];
        message(1, &body.concat())
    }

    fn text(label: Option<Label>) -> String {
        label.map_or(String::new(), |l| l.to_string())
    }

    #[test]
    fn the_host_is_named() {
        assert_eq!(text(client_hello(&hello("harbour.example"))), "TLS ClientHello, server name harbour.example");
        assert_eq!(text(client_hello(&hello("a\nb"))), "TLS ClientHello, server name a\\nb");
    }

    /// Cut anywhere it is a ClientHello at most, with the whole name or none.
    #[test]
    fn cut_anywhere() {
        let whole = hello("harbour.example");
        for n in 0..whole.len() {
            let told = text(client_hello(&whole[..n]));
            assert!(["", "TLS ClientHello"].contains(&told.as_str()), "{n}: {told}");
            assert_eq!(told.is_empty(), n < 11, "{n}");
        }
    }

    #[test]
    fn the_server_chooses() {
        let random = [&[3, 3][..], &[9; 32], &[0, 0x13, 1, 0]].concat();
        let extension = [0, 43, 0, 2, 3, 4];
        let newest = [&random[..], &vector(2, &extension)].concat();
        assert_eq!(text(server_hello(&message(2, &newest))), "TLS ServerHello, TLS 1.3");
        assert_eq!(text(server_hello(&message(2, &random))), "TLS ServerHello, TLS 1.2");
        assert_eq!(text(server_hello(&[21, 3, 1, 0, 2, 2, 40])), "TLS alert");
        assert_eq!(server_hello(&hello("x")), None);
        assert_eq!(client_hello(b"\x16\x03\x01\x00\x02\x01\x00\x00\x2a\x03\x03"), None, "too short a record");
    }
}
