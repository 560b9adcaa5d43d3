//! Property tests: the invariants hold after every step of random operations.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Add {
        from: usize,
        nonce: u64,
        gas_price: u64,
        data: usize,
        origin: usize,
    },
    /// The head moves: an account's nonce and balance change.
    Move {
        who: usize,
        nonce: u64,
        balance: u64,
        base_fee: u64,
        gas_limit: u64,
    },
    /// A reorg: the head moves back, and an earlier account state returns.
    Reorg {
        who: usize,
        nonce: u64,
    },
    Wait {
        seconds: u64,
    },
    Price {
        limit: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..6_usize, 0..12_u64, 1..40_u64, 0..3_usize, 0..4_usize).prop_map(
            |(from, nonce, gas_price, data, origin)| Step::Add { from, nonce, gas_price, data, origin }
        ),
        3 => (0..6_usize, 0..8_u64, 0..12_000_000_u64, 0..20_u64, 1..4_u64).prop_map(
            |(who, nonce, balance, base_fee, gas_limit)| Step::Move {
                who, nonce, balance, base_fee, gas_limit: gas_limit * 400_000,
            }
        ),
        1 => (0..6_usize, 0..4_u64).prop_map(|(who, nonce)| Step::Reorg { who, nonce }),
        1 => (0..9_000_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => (1..10_u64).prop_map(|limit| Step::Price { limit }),
    ]
}

fn config() -> impl Strategy<Value = PoolConfig> {
    (
        1..4_u64,
        1..16_u64,
        1..4_u64,
        1..8_u64,
        20_000..200_000_usize,
    )
        .prop_map(
            |(account_slots, global_slots, account_queue, global_queue, max_bytes)| PoolConfig {
                account_slots,
                global_slots,
                account_queue,
                global_queue,
                max_bytes,
                ..PoolConfig::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn invariants_hold(config in config(), steps in vec(step(), 1..120)) {
        let mut bench = Bench::new(config);
        bench.reset(head_at(Fork::London, 1, 3));
        for from in 0..6 {
            bench.state.set(address(from), 0, U256::from(12_000_000_u64));
        }
        let mut seen = Vec::new();
        for step in steps {
            let number = bench.pool.head().number + 1;
            match step {
                Step::Add { from, nonce, gas_price, data, origin } => {
                    let payload = LegacyTx {
                        gas_limit: 21_000 + data as u64 * 450_000,
                        input: vec![0; data * 20_000].into(),
                        ..transfer(nonce, gas_price)
                    };
                    let tx = bench.prepare(from, payload);
                    seen.push(Arc::clone(&tx));
                    let origin = match origin {
                        0 => Origin::Local,
                        peer => Origin::Remote(PeerId::repeat_byte(peer as u8)),
                    };
                    let before: Vec<B256> = pending(&bench.pool);
                    let added = bench.add(Arc::clone(&tx), origin);
                    match added {
                        Ok(status) => {
                            prop_assert_eq!(bench.pool.snapshot().status(&tx.hash()), Some(status));
                            if status == Status::Queued {
                                let after = pending(&bench.pool);
                                prop_assert!(before.iter().all(|it| after.contains(it)));
                            }
                        }
                        Err(AddError::Known(_)) => {}
                        Err(_) => {
                            prop_assert!(bench.pool.snapshot().get(&tx.hash()).is_none());
                            prop_assert_eq!(before, pending(&bench.pool));
                        }
                    }
                }
                Step::Move { who, nonce, balance, base_fee, gas_limit } => {
                    bench.state.set(address(who), nonce, U256::from(balance));
                    let mut head = head_at(Fork::London, number, base_fee);
                    head.gas_limit = gas_limit;
                    bench.reset(head);
                }
                Step::Reorg { who, nonce } => {
                    bench.state.set(address(who), nonce, U256::from(12_000_000_u64));
                    bench.reset_with(head_at(Fork::London, number, 1), seen.clone());
                }
                Step::Wait { seconds } => {
                    bench.now += seconds;
                    bench.pool.evict_expired(bench.now);
                }
                Step::Price { limit } => {
                    bench.pool.set_price_limit(limit);
                }
            }
            bench.pool.check_invariants();
            check_order(&bench.pool)?;
        }
    }
}

fn pending(pool: &Pool) -> Vec<B256> {
    let snapshot = pool.snapshot();
    let senders = snapshot.senders();
    let mut hashes: Vec<B256> = senders
        .flat_map(|sender| sender.pending().map(|tx| tx.hash()).collect::<Vec<_>>())
        .collect();
    hashes.sort();
    hashes
}

/// Checks that the sealer's order has every pending transaction once, each sender's by nonce.
fn check_order(pool: &Pool) -> Result<(), TestCaseError> {
    let snapshot = pool.snapshot();
    let mut next: HashMap<Address, u64> = HashMap::new();
    let mut count = 0;
    for tx in snapshot.best(None) {
        if let Some(nonce) = next.insert(tx.sender(), tx.nonce() + 1) {
            prop_assert_eq!(nonce, tx.nonce());
        }
        count += 1;
    }
    prop_assert_eq!(count, snapshot.pending_count());
    Ok(())
}
