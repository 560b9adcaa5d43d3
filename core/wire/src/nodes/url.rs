//! Node URLs: the ways in which a user names a node.
//!
//! - `enode://<public key>@<host>:<TCP port>?discport=<UDP port>`, where the host is an IP address or
//!   a name that is resolved when the node is dialled;
//! - `enode://<public key>` or the key alone, without an endpoint;
//! - `enr:<base64>`, a node record (EIP-778).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use actoreum_primitives::{PeerId, PublicKey};

use super::{Enode, EnodeEndpoint, EnodeError, Enr};
use crate::limits::{MAX_HOST_NAME, MAX_NODE_URL};

/// A node as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUrl {
    enode: Enode,
    /// The host name in place of the endpoint of `enode`.
    named: Option<NamedEndpoint>,
}

/// The endpoint of a node whose address is a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedEndpoint {
    name: Arc<str>,
    tcp: u16,
    udp: u16,
}

impl NodeUrl {
    /// Returns the node's id.
    pub fn id(&self) -> PeerId {
        self.enode.id()
    }

    /// Returns the node; without an endpoint if that is a host name.
    pub fn enode(&self) -> Enode {
        self.enode
    }

    /// Returns the host name, if the endpoint has one in place of an address.
    pub fn host_name(&self) -> Option<&Arc<str>> {
        self.named.as_ref().map(|named| &named.name)
    }

    /// Returns the node at an address that its host name was resolved to. Without a host name the
    /// endpoint stays as it is.
    pub fn resolved(&self, address: IpAddr) -> Enode {
        let named = self.named.as_ref();
        let endpoint = named.map(|named| EnodeEndpoint::new(address, named.tcp, named.udp));
        Enode {
            endpoint: endpoint.or(self.enode.endpoint),
            ..self.enode
        }
    }
}

impl From<Enode> for NodeUrl {
    fn from(enode: Enode) -> Self {
        Self { enode, named: None }
    }
}

fn parse_key(digits: &str) -> Result<PublicKey, EnodeError> {
    let mut bytes = [0; 64];
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(EnodeError::NodeIdDigit);
    }
    if digits.len() != 2 * bytes.len() {
        return Err(EnodeError::NodeIdLength);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = str::from_utf8(pair).map_err(|_| EnodeError::NodeIdDigit)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| EnodeError::NodeIdDigit)?;
    }
    PublicKey::from_uncompressed(&bytes).map_err(|_| EnodeError::NodeIdPoint)
}

/// Parses decimal digits: no sign, no space.
fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Splits `host:port`; an IPv6 address is in brackets.
fn split_host(host: &str) -> Result<(&str, &str), EnodeError> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(EnodeError::MissingPort)?;
        return Ok((
            address,
            port.strip_prefix(':').ok_or(EnodeError::MissingPort)?,
        ));
    }
    let (address, port) = host.rsplit_once(':').ok_or(EnodeError::MissingPort)?;
    // An IPv6 address without brackets.
    if address.contains(':') {
        Err(EnodeError::Address)
    } else {
        Ok((address, port))
    }
}

/// Returns whether the text is a host name (RFC 1123, and the underscores of container networks): not
/// an incomplete IPv4 address.
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_plain)
    };
    let labels = text.strip_suffix('.').unwrap_or(text);
    let last = labels.rsplit('.').next().unwrap_or_default();
    text.len() <= MAX_HOST_NAME
        && labels.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for NodeUrl {
    type Err = EnodeError;

    fn from_str(url: &str) -> Result<Self, EnodeError> {
        if url.len() > MAX_NODE_URL {
            return Err(EnodeError::TooLong);
        }
        if url.starts_with("enr:") {
            return Ok(url.parse::<Enr>()?.enode().into());
        }
        let scheme_end = url.find("://");
        let rest = match scheme_end.and_then(|end| url.split_at_checked(end)) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("enode") => {
                rest.strip_prefix("://").unwrap_or(rest)
            }
            Some(_) => return Err(EnodeError::Scheme),
            None => url,
        };
        if !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let public_key = parse_key(rest)?;
            let enode = Enode {
                public_key,
                endpoint: None,
            };
            return Ok(enode.into());
        }
        if scheme_end.is_none() {
            return Err(EnodeError::Scheme);
        }
        let (key, rest) = rest.split_once('@').ok_or(EnodeError::MissingNodeId)?;
        let public_key = parse_key(key)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let host = host.split_once('/').map_or(host, |(host, _)| host);
        let (host, port) = split_host(host)?;
        let address = host.parse::<IpAddr>();
        if address.is_err() && !is_host_name(host) {
            return Err(EnodeError::Address);
        }
        let tcp = parse_port(port).ok_or(EnodeError::Port)?;
        let discovery_port = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("discport="))
            .filter(|port| !port.is_empty());
        let udp = match discovery_port {
            Some(port) => parse_port(port).ok_or(EnodeError::DiscoveryPort)?,
            None => tcp,
        };
        let at = |address| EnodeEndpoint::new(address, tcp, udp);
        let named = address.is_err().then(|| NamedEndpoint {
            name: host.into(),
            tcp,
            udp,
        });
        Ok(Self {
            enode: Enode {
                public_key,
                endpoint: address.ok().map(at),
            },
            named,
        })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.enode.fmt(formatter)?;
        let Some(NamedEndpoint { name, tcp, udp }) = &self.named else {
            return Ok(());
        };
        write!(formatter, "@{name}:{tcp}")?;
        if udp != tcp {
            write!(formatter, "?discport={udp}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::SecretKey;
    use proptest::prelude::*;

    use super::*;
    use crate::nodes::EnrBuilder;

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[7; 32]).unwrap()
    }

    fn url(host: &str) -> String {
        let enode = Enode {
            public_key: key().public_key(),
            endpoint: None,
        };
        format!("{enode}@{host}")
    }

    #[test]
    fn a_host_name_is_kept_until_it_is_resolved() {
        for name in [
            "node-1",
            "signer_2",
            "a.example.org",
            "example.org.",
            "1.node",
        ] {
            let text = url(&format!("{name}:30303?discport=30304"));
            let node: NodeUrl = text.parse().unwrap();
            assert_eq!(node.to_string(), text);
            assert_eq!(node.host_name().map(AsRef::as_ref), Some(name));
            assert_eq!(node.enode().endpoint, None);
            let address = "10.0.0.7".parse().unwrap();
            let endpoint = node.resolved(address).endpoint;
            assert_eq!(endpoint, Some(EnodeEndpoint::new(address, 30303, 30304)));
            assert_eq!(text.parse::<Enode>(), Err(EnodeError::HostName));
        }
    }

    #[test]
    fn an_address_is_not_resolved() {
        let node: NodeUrl = url("1.2.3.4:5").parse().unwrap();
        assert_eq!(node.host_name(), None);
        let other = "10.0.0.7".parse().unwrap();
        assert_eq!(node.resolved(other), node.enode());
    }

    #[test]
    fn what_is_neither_name_nor_address_is_refused() {
        let long = format!("{}.org:1", "a".repeat(64));
        let many = format!("{}org:1", "a.".repeat(130));
        let bad = [
            "1.2.3:1",
            "1.2.3.4.5:1",
            "a b:1",
            ".:1",
            "a..b:1",
            ":1",
            "*:1",
            &long,
            &many,
        ];
        for host in bad {
            assert_eq!(
                url(host).parse::<NodeUrl>(),
                Err(EnodeError::Address),
                "{host}"
            );
        }
    }

    #[test]
    fn a_record_names_its_node() {
        let endpoint = EnodeEndpoint::new("10.0.0.7".parse().unwrap(), 1, 2);
        let record = EnrBuilder::new()
            .with_endpoint(&endpoint)
            .sign(1, &key())
            .unwrap();
        let node: NodeUrl = record.to_string().parse().unwrap();
        assert_eq!(node.enode(), record.enode());
        assert_eq!(node.enode().endpoint, Some(endpoint));
        let cut = &record.to_string()[..40];
        assert!(matches!(cut.parse::<NodeUrl>(), Err(EnodeError::Record(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            for text in [format!("enr:{text}"), url(&text), text] {
                if let Ok(node) = text.parse::<NodeUrl>() {
                    prop_assert_eq!(node.to_string().parse(), Ok(node));
                }
            }
        }
    }
}
