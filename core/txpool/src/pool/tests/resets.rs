//! Tests of following the head.

use super::*;

fn bench(nonces: u64) -> Bench {
    let mut bench = Bench::new(PoolConfig::default());
    for nonce in 0..nonces {
        bench.remote(0, nonce, 10).unwrap();
    }
    bench.pool.take_changes();
    bench
}

fn next(bench: &mut Bench) -> Head {
    let number = bench.pool.head().number + 1;
    head_at(Fork::Byzantium, number, 0)
}

#[test]
fn mined_transactions_leave() {
    let mut bench = bench(5);
    bench.state.set(address(0), 3, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    assert_eq!(bench.nonces(0), (vec![3, 4], vec![]));
    bench.state.set(address(0), 5, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    assert_eq!(bench.counts(), (0, 0));
    assert_eq!(bench.pool.bytes(), 0);
}

#[test]
fn a_state_nonce_past_a_gap_promotes_the_rest() {
    let mut bench = bench(2);
    bench.remote(0, 4, 10).unwrap();
    bench.remote(0, 5, 10).unwrap();
    bench.pool.take_changes();
    bench.state.set(address(0), 4, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    assert_eq!(bench.nonces(0), (vec![4, 5], vec![]));
    assert_eq!(bench.pool.take_changes().pending.len(), 2);
}

#[test]
fn unfunded_transactions_leave_and_later_nonces_are_queued() {
    let mut bench = bench(2);
    let expensive = bench.prepare(0, transfer(2, 1_000));
    bench.add(expensive, Origin::Remote(PEER)).unwrap();
    bench.remote(0, 3, 10).unwrap();
    bench.state.set(address(0), 0, U256::from(3 * 210_000));
    let head = next(&mut bench);
    bench.reset(head);
    assert_eq!(bench.nonces(0), (vec![0, 1], vec![3]));
}

#[test]
fn a_lower_gas_limit_drops_larger_transactions() {
    let mut bench = bench(1);
    let large = LegacyTx {
        gas_limit: 7_000_000,
        ..transfer(1, 10)
    };
    let large = bench.prepare(0, large);
    bench.add(large, Origin::Local).unwrap();
    let mut head = next(&mut bench);
    head.gas_limit = 6_999_999;
    bench.reset(head);
    assert_eq!(bench.nonces(0), (vec![0], vec![]));
}

#[test]
fn a_fork_drops_transactions_it_forbids() {
    let mut bench = bench(1);
    // Gas of 21,000 and 68 for the byte until Istanbul; enough for both, too little for Prague's
    // floor of 21,000 plus 40 per non-zero byte.
    let data = LegacyTx {
        gas_limit: 21_000 + 2_000 * 16,
        input: vec![1; 2_000].into(),
        ..transfer(1, 10)
    };
    bench.reset(head_at(Fork::Istanbul, 2, 0));
    let tx = bench.prepare(0, data);
    bench.add(tx, Origin::Local).unwrap();
    bench.reset(head_at(Fork::Prague, 3, 0));
    assert_eq!(bench.nonces(0), (vec![0], vec![]));
}

#[test]
fn a_reorg_returns_transactions_of_removed_blocks() {
    let mut bench = bench(4);
    let mined: Vec<_> = bench.pool.snapshot().best(None).take(2).collect();
    bench.state.set(address(0), 2, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    assert_eq!(bench.nonces(0), (vec![2, 3], vec![]));
    bench.pool.take_changes();

    bench.state.set(address(0), 0, ether(1));
    let head = next(&mut bench);
    bench.reset_with(head, mined);
    assert_eq!(bench.nonces(0), (vec![0, 1, 2, 3], vec![]));
}

#[test]
fn a_reorg_returns_more_than_a_queue_holds() {
    let mut bench = bench(200);
    let all: Vec<_> = bench.pool.snapshot().best(None).collect();
    bench.state.set(address(0), 100, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    bench.state.set(address(0), 0, ether(1));
    let head = next(&mut bench);
    bench.reset_with(head, all[..100].to_vec());
    assert_eq!(
        bench.counts(),
        (200, 0),
        "the 100 behind the gap waited for it"
    );
}

#[test]
fn a_local_sender_stays_local_over_a_reorg() {
    let mut bench = bench(0);
    bench.local(0, 0, 0).unwrap();
    let mined: Vec<_> = bench.pool.snapshot().best(None).collect();
    bench.state.set(address(0), 1, ether(1));
    let head = next(&mut bench);
    bench.reset(head);
    bench.pool.take_changes();
    bench.state.set(address(0), 0, ether(1));
    let head = next(&mut bench);
    bench.reset_with(head, mined);
    assert_eq!(bench.counts(), (1, 0));
    assert_eq!(
        bench.pool.take_changes().journal.len(),
        1,
        "the journal may have been rotated"
    );
}

#[test]
fn a_base_fee_changes_the_price_order() {
    let config = PoolConfig {
        global_slots: 2,
        global_queue: 1,
        ..PoolConfig::default()
    };
    let mut bench = Bench::new(config);
    bench.reset(head_at(Fork::London, 2, 0));
    let with = |fee: u64, tip: u64| DynamicFeeTx {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(fee),
        max_priority_fee_per_gas: U256::from(tip),
        to: Some(Address::ZERO),
        ..DynamicFeeTx::default()
    };
    let other_peer = Origin::Remote(PeerId::repeat_byte(8));
    for (from, fee, tip) in [(0, 100, 50), (1, 1_000, 5)] {
        let tx = bench.prepare(from, with(fee, tip));
        bench.add(tx, Origin::Remote(PEER)).unwrap();
    }
    let tx = bench.prepare(2, with(1_000, 20));
    bench.add(tx, other_peer).unwrap();
    // At a base fee of zero, account 1 is the cheapest; at 200, account 0 earns a sealer nothing.
    bench.reset(head_at(Fork::London, 3, 200));
    let tx = bench.prepare(3, with(1_000, 6));
    bench.add(tx, other_peer).unwrap();
    assert_eq!(bench.nonces(0), (vec![], vec![]));
    assert_eq!(bench.nonces(1), (vec![0], vec![]));
}

#[test]
fn an_unreadable_state_changes_nothing() {
    struct Broken;
    impl StateReader for Broken {
        fn account(&self, _: &Address) -> Result<Option<AccountInfo>, StateError> {
            Err(StateError::Missing(7))
        }
        fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
            Err(StateError::Missing(7))
        }
        fn code(&self, _: &B256) -> Result<Bytes, StateError> {
            Err(StateError::Missing(7))
        }
    }
    let mut bench = bench(3);
    let head = next(&mut bench);
    assert!(bench.pool.reset(head, &Broken, Vec::new(), 0).is_err());
    bench.pool.check_invariants();
    assert_eq!(bench.counts(), (3, 0));
    assert_eq!(bench.pool.head().number, 1);
}
