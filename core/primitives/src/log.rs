//! Event logs and their bloom filter.

use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes};

use crate::rlp_struct;

/// An event log: the record that a LOG instruction emits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Address of the contract that emitted the log.
    pub address: Address,
    /// Indexed topics; at most four.
    pub topics: Vec<B256>,
    /// Unindexed data.
    pub data: Bytes,
}

rlp_struct!(Log {
    address,
    topics,
    data
});

impl Log {
    /// Adds the log's address and topics to `bloom`.
    pub fn add_to_bloom(&self, bloom: &mut Bloom) {
        bloom.accrue(BloomInput::Raw(self.address.as_slice()));
        for topic in &self.topics {
            bloom.accrue(BloomInput::Raw(topic.as_slice()));
        }
    }
}

/// Returns the bloom filter (2048 bits, three bits a value) over the logs' addresses and topics.
pub fn logs_bloom<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        log.add_to_bloom(&mut bloom);
    }
    bloom
}
