//! ECIES as used by RLPx: an ephemeral key agreement, AES-128-CTR and HMAC-SHA256.
//!
//! A message is `04 ‖ x ‖ y` of the ephemeral key (65 bytes), the initial counter (16),
//! the ciphertext, and the tag (32) over counter, ciphertext and `associated` data.

use actoreum_primitives::{PublicKey, SecretKey};
use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keys::generate_key;

const KEY_LENGTH: usize = 65;
const IV_LENGTH: usize = 16;
const TAG_LENGTH: usize = 32;

/// Bytes by which a message is longer than its plaintext.
pub const OVERHEAD: usize = KEY_LENGTH + IV_LENGTH + TAG_LENGTH;

/// Reason why an ECIES message was refused. The sender is faulty or hostile: disconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EciesError {
    /// The message is shorter than its own fields.
    #[error("encrypted message too short")]
    TooShort,
    /// The ephemeral key is not a point of the curve.
    #[error("invalid public key in encrypted message")]
    InvalidPublicKey,
    /// The message was changed in transit, or was encrypted for another key.
    #[error("encrypted message has a wrong tag")]
    WrongTag,
}

struct MessageKeys {
    cipher: Zeroizing<[u8; 16]>,
    tag: Zeroizing<[u8; 32]>,
}

/// Derives keys with the concatenation key derivation of NIST SP 800-56, for one round of SHA-256.
fn derive_keys(shared: &[u8; 32]) -> MessageKeys {
    let mut material = Zeroizing::new([0; 32]);
    let round = Sha256::new()
        .chain_update(1u32.to_be_bytes())
        .chain_update(shared)
        .finalize();
    material.copy_from_slice(&round);
    let (cipher_half, tag_half) = material.split_at(16);
    let mut cipher = Zeroizing::new([0; 16]);
    cipher.copy_from_slice(cipher_half);
    MessageKeys {
        cipher,
        tag: Zeroizing::new(Sha256::digest(tag_half).into()),
    }
}

fn tag(key: &[u8; 32], iv: &[u8], ciphertext: &[u8], associated: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key)
        .expect("because HMAC takes keys of any length")
        .chain_update(iv)
        .chain_update(ciphertext)
        .chain_update(associated)
}

/// Encrypts `plaintext` for the owner of `remote`. `associated` is authenticated, not sent.
pub fn encrypt(
    remote: &PublicKey,
    plaintext: &[u8],
    associated: &[u8],
    random: &mut impl RngCore,
) -> Vec<u8> {
    let ephemeral = generate_key(random);
    let keys = derive_keys(ephemeral.ecdh(remote).as_bytes());
    let mut iv = [0; IV_LENGTH];
    random.fill_bytes(&mut iv);

    let mut ciphertext = plaintext.to_vec();
    Ctr128BE::<Aes128>::new((&*keys.cipher).into(), (&iv).into()).apply_keystream(&mut ciphertext);
    let tag = tag(&keys.tag, &iv, &ciphertext, associated)
        .finalize()
        .into_bytes();

    let mut message = Vec::with_capacity(plaintext.len() + OVERHEAD);
    message.push(4);
    message.extend_from_slice(&ephemeral.public_key().to_uncompressed());
    message.extend_from_slice(&iv);
    message.extend_from_slice(&ciphertext);
    message.extend_from_slice(&tag);
    message
}

/// Decrypts a message for `key`. Nothing is decrypted before the tag is right.
pub fn decrypt(key: &SecretKey, message: &[u8], associated: &[u8]) -> Result<Vec<u8>, EciesError> {
    let (ephemeral, rest) = message
        .split_at_checked(KEY_LENGTH)
        .ok_or(EciesError::TooShort)?;
    let (iv, rest) = rest
        .split_first_chunk::<IV_LENGTH>()
        .ok_or(EciesError::TooShort)?;
    let (ciphertext, expected) = rest
        .split_last_chunk::<TAG_LENGTH>()
        .ok_or(EciesError::TooShort)?;
    if ephemeral.first() != Some(&4) {
        return Err(EciesError::InvalidPublicKey);
    }
    let ephemeral = PublicKey::from_sec1(ephemeral).map_err(|_| EciesError::InvalidPublicKey)?;

    let keys = derive_keys(key.ecdh(&ephemeral).as_bytes());
    tag(&keys.tag, iv, ciphertext, associated)
        .verify_slice(expected)
        .map_err(|_| EciesError::WrongTag)?;

    let mut plaintext = ciphertext.to_vec();
    Ctr128BE::<Aes128>::new((&*keys.cipher).into(), iv.into()).apply_keystream(&mut plaintext);
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[0x42; 32]).unwrap()
    }

    #[test]
    fn every_short_ciphertext_is_an_error() {
        let random = &mut StdRng::seed_from_u64(1);
        let message = encrypt(&key().public_key(), b"", b"", random);
        assert_eq!(message.len(), OVERHEAD);
        for length in 0..message.len() {
            assert_eq!(
                decrypt(&key(), &message[..length], b""),
                Err(EciesError::TooShort)
            );
        }
        assert_eq!(decrypt(&key(), &message, b""), Ok(Vec::new()));
    }

    #[test]
    fn an_ephemeral_key_off_the_curve_is_an_error() {
        let random = &mut StdRng::seed_from_u64(2);
        let mut message = encrypt(&key().public_key(), b"hello", b"", random);
        message[64] ^= 1;
        assert_eq!(
            decrypt(&key(), &message, b""),
            Err(EciesError::InvalidPublicKey)
        );
        message[0] = 2;
        assert_eq!(
            decrypt(&key(), &message, b""),
            Err(EciesError::InvalidPublicKey)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn messages_round_trip_and_any_changed_bit_is_seen(
            plaintext in proptest::collection::vec(any::<u8>(), 0..400),
            associated in proptest::collection::vec(any::<u8>(), 0..4),
            seed in any::<u64>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let random = &mut StdRng::seed_from_u64(seed);
            let mut message = encrypt(&key().public_key(), &plaintext, &associated, random);
            prop_assert_eq!(decrypt(&key(), &message, &associated).unwrap(), plaintext);
            let bit = flip.index(message.len() * 8);
            message[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decrypt(&key(), &message, &associated).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decrypt(&key(), &bytes, b"").is_err());
        }
    }
}
