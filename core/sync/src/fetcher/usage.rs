//! Numbers and bytes that the fetcher holds of each peer.

use actoreum_primitives::PeerId;
use std::collections::BTreeMap;

use super::limits::{BLOCK_LIMIT, MAX_PEER_BYTES, MAX_TOTAL_BYTES};

/// Counts per peer. A peer of which nothing is held has no entry.
#[derive(Debug, Default)]
pub(super) struct PeerUsage {
    peers: BTreeMap<PeerId, Usage>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Usage {
    /// Hashes that the peer announced and whose blocks have not been received.
    announced: usize,
    /// Blocks of the peer that are queued or being imported.
    blocks: usize,
    /// Bytes of the peer's headers and blocks.
    bytes: usize,
}

impl PeerUsage {
    /// Returns the number of hashes that a peer has announced and whose blocks have not been
    /// received.
    pub fn announced(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |share| share.announced)
    }

    /// Returns the number of bytes held of all peers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of bytes held of one peer.
    pub fn bytes_of(&self, peer: &PeerId) -> usize {
        self.peers.get(peer).map_or(0, |share| share.bytes)
    }

    /// Returns the peers of which something is held or remembered.
    pub fn peers(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.keys()
    }

    /// Returns true if a peer's byte limit has room for `bytes` more.
    pub fn has_room(&self, peer: &PeerId, bytes: usize) -> bool {
        self.bytes_of(peer).saturating_add(bytes) <= MAX_PEER_BYTES
    }

    /// Returns true if a peer's block limit has room for one more.
    pub fn has_block_room(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_none_or(|share| share.blocks < BLOCK_LIMIT)
    }

    /// Returns true if `bytes` more would exceed the limit of all peers together.
    pub fn is_over(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) > MAX_TOTAL_BYTES
    }

    /// Returns the peer that holds most bytes.
    pub fn largest(&self) -> Option<PeerId> {
        let largest = self.peers.iter().max_by_key(|(_, share)| share.bytes)?;
        Some(*largest.0)
    }

    /// Counts a hash that a peer announced.
    pub fn add_announced(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default().announced += 1;
    }

    /// Removes a hash that a peer announced from the count.
    pub fn remove_announced(&mut self, peer: &PeerId) {
        self.change(peer, |share| share.announced -= 1);
    }

    /// Counts a block of a peer.
    pub fn add_block(&mut self, peer: PeerId) {
        self.peers.entry(peer).or_default().blocks += 1;
    }

    /// Removes a block of a peer from the count.
    pub fn remove_block(&mut self, peer: &PeerId) {
        self.change(peer, |share| share.blocks -= 1);
    }

    /// Counts bytes held of a peer.
    pub fn add_bytes(&mut self, peer: PeerId, bytes: usize) {
        self.peers.entry(peer).or_default().bytes += bytes;
        self.bytes += bytes;
    }

    /// Removes bytes held of a peer from the count.
    pub fn remove_bytes(&mut self, peer: &PeerId, bytes: usize) {
        self.change(peer, |share| share.bytes -= bytes);
        self.bytes -= bytes;
    }

    fn change(&mut self, peer: &PeerId, change: impl FnOnce(&mut Usage)) {
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
