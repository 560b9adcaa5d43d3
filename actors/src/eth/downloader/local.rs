//! Our chain, as the downloader's state machine reads it.

use actoreum_chain::ChainReader;
use actoreum_primitives::{B256, U256};
use actoreum_storage::StorageError;
use actoreum_sync::downloader::LocalChain;
use actoreum_sync::state::StateStore;
use tracing::error;

/// [`LocalChain`] and [`StateStore`] over the published view and the store. What cannot be read
/// counts as absent and is fetched again.
pub(super) struct Local<'a>(pub(super) &'a ChainReader);

fn unreadable<T: Default>(error: StorageError) -> T {
    error!(%error, "chain not readable");
    T::default()
}

impl StateStore for Local<'_> {
    fn has_node(&self, hash: &B256) -> bool {
        let node = self.0.store().incoming_node(hash);
        node.unwrap_or_else(unreadable).is_some()
    }

    fn has_code(&self, hash: &B256) -> bool {
        let code = self.0.store().find_code(hash);
        code.unwrap_or_else(unreadable).is_some()
    }
}

impl LocalChain for Local<'_> {
    fn head_number(&self) -> u64 {
        self.0.head_number()
    }

    fn total_difficulty(&self) -> U256 {
        self.0.view().total_difficulty()
    }

    fn total_difficulty_of(&self, hash: &B256) -> Option<U256> {
        self.0.total_difficulty(hash).unwrap_or_else(unreadable)
    }

    fn has_block(&self, hash: &B256, number: u64) -> bool {
        let header = self.0.header_by_hash(hash).unwrap_or_else(unreadable);
        header.is_some_and(|header| header.number == number) && !self.has_fast_block(hash, number)
    }

    fn current_fast_block(&self) -> Option<(u64, B256)> {
        let newest = self.0.newest_receipt_block().unwrap_or_else(unreadable)?;
        Some((newest.number, newest.hash()))
    }

    fn has_fast_block(&self, hash: &B256, number: u64) -> bool {
        if number <= self.0.head_number() {
            return false;
        }
        let newest = self.current_fast_block().map_or(0, |(number, _)| number);
        let canonical = self.0.store().canonical_hash(number);
        number <= newest && canonical.unwrap_or_else(unreadable) == Some(*hash)
    }

    fn state_root(&self, hash: &B256) -> Option<B256> {
        let header = self.0.header_by_hash(hash).unwrap_or_else(unreadable);
        header.map(|header| header.state_root)
    }

    fn canonical_hash(&self, number: u64) -> Option<B256> {
        self.0.canonical_hash(number).unwrap_or_else(unreadable)
    }
}
