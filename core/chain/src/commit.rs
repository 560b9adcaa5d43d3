//! From executed blocks to one durable commit and a new view.

use std::time::Instant;

use actoreum_primitives::{B256, Block, U256};
use actoreum_storage::{Commit, HeadRecord, StorageError};

use crate::{BlockError, Chain, OpenError, SealedHeader, pipeline::Executed};

/// What blocks do to the canonical chain.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Canonical<'a> {
    /// They follow the head.
    Extends,
    /// They follow an ancestor of the head: these blocks give way to them, newest first.
    Replaces(&'a [SealedHeader]),
}

impl Chain {
    /// Commits blocks that were executed, with the state that the buffers hold, makes the last
    /// of them the head, and publishes it. After an error the buffers are to be dropped.
    pub(crate) fn commit(
        &mut self,
        blocks: &[Block],
        hashes: &[B256],
        executed: &[Executed],
        canonical: Canonical<'_>,
    ) -> Result<(), BlockError> {
        let begun = Instant::now();
        let mut commit = Commit::new();
        let mut total = self.total_below(blocks)?;
        if let Canonical::Replaces(old) = canonical {
            self.uncanonical(old, &mut commit)?;
        }
        for ((block, hash), executed) in blocks.iter().zip(hashes).zip(executed) {
            let number = block.header.number;
            total = total.saturating_add(block.header.difficulty);
            commit.put_header(hash, &block.header, &total);
            commit.put_body(number, hash, &block.body);
            commit.put_receipts(number, hash, &executed.receipts);
            commit.set_canonical(number, hash);
            for transaction in &block.body.transactions {
                commit.put_tx_lookup(&transaction.hash(), number);
            }
        }
        let (Some(last), Some(hash)) = (blocks.last(), hashes.get(blocks.len() - 1)) else {
            return Ok(());
        };
        let mark = self.flat.mark();
        commit.state(&self.trie.freeze()?);
        commit.set_head(HeadRecord {
            number: last.header.number,
            hash: *hash,
            state_root: last.header.state_root,
        });
        self.store.commit(commit)?;
        self.trie.committed();
        self.flat.committed(mark);
        self.move_head(SealedHeader::with_hash(last.header.clone(), *hash), total);
        self.stats.commit += begun.elapsed();
        Ok(())
    }

    /// Commits the state that the buffers hold as that of an earlier block.
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

    fn move_head(&mut self, head: SealedHeader, total_difficulty: U256) {
        self.head = head;
        self.total_difficulty = total_difficulty;
        self.reader.publish(self.head.clone(), total_difficulty);
    }

    /// The total difficulty of the parent of the first block.
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

    /// Takes blocks out of the canonical chain, newest first, with their transactions.
    pub(crate) fn uncanonical(
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
