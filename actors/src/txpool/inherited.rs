//! Local transactions of the geth that ran on the data directory before, from its journal.
//!
//! geth's file is read and never written. A note beside our own journal says that it was read; a
//! journal that is newer than the note (somebody went back to geth for a while) is read again.
//!
//! A new node often begins with an empty chain, where nobody has funds and old rules hold. What is
//! refused for such a reason waits. It is tried again each minute, and on each head that is a current
//! one; when the head has been a current one for a minute, what is left is given up. The note is
//! written when nothing waits.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use actoreum_chain::SealedHeader;
use actoreum_primitives::PooledTransaction;
use actoreum_txpool::{
    AddError, Journal, Origin, PoolTx, Status, limits::MAX_INHERITED_JOURNAL_BYTES,
};
use tracing::{info, warn};

use super::{TxPoolActor, sender_rules};
use crate::clock;

/// The age of a head up to which the chain counts as current.
const MAX_CURRENT_HEAD_AGE: Duration = Duration::from_secs(600);

/// Transactions that may wait for a current head, as many as geth's pool has by default. All of them
/// are tried at a time, which takes 50 microseconds each for its signature.
const MAX_WAITING: usize = 4_096;

/// Where the journal of the former node is, and the note that it was read.
#[derive(Debug, Clone)]
pub struct InheritedJournal {
    /// geth's `transactions.rlp`.
    pub journal: PathBuf,
    /// Written when the journal has been read, and all of it was taken or refused for good.
    pub note: PathBuf,
}

impl InheritedJournal {
    /// Whether there is something that was not read yet.
    fn is_unread(&self) -> bool {
        let Some(written) = modified(&self.journal) else {
            return false;
        };
        modified(&self.note).is_none_or(|read| read < written)
    }

    fn write_note(&self) -> io::Result<()> {
        let text = format!(
            "The local transactions in {} were read at a takeover. Without this file they are read \
             once more at the next start.\n",
            self.journal.display()
        );
        fs::write(&self.note, text)
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

/// A journal that has been read and is not dealt with yet.
pub(super) struct Inherited {
    files: InheritedJournal,
    /// Refused on the present head, and perhaps not on a later one.
    waiting: Vec<PooledTransaction>,
    /// Whether the head was a current one a minute ago.
    was_current: bool,
}

impl Inherited {
    /// Reads the journal into the pool, if there is one that was not read yet.
    pub(super) fn read(actor: &mut TxPoolActor) -> Option<Self> {
        let files = actor.setup.inherited.clone().filter(|it| it.is_unread())?;
        let path = files.journal.clone();
        let (mut taken, mut refused) = (0, 0);
        let mut waiting = Vec::new();
        let read = Journal::load_bounded(&path, MAX_INHERITED_JOURNAL_BYTES, |batch| {
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
                "geth's transaction journal is malformed or too large: the rest of it is left out"
            ),
            Err(error) => {
                warn!(%path, %error, "geth's transaction journal can't be read to its end")
            }
        }
        let waiting_for_head = waiting.len();
        info!(%path, taken, refused, waiting_for_head, "geth's local transactions taken over");
        Some(Self {
            files,
            waiting,
            was_current: false,
        })
    }

    /// Tries what waits once more.
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
                waiting_for_head, "geth's local transactions taken over"
            );
        }
    }

    /// Gives up what still waits when the head is a current one for the second minute.
    pub(super) fn minute_passed(&mut self, head: &SealedHeader) {
        let is_current = is_current(head);
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

    /// Writes the note where nothing waits; returns what waits otherwise. What was taken must be in
    /// our own journal before.
    pub(super) fn finish(self) -> Option<Self> {
        if !self.waiting.is_empty() {
            return Some(self);
        }
        if let Err(error) = self.files.write_note() {
            let path = self.files.note.display();
            warn!(%path, %error, "geth's transaction journal will be read again at the next start");
        }
        None
    }
}

/// Whether a head is as young as that of a chain that has been fetched.
pub(super) fn is_current(head: &SealedHeader) -> bool {
    let age = clock::unix_seconds().saturating_sub(head.timestamp);
    age <= MAX_CURRENT_HEAD_AGE.as_secs()
}

fn add(actor: &mut TxPoolActor, pooled: PooledTransaction) -> Result<Status, AddError> {
    let rules = sender_rules(&actor.setup.chain);
    let transaction = PoolTx::prepare(pooled, &rules)?;
    actor.add(Arc::new(transaction), Origin::Local)
}

/// Whether a transaction that was refused so is refused on every later head, too.
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
