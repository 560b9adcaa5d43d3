//! Contracts whose calls are short enough for the connection's own thread.

use std::num::NonZeroUsize;

use actoreum_primitives::Address;
use lru::LruCache;
use parking_lot::Mutex;

use crate::limits::{QUICK_CALL_GAS, QUICK_TARGETS};

/// What calls have used so far, by their target. Gas and not time decides: it is the same on a
/// busy machine.
pub(crate) struct QuickTargets(Mutex<Targets>);

struct Targets {
    quick: LruCache<Address, ()>,
    /// Apart, so that a flood of quick ones does not make them forgotten.
    slow: LruCache<Address, ()>,
}

impl Default for QuickTargets {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(QUICK_TARGETS).unwrap_or(NonZeroUsize::MIN);
        Self(Mutex::new(Targets {
            quick: LruCache::new(capacity),
            slow: LruCache::new(capacity),
        }))
    }
}

impl QuickTargets {
    /// Whether all calls of this target were quick, and there was one.
    pub(crate) fn contains(&self, target: &Address) -> bool {
        self.0.lock().quick.get(target).is_some()
    }

    /// Notes what a call used. One that was not quick is enough.
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
    fn one_slow_call_is_enough_and_quick_ones_do_not_wash_it_off() {
        let targets = QuickTargets::default();
        let (contract, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        assert!(!targets.contains(&contract), "nothing is known of it");
        targets.note(contract, QUICK_CALL_GAS);
        assert!(targets.contains(&contract) && !targets.contains(&other));
        targets.note(contract, QUICK_CALL_GAS + 1);
        for number in 0..2 * QUICK_TARGETS {
            targets.note(Address::left_padding_from(&number.to_be_bytes()), 0);
        }
        targets.note(contract, 0);
        assert!(!targets.contains(&contract));
    }
}
