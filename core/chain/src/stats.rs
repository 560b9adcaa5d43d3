//! Work and time of imports, by stage.

use std::{ops::AddAssign, time::Duration};

/// Work and wall time by stage, summed over imports. Stages overlap: their sum may exceed the
/// elapsed time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportStats {
    /// Number of blocks executed.
    pub blocks: u64,
    /// Number of transactions executed.
    pub transactions: u64,
    /// Gas used by these transactions.
    pub gas: u64,
    /// Time of checking headers, seals, ommers and bodies.
    pub headers: Duration,
    /// Time of recovering senders.
    pub senders: Duration,
    /// Time of execution.
    pub execution: Duration,
    /// Time of computing state and receipts roots.
    pub roots: Duration,
    /// Time of committing.
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
