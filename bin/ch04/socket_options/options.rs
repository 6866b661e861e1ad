//! The options: what can be asked for, how it is set, and what the kernel made of it.

use clap::{Args, value_parser};
use netkata::human;
use netkata::sys::tcp_info::tcp_info;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::TcpStream;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The kernel's limits for the seconds and the probes of keepalive (tcp(7)).
const SECONDS: RangeInclusive<u64> = 1..=32_767;
const PROBES: RangeInclusive<i64> = 1..=127;

/// What can be set. What is not asked for is left alone.
#[derive(Args, Clone)]
pub struct Options {
    /// Probe a peer that was silent for so long
    #[arg(long, value_parser = parse_seconds)]
    pub keepalive: Option<Duration>,
    /// With --keepalive: the time between two probes
    #[arg(long, requires = "keepalive", value_parser = parse_seconds)]
    pub interval: Option<Duration>,
    /// With --keepalive: give the peer up after so many probes without an answer
    #[arg(long, requires = "keepalive", value_parser = value_parser!(u32).range(PROBES))]
    pub retries: Option<u32>,
    /// Let close wait so long for octets under way; 0 throws them away, and resets
    #[arg(long, value_parser = parse_linger)]
    pub linger: Option<Duration>,
    /// Send small writes at once: Nagle's algorithm off
    #[arg(long)]
    pub nodelay: bool,
    /// Octets of receive buffer to ask for
    #[arg(long, value_parser = human::size_within::<usize>(1..=1 << 30))]
    pub receive_buffer: Option<usize>,
    /// Octets of send buffer to ask for
    #[arg(long, value_parser = human::size_within::<usize>(1..=1 << 30))]
    pub send_buffer: Option<usize>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let time = human::parse_duration(text)?;
    let whole = time.subsec_nanos() == 0 && SECONDS.contains(&time.as_secs());
    whole.then_some(time).ok_or_else(|| format!("the kernel takes whole seconds, 1s to {}s", SECONDS.end()))
}

fn parse_linger(text: &str) -> Result<Duration, String> {
    if human::parse_duration(text)?.is_zero() { Ok(Duration::ZERO) } else { parse_seconds(text) }
}

impl Options {
    /// Sets what was asked for. Of a listener, each connection that it accepts inherits it.
    pub fn set(&self, socket: &SockRef<'_>) -> io::Result<()> {
        if let Some(time) = self.keepalive {
            let mut keepalive = TcpKeepalive::new().with_time(time);
            if let Some(time) = self.interval {
                keepalive = keepalive.with_interval(time);
            }
            if let Some(probes) = self.retries {
                keepalive = keepalive.with_retries(probes);
            }
            socket.set_tcp_keepalive(&keepalive)?;
        }
        if self.linger.is_some() {
            socket.set_linger(self.linger)?;
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(octets) = self.receive_buffer {
            socket.set_recv_buffer_size(octets)?;
        }
        if let Some(octets) = self.send_buffer {
            socket.set_send_buffer_size(octets)?;
        }
        Ok(())
    }

    /// In the order of [`NAMES`].
    fn asked(&self) -> [Option<String>; 7] {
        let octets = |asked: Option<usize>| asked.map(|n| n.to_string());
        [
            self.keepalive.map(human::duration),
            self.interval.map(human::duration),
            self.retries.map(|n| n.to_string()),
            self.linger.map(human::duration),
            self.nodelay.then(|| "on".into()),
            octets(self.receive_buffer),
            octets(self.send_buffer),
        ]
    }

    /// The table, line by line: each option on a socket that nobody has touched, as it was asked for, and as it is.
    pub fn table(&self, stream: &TcpStream) -> io::Result<Vec<String>> {
        let untouched = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let (before, got) = (read(&SockRef::from(&untouched))?, read(&SockRef::from(stream))?);
        let rows = NAMES.iter().zip(before).zip(self.asked()).zip(got);
        let mut lines = vec![row("option", "default", "asked", "got", "")];
        lines.extend(rows.map(|(((name, before), asked), got)| {
            let asked = asked.unwrap_or("-".into());
            row(name, &before, &asked, &got, remark(name, &asked, &got))
        }));
        let scale = tcp_info(stream)?.rcv_wscale;
        let remark = format!("what our SYN said: our window counts in units of {}", human::count(1 << scale, "octet"));
        lines.push(row("window scale", "-", "-", &scale.to_string(), &remark));
        Ok(lines)
    }
}

const NAMES: [&str; 7] = ["keepalive", "interval", "retries", "linger", "nodelay", "receive buffer", "send buffer"];

/// What the kernel says, in the order of [`NAMES`].
fn read(socket: &SockRef<'_>) -> io::Result<[String; 7]> {
    let on = |is_on| if is_on { "on".into() } else { "off".to_string() };
    Ok([
        if socket.keepalive()? { human::duration(socket.tcp_keepalive_time()?) } else { on(false) },
        human::duration(socket.tcp_keepalive_interval()?),
        socket.tcp_keepalive_retries()?.to_string(),
        socket.linger()?.map_or(on(false), human::duration),
        on(socket.tcp_nodelay()?),
        socket.recv_buffer_size()?.to_string(),
        socket.send_buffer_size()?.to_string(),
    ])
}

fn row(name: &str, default: &str, asked: &str, got: &str, remark: &str) -> String {
    format!("{name:14} {default:>8} {asked:>10} {got:>10}  {remark}").trim_end().into()
}

/// A buffer is never what was asked for, and setsockopt(2) does not say so.
fn remark(name: &str, asked: &str, got: &str) -> &'static str {
    let (true, Ok(asked), Ok(got)) = (name.ends_with("buffer"), asked.parse::<u64>(), got.parse::<u64>()) else {
        return if asked == "-" || asked == got { "" } else { "not what was asked for" };
    };
    match got.cmp(&(2 * asked)) {
        std::cmp::Ordering::Equal => "doubled: half is for the kernel's own records (socket(7))",
        std::cmp::Ordering::Less => "cut, without an error: twice net.core.rmem_max or wmem_max",
        std::cmp::Ordering::Greater => "raised to the smallest that the kernel keeps",
    }
}
