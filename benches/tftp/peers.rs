//! The servers: ours, and what the machine has. All serve the same folder.

use crate::common::peers::{Peer, announced, answering, started};
use crate::fetch::{Ask, fetch};
use crate::files::{Files, SMALL};
use netkata::endpoint::Endpoint;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

pub(crate) const TFTP_SERVER: &str = "tftp_server";
const TFTPD_HPA: &str = "tftpd-hpa";
const DNSMASQ: &str = "dnsmasq";
const ATFTPD: &str = "atftpd";
/// dnsmasq has no option for another port. Below 1024, it takes a privilege.
const WELL_KNOWN: u16 = 69;

/// The servers that can be had here. Says which cannot, and why.
pub(crate) fn start_all(files: &Files) -> Vec<Peer> {
    let (folder, small) = (files.folder.path(), &files.small);
    started(vec![
        (TFTP_SERVER, tftp_server(folder)),
        (TFTPD_HPA, tftpd_hpa(folder, small)),
        (DNSMASQ, dnsmasq(folder, small)),
        (ATFTPD, atftpd(folder, small)),
    ])
}

/// Where a server waits for requests.
pub(crate) fn address(peer: &Peer) -> io::Result<SocketAddr> {
    match &peer.endpoint {
        Endpoint::Udp(address) => address.parse().map_err(io::Error::other),
        other => Err(io::Error::other(format!("{other} is no UDP port"))),
    }
}

/// The release build of bin/ch06/tftp_server, in its log a line for each transfer.
fn tftp_server(folder: &Path) -> io::Result<Peer> {
    announced(TFTP_SERVER, Command::new(env!("CARGO_BIN_EXE_tftp_server")).arg("127.0.0.1:0").arg("--root").arg(folder))
}

/// A process for each transfer.
fn tftpd_hpa(folder: &Path, small: &[u8]) -> io::Result<Peer> {
    let at = free(Ipv4Addr::LOCALHOST.into())?;
    let mut command = Command::new(daemon("in.tftpd"));
    command.args(["--foreground", "--address", &at.to_string(), "--user", &user(), "--secure"]).arg(folder);
    serving(TFTPD_HPA, at, &mut command, small)
}

/// One process, one loop.
fn dnsmasq(folder: &Path, small: &[u8]) -> io::Result<Peer> {
    // Not 127.0.0.1: somebody may have the well-known port there.
    let at = SocketAddr::from(([127, 69, 0, 69], WELL_KNOWN));
    let mut command = Command::new(daemon("dnsmasq"));
    command.args(["--no-daemon", "--port=0", "--conf-file=/dev/null", "--no-resolv", "--bind-interfaces"]);
    command.args(["--enable-tftp", &format!("--listen-address={}", at.ip()), &format!("--user={}", user())]);
    command.arg(format!("--tftp-root={}", folder.display()));
    serving(DNSMASQ, at, &mut command, small)
}

/// A thread for each transfer. Where it cannot be installed beside tftpd-hpa, `ATFTPD` names the program.
fn atftpd(folder: &Path, small: &[u8]) -> io::Result<Peer> {
    let at = free(Ipv4Addr::LOCALHOST.into())?;
    let program = std::env::var("ATFTPD").unwrap_or_else(|_| daemon("atftpd"));
    let mut command = Command::new(program);
    command.args(["--daemon", "--no-fork", "--user", &user(), "--logfile", "/dev/null"]);
    command.args(["--bind-address", &at.ip().to_string(), "--port", &at.port().to_string()]).arg(folder);
    serving(ATFTPD, at, &mut command, small)
}

fn serving(name: &'static str, at: SocketAddr, command: &mut Command, small: &[u8]) -> io::Result<Peer> {
    let ask = Ask { blksize: 512, windowsize: 1 };
    // Nobody there yet is an ICMP away, or half a second.
    answering(name, Endpoint::Udp(at.to_string()), command, || fetch(at, SMALL, ask, small).is_ok())
}

/// A port that was free a moment ago.
fn free(ip: IpAddr) -> io::Result<SocketAddr> {
    UdpSocket::bind((ip, 0))?.local_addr()
}

/// Daemons are kept out of a user's path by some systems.
fn daemon(name: &str) -> String {
    let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(|folder| format!("{folder}/{name}"));
    usual.into_iter().find(|path| Path::new(path).is_file()).unwrap_or_else(|| name.to_string())
}

/// They like to change to a user of their own, who may not read our folder.
fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or_else(|| "nobody".into(), |user| user.name)
}
