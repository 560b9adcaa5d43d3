//! Rules of a development chain that its user changes while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use alloy_primitives::{Address, FixedBytes};
use serde::{Deserialize, Serialize};

/// A signature as ECRECOVER takes it: r, s, and v as 27 or 28.
pub type SignatureBytes = FixedBytes<65>;

/// The changed rules, each with the block from which on it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevSchedule {
    chain_ids: BTreeMap<u64, u64>,
    signers: BTreeMap<u64, BTreeMap<SignatureBytes, Address>>,
}

impl DevSchedule {
    /// Sets the chain id from the block `number` on.
    pub fn set_chain_id(&mut self, number: u64, chain_id: u64) {
        self.chain_ids.insert(number, chain_id);
    }

    /// Has ECRECOVER return `signer` for a signature of any message, from the block `number` on.
    pub fn set_signer(&mut self, number: u64, signature: SignatureBytes, signer: Address) {
        let signers = self.signers.entry(number).or_default();
        signers.insert(signature, signer);
    }

    /// Returns the chain id of a block; `None` if it was not changed up to there.
    pub fn chain_id_at(&self, number: u64) -> Option<u64> {
        let (_, chain_id) = self.chain_ids.range(..=number).next_back()?;
        Some(*chain_id)
    }

    /// Returns what ECRECOVER returns for a signature in a block; `None` if it is what the
    /// signature says.
    pub fn signer_at(&self, number: u64, signature: &SignatureBytes) -> Option<Address> {
        let mut newest_first = self.signers.range(..=number).rev();
        newest_first.find_map(|(_, signers)| signers.get(signature).copied())
    }

    /// Returns the number of signatures whose signers are set.
    pub fn signers(&self) -> usize {
        self.signers.values().map(BTreeMap::len).sum()
    }

    /// Removes what holds only from a later block than `head` on.
    pub fn rewind(&mut self, head: u64) {
        self.chain_ids.retain(|number, _| *number <= head);
        self.signers.retain(|number, _| *number <= head);
    }
}

/// The rules that the user of a development chain has changed. All clones of a
/// [`ChainConfig`](crate::ChainConfig) share them; the writer of the chain changes them with the
/// blocks that carry the changes.
#[derive(Debug)]
pub struct DevRules {
    schedule: RwLock<Arc<DevSchedule>>,
    logs_console: AtomicBool,
}

impl DevRules {
    /// Creates rules with these changes.
    pub fn new(schedule: DevSchedule) -> Self {
        Self {
            schedule: RwLock::new(Arc::new(schedule)),
            logs_console: AtomicBool::new(true),
        }
    }

    /// Returns the changes so far.
    pub fn schedule(&self) -> Arc<DevSchedule> {
        Arc::clone(&self.schedule.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the changes.
    pub fn set_schedule(&self, schedule: DevSchedule) {
        *self
            .schedule
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(schedule);
    }

    /// Returns whether the calls of Hardhat's console are logged.
    pub fn logs_console(&self) -> bool {
        self.logs_console.load(Relaxed)
    }

    /// Sets whether the calls of Hardhat's console are logged.
    pub fn log_console(&self, is_wanted: bool) {
        self.logs_console.store(is_wanted, Relaxed);
    }
}

impl PartialEq for DevRules {
    fn eq(&self, other: &Self) -> bool {
        self.schedule() == other.schedule()
    }
}

impl Eq for DevRules {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_holds_from_its_block_on() {
        let (signature, signer) = (SignatureBytes::repeat_byte(1), Address::repeat_byte(2));
        let mut schedule = DevSchedule::default();
        schedule.set_chain_id(5, 31_337);
        schedule.set_chain_id(8, 1);
        schedule.set_signer(6, signature, Address::ZERO);
        schedule.set_signer(7, signature, signer);
        let chain_ids = [4, 5, 7, 8].map(|number| schedule.chain_id_at(number));
        assert_eq!(chain_ids, [None, Some(31_337), Some(31_337), Some(1)]);
        let signers = [5, 6, 9].map(|number| schedule.signer_at(number, &signature));
        assert_eq!(signers, [None, Some(Address::ZERO), Some(signer)]);

        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            serde_json::from_str::<DevSchedule>(&json).unwrap(),
            schedule
        );
        schedule.rewind(6);
        assert_eq!(schedule.chain_id_at(9), Some(31_337));
        assert_eq!(schedule.signer_at(9, &signature), Some(Address::ZERO));
        assert_eq!(schedule.signers(), 1);
    }
}
