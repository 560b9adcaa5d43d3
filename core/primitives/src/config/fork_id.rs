//! Fork identifiers (EIP-2124, with the timestamps of EIP-6122).

use alloy_primitives::{B256, FixedBytes};

use super::{Activation, ChainConfig, Fork};
use crate::rlp_struct;

/// The timestamp of mainnet's genesis. A `next` above it is a time, one below it a block number
/// (EIP-6122).
const TIMESTAMP_THRESHOLD: u64 = 1_438_269_973;

/// A fork identifier: a digest of the chain's past forks and the next fork, twelve bytes
/// (EIP-2124).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkId {
    /// CRC-32 of the genesis hash and of every passed fork's block or time.
    pub hash: FixedBytes<4>,
    /// Block or time of the next fork; zero if none is known.
    pub next: u64,
}

rlp_struct!(ForkId { hash, next });

/// The reason why a peer's fork identifier is incompatible with the local chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForkIdError {
    /// The peer has not passed a fork that the local chain has passed, and does not announce it.
    #[error("remote needs update")]
    RemoteStale,
    /// The peer is on another chain, or has passed a fork that is unknown locally.
    #[error("local incompatible or needs update")]
    LocalIncompatibleOrStale,
}

/// The fork schedule of EIP-2124, without the forks that are active from genesis on.
struct Schedule {
    by_block: Vec<u64>,
    by_time: Vec<u64>,
}

impl Schedule {
    fn new(config: &ChainConfig, genesis_timestamp: u64) -> Self {
        // Paris is not a fork by block number; its netsplit block is.
        let scheduled = Fork::ALL
            .into_iter()
            .filter(|fork| *fork != Fork::Paris)
            .filter_map(|fork| config.activation(fork));
        let mut by_block = Vec::new();
        let mut by_time = Vec::new();
        for activation in scheduled {
            match activation {
                Activation::Block(block) => by_block.push(block),
                Activation::Time(time) => by_time.push(time),
            }
        }
        by_block.extend(config.dao_fork_block);
        by_block.extend(config.eip155_block);
        by_block.extend(config.merge_netsplit_block);

        by_block.retain(|block| *block > 0);
        by_time.retain(|time| *time > genesis_timestamp);
        for list in [&mut by_block, &mut by_time] {
            list.sort_unstable();
            list.dedup();
        }
        Self { by_block, by_time }
    }

    /// Returns every fork with the head's number or timestamp that it is compared to.
    fn with_progress(&self, number: u64, timestamp: u64) -> impl Iterator<Item = (u64, u64)> {
        let by_block = self.by_block.iter().map(move |fork| (*fork, number));
        let by_time = self.by_time.iter().map(move |fork| (*fork, timestamp));
        by_block.chain(by_time)
    }
}

fn checksum(genesis: &B256) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(genesis.as_slice());
    hasher
}

fn digest(hasher: &crc32fast::Hasher) -> FixedBytes<4> {
    hasher.clone().finalize().to_be_bytes().into()
}

impl ForkId {
    /// Returns the identifier of a chain whose head has this number and timestamp.
    pub fn new(
        config: &ChainConfig,
        genesis_hash: &B256,
        genesis_timestamp: u64,
        head_number: u64,
        head_timestamp: u64,
    ) -> Self {
        let schedule = Schedule::new(config, genesis_timestamp);
        let mut hasher = checksum(genesis_hash);
        for (fork, progress) in schedule.with_progress(head_number, head_timestamp) {
            if fork > progress {
                return Self {
                    hash: digest(&hasher),
                    next: fork,
                };
            }
            hasher.update(&fork.to_be_bytes());
        }
        Self {
            hash: digest(&hasher),
            next: 0,
        }
    }
}

/// A filter that tells by their fork identifiers which peers can be on the local chain.
#[derive(Debug, Clone)]
pub struct ForkFilter {
    /// The fork schedule: forks by block, then forks by time, each ascending.
    forks: Vec<u64>,
    /// Number of entries of `forks` that are by block.
    by_block: usize,
    /// The checksum before each fork, followed by the one after the last fork.
    sums: Vec<FixedBytes<4>>,
}

impl ForkFilter {
    /// Creates the filter of a chain with this config and genesis.
    pub fn new(config: &ChainConfig, genesis_hash: &B256, genesis_timestamp: u64) -> Self {
        let Schedule {
            by_block: mut forks,
            by_time,
        } = Schedule::new(config, genesis_timestamp);
        let by_block = forks.len();
        forks.extend(by_time);

        let mut hasher = checksum(genesis_hash);
        let mut sums = vec![digest(&hasher)];
        for fork in &forks {
            hasher.update(&fork.to_be_bytes());
            sums.push(digest(&hasher));
        }
        Self {
            forks,
            by_block,
            sums,
        }
    }

    /// Validates a peer's identifier against the local chain, whose head has this number and
    /// timestamp, by the four rules of EIP-2124.
    pub fn validate(
        &self,
        remote: ForkId,
        head_number: u64,
        head_timestamp: u64,
    ) -> Result<(), ForkIdError> {
        let passed_of =
            |forks: &[u64], head| forks.iter().take_while(|fork| head >= **fork).count();
        let (by_block, by_time) = self.forks.split_at(self.by_block);
        let mut passed = passed_of(by_block, head_number);
        if passed == by_block.len() {
            passed += passed_of(by_time, head_timestamp);
        }

        if self.sums.get(passed) == Some(&remote.hash) {
            let is_next_by_time = passed >= by_block.len() && !by_time.is_empty();
            let head = if is_next_by_time {
                head_timestamp
            } else {
                head_number
            };
            let is_time = remote.next > TIMESTAMP_THRESHOLD;
            let is_passed_here = head >= remote.next || (is_time && head_timestamp >= remote.next);
            return if remote.next > 0 && is_passed_here {
                Err(ForkIdError::LocalIncompatibleOrStale)
            } else {
                Ok(())
            };
        }
        let position = self.sums.iter().position(|sum| *sum == remote.hash);
        match position {
            // The peer is behind: it must announce the fork that comes next for it.
            Some(behind) if behind < passed => {
                if self.forks.get(behind) == Some(&remote.next) {
                    Ok(())
                } else {
                    Err(ForkIdError::RemoteStale)
                }
            }
            // The peer is ahead, on forks that are known locally.
            Some(_) => Ok(()),
            None => Err(ForkIdError::LocalIncompatibleOrStale),
        }
    }
}
