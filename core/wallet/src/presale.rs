//! Presale wallets of 2014: a seed in AES-128-CBC, whose hash is the key.

use actoreum_primitives::{Address, SecretKey, keccak256};
use hmac::Hmac;
use serde_json::Value;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    KeyError, Password,
    cipher::{BLOCK_BYTES, decrypt_cbc},
    members::{Members, without_0x},
};

/// Number of PBKDF2 rounds of the presale tool.
const ROUNDS: u32 = 2_000;

/// Decrypts the key of a presale wallet (a JSON object with `encseed` and `ethaddr`).
///
/// # Errors
/// If it is not a presale wallet, or the password is wrong.
pub fn decrypt(json: &[u8], password: &Password) -> Result<SecretKey, KeyError> {
    let wallet = Members::of_file(json)?;
    let field = |name| without_0x(wallet.get(name).and_then(Value::as_str).unwrap_or(""));
    let seed =
        hex::decode(field("encseed")).map_err(|_| KeyError::Presale("invalid hex in encSeed"))?;
    let (iv, ciphertext) = seed
        .split_at_checked(BLOCK_BYTES)
        .ok_or(KeyError::Presale("invalid encSeed, too short"))?;
    let mut want = Address::ZERO;
    hex::decode_to_slice(field("ethaddr"), want.as_mut_slice())
        .map_err(|_| KeyError::Presale("invalid ethAddr"))?;

    // The presale tool used the password itself as salt.
    let mut derived = Zeroizing::new([0; BLOCK_BYTES]);
    let bytes = password.as_bytes();
    pbkdf2::pbkdf2::<Hmac<Sha256>>(bytes, bytes, ROUNDS, derived.as_mut_slice());
    let plain = decrypt_cbc(&derived, iv, ciphertext).ok_or(KeyError::WrongPassword)?;
    let secret = Zeroizing::new(keccak256(plain.as_slice()).0);
    let key = SecretKey::from_bytes(&secret).map_err(|_| KeyError::InvalidKey)?;
    // One wrong password in 256 leaves a padding that looks right.
    if key.address() == want {
        Ok(key)
    } else {
        Err(KeyError::WrongPassword)
    }
}

#[cfg(test)]
mod tests {
    use aes::{
        Aes128,
        cipher::{BlockEncrypt, KeyInit, generic_array::GenericArray},
    };
    use serde_json::json;

    use super::*;

    /// Returns a wallet in the presale tool's format, and its address.
    fn wallet(seed: &[u8], password: &str) -> (Value, Address) {
        let mut derived = [0; BLOCK_BYTES];
        let bytes = password.as_bytes();
        pbkdf2::pbkdf2::<Hmac<Sha256>>(bytes, bytes, ROUNDS, &mut derived);
        let cipher = Aes128::new(GenericArray::from_slice(&derived));
        let padding = BLOCK_BYTES - seed.len() % BLOCK_BYTES;
        let mut plain = seed.to_vec();
        plain.extend(vec![padding as u8; padding]);
        let mut written = vec![7; BLOCK_BYTES];
        for block in plain.chunks_exact(BLOCK_BYTES) {
            let previous = written[written.len() - BLOCK_BYTES..].to_vec();
            let mut mixed: Vec<u8> = block.iter().zip(previous).map(|(a, b)| a ^ b).collect();
            cipher.encrypt_block(GenericArray::from_mut_slice(&mut mixed));
            written.extend(mixed);
        }
        let address = SecretKey::from_bytes(&keccak256(seed)).unwrap().address();
        let json = json!({
            "encseed": hex::encode(written), "ethaddr": hex::encode(address),
            "email": "somebody@example.org", "btcaddr": "1abc",
        });
        (json, address)
    }

    fn open(json: &Value, password: &str) -> Result<SecretKey, KeyError> {
        decrypt(json.to_string().as_bytes(), &Password::from(password))
    }

    #[test]
    fn a_seed_decrypts_only_with_its_password() {
        for seed in [&b"a seed of any length"[..], &[3; 32], b""] {
            let (json, address) = wallet(seed, "secret");
            assert_eq!(open(&json, "secret").unwrap().address(), address);
            for wrong in ["Secret", "", "secret "] {
                assert!(matches!(open(&json, wrong), Err(KeyError::WrongPassword)));
            }
        }
    }

    #[test]
    fn invalid_presale_wallets_are_refused() {
        let text = |change: &dyn Fn(&mut Value)| {
            let (mut json, _) = wallet(&[3; 32], "secret");
            change(&mut json);
            open(&json, "secret").unwrap_err().to_string()
        };
        let wrong = "could not decrypt key with given passphrase";
        assert_eq!(
            text(&|json| json["encseed"] = json!("xx")),
            "invalid hex in encSeed"
        );
        assert_eq!(
            text(&|json| json["encseed"] = json!("00")),
            "invalid encSeed, too short"
        );
        for bytes in [16, 17, 32] {
            assert_eq!(
                text(&|json| json["encseed"] = json!("00".repeat(bytes))),
                wrong
            );
        }
        assert_eq!(
            text(&|json| json["ethaddr"] = json!("00".repeat(20))),
            wrong
        );
        assert_eq!(text(&|json| json["ethaddr"] = json!(1)), "invalid ethAddr");
        assert!(
            open(&json!([]), "")
                .unwrap_err()
                .to_string()
                .starts_with("not a key file")
        );
    }
}
