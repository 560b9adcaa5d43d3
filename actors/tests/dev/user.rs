//! Tests of what the user of a development chain sets: snapshots, resets, fields of the next block.

use std::time::Duration;

use actoreum_chain::{Edit, StateEdit};
use actoreum_messages::{
    dev::{
        Impersonate, ImpersonateAll, Reset, RevertTo, SetLogging, StopImpersonating, TakeSnapshot,
    },
    miner::{ChangeSetting, SetAutomine},
    txpool::{DropTransactions, Dropped},
    worker::{EditState, MineBlock, Rewind},
};
use actoreum_primitives::{
    Address, DynamicFeeTx, PooledTransaction, Signature, Transaction, TxPayload, U256,
};

use crate::{
    chain::Dev,
    common::{TIMEOUT, run, until},
};

const ACCOUNT: Address = Address::repeat_byte(0x22);
const OTHER: Address = Address::repeat_byte(0x33);

async fn mine(dev: &Dev) {
    let request = MineBlock { timestamp: None };
    let worker = dev.worker.within(TIMEOUT);
    worker.ask(request).await.unwrap().unwrap();
}

async fn give_ether(dev: &Dev, address: Address) {
    let ether = U256::from(10).pow(U256::from(18));
    let edit = StateEdit::new(address, Edit::Balance(ether));
    let worker = dev.worker.within(TIMEOUT);
    worker.ask(EditState(edit)).await.unwrap().unwrap();
}

async fn change(dev: &Dev, change: ChangeSetting) {
    dev.miner.within(TIMEOUT).ask(change).await.unwrap();
}

async fn snapshot(dev: &Dev) -> u64 {
    let user = dev.user.within(TIMEOUT);
    user.ask(TakeSnapshot).await.unwrap().unwrap()
}

async fn revert(dev: &Dev, id: u64) -> bool {
    let user = dev.user.within(TIMEOUT);
    user.ask(RevertTo(id)).await.unwrap().unwrap()
}

async fn drop_transactions(dev: &Dev, dropped: Dropped) -> usize {
    let pool = dev.txpool.actor.within(TIMEOUT);
    pool.ask(DropTransactions(dropped)).await.unwrap()
}

/// Returns a transfer of one wei without a signature.
fn transfer(from: Address, nonce: u64) -> PooledTransaction {
    let payload = TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: 1_337,
        nonce,
        max_fee_per_gas: U256::from(10_000_000_000_u64),
        max_priority_fee_per_gas: U256::from(1),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(1)),
        value: U256::from(1),
        ..DynamicFeeTx::default()
    });
    PooledTransaction {
        transaction: Transaction::new(payload, Signature::impersonating(from)),
        sidecar: None,
    }
}

#[test]
fn the_id_of_a_snapshot_is_never_given_again() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        assert_eq!(snapshot(&dev).await, 1);
        mine(&dev).await;
        assert_eq!(snapshot(&dev).await, 2);
        dev.clock.shift_by(3_600);
        assert!(revert(&dev, 1).await);
        assert_eq!((dev.reader.head_number(), dev.clock.shift()), (0, 0));
        assert!(!revert(&dev, 1).await, "it is used up");
        assert!(!revert(&dev, 2).await, "later ones are used up with it");
        assert!(!revert(&dev, 77).await);
        assert_eq!(snapshot(&dev).await, 3);
        dev.stop().await;
    });
}

#[test]
fn a_snapshot_of_a_block_that_left_the_chain_is_void() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        mine(&dev).await;
        let id = snapshot(&dev).await;
        let worker = dev.worker.within(TIMEOUT);
        worker.ask(Rewind { to: 0 }).await.unwrap().unwrap();
        assert!(!revert(&dev, id).await);
        give_ether(&dev, ACCOUNT).await;
        assert!(!revert(&dev, id).await, "another block has its number");
        dev.stop().await;
    });
}

#[test]
fn accounts_are_impersonated_until_that_is_ended() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let user = dev.user.within(TIMEOUT);
        let impersonates = || dev.user_control.impersonates(&ACCOUNT);
        assert_eq!(user.ask(Impersonate(ACCOUNT)).await.unwrap(), Ok(true));
        assert_eq!(user.ask(Impersonate(ACCOUNT)).await.unwrap(), Ok(false));
        assert!(impersonates());
        assert!(user.ask(StopImpersonating(ACCOUNT)).await.unwrap());
        assert!(!user.ask(StopImpersonating(ACCOUNT)).await.unwrap());
        assert!(!impersonates());
        user.ask(ImpersonateAll(true)).await.unwrap();
        assert!(impersonates());
        user.ask(SetLogging(false)).await.unwrap();
        assert!(!dev.user_control.state().is_logging);
        dev.stop().await;
    });
}

#[test]
fn the_state_of_the_user_survives_a_crash_of_its_actor() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let user = dev.user.within(TIMEOUT);
        user.ask(Impersonate(ACCOUNT)).await.unwrap().unwrap();
        let id = snapshot(&dev).await;
        dev.tree
            .handle()
            .crash("node/core/miner/development")
            .unwrap();
        let is_back = || dev.user.generation() == 2 && dev.user.is_available();
        until("the actor is back", is_back).await;
        assert!(dev.user_control.impersonates(&ACCOUNT));
        assert!(revert(&dev, id).await);
        dev.stop().await;
    });
}

#[test]
fn a_reset_begins_at_the_genesis_block() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let genesis = dev.reader.head().hash();
        let instance = dev.user_control.state().instance;
        let user = dev.user.within(TIMEOUT);
        user.ask(Impersonate(ACCOUNT)).await.unwrap().unwrap();
        give_ether(&dev, ACCOUNT).await;
        let id = snapshot(&dev).await;
        change(&dev, ChangeSetting::TimestampInterval(Some(7))).await;
        change(&dev, ChangeSetting::NextBaseFee(7)).await;
        dev.clock.shift_by(3_600);
        let reset = user.ask(Reset).await.unwrap();
        assert_eq!(reset, Ok(genesis));
        assert_eq!(dev.reader.head().hash(), genesis);
        assert_eq!(dev.clock.shift(), 0);
        assert_eq!(dev.control.settings().dev, Default::default());
        assert!(!dev.user_control.impersonates(&ACCOUNT));
        assert_ne!(dev.user_control.state().instance, instance);
        assert!(!revert(&dev, id).await);
        mine(&dev).await;
        dev.stop().await;
    });
}

#[test]
fn transactions_are_dropped_and_stay_dropped() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        give_ether(&dev, ACCOUNT).await;
        give_ether(&dev, OTHER).await;
        let miner = dev.miner.within(TIMEOUT);
        miner.ask(SetAutomine(false)).await.unwrap();
        let mut hashes = Vec::new();
        for (from, nonce) in [(ACCOUNT, 0), (ACCOUNT, 1), (OTHER, 0), (OTHER, 1)] {
            hashes.push(dev.txpool.submit(transfer(from, nonce)).await.unwrap());
        }
        let count = || {
            let snapshot = dev.txpool.snapshot().unwrap();
            (snapshot.pending_count(), snapshot.queued_count())
        };
        assert_eq!(count(), (4, 0));
        assert_eq!(drop_transactions(&dev, Dropped::One(hashes[0])).await, 1);
        assert_eq!(count(), (2, 1), "the next of the sender is queued");
        assert_eq!(drop_transactions(&dev, Dropped::One(hashes[0])).await, 0);
        assert_eq!(drop_transactions(&dev, Dropped::OfSender(ACCOUNT)).await, 1);
        assert_eq!(count(), (2, 0));
        let pool = "node/core/txpool/pool";
        dev.tree.handle().crash(pool).unwrap();
        until("the pool is up", || dev.txpool.actor.is_available()).await;
        until("the journal is read", || count() == (2, 0)).await;
        assert_eq!(drop_transactions(&dev, Dropped::All).await, 2);
        assert_eq!(count(), (0, 0));
        dev.stop().await;
    });
}

#[test]
fn the_next_base_fee_is_that_of_one_block() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        mine(&dev).await;
        let chosen = 5_000_000_000;
        change(&dev, ChangeSetting::NextBaseFee(chosen)).await;
        give_ether(&dev, ACCOUNT).await;
        mine(&dev).await;
        let base_fee = || dev.reader.head().base_fee_per_gas.unwrap();
        assert_eq!(base_fee(), chosen, "an edit leaves it for the next block");
        mine(&dev).await;
        assert_eq!(base_fee(), chosen - chosen / 8);
        dev.stop().await;
    });
}

#[test]
fn a_base_fee_above_the_rule_keeps_cheap_transactions_out() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        give_ether(&dev, ACCOUNT).await;
        let miner = dev.miner.within(TIMEOUT);
        miner.ask(SetAutomine(false)).await.unwrap();
        dev.txpool.submit(transfer(ACCOUNT, 0)).await.unwrap();
        change(&dev, ChangeSetting::NextBaseFee(20_000_000_000)).await;
        mine(&dev).await;
        assert_eq!(dev.reader.head().gas_used, 0);
        change(&dev, ChangeSetting::NextBaseFee(0)).await;
        mine(&dev).await;
        assert_eq!(dev.reader.head().gas_used, 21_000);
        assert_eq!(dev.reader.head().base_fee_per_gas, Some(0));
        dev.stop().await;
    });
}

#[test]
fn edits_do_not_change_the_base_fee_after_them() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        mine(&dev).await;
        let before = dev.reader.head().base_fee_per_gas.unwrap();
        for _ in 0..3 {
            give_ether(&dev, ACCOUNT).await;
        }
        mine(&dev).await;
        let after = dev.reader.head().base_fee_per_gas.unwrap();
        assert_eq!(after, before - before / 8, "as without the edits");
        dev.stop().await;
    });
}

#[test]
fn a_gas_limit_holds_from_the_next_block_on() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        for limit in [20_000_000, 100_000_000] {
            change(&dev, ChangeSetting::GasLimit(limit)).await;
            for _ in 0..2 {
                mine(&dev).await;
                assert_eq!(dev.reader.head().gas_limit, limit);
            }
        }
        dev.stop().await;
        let dev = Dev::start(&disk).await;
        assert_eq!(dev.reader.head_number(), 4);
        dev.stop().await;
    });
}

#[test]
fn timestamps_keep_their_interval() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        mine(&dev).await;
        change(&dev, ChangeSetting::TimestampInterval(Some(7))).await;
        let begun = dev.reader.head().timestamp;
        for index in 1..=3 {
            mine(&dev).await;
            assert_eq!(dev.reader.head().timestamp, begun + 7 * index);
        }
        change(&dev, ChangeSetting::TimestampInterval(None)).await;
        mine(&dev).await;
        assert!(dev.reader.head().timestamp < begun + 7 * 4 + 60);
        dev.stop().await;
    });
}

#[test]
fn a_timestamp_is_exact_however_late_its_block_is_built() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let begun = dev.clock.unix_seconds();
        for index in 1..=30 {
            let timestamp = Some(begun + index);
            let worker = dev.worker.within(TIMEOUT);
            worker.ask(MineBlock { timestamp }).await.unwrap().unwrap();
            assert_eq!(Some(dev.reader.head().timestamp), timestamp);
            // Blocks begin at any part of a second.
            tokio::time::sleep(Duration::from_millis(37)).await;
        }
        dev.stop().await;
    });
}
