//! Tests of AccountsActor, WorkerActor and SealerActor with a real clique chain.

use std::{cell::Cell, sync::Arc, time::Duration};

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

use crate::{
    chain::{Dev, Disk},
    common::{TIMEOUT, run, until},
};

const NOW: MineBlock = MineBlock { timestamp: None };

async fn mine(dev: &Dev) -> B256 {
    loop {
        match dev.worker.within(TIMEOUT).ask(NOW).await {
            // The request went to a generation that was about to end.
            Err(error) if error.was_never_handled() => {}
            answer => return answer.unwrap().unwrap(),
        }
    }
}

fn seal(block: Block, even_if_empty: bool) -> Seal {
    Seal {
        block,
        even_if_empty,
        is_outdated: Arc::default(),
    }
}

#[test]
fn a_requested_block_is_sealed_and_becomes_the_head() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
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
fn blocks_are_sealed_every_period() {
    run(async {
        let (_disk, dev) = Dev::start_new(1).await;
        until("three blocks", || dev.reader.head_number() >= 3).await;
        let [second, third] =
            [2, 3].map(|number| dev.reader.header_by_number(number).unwrap().unwrap());
        assert_eq!(third.timestamp - second.timestamp, 1);
        assert!(dev.reader.head().timestamp <= dev.clock.unix_seconds());
        dev.stop().await;
    });
}

#[test]
fn a_moved_clock_is_that_of_one_chain_alone() {
    run(async {
        let (disk, moved) = Dev::start_new(0).await;
        let (_other_disk, other) = Dev::start_new(0).await;
        let request = MineBlock {
            timestamp: Some(moved.clock.unix_seconds() + 3_600),
        };
        let mined = moved.worker.within(TIMEOUT).ask(request).await;
        mined.unwrap().unwrap();
        mine(&other).await;
        let ahead = moved.reader.head().timestamp - other.reader.head().timestamp;
        assert!(ahead >= 3_590, "{ahead}");
        assert_eq!(other.clock.shift(), 0);
        moved.stop().await;
        other.stop().await;

        let restarted = Dev::start(&disk).await;
        assert!(restarted.clock.shift() >= 3_590);
        restarted.stop().await;
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
        // A requested block is sealed even if it is empty.
        mine(&dev).await;
        assert_eq!(dev.reader.head_number(), 3);
        dev.stop().await;
    });
}

#[test]
fn crashes_lose_no_block_and_sign_no_height_twice() {
    run(async {
        let (_disk, dev) = Dev::start_new(0).await;
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
            // The request fails with its actor, or succeeds in spite of the crash.
            let _ = dev.worker.ask(NOW).await;
            dev.until_available().await;
            mine(&dev).await;
            assert!(dev.reader.head_number() > before, "{path} {message}");
            let signed = dev
                .sealer
                .within(TIMEOUT)
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
fn a_height_is_not_signed_twice_over_a_restart() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        let hash = mine(&dev).await;
        let sealed = dev.reader.block_by_hash(&hash).unwrap().unwrap();
        dev.stop().await;

        let dev = Dev::start(&disk).await;
        let mut other = Block::clone(&sealed);
        other.header.gas_limit += 1;
        match dev.sealer.ask(seal(other, true)).await.unwrap() {
            Err(SealRefused::SignedBefore(before)) => assert_eq!(before.hash(), hash),
            answer => panic!("{answer:?}"),
        }
        mine(&dev).await;
        assert_eq!(dev.reader.head_number(), 2);
        dev.stop().await;
    });
}

#[test]
fn a_stop_of_sealing_prevents_a_pending_signature() {
    run(async {
        let (_disk, dev) = Dev::start_new(1).await;
        until("two blocks", || dev.reader.head_number() >= 2).await;
        // The worker no longer seals; the requests below come with a block for the head.
        dev.control.set_wanted(false);
        dev.until_available().await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let head = dev.reader.head();
        let sealed = dev.reader.block_by_hash(&head.hash()).unwrap().unwrap();
        let next = |even_if_empty| {
            let mut block = Block::clone(&sealed);
            block.header.number += 1;
            block.header.parent_hash = head.hash();
            block.header.timestamp = dev.clock.unix_seconds() + 1;
            seal(block, even_if_empty)
        };
        // The sealer checks whether sealing is on when the block's time has come.
        let refused = dev.sealer.within(TIMEOUT).ask(next(false)).await;
        let refused = refused.unwrap();
        assert!(matches!(refused, Err(SealRefused::Outdated)), "{refused:?}");
        let asked = dev.sealer.within(TIMEOUT).ask(next(true)).await.unwrap();
        assert!(asked.is_ok(), "a user's request is executed: {asked:?}");
        dev.stop().await;
    });
}

#[test]
fn accounts_are_created_unlocked_locked_and_found() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        let accounts = &dev.accounts;
        let hash = B256::repeat_byte(7);
        let password = Password::from("secret");
        let request = NewAccount {
            password: password.clone(),
        };
        let created = accounts.ask(request).await.unwrap().unwrap();
        let known = async || {
            let all = accounts.ask(GetAccounts).await.unwrap();
            all.into_iter()
                .find(|account| account.address == created.address)
        };
        while known().await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!known().await.unwrap().is_unlocked);

        let address = created.address;
        let sign = async |password| {
            let request = SignHash {
                address,
                hash,
                password,
                must_be_listed: false,
            };
            accounts.ask(request).await.unwrap()
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
            "it was used, not unlocked"
        );

        let unlock = async |duration| {
            let password = password.clone();
            let request = Unlock {
                address,
                password,
                duration,
            };
            accounts.ask(request).await.unwrap().unwrap();
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
fn a_crash_locks_keys_except_those_unlocked_at_the_start() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
        let password = Password::from("secret");
        let request = NewAccount {
            password: password.clone(),
        };
        let address = dev.accounts.ask(request).await.unwrap().unwrap().address;
        let hash = B256::repeat_byte(7);
        let unlock = async || {
            let password = password.clone();
            let request = Unlock {
                address,
                password,
                duration: None,
            };
            dev.accounts.ask(request).await.unwrap()
        };
        while unlock().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sign = async |address| {
            let request = SignHash {
                address,
                hash,
                password: None,
                must_be_listed: false,
            };
            dev.accounts.within(TIMEOUT).ask(request).await.unwrap()
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
            "the chain does not depend on the keys"
        );

        let signer = disk.signer.address();
        let lock = Lock { address: signer };
        assert!(dev.accounts.within(TIMEOUT).ask(lock).await.unwrap());
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

/// Returns a transfer of one wei by the signer.
fn transfer(disk: &Disk, nonce: u64) -> PooledTransaction {
    signed(
        disk,
        DynamicFeeTx {
            nonce,
            gas_limit: 21_000,
            to: Some(RECIPIENT),
            value: U256::from(1),
            ..DynamicFeeTx::default()
        },
    )
}

/// Returns a contract creation whose code loops until its gas is used up.
fn looping(disk: &Disk, nonce: u64) -> PooledTransaction {
    signed(
        disk,
        DynamicFeeTx {
            nonce,
            gas_limit: LOOP_GAS,
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

/// The gas limit of a looping transaction, near the maximum of a transaction.
const LOOP_GAS: u64 = 16_000_000;

const RECIPIENT: Address = Address::repeat_byte(0x22);

fn received(dev: &Dev) -> U256 {
    let state = dev.reader.state_at(dev.reader.head_number()).unwrap();
    state
        .account(&RECIPIENT)
        .unwrap()
        .map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn transactions_are_sealed_when_they_arrive() {
    run(async {
        let (disk, dev) = Dev::start_new(0).await;
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
fn filling_a_block_ends_with_its_period() {
    // Together the transactions run for seconds, and one block has gas for all of them.
    const LOOPS: u64 = 200;
    run(async {
        let disk = Disk::with_gas_limit(1, 2 * LOOPS * LOOP_GAS);
        let dev = Dev::start(&disk).await;
        dev.control.set_wanted(false);
        for nonce in 0..LOOPS {
            dev.txpool.submit(looping(&disk, nonce)).await.unwrap();
        }
        let before = dev.reader.head_number();
        dev.control.set_wanted(true);
        let count = |number| {
            let block = dev.reader.block_by_number(number).unwrap();
            block.map_or(0, |block| block.body.transactions.len() as u64)
        };
        let sealed = || (before..=dev.reader.head_number()).map(count);
        until("all are sealed", || sealed().sum::<u64>() == LOOPS).await;
        let blocks: Vec<u64> = sealed().filter(|count| *count > 0).collect();
        assert!(blocks.len() > 1, "{blocks:?}");
        dev.stop().await;
    });
}

#[test]
fn crashes_under_load_lose_no_transaction_and_no_block() {
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
        let (disk, dev) = Dev::start_new(0).await;
        let is_over = Cell::new(false);
        let accepted = Cell::new(0);
        let send = async {
            while !is_over.get() {
                // An unanswered transaction is sent again: it may be in the pool or sealed already.
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
                // Sealing continues with transactions that were sent after the crash.
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
            .within(TIMEOUT)
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
