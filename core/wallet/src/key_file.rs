//! One key file: keystore version 3, as geth writes it.

use actoreum_primitives::{Address, SecretKey, keccak256};
use aes::Aes128;
use ctr::cipher::{KeyIvInit, StreamCipher};
use eth_keystore::{CipherparamsJson, CryptoJson, EthKeystore, KdfType, KdfparamsType};
use rand::Rng;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    KeyError, Password, ScryptCost,
    kdf::{self, DerivedKey, shown},
    limits::MAX_KEY_FILE_BYTES,
};

const CIPHER: &str = "aes-128-ctr";
const VERSION: u8 = 3;
const IV_BYTES: usize = 16;
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

/// A key file that was read, or is to be written. The key in it is encrypted.
#[derive(Debug)]
pub struct KeyFile {
    /// Whose key it is, where the file says so.
    pub address: Option<Address>,
    content: EthKeystore,
}

impl KeyFile {
    /// Reads a key file. Nothing is decrypted.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() as u64 > MAX_KEY_FILE_BYTES {
            return Err(KeyError::Limit("it is too large"));
        }
        let fields: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| KeyError::Format(error.to_string()))?;
        // Some wallets write `Crypto`; geth takes any case.
        let mut fields: Map<String, Value> = fields
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let address = match fields.remove("address") {
            Some(Value::String(text)) => parse_address(&text)?,
            _ => None,
        };
        check_version(fields.get("version"))?;
        let word = |name| fields.get("crypto")?.get(name)?.as_str();
        if let Some(cipher) = word("cipher").filter(|cipher| *cipher != CIPHER) {
            return Err(KeyError::Cipher(shown(cipher)));
        }
        if let Some(kdf) = word("kdf").filter(|kdf| !matches!(*kdf, "scrypt" | "pbkdf2")) {
            return Err(KeyError::Kdf(shown(kdf)));
        }
        let content: EthKeystore = serde_json::from_value(Value::Object(fields))
            .map_err(|error| KeyError::Format(error.to_string()))?;
        let crypto = &content.crypto;
        let is_kdf_right = match crypto.kdfparams {
            KdfparamsType::Pbkdf2 { .. } => crypto.kdf == KdfType::Pbkdf2,
            KdfparamsType::Scrypt { .. } => crypto.kdf == KdfType::Scrypt,
        };
        if !is_kdf_right {
            return Err(KeyError::Format("kdf and kdfparams do not match".into()));
        }
        if crypto.cipherparams.iv.len() != IV_BYTES {
            return Err(KeyError::Format("the iv must have 16 bytes".into()));
        }
        if crypto.ciphertext.is_empty() || crypto.ciphertext.len() > KEY_BYTES {
            return Err(KeyError::Format("the key must have 32 bytes".into()));
        }
        Ok(Self { address, content })
    }

    /// Encrypts a key.
    pub fn encrypt(
        key: &SecretKey,
        password: &Password,
        cost: ScryptCost,
    ) -> Result<Self, KeyError> {
        let mut salt = vec![0; SALT_BYTES];
        let mut iv = vec![0; IV_BYTES];
        rand::rng().fill(salt.as_mut_slice());
        rand::rng().fill(iv.as_mut_slice());
        let kdfparams = cost.params(salt);
        let derived = kdf::derive(&kdfparams, password)?;
        let mut ciphertext = key.to_bytes().to_vec();
        apply_cipher(&derived, &iv, &mut ciphertext)?;
        let mac = checksum(&derived, &ciphertext);
        let crypto = CryptoJson {
            cipher: CIPHER.to_owned(),
            cipherparams: CipherparamsJson { iv },
            ciphertext,
            kdf: KdfType::Scrypt,
            kdfparams,
            mac,
        };
        Ok(Self {
            address: Some(key.address()),
            content: EthKeystore {
                crypto,
                id: Uuid::new_v4(),
                version: VERSION,
            },
        })
    }

    /// The key. Takes as long as the file's key derivation.
    pub fn decrypt(&self, password: &Password) -> Result<SecretKey, KeyError> {
        let crypto = &self.content.crypto;
        let derived = kdf::derive(&crypto.kdfparams, password)?;
        if checksum(&derived, &crypto.ciphertext) != crypto.mac {
            return Err(KeyError::WrongPassword);
        }
        let mut plain = Zeroizing::new(crypto.ciphertext.clone());
        apply_cipher(&derived, &crypto.cipherparams.iv, &mut plain)?;
        // Old files hold keys without their leading zeros.
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let start = KEY_BYTES
            .checked_sub(plain.len())
            .ok_or(KeyError::InvalidKey)?;
        bytes[start..].copy_from_slice(&plain);
        let key = SecretKey::from_bytes(&bytes).map_err(|_| KeyError::InvalidKey)?;
        let have = key.address();
        match self.address {
            Some(want) if want != have => Err(KeyError::WrongAddress { have, want }),
            _ => Ok(key),
        }
    }

    /// The file's content.
    pub fn to_json(&self) -> Result<Vec<u8>, KeyError> {
        let malformed = |error: serde_json::Error| KeyError::Format(error.to_string());
        let mut value = serde_json::to_value(&self.content).map_err(malformed)?;
        if let (Some(address), Some(fields)) = (self.address, value.as_object_mut()) {
            fields.insert("address".into(), Value::String(hex::encode(address)));
        }
        serde_json::to_vec(&value).map_err(malformed)
    }
}

/// With or without 0x; `None` where it is empty.
fn parse_address(text: &str) -> Result<Option<Address>, KeyError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() {
        return Ok(None);
    }
    let mut address = Address::ZERO;
    hex::decode_to_slice(digits, address.as_mut_slice())
        .map_err(|error| KeyError::Format(format!("address: {error}")))?;
    Ok(Some(address))
}

fn check_version(version: Option<&Value>) -> Result<(), KeyError> {
    match version {
        Some(Value::Number(number)) if number.as_u64() == Some(u64::from(VERSION)) => Ok(()),
        Some(Value::Number(other)) => Err(KeyError::Version(shown(&other.to_string()))),
        Some(Value::String(other)) => Err(KeyError::Version(shown(other))),
        _ => Err(KeyError::Version("none".into())),
    }
}

fn apply_cipher(derived: &DerivedKey, iv: &[u8], data: &mut [u8]) -> Result<(), KeyError> {
    let mut cipher = ctr::Ctr128BE::<Aes128>::new_from_slices(&derived[..16], iv)
        .map_err(|_| KeyError::Format("the iv must have 16 bytes".into()))?;
    cipher.apply_keystream(data);
    Ok(())
}

fn checksum(derived: &DerivedKey, ciphertext: &[u8]) -> Vec<u8> {
    let mut input = Zeroizing::new(Vec::with_capacity(16 + ciphertext.len()));
    input.extend_from_slice(&derived[16..]);
    input.extend_from_slice(ciphertext);
    keccak256(input.as_slice()).to_vec()
}
