//! How much of which peer is held.

use std::collections::BTreeMap;

use super::PeerId;
use super::limits::{BLOCK_LIMIT, MAX_PEER_BYTES, MAX_TOTAL_BYTES};

/// Counts by peer. A peer of whom nothing is left has no entry.
#[derive(Debug, Default)]
pub(super) struct Held {
    peers: BTreeMap<PeerId, Share>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Share {
    /// Hashes that it announced and whose blocks are not here.
    announced: usize,
    /// Its blocks that are queued or imported.
    blocks: usize,
    /// Bytes of its headers and blocks.
    bytes: usize,
}

impl Held {
    /// Hashes that a peer has announced and whose blocks are not here.
    pub fn announced(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |share| share.announced)
    }

    /// Bytes of all peers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of one peer.
    pub fn bytes_of(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |share| share.bytes)
    }

    /// Peers of whom something is held or remembered.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.keys()
    }

    /// Whether there is room for so many bytes more of a peer.
    pub fn has_room(&self, peer: &PeerId, bytes: usize) -> bool {
        self.bytes_of(peer).saturating_add(bytes) <= MAX_PEER_BYTES
    }

    /// Whether there is room for one more block of a peer.
    pub fn has_place(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_none_or(|share| share.blocks < BLOCK_LIMIT)
    }

    /// Whether with so many bytes more it is too much in all.
    pub fn is_over(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) > MAX_TOTAL_BYTES
    }

    /// The peer that holds most bytes.
    pub fn largest(&self) -> Option<PeerId> {
        let largest = self.peers.iter().max_by_key(|(_, share)| share.bytes)?;
        Some(*largest.0)
    }

    /// A peer announced a hash.
    pub fn add_announced(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default().announced += 1;
    }

    /// A peer's announcement is done with.
    pub fn remove_announced(&mut self, peer: &PeerId) {
        self.change(peer, |share| share.announced -= 1);
    }

    /// A peer's block is here.
    pub fn add_block(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default().blocks += 1;
    }

    /// A peer's block is not here any more.
    pub fn remove_block(&mut self, peer: &PeerId) {
        self.change(peer, |share| share.blocks -= 1);
    }

    /// Bytes of a peer are held.
    pub fn add_bytes(&mut self, peer: PeerId, bytes: usize) {
        self.peers.entry(peer).or_default().bytes += bytes;
        self.bytes += bytes;
    }

    /// They are not held any more.
    pub fn remove_bytes(&mut self, peer: &PeerId, bytes: usize) {
        self.change(peer, |share| share.bytes -= bytes);
        self.bytes -= bytes;
    }

    fn change(&mut self, peer: &PeerId, change: impl FnOnce(&mut Share)) {
        let Some(share) = self.peers.get_mut(peer) else {
            debug_assert!(false, "what is removed was added");
            return;
        };
        change(share);
        if (share.announced, share.blocks, share.bytes) == (0, 0, 0) {
            self.peers.remove(peer);
        }
    }
}
