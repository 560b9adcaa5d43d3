//! Unlocked keys that stay unlocked when the actor crashes.

use std::sync::Arc;

use actoreum_primitives::{Address, SecretKey};
use parking_lot::Mutex;

/// The keys that are unlocked from the start (`--unlock`), in every generation of AccountsActor,
/// until they are locked: a crash must neither lock a key that the operator unlocked, nor unlock
/// one that was locked since.
#[derive(Debug, Clone, Default)]
pub struct UnlockedKeys(Arc<Mutex<Vec<SecretKey>>>);

impl UnlockedKeys {
    /// Creates the list of unlocked keys.
    pub fn new(keys: Vec<SecretKey>) -> Self {
        Self(Arc::new(Mutex::new(keys)))
    }

    /// Returns the keys that were not locked since.
    pub(super) fn keys(&self) -> Vec<SecretKey> {
        self.0.lock().clone()
    }

    /// Removes a key from the list. The key is zeroed.
    pub(super) fn lock(&self, address: &Address) {
        self.0.lock().retain(|key| key.address() != *address);
    }
}
