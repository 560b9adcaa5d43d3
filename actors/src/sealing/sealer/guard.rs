//! The guard against signing a height twice, with its files: the last signed block in the store, and
//! the [`SigningRecords`]. The rules are in [`actoreum_sealing::guard`].

use std::path::PathBuf;

use actoreum_primitives::{Address, B256, Block, rlp};
use actoreum_sealing::guard::{self, Guard, SigningRecord, SigningStore};
use actoreum_storage::{Commit, StorageError, Store};
use parking_lot::Mutex;

use super::record::{RecordError, RecordFiles, SigningRecords};

pub use guard::{Height, Observed, Reservation};

/// Reason why a height may not be signed.
pub type Refusal = guard::Refusal<RecordError>;
/// Reason why a signed block was not remembered, and so must not be published.
pub type RememberError = guard::RememberError<StorageError, RecordError>;
/// Reason why a signed height could not be freed.
pub type ForgetError = guard::ForgetError<StorageError, RecordError>;

/// Key of the last signed block in the store's metadata; the value is RLP.
const LAST_SIGNED: &str = "last signed block";

/// Memory of the signed heights of one chain, shared between threads. It survives restarts of the
/// actor.
pub struct SealGuard(Mutex<Guard<Disk>>);

/// Files of the guard.
struct Disk {
    store: Store,
    records: Option<SigningRecords>,
    /// The files of the record that is held.
    held: Option<RecordFiles>,
}

impl SigningStore for Disk {
    type StoreError = StorageError;
    type RecordError = RecordError;

    fn write_last(&mut self, block: Option<&Block>) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        match block {
            Some(block) => commit.put_meta(LAST_SIGNED, &rlp::encode(block)),
            None => commit.remove_meta(LAST_SIGNED),
        }
        self.store.commit(commit)
    }

    fn keeps_records(&self) -> bool {
        self.records.is_some()
    }

    fn open_record(&mut self, signer: Address) -> Result<SigningRecord, RecordError> {
        self.held = None;
        let Some(records) = &self.records else {
            return Ok(SigningRecord::new(signer));
        };
        let (files, record) = records.acquire(signer)?;
        self.held = Some(files);
        Ok(record)
    }

    fn write_record(&mut self, record: &SigningRecord) -> Result<(), RecordError> {
        match &mut self.held {
            Some(files) => files.write(record),
            None => Ok(()),
        }
    }

    fn close_record(&mut self) {
        self.held = None;
    }

    fn record_files(&self) -> Vec<PathBuf> {
        self.held
            .as_ref()
            .map(RecordFiles::paths)
            .unwrap_or_default()
    }
}

impl SealGuard {
    /// Reads the last signed block. Without `records` nothing is remembered outside the store, as
    /// suits a chain that only this node has.
    ///
    /// # Errors
    /// The store's errors, and a block that cannot be decoded.
    pub fn open(store: Store, records: Option<SigningRecords>) -> Result<Self, StorageError> {
        let last = match store.meta(LAST_SIGNED)? {
            Some(record) => Some(rlp::decode_exact(&record).map_err(|_| {
                StorageError::Corrupt("the last signed block is not readable".to_owned())
            })?),
            None => None,
        };
        let disk = Disk {
            store,
            records,
            held: None,
        };
        Ok(Self(Mutex::new(Guard::new(disk, last))))
    }

    /// See [`Guard::begin_generation`].
    pub fn begin_generation(&self) {
        self.0.lock().begin_generation();
    }

    /// See [`Guard::has_records`].
    pub fn has_records(&self) -> bool {
        self.0.lock().has_records()
    }

    /// See [`Guard::last`].
    pub fn last(&self) -> Option<Block> {
        self.0.lock().last().cloned()
    }

    /// See [`Guard::check`].
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn check(&self, height: Height) -> Result<(), Refusal> {
        self.0.lock().check(height)
    }

    /// See [`Guard::reserve`].
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn reserve(&self, height: Height) -> Result<Reservation, Refusal> {
        self.0.lock().reserve(height)
    }

    /// See [`Guard::release`].
    pub fn release(&self, reservation: Reservation) {
        self.0.lock().release(reservation);
    }

    /// See [`Guard::remember`].
    ///
    /// # Errors
    /// See [`RememberError`].
    pub fn remember(&self, reservation: Reservation, block: &Block) -> Result<(), RememberError> {
        self.0.lock().remember(reservation, block)
    }

    /// See [`Guard::observe`].
    ///
    /// # Errors
    /// The record's errors.
    pub fn observe(&self, height: Height, hash: B256) -> Result<Observed, RecordError> {
        self.0.lock().observe(height, hash)
    }

    /// See [`Guard::highest`].
    pub fn highest(&self, signer: Address) -> Option<u64> {
        self.0.lock().highest(signer)
    }

    /// See [`Guard::release_key`].
    pub fn release_key(&self) {
        self.0.lock().release_key();
    }

    /// See [`Guard::withdraw`].
    ///
    /// # Errors
    /// See [`ForgetError`].
    pub fn withdraw(&self, hash: B256) -> Result<(), ForgetError> {
        self.0.lock().withdraw(hash)
    }

    /// See [`Guard::rewind`].
    ///
    /// # Errors
    /// See [`ForgetError`].
    pub fn rewind(
        &self,
        number: u64,
        from: u64,
        signer: Option<Address>,
    ) -> Result<(), ForgetError> {
        self.0.lock().rewind(number, from, signer)
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
