//! Ethereum node records (EIP-778), identity scheme "v4".
//!
//! A record is the RLP list `[signature, seq, k, v, k, v, ...]`, keys in strict order, at
//! most 300 bytes. The signature (r and s, 64 bytes) is over the Keccak-256 hash of the list
//! without it. The text form is `enr:` and the unpadded URL-safe base64 of the list.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use actoreum_primitives::rlp::{self, Decode, DecodeError, Encode};
use actoreum_primitives::{B256, PeerId, PublicKey, SecretKey, Signature, U256, keccak256};
use base64ct::{Base64UrlUnpadded, Encoding};

use super::{Enode, EnodeEndpoint};
use crate::limits::MAX_ENR_SIZE;
use crate::rlp::{next_fixed, next_str, put_list};

/// Reason why a record was refused. A record that does not verify says nothing about a node: drop
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrError {
    /// The record is larger than [`MAX_ENR_SIZE`].
    #[error("record bigger than 300 bytes")]
    TooLarge,
    /// The encoding is invalid.
    #[error("invalid record: {0}")]
    Rlp(#[from] DecodeError),
    /// Keys are not in strict order, or one is repeated.
    #[error("record key/value pairs are not sorted by key")]
    NotSorted,
    /// The scheme is not "v4".
    #[error("unknown identity scheme")]
    UnknownScheme,
    /// The record has no valid `secp256k1` key.
    #[error("record has no valid public key")]
    InvalidKey,
    /// The signature is not by the record's key.
    #[error("invalid signature on record")]
    InvalidSignature,
    /// The text is not `enr:` and base64.
    #[error("invalid text form")]
    InvalidText,
}

/// A record whose signature was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Enr {
    seq: u64,
    public_key: PublicKey,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    encoded: Vec<u8>,
}

impl Enr {
    /// Decodes and verifies a record that takes all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnrError> {
        if bytes.len() > MAX_ENR_SIZE {
            return Err(EnrError::TooLarge);
        }
        let mut list = rlp::List::open_exact(bytes)?;
        let signature: [u8; 64] = next_fixed(&mut list)?;
        let signed = list.remaining();
        let seq = list.next()?;
        let mut pairs = BTreeMap::new();
        let mut last_key: Option<&[u8]> = None;
        while !list.is_empty() {
            let key = next_str(&mut list)?;
            if last_key.is_some_and(|last_key| last_key >= key) {
                return Err(EnrError::NotSorted);
            }
            last_key = Some(key);
            pairs.insert(key.to_vec(), list.next_raw()?.to_vec());
        }
        let public_key = verify(&pairs, signed, &signature)?;
        Ok(Self {
            seq,
            public_key,
            pairs,
            encoded: bytes.to_vec(),
        })
    }

    /// Returns the record's RLP.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Returns the sequence number: of a node's records, a higher number replaces a lower one.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the node's public key.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Returns the node's id.
    pub fn node_id(&self) -> PeerId {
        PeerId::of(&self.public_key)
    }

    /// Returns the RLP of a key's value.
    pub fn raw(&self, key: &str) -> Option<&[u8]> {
        self.pairs.get(key.as_bytes()).map(Vec::as_slice)
    }

    /// Returns a key's value, if it exists and decodes.
    pub fn get<T: Decode>(&self, key: &str) -> Option<T> {
        rlp::decode_exact(self.raw(key)?).ok()
    }

    fn address<const N: usize>(&self, key: &str) -> Option<[u8; N]> {
        let mut value = self.raw(key)?;
        rlp::decode_str(&mut value).ok()?.try_into().ok()
    }

    /// Returns the IPv4 address.
    pub fn ip4(&self) -> Option<Ipv4Addr> {
        self.address::<4>("ip").map(Ipv4Addr::from)
    }

    /// Returns the IPv6 address.
    pub fn ip6(&self) -> Option<Ipv6Addr> {
        self.address::<16>("ip6").map(Ipv6Addr::from)
    }

    /// Returns the endpoint on which the node listens: IPv4 before IPv6. Ports are 0 if the record
    /// has none.
    pub fn endpoint(&self) -> Option<EnodeEndpoint> {
        let port = |key: &str| self.get::<u16>(key);
        if let Some(address) = self.ip4() {
            let (tcp, udp) = (port("tcp").unwrap_or(0), port("udp").unwrap_or(0));
            return Some(EnodeEndpoint::new(IpAddr::V4(address), tcp, udp));
        }
        let address = self.ip6()?;
        let tcp = port("tcp6").or_else(|| port("tcp")).unwrap_or(0);
        let udp = port("udp6").or_else(|| port("udp")).unwrap_or(0);
        Some(EnodeEndpoint::new(IpAddr::V6(address), tcp, udp))
    }

    /// Returns the node as an enode URL describes it.
    pub fn enode(&self) -> Enode {
        Enode {
            public_key: self.public_key,
            endpoint: self.endpoint(),
        }
    }

    /// Returns the keys and the RLP of their values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

fn verify(
    pairs: &BTreeMap<Vec<u8>, Vec<u8>>,
    signed: &[u8],
    signature: &[u8; 64],
) -> Result<PublicKey, EnrError> {
    let string = |key: &str| {
        let mut value = pairs.get(key.as_bytes())?.as_slice();
        rlp::decode_str(&mut value).ok()
    };
    if string("id") != Some(b"v4") {
        return Err(EnrError::UnknownScheme);
    }
    let public_key = string("secp256k1")
        .filter(|key| key.len() == 33)
        .and_then(|key| PublicKey::from_sec1(key).ok())
        .ok_or(EnrError::InvalidKey)?;
    if is_signed_by(&public_key, signed_hash(signed), signature) {
        Ok(public_key)
    } else {
        Err(EnrError::InvalidSignature)
    }
}

/// Returns the hash of a list with this content.
fn signed_hash(content: &[u8]) -> B256 {
    let mut list = Vec::with_capacity(content.len() + 3);
    put_list(&mut list, |out| out.extend_from_slice(content));
    keccak256(list)
}

/// Verifies a signature. A record's signature has no recovery id: either of the two may give the
/// key.
pub(crate) fn is_signed_by(key: &PublicKey, hash: B256, words: &[u8; 64]) -> bool {
    let (r, s) = words.split_at(32);
    let (r, s) = (U256::from_be_slice(r), U256::from_be_slice(s));
    [false, true].into_iter().any(|y_parity| {
        let signature = Signature { y_parity, r, s };
        !signature.has_high_s() && signature.recover(hash) == Ok(*key)
    })
}

impl FromStr for Enr {
    type Err = EnrError;

    fn from_str(text: &str) -> Result<Self, EnrError> {
        let encoded = text.strip_prefix("enr:").ok_or(EnrError::InvalidText)?;
        if encoded.len() > MAX_ENR_SIZE.div_ceil(3) * 4 {
            return Err(EnrError::TooLarge);
        }
        let bytes = Base64UrlUnpadded::decode_vec(encoded).map_err(|_| EnrError::InvalidText)?;
        Self::decode(&bytes)
    }
}

impl fmt::Display for Enr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "enr:{}",
            Base64UrlUnpadded::encode_string(&self.encoded)
        )
    }
}

impl fmt::Debug for Enr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Enr({:?}, seq {})", self.node_id(), self.seq)
    }
}

/// Builder of a record.
#[derive(Debug, Clone, Default)]
pub struct EnrBuilder {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl EnrBuilder {
    /// Creates an empty record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key to a value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &impl Encode) -> Self {
        self.pairs
            .insert(key.as_bytes().to_vec(), rlp::encode(value));
        self
    }

    /// Sets a key to a byte string.
    #[must_use]
    pub fn with_bytes(mut self, key: &str, value: &[u8]) -> Self {
        let mut encoded = Vec::new();
        rlp::encode_str(value, &mut encoded);
        self.pairs.insert(key.as_bytes().to_vec(), encoded);
        self
    }

    /// Sets a key to an item that is already RLP-encoded.
    #[must_use]
    pub fn with_encoded(mut self, key: &str, item: &[u8]) -> Self {
        self.pairs.insert(key.as_bytes().to_vec(), item.to_vec());
        self
    }

    /// Sets the address and the ports; a port of 0 is left out.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: &EnodeEndpoint) -> Self {
        let suffix = if endpoint.address.is_ipv6() { "6" } else { "" };
        self = match endpoint.address {
            IpAddr::V4(address) => self.with_bytes("ip", &address.octets()),
            IpAddr::V6(address) => self.with_bytes("ip6", &address.octets()),
        };
        for (key, port) in [("tcp", endpoint.tcp), ("udp", endpoint.udp)] {
            if port != 0 {
                self = self.with(&format!("{key}{suffix}"), &port);
            }
        }
        self
    }

    /// Signs the record with a node's key.
    pub fn sign(mut self, seq: u64, key: &SecretKey) -> Result<Enr, EnrError> {
        let public_key = key.public_key();
        self = self
            .with_bytes("id", b"v4")
            .with_bytes("secp256k1", &public_key.to_compressed());
        let mut content = Vec::with_capacity(MAX_ENR_SIZE);
        seq.encode(&mut content);
        for (name, value) in &self.pairs {
            rlp::encode_str(name, &mut content);
            content.extend_from_slice(value);
        }
        let signature = key.sign(signed_hash(&content)).to_bytes();
        let mut encoded = Vec::with_capacity(MAX_ENR_SIZE);
        put_list(&mut encoded, |out| {
            rlp::encode_str(signature.split_last().map_or(&[], |(_, words)| words), out);
            out.extend_from_slice(&content);
        });
        if encoded.len() > MAX_ENR_SIZE {
            return Err(EnrError::TooLarge);
        }
        Ok(Enr {
            seq,
            public_key,
            pairs: self.pairs,
            encoded,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{fixture, unhex};

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_published_record_verifies_and_is_reproduced() {
        let Some(vectors) = fixture("devp2p/vectors.json") else {
            return;
        };
        let vector = &vectors["enr_eip778"];
        let text = vector["text"].as_str().unwrap();
        let record: Enr = text.parse().unwrap();
        assert_eq!(record.to_string(), text);
        assert_eq!(record.node_id().0.to_vec(), unhex(&vector["node_id"]));
        assert_eq!(record.seq(), vector["seq"].as_u64().unwrap());
        let endpoint = record.endpoint().unwrap();
        let pairs = &vector["pairs"];
        assert_eq!(record.ip4().unwrap().octets().to_vec(), unhex(&pairs["ip"]));
        assert_eq!(u64::from(endpoint.udp), pairs["udp"].as_u64().unwrap());
        assert_eq!(
            record.public_key().to_compressed().to_vec(),
            unhex(&pairs["secp256k1"])
        );
        assert_eq!(record.pairs().count(), pairs.as_object().unwrap().len());

        let secret = unhex(&vector["private_key"]).try_into().unwrap();
        let made = EnrBuilder::new()
            .with_endpoint(&EnodeEndpoint { tcp: 0, ..endpoint })
            .sign(record.seq(), &SecretKey::from_bytes(&secret).unwrap())
            .unwrap();
        assert_eq!(made, record);
    }

    #[test]
    fn records_above_the_size_limit_are_refused() {
        let padded = |length: usize| {
            EnrBuilder::new()
                .with_bytes("x", &vec![1; length])
                .sign(1, &key(1))
        };
        let largest = (0..300)
            .rev()
            .find_map(|length| padded(length).ok())
            .unwrap();
        assert_eq!(largest.encoded().len(), MAX_ENR_SIZE);
        assert_eq!(Enr::decode(largest.encoded()), Ok(largest.clone()));
        assert_eq!(largest.to_string().parse(), Ok(largest));
        assert_eq!(padded(300), Err(EnrError::TooLarge));
        assert_eq!(Enr::decode(&[0xc0; 301]), Err(EnrError::TooLarge));
        assert_eq!(
            format!("enr:{}", "A".repeat(10_000)).parse::<Enr>(),
            Err(EnrError::TooLarge)
        );
    }

    #[test]
    fn unsorted_and_repeated_keys_are_refused() {
        for names in [[b"b", b"a"], [b"a", b"a"]] {
            let mut record = Vec::new();
            put_list(&mut record, |out| {
                rlp::encode_str(&[1; 64], out);
                1u64.encode(out);
                for name in names {
                    rlp::encode_str(name, out);
                    rlp::encode_str(b"v", out);
                }
            });
            assert_eq!(Enr::decode(&record), Err(EnrError::NotSorted));
        }
    }

    #[test]
    fn records_of_other_schemes_or_keys_are_refused() {
        let mut record = Vec::new();
        put_list(&mut record, |out| {
            rlp::encode_str(&[1; 64], out);
            1u64.encode(out);
        });
        assert_eq!(Enr::decode(&record), Err(EnrError::UnknownScheme));
        let mut record = Vec::new();
        put_list(&mut record, |out| {
            rlp::encode_str(&[1; 64], out);
            1u64.encode(out);
            rlp::encode_str(b"id", out);
            rlp::encode_str(b"v4", out);
            rlp::encode_str(b"secp256k1", out);
            rlp::encode_str(&[2; 32], out);
        });
        assert_eq!(Enr::decode(&record), Err(EnrError::InvalidKey));
    }

    #[test]
    fn invalid_text_forms_are_refused() {
        for text in ["", "enr:", "enr:*", "ENR:AAAA", "enr:AAAA=", "enode://"] {
            assert!(text.parse::<Enr>().is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn records_round_trip_and_any_changed_bit_is_seen(
            secret in 1u8..255, seq: u64, address in any::<IpAddr>(), tcp: u16, udp: u16,
            value in proptest::collection::vec(any::<u8>(), 0..60),
            flip in any::<prop::sample::Index>(),
        ) {
            let endpoint = EnodeEndpoint { address, tcp, udp };
            let record = EnrBuilder::new()
                .with_endpoint(&endpoint)
                .with_bytes("eth", &value)
                .sign(seq, &key(secret))
                .unwrap();
            prop_assert_eq!(Enr::decode(record.encoded()).unwrap(), record.clone());
            prop_assert_eq!(record.to_string().parse::<Enr>().unwrap(), record.clone());
            prop_assert_eq!(record.endpoint().map(|end| (end.tcp, end.udp)), Some((tcp, udp)));
            let mut changed = record.encoded().to_vec();
            let bit = flip.index(changed.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Enr::decode(&changed).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..301)) {
            prop_assert!(Enr::decode(&bytes).is_err());
        }
    }
}
