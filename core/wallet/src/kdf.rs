//! Key derivation functions: from a password to the key that encrypts a private key.

use eth_keystore::{KdfType, KdfparamsType};
use hmac::Hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    KeyError, Password,
    limits::{DERIVED_KEY_BYTES, MAX_PBKDF2_ROUNDS, MAX_SCRYPT_BYTES, MAX_SCRYPT_WORK},
    members::{Members, truncated},
};

mod small_blocks;

/// A derived key: the first 16 bytes encrypt, the next 16 go into the checksum.
pub(crate) type DerivedKey = Zeroizing<[u8; DERIVED_KEY_BYTES]>;

/// scrypt's parameter r in every file of geth.
const SCRYPT_R: u32 = 8;

/// The scrypt cost of deriving a key from a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScryptCost {
    /// The binary logarithm of scrypt's n.
    log_n: u8,
    /// scrypt's p.
    p: u32,
}

impl ScryptCost {
    /// geth's standard cost: 256 MB and about a second.
    pub const STANDARD: Self = Self { log_n: 18, p: 1 };
    /// The cost of geth's `--lightkdf`: 4 MB and about a tenth of a second.
    pub const LIGHT: Self = Self { log_n: 12, p: 6 };

    /// Returns the parameters in the form of a key file.
    pub(crate) fn params(self, salt: Vec<u8>) -> KdfparamsType {
        KdfparamsType::Scrypt {
            dklen: DERIVED_KEY_BYTES as u8,
            n: 1 << self.log_n,
            p: self.p,
            r: SCRYPT_R,
            salt,
        }
    }
}

/// Reads `crypto.kdfparams` of a file, for the function in `crypto.kdf`.
pub(crate) fn params(kdf: &KdfType, members: &Members) -> Result<KdfparamsType, KeyError> {
    // Only the first bytes are used, so that a greater length makes no difference.
    let dklen = u8::try_from(members.number("dklen")?).unwrap_or(u8::MAX);
    let salt = members.bytes("salt")?;
    match kdf {
        KdfType::Scrypt => Ok(KdfparamsType::Scrypt {
            dklen,
            n: members.number("n")?,
            p: members.number("p")?,
            r: members.number("r")?,
            salt,
        }),
        KdfType::Pbkdf2 => Ok(KdfparamsType::Pbkdf2 {
            c: members.number("c")?,
            dklen,
            prf: members.text("prf")?.to_owned(),
            salt,
        }),
    }
}

/// Derives the key with the file's parameters, unless they exceed the limits.
pub(crate) fn derive(params: &KdfparamsType, password: &Password) -> Result<DerivedKey, KeyError> {
    let mut key = Zeroizing::new([0; DERIVED_KEY_BYTES]);
    match params {
        KdfparamsType::Scrypt {
            dklen,
            n,
            p,
            r,
            salt,
        } => {
            check_length(*dklen)?;
            check_scrypt(*n, *r, *p)?;
            // The `scrypt` crate enforces a bound of RFC 7914 that geth and a published vector do
            // not.
            match scrypt::Params::new(n.trailing_zeros() as u8, *r, *p) {
                Ok(params) => {
                    scrypt::scrypt(password.as_bytes(), salt, &params, key.as_mut_slice())
                        .map_err(|_| KeyError::Limit("the derived key's length is impossible"))?;
                }
                Err(_) => small_blocks::scrypt(
                    password.as_bytes(),
                    salt,
                    (*n, *r, *p),
                    key.as_mut_slice(),
                ),
            }
        }
        KdfparamsType::Pbkdf2 {
            c,
            dklen,
            prf,
            salt,
        } => {
            check_length(*dklen)?;
            if prf != "hmac-sha256" {
                return Err(KeyError::Prf(truncated(prf)));
            }
            if *c == 0 || *c > MAX_PBKDF2_ROUNDS {
                return Err(KeyError::Limit("pbkdf2 wants none or too many rounds"));
            }
            pbkdf2::pbkdf2::<Hmac<Sha256>>(password.as_bytes(), salt, *c, key.as_mut_slice());
        }
    }
    Ok(key)
}

/// Checks the length of the derived key. A longer key has the same first bytes, and no others are
/// used.
fn check_length(bytes: u8) -> Result<(), KeyError> {
    if usize::from(bytes) >= DERIVED_KEY_BYTES {
        Ok(())
    } else {
        Err(KeyError::Limit("the derived key must have 32 bytes"))
    }
}

fn check_scrypt(n: u32, r: u32, p: u32) -> Result<(), KeyError> {
    // Numbers beyond 32 bits were read as the maximum.
    if n == u32::MAX {
        return Err(KeyError::Limit("scrypt wants too much memory or time"));
    }
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err(KeyError::Limit(
            "scrypt's parameters n, r and p are impossible",
        ));
    }
    let blocks = u64::from(n).saturating_mul(u64::from(r));
    let work = blocks.saturating_mul(u64::from(p));
    let bytes = (u64::from(n).saturating_add(u64::from(p)))
        .saturating_mul(u64::from(r))
        .saturating_mul(128);
    if work > MAX_SCRYPT_WORK || bytes > MAX_SCRYPT_BYTES {
        return Err(KeyError::Limit("scrypt wants too much memory or time"));
    }
    Ok(())
}
