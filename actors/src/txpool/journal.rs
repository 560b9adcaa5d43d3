//! The actor's journal of local transactions. Errors of the file are logged, and the pool
//! continues.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use actoreum_txpool::{AddError, Journal, Origin, Pool, PoolTx};
use tracing::{error, info, warn};

use super::{TxPoolActor, sender_rules};
use actoreum_supervision::Failure;

/// The error of a journal that cannot be read or opened.
#[derive(Debug, thiserror::Error)]
#[error("transaction journal {}: {error}", .path.display())]
pub struct JournalError {
    /// The journal's file.
    pub path: PathBuf,
    /// The file's error.
    pub error: io::Error,
}

/// Journal of local transactions.
pub(super) struct LocalJournal(Journal);

impl LocalJournal {
    /// Adds the journal's transactions to the pool, then those of `more`, and opens the file for
    /// appending. Of a file with a damaged end the intact beginning is loaded.
    pub(super) fn open(
        actor: &mut TxPoolActor,
        path: PathBuf,
        more: impl FnOnce(&mut TxPoolActor),
    ) -> Result<Self, Failure> {
        let rules = sender_rules(&actor.setup.chain_reader);
        let (mut loaded, mut dropped) = (0, 0);
        let is_whole = Journal::load(&path, |batch| {
            for pooled in batch {
                let added = PoolTx::prepare(pooled, &rules)
                    .and_then(|transaction| actor.add(Arc::new(transaction), Origin::Local));
                match added {
                    Ok(_) => loaded += 1,
                    Err(AddError::Known(_)) => {}
                    Err(_) => dropped += 1,
                }
            }
        })
        .map_err(|error| failure(&path, error))?;
        if !is_whole {
            warn!(path = %path.display(), "transaction journal is damaged at its end");
        }
        info!(loaded, dropped, "transaction journal loaded");
        more(actor);
        let journal = Journal::open(&path).map_err(|error| failure(&path, error))?;
        let mut journal = Self(journal);
        journal.rotate(&actor.pool);
        Ok(journal)
    }

    /// Returns whether the transactions are in the file.
    pub(super) fn append(&mut self, transactions: &[Arc<PoolTx>]) -> bool {
        if transactions.is_empty() {
            return true;
        }
        let transactions = transactions.iter().map(|transaction| &**transaction);
        let appended = self.0.append(transactions);
        if let Err(error) = &appended {
            error!(%error, "local transactions not written to the journal");
        }
        appended.is_ok()
    }

    pub(super) fn rotate(&mut self, pool: &Pool) {
        let local = pool.local_transactions();
        match self.0.rotate(local.map(|transaction| &**transaction)) {
            Ok(transactions) => info!(transactions, "transaction journal regenerated"),
            Err(error) => {
                error!(%error, "transaction journal not regenerated, keeping the old one")
            }
        }
    }
}

fn failure(path: &Path, error: io::Error) -> Failure {
    let path = path.to_path_buf();
    JournalError { path, error }.into()
}
