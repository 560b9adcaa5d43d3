//! The writes of one commit.

use std::sync::Arc;

use actoreum_primitives::{B256, Body, Bytes, Header, Receipt, U256, rlp};

use crate::db::WriteBatch;
use crate::head::HeadRecord;
use crate::state::FrozenState;
use crate::store::OLDEST_STATE;
use crate::tables::{BLOOM_HEADS, Table, bloom_key};

/// A commit under construction. It is plain memory, may be built on any thread, and is written
/// atomically by [`crate::Store::commit`]. The head record is written last, whenever it was set.
#[derive(Debug, Default)]
pub struct Commit {
    pub(crate) batch: WriteBatch,
    pub(crate) last: WriteBatch,
    pub(crate) head: Option<HeadRecord>,
    pub(crate) reverted_to: Option<u64>,
    /// Oldest block whose state is available after this commit; `None` leaves the oldest block
    /// unchanged.
    pub(crate) history_from: Option<u64>,
}

impl Commit {
    /// Creates an empty commit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of writes so far.
    pub const fn len(&self) -> usize {
        self.batch.len() + self.last.len()
    }

    /// Returns true if nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0 && self.head.is_none()
    }

    /// Writes a header, its number, and its total difficulty.
    pub fn put_header(&mut self, hash: &B256, header: &Header, total_difficulty: &U256) {
        let number = header.number.to_be_bytes();
        self.put(Table::Numbers, &[hash.as_slice()], &number);
        let difficulty = total_difficulty.to_be_bytes_trimmed_vec();
        self.put(
            Table::TotalDifficulty,
            &[&number, hash.as_slice()],
            &difficulty,
        );
        self.put(
            Table::Headers,
            &[&number, hash.as_slice()],
            &rlp::encode(header),
        );
    }

    /// Writes a block's body.
    pub fn put_body(&mut self, number: u64, hash: &B256, body: &Body) {
        let key: &[&[u8]] = &[&number.to_be_bytes(), hash.as_slice()];
        self.put(Table::Bodies, key, &rlp::encode(body));
    }

    /// Writes a block's receipts.
    pub fn put_receipts(&mut self, number: u64, hash: &B256, receipts: &[Receipt]) {
        let key: &[&[u8]] = &[&number.to_be_bytes(), hash.as_slice()];
        self.put(
            Table::Receipts,
            key,
            &crate::blocks::encode_receipts(receipts),
        );
    }

    /// Deletes a block that is not canonical: header, body, receipts and number.
    pub fn remove_block(&mut self, number: u64, hash: &B256) {
        let key: &[&[u8]] = &[&number.to_be_bytes(), hash.as_slice()];
        for table in [
            Table::Headers,
            Table::Bodies,
            Table::Receipts,
            Table::TotalDifficulty,
        ] {
            self.delete(table, key);
        }
        self.delete(Table::Numbers, &[hash.as_slice()]);
    }

    /// Makes a block the canonical one of its number.
    pub fn set_canonical(&mut self, number: u64, hash: &B256) {
        self.put(Table::Canonical, &[&number.to_be_bytes()], hash.as_slice());
    }

    /// Removes the canonical block of a number.
    pub fn remove_canonical(&mut self, number: u64) {
        self.delete(Table::Canonical, &[&number.to_be_bytes()]);
    }

    /// Records the number of the canonical block that holds a transaction.
    pub fn put_tx_lookup(&mut self, transaction: &B256, number: u64) {
        let number = number.to_be_bytes();
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        self.put(Table::TxLookup, &[transaction.as_slice()], &number[zeros..]);
    }

    /// Removes the record of the block that holds a transaction.
    pub fn remove_tx_lookup(&mut self, transaction: &B256) {
        self.delete(Table::TxLookup, &[transaction.as_slice()]);
    }

    /// Writes a contract's code that does not come from the execution of a block.
    pub fn put_code(&mut self, hash: &B256, code: &Bytes) {
        self.put(Table::Codes, &[hash.as_slice()], code);
    }

    /// Writes a clique snapshot, in its engine's encoding, under its block's hash.
    pub fn put_snapshot(&mut self, hash: &B256, snapshot: &[u8]) {
        self.put(Table::Snapshots, &[hash.as_slice()], snapshot);
    }

    /// Writes which blocks of a bloom index section have a bit (below 65,535) in their bloom.
    pub fn put_bloom_bits(&mut self, bit: u16, section: u64, blocks: &[u8]) {
        debug_assert!(bit != BLOOM_HEADS);
        self.batch.put(&[&bloom_key(bit, section)], blocks);
    }

    /// Removes the blocks of a bit of a bloom index section.
    pub fn remove_bloom_bits(&mut self, bit: u16, section: u64) {
        self.batch.delete(&[&bloom_key(bit, section)]);
    }

    /// Records the last block of a bloom index section. The section is valid only for the chain of
    /// that block.
    pub fn put_bloom_section(&mut self, section: u64, last_block: &B256) {
        self.last
            .put(&[&bloom_key(BLOOM_HEADS, section)], last_block.as_slice());
    }

    /// Writes a record under a name of the caller's choice (at most 64 bytes).
    pub fn put_meta(&mut self, name: &str, value: &[u8]) {
        self.put(
            Table::Meta,
            &[crate::store::USER_META, name.as_bytes()],
            value,
        );
    }

    /// Removes a record that [`Self::put_meta`] wrote.
    pub fn remove_meta(&mut self, name: &str) {
        self.delete(Table::Meta, &[crate::store::USER_META, name.as_bytes()]);
    }

    /// Writes the state, tries and history of the blocks in `frozen`. The caller must set the head
    /// with it.
    pub fn state(&mut self, frozen: &Arc<FrozenState>) {
        self.last.append(&frozen.write(&mut self.batch));
        self.reverted_to = self
            .reverted_to
            .into_iter()
            .chain(frozen.reverted_to())
            .min();
    }

    /// Makes the state of this block the oldest available one, whatever was available before.
    pub fn begin_history(&mut self, number: u64) {
        self.put(Table::Meta, &[OLDEST_STATE], &number.to_be_bytes());
        self.history_from = Some(number);
    }

    /// Sets the head: the block that the state belongs to after this commit.
    pub const fn set_head(&mut self, head: HeadRecord) {
        self.head = Some(head);
    }

    pub(crate) fn put(&mut self, table: Table, key: &[&[u8]], value: &[u8]) {
        self.batch.put(&[&table.key(key)], value);
    }

    pub(crate) fn delete(&mut self, table: Table, key: &[&[u8]]) {
        self.batch.delete(&[&table.key(key)]);
    }
}
