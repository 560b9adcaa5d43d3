//! Takeover of local transactions from the journal of a geth that used the data directory before.
//!
//! geth's file is read and never written. A marker file beside our own journal records that it was
//! read; a journal that is newer than the marker (the operator used geth again for a while) is read
//! again.
//!
//! A new node often begins with an empty chain, where no account has funds and old rules apply.
//! Transactions that are refused for such a reason wait. They are tried again each minute, and on
//! each head that is current; when the head has been current for a minute, those left are dropped.
//! The marker is written when none waits.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use actoreum_chain::SealedHeader;
use actoreum_primitives::PooledTransaction;
use actoreum_txpool::{AddError, Journal, Origin, PoolTx, Status, limits::MAX_GETH_JOURNAL_BYTES};
use tracing::{info, warn};

use super::{TxPoolActor, sender_rules};

/// Maximum age of a head that counts as current.
const MAX_CURRENT_HEAD_AGE: Duration = Duration::from_secs(600);

/// Maximum number of transactions that wait for a current head, as many as geth's pool has by
/// default. All of them are tried at once, which takes 50 microseconds each for its signature.
const MAX_WAITING: usize = 4_096;

/// Paths of geth's journal and of the marker that it was read.
#[derive(Debug, Clone)]
pub struct GethJournal {
    /// geth's `transactions.rlp`.
    pub journal: PathBuf,
    /// Written when the journal was read, and each transaction was accepted or refused for good.
    pub marker: PathBuf,
}

impl GethJournal {
    /// Returns whether there is a journal that was not read yet.
    fn is_unread(&self) -> bool {
        let Some(written) = modified(&self.journal) else {
            return false;
        };
        modified(&self.marker).is_none_or(|read| read < written)
    }

    fn write_marker(&self) -> io::Result<()> {
        let text = format!(
            "The local transactions in {} were read at a takeover. Without this file they are read \
             once more at the next start.\n",
            self.journal.display()
        );
        fs::write(&self.marker, text)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

/// A takeover that has not ended yet.
pub(super) struct GethTakeover {
    files: GethJournal,
    /// Transactions that the current head refuses, and a later one perhaps does not.
    waiting: Vec<PooledTransaction>,
    /// Whether the head was current a minute ago.
    was_current: bool,
}

impl GethTakeover {
    /// Reads the journal into the pool, if there is one that was not read yet.
    pub(super) fn read(actor: &mut TxPoolActor) -> Option<Self> {
        let files = actor
            .setup
            .geth_journal
            .clone()
            .filter(|it| it.is_unread())?;
        let path = files.journal.clone();
        let (mut taken, mut refused) = (0, 0);
        let mut waiting = Vec::new();
        let read = Journal::load_bounded(&path, MAX_GETH_JOURNAL_BYTES, |batch| {
            for pooled in batch {
                match add(actor, pooled.clone()) {
                    Ok(_) => taken += 1,
                    Err(error) if is_final(&error) || waiting.len() == MAX_WAITING => refused += 1,
                    Err(_) => waiting.push(pooled),
                }
            }
        });
        let path = path.display();
        match read {
            Ok(true) => {}
            Ok(false) => warn!(
                %path,
                "geth's transaction journal is malformed or too large: the rest is skipped"
            ),
            Err(error) => {
                warn!(%path, %error, "geth's transaction journal can't be read to its end")
            }
        }
        let waiting_for_head = waiting.len();
        info!(%path, taken, refused, waiting_for_head, "local transactions of geth imported");
        Some(Self {
            files,
            waiting,
            was_current: false,
        })
    }

    /// Tries the waiting transactions once more.
    pub(super) fn retry(&mut self, actor: &mut TxPoolActor) {
        let mut taken = 0;
        self.waiting
            .retain(|pooled| match add(actor, pooled.clone()) {
                Ok(_) => {
                    taken += 1;
                    false
                }
                Err(error) => !is_final(&error),
            });
        if taken > 0 {
            let waiting_for_head = self.waiting.len();
            info!(
                taken,
                waiting_for_head, "local transactions of geth imported"
            );
        }
    }

    /// Drops the waiting transactions when the head is current for the second minute. `now` is the
    /// time of the chain's clock, in seconds since the Unix epoch.
    pub(super) fn on_minute(&mut self, head: &SealedHeader, now: u64) {
        let is_current = is_current(head, now);
        if is_current && self.was_current && !self.waiting.is_empty() {
            let refused = self.waiting.len();
            info!(
                refused,
                "local transactions of geth's are not valid on the current head"
            );
            self.waiting.clear();
        }
        self.was_current = is_current;
    }

    /// Writes the marker where no transaction waits; returns the takeover otherwise. The accepted
    /// transactions must be in our own journal before.
    pub(super) fn finish(self) -> Option<Self> {
        if !self.waiting.is_empty() {
            return Some(self);
        }
        if let Err(error) = self.files.write_marker() {
            let path = self.files.marker.display();
            warn!(%path, %error, "geth's transaction journal will be read again at the next start");
        }
        None
    }
}

/// Returns whether a head is as young as that of a synced chain, at the time `now` in seconds since
/// the Unix epoch.
pub(super) fn is_current(head: &SealedHeader, now: u64) -> bool {
    let age = now.saturating_sub(head.timestamp);
    age <= MAX_CURRENT_HEAD_AGE.as_secs()
}

fn add(actor: &mut TxPoolActor, pooled: PooledTransaction) -> Result<Status, AddError> {
    let rules = sender_rules(&actor.setup.chain_reader);
    let transaction = PoolTx::prepare(pooled, &rules)?;
    actor.add(Arc::new(transaction), Origin::Local)
}

/// Returns whether every later head refuses the transaction, too.
fn is_final(error: &AddError) -> bool {
    matches!(
        error,
        AddError::Known(_)
            | AddError::NonceTooLow
            | AddError::NonceMax
            | AddError::ReplacementUnderpriced
            | AddError::Oversized
            | AddError::TipAboveFeeCap
            | AddError::MissingSidecar
            | AddError::Sidecar(_)
            | AddError::Blobless
            | AddError::NoAuthorizations
    )
}
