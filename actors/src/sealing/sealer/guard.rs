//! Guard that keeps a signer from signing two blocks of one height.
//!
//! A height is reserved before it is signed, and a signed block is on disk before it is published.
//! So after a crash at any moment either nothing of the height was published, or the block itself
//! is there to be published again. The database may be lost or replaced by an older one: the
//! [`SigningRecords`] beside it tell up to which height a key has signed.

use std::path::PathBuf;

use actoreum_consensus::clique::recover_signer;
use actoreum_primitives::{Address, B256, Block, rlp};
use actoreum_storage::{Commit, StorageError, Store};
use parking_lot::Mutex;
use tracing::debug;

use super::record::{RecordError, SigningRecord, SigningRecords};

/// Key of the last signed block in the store's metadata; the value is RLP.
const LAST_SIGNED: &str = "last signed block";

/// Memory of the signed heights of one chain. It survives restarts of the actor.
pub struct SealGuard {
    store: Store,
    records: Option<SigningRecords>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Block>,
    /// Record of the key that this process signs with.
    record: Option<SigningRecord>,
    reserved: Option<Reservation>,
    /// Number of the actor's starts: reservations of earlier ones are void.
    generation: u64,
}

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

/// Reason why a height may not be signed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A height is being signed.
    #[error("a height is being signed")]
    Reserved,
    /// This block of the same height or of a higher one was signed.
    #[error("block {} was signed", .0.header.number)]
    Signed(Box<Block>),
    /// A block of this height or of a higher one is on record, but not in the database.
    #[error("block {highest} was signed")]
    SignedElsewhere {
        /// The highest block on record.
        highest: u64,
        /// The files of the record.
        files: Vec<PathBuf>,
    },
    /// The record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Reason why a signed block was not remembered, and so must not be published.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The actor that reserved the height has ended.
    #[error("the reservation is no longer valid")]
    Outdated,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The record failed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Reason why a signed height could not be freed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The record failed.
    #[error(transparent)]
    Record(#[from] RecordError),
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

impl SealGuard {
    /// Reads the last signed block. Without `records` nothing is remembered outside the store, as
    /// suits a chain that only this node has.
    pub fn open(store: Store, records: Option<SigningRecords>) -> Result<Self, StorageError> {
        let last = match store.meta(LAST_SIGNED)? {
            Some(record) => Some(rlp::decode_exact(&record).map_err(|_| {
                StorageError::Corrupt("the last signed block is not readable".to_owned())
            })?),
            None => None,
        };
        let state = State {
            last,
            ..State::default()
        };
        Ok(Self {
            store,
            records,
            state: Mutex::new(state),
        })
    }

    /// Begins a start of the actor: reservations of earlier ones become void.
    pub fn begin_generation(&self) {
        let mut state = self.state.lock();
        state.generation += 1;
        state.reserved = None;
    }

    /// Returns whether there are records outside the store.
    pub fn has_records(&self) -> bool {
        self.records.is_some()
    }

    /// Returns the last block that was signed.
    pub fn last(&self) -> Option<Block> {
        self.state.lock().last.clone()
    }

    /// Checks that neither the height nor a higher one was signed. Locks the key's record.
    pub fn check(&self, height: Height) -> Result<(), Refusal> {
        self.state.lock().check(self.records.as_ref(), height)
    }

    /// Reserves a height, if neither it nor a higher one was signed.
    pub fn reserve(&self, height: Height) -> Result<Reservation, Refusal> {
        let mut state = self.state.lock();
        if state.reserved.is_some() {
            return Err(Refusal::Reserved);
        }
        state.check(self.records.as_ref(), height)?;
        let generation = state.generation;
        let reservation = Reservation { height, generation };
        state.reserved = Some(reservation);
        Ok(reservation)
    }

    /// Releases a reservation, of which nothing was signed or no signature was published.
    pub fn release(&self, reservation: Reservation) {
        let mut state = self.state.lock();
        if state.reserved == Some(reservation) {
            state.reserved = None;
        }
    }

    /// Writes a signed block to disk, then its height to the record. After an error the block must
    /// not be published.
    pub fn remember(&self, reservation: Reservation, block: &Block) -> Result<(), RememberError> {
        let mut state = self.state.lock();
        let Height {
            number, is_shared, ..
        } = reservation.height;
        if state.reserved != Some(reservation) || block.header.number != number {
            return Err(RememberError::Outdated);
        }
        state.reserved = None;
        let mut commit = Commit::new();
        commit.put_meta(LAST_SIGNED, &rlp::encode(block));
        self.store.commit(commit)?;
        let hash = block.hash();
        // In this order: a block on record that exists nowhere would stop a chain of one signer.
        state.last = Some(block.clone());
        if let Some(record) = &mut state.record {
            record.raise(number, hash, is_shared)?;
        }
        debug!(number, %hash, "signed a block");
        Ok(())
    }

    /// Compares a block of the chain that carries the signature of `height.signer` with the record,
    /// and records it.
    pub fn observe(&self, height: Height, hash: B256) -> Result<Observed, RecordError> {
        let mut state = self.state.lock();
        let Some(records) = &self.records else {
            return Ok(Observed::Known);
        };
        let record = state.hold_record(records, height)?;
        let is_second =
            height.number == record.highest() && record.hash() != hash && !record.hash().is_zero();
        if height.number > record.highest() {
            record.raise(height.number, hash, height.is_shared)?;
            Ok(Observed::Unknown)
        } else if is_second {
            Ok(Observed::Conflicting)
        } else {
            Ok(Observed::Known)
        }
    }

    /// Returns the highest block on record for a key, where this process holds its record.
    pub fn highest(&self, signer: Address) -> Option<u64> {
        let state = self.state.lock();
        let record = state.record.as_ref();
        record
            .filter(|record| record.signer == signer)
            .map(SigningRecord::highest)
    }

    /// Releases the key's record: this process no longer signs, and another one may.
    pub fn release_key(&self) {
        let mut state = self.state.lock();
        if state.reserved.is_none() {
            state.record = None;
        }
    }

    /// Frees the height of the last signed block, if that has this hash: the block can never become
    /// part of a chain. Where the chain has several signers, the height stays on record.
    pub fn withdraw(&self, hash: B256) -> Result<(), ForgetError> {
        let mut state = self.state.lock();
        let number = match &state.last {
            Some(last) if last.hash() == hash => last.header.number,
            _ => return Ok(()),
        };
        self.forget_last(&mut state)?;
        if let Some(record) = &mut state.record
            && record.hash() == hash
        {
            record.rewind(number.saturating_sub(1))?;
        }
        Ok(())
    }

    /// Frees the heights above `number`, after the operator of a chain of one signer rewound it
    /// from the block `from`. Blocks that were signed while the chain had several signers stay on
    /// record. All blocks stay where one above `from` was signed, except the block that was just
    /// being sealed: it is not known which other nodes have it.
    pub fn rewind(
        &self,
        number: u64,
        from: u64,
        signer: Option<Address>,
    ) -> Result<(), ForgetError> {
        let mut state = self.state.lock();
        // A vote would have added another signer.
        let is_next = |last: &Block| {
            last.header.number == from.saturating_add(1) && last.header.beneficiary.is_zero()
        };
        let next = state.last.as_ref().filter(|last| is_next(last));
        let from = next.map_or(from, |last| last.header.number);
        let mut number = number;
        if let (Some(records), Some(signer)) = (&self.records, signer) {
            let height = Height {
                number,
                signer,
                is_shared: false,
            };
            let record = state.hold_record(records, height)?;
            if record.highest() > from {
                return Ok(());
            }
            record.rewind(number)?;
            number = number.max(record.shared());
        }
        let last = state.last.as_ref();
        if last.is_some_and(|last| last.header.number > number) {
            self.forget_last(&mut state)?;
        }
        Ok(())
    }

    fn forget_last(&self, state: &mut State) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        commit.remove_meta(LAST_SIGNED);
        self.store.commit(commit)?;
        state.last = None;
        Ok(())
    }
}

impl State {
    fn check(&mut self, records: Option<&SigningRecords>, height: Height) -> Result<(), Refusal> {
        if let Some(records) = records {
            self.hold_record(records, height)?;
        }
        if let Some(last) = &self.last
            && last.header.number >= height.number
        {
            return Err(Refusal::Signed(Box::new(last.clone())));
        }
        match &self.record {
            Some(record) if record.highest() >= height.number => Err(Refusal::SignedElsewhere {
                highest: record.highest(),
                files: record.files(),
            }),
            _ => Ok(()),
        }
    }

    /// Locks the record of the height's key. A newly locked record learns of a block that only the
    /// store has, after a crash between the two writes or from a version without records.
    fn hold_record(
        &mut self,
        records: &SigningRecords,
        height: Height,
    ) -> Result<&mut SigningRecord, RecordError> {
        let is_held = |record: &SigningRecord| record.signer == height.signer;
        if !self.record.as_ref().is_some_and(is_held) {
            // The other key's record is released first: another process may need it.
            self.record = None;
            let mut record = records.acquire(height.signer)?;
            if let Some(last) = &self.last
                && recover_signer(&last.header).ok() == Some(height.signer)
            {
                record.raise(last.header.number, last.hash(), height.is_shared)?;
            }
            self.record = Some(record);
        }
        Ok(self
            .record
            .as_mut()
            .expect("because it was put there where it was not"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use actoreum_primitives::{Body, Header};

    use super::*;

    fn block(number: u64, extra: u8) -> Block {
        let header = Header {
            number,
            extra_data: vec![extra].into(),
            ..Header::default()
        };
        Block {
            header,
            body: Body::default(),
        }
    }

    /// Returns a height of a chain with one signer.
    fn alone(number: u64) -> Height {
        Height {
            number,
            signer: Address::repeat_byte(7),
            is_shared: false,
        }
    }

    /// Returns a height of a chain with several signers.
    fn shared(number: u64) -> Height {
        Height {
            is_shared: true,
            ..alone(number)
        }
    }

    fn open(store: &Store, records: Option<SigningRecords>) -> SealGuard {
        SealGuard::open(store.clone(), records).unwrap()
    }

    fn records(folder: &Path) -> Option<SigningRecords> {
        let (instance, keystore) = (folder.join("actoreum"), folder.join("keystore"));
        std::fs::create_dir_all(&instance).unwrap();
        std::fs::create_dir_all(&keystore).unwrap();
        let chain = B256::from(rand::random::<[u8; 32]>());
        Some(SigningRecords::new(chain, instance, keystore))
    }

    fn sign(guard: &SealGuard, height: Height, extra: u8) {
        let reservation = guard.reserve(height).unwrap();
        let block = block(height.number, extra);
        guard.remember(reservation, &block).unwrap();
    }

    fn assert_on_record(guard: &SealGuard, height: Height, wanted: u64) {
        match guard.reserve(height).unwrap_err() {
            Refusal::SignedElsewhere { highest, .. } => assert_eq!(highest, wanted),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_height_is_signed_once_even_across_restarts() {
        let store = Store::memory();
        let guard = open(&store, None);
        let reservation = guard.reserve(alone(5)).unwrap();
        for number in [5, 6] {
            let refused = guard.reserve(alone(number));
            assert!(matches!(refused, Err(Refusal::Reserved)));
        }
        guard.remember(reservation, &block(5, 1)).unwrap();
        for guard in [guard, open(&store, None)] {
            for number in [4, 5] {
                let refused = guard.reserve(alone(number)).unwrap_err();
                assert!(matches!(refused, Refusal::Signed(before) if *before == block(5, 1)));
            }
            let next = guard.reserve(alone(6)).unwrap();
            guard.release(next);
        }
    }

    #[test]
    fn reservations_before_a_restart_are_void() {
        let guard = open(&Store::memory(), None);
        let old = guard.reserve(alone(5)).unwrap();
        guard.begin_generation();
        let new = guard.reserve(alone(5)).unwrap();
        assert!(matches!(
            guard.remember(old, &block(5, 1)),
            Err(RememberError::Outdated)
        ));
        guard.release(old);
        guard.remember(new, &block(5, 2)).unwrap();
        assert_eq!(guard.last(), Some(block(5, 2)));
    }

    #[test]
    fn a_withdrawn_block_and_a_rewound_chain_free_the_height() {
        let folder = tempfile::tempdir().unwrap();
        for records in [None, records(folder.path())] {
            let store = Store::memory();
            let guard = open(&store, records.clone());
            let signer = Some(alone(0).signer);
            sign(&guard, alone(5), 1);
            guard.withdraw(block(5, 2).hash()).unwrap();
            guard.rewind(5, 5, signer).unwrap();
            assert!(guard.reserve(alone(5)).is_err(), "neither was meant");
            guard.withdraw(block(5, 1).hash()).unwrap();
            sign(&guard, alone(5), 2);
            guard.rewind(3, 5, signer).unwrap();
            assert_eq!(guard.last(), None);
            drop(guard);
            let guard = open(&store, records);
            assert_eq!(guard.last(), None);
            sign(&guard, alone(4), 3);
        }
    }

    #[test]
    fn a_lost_database_does_not_free_a_height() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        sign(&open(&Store::memory(), records.clone()), shared(5), 1);
        let guard = open(&Store::memory(), records);
        assert_on_record(&guard, shared(5), 5);
        assert_on_record(&guard, alone(4), 5);
        sign(&guard, shared(6), 1);
    }

    #[test]
    fn a_database_of_an_older_backup_does_not_free_a_height() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        let backup = Store::memory();
        sign(&open(&backup, records.clone()), shared(3), 1);
        sign(&open(&Store::memory(), records.clone()), shared(5), 1);
        let guard = open(&backup, records);
        assert_on_record(&guard, shared(4), 5);
    }

    #[test]
    fn heights_of_several_signers_are_never_freed() {
        let folder = tempfile::tempdir().unwrap();
        let guard = open(&Store::memory(), records(folder.path()));
        let signer = Some(shared(0).signer);
        sign(&guard, shared(5), 1);
        sign(&guard, alone(9), 1);
        guard.rewind(2, 7, signer).unwrap();
        assert!(
            guard.reserve(alone(9)).is_err(),
            "a step before went below it"
        );
        guard.rewind(2, 9, signer).unwrap();
        assert_on_record(&guard, alone(5), 5);
        sign(&guard, alone(6), 2);
        guard.withdraw(block(6, 2).hash()).unwrap();
        sign(&guard, shared(6), 3);
        guard.withdraw(block(6, 3).hash()).unwrap();
        assert_on_record(&guard, shared(6), 6);
    }

    #[test]
    fn our_signature_on_the_chain_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let guard = open(&Store::memory(), records(folder.path()));
        let hash = B256::repeat_byte(1);
        sign(&guard, shared(5), 1);
        assert_eq!(guard.observe(shared(4), hash).unwrap(), Observed::Known);
        let own = block(5, 1).hash();
        assert_eq!(guard.observe(shared(5), own).unwrap(), Observed::Known);
        assert_eq!(
            guard.observe(shared(5), hash).unwrap(),
            Observed::Conflicting
        );
        assert_eq!(guard.observe(shared(8), hash).unwrap(), Observed::Unknown);
        assert_on_record(&guard, shared(8), 8);
    }

    #[test]
    fn a_released_key_is_free_for_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let records = records(folder.path());
        let first = open(&Store::memory(), records.clone());
        let second = open(&Store::memory(), records);
        sign(&first, shared(5), 1);
        let refused = second.reserve(shared(6)).unwrap_err();
        assert!(matches!(refused, Refusal::Record(RecordError::InUse(_))));
        first.release_key();
        assert_on_record(&second, shared(5), 5);
        sign(&second, shared(6), 1);
        assert!(first.reserve(shared(7)).is_err());
    }
}
