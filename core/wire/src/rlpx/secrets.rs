//! The session secrets that both sides share after the handshake.

use actoreum_primitives::crypto::Keccak256;
use actoreum_primitives::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::mac::MacState;
use crate::keys::keccak_of;

/// The secrets of a session, and its two MACs, into which the handshake packets are mixed.
pub struct Secrets {
    pub(super) aes: Zeroizing<[u8; 32]>,
    /// Needed by the published vectors only.
    #[cfg(test)]
    pub(super) mac: Zeroizing<[u8; 32]>,
    pub(super) egress: MacState,
    pub(super) ingress: MacState,
}

/// Input of the key derivation, as one side sees it.
pub(super) struct Agreement<'a> {
    pub ephemeral: &'a SecretKey,
    pub remote_ephemeral: &'a PublicKey,
    pub initiated: bool,
    pub nonce: [u8; 32],
    pub remote_nonce: [u8; 32],
    pub sent: &'a [u8],
    pub received: &'a [u8],
}

impl Secrets {
    pub(super) fn derive(agreement: &Agreement<'_>) -> Self {
        let (initiator_nonce, responder_nonce) = if agreement.initiated {
            (agreement.nonce, agreement.remote_nonce)
        } else {
            (agreement.remote_nonce, agreement.nonce)
        };
        let ephemeral = agreement.ephemeral.ecdh(agreement.remote_ephemeral);
        let nonces = keccak_of(&[&responder_nonce, &initiator_nonce]);
        let shared = Zeroizing::new(keccak_of(&[ephemeral.as_bytes(), &nonces]));
        let aes = Zeroizing::new(keccak_of(&[ephemeral.as_bytes(), shared.as_slice()]));
        let mac = Zeroizing::new(keccak_of(&[ephemeral.as_bytes(), aes.as_slice()]));

        let seeded = |nonce: &[u8; 32], packet: &[u8]| {
            let seed = Zeroizing::new(xor(&mac, nonce));
            let mut hasher = Keccak256::new();
            hasher.update(seed.as_slice());
            hasher.update(packet);
            hasher
        };
        let egress = MacState::new(seeded(&agreement.remote_nonce, agreement.sent), &mac);
        let ingress = MacState::new(seeded(&agreement.nonce, agreement.received), &mac);
        Self {
            aes,
            #[cfg(test)]
            mac,
            egress,
            ingress,
        }
    }
}

pub(super) fn xor(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut out = *left;
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}

/// Shows nothing of the secrets.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets(..)")
    }
}
