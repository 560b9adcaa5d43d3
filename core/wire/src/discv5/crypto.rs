//! Keys of sessions, signatures of identities, and the encryption of messages.

use actoreum_primitives::{B256, PeerId, PublicKey, SecretKey};
use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes128Gcm, KeyInit, Tag};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Nonce;
use crate::nodes::is_signed_by;

/// Length of the tag that follows an encrypted message.
pub(super) const TAG_LENGTH: usize = 16;

/// Prefix of the content of an identity signature.
const IDENTITY_PROOF: &[u8] = b"discovery v5 identity proof";

/// Prefix of the information of the key derivation.
const KEY_AGREEMENT: &[u8] = b"discovery v5 key agreement";

/// An AES-128 key, zeroed when dropped.
pub type Key = Zeroizing<[u8; 16]>;

/// The two keys of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// Key of the messages of the node that sent the handshake packet.
    pub initiator: Key,
    /// Key of the messages of the other node.
    pub recipient: Key,
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SessionKeys(redacted)")
    }
}

/// Derives the keys of a session. `own` and `other` are the ephemeral and the static key, in the
/// order of the side that calls this. `challenge` is the challenge data of the WHOAREYOU packet.
pub fn derive_keys(
    own: &SecretKey,
    other: &PublicKey,
    initiator: &PeerId,
    recipient: &PeerId,
    challenge: &[u8],
) -> SessionKeys {
    let shared = own.ecdh_compressed(other);
    let kdf = Hkdf::<Sha256>::new(Some(challenge), shared.as_slice());
    let information = [
        KEY_AGREEMENT,
        initiator.0.as_slice(),
        recipient.0.as_slice(),
    ];
    let mut material = Zeroizing::new([0; 32]);
    kdf.expand_multi_info(&information, material.as_mut_slice())
        .expect("because 32 bytes are less than HKDF's limit");
    let mut keys = SessionKeys {
        initiator: Zeroizing::new([0; 16]),
        recipient: Zeroizing::new([0; 16]),
    };
    let (initiator_half, recipient_half) = material.split_at(16);
    keys.initiator.copy_from_slice(initiator_half);
    keys.recipient.copy_from_slice(recipient_half);
    keys
}

fn identity_hash(challenge: &[u8], ephemeral: &[u8; 33], recipient: &PeerId) -> B256 {
    let hash = Sha256::new()
        .chain_update(IDENTITY_PROOF)
        .chain_update(challenge)
        .chain_update(ephemeral)
        .chain_update(recipient.0)
        .finalize();
    B256::new(hash.into())
}

/// Signs the answer to a challenge with the node's static key.
pub fn sign_identity(
    key: &SecretKey,
    challenge: &[u8],
    ephemeral: &[u8; 33],
    recipient: &PeerId,
) -> [u8; 64] {
    let signature = key.sign(identity_hash(challenge, ephemeral, recipient));
    let mut words = [0; 64];
    let bytes = signature.to_bytes();
    words.copy_from_slice(bytes.split_last().map_or(&[0; 64], |(_, words)| words));
    words
}

/// Returns true if a signature of [`sign_identity`] is that of `key`.
pub fn verify_identity(
    key: &PublicKey,
    challenge: &[u8],
    ephemeral: &[u8; 33],
    recipient: &PeerId,
    signature: &[u8; 64],
) -> bool {
    is_signed_by(
        key,
        identity_hash(challenge, ephemeral, recipient),
        signature,
    )
}

/// Encrypts a message and appends its tag. `associated` is authenticated, not encrypted.
pub fn seal(key: &[u8; 16], nonce: &Nonce, associated: &[u8], message: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(message.len() + TAG_LENGTH);
    sealed.extend_from_slice(message);
    let tag = Aes128Gcm::new(key.into())
        .encrypt_in_place_detached(nonce.into(), associated, &mut sealed)
        .expect("because a message is shorter than AES-GCM's limit");
    sealed.extend_from_slice(&tag);
    sealed
}

/// Decrypts a message of [`seal`]; `None` if the key is another or anything was changed.
pub fn open(key: &[u8; 16], nonce: &Nonce, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (ciphertext, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG_LENGTH)?)?;
    let mut message = ciphertext.to_vec();
    Aes128Gcm::new(key.into())
        .decrypt_in_place_detached(nonce.into(), associated, &mut message, Tag::from_slice(tag))
        .ok()?;
    Some(message)
}
