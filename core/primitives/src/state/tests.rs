//! Tests of merged diffs against a model state, a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Balance and slots by account.
type Model = BTreeMap<u8, (u64, BTreeMap<u8, u64>)>;

/// One step in the execution of a block.
#[derive(Debug, Clone)]
enum Step {
    SetBalance(u8, u64),
    SetSlot(u8, u8, u64),
    Destroy(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4u8, 1..100u64).prop_map(|(account, balance)| Step::SetBalance(account, balance)),
        6 => (0..4u8, 0..4u8, 0..5u64)
            .prop_map(|(account, slot, value)| Step::SetSlot(account, slot, value)),
        2 => (0..4u8).prop_map(Step::Destroy),
    ]
}

fn run(state: &mut Model, steps: &[Step]) {
    for step in steps {
        match step {
            Step::SetBalance(account, balance) => state.entry(*account).or_default().0 = *balance,
            Step::SetSlot(account, slot, value) => {
                let slots = &mut state.entry(*account).or_default().1;
                if *value == 0 {
                    slots.remove(slot);
                } else {
                    slots.insert(*slot, *value);
                }
            }
            Step::Destroy(account) => {
                state.remove(account);
            }
        }
    }
}

fn info(account: Option<&(u64, BTreeMap<u8, u64>)>) -> Option<AccountInfo> {
    account.map(|(balance, _)| AccountInfo {
        balance: U256::from(*balance),
        ..AccountInfo::default()
    })
}

/// Returns the diff of a block as an executor reports it: an account that was destroyed in the
/// block is wiped and lists only the slots written afterwards.
fn diff(before: &Model, after: &Model, steps: &[Step]) -> StateDiff {
    let mut diff = StateDiff::default();
    for account in 0..4u8 {
        let last_destroy = steps
            .iter()
            .rposition(|step| matches!(step, Step::Destroy(destroyed) if *destroyed == account));
        let (old, new) = (before.get(&account), after.get(&account));
        let storage_wiped = last_destroy.is_some();
        if old == new && !storage_wiped {
            continue;
        }
        let mut storage = HashMap::new();
        for slot in 0..4u8 {
            let value = |state: Option<&(u64, BTreeMap<u8, u64>)>| {
                U256::from(
                    state
                        .and_then(|(_, slots)| slots.get(&slot))
                        .copied()
                        .unwrap_or(0),
                )
            };
            let (slot_before, slot_after) = (value(old), value(new));
            let is_listed = if storage_wiped {
                !slot_after.is_zero()
            } else {
                slot_before != slot_after
            };
            if is_listed {
                let change = SlotChange {
                    before: slot_before,
                    after: slot_after,
                };
                storage.insert(U256::from(slot), change);
            }
        }
        let change = AccountChange {
            before: info(old),
            after: info(new),
            storage_wiped,
            storage,
        };
        diff.accounts
            .insert(Address::with_last_byte(account), change);
    }
    diff
}

fn apply(state: &mut Model, diff: &StateDiff) {
    for (address, change) in &diff.accounts {
        let account = address[19];
        let mut slots = state
            .remove(&account)
            .map(|(_, slots)| slots)
            .unwrap_or_default();
        if change.storage_wiped {
            slots.clear();
        }
        for (slot, change) in &change.storage {
            let (slot, value) = (slot.to::<u8>(), change.after.to::<u64>());
            if value == 0 {
                slots.remove(&slot);
            } else {
                slots.insert(slot, value);
            }
        }
        if let Some(after) = change.after {
            state.insert(account, (after.balance.to::<u64>(), slots));
        }
    }
}

proptest! {
    #[test]
    fn prop_a_merged_diff_equals_the_diffs_applied_in_turn(
        blocks in prop::collection::vec(prop::collection::vec(step(), 0..8), 1..6),
    ) {
        let start = Model::new();
        let mut state = start.clone();
        let mut merged = StateDiff::default();
        for steps in &blocks {
            let before = state.clone();
            run(&mut state, steps);
            merged.merge(diff(&before, &state, steps));
        }
        let mut applied = start;
        apply(&mut applied, &merged);
        prop_assert_eq!(applied, state);
    }

    #[test]
    fn prop_a_merged_diff_keeps_the_first_earlier_values(
        first in prop::collection::vec(step(), 0..8),
        second in prop::collection::vec(step(), 0..8),
        third in prop::collection::vec(step(), 0..8),
    ) {
        let mut start = Model::new();
        run(&mut start, &first);
        let mut middle = start.clone();
        run(&mut middle, &second);
        let mut end = middle.clone();
        run(&mut end, &third);

        let mut merged = diff(&start, &middle, &second);
        merged.merge(diff(&middle, &end, &third));
        for (address, change) in &merged.accounts {
            let account = start.get(&address[19]);
            prop_assert_eq!(change.before, info(account));
            for (slot, change) in &change.storage {
                let known = account.and_then(|(_, slots)| slots.get(&slot.to::<u8>()));
                let is_unknown = merged.accounts[address].storage_wiped && change.before.is_zero();
                let value = U256::from(known.copied().unwrap_or(0));
                prop_assert!(change.before == value || is_unknown);
            }
        }
    }
}

#[test]
fn a_slot_that_is_wiped_later_keeps_its_earlier_value() {
    let address = Address::with_last_byte(1);
    let slot = U256::from(7);
    let change = |before: u64, after: u64| SlotChange {
        before: U256::from(before),
        after: U256::from(after),
    };
    let account = Some(AccountInfo::default());
    let mut written = StateDiff::default();
    written.accounts.insert(
        address,
        AccountChange {
            before: account,
            after: account,
            storage_wiped: false,
            storage: HashMap::from([(slot, change(3, 4))]),
        },
    );
    let mut destroyed = StateDiff::default();
    destroyed.accounts.insert(
        address,
        AccountChange {
            before: account,
            after: None,
            storage_wiped: true,
            storage: HashMap::new(),
        },
    );

    written.merge(destroyed);
    let merged = &written.accounts[&address];
    assert_eq!((merged.before, merged.after), (account, None));
    assert!(merged.storage_wiped);
    assert_eq!(merged.storage[&slot], change(3, 0));
}

#[test]
fn merging_unites_the_codes() {
    let mut first = StateDiff::default();
    first
        .codes
        .insert(B256::with_last_byte(1), Bytes::from_static(b"one"));
    let mut second = StateDiff::default();
    second
        .codes
        .insert(B256::with_last_byte(2), Bytes::from_static(b"two"));
    first.merge(second);
    assert_eq!(first.codes.len(), 2);
}
