//! Keys that a crash does not lock.

use std::sync::Arc;

use actoreum_primitives::{Address, SecretKey};
use parking_lot::Mutex;

/// The keys that lie open from the start (`--unlock`), in every generation of AccountsActor, until
/// one is locked: a crash must neither lock what the operator opened, nor open what was locked
/// since.
#[derive(Debug, Clone, Default)]
pub struct StandingKeys(Arc<Mutex<Vec<SecretKey>>>);

impl StandingKeys {
    /// These keys.
    pub fn new(keys: Vec<SecretKey>) -> Self {
        Self(Arc::new(Mutex::new(keys)))
    }

    /// Those that were not locked since.
    pub(super) fn keys(&self) -> Vec<SecretKey> {
        self.0.lock().clone()
    }

    /// Never opens the key again. It is zeroed.
    pub(super) fn lock(&self, address: &Address) {
        self.0.lock().retain(|key| key.address() != *address);
    }
}
