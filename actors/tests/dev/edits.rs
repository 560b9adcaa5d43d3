//! Tests of state edits, impersonation and rewinds on a development chain.

use std::{sync::Arc, time::Duration};

use actoreum_actors::clock::ChainClock;
use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, Edit, StateEdit, genesis};
use actoreum_consensus::{Clique, Engine};
use actoreum_messages::worker::{EditState, MineBlock, Rewind};
use actoreum_primitives::{
    AccountInfo, Address, Block, Bytes, DevChain, DynamicFeeTx, EMPTY_CODE_HASH, PooledTransaction,
    Signature, StateReader, Transaction, TxPayload, U256, config::EngineConfig, keccak256,
};
use actoreum_storage::Store;

use crate::{
    chain::{Dev, Disk},
    common::{TIMEOUT, run, until},
};

const ACCOUNT: Address = Address::repeat_byte(0x22);

async fn edit(dev: &Dev, change: Edit) {
    let edit = StateEdit::new(ACCOUNT, change);
    let worker = dev.worker.within(TIMEOUT);
    let hash = worker.ask(EditState(edit)).await.unwrap().unwrap();
    assert_eq!(dev.reader.head().hash(), hash);
}

async fn mine(dev: &Dev) {
    let request = MineBlock { timestamp: None };
    dev.worker
        .within(TIMEOUT)
        .ask(request)
        .await
        .unwrap()
        .unwrap();
}

fn account_at(dev: &Dev, number: u64) -> Option<AccountInfo> {
    dev.reader
        .state_at(number)
        .unwrap()
        .account(&ACCOUNT)
        .unwrap()
}

fn account(dev: &Dev) -> Option<AccountInfo> {
    let head = dev.reader.head_number();
    assert_eq!(
        dev.reader.head_account(&ACCOUNT).unwrap(),
        account_at(dev, head)
    );
    account_at(dev, head)
}

#[test]
fn edits_are_blocks_and_survive_a_restart() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        let code = Bytes::from_static(&[0x60, 0x01]);
        let (slot, value) = (U256::from(3), U256::from(4));
        mine(&dev).await;
        let time = dev.reader.head().timestamp;
        edit(&dev, Edit::Balance(U256::from(5))).await;
        edit(&dev, Edit::Nonce(6)).await;
        edit(&dev, Edit::Code(code.clone())).await;
        edit(&dev, Edit::Slot(slot, value)).await;
        assert_eq!(dev.reader.head_number(), 5);
        assert_eq!(
            dev.reader.head().timestamp,
            time,
            "an edit takes no time of the chain"
        );
        let edited = AccountInfo {
            nonce: 6,
            balance: U256::from(5),
            code_hash: keccak256(&code),
        };
        let look = |dev: &Dev| {
            assert_eq!(account(dev), Some(edited));
            let state = dev.reader.state_at(dev.reader.head_number()).unwrap();
            assert_eq!(state.code(&edited.code_hash).unwrap(), code);
            assert_eq!(state.storage(&ACCOUNT, &slot).unwrap(), value);
            assert_eq!(account_at(dev, 1), None);
            let third = account_at(dev, 3).unwrap();
            assert_eq!((third.nonce, third.code_hash), (6, EMPTY_CODE_HASH));
        };
        look(&dev);
        dev.stop().await;
        let dev = Dev::start(&disk).await;
        look(&dev);

        edit(&dev, Edit::Slot(slot, U256::ZERO)).await;
        edit(&dev, Edit::Code(Bytes::new())).await;
        edit(&dev, Edit::Nonce(0)).await;
        assert!(account(&dev).is_some());
        edit(&dev, Edit::Balance(U256::ZERO)).await;
        assert_eq!(account(&dev), None, "an empty account does not exist");
        mine(&dev).await;
        dev.stop().await;
    });
}

/// Creates another chain with the same genesis and no other blocks.
fn another(disk: &Disk, config: impl Fn(Store) -> ChainReader) -> (Store, Chain) {
    let store = Store::memory();
    let chain = DevChain::new(disk.signer.address());
    genesis::init(&store, &chain.genesis()).unwrap();
    let reader = config(store.clone());
    let EngineConfig::Clique(settings) = reader.config().engine() else {
        panic!("a development chain is sealed with clique");
    };
    let engine: Arc<dyn Engine> = Arc::new(Clique::new(settings, None));
    let options = ChainOptions {
        engine,
        interrupt: Arc::default(),
        now: Arc::new(|| ChainClock::default().unix_seconds()),
    };
    (store, Chain::open(reader, options).unwrap())
}

#[test]
fn an_edited_block_is_valid_only_where_the_edit_is_known() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        mine(&dev).await;
        let change = Edit::Balance(U256::from(5));
        edit(&dev, change.clone()).await;
        mine(&dev).await;
        let blocks: Vec<Block> = (1..=3)
            .map(|number| Block::clone(&dev.reader.block_by_number(number).unwrap().unwrap()))
            .collect();
        let head = dev.reader.head().hash();
        dev.stop().await;

        let development = |store| ChainReader::open_development(store).unwrap();
        let edit_of = |change| StateEdit::new(ACCOUNT, change);
        let (store, mut knows) = another(&disk, development);
        edit_of(change.clone()).record(&store).unwrap();
        let report = knows.import(&blocks, Detail::HeadOnly);
        assert!(report.refused.is_none(), "{:?}", report.refused);
        assert_eq!(knows.head().hash(), head);

        let (store, mut knows_another) = another(&disk, development);
        edit_of(Edit::Balance(U256::from(6)))
            .record(&store)
            .unwrap();
        let (store, mut is_no_development_chain) =
            another(&disk, |store| ChainReader::open(store).unwrap());
        edit_of(change.clone()).record(&store).unwrap();
        for (chain, reason) in [
            (&mut knows_another, "invalid merkle root"),
            // The base fee of an edit is not the one of the rule.
            (&mut is_no_development_chain, "invalid baseFee"),
        ] {
            let refused = chain.import(&blocks, Detail::HeadOnly).refused.unwrap();
            assert_eq!(refused.number, 2);
            let text = refused.to_string();
            assert!(text.contains(reason), "{text}");
            assert_eq!(chain.head().number, 1);
        }
    });
}

/// Returns an impersonated transfer of one wei.
fn impersonated(nonce: u64) -> PooledTransaction {
    let payload = TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: DevChain::CHAIN_ID,
        nonce,
        max_priority_fee_per_gas: U256::from(1_000_000_000),
        max_fee_per_gas: U256::from(100_000_000_000_u64),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(0x33)),
        value: U256::from(1),
        ..DynamicFeeTx::default()
    });
    PooledTransaction {
        transaction: Transaction::new(payload, Signature::impersonating(ACCOUNT)),
        sidecar: None,
    }
}

#[test]
fn a_contract_can_be_impersonated() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let ether = U256::from(10).pow(U256::from(18));
        edit(&dev, Edit::Balance(ether)).await;
        edit(&dev, Edit::Code(Bytes::from_static(&[0x60, 0x01]))).await;
        for nonce in 0..5 {
            dev.txpool.submit(impersonated(nonce)).await.unwrap();
        }
        until("all are sealed", || {
            account(&dev).is_some_and(|account| account.nonce == 5)
        })
        .await;
        let number = dev.reader.head_number();
        let hash = dev.reader.canonical_hash(number).unwrap().unwrap();
        assert_eq!(
            dev.reader.senders(&hash).unwrap().unwrap().last(),
            Some(&ACCOUNT)
        );
        dev.stop().await;
    });
}

#[test]
fn the_chain_rewinds_while_transactions_arrive() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let ether = U256::from(10).pow(U256::from(18));
        edit(&dev, Edit::Balance(ether)).await;
        for round in 0..20 {
            // Answered before the sealing: the rewind may meet any step of a block.
            dev.txpool.submit(impersonated(0)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(round)).await;
            let worker = dev.worker.within(TIMEOUT);
            let head = worker.ask(Rewind { to: 1 }).await.unwrap().unwrap();
            assert_eq!(dev.reader.canonical_hash(1).unwrap(), Some(head));
            mine(&dev).await;
            assert!(dev.reader.head_number() >= 2);
            let worker = dev.worker.within(TIMEOUT);
            worker.ask(Rewind { to: 1 }).await.unwrap().unwrap();
        }
        mine(&dev).await;
        dev.stop().await;
    });
}

#[test]
fn a_crash_leaves_an_edit_whole_or_absent() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
        let crashes = [
            ("node/core/miner/worker", "Built"),
            ("node/core/miner/sealer", "Seal"),
            ("node/core/chain", "ImportBlocks"),
            ("node/core/chain", "Done"),
        ];
        for (round, (path, message)) in crashes.into_iter().enumerate() {
            dev.tree.handle().crash_at(path, message).unwrap();
            let balance = U256::from(round + 1);
            let edited = StateEdit::new(ACCOUNT, Edit::Balance(balance));
            // The request fails with its actor, or succeeds in spite of the crash.
            let answer = dev.worker.ask(EditState(edited)).await;
            dev.until_available().await;
            while dev
                .worker
                .within(TIMEOUT)
                .ask(MineBlock { timestamp: None })
                .await
                .is_err()
            {}
            if let Ok(Ok(_)) = answer {
                assert_eq!(account(&dev).unwrap().balance, balance, "{path} {message}");
            }
            edit(&dev, Edit::Balance(balance)).await;
            assert_eq!(account(&dev).unwrap().balance, balance, "{path} {message}");
        }
        dev.stop().await;
    });
}
