//! Typed data (EIP-712): its hashes, and the parts that a device requests in order to hash them
//! itself.

mod bounds;

use actoreum_primitives::{B256, keccak256};
use alloy_dyn_abi::{DynSolType, DynSolValue, TypedData as Data};
use serde_json::Value;

use crate::KeyError;

/// The name of the domain's type.
const DOMAIN: &str = "EIP712Domain";

/// Valid typed data (EIP-712).
#[derive(Debug, Clone, PartialEq)]
pub struct TypedData {
    data: Box<Data>,
    domain: Struct,
    /// The message; `None` if the typed data is a domain only.
    message: Option<Struct>,
}

/// A struct with its hash.
#[derive(Debug, Clone, PartialEq)]
struct Struct {
    hash: B256,
    value: DynSolValue,
}

impl TypedData {
    /// Parses the JSON of `eth_signTypedData_v4`. The time and memory that its types take are
    /// limited first.
    ///
    /// # Errors
    /// If it violates the EIP, or exceeds [`limits`](crate::limits).
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        Self::read(json).map_err(KeyError::TypedData)
    }

    fn read(json: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if !json.is_object() {
            return Err("it is no JSON object".to_owned());
        }
        bounds::check(&json)?;
        let data: Box<Data> = serde_json::from_value(json).map_err(|error| error.to_string())?;
        let message = match data.primary_type.as_str() {
            DOMAIN => None,
            _ => Some(Struct {
                hash: data.hash_struct().map_err(|error| error.to_string())?,
                value: data.coerce().map_err(|error| error.to_string())?,
            }),
        };
        let (_, prop_names, tuple) = domain_members(&data);
        let domain = Struct {
            hash: data.domain.separator(),
            value: DynSolValue::CustomStruct {
                name: DOMAIN.to_owned(),
                prop_names,
                tuple,
            },
        };
        Ok(Self {
            data,
            domain,
            message,
        })
    }

    /// Returns the domain separator.
    pub fn domain_hash(&self) -> B256 {
        self.domain.hash
    }

    /// Returns `hashStruct(message)`; `None` if the typed data is a domain only.
    pub fn message_hash(&self) -> Option<B256> {
        self.message.as_ref().map(|message| message.hash)
    }

    /// Returns the hash to be signed.
    pub fn signing_hash(&self) -> B256 {
        let message = self.message_hash();
        let message = message.as_ref().map_or(&[][..], B256::as_slice);
        keccak256([b"\x19\x01", self.domain.hash.as_slice(), message].concat())
    }

    /// Returns the name of the message's type.
    pub(crate) fn primary_type(&self) -> &str {
        &self.data.primary_type
    }

    /// Returns the members of the struct with this name: their names and types. `None` if there is
    /// no such struct. For the domain, returns the members that are present.
    pub(crate) fn members(&self, name: &str) -> Option<Vec<(String, DynSolType)>> {
        if name == DOMAIN {
            let (types, names, _) = domain_members(&self.data);
            return Some(names.into_iter().zip(types).collect());
        }
        match self.data.resolver.resolve(name) {
            Ok(DynSolType::CustomStruct {
                prop_names, tuple, ..
            }) => Some(prop_names.into_iter().zip(tuple).collect()),
            _ => None,
        }
    }

    /// Returns the value at a path: first 0 for the domain or 1 for the message, then indices in
    /// structs and arrays. `None` if the path does not exist.
    pub(crate) fn value_at(&self, path: &[u32]) -> Option<&DynSolValue> {
        let (root, rest) = path.split_first()?;
        let root = match root {
            0 => &self.domain,
            1 => self.message.as_ref()?,
            _ => return None,
        };
        rest.iter().try_fold(&root.value, |value, at| {
            let at = usize::try_from(*at).ok()?;
            match value {
                DynSolValue::CustomStruct { tuple: inner, .. }
                | DynSolValue::Array(inner)
                | DynSolValue::FixedArray(inner) => inner.get(at),
                _ => None,
            }
        })
    }
}

/// Returns the domain's members that are present, in the order of the EIP: types, names, values.
fn domain_members(data: &Data) -> (Vec<DynSolType>, Vec<String>, Vec<DynSolValue>) {
    let domain = &data.domain;
    let text = |text: &Option<_>| {
        let text: &Option<std::borrow::Cow<'static, str>> = text;
        text.as_ref()
            .map(|text| (DynSolType::String, DynSolValue::String(text.to_string())))
    };
    let number = |number| (DynSolType::Uint(256), DynSolValue::Uint(number, 256));
    let address = |address| (DynSolType::Address, DynSolValue::Address(address));
    let salt = |salt| {
        (
            DynSolType::FixedBytes(32),
            DynSolValue::FixedBytes(salt, 32),
        )
    };
    let members = [
        ("name", text(&domain.name)),
        ("version", text(&domain.version)),
        ("chainId", domain.chain_id.map(number)),
        ("verifyingContract", domain.verifying_contract.map(address)),
        ("salt", domain.salt.map(salt)),
    ];
    let (mut types, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (name, member) in members {
        let Some((of_type, value)) = member else {
            continue;
        };
        types.push(of_type);
        names.push(name.to_owned());
        values.push(value);
    }
    (types, names, values)
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{SecretKey, b256};

    use super::*;

    #[test]
    fn vectors_typed_data_of_the_eip() {
        let json = include_str!("../../tests/data/eip712-mail.json");
        let hash = TypedData::from_json(json).unwrap().signing_hash();
        assert_eq!(
            hash,
            b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
        );
        // The EIP's signer: the private key is keccak256("cow").
        let key = SecretKey::from_bytes(&keccak256(b"cow").0).unwrap();
        let signature = key.sign(hash);
        assert_eq!(
            B256::from(signature.r.to_be_bytes::<32>()),
            b256!("4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d")
        );
    }

    #[test]
    fn values_are_found_by_path() {
        let json = include_str!("../../tests/data/eip712-mail.json");
        let data = TypedData::from_json(json).unwrap();
        let text = |text: &str| DynSolValue::String(text.to_owned());
        assert_eq!(data.value_at(&[0, 1]), Some(&text("1")));
        assert_eq!(data.value_at(&[1, 1, 0]), Some(&text("Bob")));
        assert_eq!(data.value_at(&[1, 2]), Some(&text("Hello, Bob!")));
        for nowhere in [&[][..], &[2], &[1, 3], &[1, 2, 0], &[0, u32::MAX]] {
            assert_eq!(data.value_at(nowhere), None, "{nowhere:?}");
        }
        assert_eq!(data.members("Person").map(|all| all.len()), Some(2));
        assert_eq!(data.members("EIP712Domain").map(|all| all.len()), Some(4));
        assert_eq!(data.members("Person[]"), None);
        assert_eq!(data.members("string"), None);
    }

    #[test]
    fn malformed_typed_data_is_refused() {
        for json in [
            "",
            "{}",
            r#"{"types":{"A":[{"name":"a","type":"A"}]},"primaryType":"A","domain":{},"message":{}}"#,
            r#"{"types":{"A":[{"name":"a","type":"uint7"}]},"primaryType":"A","domain":{},"message":{"a":1}}"#,
            r#"{"types":{},"primaryType":"B","domain":{},"message":{}}"#,
        ] {
            assert!(
                matches!(TypedData::from_json(json), Err(KeyError::TypedData(_))),
                "{json}"
            );
        }
    }
}
