//! Guard that keeps a signer from signing two blocks of one height.
//!
//! A height is reserved before it is signed, and a signed block is on disk before it is published.
//! So after a crash at any moment either nothing of the height was published, or the block itself
//! is there to be published again. The database may be lost or replaced by an older one: the
//! [`SigningRecord`] beside it tells up to which height a key has signed.
//!
//! ```text
//!   check --> (wait) --> reserve --> (sign) --> remember --> (publish)
//!                           |                      |
//!                           '------ release        '-- the block to the database, then its height
//!                                                      to the record
//! ```
//!
//! The rules are here; the [`SigningStore`] has the files.

mod error;
mod record;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use actoreum_consensus::clique::recover_signer;
use actoreum_primitives::{Address, B256, Block};
use tracing::debug;

pub use error::{ForgetError, Refusal, RememberError};
pub use record::SigningRecord;
pub use store::SigningStore;

/// A height that is to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Height {
    /// The block's number.
    pub number: u64,
    /// The key that signs.
    pub signer: Address,
    /// Whether the chain has other signers, too.
    pub is_shared: bool,
}

/// The right to sign one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    height: Height,
    generation: u64,
}

/// A block of the chain with our signature, compared with the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The block is on record, or is lower than a recorded one.
    Known,
    /// The block is above everything on record; it is on record from now on.
    Unknown,
    /// Another block of the same height is on record.
    Conflicting,
}

/// Memory of the signed heights of one chain. It survives restarts of the actor that signs.
#[derive(Debug)]
pub struct Guard<S> {
    store: S,
    /// The last signed block, as in the database.
    last: Option<Block>,
    /// Record of the key that this process signs with, as in its files.
    record: Option<SigningRecord>,
    reserved: Option<Reservation>,
    /// Number of the actor's starts: reservations of earlier ones are void.
    generation: u64,
}

impl<S: SigningStore> Guard<S> {
    /// Creates the guard. `last` is the last signed block in the database.
    pub fn new(store: S, last: Option<Block>) -> Self {
        Self {
            store,
            last,
            record: None,
            reserved: None,
            generation: 0,
        }
    }

    /// Begins a start of the actor: reservations of earlier ones become void.
    pub fn begin_generation(&mut self) {
        self.generation += 1;
        self.reserved = None;
    }

    /// Returns whether there are records outside the database.
    pub fn has_records(&self) -> bool {
        self.store.keeps_records()
    }

    /// Returns the last block that was signed.
    pub fn last(&self) -> Option<&Block> {
        self.last.as_ref()
    }

    /// Checks that neither the height nor a higher one was signed. Locks the key's record.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn check(&mut self, height: Height) -> Result<(), Refusal<S::RecordError>> {
        if self.store.keeps_records() {
            self.hold_record(height).map_err(Refusal::Record)?;
        }
        if let Some(last) = &self.last
            && last.header.number >= height.number
        {
            return Err(Refusal::Signed(Box::new(last.clone())));
        }
        match &self.record {
            Some(record) if record.highest >= height.number => Err(Refusal::SignedElsewhere {
                highest: record.highest,
                files: self.store.record_files(),
            }),
            _ => Ok(()),
        }
    }

    /// Reserves a height, if neither it nor a higher one was signed.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn reserve(&mut self, height: Height) -> Result<Reservation, Refusal<S::RecordError>> {
        if self.reserved.is_some() {
            return Err(Refusal::Reserved);
        }
        self.check(height)?;
        let generation = self.generation;
        let reservation = Reservation { height, generation };
        self.reserved = Some(reservation);
        Ok(reservation)
    }

    /// Releases a reservation, of which nothing was signed or no signature was published.
    pub fn release(&mut self, reservation: Reservation) {
        if self.reserved == Some(reservation) {
            self.reserved = None;
        }
    }

    /// Writes a signed block to disk, then its height to the record.
    ///
    /// # Errors
    /// See [`RememberError`]. The block must not be published then.
    pub fn remember(
        &mut self,
        reservation: Reservation,
        block: &Block,
    ) -> Result<(), RememberError<S::StoreError, S::RecordError>> {
        let height = reservation.height;
        let number = height.number;
        if self.reserved != Some(reservation) || block.header.number != number {
            return Err(RememberError::Outdated);
        }
        self.reserved = None;
        self.store
            .write_last(Some(block))
            .map_err(RememberError::Storage)?;
        let hash = block.hash();
        // In this order: a block on record that exists nowhere would stop a chain of one signer.
        self.last = Some(block.clone());
        let is_held = self.record.is_some_and(|held| held.signer == height.signer);
        if self.store.keeps_records() && !is_held {
            // The record of another key was opened meanwhile.
            self.hold_record(height).map_err(RememberError::Record)?;
        }
        self.raise(number, hash, height.is_shared)
            .map_err(RememberError::Record)?;
        debug!(number, %hash, "signed a block");
        Ok(())
    }

    /// Compares a block of the chain that carries the signature of `height.signer` with the record,
    /// and records it.
    ///
    /// # Errors
    /// The record's errors.
    pub fn observe(&mut self, height: Height, hash: B256) -> Result<Observed, S::RecordError> {
        if !self.store.keeps_records() {
            return Ok(Observed::Known);
        }
        let record = self.hold_record(height)?;
        let is_second =
            height.number == record.highest && record.hash != hash && !record.hash.is_zero();
        if height.number > record.highest {
            self.raise(height.number, hash, height.is_shared)?;
            Ok(Observed::Unknown)
        } else if is_second {
            Ok(Observed::Conflicting)
        } else {
            Ok(Observed::Known)
        }
    }

    /// Returns the highest block on record for a key, where this process holds its record.
    pub fn highest(&self, signer: Address) -> Option<u64> {
        let record = self.record.filter(|record| record.signer == signer)?;
        Some(record.highest)
    }

    /// Releases the key's record, unless a height is being signed: this process no longer signs,
    /// and another one may.
    pub fn release_key(&mut self) {
        if self.reserved.is_none() {
            self.record = None;
            self.store.close_record();
        }
    }

    /// Frees the height of the last signed block, if that has this hash: the block can never become
    /// part of a chain. Where the chain has several signers, the height stays on record.
    ///
    /// # Errors
    /// See [`ForgetError`].
    pub fn withdraw(
        &mut self,
        hash: B256,
    ) -> Result<(), ForgetError<S::StoreError, S::RecordError>> {
        let number = match &self.last {
            Some(last) if last.hash() == hash => last.header.number,
            _ => return Ok(()),
        };
        self.forget_last().map_err(ForgetError::Storage)?;
        match self.record {
            Some(record) if record.hash == hash => self
                .set_record(record.rewound(number.saturating_sub(1)))
                .map_err(ForgetError::Record),
            _ => Ok(()),
        }
    }

    /// Frees the heights above `number`, after the operator of a chain of one signer rewound it
    /// from the block `from`. Blocks that were signed while the chain had several signers stay on
    /// record. All blocks stay where one above `from` was signed, except the block that was just
    /// being sealed: it is not known which other nodes have it.
    ///
    /// # Errors
    /// See [`ForgetError`].
    pub fn rewind(
        &mut self,
        number: u64,
        from: u64,
        signer: Option<Address>,
    ) -> Result<(), ForgetError<S::StoreError, S::RecordError>> {
        // A vote would have added another signer.
        let is_next = |last: &Block| {
            last.header.number == from.saturating_add(1) && last.header.beneficiary.is_zero()
        };
        let next = self.last.as_ref().filter(|last| is_next(last));
        let from = next.map_or(from, |last| last.header.number);
        let mut number = number;
        if let Some(signer) = signer.filter(|_| self.store.keeps_records()) {
            let height = Height {
                number,
                signer,
                is_shared: false,
            };
            let record = self.hold_record(height).map_err(ForgetError::Record)?;
            if record.highest > from {
                return Ok(());
            }
            self.set_record(record.rewound(number))
                .map_err(ForgetError::Record)?;
            number = number.max(record.shared);
        }
        let last = self.last.as_ref();
        if last.is_some_and(|last| last.header.number > number) {
            self.forget_last().map_err(ForgetError::Storage)?;
        }
        Ok(())
    }

    fn forget_last(&mut self) -> Result<(), S::StoreError> {
        self.store.write_last(None)?;
        self.last = None;
        Ok(())
    }

    /// Locks the record of the height's key, and returns it. It learns of a signed block that only
    /// the database has: after a crash or a failure between the two writes, or from a version
    /// without records.
    fn hold_record(&mut self, height: Height) -> Result<SigningRecord, S::RecordError> {
        let held = self.record.filter(|held| held.signer == height.signer);
        let record = match held {
            Some(record) => record,
            None => {
                // The other key's record is released first: another process may need it.
                self.record = None;
                self.store.open_record(height.signer)?
            }
        };
        let lacks = |last: &Block| {
            held.is_none()
                || last.header.number > record.highest
                || height.is_shared && last.header.number > record.shared
        };
        let is_by_signer = |last: &Block| recover_signer(&last.header).ok() == Some(height.signer);
        let complete = match &self.last {
            Some(last) if lacks(last) && is_by_signer(last) => {
                record.raised(last.header.number, last.hash(), height.is_shared)
            }
            _ => record,
        };
        if complete != record
            && let Err(error) = self.store.write_record(&complete)
        {
            self.record = None;
            self.store.close_record();
            return Err(error);
        }
        self.record = Some(complete);
        Ok(complete)
    }

    fn raise(&mut self, number: u64, hash: B256, is_shared: bool) -> Result<(), S::RecordError> {
        match self.record {
            Some(record) => self.set_record(record.raised(number, hash, is_shared)),
            None => Ok(()),
        }
    }

    /// Writes the record if it differs from the one on disk.
    fn set_record(&mut self, record: SigningRecord) -> Result<(), S::RecordError> {
        if self.record != Some(record) {
            self.store.write_record(&record)?;
            self.record = Some(record);
        }
        Ok(())
    }
}
