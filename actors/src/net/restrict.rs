//! `--netrestrict`: the IP networks that communication is restricted to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A list of IP networks in CIDR notation, such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetRestrict {
    networks: Vec<(IpAddr, u32)>,
}

/// The error of a text that is not a list of CIDR networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CIDR address: {0}")]
pub struct RestrictError(pub String);

impl NetRestrict {
    /// Returns whether an address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|(network, bits)| match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *bits
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    (network.to_bits() ^ address.to_bits()).leading_zeros() >= *bits
                }
                _ => false,
            })
    }
}

impl FromStr for NetRestrict {
    type Err = RestrictError;

    /// Parses a comma-separated list of networks.
    fn from_str(text: &str) -> Result<Self, RestrictError> {
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let network = parse(part).ok_or_else(|| RestrictError(part.to_owned()))?;
            networks.push(network);
        }
        Ok(Self { networks })
    }
}

fn parse(network: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = network.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (bits <= longest).then_some((address, bits))
}

impl fmt::Display for NetRestrict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (address, bits)) in self.networks.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            write!(f, "{comma}{address}/{bits}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let restrict: NetRestrict = "10.0.0.0/8, 192.168.1.0/24,fd00::/8".parse().unwrap();
        for (address, is_in) in [
            ("10.255.1.2", true),
            ("11.0.0.1", false),
            ("192.168.1.77", true),
            ("192.168.2.1", false),
            ("::ffff:10.1.1.1", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(
                restrict.contains(address.parse().unwrap()),
                is_in,
                "{address}"
            );
        }
        let all: NetRestrict = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        assert_eq!(restrict.to_string().parse(), Ok(restrict));
    }

    #[test]
    fn an_invalid_network_is_named_in_the_error() {
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "fd00::/129", "1.2.3.4/-1"] {
            let error = text.parse::<NetRestrict>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
