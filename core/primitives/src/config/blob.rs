//! Blob parameters: target, maximum and fee of blobs by fork (EIP-4844, EIP-7840).

use super::{ChainConfig, Fork};

/// The blob parameters of a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobParams {
    /// Number of blobs in a block at which the blob fee stays the same.
    pub target: u64,
    /// Maximum number of blobs in a block.
    pub max: u64,
    /// Denominator of the exponent in the blob fee's formula; a larger value makes the fee change
    /// more slowly.
    pub base_fee_update_fraction: u64,
}

impl BlobParams {
    /// Mainnet's parameters of Cancun (EIP-4844).
    pub const CANCUN: Self = Self {
        target: 3,
        max: 6,
        base_fee_update_fraction: 3_338_477,
    };
    /// Mainnet's parameters of Prague (EIP-7691).
    pub const PRAGUE: Self = Self {
        target: 6,
        max: 9,
        base_fee_update_fraction: 5_007_716,
    };
    /// Mainnet's parameters of the first blob parameter fork (EIP-7892).
    pub const BPO1: Self = Self {
        target: 10,
        max: 15,
        base_fee_update_fraction: 8_346_193,
    };
    /// Mainnet's parameters of the second blob parameter fork (EIP-7892).
    pub const BPO2: Self = Self {
        target: 14,
        max: 21,
        base_fee_update_fraction: 11_684_671,
    };
    /// No blobs: for a chain that seals its own blocks and has no blob schedule.
    pub const NONE: Self = Self {
        target: 0,
        max: 0,
        base_fee_update_fraction: 3_338_477,
    };
}

impl ChainConfig {
    /// Returns the blob parameters of a block; `None` before Cancun. They come from the newest
    /// entry of the blob schedule whose fork is active. Without such an entry, a chain that merges
    /// has mainnet's parameters of Cancun or Prague, and a chain that always seals its own blocks
    /// allows no blobs.
    pub fn blob_params_at(&self, number: u64, timestamp: u64) -> Option<BlobParams> {
        if !self.is_active(Fork::Cancun, number, timestamp) {
            return None;
        }
        let scheduled = self
            .blob_schedule
            .iter()
            .rev()
            .find(|(fork, _)| self.is_active(**fork, number, timestamp));
        let is_prague = self.is_active(Fork::Prague, number, timestamp);
        let by_default = match (self.terminal_total_difficulty, is_prague) {
            (None, _) => BlobParams::NONE,
            (Some(_), false) => BlobParams::CANCUN,
            (Some(_), true) => BlobParams::PRAGUE,
        };
        Some(scheduled.map_or(by_default, |(_, params)| *params))
    }
}
