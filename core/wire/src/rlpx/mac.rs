//! The rolling MAC of one direction: Keccak-256 over everything sent, mixed with AES.

use actoreum_primitives::crypto::Keccak256;
use aes::Aes256;
use aes::cipher::{BlockEncrypt, KeyInit};

/// A tag on the wire: the first half of the state's digest.
pub(super) type Tag = [u8; 16];

#[derive(Clone)]
pub(super) struct MacState {
    hasher: Keccak256,
    cipher: Aes256,
    /// The current digest of `hasher`. A frame ends with a digest that the next frame starts from:
    /// storing it saves one of four Keccak permutations a frame.
    digest: [u8; 32],
}

impl MacState {
    pub(super) fn new(hasher: Keccak256, key: &[u8; 32]) -> Self {
        let digest = hasher.digest().0;
        Self {
            hasher,
            cipher: Aes256::new(key.into()),
            digest,
        }
    }

    /// Mixes in an encrypted frame header; returns its tag.
    pub(super) fn header_tag(&mut self, header: &[u8; 16]) -> Tag {
        self.mix(header)
    }

    /// Mixes in an encrypted, padded frame body; returns its tag.
    pub(super) fn body_tag(&mut self, body: &[u8]) -> Tag {
        self.update(body);
        self.finish_body()
    }

    /// Mixes in the next bytes of an encrypted frame body. [`Self::finish_body`] comes after the
    /// last.
    pub(super) fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// Returns the tag of the body whose bytes were mixed in.
    pub(super) fn finish_body(&mut self) -> Tag {
        self.refresh();
        let seed = self.tag();
        self.mix(&seed)
    }

    fn mix(&mut self, seed: &[u8; 16]) -> Tag {
        let mut block = self.tag().into();
        self.cipher.encrypt_block(&mut block);
        for (byte, other) in block.iter_mut().zip(seed) {
            *byte ^= other;
        }
        self.hasher.update(&block);
        self.refresh();
        self.tag()
    }

    fn refresh(&mut self) {
        self.digest = self.hasher.digest().0;
    }

    fn tag(&self) -> Tag {
        let mut tag = [0; 16];
        for (to, from) in tag.iter_mut().zip(self.digest) {
            *to = from;
        }
        tag
    }

    /// Returns the digest after `bytes`, for the published vectors.
    #[cfg(test)]
    pub(super) fn digest_after(&self, bytes: &[u8]) -> [u8; 32] {
        let mut hasher = self.hasher.clone();
        hasher.update(bytes);
        hasher.digest().0
    }
}
