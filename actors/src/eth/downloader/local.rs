//! Our chain as the downloader's rules see it.

use actoreum_chain::ChainReader;
use actoreum_primitives::{B256, U256};
use actoreum_storage::StorageError;
use actoreum_sync::downloader::LocalChain;
use tracing::error;

/// Reads through the published view and the store. What cannot be read counts as not there: it is
/// fetched again.
pub(super) struct Local<'a>(pub(super) &'a ChainReader);

fn unreadable<T: Default>(error: StorageError) -> T {
    error!(%error, "chain not readable");
    T::default()
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
        header.is_some_and(|header| header.number == number)
    }

    fn canonical_hash(&self, number: u64) -> Option<B256> {
        self.0.canonical_hash(number).unwrap_or_else(unreadable)
    }
}
