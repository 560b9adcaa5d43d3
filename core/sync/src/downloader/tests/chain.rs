//! Chains for the simulated network.

use std::collections::HashMap;

use actoreum_primitives::{
    Address, B256, Body, Bytes, Header, LegacyTx, SecretKey, TxPayload, U256, rlp,
    transaction_trie_items,
};
use actoreum_trie::ordered_root;

use crate::downloader::LocalChain;
use crate::{BlockParcel, HashedHeader};

/// Extra data of a block that every import refuses.
pub const BAD: &[u8] = b"bad";

#[derive(Clone)]
pub struct SimBlock {
    pub header: HashedHeader,
    pub body: Vec<u8>,
    pub total: U256,
}

/// A chain from genesis on.
#[derive(Clone)]
pub struct SimChain {
    pub blocks: Vec<SimBlock>,
}

impl SimChain {
    pub fn genesis() -> Self {
        let header = Header {
            difficulty: U256::from(1),
            ..Header::default()
        };
        let genesis = SimBlock {
            total: header.difficulty,
            header: HashedHeader::read(&rlp::encode(&header)).unwrap(),
            body: rlp::encode(&Body::default()),
        };
        Self {
            blocks: vec![genesis],
        }
    }

    /// Adds blocks; `branch` makes them others than those of another branch. The one with the
    /// number `bad` is refused by every import.
    pub fn grow(&mut self, blocks: u64, branch: u8, difficulty: u64, bad: Option<u64>) {
        let key = SecretKey::from_bytes(&[9; 32]).unwrap();
        let template = TxPayload::Legacy(LegacyTx::default()).sign(&key);
        for _ in 0..blocks {
            let parent = self.head().clone();
            let number = parent.header.header.number + 1;
            let count = match number % 5 {
                0 => 0,
                rest => rest as usize,
            };
            let ommer = Header {
                number,
                ..Header::default()
            };
            let body = Body {
                transactions: (0..count).map(|_| template.clone()).collect(),
                ommers: match number % 7 {
                    0 => vec![ommer],
                    _ => Vec::new(),
                },
                withdrawals: None,
            };
            let items = transaction_trie_items(&body.transactions);
            let transactions_root = match items.is_empty() {
                true => actoreum_primitives::EMPTY_ROOT_HASH,
                false => ordered_root(&items).unwrap(),
            };
            let header = Header {
                number,
                parent_hash: parent.header.hash,
                ommers_hash: body.ommers_hash(),
                transactions_root,
                difficulty: U256::from(difficulty),
                beneficiary: Address::repeat_byte(branch),
                extra_data: match bad == Some(number) {
                    true => Bytes::from_static(BAD),
                    false => Bytes::new(),
                },
                ..Header::default()
            };
            self.blocks.push(SimBlock {
                total: parent.total + header.difficulty,
                header: HashedHeader::read(&rlp::encode(&header)).unwrap(),
                body: rlp::encode(&body),
            });
        }
    }

    /// The first blocks, up to this number.
    pub fn up_to(&self, number: u64) -> Self {
        Self {
            blocks: self.blocks[..=number as usize].to_vec(),
        }
    }

    pub fn head(&self) -> &SimBlock {
        self.blocks.last().unwrap()
    }

    pub fn by_number(&self, number: u64) -> Option<&SimBlock> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub fn by_hash(&self, hash: &B256) -> Option<&SimBlock> {
        self.blocks.iter().find(|block| block.header.hash == *hash)
    }
}

/// Our chain, with branches.
pub struct SimStore {
    pub known: HashMap<B256, (HashedHeader, U256)>,
    pub canonical: Vec<B256>,
}

impl SimStore {
    pub fn new(chain: &SimChain) -> Self {
        let blocks = chain.blocks.iter();
        Self {
            canonical: blocks.clone().map(|block| block.header.hash).collect(),
            known: blocks
                .map(|block| (block.header.hash, (block.header.clone(), block.total)))
                .collect(),
        }
    }

    pub fn head(&self) -> B256 {
        *self.canonical.last().unwrap()
    }

    /// Imports a block; the number and hash of one that is refused, and why.
    pub fn import(&mut self, parcel: BlockParcel) -> Result<(), (u64, B256, String)> {
        let header = parcel.header.clone();
        let number = header.header.number;
        let refuse = |why: &str| Err((number, header.hash, why.to_owned()));
        let Some((_, parent_total)) = self.known.get(&header.header.parent_hash) else {
            return refuse("unknown ancestor");
        };
        if header.header.extra_data.as_ref() == BAD {
            return refuse("invalid seal");
        }
        let total = *parent_total + header.header.difficulty;
        let Ok(block) = parcel.into_block() else {
            return refuse("no body");
        };
        let items = transaction_trie_items(&block.body.transactions);
        if !items.is_empty() && ordered_root(&items).unwrap() != block.header.transactions_root
            || block.body.ommers_hash() != block.header.ommers_hash
        {
            return refuse("another body");
        }
        self.known.insert(header.hash, (header.clone(), total));
        if total > self.total_difficulty() {
            let mut walk = header;
            let mut branch = Vec::new();
            while self.canonical.get(walk.header.number as usize) != Some(&walk.hash) {
                branch.push(walk.hash);
                walk = self.known[&walk.header.parent_hash].0.clone();
            }
            self.canonical.truncate(walk.header.number as usize + 1);
            self.canonical.extend(branch.iter().rev());
        }
        Ok(())
    }
}

impl LocalChain for SimStore {
    fn head_number(&self) -> u64 {
        self.canonical.len() as u64 - 1
    }

    fn total_difficulty(&self) -> U256 {
        self.known[&self.head()].1
    }

    fn total_difficulty_of(&self, hash: &B256) -> Option<U256> {
        self.known.get(hash).map(|(_, total)| *total)
    }

    fn has_block(&self, hash: &B256, _: u64) -> bool {
        self.known.contains_key(hash)
    }

    fn canonical_hash(&self, number: u64) -> Option<B256> {
        self.canonical.get(number as usize).copied()
    }
}
