//! Enode URLs: `enode://<public key>@<address>:<TCP port>?discport=<UDP port>`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actoreum_primitives::{PeerId, PublicKey};

use super::{EnrError, NodeUrl};

/// Reason why a URL is not an enode URL. The texts are those of geth's flags and RPC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnodeError {
    /// The text is longer than any enode URL.
    #[error("URL too long")]
    TooLong,
    /// The text is not a URL.
    #[error("invalid URL")]
    InvalidUrl,
    /// The scheme is not `enode`.
    #[error("invalid URL scheme, want \"enode\"")]
    Scheme,
    /// The URL has no key before the `@`.
    #[error("does not contain node ID")]
    MissingNodeId,
    /// The key is not 128 hexadecimal digits.
    #[error("invalid node ID (wrong length, want 128 hex chars)")]
    NodeIdLength,
    /// The key has a character that is not a hexadecimal digit.
    #[error("invalid node ID (encoding/hex: invalid byte)")]
    NodeIdDigit,
    /// The key is not a point of the curve.
    #[error("invalid node ID (invalid secp256k1 public key)")]
    NodeIdPoint,
    /// The host has no port.
    #[error("invalid host: missing port in address")]
    MissingPort,
    /// The host is neither an address nor a host name.
    #[error("invalid IP address")]
    Address,
    /// The host is a name, where an address is needed.
    #[error("host name in place of an IP address")]
    HostName,
    /// The TCP port is not a 16-bit number.
    #[error("invalid port")]
    Port,
    /// The UDP port is not a 16-bit number.
    #[error("invalid discport in query")]
    DiscoveryPort,
    /// The text is a node record that does not verify.
    #[error("invalid node record: {0}")]
    Record(#[from] EnrError),
}

/// A node as an enode URL describes it. Without an endpoint it is incomplete: it can be looked up,
/// not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enode {
    /// Public key of the node.
    pub public_key: PublicKey,
    /// Endpoint on which the node listens, if known.
    pub endpoint: Option<EnodeEndpoint>,
}

/// Endpoint on which a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnodeEndpoint {
    /// IP address; an IPv4 address is never written as an IPv6 one.
    pub address: IpAddr,
    /// TCP port of RLPx.
    pub tcp: u16,
    /// UDP port of discovery.
    pub udp: u16,
}

impl EnodeEndpoint {
    /// Creates an endpoint; an IPv4 address that is mapped into IPv6 is unmapped.
    pub fn new(address: IpAddr, tcp: u16, udp: u16) -> Self {
        Self {
            address: address.to_canonical(),
            tcp,
            udp,
        }
    }

    /// Returns the address for discovery packets.
    pub fn udp_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.udp)
    }

    /// Returns the address for connections.
    pub fn tcp_address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.tcp)
    }
}

impl Enode {
    /// Returns the node's id.
    pub fn id(&self) -> PeerId {
        PeerId::of(&self.public_key)
    }
}

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(url: &str) -> Result<Self, EnodeError> {
        let url: NodeUrl = url.parse()?;
        match url.host_name() {
            Some(_) => Err(EnodeError::HostName),
            None => Ok(url.enode()),
        }
    }
}

impl fmt::Display for Enode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("enode://")?;
        for byte in self.public_key.to_uncompressed() {
            write!(formatter, "{byte:02x}")?;
        }
        let Some(endpoint) = self.endpoint else {
            return Ok(());
        };
        write!(formatter, "@{}", endpoint.tcp_address())?;
        if endpoint.udp != endpoint.tcp {
            write!(formatter, "?discport={}", endpoint.udp)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::SecretKey;
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> PublicKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap().public_key()
    }

    fn digits(byte: u8) -> String {
        Enode {
            public_key: key(byte),
            endpoint: None,
        }
        .to_string()["enode://".len()..]
            .to_owned()
    }

    #[test]
    fn complete_and_incomplete_urls_parse() {
        let digits = digits(1);
        let incomplete = Enode {
            public_key: key(1),
            endpoint: None,
        };
        assert_eq!(digits.parse(), Ok(incomplete));
        assert_eq!(format!("enode://{digits}").parse(), Ok(incomplete));
        assert_eq!(
            format!("ENODE://{}", digits.to_uppercase()).parse(),
            Ok(incomplete)
        );

        let node: Enode = format!("enode://{digits}@127.0.0.1:30303").parse().unwrap();
        let address = "127.0.0.1".parse().unwrap();
        assert_eq!(
            node.endpoint,
            Some(EnodeEndpoint {
                address,
                tcp: 30303,
                udp: 30303
            })
        );

        let node: Enode = format!("enode://{digits}@[2001:db8::1]:1?discport=2")
            .parse()
            .unwrap();
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(
            node.endpoint,
            Some(EnodeEndpoint {
                address,
                tcp: 1,
                udp: 2
            })
        );

        let node: Enode = format!("enode://{digits}@[::ffff:1.2.3.4]:1")
            .parse()
            .unwrap();
        assert_eq!(
            node.endpoint.unwrap().address,
            "1.2.3.4".parse::<IpAddr>().unwrap()
        );
        let unset: Enode = format!("enode://{digits}@1.2.3.4:7?discport=")
            .parse()
            .unwrap();
        assert_eq!(unset.endpoint.unwrap().udp, 7);
    }

    #[test]
    fn wrong_urls_are_refused_with_the_reason() {
        let good = digits(1);
        let off_curve = format!("{}{}", &good[..126], "00");
        let cases = [
            (format!("http://{good}@127.0.0.1:1"), EnodeError::Scheme),
            ("://foo".to_owned(), EnodeError::Scheme),
            (String::new(), EnodeError::Scheme),
            ("enode://01010101".to_owned(), EnodeError::NodeIdLength),
            ("01010101".to_owned(), EnodeError::NodeIdLength),
            (
                "enode://01010101@123.124.125.126:3".to_owned(),
                EnodeError::NodeIdLength,
            ),
            (
                format!("enode://{}@1.2.3.4:3", "zz".repeat(64)),
                EnodeError::NodeIdDigit,
            ),
            (
                format!("enode://{off_curve}@1.2.3.4:3"),
                EnodeError::NodeIdPoint,
            ),
            (
                "enode://127.0.0.1:30303".to_owned(),
                EnodeError::MissingNodeId,
            ),
            (format!("enode://{good}@hostname:3"), EnodeError::HostName),
            (format!("enode://{good}@127.0.0.1"), EnodeError::MissingPort),
            (format!("enode://{good}@[::1"), EnodeError::MissingPort),
            (format!("enode://{good}@::1:1"), EnodeError::Address),
            (format!("enode://{good}@127.0.0.1:foo"), EnodeError::Port),
            (format!("enode://{good}@127.0.0.1:65536"), EnodeError::Port),
            (format!("enode://{good}@127.0.0.1:+1"), EnodeError::Port),
            (
                format!("enode://{good}@127.0.0.1:3?discport=foo"),
                EnodeError::DiscoveryPort,
            ),
            ("f".repeat(700), EnodeError::TooLong),
        ];
        for (url, error) in cases {
            assert_eq!(url.parse::<Enode>(), Err(error), "{url}");
        }
    }

    proptest! {
        #[test]
        fn urls_round_trip(
            byte in 1u8..255, address in any::<IpAddr>(), tcp: u16, udp: u16, complete: bool,
        ) {
            let endpoint = complete.then(|| EnodeEndpoint::new(address, tcp, udp));
            let node = Enode { public_key: key(byte), endpoint };
            prop_assert_eq!(node.to_string().parse(), Ok(node));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<Enode>();
            let _ = format!("enode://{text}").parse::<Enode>();
        }
    }
}
