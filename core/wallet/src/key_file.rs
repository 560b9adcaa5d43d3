//! A key file: keystore version 3, as geth writes it, or version 1 of 2015.

use actoreum_primitives::{Address, SecretKey, keccak256};
use eth_keystore::{CipherparamsJson, CryptoJson, EthKeystore, KdfType};
use rand::Rng;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    KeyError, Password, ScryptCost,
    cipher::{BLOCK_BYTES, apply_ctr, decrypt_cbc},
    kdf::{self, DerivedKey},
    members::{Members, truncated, without_0x},
};

const VERSION: u8 = 3;
const CIPHER: &str = "aes-128-ctr";
/// The old version, which is read but not written.
const OLD_VERSION: u8 = 1;
const OLD_CIPHER: &str = "aes-128-cbc";
const SALT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Length of a key with its padding, in the old cipher.
const PADDED_KEY_BYTES: usize = KEY_BYTES + BLOCK_BYTES;

/// A key file that was read, or is to be written. Its key is encrypted.
#[derive(Debug)]
pub struct KeyFile {
    /// The address of the key, if the file states it.
    pub address: Option<Address>,
    content: EthKeystore,
}

impl KeyFile {
    /// Parses a key file, without decrypting anything.
    ///
    /// # Errors
    /// If the content is not a key file; the error names the member that is missing or invalid.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let file = Members::of_file(json)?;
        let address = address_of(&file)?;
        let version = version_of(&file)?;
        let crypto = file.object("crypto")?;
        let content = EthKeystore {
            crypto: read_crypto(&crypto, version == OLD_VERSION)?,
            id: id_of(&file),
            version,
        };
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

    /// Decrypts the key. Takes as long as the file's key derivation.
    pub fn decrypt(&self, password: &Password) -> Result<SecretKey, KeyError> {
        let crypto = &self.content.crypto;
        let derived = kdf::derive(&crypto.kdfparams, password)?;
        if checksum(&derived, &crypto.ciphertext) != crypto.mac {
            return Err(KeyError::WrongPassword);
        }
        let plaintext = self.plaintext(&derived)?;
        // Old files hold keys without their leading zeros.
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let start = KEY_BYTES
            .checked_sub(plaintext.len())
            .ok_or(KeyError::InvalidKey)?;
        bytes[start..].copy_from_slice(&plaintext);
        let key = SecretKey::from_bytes(&bytes).map_err(|_| KeyError::InvalidKey)?;
        let have = key.address();
        match self.address {
            Some(want) if want != have => Err(KeyError::WrongAddress { have, want }),
            _ => Ok(key),
        }
    }

    /// Decrypts the ciphertext with a derived key.
    fn plaintext(&self, derived: &DerivedKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let crypto = &self.content.crypto;
        let (key, iv) = (&derived[..BLOCK_BYTES], &crypto.cipherparams.iv);
        if self.content.version == OLD_VERSION {
            let hash = Zeroizing::new(keccak256(key).0);
            let mut key = Zeroizing::new([0; BLOCK_BYTES]);
            key.copy_from_slice(&hash[..BLOCK_BYTES]);
            return decrypt_cbc(&key, iv, &crypto.ciphertext).ok_or(KeyError::WrongPassword);
        }
        let mut plaintext = Zeroizing::new(crypto.ciphertext.clone());
        apply_ctr(key, iv, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Returns the file's content as JSON.
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

/// Returns the address that a file states, whatever else it holds: like geth, a scan lists a file
/// by its address alone, and other errors show when the key is decrypted.
pub(crate) fn address_in(json: &[u8]) -> Result<Option<Address>, KeyError> {
    address_of(&Members::of_file(json)?)
}

fn read_crypto(crypto: &Members, is_old: bool) -> Result<CryptoJson, KeyError> {
    let cipher = crypto.text("cipher")?;
    if cipher != if is_old { OLD_CIPHER } else { CIPHER } {
        return Err(KeyError::Cipher(truncated(cipher)));
    }
    let kdf = match crypto.text("kdf")? {
        "scrypt" => KdfType::Scrypt,
        "pbkdf2" => KdfType::Pbkdf2,
        other => return Err(KeyError::Kdf(truncated(other))),
    };
    let ciphertext = crypto.bytes("ciphertext")?;
    let max_length = if is_old { PADDED_KEY_BYTES } else { KEY_BYTES };
    if ciphertext.is_empty() || ciphertext.len() > max_length {
        return Err(crypto.wrong("ciphertext", "is no key of 32 bytes"));
    }
    let iv = crypto.object("cipherparams")?.bytes_of("iv", BLOCK_BYTES)?;
    Ok(CryptoJson {
        cipher: cipher.to_owned(),
        cipherparams: CipherparamsJson { iv },
        ciphertext,
        kdfparams: kdf::params(&kdf, &crypto.object("kdfparams")?)?,
        kdf,
        mac: crypto.bytes_of("mac", MAC_BYTES)?,
    })
}

/// Returns the address, with or without 0x in the file; `None` if it has none.
fn address_of(file: &Members) -> Result<Option<Address>, KeyError> {
    let Some(Value::String(text)) = file.get("address") else {
        return Ok(None);
    };
    let digits = without_0x(text);
    if digits.is_empty() {
        return Ok(None);
    }
    let mut address = Address::ZERO;
    hex::decode_to_slice(digits, address.as_mut_slice())
        .map_err(|error| file.wrong("address", &format!("must be 20 bytes in hex: {error}")))?;
    Ok(Some(address))
}

/// Returns the file's id, or the nil id: nothing depends on it, and geth accepts files without it.
fn id_of(file: &Members) -> Uuid {
    let id = file.get("id").and_then(Value::as_str);
    id.and_then(|id| Uuid::parse_str(id).ok())
        .unwrap_or(Uuid::nil())
}

/// Returns the version, which is the number 3 or the text 1.
fn version_of(file: &Members) -> Result<u8, KeyError> {
    match file.get("version") {
        Some(Value::Number(number)) if number.as_f64() == Some(f64::from(VERSION)) => Ok(VERSION),
        Some(Value::String(text)) if text == "3" => Ok(VERSION),
        Some(Value::String(text)) if text == "1" => Ok(OLD_VERSION),
        Some(Value::Number(other)) => Err(KeyError::Version(truncated(&other.to_string()))),
        Some(Value::String(other)) => Err(KeyError::Version(truncated(other))),
        _ => Err(KeyError::Version("none".into())),
    }
}

fn checksum(derived: &DerivedKey, ciphertext: &[u8]) -> Vec<u8> {
    let mut input = Zeroizing::new(Vec::with_capacity(16 + ciphertext.len()));
    input.extend_from_slice(&derived[16..]);
    input.extend_from_slice(ciphertext);
    keccak256(input.as_slice()).to_vec()
}
