//! Event logs and their bloom filter.

use alloy_primitives::{Address, B256, Bloom, BloomInput, Bytes};

use crate::rlp_struct;

/// What a LOG instruction left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The contract that logged.
    pub address: Address,
    /// None to four.
    pub topics: Vec<B256>,
    /// The unindexed data.
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

/// The bloom filter (2048 bits, three a value) over the logs' addresses and topics.
pub fn logs_bloom<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        log.add_to_bloom(&mut bloom);
    }
    bloom
}
