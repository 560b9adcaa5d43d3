//! Reasons why the guard refuses, and failures of its writes.

use std::path::PathBuf;

use actoreum_primitives::Block;

/// Reason why a height may not be signed. `R` is the error of a record.
#[derive(Debug, thiserror::Error)]
pub enum Refusal<R> {
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
    Record(R),
}

/// Reason why a signed block was not remembered, and so must not be published. `S` is the error of
/// the database, `R` that of a record.
#[derive(Debug, thiserror::Error)]
pub enum RememberError<S, R> {
    /// The actor that reserved the height has ended.
    #[error("the reservation is no longer valid")]
    Outdated,
    /// The database failed.
    #[error(transparent)]
    Storage(S),
    /// The record failed.
    #[error(transparent)]
    Record(R),
}

/// Reason why a signed height could not be freed. `S` is the error of the database, `R` that of a
/// record.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError<S, R> {
    /// The database failed.
    #[error(transparent)]
    Storage(S),
    /// The record failed.
    #[error(transparent)]
    Record(R),
}
