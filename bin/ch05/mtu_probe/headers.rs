//! What the headers of a packet leave for data.

/// The headers before the data of a datagram, in octets. An ICMP echo has eight, as UDP has.
#[derive(Clone, Copy)]
pub struct Headers {
    /// `IPv4` or `IPv6`.
    pub version: &'static str,
    /// IP's own, without options or extensions.
    pub ip: usize,
    /// UDP's.
    pub udp: usize,
    /// Every link carries packets of this length: 68 octets (RFC 791, section 3.2), 1,280 (RFC 8200, section 5).
    pub least_mtu: usize,
    /// The longest data of all: the length fields have sixteen bits, and only IPv4's counts the IP header.
    pub most: usize,
}

impl Headers {
    /// Of either version of IP.
    pub fn of(ipv6: bool) -> Self {
        match ipv6 {
            false => Self { version: "IPv4", ip: 20, udp: 8, least_mtu: 68, most: 65_507 },
            true => Self { version: "IPv6", ip: 40, udp: 8, least_mtu: 1280, most: 65_527 },
        }
    }

    /// The longest data of a datagram that crosses a link of this MTU in one piece.
    pub fn payload_for(&self, mtu: usize) -> Result<usize, String> {
        if mtu < self.least_mtu {
            let ethernet =
                if mtu == 46 { "; 46 is the least payload of an Ethernet frame, which is filled up to it" } else { "" };
            return Err(format!(
                "{} needs an MTU of {} at least, and {mtu} is less{ethernet}",
                self.version, self.least_mtu
            ));
        }
        Ok((mtu - self.ip - self.udp).min(self.most))
    }

    /// The sum of it, for the reader: `1472 = 1500 - 20 (IPv4) - 8 (UDP)`.
    pub fn difference(&self, mtu: usize, payload: usize) -> String {
        let Self { version, ip, udp, most, .. } = self;
        if payload + ip + udp == mtu {
            return format!("{payload} = {mtu} - {ip} ({version}) - {udp} (UDP)");
        }
        let why = if payload == *most { "no datagram is longer" } else { "less than the MTU leaves" };
        format!("{payload}, and not {mtu} - {ip} ({version}) - {udp} (UDP): {why}")
    }

    /// No packet is longer.
    pub fn longest_packet(&self) -> usize {
        self.most + self.udp + self.ip
    }

    /// Data that every link carries.
    pub fn least(&self) -> usize {
        self.least_mtu - self.ip - self.udp
    }
}
