//! Chains and a local chain for the simulated network.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use actoreum_primitives::{
    Account, Address, B256, Body, Bytes, EMPTY_ROOT_HASH, Header, LegacyTx, Receipt,
    ReceiptOutcome, SecretKey, TxPayload, U256, keccak256, receipt_trie_items, rlp,
    transaction::TxType, transaction_trie_items,
};
use actoreum_trie::{Builder, Path, ordered_root};

use crate::downloader::LocalChain;
use crate::state::{StateStore, StateValue, ValueKind};
use crate::{HashedHeader, RawBlock};

/// Extra data of a block that every import refuses.
pub const BAD: &[u8] = b"bad";

#[derive(Clone)]
pub struct SimBlock {
    pub header: HashedHeader,
    pub body: Vec<u8>,
    pub receipts: Vec<u8>,
    pub total: U256,
}

/// Returns the state that every block has: its root and all its nodes.
pub fn state() -> &'static (B256, HashMap<B256, Bytes>) {
    static STATE: OnceLock<(B256, HashMap<B256, Bytes>)> = OnceLock::new();
    STATE.get_or_init(|| {
        let mut leaves: Vec<(B256, Vec<u8>)> = (0..2_000_u64)
            .map(|nonce| {
                let account = Account {
                    nonce,
                    ..Account::default()
                };
                (keccak256(nonce.to_be_bytes()), rlp::encode(&account))
            })
            .collect();
        leaves.sort();
        let mut nodes = HashMap::new();
        let mut builder = Builder::new(|_: &Path, node: Vec<u8>| {
            nodes.insert(keccak256(&node), Bytes::from(node));
        });
        for (key, value) in &leaves {
            builder.push(key.as_slice(), value).unwrap();
        }
        let root = builder.finish().unwrap();
        (root, nodes)
    })
}

fn root(items: &[Vec<u8>]) -> B256 {
    if items.is_empty() {
        EMPTY_ROOT_HASH
    } else {
        ordered_root(items).unwrap()
    }
}

/// A chain from genesis on.
#[derive(Clone)]
pub struct SimChain {
    pub blocks: Vec<SimBlock>,
    numbers: HashMap<B256, usize>,
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
            receipts: rlp::encode::<Vec<Receipt>>(&Vec::new()),
        };
        Self::of(vec![genesis])
    }

    /// Adds blocks. Blocks of different `branch` have different hashes. The block with the number
    /// `bad` is refused by every import.
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
            let status = ReceiptOutcome::Status(true);
            let receipts: Vec<Receipt> = (0..count as u64)
                .map(|index| Receipt::new(TxType::Legacy, status, index + number, Vec::new()))
                .collect();
            let header = Header {
                number,
                parent_hash: parent.header.hash,
                ommers_hash: body.ommers_hash(),
                transactions_root: root(&transaction_trie_items(&body.transactions)),
                receipts_root: root(&receipt_trie_items(&receipts)),
                state_root: state().0,
                difficulty: U256::from(difficulty),
                beneficiary: Address::repeat_byte(branch),
                extra_data: if bad == Some(number) {
                    Bytes::from_static(BAD)
                } else {
                    Bytes::new()
                },
                ..Header::default()
            };
            let hash = header.hash();
            self.numbers.insert(hash, self.blocks.len());
            self.blocks.push(SimBlock {
                total: parent.total + header.difficulty,
                header: HashedHeader::read(&rlp::encode(&header)).unwrap(),
                body: rlp::encode(&body),
                receipts: rlp::encode(&receipts),
            });
        }
    }

    fn of(blocks: Vec<SimBlock>) -> Self {
        let hashes = blocks.iter().map(|block| block.header.hash);
        Self {
            numbers: hashes.zip(0..).collect(),
            blocks,
        }
    }

    /// Returns the first blocks, up to this number.
    pub fn up_to(&self, number: u64) -> Self {
        Self::of(self.blocks[..=number as usize].to_vec())
    }

    pub fn head(&self) -> &SimBlock {
        self.blocks.last().unwrap()
    }

    pub fn by_number(&self, number: u64) -> Option<&SimBlock> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub fn by_hash(&self, hash: &B256) -> Option<&SimBlock> {
        self.blocks.get(*self.numbers.get(hash)?)
    }
}

/// The local chain, with branches.
pub struct SimStore {
    pub known: HashMap<B256, (HashedHeader, U256)>,
    pub canonical: Vec<B256>,
    /// Blocks above the head, with receipts and without state.
    pub fast_blocks: Vec<HashedHeader>,
    pub nodes: HashSet<B256>,
}

impl SimStore {
    pub fn new(chain: &SimChain) -> Self {
        let blocks = chain.blocks.iter();
        Self {
            fast_blocks: Vec::new(),
            nodes: HashSet::new(),
            canonical: blocks.clone().map(|block| block.header.hash).collect(),
            known: blocks
                .map(|block| (block.header.hash, (block.header.clone(), block.total)))
                .collect(),
        }
    }

    pub fn head(&self) -> B256 {
        *self.canonical.last().unwrap()
    }

    /// Keeps a block with its receipts.
    pub fn insert_receipts(&mut self, raw_block: &RawBlock) -> Result<(), (u64, B256, String)> {
        let header = raw_block.header.clone();
        let number = header.header.number;
        let refuse = |why: &str| Err((number, header.hash, why.to_owned()));
        self.fast_blocks
            .retain(|block| block.header.number < number);
        let parent = self
            .fast_blocks
            .last()
            .map_or(self.head(), |block| block.hash);
        if header.header.parent_hash != parent {
            return refuse("unknown ancestor");
        }
        if header.header.extra_data.as_ref() == BAD {
            return refuse("invalid seal");
        }
        let receipts = raw_block.decode_receipts().unwrap();
        if root(&receipt_trie_items(&receipts)) != header.header.receipts_root {
            return refuse("other receipts");
        }
        self.fast_blocks.push(header);
        Ok(())
    }

    pub fn write_state(&mut self, values: &[StateValue]) {
        for value in values {
            assert_eq!(value.kind, ValueKind::AccountNode);
            assert_eq!(keccak256(&value.data), value.hash);
            self.nodes.insert(value.hash);
        }
    }

    /// Commits the pivot: makes a fast-sync block the head.
    pub fn commit_pivot(&mut self, hash: &B256) {
        let nodes = &self.nodes;
        let missing = state().1.keys().filter(|hash| !nodes.contains(*hash));
        assert_eq!(missing.count(), 0, "the state is not complete");
        let place = self
            .fast_blocks
            .iter()
            .position(|block| block.hash == *hash);
        for header in self.fast_blocks.drain(..=place.unwrap()) {
            let total = self.known[&header.header.parent_hash].1 + header.header.difficulty;
            self.canonical.push(header.hash);
            self.known.insert(header.hash, (header, total));
        }
        self.fast_blocks.clear();
    }

    /// Imports a block. An error has the number and the hash of the refused block, and the reason.
    pub fn import(&mut self, raw_block: RawBlock) -> Result<(), (u64, B256, String)> {
        let header = raw_block.header.clone();
        let number = header.header.number;
        let refuse = |why: &str| Err((number, header.hash, why.to_owned()));
        let Some((_, parent_total)) = self.known.get(&header.header.parent_hash) else {
            return refuse("unknown ancestor");
        };
        if header.header.extra_data.as_ref() == BAD {
            return refuse("invalid seal");
        }
        let total = *parent_total + header.header.difficulty;
        let Ok(block) = raw_block.into_block() else {
            return refuse("no body");
        };
        let items = transaction_trie_items(&block.body.transactions);
        if root(&items) != block.header.transactions_root
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

impl StateStore for SimStore {
    fn has_node(&self, hash: &B256) -> bool {
        self.nodes.contains(hash)
    }

    fn has_code(&self, _: &B256) -> bool {
        false
    }
}

impl LocalChain for SimStore {
    fn current_fast_block(&self) -> Option<(u64, B256)> {
        let newest = self.fast_blocks.last()?;
        Some((newest.header.number, newest.hash))
    }

    fn has_fast_block(&self, hash: &B256, _: u64) -> bool {
        self.fast_blocks.iter().any(|block| block.hash == *hash)
    }

    fn state_root(&self, hash: &B256) -> Option<B256> {
        let block = self.fast_blocks.iter().find(|block| block.hash == *hash);
        block.map(|block| block.header.state_root)
    }

    fn head_number(&self) -> u64 {
        self.canonical.len() as u64 - 1
    }

    fn total_difficulty(&self) -> U256 {
        self.known[&self.head()].1
    }

    fn total_difficulty_of(&self, hash: &B256) -> Option<U256> {
        if let Some((_, total)) = self.known.get(hash) {
            return Some(*total);
        }
        let place = self
            .fast_blocks
            .iter()
            .position(|block| block.hash == *hash)?;
        let difficulties = self.fast_blocks[..=place]
            .iter()
            .map(|it| it.header.difficulty);
        Some(difficulties.fold(self.total_difficulty(), |total, it| total + it))
    }

    fn has_block(&self, hash: &B256, _: u64) -> bool {
        self.known.contains_key(hash)
    }

    fn canonical_hash(&self, number: u64) -> Option<B256> {
        self.canonical.get(number as usize).copied()
    }
}
