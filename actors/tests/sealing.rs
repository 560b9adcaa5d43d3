//! Accounts, worker and sealer over a real chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{cell::Cell, sync::Arc, time::Duration};

use actoreum_actors::clock;
use actoreum_messages::{
    accounts::{GetAccounts, Lock, NewAccount, SignHash, Unlock},
    sealer::{GetLastSigned, Seal, SealRefused},
    worker::MineBlock,
};
use actoreum_primitives::{
    Address, B256, Block, Bytes, DevChain, DynamicFeeTx, PooledTransaction, StateReader, TxPayload,
    U256,
};
use actoreum_wallet::{KeyError, Password};
use common::{Dev, Disk, PATIENCE, run, until};

const NOW: MineBlock = MineBlock { timestamp: None };

async fn mine(dev: &Dev) -> B256 {
    loop {
        match dev.worker.within(PATIENCE).ask(NOW).await {
            // It went to a generation that was about to end.
            Err(error) if error.was_never_handled() => {}
            answer => return answer.unwrap().unwrap(),
        }
    }
}

#[test]
fn a_block_that_is_asked_for_is_sealed_and_becomes_the_head() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        for number in 1..=3 {
            let hash = mine(&dev).await;
            let head = dev.reader.head();
            assert_eq!((head.number, head.hash()), (number, hash));
            assert!(head.extra_data.starts_with(b"test"));
        }
        dev.stop().await;
    });
}

#[test]
fn a_period_makes_blocks_by_itself() {
    run(async {
        let disk = Disk::new(1);
        let dev = Dev::start(&disk).await;
        until("three blocks", || dev.reader.head_number() >= 3).await;
        let [second, third] =
            [2, 3].map(|number| dev.reader.header_by_number(number).unwrap().unwrap());
        assert_eq!(third.timestamp - second.timestamp, 1);
        assert!(dev.reader.head().timestamp <= clock::unix_seconds());
        dev.stop().await;
    });
}

#[test]
fn a_signer_that_skips_empty_blocks_waits_for_transactions() {
    run(async {
        let disk = Disk::without_empty_blocks(1);
        let dev = Dev::start(&disk).await;
        for number in 1..=2 {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            assert_eq!(dev.reader.head_number(), number - 1, "no empty block");
            dev.txpool
                .submit(transfer(&disk, number - 1))
                .await
                .unwrap();
            until("it is sealed", || dev.reader.head_number() == number).await;
            assert_eq!(received(&dev), U256::from(number));
        }
        // What is asked for is sealed.
        mine(&dev).await;
        assert_eq!(dev.reader.head_number(), 3);
        dev.stop().await;
    });
}

#[test]
fn crashes_of_worker_and_sealer_lose_no_block_and_sign_no_height_twice() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        let crashes = [
            ("node/core/miner/worker", "Built"),
            ("node/core/miner/worker", "ChainChanged"),
            ("node/core/miner/sealer", "Seal"),
            ("node/keys/accounts", "SignHash"),
            ("node/core/chain", "Done"),
        ];
        for (path, message) in crashes {
            let before = dev.reader.head_number();
            dev.tree.handle().crash_at(path, message).unwrap();
            // The wish dies with its actor, or is fulfilled in spite of the crash.
            let _ = dev.worker.ask(NOW).await;
            until("the wish is dealt with", || {
                dev.worker.is_available() && dev.chain.is_available()
            })
            .await;
            mine(&dev).await;
            assert!(dev.reader.head_number() > before, "{path} {message}");
            let signed = dev
                .sealer
                .within(PATIENCE)
                .ask(GetLastSigned)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(signed.hash(), dev.reader.head().hash(), "{path} {message}");
        }
        dev.stop().await;
    });
}

#[test]
fn a_height_is_not_signed_twice_over_a_restart_of_the_process() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        let hash = mine(&dev).await;
        let sealed = dev.reader.block_by_hash(&hash).unwrap().unwrap();
        dev.stop().await;

        let dev = Dev::start(&disk).await;
        let mut other = Block::clone(&sealed);
        other.header.gas_limit += 1;
        let question = Seal {
            block: other,
            even_if_empty: true,
            is_outdated: Arc::default(),
        };
        match dev.sealer.ask(question).await.unwrap() {
            Err(SealRefused::SignedBefore(before)) => assert_eq!(before.hash(), hash),
            answer => panic!("{answer:?}"),
        }
        mine(&dev).await;
        assert_eq!(dev.reader.head_number(), 2);
        dev.stop().await;
    });
}

#[test]
fn a_pause_that_begins_before_the_signature_prevents_it() {
    run(async {
        let disk = Disk::new(1);
        let dev = Dev::start(&disk).await;
        until("two blocks", || dev.reader.head_number() >= 2).await;
        // The worker seals no longer; whoever asks now has a block for the head.
        dev.control.set_wanted(false);
        until("the worker rests", || {
            dev.worker.is_available() && dev.chain.is_available()
        })
        .await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let head = dev.reader.head();
        let sealed = dev.reader.block_by_hash(&head.hash()).unwrap().unwrap();
        let seal = |even_if_empty| {
            let mut block = Block::clone(&sealed);
            block.header.number += 1;
            block.header.parent_hash = head.hash();
            block.header.timestamp = clock::unix_seconds() + 1;
            Seal {
                block,
                even_if_empty,
                is_outdated: Arc::default(),
            }
        };
        // It is looked at when the block's time has come.
        let refused = dev.sealer.within(PATIENCE).ask(seal(false)).await;
        let refused = refused.unwrap();
        assert!(matches!(refused, Err(SealRefused::Outdated)), "{refused:?}");
        let asked = dev.sealer.within(PATIENCE).ask(seal(true)).await.unwrap();
        assert!(asked.is_ok(), "a user's wish is fulfilled: {asked:?}");
        dev.stop().await;
    });
}

#[test]
fn accounts_are_made_unlocked_used_locked_and_appear_from_outside() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        let accounts = &dev.accounts;
        let hash = B256::repeat_byte(7);
        let password = Password::from("secret");
        let question = NewAccount {
            password: password.clone(),
        };
        let made = accounts.ask(question).await.unwrap().unwrap();
        let known = async || {
            let all = accounts.ask(GetAccounts).await.unwrap();
            all.into_iter()
                .find(|account| account.address == made.address)
        };
        while known().await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!known().await.unwrap().is_open);

        let address = made.address;
        let sign = async |password| {
            let question = SignHash {
                address,
                hash,
                password,
            };
            accounts.ask(question).await.unwrap()
        };
        assert!(matches!(sign(None).await, Err(KeyError::Locked)));
        assert!(matches!(
            sign(Some(Password::from("wrong"))).await,
            Err(KeyError::WrongPassword)
        ));
        let signature = sign(Some(password.clone())).await.unwrap();
        assert_eq!(signature.recover_address(hash).unwrap(), address);
        assert!(
            matches!(sign(None).await, Err(KeyError::Locked)),
            "it was used, not opened"
        );

        let unlock = async |duration| {
            let password = password.clone();
            let question = Unlock {
                address,
                password,
                duration,
            };
            accounts.ask(question).await.unwrap().unwrap();
        };
        unlock(Some(Duration::from_millis(300))).await;
        assert!(sign(None).await.is_ok());
        tokio::time::sleep(Duration::from_millis(350)).await;
        assert!(matches!(sign(None).await, Err(KeyError::Locked)));
        unlock(None).await;
        assert!(accounts.ask(Lock { address }).await.unwrap());
        assert!(matches!(sign(None).await, Err(KeyError::Locked)));

        let dropped_in = disk.keys.create(&password).unwrap();
        for _ in 0..500 {
            let all = accounts.ask(GetAccounts).await.unwrap();
            if all
                .iter()
                .any(|account| account.address == dropped_in.address)
            {
                return dev.stop().await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the new file was not seen");
    });
}

#[test]
fn a_crash_locks_what_was_open_for_a_while_and_opens_what_was_asked_for_at_start() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        let password = Password::from("secret");
        let question = NewAccount {
            password: password.clone(),
        };
        let address = dev.accounts.ask(question).await.unwrap().unwrap().address;
        let hash = B256::repeat_byte(7);
        let unlock = async || {
            let password = password.clone();
            let question = Unlock {
                address,
                password,
                duration: None,
            };
            dev.accounts.ask(question).await.unwrap()
        };
        while unlock().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sign = async |address| {
            let question = SignHash {
                address,
                hash,
                password: None,
            };
            dev.accounts.within(PATIENCE).ask(question).await.unwrap()
        };
        assert!(sign(address).await.is_ok());
        let generation = dev.accounts.generation();
        dev.tree.handle().crash("node/keys/accounts").unwrap();
        until("a new generation", || {
            dev.accounts.generation() > generation
        })
        .await;
        assert!(matches!(sign(address).await, Err(KeyError::Locked)));
        assert!(sign(disk.signer.address()).await.is_ok());
        assert_eq!(
            dev.chain.generation(),
            1,
            "the chain does not rest on the keys"
        );

        let signer = disk.signer.address();
        let lock = Lock { address: signer };
        assert!(dev.accounts.within(PATIENCE).ask(lock).await.unwrap());
        let generation = dev.accounts.generation();
        dev.tree.handle().crash("node/keys/accounts").unwrap();
        until("a new generation", || {
            dev.accounts.generation() > generation
        })
        .await;
        let signed = sign(signer).await;
        assert!(
            matches!(signed, Err(KeyError::Locked)),
            "it was locked since"
        );
        dev.stop().await;
    });
}

/// Transfers of one wei by the signer, with nonces in order.
fn transfer(disk: &Disk, nonce: u64) -> PooledTransaction {
    signed(
        disk,
        DynamicFeeTx {
            nonce,
            gas_limit: 21_000,
            to: Some(SOMEBODY),
            value: U256::from(1),
            ..DynamicFeeTx::default()
        },
    )
}

/// Code that runs in a circle until its gas is used up.
fn circle(disk: &Disk, nonce: u64) -> PooledTransaction {
    signed(
        disk,
        DynamicFeeTx {
            nonce,
            gas_limit: CIRCLE_GAS,
            input: Bytes::from_static(&[0x5b, 0x5f, 0x56]),
            ..DynamicFeeTx::default()
        },
    )
}

fn signed(disk: &Disk, payload: DynamicFeeTx) -> PooledTransaction {
    let payload = TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: DevChain::CHAIN_ID,
        max_priority_fee_per_gas: U256::from(1_000_000_000),
        max_fee_per_gas: U256::from(100_000_000_000_u64),
        ..payload
    });
    PooledTransaction {
        transaction: payload.sign(&disk.signer),
        sidecar: None,
    }
}

/// As much as a transaction may use.
const CIRCLE_GAS: u64 = 16_000_000;

const SOMEBODY: Address = Address::repeat_byte(0x22);

fn received(dev: &Dev) -> U256 {
    let state = dev.reader.state_at(dev.reader.head_number()).unwrap();
    state
        .account(&SOMEBODY)
        .unwrap()
        .map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn a_transaction_is_sealed_when_it_arrives_and_all_of_a_burst_are() {
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        dev.txpool.submit(transfer(&disk, 0)).await.unwrap();
        until("the first is sealed", || dev.reader.head_number() == 1).await;
        assert_eq!(received(&dev), U256::from(1));
        for nonce in 1..=500 {
            dev.txpool.submit(transfer(&disk, nonce)).await.unwrap();
        }
        until("all are sealed", || received(&dev) == U256::from(501)).await;
        let sealed = dev.reader.head_number();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(dev.reader.head_number(), sealed, "no empty block follows");
        dev.stop().await;
    });
}

#[test]
fn a_block_with_a_period_is_filled_until_its_time_alone() {
    // Together they run for seconds, and one block has gas for all of them.
    const CIRCLES: u64 = 200;
    run(async {
        let disk = Disk::with_gas_limit(1, 2 * CIRCLES * CIRCLE_GAS);
        let dev = Dev::start(&disk).await;
        dev.control.set_wanted(false);
        for nonce in 0..CIRCLES {
            dev.txpool.submit(circle(&disk, nonce)).await.unwrap();
        }
        let before = dev.reader.head_number();
        dev.control.set_wanted(true);
        let count = |number| {
            let block = dev.reader.block_by_number(number).unwrap();
            block.map_or(0, |block| block.body.transactions.len() as u64)
        };
        let sealed = || (before..=dev.reader.head_number()).map(count);
        until("all are sealed", || sealed().sum::<u64>() == CIRCLES).await;
        let blocks: Vec<u64> = sealed().filter(|count| *count > 0).collect();
        assert!(blocks.len() > 1, "{blocks:?}");
        dev.stop().await;
    });
}

#[test]
fn every_actor_crashes_under_load_and_no_transaction_and_no_block_is_lost() {
    const CRASHES: [&str; 10] = [
        "node/core/miner/worker",
        "node/core/miner/sealer",
        "node/core/txpool/pool",
        "node/keys/accounts",
        "node/core/chain",
        "node/core/miner/worker",
        "node/core/miner/sealer",
        "node/core/txpool/pool",
        "node/keys/accounts",
        "node/core/chain",
    ];
    run(async {
        let disk = Disk::new(0);
        let dev = Dev::start(&disk).await;
        let is_over = Cell::new(false);
        let accepted = Cell::new(0);
        let send = async {
            while !is_over.get() {
                // What was not answered is sent again: the pool may know it, or have sealed it.
                let answer = dev.txpool.submit(transfer(&disk, accepted.get())).await;
                let text = answer
                    .as_ref()
                    .err()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let is_known = text.contains("known") || text.contains("nonce too low");
                if answer.is_ok() || is_known {
                    accepted.set(accepted.get() + 1);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let crash = async {
            for path in CRASHES {
                let (sent, head) = (accepted.get(), dev.reader.head_number());
                dev.tree.handle().crash(path).unwrap();
                // Sealing goes on, with transactions that were sent after the crash.
                until(path, || {
                    accepted.get() > sent + 20 && dev.reader.head_number() > head
                })
                .await;
            }
            is_over.set(true);
        };
        tokio::join!(send, crash);
        let accepted = U256::from(accepted.get());
        until("all that was accepted is sealed", || {
            received(&dev) == accepted
        })
        .await;

        let snapshot = dev.tree.handle().snapshot();
        for path in CRASHES {
            assert!(snapshot.find(path).unwrap().restarts >= 2, "{path}");
        }
        let head = dev.reader.head();
        for number in 1..=head.number {
            let (block, parent) = (number, number - 1);
            let header = dev.reader.header_by_number(block).unwrap().unwrap();
            let parent = dev.reader.header_by_number(parent).unwrap().unwrap();
            assert_eq!(header.parent_hash, parent.hash(), "{number}");
        }
        let signed = dev
            .sealer
            .within(PATIENCE)
            .ask(GetLastSigned)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            signed.hash(),
            head.hash(),
            "nothing was signed and then lost"
        );
        dev.stop().await;
    });
}
