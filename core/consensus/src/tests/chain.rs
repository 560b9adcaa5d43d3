//! A chain in memory.

use std::collections::HashMap;

use actoreum_primitives::{B256, Block, ChainConfig, Header, U256};

use crate::HeaderChain;

struct Entry {
    header: Header,
    ommers: Vec<Header>,
    total_difficulty: U256,
}

pub(crate) struct MemoryChain {
    config: ChainConfig,
    entries: HashMap<B256, Entry>,
    canonical: HashMap<u64, B256>,
}

impl MemoryChain {
    pub(crate) fn new(config: ChainConfig, genesis: Header) -> Self {
        let mut chain = Self {
            config,
            entries: HashMap::new(),
            canonical: HashMap::new(),
        };
        chain.push(genesis);
        chain
    }

    pub(crate) fn push(&mut self, header: Header) -> B256 {
        self.push_block(&Block {
            header,
            ..Block::default()
        })
    }

    pub(crate) fn push_block(&mut self, block: &Block) -> B256 {
        let (header, ommers) = (block.header.clone(), block.body.ommers.clone());
        let hash = header.hash();
        let below = self
            .entries
            .get(&header.parent_hash)
            .map(|entry| entry.total_difficulty);
        let total_difficulty = below.unwrap_or_default() + header.difficulty;
        self.canonical.insert(header.number, hash);
        self.entries.insert(
            hash,
            Entry {
                header,
                ommers,
                total_difficulty,
            },
        );
        hash
    }

    fn entry(&self, hash: &B256, number: u64) -> Option<&Entry> {
        self.entries
            .get(hash)
            .filter(|entry| entry.header.number == number)
    }
}

impl HeaderChain for MemoryChain {
    fn header(&self, hash: &B256, number: u64) -> Option<Header> {
        self.entry(hash, number).map(|entry| entry.header.clone())
    }

    fn header_by_number(&self, number: u64) -> Option<Header> {
        self.header(self.canonical.get(&number)?, number)
    }

    fn ommers(&self, hash: &B256, number: u64) -> Option<Vec<Header>> {
        self.entry(hash, number).map(|entry| entry.ommers.clone())
    }

    fn total_difficulty(&self, hash: &B256, number: u64) -> Option<U256> {
        self.entry(hash, number).map(|entry| entry.total_difficulty)
    }

    fn config(&self) -> &ChainConfig {
        &self.config
    }
}
