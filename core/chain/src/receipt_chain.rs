//! Fast sync: blocks with receipts that are stored without execution, and the pivot state.
//!
//! Receipt-only blocks are stored above the head, where no reader looks. Their headers, seals,
//! bodies and receipts are checked like those of any block; their effect on the state is not. When
//! the state of one of them (the pivot), downloaded from peers, is complete, that block becomes the
//! head, and the blocks after it are executed.

use actoreum_consensus::BatchChain;
use actoreum_primitives::{B256, Block, Bloom, Receipt, receipt_trie_items};
use actoreum_storage::{Commit, HeadRecord, StorageError};
use rayon::prelude::*;

use crate::{
    BlockError, Chain, ChainEvent, ChainReader, ImportReport, OpenError, SealedHeader,
    body::{check_body, root},
    import::check_contiguous,
};

/// Name of the record of the newest receipt-only block: its number (8 bytes, big-endian) and its
/// hash.
const RECEIPT_CHAIN_HEAD: &str = "kept without state";

impl ChainReader {
    /// Returns the newest receipt-only block, if there is one above the head.
    pub fn newest_receipt_block(&self) -> Result<Option<SealedHeader>, StorageError> {
        let Some(record) = self.store().meta(RECEIPT_CHAIN_HEAD)? else {
            return Ok(None);
        };
        let corrupt =
            || StorageError::Corrupt("the record of the newest receipt-only block".into());
        let (number, hash) = record.split_first_chunk::<8>().ok_or_else(corrupt)?;
        let number = u64::from_be_bytes(*number);
        let hash = B256::try_from(hash).map_err(|_| corrupt())?;
        if number <= self.head_number() {
            return Ok(None);
        }
        let header = self.store().header(&hash, number)?;
        Ok(header.map(|header| SealedHeader::with_hash(header, hash)))
    }
}

impl Chain {
    /// Stores blocks with their receipts and without execution, each the child of the one before;
    /// the first is the child of a receipt-only block or of the head. Receipt-only blocks that
    /// conflict are replaced.
    pub fn insert_receipt_chain(
        &mut self,
        blocks: &[Block],
        receipts: &[Vec<Receipt>],
    ) -> ImportReport {
        let mut report = ImportReport::default();
        if let Err((index, error)) = self.insert_receipt_blocks(blocks, receipts, &mut report)
            && let Some(block) = blocks.get(index)
        {
            report.refused = Some(self.import_error(index, block, error));
        }
        report
    }

    fn insert_receipt_blocks(
        &mut self,
        blocks: &[Block],
        receipts: &[Vec<Receipt>],
        report: &mut ImportReport,
    ) -> Result<(), (usize, BlockError)> {
        check_contiguous(blocks)?;
        let Some(first) = blocks.first() else {
            return Ok(());
        };
        let parent = first.header.number.saturating_sub(1);
        let below = self
            .store
            .canonical_hash(parent)
            .map_err(|error| (0, error.into()))?;
        if parent < self.head.number || below != Some(first.header.parent_hash) {
            let error = actoreum_consensus::ConsensusError::UnknownAncestor;
            return Err((0, error.into()));
        }
        let (valid_headers, refused) = self.check_headers(blocks);
        let engine = &self.options.engine;
        let batch = BatchChain::of_blocks(&self.reader, blocks);
        let checked: Vec<Result<(), BlockError>> = blocks[..valid_headers]
            .par_iter()
            .enumerate()
            .map(|(index, block)| {
                check_body(&self.config, block)?;
                engine.verify_ommers(&batch, block)?;
                check_receipts(block, receipts.get(index).map_or(&[], Vec::as_slice))
            })
            .collect();
        let valid = checked.iter().take_while(|it| it.is_ok()).count();
        let (blocks, receipts) = (&blocks[..valid], &receipts[..valid.min(receipts.len())]);
        self.write_receipt_blocks(blocks, receipts)
            .map_err(|error| (0, error.into()))?;
        report.imported += valid;
        match (checked.into_iter().nth(valid), refused) {
            (Some(Err(error)), _) => Err((valid, error)),
            (_, Some(error)) => Err((valid_headers, error)),
            _ => Ok(()),
        }
    }

    fn write_receipt_blocks(
        &mut self,
        blocks: &[Block],
        receipts: &[Vec<Receipt>],
    ) -> Result<(), StorageError> {
        let Some(last) = blocks.last() else {
            return Ok(());
        };
        let mut commit = Commit::new();
        let mut total = self.total_below(blocks)?;
        for (block, receipts) in blocks.iter().zip(receipts) {
            let (number, hash) = (block.header.number, block.hash());
            total = total.saturating_add(block.header.difficulty);
            commit.put_header(&hash, &block.header, &total);
            commit.put_body(number, &hash, &block.body);
            commit.put_receipts(number, &hash, receipts);
            commit.set_canonical(number, &hash);
            for transaction in &block.body.transactions {
                commit.put_tx_lookup(&transaction.hash(), number);
            }
        }
        let mut record = last.header.number.to_be_bytes().to_vec();
        record.extend_from_slice(last.hash().as_slice());
        commit.put_meta(RECEIPT_CHAIN_HEAD, &record);
        self.store.commit(commit)
    }

    /// Makes a receipt-only block the head, with the downloaded state of its root.
    ///
    /// # Errors
    /// If the block is not a receipt-only block, or the state is incomplete.
    pub fn commit_pivot_state(&mut self, hash: &B256) -> Result<ImportReport, OpenError> {
        let number = self.store.number_of(hash)?.unwrap_or_default();
        let header = self.store.header(hash, number)?;
        let total = self.store.total_difficulty(hash, number)?;
        let is_stored = self.store.canonical_hash(number)? == Some(*hash);
        let (Some(header), Some(total), true) = (header, total, is_stored) else {
            return Err(OpenError::Config(format!(
                "block {hash} is not a receipt-only block"
            )));
        };
        self.store.commit_pivot_state(HeadRecord {
            number,
            hash: *hash,
            state_root: header.state_root,
        })?;
        let mut commit = Commit::new();
        commit.remove_meta(RECEIPT_CHAIN_HEAD);
        self.store.commit(commit)?;
        self.drop_buffers();
        let head = SealedHeader::with_hash(header, *hash);
        self.move_head(head.clone(), total);
        Ok(ImportReport {
            events: vec![ChainEvent::Head(head)],
            ..ImportReport::default()
        })
    }
}

/// Compares a block's receipts with its header.
fn check_receipts(block: &Block, receipts: &[Receipt]) -> Result<(), BlockError> {
    let header = &block.header;
    let have = root(&receipt_trie_items(receipts))?;
    if have != header.receipts_root {
        return Err(BlockError::ReceiptsRoot {
            remote: header.receipts_root,
            local: have,
        });
    }
    let mut bloom = Bloom::ZERO;
    for receipt in receipts {
        bloom |= receipt.logs_bloom;
    }
    if bloom != header.logs_bloom {
        return Err(BlockError::LogsBloom {
            remote: Box::new(header.logs_bloom),
            local: Box::new(bloom),
        });
    }
    let used = receipts.last().map_or(0, |last| last.cumulative_gas_used);
    if used != header.gas_used {
        return Err(BlockError::GasUsed {
            remote: header.gas_used,
            local: used,
        });
    }
    Ok(())
}
