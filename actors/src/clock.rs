//! The chain's clock.
//!
//! The clock is the system's, except on a development chain whose user has moved it:
//! `evm_increaseTime` and `evm_setNextBlockTimestamp` shift it for the whole process, so that
//! neither the building nor the verification of a block rejects its timestamp as in the future.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actoreum_storage::{Commit, StorageError, Store};

/// Seconds by which the chain's clock is ahead of the system's.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// The name of the shift in the store of a development chain: eight bytes, big-endian.
const RECORD: &str = "clock shift";

/// Writes the shift to a development chain's store.
///
/// # Errors
/// The store's errors.
pub fn save(store: &Store) -> Result<(), StorageError> {
    let mut commit = Commit::new();
    commit.put_meta(RECORD, &shift().to_be_bytes());
    store.commit(commit)
}

/// Restores the shift that [`save`] wrote, if any.
///
/// # Errors
/// The store's errors, and a record of a wrong length.
pub fn restore(store: &Store) -> Result<(), StorageError> {
    let Some(record) = store.meta(RECORD)? else {
        return Ok(());
    };
    match record.as_slice().try_into() {
        Ok(bytes) => SHIFT.store(i64::from_be_bytes(bytes), Relaxed),
        Err(_) => return Err(StorageError::Corrupt("the clock's shift".to_owned())),
    }
    Ok(())
}

/// Returns the seconds by which the chain's clock is ahead of the system's; negative: behind it.
pub fn shift() -> i64 {
    SHIFT.load(Relaxed)
}

/// Sets the seconds by which the chain's clock is ahead of the system's.
pub fn set_shift(seconds: i64) {
    SHIFT.store(seconds, Relaxed);
}

/// Returns the chain's time since the Unix epoch.
pub fn now() -> Duration {
    let system = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let shift = SHIFT.load(Relaxed);
    let amount = Duration::from_secs(shift.unsigned_abs());
    if shift >= 0 {
        system.saturating_add(amount)
    } else {
        system.saturating_sub(amount)
    }
}

/// Returns the chain's time in seconds since the Unix epoch.
pub fn unix_seconds() -> u64 {
    now().as_secs()
}

/// Moves the clock by `seconds`. Returns the seconds by which it is now ahead of the system's.
pub fn shift_by(seconds: i64) -> i64 {
    let shifted = SHIFT
        .fetch_update(Relaxed, Relaxed, |shift| {
            Some(shift.saturating_add(seconds))
        })
        .unwrap_or_default();
    shifted.saturating_add(seconds)
}

/// Sets the clock to a time in seconds since the Unix epoch.
pub fn set(seconds: u64) {
    let now = unix_seconds();
    let difference = i64::try_from(seconds.abs_diff(now)).unwrap_or(i64::MAX);
    shift_by(if seconds >= now {
        difference
    } else {
        -difference
    });
}
