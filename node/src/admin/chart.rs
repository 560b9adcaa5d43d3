//! The newest blocks, for the charts.

use std::collections::BTreeMap;

use actoreum_chain::ChainReader;
use actoreum_primitives::B256;
use serde::Serialize;

/// Number of blocks in the charts.
const CHART_BLOCKS: u64 = 60;

/// Figures of a block.
#[derive(Debug, Clone, Serialize)]
pub struct BlockStatus {
    number: u64,
    hash: B256,
    timestamp: u64,
    gas_used: u64,
    gas_limit: u64,
    /// Base fee in wei per gas; `None` before London.
    base_fee: Option<u64>,
    transactions: usize,
}

/// Cache of the blocks of the last refresh: a block that is still canonical is not read again.
#[derive(Debug, Default)]
pub struct Chart(BTreeMap<u64, BlockStatus>);

impl Chart {
    /// Returns the newest blocks, oldest first. A block that can't be read leaves a gap; the chain
    /// reader logs the reason.
    pub fn refresh(&mut self, chain: &ChainReader) -> Vec<BlockStatus> {
        let newest = chain.head_number();
        let oldest = newest.saturating_sub(CHART_BLOCKS - 1);
        let mut blocks = BTreeMap::new();
        for number in oldest..=newest {
            let Some(hash) = chain.canonical_hash(number).ok().flatten() else {
                continue;
            };
            let known = self.0.remove(&number).filter(|block| block.hash == hash);
            let block = known.or_else(|| read(chain, number, hash));
            blocks.extend(block.map(|block| (number, block)));
        }
        self.0 = blocks;
        self.0.values().cloned().collect()
    }
}

fn read(chain: &ChainReader, number: u64, hash: B256) -> Option<BlockStatus> {
    let block = chain.block_by_hash(&hash).ok().flatten()?;
    let header = &block.header;
    Some(BlockStatus {
        number,
        hash,
        timestamp: header.timestamp,
        gas_used: header.gas_used,
        gas_limit: header.gas_limit,
        base_fee: header.base_fee_per_gas,
        transactions: block.body.transactions.len(),
    })
}
