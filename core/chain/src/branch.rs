//! Side chains, and the reorg to one of them.
//!
//! A side chain is stored without its state. When its total difficulty wins, the state is reverted
//! to that of the common ancestor, the side chain is executed, and all of it becomes one commit:
//! before the commit the old chain is canonical, after it the new one.

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
    dev_rules,
    import::prepare,
    limits::{MAX_EVENT_BLOCKS, MAX_EVENT_GAS, MAX_REWIND_EVENT_BLOCKS, REORG_WARNING_BLOCKS},
};

/// A reorg to be carried out.
struct ReorgPlan {
    /// The newest block that both chains share.
    ancestor: SealedHeader,
    /// Blocks of the canonical chain above the ancestor, newest first.
    old: Vec<SealedHeader>,
    /// Blocks of the new chain above the ancestor, oldest first.
    new: Vec<Block>,
}

impl ReorgPlan {
    /// Returns true if each block of the reorg gets an event of its own.
    fn has_full_events(&self) -> bool {
        let old = self.old.iter().map(|header| header.gas_used);
        let new = self.new.iter().map(|block| block.header.gas_used);
        let gas = old.chain(new).fold(0, u64::saturating_add);
        self.old.len() + self.new.len() <= MAX_EVENT_BLOCKS && gas <= MAX_EVENT_GAS
    }
}

impl Chain {
    /// Stores blocks as a side chain; if its total difficulty wins, makes it canonical.
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
        let Err((invalid_hash, error)) = self.reorg_to(last.hash(), report) else {
            return Ok(());
        };
        let index = blocks
            .iter()
            .position(|block| block.hash() == invalid_hash)
            .unwrap_or(0);
        if let Some(before) = index.checked_sub(1).map(|before| &blocks[before]) {
            self.reorg_if_it_wins(before, report)
                .map_err(|(_, error)| (index, error))?;
        }
        Err((index, error))
    }

    /// Reorgs to the block before a refused one, if that block wins by itself.
    fn reorg_if_it_wins(
        &mut self,
        tip: &Block,
        report: &mut ImportReport,
    ) -> Result<(), (B256, BlockError)> {
        let hash = tip.hash();
        let total = self.store.total_difficulty(&hash, tip.header.number);
        match total.map_err(|error| (hash, error.into()))? {
            Some(total) if self.wins(total, tip) => self.reorg_to(hash, report),
            _ => Ok(()),
        }
    }

    /// Stores the blocks and returns the total difficulty of the last one.
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

    /// Returns true if the chain that ends with `last` replaces the canonical one.
    ///
    /// geth's rule: more total difficulty wins; of equal total difficulties the lower number; of
    /// equal numbers geth tosses a coin. Here the lower hash wins, so that all nodes decide alike.
    /// After the merge the newest block always wins: the beacon chain made the choice there.
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

    /// Makes the side chain that ends with the block `tip` canonical. On an error, which names the
    /// block at fault, the canonical chain is unchanged.
    fn reorg_to(&mut self, tip: B256, report: &mut ImportReport) -> Result<(), (B256, BlockError)> {
        let at_tip = |error: BlockError| (tip, error);
        let plan = self.plan(tip).map_err(at_tip)?;
        // A reorg gets events whatever the `Detail` of its import.
        let removed = if plan.has_full_events() {
            self.removed_events(&plan.old)
                .map_err(|error| at_tip(error.into()))?
        } else {
            Vec::new()
        };
        let from = self.head.clone();
        if plan.old.len() > REORG_WARNING_BLOCKS {
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
        match self.apply_reorg(&plan) {
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
                    self.remember_bad_block(block, hash, error.to_string());
                    self.delete_side_chain(&plan.new[index..])
                        .map_err(|error| (hash, error.into()))?;
                }
                Err((hash, error))
            }
        }
    }

    /// Walks both chains down to their common ancestor.
    fn plan(&self, tip: B256) -> Result<ReorgPlan, BlockError> {
        let missing = |hash: B256| StorageError::Corrupt(format!("block {hash} is not there"));
        let mut new = Vec::new();
        let mut cursor = tip;
        let ancestor = loop {
            let header = self
                .reader
                .header_by_hash(&cursor)?
                .ok_or_else(|| missing(cursor))?;
            if self.reader.canonical_hash(header.number)? == Some(cursor) {
                break header;
            }
            let block = self
                .reader
                .block_by_hash(&cursor)?
                .ok_or_else(|| missing(cursor))?;
            cursor = header.parent_hash;
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
        Ok(ReorgPlan { ancestor, old, new })
    }

    /// Reverts the old blocks, executes the new ones, commits, and returns the events of the new
    /// blocks, unless the reorg is too large for events.
    ///
    /// On an error, returns the index of the new block at fault; the caller drops the buffers then.
    fn apply_reorg(&mut self, plan: &ReorgPlan) -> Result<Vec<ChainEvent>, (usize, BlockError)> {
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
        Ok(if plan.has_full_events() {
            self.added_events(&plan.new, &hashes, executed)
        } else {
            Vec::new()
        })
    }

    /// Returns the events of blocks that leave the canonical chain, newest first.
    fn removed_events(&self, old: &[SealedHeader]) -> Result<Vec<ChainEvent>, StorageError> {
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

    /// Deletes the blocks of a side chain that proved invalid, from the invalid block on.
    fn delete_side_chain(&mut self, blocks: &[Block]) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        for block in blocks {
            commit.remove_block(block.header.number, &block.hash());
        }
        self.store.commit(commit)
    }

    /// Makes an earlier canonical block the head and deletes every block above it.
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
        let rewound_events = self.rewind_events(&old)?;
        self.rewind(&target, &old)
            .inspect_err(|_| self.drop_buffers())?;
        report.rewound = Some(Rewound {
            from,
            is_complete: rewound_events.is_some(),
        });
        report.events.extend(rewound_events.into_iter().flatten());
        report.events.push(ChainEvent::Head(target));
        Ok(report)
    }

    /// Returns the events of blocks that are about to be deleted, newest first, leaving out blocks
    /// without transactions or logs; `None` if they exceed the limits for events.
    fn rewind_events(&self, old: &[SealedHeader]) -> Result<Option<Vec<ChainEvent>>, StorageError> {
        let holds_something =
            |header: &&SealedHeader| header.gas_used > 0 || !header.logs_bloom.is_zero();
        let full: Vec<SealedHeader> = old.iter().filter(holds_something).cloned().collect();
        let gas = full.iter().map(|header| header.gas_used);
        let gas = gas.fold(0, u64::saturating_add);
        if full.len() > MAX_REWIND_EVENT_BLOCKS || gas > MAX_EVENT_GAS {
            return Ok(None);
        }
        let events = self.removed_events(&full)?;
        Ok((events.len() == full.len()).then_some(events))
    }

    /// Reverts the state to that of `target`, deletes the `old` blocks, and commits.
    fn rewind(&mut self, target: &SealedHeader, old: &[SealedHeader]) -> Result<(), OpenError> {
        for header in old {
            let inverse = self.trie.revert(header.number)?;
            self.flat.revert(&inverse);
        }
        let mut commit = Commit::new();
        self.remove_from_canonical(old, &mut commit)?;
        self.store.delete_blocks_above(target.number, &mut commit)?;
        dev_rules::rewind(&self.config, target.number, &mut commit)?;
        self.commit_head(target, commit)
    }
}
