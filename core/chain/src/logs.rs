//! Log filter criteria, and logs with their position in the chain.

use actoreum_primitives::alloy_primitives::BloomInput;
use actoreum_primitives::{Address, B256, Block, Bloom, Log, Receipt};

use crate::ExecutedBlock;

/// Criteria that select logs by address and topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogCriteria {
    /// Addresses of which one must have emitted the log; empty matches any.
    pub addresses: Vec<Address>,
    /// For each topic position, the values of which one must match; empty matches any.
    pub topics: Vec<Vec<B256>>,
}

impl LogCriteria {
    /// Returns true if the log matches.
    pub fn matches(&self, log: &Log) -> bool {
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= log.topics.len()
            && self
                .topics
                .iter()
                .zip(&log.topics)
                .all(|(wanted, topic)| wanted.is_empty() || wanted.contains(topic))
    }

    /// Returns true if a block with this bloom may hold a matching log.
    pub fn may_match(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        // A block without logs has no match, even if the criteria are empty.
        !bloom.is_zero()
            && (self.addresses.is_empty()
                || self.addresses.iter().any(|address| has(address.as_slice())))
            && self
                .topics
                .iter()
                .all(|wanted| wanted.is_empty() || wanted.iter().any(|topic| has(topic.as_slice())))
    }

    /// Returns the matching logs of a block, in order.
    pub fn select<'a>(
        &'a self,
        hash: B256,
        block: &'a Block,
        receipts: &'a [Receipt],
        removed: bool,
    ) -> impl Iterator<Item = LogWithMeta> + 'a {
        let mut next_index = 0;
        let transactions = block.body.transactions.iter().zip(receipts).enumerate();
        transactions.flat_map(move |(index, (transaction, receipt))| {
            let first = next_index;
            next_index += receipt.logs.len() as u64;
            let logs = receipt.logs.iter().zip(first..);
            logs.filter(|(log, _)| self.matches(log))
                .map(move |(log, log_index)| LogWithMeta {
                    log: log.clone(),
                    block_hash: hash,
                    block_number: block.header.number,
                    block_timestamp: block.header.timestamp,
                    transaction_hash: transaction.hash(),
                    transaction_index: index as u64,
                    log_index,
                    removed,
                })
        })
    }
}

/// A log with its position in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogWithMeta {
    /// The log.
    pub log: Log,
    /// Hash of the block.
    pub block_hash: B256,
    /// Number of the block.
    pub block_number: u64,
    /// Time of the block, in seconds since 1970.
    pub block_timestamp: u64,
    /// Hash of the transaction.
    pub transaction_hash: B256,
    /// Index of the transaction in the block.
    pub transaction_index: u64,
    /// Index among the logs of the block.
    pub log_index: u64,
    /// Whether a reorg removed the block from the canonical chain.
    pub removed: bool,
}

impl ExecutedBlock {
    /// Returns the matching logs, in order; `removed` marks those of a block that left the chain.
    pub fn logs(&self, criteria: &LogCriteria, removed: bool) -> Vec<LogWithMeta> {
        if !criteria.may_match(&self.header.logs_bloom) {
            return Vec::new();
        }
        let hash = self.header.hash();
        criteria
            .select(hash, &self.block, &self.receipts, removed)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_uses_positions_and_blooms_have_no_false_negatives() {
        let log = Log {
            address: Address::repeat_byte(1),
            topics: vec![B256::repeat_byte(2), B256::repeat_byte(3)],
            data: Default::default(),
        };
        let mut bloom = Bloom::ZERO;
        log.add_to_bloom(&mut bloom);
        let filter = |addresses: &[u8], topics: &[&[u8]]| LogCriteria {
            addresses: addresses
                .iter()
                .map(|byte| Address::repeat_byte(*byte))
                .collect(),
            topics: topics
                .iter()
                .map(|values| values.iter().map(|byte| B256::repeat_byte(*byte)).collect())
                .collect(),
        };
        for fits in [
            filter(&[], &[]),
            filter(&[9, 1], &[]),
            filter(&[], &[&[2]]),
            filter(&[1], &[&[], &[9, 3]]),
        ] {
            assert!(fits.matches(&log), "{fits:?}");
            assert!(fits.may_match(&bloom), "{fits:?}");
        }
        for misses in [
            filter(&[9], &[]),
            filter(&[], &[&[3]]),
            filter(&[], &[&[2], &[2]]),
            filter(&[], &[&[], &[], &[]]),
        ] {
            assert!(!misses.matches(&log), "{misses:?}");
        }
        assert!(!filter(&[9], &[]).may_match(&bloom));
        assert!(!filter(&[], &[]).may_match(&Bloom::ZERO));
    }
}
