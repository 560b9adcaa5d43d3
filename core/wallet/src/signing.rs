//! What is signed in place of a message.

use actoreum_primitives::{Address, B256, Signature, U256, keccak256};
use alloy_dyn_abi::TypedData;

use crate::KeyError;

/// The hash of a personal message (EIP-191, version 0x45), as `personal_sign` and `eth_sign` sign
/// it: it can be no transaction.
pub fn personal_message_hash(message: &[u8]) -> B256 {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak256([prefix.as_bytes(), message].concat())
}

/// The signature of `hash` by `signer` with this r and s; `None` where it is somebody else's.
pub fn signature_by(signer: Address, hash: B256, r: U256, s: U256) -> Option<Signature> {
    let candidates = [false, true].map(|y_parity| Signature { y_parity, r, s });
    let is_theirs =
        |signature: &Signature| signature.recover_address(hash).is_ok_and(|by| by == signer);
    candidates.into_iter().find(is_theirs)
}

/// Typed data (EIP-712), as far as it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypedDataHashes {
    /// The domain separator.
    pub domain: B256,
    /// `hashStruct(message)`; `None` where the domain is all there is.
    pub message: Option<B256>,
}

impl TypedDataHashes {
    /// Hashes typed data, given as the JSON that `eth_signTypedData_v4` takes.
    ///
    /// # Errors
    /// Where it breaks a rule of the EIP.
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let wrong = |error: String| KeyError::TypedData(error);
        let data: TypedData =
            serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
        let message = match data.primary_type.as_str() {
            "EIP712Domain" => None,
            _ => Some(
                data.hash_struct()
                    .map_err(|error| wrong(error.to_string()))?,
            ),
        };
        Ok(Self {
            domain: data.domain.separator(),
            message,
        })
    }

    /// The hash that is signed.
    pub fn signing_hash(&self) -> B256 {
        let message = self.message.as_ref().map_or(&[][..], B256::as_slice);
        keccak256([b"\x19\x01", self.domain.as_slice(), message].concat())
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{SecretKey, b256};

    use super::*;

    #[test]
    fn vectors_personal_message() {
        // From the documentation of web3.eth.accounts.hashMessage.
        assert_eq!(
            personal_message_hash(b"Hello World"),
            b256!("a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2")
        );
    }

    #[test]
    fn vectors_typed_data_of_the_eip() {
        let json = include_str!("../tests/data/eip712-mail.json");
        let hash = TypedDataHashes::from_json(json).unwrap().signing_hash();
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
    fn broken_typed_data_is_refused() {
        for json in [
            "",
            "{}",
            r#"{"types":{"A":[{"name":"a","type":"A"}]},"primaryType":"A","domain":{},"message":{}}"#,
            r#"{"types":{"A":[{"name":"a","type":"uint7"}]},"primaryType":"A","domain":{},"message":{"a":1}}"#,
            r#"{"types":{},"primaryType":"B","domain":{},"message":{}}"#,
        ] {
            assert!(
                matches!(
                    TypedDataHashes::from_json(json),
                    Err(KeyError::TypedData(_))
                ),
                "{json}"
            );
        }
    }
}
