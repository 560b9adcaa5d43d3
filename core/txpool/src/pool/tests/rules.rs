//! Tests of each rule, with geth's error text.

use super::*;

fn bench() -> Bench {
    Bench::new(PoolConfig::default())
}

fn at_fork(fork: Fork, base_fee: u64) -> Bench {
    let mut bench = bench();
    bench.reset(head_at(fork, 2, base_fee));
    bench
}

#[test]
fn nonces_without_a_gap_are_pending_others_queued() {
    let mut bench = bench();
    bench.state.set(address(0), 5, ether(1));
    assert_eq!(bench.remote(0, 7, 1).unwrap(), Status::Queued);
    assert_eq!(bench.remote(0, 5, 1).unwrap(), Status::Pending);
    assert_eq!(bench.nonces(0), (vec![5], vec![7]));
    assert_eq!(bench.remote(0, 6, 1).unwrap(), Status::Pending);
    assert_eq!(bench.nonces(0), (vec![5, 6, 7], vec![]));
    assert_eq!(bench.pool.snapshot().next_nonce(&address(0)), Some(8));
    let promoted = bench.pool.take_changes().pending;
    let nonces: Vec<u64> = promoted.iter().map(|tx| tx.nonce()).collect();
    assert_eq!(nonces, [5, 6, 7], "announced in the order of execution");
    assert!(bench.pool.take_changes().pending.is_empty(), "and once");
}

#[test]
fn refusals_have_geth_1_8_texts() {
    let mut bench = bench();
    bench.state.set(address(0), 5, ether(1));
    assert_eq!(text(bench.remote(0, 4, 1)), "nonce too low");
    assert_eq!(text(bench.remote(0, 5, 0)), "transaction underpriced");
    assert_eq!(
        text(bench.remote(0, 5, GWEI * GWEI)),
        "insufficient funds for gas * price + value"
    );

    let too_much_gas = LegacyTx {
        gas_limit: 8_000_001,
        ..transfer(5, 1)
    };
    let tx = bench.prepare(0, too_much_gas);
    assert_eq!(
        text(bench.add(tx, Origin::Local)),
        "exceeds block gas limit"
    );

    let too_little_gas = LegacyTx {
        gas_limit: 20_999,
        ..transfer(5, 1)
    };
    let tx = bench.prepare(0, too_little_gas);
    assert_eq!(text(bench.add(tx, Origin::Local)), "intrinsic gas too low");

    let tx = bench.prepare(0, transfer(5, 100));
    bench.add(Arc::clone(&tx), Origin::Local).unwrap();
    let known = format!("known transaction: {}", hex(&tx.hash()));
    assert_eq!(text(bench.add(tx, Origin::Local)), known);
    assert_eq!(
        text(bench.local(0, 5, 109)),
        "replacement transaction underpriced"
    );
    bench.local(0, 5, 110).unwrap();
    assert_eq!(bench.counts(), (1, 0));
}

fn hex(hash: &B256) -> String {
    hash.to_string().trim_start_matches("0x").to_owned()
}

#[test]
fn size_and_signature_are_checked_before_the_pool() {
    let rules = head_at(Fork::Byzantium, 1, 0).senders;
    let large = LegacyTx {
        input: vec![0; crate::limits::MAX_TX_BYTES].into(),
        ..transfer(0, 1)
    };
    let error = PoolTx::prepare(sign(large, key(0)), &rules).unwrap_err();
    assert_eq!(error.to_string(), "oversized data");

    let elsewhere = LegacyTx {
        chain_id: Some(1),
        ..transfer(0, 1)
    };
    let error = PoolTx::prepare(sign(elsewhere, key(0)), &rules).unwrap_err();
    assert_eq!(error.to_string(), "invalid sender");
    assert_eq!(
        (error.is_always_invalid(), error.peer_fault()),
        (false, PeerFault::Invalid)
    );
}

#[test]
fn a_precheck_refuses_what_the_pool_would_refuse() {
    let bench = bench();
    let head = *bench.pool.head();
    let precheck = |payload: LegacyTx, price_limit| {
        PoolTx::precheck(&sign(payload, key(0)), &head, price_limit)
    };
    assert!(precheck(transfer(0, 5), 5).is_ok());
    assert_eq!(text(precheck(transfer(0, 5), 6)), "transaction underpriced");
    let greedy = LegacyTx {
        gas_limit: 8_000_001,
        ..transfer(0, 5)
    };
    assert_eq!(text(precheck(greedy, 1)), "exceeds block gas limit");
    let poor = LegacyTx {
        gas_limit: 20_999,
        ..transfer(0, 5)
    };
    assert_eq!(text(precheck(poor, 1)), "intrinsic gas too low");
    let large = LegacyTx {
        input: vec![0; 200_000].into(),
        ..transfer(0, 5)
    };
    assert_eq!(text(precheck(large, 1)), "oversized data");
}

#[test]
fn types_need_their_forks() {
    let dynamic = DynamicFeeTx {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(100),
        max_priority_fee_per_gas: U256::from(2),
        to: Some(Address::ZERO),
        ..DynamicFeeTx::default()
    };
    let mut london = at_fork(Fork::London, 50);
    let tx = london.prepare(0, dynamic.clone());
    assert_eq!(
        london.add(Arc::clone(&tx), Origin::Local).unwrap(),
        Status::Pending
    );

    let mut berlin = at_fork(Fork::Berlin, 0);
    assert_eq!(
        text(berlin.add(tx, Origin::Local)),
        "transaction type not supported: type 2 rejected, pool not yet in London"
    );

    let tip_above = DynamicFeeTx {
        max_priority_fee_per_gas: U256::from(101),
        ..dynamic
    };
    let tx = london.prepare(1, tip_above);
    assert_eq!(
        text(london.add(tx, Origin::Local)),
        "max priority fee per gas higher than max fee per gas"
    );
}

#[test]
fn blobs_are_refused_without_a_blob_schedule() {
    let bench = at_fork(Fork::Prague, 0);
    assert_eq!(
        bench.pool.head().blobs,
        None,
        "a chain that seals its own blocks"
    );
    let blob = BlobTx {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(1),
        blob_versioned_hashes: vec![B256::ZERO],
        ..BlobTx::default()
    };
    let rules = bench.pool.head().senders;
    let error = PoolTx::prepare(sign(blob, key(0)), &rules).unwrap_err();
    assert_eq!(error.to_string(), "missing sidecar in blob transaction");
}

#[test]
fn set_code_transactions_need_prague_and_authorizations() {
    let mut bench = at_fork(Fork::Prague, 0);
    let mut set_code = SetCodeTx {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: U256::from(1),
        max_priority_fee_per_gas: U256::from(1),
        ..SetCodeTx::default()
    };
    let tx = bench.prepare(0, set_code.clone());
    assert_eq!(
        text(bench.add(tx, Origin::Local)),
        "set code tx must have at least one authorization tuple"
    );
    let authorization =
        Authorization::sign(key(1), U256::from(CHAIN_ID), Address::repeat_byte(1), 0);
    set_code.authorization_list = vec![authorization];
    let tx = bench.prepare(0, set_code);
    assert_eq!(bench.add(tx, Origin::Local).unwrap(), Status::Pending);
}

#[test]
fn contracts_cant_send_delegated_accounts_have_one_in_flight() {
    let mut bench = at_fork(Fork::Prague, 0);
    for (from, code) in [
        (0, vec![0x60, 0x00]),
        (1, [&[0xef, 0x01, 0x00][..], &[7; 20]].concat()),
    ] {
        let code_hash = keccak256(&code);
        let info = AccountInfo {
            nonce: 1,
            balance: ether(1),
            code_hash,
        };
        bench
            .state
            .accounts
            .borrow_mut()
            .insert(address(from), info);
        bench.state.codes.insert(code_hash, code.into());
    }
    assert!(text(bench.remote(0, 1, 1)).starts_with("sender not an eoa: address 0x"));

    assert_eq!(
        text(bench.remote(1, 2, 1)),
        "gapped-nonce tx from delegated accounts"
    );
    bench.remote(1, 1, 1).unwrap();
    assert_eq!(
        text(bench.remote(1, 2, 1)),
        "in-flight transaction limit reached for delegated accounts"
    );
    bench.remote(1, 1, 2).expect("a replacement is still one");
}

#[test]
fn an_authority_has_one_transaction_in_the_pool() {
    let mut bench = at_fork(Fork::Prague, 0);
    let set_code = |of: usize, nonce: u64| SetCodeTx {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: U256::from(1),
        max_priority_fee_per_gas: U256::from(1),
        authorization_list: vec![Authorization::sign(
            key(of),
            U256::from(CHAIN_ID),
            Address::repeat_byte(1),
            0,
        )],
        ..SetCodeTx::default()
    };
    // Two transactions of an account keep it from being an authority, one does not.
    bench.remote(1, 0, 1).unwrap();
    bench.remote(1, 1, 1).unwrap();
    bench.remote(2, 0, 1).unwrap();
    let tx = bench.prepare(0, set_code(1, 0));
    assert_eq!(
        text(bench.add(tx, Origin::Local)),
        "authority already reserved"
    );
    let tx = bench.prepare(0, set_code(2, 0));
    bench.add(tx, Origin::Local).unwrap();
    // The pool takes no further transaction of an authority.
    assert_eq!(
        text(bench.remote(2, 1, 1)),
        "in-flight transaction limit reached for delegated accounts"
    );
    bench.remote(2, 0, 2).expect("a replacement is still one");
    let tx = bench.prepare(0, set_code(3, 1));
    bench.add(tx, Origin::Local).unwrap();
    assert_eq!(
        text(bench.remote(3, 1, 1)),
        "gapped-nonce tx from delegated accounts"
    );
    bench.remote(3, 0, 1).unwrap();
}

#[test]
fn the_balance_must_cover_all_transactions_together() {
    let mut bench = bench();
    // Three transactions of 21,000 wei each are covered, a fourth is not, queued or pending.
    bench
        .state
        .set(address(0), 0, U256::from(3 * 21_000 + 20_999));
    bench.remote(0, 0, 1).unwrap();
    bench.remote(0, 5, 1).unwrap();
    bench.remote(0, 1, 1).unwrap();
    for nonce in [2, 9] {
        assert_eq!(
            text(bench.remote(0, nonce, 1)),
            "insufficient funds for gas * price + value: balance 83999, queued cost 63000, \
             tx cost 21000, overshot 1"
        );
    }
    assert!(text(bench.remote(0, 1, 3)).contains("overshot"));
    bench.state.set(address(0), 0, U256::from(4 * 21_000));
    bench.reset(head_at(Fork::Byzantium, 2, 0));
    bench
        .remote(0, 1, 2)
        .expect("a replacement takes the place of what it replaces");
}

#[test]
fn a_replacement_must_bump_fee_and_tip() {
    let mut bench = at_fork(Fork::London, 0);
    let with = |fee: u64, tip: u64| DynamicFeeTx {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(fee),
        max_priority_fee_per_gas: U256::from(tip),
        to: Some(Address::ZERO),
        ..DynamicFeeTx::default()
    };
    let tx = bench.prepare(0, with(100, 10));
    bench.add(tx, Origin::Local).unwrap();
    for (fee, tip) in [(200, 10), (100, 20), (109, 11), (110, 10)] {
        let tx = bench.prepare(0, with(fee, tip));
        assert_eq!(
            text(bench.add(tx, Origin::Local)),
            "replacement transaction underpriced"
        );
    }
    let tx = bench.prepare(0, with(110, 11));
    bench.add(Arc::clone(&tx), Origin::Local).unwrap();
    assert_eq!(
        bench.pool.snapshot().best(Some(0)).collect::<Vec<_>>(),
        [tx]
    );
}

#[test]
fn local_transactions_have_no_minimum_tip_and_are_journaled() {
    let mut bench = bench();
    bench.remote(0, 1, 5).unwrap();
    assert!(bench.pool.take_changes().journal.is_empty());
    bench.local(0, 0, 0).unwrap();
    let changes = bench.pool.take_changes();
    let journaled: Vec<u64> = changes.journal.iter().map(|tx| tx.nonce()).collect();
    assert_eq!(
        journaled,
        [1, 0],
        "what the local one's account had before, too"
    );
    bench.remote(0, 2, 0).expect("the account is local now");
    assert_eq!(bench.pool.set_price_limit(100), 0);

    let config = PoolConfig {
        no_locals: true,
        ..PoolConfig::default()
    };
    let mut bench = Bench::new(config);
    assert_eq!(text(bench.local(0, 0, 0)), "transaction underpriced");
    bench.local(0, 0, 1).unwrap();
    assert!(bench.pool.take_changes().journal.is_empty());
}

#[test]
fn a_higher_price_limit_evicts_cheaper_transactions() {
    let mut bench = bench();
    for nonce in 0..3 {
        bench.remote(0, nonce, 10 + nonce).unwrap();
    }
    bench.local(1, 0, 1).unwrap();
    assert_eq!(bench.pool.set_price_limit(11), 1);
    bench.pool.check_invariants();
    assert_eq!(bench.nonces(0), (vec![], vec![1, 2]));
    assert_eq!(bench.nonces(1), (vec![0], vec![]));
    assert_eq!(text(bench.remote(2, 0, 10)), "transaction underpriced");
}

#[test]
fn best_transactions_are_local_first_then_by_tip_and_nonce() {
    let mut bench = bench();
    bench.remote(0, 0, 10).unwrap();
    bench.remote(0, 1, 90).unwrap();
    bench.remote(1, 0, 50).unwrap();
    bench.remote(2, 0, 50).unwrap();
    bench.remote(2, 5, 99).unwrap();
    bench.local(3, 0, 1).unwrap();
    let order = |best: crate::BestTransactions| -> Vec<(Address, u64)> {
        best.map(|tx| (tx.sender(), tx.nonce())).collect()
    };
    let [a, b, c, d] = [0, 1, 2, 3].map(address);
    let snapshot = bench.pool.snapshot();
    assert_eq!(
        order(snapshot.best(None)),
        [(d, 0), (b, 0), (c, 0), (a, 0), (a, 1)]
    );

    assert_eq!(
        order(snapshot.best(Some(20))),
        [(b, 0), (c, 0)],
        "a's second waits for its first"
    );

    let mut best = snapshot.best(None);
    best.skip_sender(a);
    assert_eq!(order(best), [(d, 0), (b, 0), (c, 0)]);
}

#[test]
fn queued_transactions_of_idle_accounts_expire() {
    let mut bench = bench();
    bench.remote(0, 1, 1).unwrap();
    bench.remote(1, 0, 1).unwrap();
    bench.local(2, 1, 1).unwrap();
    bench.now = 3 * 3600;
    assert_eq!(bench.pool.evict_expired(bench.now), 0);
    bench.remote(1, 2, 1).unwrap();
    bench.now += 1;
    assert_eq!(bench.pool.evict_expired(bench.now), 1);
    bench.pool.check_invariants();
    assert_eq!(bench.nonces(0), (vec![], vec![]));
    assert_eq!(bench.nonces(1), (vec![0], vec![2]));
    assert_eq!(bench.nonces(2), (vec![], vec![1]));
}
