//! Branches: blocks beside the canonical chain, and the moment when one takes its place.
//!
//! A branch is stored without its state. When its total difficulty wins, the state goes back to
//! where the branch begins, the branch is executed, and all of it becomes one commit: before it
//! the old chain stands, after it the new one.

use std::{cmp::Ordering, sync::Arc};

use actoreum_consensus::{BatchChain, ConsensusError, Disposition};
use actoreum_primitives::{B256, Block, U256};
use actoreum_storage::{Commit, StorageError};
use tracing::{debug, warn};

use crate::{
    BlockError, Chain, ChainEvent, ExecutedBlock, ImportReport, ImportStats, OpenError, Reorg,
    Rewound, SealedHeader,
    body::check_body,
    commit::Canonical,
    import::prepare,
    limits::{LOUD_REORG, TOLD_BLOCKS, TOLD_GAS, TOLD_REMOVED_BLOCKS},
};

/// A branch that is to become the chain.
struct Plan {
    /// The last block that both chains have.
    ancestor: SealedHeader,
    /// Blocks of the canonical chain above it, newest first.
    old: Vec<SealedHeader>,
    /// Blocks of the branch above it, oldest first.
    new: Vec<Block>,
}

impl Plan {
    /// Whether each of its blocks becomes an event.
    fn is_told_in_full(&self) -> bool {
        let old = self.old.iter().map(|header| header.gas_used);
        let new = self.new.iter().map(|block| block.header.gas_used);
        let gas = old.chain(new).fold(0, u64::saturating_add);
        self.old.len() + self.new.len() <= TOLD_BLOCKS && gas <= TOLD_GAS
    }
}

impl Chain {
    /// Stores blocks beside the canonical chain; where they win, makes them the chain.
    pub(crate) fn branch(
        &mut self,
        blocks: &[Block],
        report: &mut ImportReport,
    ) -> Result<(), (usize, BlockError)> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Ok(());
        };
        let parent = first.header.parent_hash;
        let parent_number = first.header.number.saturating_sub(1);
        let at_first = |error: StorageError| (0, BlockError::from(error));
        if self
            .store
            .header(&parent, parent_number)
            .map_err(at_first)?
            .is_none()
        {
            return Err((0, ConsensusError::UnknownAncestor.into()));
        }
        for (index, block) in blocks.iter().enumerate() {
            check_body(&self.config, block).map_err(|error| (index, error))?;
        }
        let total = self.store_branch(blocks).map_err(at_first)?;
        if !self.wins(total, last) {
            report.imported += blocks.len();
            report.events.extend(
                blocks
                    .iter()
                    .map(|block| ChainEvent::Side(SealedHeader::new(block.header.clone()))),
            );
            return Ok(());
        }
        let Err((culprit, error)) = self.adopt(last.hash(), report) else {
            return Ok(());
        };
        let index = blocks
            .iter()
            .position(|block| block.hash() == culprit)
            .unwrap_or(0);
        if let Some(before) = index.checked_sub(1).map(|before| &blocks[before]) {
            self.adopt_if_it_wins(before, report)
                .map_err(|(_, error)| (index, error))?;
        }
        Err((index, error))
    }

    /// What stands before a refused block may win by itself.
    fn adopt_if_it_wins(
        &mut self,
        tip: &Block,
        report: &mut ImportReport,
    ) -> Result<(), (B256, BlockError)> {
        let hash = tip.hash();
        let total = self.store.total_difficulty(&hash, tip.header.number);
        match total.map_err(|error| (hash, error.into()))? {
            Some(total) if self.wins(total, tip) => self.adopt(hash, report),
            _ => Ok(()),
        }
    }

    /// Stores the blocks and gives the total difficulty of the last.
    fn store_branch(&mut self, blocks: &[Block]) -> Result<U256, StorageError> {
        let mut total = self.total_below(blocks)?;
        let mut commit = Commit::new();
        for block in blocks {
            let hash = block.hash();
            total = total.saturating_add(block.header.difficulty);
            commit.put_header(&hash, &block.header, &total);
            commit.put_body(block.header.number, &hash, &block.body);
        }
        self.store.commit(commit)?;
        Ok(total)
    }

    /// geth's rule: more total difficulty wins; of equal ones the lower number; of equal numbers
    /// a coin toss, which here is the lower hash, so that all nodes toss alike. After the merge
    /// the newest block always wins: there, choosing was the beacon chain's work.
    fn wins(&self, total: U256, last: &Block) -> bool {
        if self.config.is_terminal(total) {
            return true;
        }
        match total.cmp(&self.total_difficulty) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => match last.header.number.cmp(&self.head.number) {
                Ordering::Less => true,
                Ordering::Greater => false,
                Ordering::Equal => last.hash() < self.head.hash(),
            },
        }
    }

    /// Makes the branch that ends with the block `tip` the chain. On an error, which names the
    /// block that is to blame, the chain stands as before.
    fn adopt(&mut self, tip: B256, report: &mut ImportReport) -> Result<(), (B256, BlockError)> {
        let at_tip = |error: BlockError| (tip, error);
        let plan = self.plan(tip).map_err(at_tip)?;
        // Whichever way the blocks came: a reorg is no news that may be told in short.
        let removed = match plan.is_told_in_full() {
            true => self
                .removed(&plan.old)
                .map_err(|error| at_tip(error.into()))?,
            false => Vec::new(),
        };
        let from = self.head.clone();
        if plan.old.len() > LOUD_REORG {
            warn!(
                number = plan.ancestor.number, hash = %plan.ancestor.hash(),
                drop = plan.old.len(), add = plan.new.len(), "chain split detected"
            );
        } else {
            debug!(
                number = plan.ancestor.number, hash = %plan.ancestor.hash(),
                drop = plan.old.len(), add = plan.new.len(), "chain split detected"
            );
        }
        match self.switch(&plan) {
            Ok(added) => {
                report.imported += plan.new.len();
                report.events.extend(removed);
                report.events.extend(added);
                if !plan.old.is_empty() {
                    report.reorgs.push(Reorg {
                        from,
                        to: self.head.clone(),
                        removed: plan.old.len(),
                        added: plan.new.len(),
                    });
                }
                Ok(())
            }
            Err((index, error)) => {
                self.drop_buffers();
                let hash = plan.new.get(index).map_or(tip, Block::hash);
                if error.disposition() == Disposition::Bad
                    && let Some(block) = plan.new.get(index)
                {
                    self.remember_bad(block, hash, error.to_string());
                    self.forget_branch(&plan.new[index..])
                        .map_err(|error| (hash, error.into()))?;
                }
                Err((hash, error))
            }
        }
    }

    /// Walks both chains down to where they part.
    fn plan(&self, tip: B256) -> Result<Plan, BlockError> {
        let lost = |hash: B256| StorageError::Corrupt(format!("block {hash} is not there"));
        let mut new = Vec::new();
        let mut walk = tip;
        let ancestor = loop {
            let header = self
                .reader
                .header_by_hash(&walk)?
                .ok_or_else(|| lost(walk))?;
            if self.reader.canonical_hash(header.number)? == Some(walk) {
                break header;
            }
            let block = self
                .reader
                .block_by_hash(&walk)?
                .ok_or_else(|| lost(walk))?;
            walk = header.parent_hash;
            new.push(Arc::unwrap_or_clone(block));
        };
        new.reverse();
        let mut old = Vec::new();
        for number in (ancestor.number + 1..=self.head.number).rev() {
            old.extend(self.reader.header_by_number(number)?);
        }
        if ancestor.number < self.store.oldest_state() {
            return Err(BlockError::PrunedAncestor(ancestor.number));
        }
        Ok(Plan { ancestor, old, new })
    }

    /// Takes the old blocks back, executes the new ones, commits, and returns the events of the new
    /// ones, where they are told in full. On an error the index of the
    /// new block that is to blame; the buffers are to be dropped then.
    fn switch(&mut self, plan: &Plan) -> Result<Vec<ChainEvent>, (usize, BlockError)> {
        for header in &plan.old {
            let inverse = self
                .trie
                .revert(header.number)
                .map_err(|error| (0, BlockError::from(error)))?;
            self.flat.revert(&inverse);
        }
        let engine = Arc::clone(&self.options.engine);
        let batch = BatchChain::of_blocks(&self.reader, &plan.new);
        let mut stats = ImportStats::default();
        let prepared = prepare(&self.reader, engine.as_ref(), &batch, &plan.new, &mut stats);
        let mut prepared = prepared.into_iter();
        let hashes: Vec<B256> = plan.new.iter().map(Block::hash).collect();
        let progress = self.execute(&plan.new, plan.ancestor.number + 1, &hashes, |_| {
            prepared.next().unwrap_or(Err(BlockError::Interrupted))
        });
        self.stats += stats;
        self.stats += progress.stats;
        if let Some(error) = progress.refused {
            return Err((progress.executed.len(), error));
        }
        let canonical = Canonical::Replaces(&plan.old);
        let executed = self
            .commit(&plan.new, &hashes, progress.executed, canonical)
            .map_err(|error| (0, error))?;
        Ok(match plan.is_told_in_full() {
            true => self.added(&plan.new, &hashes, executed),
            false => Vec::new(),
        })
    }

    /// The events of blocks that leave the canonical chain, newest first.
    fn removed(&self, old: &[SealedHeader]) -> Result<Vec<ChainEvent>, StorageError> {
        let mut events = Vec::with_capacity(old.len());
        for header in old {
            let block = self.reader.block_by_hash(&header.hash())?;
            let receipts = self.reader.receipts(&header.hash())?;
            if let (Some(block), Some(receipts)) = (block, receipts) {
                let header = header.clone();
                events.push(ChainEvent::Removed(ExecutedBlock {
                    header,
                    block,
                    receipts,
                }));
            }
        }
        Ok(events)
    }

    /// Deletes blocks of a branch that turned out bad, and what was built on it.
    fn forget_branch(&mut self, blocks: &[Block]) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        for block in blocks {
            commit.remove_block(block.header.number, &block.hash());
        }
        self.store.commit(commit)
    }

    /// Makes an earlier canonical block the head and forgets everything above it.
    pub fn set_head(&mut self, number: u64) -> Result<ImportReport, OpenError> {
        let mut report = ImportReport::default();
        let Some(target) = self.reader.header_by_number(number)? else {
            return Err(OpenError::Config(format!(
                "block {number} is above the head"
            )));
        };
        let mut old = Vec::new();
        for above in (number + 1..=self.head.number).rev() {
            old.extend(self.reader.header_by_number(above)?);
        }
        if old.is_empty() {
            return Ok(report);
        }
        if number < self.store.oldest_state() {
            return Err(StorageError::MissingState(number).into());
        }
        let from = self.head.hash();
        let told = self.removed_for_good(&old)?;
        self.go_back(&target, &old)
            .inspect_err(|_| self.drop_buffers())?;
        report.rewound = Some(Rewound {
            from,
            is_whole: told.is_some(),
        });
        report.events.extend(told.into_iter().flatten());
        report.events.push(ChainEvent::Head(target));
        Ok(report)
    }

    /// The events of blocks that are about to be deleted, newest first, without those that hold
    /// nothing; `None` where they are too many.
    fn removed_for_good(
        &self,
        old: &[SealedHeader],
    ) -> Result<Option<Vec<ChainEvent>>, StorageError> {
        let holds_something =
            |header: &&SealedHeader| header.gas_used > 0 || !header.logs_bloom.is_zero();
        let full: Vec<SealedHeader> = old.iter().filter(holds_something).cloned().collect();
        let gas = full.iter().map(|header| header.gas_used);
        let gas = gas.fold(0, u64::saturating_add);
        if full.len() > TOLD_REMOVED_BLOCKS || gas > TOLD_GAS {
            return Ok(None);
        }
        let events = self.removed(&full)?;
        Ok((events.len() == full.len()).then_some(events))
    }

    fn go_back(&mut self, target: &SealedHeader, old: &[SealedHeader]) -> Result<(), OpenError> {
        for header in old {
            let inverse = self.trie.revert(header.number)?;
            self.flat.revert(&inverse);
        }
        let mut commit = Commit::new();
        self.uncanonical(old, &mut commit)?;
        self.store.forget_blocks_above(target.number, &mut commit)?;
        self.commit_head(target, commit)
    }
}
