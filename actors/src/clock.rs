//! The chain's clock.
//!
//! It is the system's, save on a development chain whose user moved it: `evm_increaseTime` and
//! `evm_setNextBlockTimestamp` shift it for the whole process, so that a block from the future is
//! none, neither to whoever builds it nor to whoever verifies it.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actoreum_storage::{Commit, StorageError, Store};

/// Seconds by which the chain's clock goes ahead of the system's.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// Under this name the store of a development chain keeps the shift: eight bytes, big-endian.
const RECORD: &str = "clock shift";

/// Writes the shift to a development chain's store.
pub fn save(store: &Store) -> Result<(), StorageError> {
    let mut commit = Commit::new();
    commit.put_meta(RECORD, &shift().to_be_bytes());
    store.commit(commit)
}

/// Takes up the shift that [`save`] wrote, where there is one.
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

/// Seconds by which the chain's clock goes ahead of the system's; negative: behind it.
pub fn shift() -> i64 {
    SHIFT.load(Relaxed)
}

/// Puts the clock so many seconds ahead of the system's.
pub fn set_shift(seconds: i64) {
    SHIFT.store(seconds, Relaxed);
}

/// The time since 1970.
pub fn now() -> Duration {
    let system = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let shift = SHIFT.load(Relaxed);
    let amount = Duration::from_secs(shift.unsigned_abs());
    match shift >= 0 {
        true => system.saturating_add(amount),
        false => system.saturating_sub(amount),
    }
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    now().as_secs()
}

/// Moves the clock by so many seconds; by how many it is now ahead of the system's.
pub fn shift_by(seconds: i64) -> i64 {
    let shifted = SHIFT
        .fetch_update(Relaxed, Relaxed, |shift| {
            Some(shift.saturating_add(seconds))
        })
        .unwrap_or_default();
    shifted.saturating_add(seconds)
}

/// Sets the clock to a time in seconds since 1970.
pub fn set(seconds: u64) {
    let now = unix_seconds();
    let difference = i64::try_from(seconds.abs_diff(now)).unwrap_or(i64::MAX);
    shift_by(if seconds >= now {
        difference
    } else {
        -difference
    });
}
