//! Addresses in packets, and checks of addresses that other nodes report.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actoreum_primitives::rlp::{self, DecodeError, Encode, List};

use crate::rlp::{next_str, put_list};

/// Decodes 4 or 16 bytes, big-endian. An IPv4 address that is mapped into IPv6 is unmapped.
pub fn decode_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
}

pub(super) fn encode_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => rlp::encode_str(&address.octets(), out),
        IpAddr::V6(address) => rlp::encode_str(&address.octets(), out),
    }
}

/// An endpoint as a packet states it, unverified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Endpoint {
    /// Address; `None` if the packet has none, or one of another length.
    pub address: Option<IpAddr>,
    /// UDP port of discovery.
    pub udp: u16,
    /// TCP port of RLPx; 0 if unknown.
    pub tcp: u16,
}

impl Endpoint {
    /// Creates the endpoint of a socket.
    pub fn new(address: SocketAddr, tcp: u16) -> Self {
        Self {
            address: Some(address.ip().to_canonical()),
            udp: address.port(),
            tcp,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, |out| {
            match self.address {
                Some(address) => encode_address(address, out),
                None => rlp::encode_str(&[], out),
            }
            self.udp.encode(out);
            self.tcp.encode(out);
        });
    }

    /// Decodes an endpoint. List elements after the three are ignored.
    pub(super) fn decode(list: &mut List<'_>) -> Result<Self, DecodeError> {
        let mut fields = list.next_list()?;
        let address = decode_address(next_str(&mut fields)?);
        Ok(Self {
            address,
            udp: fields.next()?,
            tcp: fields.next()?,
        })
    }
}

/// Reason why an address that another node reported is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The address is unspecified.
    #[error("zero address")]
    Unspecified,
    /// The address is multicast, broadcast, documentation or the like.
    #[error("special network")]
    Special,
    /// A loopback address was reported by a node on another host.
    #[error("loopback address from non-loopback host")]
    Loopback,
    /// A LAN address was reported by a WAN host.
    #[error("LAN address from WAN host")]
    Lan,
}

/// Checks whether an address that `sender` reported may be contacted: WAN hosts cannot direct
/// packets to hosts of the LAN.
pub fn check_relayed(sender: IpAddr, address: IpAddr) -> Result<(), RelayError> {
    if address.is_unspecified() {
        return Err(RelayError::Unspecified);
    }
    if is_special(address) {
        return Err(RelayError::Special);
    }
    if address.is_loopback() && !sender.is_loopback() {
        return Err(RelayError::Loopback);
    }
    if is_lan(address) && !is_lan(sender) {
        return Err(RelayError::Lan);
    }
    Ok(())
}

/// An IPv4 prefix: network and number of bits.
type Net4 = ([u8; 4], u32);
/// An IPv6 prefix: network in 16-bit segments, and number of bits.
type Net6 = ([u16; 8], u32);

/// LAN prefixes (RFC 5735): this network, and the private ones.
const LAN4: &[Net4] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
];

/// LAN prefixes of IPv6: link-local and unique local (RFC 4291, RFC 4193).
const LAN6: &[Net6] = &[
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
];

/// Prefixes of IANA's special-purpose registry in which no node can be.
const SPECIAL4: &[Net4] = &[
    ([192, 0, 0, 0], 29),
    ([192, 0, 0, 9], 32),
    ([192, 0, 0, 170], 32),
    ([192, 0, 0, 171], 32),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([255, 255, 255, 255], 32),
];

/// The same for IPv6.
const SPECIAL6: &[Net6] = &[
    ([0x0100, 0, 0, 0, 0, 0, 0, 0], 64),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
    ([0x2001, 1, 0, 0, 0, 0, 0, 1], 128),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
    ([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),
    ([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48),
    ([0x2001, 5, 0, 0, 0, 0, 0, 0], 32),
    ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
];

fn contains(nets4: &[Net4], nets6: &[Net6], address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => nets4.iter().any(|(network, bits)| {
            let difference = address.to_bits() ^ Ipv4Addr::from(*network).to_bits();
            difference.leading_zeros() >= *bits
        }),
        IpAddr::V6(address) => nets6.iter().any(|(network, bits)| {
            let difference = address.to_bits() ^ Ipv6Addr::from(*network).to_bits();
            difference.leading_zeros() >= *bits
        }),
    }
}

/// Returns true if an address is on a local network or this host.
pub fn is_lan(address: IpAddr) -> bool {
    address.is_loopback() || contains(LAN4, LAN6, address)
}

/// Returns true if no node can have an address: multicast, broadcast, documentation.
pub fn is_special(address: IpAddr) -> bool {
    address.is_multicast() || contains(SPECIAL4, SPECIAL6, address)
}

/// The network whose nodes count as one source: the /24 of an IPv4 address, the /64 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subnet {
    /// The upper 24 bits.
    V4([u8; 3]),
    /// The upper 64 bits.
    V6(u64),
}

impl Subnet {
    /// Returns the network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [first, second, third, _] = address.octets();
                Self::V4([first, second, third])
            }
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_wan_host_cannot_relay_lan_addresses() {
        let cases = [
            ("127.0.0.1", "1.2.3.4", Ok(())),
            ("1.2.3.4", "127.0.0.1", Err(RelayError::Loopback)),
            ("192.168.0.1", "127.0.0.1", Err(RelayError::Loopback)),
            ("127.0.0.1", "127.0.0.1", Ok(())),
            ("1.2.3.4", "10.1.1.1", Err(RelayError::Lan)),
            ("10.0.0.1", "172.31.255.255", Ok(())),
            ("1.2.3.4", "172.32.0.0", Ok(())),
            ("1.2.3.4", "::", Err(RelayError::Unspecified)),
            ("1.2.3.4", "0.0.0.0", Err(RelayError::Unspecified)),
            ("10.0.0.1", "255.255.255.255", Err(RelayError::Special)),
            ("10.0.0.1", "224.0.0.1", Err(RelayError::Special)),
            ("10.0.0.1", "203.0.113.7", Err(RelayError::Special)),
            ("10.0.0.1", "2001:db8::1", Err(RelayError::Special)),
            ("2a00::1", "fe80::1", Err(RelayError::Lan)),
            ("2a00::1", "fd00::1", Err(RelayError::Lan)),
            ("2a00::1", "::1", Err(RelayError::Loopback)),
            ("2a00::1", "2a00::2", Ok(())),
        ];
        for (sender, address, expected) in cases {
            assert_eq!(
                check_relayed(ip(sender), ip(address)),
                expected,
                "{sender} {address}"
            );
        }
    }

    #[test]
    fn addresses_have_4_or_16_bytes() {
        assert_eq!(decode_address(&[1, 2, 3, 4]), Some(ip("1.2.3.4")));
        assert_eq!(decode_address(&ip_octets("2a00::1")), Some(ip("2a00::1")));
        assert_eq!(
            decode_address(&ip_octets("::ffff:1.2.3.4")),
            Some(ip("1.2.3.4"))
        );
        assert_eq!(decode_address(&[]), None);
        assert_eq!(decode_address(&[0; 5]), None);
        assert_eq!(decode_address(&[0; 17]), None);
    }

    fn ip_octets(text: &str) -> [u8; 16] {
        text.parse::<Ipv6Addr>().unwrap().octets()
    }

    #[test]
    fn subnets_group_neighbours() {
        assert_eq!(Subnet::of(ip("1.2.3.4")), Subnet::of(ip("1.2.3.255")));
        assert_ne!(Subnet::of(ip("1.2.3.4")), Subnet::of(ip("1.2.4.4")));
        assert_eq!(Subnet::of(ip("2a00::1")), Subnet::of(ip("2a00::2")));
        assert_ne!(Subnet::of(ip("2a00::1")), Subnet::of(ip("2a00:0:0:1::1")));
    }
}
