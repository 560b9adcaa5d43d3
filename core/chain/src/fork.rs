//! The first block of a chain that is forked off a remote one.

use actoreum_primitives::{Body, ChainConfig, StateDiff};
use actoreum_storage::{Commit, HeadRecord, StorageError, Store, TrieBuffer};

use crate::{OpenError, SealedHeader, genesis::put_config, preimages};

/// The block that a chain forks off a remote one.
#[derive(Debug, Clone)]
pub struct ForkBase {
    /// The rules of the blocks after the fork block.
    pub config: ChainConfig,
    /// The fork block: the parent of the first block.
    pub block: SealedHeader,
    /// Block 0 of the remote chain.
    pub genesis: SealedHeader,
    /// Changes of the state after the fork block. The values before are those of the remote chain.
    pub changes: StateDiff,
}

impl ForkBase {
    /// Writes the fork block to an empty store with a remote ([`Store::fork_off`]). Of the blocks
    /// below it the store gets block 0 alone, and of neither a body.
    ///
    /// # Errors
    /// The store has no remote or holds a chain, the config is not valid, or the store fails.
    pub fn write(&self, store: &Store) -> Result<(), OpenError> {
        if store.remote().is_none() || store.head().is_some() {
            return Err(
                StorageError::Misuse("a fork begins in an empty store with a remote").into(),
            );
        }
        self.config
            .check_fork_order()
            .map_err(|error| OpenError::Config(error.to_string()))?;
        let number = self.block.number;
        let mut commit = Commit::new();
        put_block(&self.genesis, &mut commit);
        put_block(&self.block, &mut commit);
        put_config(&self.config, &mut commit)?;
        preimages::record(&preimages::touched(&self.changes), &mut commit);
        let mut state = TrieBuffer::new(store.clone());
        state.apply(number, &self.changes)?;
        commit.state(&state.freeze()?);
        commit.begin_history(number);
        commit.set_head(HeadRecord {
            number,
            hash: self.block.hash(),
            state_root: self.block.state_root,
        });
        store.commit(commit)?;
        Ok(())
    }
}

fn put_block(header: &SealedHeader, commit: &mut Commit) {
    let hash = header.hash();
    let body = Body {
        withdrawals: header.withdrawals_root.map(|_| Vec::new()),
        ..Body::default()
    };
    commit.put_header(&hash, header, &header.difficulty);
    commit.put_body(header.number, &hash, &body);
    commit.put_receipts(header.number, &hash, &[]);
    commit.set_canonical(header.number, &hash);
}
