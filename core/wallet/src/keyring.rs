//! The keys that are unlocked.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actoreum_primitives::{Address, SecretKey};

use crate::KeyError;

/// The unlocked keys, which can be used without a password until they expire. A key that is locked
/// or expires is zeroed. The caller supplies the clock.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<Address, UnlockedKey>,
}

#[derive(Debug)]
struct UnlockedKey {
    key: SecretKey,
    /// The time of expiry; `None` if the key stays unlocked until it is locked.
    until: Option<Instant>,
}

impl Keyring {
    /// Unlocks a key for a duration, or without expiry. A key that is unlocked without expiry stays
    /// so; any other gets the new time of expiry, later or earlier.
    pub fn unlock(&mut self, key: SecretKey, duration: Option<Duration>, now: Instant) {
        self.expire(now);
        let address = key.address();
        let has_no_expiry = self
            .keys
            .get(&address)
            .is_some_and(|unlocked| unlocked.until.is_none());
        if has_no_expiry {
            return;
        }
        let until = duration.and_then(|duration| now.checked_add(duration));
        self.keys.insert(address, UnlockedKey { key, until });
    }

    /// Locks a key; returns true if it was unlocked.
    pub fn lock(&mut self, address: &Address) -> bool {
        self.keys.remove(address).is_some()
    }

    /// Locks the keys that have expired.
    pub fn expire(&mut self, now: Instant) {
        self.keys
            .retain(|_, unlocked| unlocked.until.is_none_or(|until| now < until));
    }

    /// Returns the next time of expiry.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.keys
            .values()
            .filter_map(|unlocked| unlocked.until)
            .min()
    }

    /// Returns an unlocked key.
    pub fn key(&self, address: &Address, now: Instant) -> Result<&SecretKey, KeyError> {
        match self.keys.get(address) {
            Some(unlocked) if unlocked.until.is_none_or(|until| now < until) => Ok(&unlocked.key),
            _ => Err(KeyError::Locked),
        }
    }

    /// Returns the addresses of the unlocked keys.
    pub fn addresses(&self, now: Instant) -> Vec<Address> {
        self.keys
            .iter()
            .filter(|(_, unlocked)| unlocked.until.is_none_or(|until| now < until))
            .map(|(address, _)| *address)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_key_is_unlocked_until_its_expiry() {
        let (mut ring, now, key) = (Keyring::default(), Instant::now(), SecretKey::random());
        let address = key.address();
        assert!(matches!(ring.key(&address, now), Err(KeyError::Locked)));
        ring.unlock(key.clone(), Some(MINUTE), now);
        assert_eq!(ring.key(&address, now).unwrap(), &key);
        assert_eq!(ring.next_expiry(), Some(now + MINUTE));
        assert!(
            ring.key(&address, now + MINUTE).is_err(),
            "also before it is swept"
        );
        ring.expire(now + MINUTE);
        assert!(ring.key(&address, now).is_err());
    }

    #[test]
    fn a_timed_unlock_does_not_shorten_an_unlimited_one() {
        let (mut ring, now, key) = (Keyring::default(), Instant::now(), SecretKey::random());
        let address = key.address();
        ring.unlock(key.clone(), Some(10 * MINUTE), now);
        ring.unlock(key.clone(), Some(MINUTE), now);
        assert!(
            ring.key(&address, now + 2 * MINUTE).is_err(),
            "a newer time counts"
        );
        ring.unlock(key.clone(), None, now);
        ring.unlock(key.clone(), Some(MINUTE), now);
        assert!(ring.key(&address, now + 2 * MINUTE).is_ok());
        assert_eq!(ring.next_expiry(), None);
        assert!(ring.lock(&address));
        assert!(!ring.lock(&address));
        assert!(ring.key(&address, now).is_err());
    }
}
