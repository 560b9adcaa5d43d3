//! The chain's clock.
//!
//! The clock is the system's, except on a development chain whose user has moved it:
//! `evm_increaseTime` and `evm_setNextBlockTimestamp` shift the clock of the node, so that neither
//! the building nor the verification of a block rejects its timestamp as in the future.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actoreum_storage::{Commit, StorageError, Store};

/// The name of the shift in the store of a development chain: eight bytes, big-endian.
const RECORD: &str = "clock shift";

/// The clock of one node's chain. Clones are handles of the same clock; two nodes in one process
/// have two clocks.
#[derive(Debug, Clone, Default)]
pub struct ChainClock {
    /// Seconds by which the clock is ahead of the system's.
    shift: Arc<AtomicI64>,
}

impl ChainClock {
    /// Creates the clock of a development chain, with the shift that [`ChainClock::save`] wrote to
    /// its store, if any.
    ///
    /// # Errors
    /// The store's errors, and a record of a wrong length.
    pub fn restore(store: &Store) -> Result<Self, StorageError> {
        let clock = Self::default();
        if let Some(record) = store.meta(RECORD)? {
            let bytes = record.as_slice().try_into();
            let bytes = bytes.map_err(|_| StorageError::Corrupt("the clock's shift".to_owned()))?;
            clock.set_shift(i64::from_be_bytes(bytes));
        }
        Ok(clock)
    }

    /// Writes the shift to a development chain's store.
    ///
    /// # Errors
    /// The store's errors.
    pub fn save(&self, store: &Store) -> Result<(), StorageError> {
        let mut commit = Commit::new();
        commit.put_meta(RECORD, &self.shift().to_be_bytes());
        store.commit(commit)
    }

    /// Returns the seconds by which the clock is ahead of the system's; negative: behind it.
    pub fn shift(&self) -> i64 {
        self.shift.load(Relaxed)
    }

    /// Sets the seconds by which the clock is ahead of the system's.
    pub fn set_shift(&self, seconds: i64) {
        self.shift.store(seconds, Relaxed);
    }

    /// Returns the time since the Unix epoch.
    pub fn now(&self) -> Duration {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let shift = self.shift();
        let amount = Duration::from_secs(shift.unsigned_abs());
        if shift >= 0 {
            system.saturating_add(amount)
        } else {
            system.saturating_sub(amount)
        }
    }

    /// Returns the time in seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u64 {
        self.now().as_secs()
    }

    /// Moves the clock by `seconds`. Returns the seconds by which it is now ahead of the system's.
    pub fn shift_by(&self, seconds: i64) -> i64 {
        let shifted = self
            .shift
            .fetch_update(Relaxed, Relaxed, |shift| {
                Some(shift.saturating_add(seconds))
            })
            .unwrap_or_default();
        shifted.saturating_add(seconds)
    }

    /// Sets the clock to a time in seconds since the Unix epoch.
    pub fn set(&self, seconds: u64) {
        let now = self.unix_seconds();
        let difference = i64::try_from(seconds.abs_diff(now)).unwrap_or(i64::MAX);
        self.shift_by(if seconds >= now {
            difference
        } else {
            -difference
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    #[test]
    fn clones_share_a_shift_and_other_clocks_do_not() {
        let (clock, other) = (ChainClock::default(), ChainClock::default());
        let handle = clock.clone();
        assert_eq!(handle.shift_by(HOUR), HOUR);
        assert_eq!((clock.shift(), other.shift()), (HOUR, 0));
        let ahead = clock.now().saturating_sub(other.now());
        assert!(ahead.as_secs().abs_diff(HOUR as u64) <= 1, "{ahead:?}");
    }

    #[test]
    fn the_clock_can_be_set_to_the_past_and_to_the_future() {
        let clock = ChainClock::default();
        for time in [1_000, 4_000_000_000] {
            clock.set(time);
            assert!(clock.unix_seconds().abs_diff(time) <= 1);
        }
    }

    #[test]
    fn a_shift_is_restored_from_the_store_it_was_saved_to() {
        let (store, empty) = (Store::memory(), Store::memory());
        let clock = ChainClock::default();
        clock.set_shift(-HOUR);
        clock.save(&store).unwrap();
        assert_eq!(ChainClock::restore(&store).unwrap().shift(), -HOUR);
        assert_eq!(ChainClock::restore(&empty).unwrap().shift(), 0);
    }

    #[test]
    fn a_malformed_record_of_the_shift_is_an_error() {
        let store = Store::memory();
        let mut commit = Commit::new();
        commit.put_meta(RECORD, &[1, 2, 3]);
        store.commit(commit).unwrap();
        let restored = ChainClock::restore(&store);
        assert!(matches!(restored, Err(StorageError::Corrupt(_))));
    }
}
