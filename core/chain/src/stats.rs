//! Where the time of imports went.

use std::{ops::AddAssign, time::Duration};

/// Work and wall time by stage, summed over imports. Stages overlap: their sum may exceed the
/// time that passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportStats {
    /// Blocks executed.
    pub blocks: u64,
    /// Transactions executed.
    pub transactions: u64,
    /// Gas used by them.
    pub gas: u64,
    /// Checking headers, seals, ommers and bodies.
    pub headers: Duration,
    /// Recovering senders.
    pub senders: Duration,
    /// Executing.
    pub execution: Duration,
    /// State and receipts roots.
    pub roots: Duration,
    /// Committing.
    pub commit: Duration,
}

impl AddAssign for ImportStats {
    fn add_assign(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.gas += other.gas;
        self.headers += other.headers;
        self.senders += other.senders;
        self.execution += other.execution;
        self.roots += other.roots;
        self.commit += other.commit;
    }
}
