//! Tests of the actors of a merged development chain.

use std::{sync::Arc, time::Duration};

use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, Edit, StateEdit, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_messages::worker::{EditState, MineBlock};
use actoreum_primitives::{
    Address, Block, DevChain, DynamicFeeTx, Genesis, PooledTransaction, StateReader, TxPayload,
    U256,
};
use actoreum_storage::Store;

use crate::{
    chain::{Dev, Disk},
    common::{TIMEOUT, run, until},
};

const SOMEBODY: Address = Address::repeat_byte(0x22);

async fn mine(dev: &Dev, timestamp: Option<u64>) {
    let mined = dev
        .worker
        .within(TIMEOUT)
        .ask(MineBlock { timestamp })
        .await;
    mined.unwrap().unwrap();
}

fn transfer(disk: &Disk, nonce: u64) -> PooledTransaction {
    let payload = TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: DevChain::CHAIN_ID,
        nonce,
        max_priority_fee_per_gas: U256::from(1_000_000_000_u64),
        max_fee_per_gas: U256::from(10_000_000_000_u64),
        gas_limit: 21_000,
        to: Some(SOMEBODY),
        value: U256::ONE,
        ..DynamicFeeTx::default()
    });
    PooledTransaction {
        transaction: payload.sign(&disk.signer),
        sidecar: None,
    }
}

fn blocks(reader: &ChainReader) -> Vec<Block> {
    let block = |number| reader.block_by_number(number).unwrap().unwrap();
    (1..=reader.head_number())
        .map(|number| Block::clone(&block(number)))
        .collect()
}

/// Returns the genesis of [`Disk::merged`].
fn genesis_of(disk: &Disk) -> Genesis {
    let accounts = DevChain::new(disk.signer.address()).accounts;
    let chain = DevChain {
        accounts,
        ..DevChain::merged()
    };
    chain.genesis()
}

#[test]
fn a_merged_chain_is_sealed_on_arrival_and_imported_elsewhere() {
    run(async {
        let disk = Disk::merged(0);
        let dev = Dev::start(&disk).await;
        for nonce in 0..5 {
            dev.txpool.submit(transfer(&disk, nonce)).await.unwrap();
            until("it is sealed", || dev.reader.head_number() == nonce + 1).await;
        }
        mine(&dev, None).await;
        let head = dev.reader.head();
        let state = dev.reader.state_at(6).unwrap();
        let received = state.account(&SOMEBODY).unwrap().unwrap();
        assert_eq!((head.number, received.balance), (6, U256::from(5)));
        let sender = state.account(&disk.signer.address()).unwrap().unwrap();
        let tips = state.account(&Address::ZERO).unwrap().unwrap();
        assert_eq!(tips.balance, U256::from(5 * 21_000 * 1_000_000_000_u64));
        assert_eq!(sender.nonce, 5);
        let sealed = blocks(&dev.reader);
        for pair in sealed.windows(2) {
            assert!(pair[0].header.timestamp < pair[1].header.timestamp);
            assert_ne!(pair[0].header.mix_hash, pair[1].header.mix_hash);
        }
        dev.stop().await;

        // A node that is no development chain accepts the blocks by the rules of merged chains.
        let store = Store::memory();
        genesis::init(&store, &genesis_of(&disk)).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let options = ChainOptions {
            engine: engine_for(reader.config(), EngineOptions::default()).engine,
            interrupt: Arc::default(),
            now: Arc::new(|| 0),
        };
        let mut chain = Chain::open(reader.clone(), options).unwrap();
        let report = chain.import(&sealed, Detail::HeadOnly);
        assert!(report.refused.is_none(), "{:?}", report.refused);
        assert_eq!(reader.head().hash(), head.hash());
    });
}

#[test]
fn merged_blocks_are_sealed_every_period() {
    run(async {
        let disk = Disk::merged(2);
        let dev = Dev::start(&disk).await;
        until("three blocks", || dev.reader.head_number() >= 3).await;
        let [second, third] =
            [2, 3].map(|number| dev.reader.header_by_number(number).unwrap().unwrap());
        assert!(third.timestamp - second.timestamp >= 2);
        assert!(dev.reader.head().timestamp <= dev.clock.unix_seconds());
        // A requested block does not wait for the period.
        let begun = std::time::Instant::now();
        for _ in 0..50 {
            mine(&dev, None).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        dev.stop().await;
    });
}

#[test]
fn edits_and_times_of_a_merged_chain_survive_a_restart() {
    run(async {
        let disk = Disk::merged(0);
        let dev = Dev::start(&disk).await;
        let begun = dev.reader.head().timestamp;
        let edit = StateEdit::new(SOMEBODY, Edit::Balance(U256::from(7)));
        let edited = dev.worker.within(TIMEOUT).ask(EditState(edit)).await;
        edited.unwrap().unwrap();
        let time = dev.reader.head().timestamp;
        assert_eq!(time, begun, "an edit takes no time of the chain");
        let ahead = dev.clock.unix_seconds() + 3_600;
        mine(&dev, Some(ahead)).await;
        assert_eq!(dev.reader.head().timestamp, ahead);
        let head = dev.reader.head();
        dev.stop().await;

        let dev = Dev::start(&disk).await;
        assert_eq!(dev.reader.head(), head);
        mine(&dev, None).await;
        assert!(dev.reader.head().timestamp > ahead);
        let state = dev.reader.state_at(3).unwrap();
        let balance = state.account(&SOMEBODY).unwrap().unwrap().balance;
        assert_eq!(balance, U256::from(7));
        dev.stop().await;
    });
}
