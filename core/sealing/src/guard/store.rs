//! The disk, as far as the guard must know it.

use std::path::PathBuf;

use actoreum_primitives::{Address, Block};

use super::SigningRecord;

/// The memory that survives the process: the last signed block in the database, and the signing
/// record of one key at a time in files outside the database.
///
/// A write is on disk when its method returns without an error. After an error it may be on disk or
/// not.
pub trait SigningStore {
    /// Error of the database.
    type StoreError;
    /// Error of the records.
    type RecordError;

    /// Replaces the last signed block; `None` removes it.
    ///
    /// # Errors
    /// The database's errors.
    fn write_last(&mut self, block: Option<&Block>) -> Result<(), Self::StoreError>;

    /// Returns whether there are records outside the database. A chain that only this node has
    /// needs none.
    fn keeps_records(&self) -> bool;

    /// Releases the record that is held, then locks and reads the record of this key.
    ///
    /// # Errors
    /// Another process has locked it, or a file cannot be read or locked.
    fn open_record(&mut self, signer: Address) -> Result<SigningRecord, Self::RecordError>;

    /// Writes the content of the record that is held.
    ///
    /// # Errors
    /// The file cannot be written.
    fn write_record(&mut self, record: &SigningRecord) -> Result<(), Self::RecordError>;

    /// Releases the record that is held: another process may lock it.
    fn close_record(&mut self);

    /// Returns the paths of the files of the record that is held.
    fn record_files(&self) -> Vec<PathBuf>;
}
