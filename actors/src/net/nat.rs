//! The way in from outside: `--nat`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// How the outside address becomes known, and who opens the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nat {
    /// Nobody: peers that connect tell it.
    #[default]
    None,
    /// The operator says it.
    External(IpAddr),
}

impl FromStr for Nat {
    type Err = String;

    /// Reads geth's forms: `none`, `extip:IP`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, ip) = text.split_once(':').unwrap_or((text, ""));
        match (kind.to_ascii_lowercase().as_str(), ip) {
            ("" | "none" | "off", "") => Ok(Self::None),
            ("extip" | "ip", ip) => {
                let address = ip.parse();
                let address = address.map_err(|_| format!("{text:?}: {ip:?} is no IP address"))?;
                Ok(Self::External(address))
            }
            _ => Err(format!(
                "{text:?} is no way through a router; use none or extip:IP"
            )),
        }
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::External(address) => write!(f, "extip:{address}"),
        }
    }
}
