//! Helpers of the fuzz targets and of the seed generator.

use actoreum_primitives::rlp::{self, Decode, Encode};
use actoreum_primitives::{B256, Bytes, keccak256};

/// Decodes `data`, and checks that it encodes to the same bytes again.
pub fn assert_round_trip<T: Decode + Encode>(data: &[u8]) -> Option<T> {
    let value = rlp::decode_exact::<T>(data).ok()?;
    assert_eq!(value.length(), data.len());
    assert_eq!(rlp::encode(&value), data);
    Some(value)
}

/// A proof whose hashes survive mutations: in the place of the hash of the next node, a node holds
/// [`ProofInput::link`] of that node's index, which [`ProofInput::linked`] replaces.
#[derive(Debug)]
pub struct ProofInput {
    /// The proven key.
    pub key: Bytes,
    /// The nodes, root first.
    pub nodes: Vec<Bytes>,
}

impl ProofInput {
    /// Returns the placeholder for the hash of the node at `index`.
    pub fn link(index: usize) -> [u8; 32] {
        [0xa0 ^ index as u8; 32]
    }

    /// Decodes an RLP list: the key, then the nodes.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let mut items = rlp::decode_exact::<Vec<Bytes>>(data).ok()?.into_iter();
        Some(Self {
            key: items.next()?,
            nodes: items.collect(),
        })
    }

    /// Encodes to the format of [`Self::decode`].
    pub fn encode(&self) -> Vec<u8> {
        let items: Vec<_> = [&self.key]
            .into_iter()
            .chain(&self.nodes)
            .cloned()
            .collect();
        rlp::encode(&items)
    }

    /// Returns the root, and the nodes with their hashes.
    pub fn linked(&self) -> (B256, Vec<Vec<u8>>) {
        let mut nodes: Vec<_> = self.nodes.iter().map(|node| node.to_vec()).collect();
        for index in (1..nodes.len()).rev() {
            let hash = keccak256(&nodes[index]);
            replace(&mut nodes[index - 1], &Self::link(index), hash.as_slice());
        }
        let root = nodes.first().map_or(B256::ZERO, keccak256);
        (root, nodes)
    }
}

/// Replaces the first occurrence of `old`.
pub fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
}
