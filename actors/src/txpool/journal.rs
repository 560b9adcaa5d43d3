//! The actor's journal: what goes wrong with the file is said, and the pool goes on.

use std::{path::PathBuf, sync::Arc};

use actoreum_txpool::{AddError, Journal, Origin, Pool, PoolTx};
use tracing::{error, info, warn};

use super::{TxPoolActor, sender_rules};
use crate::supervision::Failure;

/// Where local transactions are written down.
pub(super) struct LocalJournal(Journal);

impl LocalJournal {
    /// Puts what the journal holds into the pool, and opens it to go on. A file with a damaged
    /// end gives what stands before.
    pub(super) fn open(actor: &mut TxPoolActor, path: PathBuf) -> Result<Self, Failure> {
        let rules = sender_rules(&actor.setup.chain);
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
        })?;
        if !is_whole {
            warn!(path = %path.display(), "transaction journal is damaged at its end");
        }
        info!(loaded, dropped, "transaction journal loaded");
        let mut journal = Self(Journal::open(path)?);
        journal.rotate(&actor.pool);
        Ok(journal)
    }

    pub(super) fn append(&mut self, transactions: &[Arc<PoolTx>]) {
        if transactions.is_empty() {
            return;
        }
        let transactions = transactions.iter().map(|transaction| &**transaction);
        if let Err(error) = self.0.append(transactions) {
            error!(%error, "local transactions not written to the journal");
        }
    }

    pub(super) fn rotate(&mut self, pool: &Pool) {
        let local = pool.local_transactions();
        match self.0.rotate(local.map(|transaction| &**transaction)) {
            Ok(transactions) => info!(transactions, "transaction journal regenerated"),
            Err(error) => {
                error!(%error, "transaction journal not regenerated, the old one goes on")
            }
        }
    }
}
