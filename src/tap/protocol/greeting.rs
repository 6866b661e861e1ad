//! Protocols that begin with a line of text: SSH, SMTP, FTP, POP3.

use super::{Label, Protocol, line, shown};

/// Both sides of SSH begin with their version (RFC 4253, section 4.2).
pub(super) fn ssh(octets: &[u8]) -> Option<Label> {
    let line = line(octets)?;
    let software = line.strip_prefix(b"SSH-2.0-").or_else(|| line.strip_prefix(b"SSH-1.99-"))?;
    (line.len() <= 253).then(|| Label::sure(Protocol::Ssh, format!("SSH version, {}", shown(software))))
}

/// A server that speaks first. SMTP and FTP both say `220`; what else they say mostly tells which.
pub(super) fn hello(octets: &[u8], port: u16) -> Option<Label> {
    let line = line(octets)?;
    if let Some(rest) = line.strip_prefix(b"+OK") {
        let sure = port == 110 || has(rest, b"POP");
        return Some(Label::sure_if(sure, Protocol::Pop, format!("POP3 greeting,{}", shown(rest))));
    }
    let rest = line.strip_prefix(b"220 ").or_else(|| line.strip_prefix(b"220-"))?;
    match (has(rest, b"SMTP"), has(rest, b"FTP"), port) {
        (true, false, _) | (false, false, 25 | 587) => {
            Some(Label::sure(Protocol::Smtp, format!("SMTP greeting, {}", shown(rest))))
        }
        (false, true, _) | (false, false, 21) => {
            Some(Label::sure(Protocol::Ftp, format!("FTP greeting, {}", shown(rest))))
        }
        _ => None,
    }
}

/// How a client of SMTP introduces itself (RFC 5321, section 4.1.1.1).
pub(super) fn command(octets: &[u8]) -> Option<Label> {
    let line = line(octets)?;
    let (verb, rest) = line.split_at_checked(5)?;
    let known = [&b"EHLO "[..], b"HELO "].iter().any(|v| verb.eq_ignore_ascii_case(v));
    known.then(|| Label::sure(Protocol::Smtp, format!("SMTP {}{}", shown(verb), shown(rest))))
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(label: Option<Label>) -> String {
        label.map_or(String::new(), |l| l.to_string())
    }

    #[test]
    fn greetings() {
        assert_eq!(text(ssh(b"SSH-2.0-OpenSSH_9.6 Debian-4\r\n")), "SSH version, OpenSSH_9.6 Debian-4");
        assert_eq!(text(hello(b"220 mail.example ESMTP\r\n", 0)), "SMTP greeting, mail.example ESMTP");
        assert_eq!(text(hello(b"220 (vsFTPd 3.0.5)\r\n", 0)), "FTP greeting, (vsFTPd 3.0.5)");
        assert_eq!(text(hello(b"220 ready\r\n", 21)), "FTP greeting, ready");
        assert_eq!(text(hello(b"+OK POP3 ready\r\n", 0)), "POP3 greeting, POP3 ready");
        assert_eq!(text(hello(b"+OK ready\r\n", 0)), "perhaps POP3 greeting, ready");
        assert_eq!(text(command(b"ehlo pilot.example\r\n")), "SMTP ehlo pilot.example");
    }

    /// Both words, or neither: it may be either.
    #[test]
    fn what_may_be_either_has_no_name() {
        assert_eq!(hello(b"220 ready\r\n", 2121), None);
        assert_eq!(hello(b"220 no FTP here, SMTP\r\n", 0), None);
        assert_eq!(hello(b"220 mail.example ESMTP", 0), None, "no whole line");
        assert_eq!(command(b"HELP\r\n"), None);
    }
}
