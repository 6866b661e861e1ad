//! The server as the client sees it: what is sent, what comes, and what does not.

use crate::Args;
use netkata::addr::resolve;
use netkata::datagram::{self, Received, canonical};
use netkata::error::{Attempt, NetError, Result, cause_text};
use netkata::human::{count, thousands};
use netkata::{exit, hexdump, human};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

/// So much of a datagram is quoted in an error.
const QUOTE: usize = 40;

/// A socket, and whom it talks to.
pub struct Server<'a> {
    socket: UdpSocket,
    address: SocketAddr,
    args: &'a Args,
}

impl<'a> Server<'a> {
    /// A socket for the server, connected or not.
    pub fn open(args: &'a Args) -> Result<Self> {
        if args.unconnected {
            let address = resolve(args.network, &args.address)?[0];
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            return Ok(Self { socket: datagram::bind(args.network, any)?, address, args });
        }
        let socket = datagram::connect(args.network, &args.address)?;
        let address = socket.peer_addr().attempt("connect", &args.address)?;
        Ok(Self { socket, address, args })
    }

    /// Sends one datagram and waits for its echo.
    pub fn exchange(&mut self, line: &[u8]) -> Result<()> {
        let quoted = hexdump::text(line, QUOTE);
        for _ in 0..=self.args.retries {
            let sent = self.send(line);
            sent.map_err(|e| self.failed("write", format!("{}; \"{quoted}\" was not sent", cause_text(&e))))?;
            if self.wait_for_echo(line)? {
                return Ok(());
            }
        }
        let mut why = format!("no echo of \"{quoted}\" in {}", human::duration(self.args.timeout));
        if self.args.retries > 0 {
            why += &format!(", asked {} times", self.args.retries + 1);
        }
        if self.args.unconnected {
            why += "; a refusal is not told to a socket that is not connected";
        }
        Err(self.failed("read", why))
    }

    fn send(&self, line: &[u8]) -> io::Result<usize> {
        if self.args.unconnected {
            return self.socket.send_to(line, self.address);
        }
        match self.socket.send(line) {
            // The refusal of a datagram before this one, which has not left yet.
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => self.socket.send(line),
            sent => sent,
        }
    }

    /// Whether the echo came in time. Whatever else comes does not renew the time.
    fn wait_for_echo(&self, line: &[u8]) -> Result<bool> {
        let (until, mut buffer) = (Instant::now() + self.args.timeout, vec![0; self.args.buffer]);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let waited = self.socket.set_read_timeout(Some(left));
            match waited.and_then(|()| datagram::receive(&self.socket, &mut buffer)) {
                Ok(got) if self.is_echo(line, &buffer[..got.len], &got)? => return Ok(true),
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                    let why = "over ICMP, the host says of what was sent that nobody has the port";
                    return Err(self.failed("read", format!("{}: {why}", cause_text(&e))));
                }
                Err(e) if !datagram::passes(&e) => return Err(self.failed("read", cause_text(&e))),
                _ => {}
            }
        }
    }

    /// Shows what came, and says whether it is what was sent.
    fn is_echo(&self, line: &[u8], octets: &[u8], got: &Received) -> Result<bool> {
        let (from, text) = (canonical(got.from), hexdump::text(octets, octets.len()));
        match self.args.unconnected {
            true => exit::say(format_args!("Reply from {from}: {text}"))?,
            false => exit::say(format_args!("Reply: {text}"))?,
        }
        let (came, sent) = (count(got.whole, "octet"), count(line.len(), "octet"));
        if got.from != self.address {
            exit::log(format_args!("{from}: a stranger, and not the server"));
        } else if got.is_truncated() {
            return Err(
                self.failed("read", format!("{came} came, cut to {}; --buffer makes more room", thousands(got.len)))
            );
        } else if octets != line && !octets.is_empty() && line.starts_with(octets) {
            return Err(self.failed("read", format!("{sent} went, and the server cut them to {}", thousands(got.len))));
        } else if octets != line {
            exit::log(format_args!("{from}: not the echo: {sent} went, {came} came"));
        }
        Ok(got.from == self.address && octets == line)
    }

    fn failed(&self, verb: &str, why: String) -> NetError {
        NetError::invalid(verb, format!("udp://{}", canonical(self.address)), why)
    }
}
