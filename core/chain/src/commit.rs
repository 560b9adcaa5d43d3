//! Commits: from executed blocks to one durable write and a new view.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_primitives::{B256, Block, U256};
use actoreum_storage::{Commit, FrozenState, HeadRecord, StorageError, Store};

use crate::{BlockError, Chain, OpenError, SealedHeader, pipeline::Executed, preimages};

/// The effect of new blocks on the canonical chain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Canonical<'a> {
    /// The blocks extend the head.
    Extends,
    /// The blocks follow an ancestor of the head and replace these blocks, newest first.
    Replaces(&'a [SealedHeader]),
}

/// A commit that is ready to be written, on any thread.
pub(crate) struct PendingCommit<'a> {
    blocks: &'a [Block],
    hashes: &'a [B256],
    executed: Vec<Executed>,
    /// Total difficulty of the first block's parent.
    total_below: U256,
    commit: Commit,
    state: Arc<FrozenState>,
    /// Position of the newest flat state change that the commit contains.
    mark: u64,
    store: Store,
}

/// The result of writing a [`PendingCommit`].
pub(crate) struct WrittenCommit {
    outcome: Result<(), StorageError>,
    executed: Vec<Executed>,
    /// The last block; `None` if there was none.
    head: Option<SealedHeader>,
    total_difficulty: U256,
    mark: u64,
    time: Duration,
}

impl PendingCommit<'_> {
    /// Writes the commit durably. The following blocks may be executed meanwhile.
    pub(crate) fn write(self) -> WrittenCommit {
        let started = Instant::now();
        let mut commit = self.commit;
        let mut total = self.total_below;
        let mut lookups = Vec::new();
        for ((block, hash), executed) in self.blocks.iter().zip(self.hashes).zip(&self.executed) {
            let number = block.header.number;
            total = total.saturating_add(block.header.difficulty);
            commit.put_header(hash, &block.header, &total);
            commit.put_body(number, hash, &block.body);
            commit.put_receipts(number, hash, &executed.receipts);
            commit.set_canonical(number, hash);
            preimages::record(&executed.touched, &mut commit);
            let transactions = block.body.transactions.iter();
            lookups.extend(transactions.map(|transaction| (transaction.hash(), number)));
        }
        // Sorted keys are written to neighbouring places of the database.
        lookups.sort_unstable();
        for (transaction, number) in lookups {
            commit.put_tx_lookup(&transaction, number);
        }
        commit.state(&self.state);
        drop(self.state);
        let last = self.blocks.last().zip(self.hashes.last());
        let head = last.map(|(block, hash)| SealedHeader::with_hash(block.header.clone(), *hash));
        if let Some(head) = &head {
            commit.set_head(HeadRecord {
                number: head.number,
                hash: head.hash(),
                state_root: head.state_root,
            });
        }
        WrittenCommit {
            outcome: self.store.commit(commit),
            executed: self.executed,
            head,
            total_difficulty: total,
            mark: self.mark,
            time: started.elapsed(),
        }
    }
}

impl Chain {
    /// Freezes the buffered state, which is that after the executed blocks, for a commit. The
    /// commit must be written and ended ([`Self::end_commit`]) before the next one begins.
    pub(crate) fn begin_commit<'a>(
        &mut self,
        blocks: &'a [Block],
        hashes: &'a [B256],
        executed: Vec<Executed>,
        canonical: Canonical<'_>,
    ) -> Result<PendingCommit<'a>, BlockError> {
        let mut commit = Commit::new();
        if let Canonical::Replaces(old) = canonical {
            self.remove_from_canonical(old, &mut commit)?;
        }
        Ok(PendingCommit {
            blocks,
            hashes,
            executed,
            total_below: self.total_below(blocks)?,
            commit,
            mark: self.flat.mark(),
            state: self.trie.freeze()?,
            store: self.store.clone(),
        })
    }

    /// Makes the last block of a written commit the head, and publishes it. After an error the
    /// caller drops the buffers.
    pub(crate) fn end_commit(
        &mut self,
        written: WrittenCommit,
    ) -> Result<Vec<Executed>, BlockError> {
        self.stats.commit += written.time;
        written.outcome?;
        self.trie.committed();
        self.flat.committed(written.mark);
        if let Some(head) = written.head {
            self.move_head(head, written.total_difficulty);
        }
        Ok(written.executed)
    }

    /// Commits executed blocks with the buffered state, makes the last one the head, and publishes
    /// it. After an error the caller drops the buffers.
    pub(crate) fn commit(
        &mut self,
        blocks: &[Block],
        hashes: &[B256],
        executed: Vec<Executed>,
        canonical: Canonical<'_>,
    ) -> Result<Vec<Executed>, BlockError> {
        let pending = self.begin_commit(blocks, hashes, executed, canonical)?;
        self.end_commit(pending.write())
    }

    /// Commits the buffered state as the state of an earlier block, and makes that block the head.
    pub(crate) fn commit_head(
        &mut self,
        target: &SealedHeader,
        mut commit: Commit,
    ) -> Result<(), OpenError> {
        let total = self.store.total_difficulty(&target.hash(), target.number)?;
        let total = total.ok_or_else(|| {
            StorageError::Corrupt(format!("block {} has no total difficulty", target.hash()))
        })?;
        let mark = self.flat.mark();
        commit.state(&self.trie.freeze()?);
        commit.set_head(HeadRecord {
            number: target.number,
            hash: target.hash(),
            state_root: target.state_root,
        });
        self.store.commit(commit)?;
        self.trie.committed();
        self.flat.committed(mark);
        self.move_head(target.clone(), total);
        Ok(())
    }

    /// Sets the head and publishes it to readers.
    pub(crate) fn move_head(&mut self, head: SealedHeader, total_difficulty: U256) {
        self.head = head;
        self.total_difficulty = total_difficulty;
        self.reader.publish(self.head.clone(), total_difficulty);
    }

    /// Returns the total difficulty of the first block's parent; zero without blocks.
    pub(crate) fn total_below(&self, blocks: &[Block]) -> Result<U256, StorageError> {
        let Some(first) = blocks.first() else {
            return Ok(U256::ZERO);
        };
        let parent = first.header.parent_hash;
        let number = first.header.number.saturating_sub(1);
        self.store
            .total_difficulty(&parent, number)?
            .ok_or_else(|| StorageError::Corrupt(format!("block {parent} has no total difficulty")))
    }

    /// Removes blocks from the canonical chain, newest first, with their transaction lookups.
    pub(crate) fn remove_from_canonical(
        &self,
        blocks: &[SealedHeader],
        commit: &mut Commit,
    ) -> Result<(), StorageError> {
        for header in blocks {
            commit.remove_canonical(header.number);
            let Some(block) = self.reader.block_by_hash(&header.hash())? else {
                continue;
            };
            for transaction in &block.body.transactions {
                commit.remove_tx_lookup(&transaction.hash());
            }
        }
        Ok(())
    }
}
