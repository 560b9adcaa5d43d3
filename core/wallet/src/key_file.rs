//! One key file: keystore version 3, as geth writes it, or version 1, as it wrote in 2015.

use actoreum_primitives::{Address, SecretKey, keccak256};
use eth_keystore::{CipherparamsJson, CryptoJson, EthKeystore, KdfType, KdfparamsType};
use rand::Rng;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    KeyError, Password, ScryptCost,
    cipher::{BLOCK_BYTES, apply_ctr, decrypt_cbc},
    kdf::{self, DerivedKey, shown},
    limits::MAX_KEY_FILE_BYTES,
};

const VERSION: u8 = 3;
const CIPHER: &str = "aes-128-ctr";
/// Read, and never written.
const OLD_VERSION: u8 = 1;
const OLD_CIPHER: &str = "aes-128-cbc";
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// A key with its padding, in the old cipher.
const PADDED_KEY_BYTES: usize = KEY_BYTES + BLOCK_BYTES;

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
        let mut fields = fields_of(json)?;
        let address = take_address(&mut fields)?;
        let version = version_of(fields.get("version"))?;
        let is_old = version == OLD_VERSION;
        let word = |name| fields.get("crypto")?.get(name)?.as_str();
        let known = if is_old { OLD_CIPHER } else { CIPHER };
        if let Some(cipher) = word("cipher").filter(|cipher| *cipher != known) {
            return Err(KeyError::Cipher(shown(cipher)));
        }
        if let Some(kdf) = word("kdf").filter(|kdf| !matches!(*kdf, "scrypt" | "pbkdf2")) {
            return Err(KeyError::Kdf(shown(kdf)));
        }
        fields.insert("version".into(), version.into());
        // Nothing depends on the id; geth does not miss it either.
        let id = fields.get("id").and_then(Value::as_str);
        if id.is_none_or(|id| Uuid::parse_str(id).is_err()) {
            fields.insert("id".into(), Uuid::nil().to_string().into());
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
        if crypto.cipherparams.iv.len() != BLOCK_BYTES {
            return Err(KeyError::Format("the iv must have 16 bytes".into()));
        }
        let most = if is_old { PADDED_KEY_BYTES } else { KEY_BYTES };
        if crypto.ciphertext.is_empty() || crypto.ciphertext.len() > most {
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
        let mut iv = vec![0; BLOCK_BYTES];
        rand::rng().fill(salt.as_mut_slice());
        rand::rng().fill(iv.as_mut_slice());
        let kdfparams = cost.params(salt);
        let derived = kdf::derive(&kdfparams, password)?;
        let mut ciphertext = key.to_bytes().to_vec();
        apply_ctr(&derived[..BLOCK_BYTES], &iv, &mut ciphertext)?;
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
        let plain = self.plain(&derived)?;
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

    /// What is encrypted with a derived key.
    fn plain(&self, derived: &DerivedKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let crypto = &self.content.crypto;
        let (key, iv) = (&derived[..BLOCK_BYTES], &crypto.cipherparams.iv);
        if self.content.version == OLD_VERSION {
            let hash = Zeroizing::new(keccak256(key).0);
            let mut key = Zeroizing::new([0; BLOCK_BYTES]);
            key.copy_from_slice(&hash[..BLOCK_BYTES]);
            return decrypt_cbc(&key, iv, &crypto.ciphertext).ok_or(KeyError::WrongPassword);
        }
        let mut plain = Zeroizing::new(crypto.ciphertext.clone());
        apply_ctr(key, iv, &mut plain)?;
        Ok(plain)
    }

    /// The file's content.
    pub fn to_json(&self) -> Result<Vec<u8>, KeyError> {
        let malformed = |error: serde_json::Error| KeyError::Format(error.to_string());
        let mut value = serde_json::to_value(&self.content).map_err(malformed)?;
        if let Some(fields) = value.as_object_mut() {
            if let Some(address) = self.address {
                fields.insert("address".into(), hex::encode(address).into());
            }
            if self.content.version == OLD_VERSION {
                fields.insert("version".into(), OLD_VERSION.to_string().into());
            }
        }
        serde_json::to_vec(&value).map_err(malformed)
    }
}

/// The address that a file names, whatever else it holds: geth lists a file for that alone, and
/// tells what is wrong with it when it is opened.
pub(crate) fn address_in(json: &[u8]) -> Result<Option<Address>, KeyError> {
    take_address(&mut fields_of(json)?)
}

/// The fields by their names in lower case: some wallets write `Crypto`, and geth takes any case.
fn fields_of(json: &[u8]) -> Result<Map<String, Value>, KeyError> {
    if json.len() as u64 > MAX_KEY_FILE_BYTES {
        return Err(KeyError::Limit("it is too large"));
    }
    let fields: Map<String, Value> =
        serde_json::from_slice(json).map_err(|error| KeyError::Format(error.to_string()))?;
    Ok(fields
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect())
}

/// With or without 0x; `None` where it is empty.
fn take_address(fields: &mut Map<String, Value>) -> Result<Option<Address>, KeyError> {
    let Some(Value::String(text)) = fields.remove("address") else {
        return Ok(None);
    };
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    if digits.is_empty() {
        return Ok(None);
    }
    let mut address = Address::ZERO;
    hex::decode_to_slice(digits, address.as_mut_slice())
        .map_err(|error| KeyError::Format(format!("address: {error}")))?;
    Ok(Some(address))
}

/// The number 3, or the text 1: so they were written.
fn version_of(version: Option<&Value>) -> Result<u8, KeyError> {
    match version {
        Some(Value::Number(number)) if number.as_u64() == Some(u64::from(VERSION)) => Ok(VERSION),
        Some(Value::String(text)) if text == "1" => Ok(OLD_VERSION),
        Some(Value::Number(other)) => Err(KeyError::Version(shown(&other.to_string()))),
        Some(Value::String(other)) => Err(KeyError::Version(shown(other))),
        _ => Err(KeyError::Version("none".into())),
    }
}

fn checksum(derived: &DerivedKey, ciphertext: &[u8]) -> Vec<u8> {
    let mut input = Zeroizing::new(Vec::with_capacity(16 + ciphertext.len()));
    input.extend_from_slice(&derived[16..]);
    input.extend_from_slice(ciphertext);
    keccak256(input.as_slice()).to_vec()
}
