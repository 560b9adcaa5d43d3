//! Keys that lie open.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actoreum_primitives::{Address, SecretKey};

use crate::KeyError;

/// Keys that can be used without a password, each until its time is over. A key that leaves is
/// zeroed. The clock is the caller's.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<Address, Open>,
}

#[derive(Debug)]
struct Open {
    key: SecretKey,
    /// `None`: until it is locked.
    until: Option<Instant>,
}

impl Keyring {
    /// Lays a key open: for a time, or until it is locked. A key that lies open without an end
    /// keeps doing so; any other takes the new time, longer or shorter.
    pub fn unlock(&mut self, key: SecretKey, duration: Option<Duration>, now: Instant) {
        self.expire(now);
        let address = key.address();
        let is_endless = self
            .keys
            .get(&address)
            .is_some_and(|open| open.until.is_none());
        if is_endless {
            return;
        }
        let until = duration.and_then(|duration| now.checked_add(duration));
        self.keys.insert(address, Open { key, until });
    }

    /// Locks a key; whether it lay open.
    pub fn lock(&mut self, address: &Address) -> bool {
        self.keys.remove(address).is_some()
    }

    /// Locks what is over.
    pub fn expire(&mut self, now: Instant) {
        self.keys
            .retain(|_, open| open.until.is_none_or(|until| now < until));
    }

    /// When the next key is over.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.keys.values().filter_map(|open| open.until).min()
    }

    /// An open key.
    pub fn key(&self, address: &Address, now: Instant) -> Result<&SecretKey, KeyError> {
        match self.keys.get(address) {
            Some(open) if open.until.is_none_or(|until| now < until) => Ok(&open.key),
            _ => Err(KeyError::Locked),
        }
    }

    /// Whose keys lie open.
    pub fn addresses(&self, now: Instant) -> Vec<Address> {
        self.keys
            .iter()
            .filter(|(_, open)| open.until.is_none_or(|until| now < until))
            .map(|(address, _)| *address)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_key_lies_open_for_its_time_and_no_longer() {
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
    fn a_timed_unlock_does_not_shorten_an_endless_one() {
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
