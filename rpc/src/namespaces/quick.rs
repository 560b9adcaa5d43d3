//! The contracts whose calls are short enough for the connection's own thread.

use std::num::NonZeroUsize;

use actoreum_primitives::Address;
use lru::LruCache;
use parking_lot::Mutex;

use crate::server::limits::{MAX_QUICK_TARGETS, QUICK_CALL_GAS};

/// The targets of earlier calls, split by the gas that those calls used. Gas decides and not time,
/// because gas does not depend on the load of the machine.
pub(crate) struct QuickTargets(Mutex<Targets>);

struct Targets {
    quick: LruCache<Address, ()>,
    /// The targets of calls that were not quick. They are kept in a cache of their own, so that a
    /// flood of quick targets does not evict them.
    slow: LruCache<Address, ()>,
}

impl Default for QuickTargets {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(MAX_QUICK_TARGETS).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(Targets {
            quick: LruCache::new(capacity),
            slow: LruCache::new(capacity),
        }))
    }
}

impl QuickTargets {
    /// Returns whether `target` has been called and all its calls were quick.
    pub(crate) fn contains(&self, target: &Address) -> bool {
        self.0.lock().quick.get(target).is_some()
    }

    /// Records the gas that a call of `target` used. A single call that was not quick marks the
    /// target as slow.
    pub(crate) fn note(&self, target: Address, gas_used: u64) {
        let mut targets = self.0.lock();
        if gas_used > QUICK_CALL_GAS {
            targets.quick.pop(&target);
            targets.slow.put(target, ());
        } else if !targets.slow.contains(&target) {
            targets.quick.put(target, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_target_stays_slow_among_many_quick_ones() {
        let targets = QuickTargets::default();
        let (contract, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        assert!(!targets.contains(&contract), "it was not called yet");
        targets.note(contract, QUICK_CALL_GAS);
        assert!(targets.contains(&contract) && !targets.contains(&other));
        targets.note(contract, QUICK_CALL_GAS + 1);
        for number in 0..2 * MAX_QUICK_TARGETS {
            targets.note(Address::left_padding_from(&number.to_be_bytes()), 0);
        }
        targets.note(contract, 0);
        assert!(!targets.contains(&contract));
    }
}
