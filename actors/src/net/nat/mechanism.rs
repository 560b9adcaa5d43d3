//! The NAT mechanism, as configured.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The NAT mechanism (`--nat`): the source of the external address and of port mappings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nat {
    /// No port mapping; the address is learned from other nodes.
    None,
    /// No port mapping; the address is given.
    External(IpAddr),
    /// The first mechanism by which a router answers.
    #[default]
    Any,
    /// UPnP.
    Upnp,
    /// NAT-PMP with the router at this address, or with the gateway of the system's default route.
    Pmp(Option<Ipv4Addr>),
}

impl FromStr for Nat {
    type Err = String;

    /// Parses geth's forms: `any`, `none`, `upnp`, `pmp`, `pmp:IP`, `extip:IP`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, ip) = text.split_once(':').unwrap_or((text, ""));
        let wrong = |_| format!("{text:?}: {ip:?} is no IP address");
        match (kind.to_ascii_lowercase().as_str(), ip) {
            ("" | "none" | "off", "") => Ok(Self::None),
            ("any" | "auto" | "on", "") => Ok(Self::Any),
            ("upnp", "") => Ok(Self::Upnp),
            ("pmp" | "natpmp" | "nat-pmp", "") => Ok(Self::Pmp(None)),
            ("pmp" | "natpmp" | "nat-pmp", _) => Ok(Self::Pmp(Some(ip.parse().map_err(wrong)?))),
            ("extip" | "ip", _) => Ok(Self::External(ip.parse().map_err(wrong)?)),
            _ => Err(format!(
                "{text:?} is no NAT mechanism; use any, none, upnp, pmp or extip:IP"
            )),
        }
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::External(address) => write!(f, "extip:{address}"),
            Self::Any => f.write_str("any"),
            Self::Upnp => f.write_str("upnp"),
            Self::Pmp(None) => f.write_str("pmp"),
            Self::Pmp(Some(address)) => write!(f, "pmp:{address}"),
        }
    }
}

impl Nat {
    /// Returns whether a router is used.
    pub(in crate::net) fn asks_router(self) -> bool {
        matches!(self, Self::Any | Self::Upnp | Self::Pmp(_))
    }
}
