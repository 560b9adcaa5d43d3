//! Floods of remote transactions that try to evict honest ones.

use super::*;

/// Returns a transaction of a unique sender. A signature would take too long in a flood: the
/// transaction names its sender, as on a development chain.
fn unique_transfer(rules: &SenderRules, payload: &LegacyTx, index: u64) -> Arc<PoolTx> {
    let sender = Address::left_padding_from(&(index + 1).to_be_bytes());
    let payload = TxPayload::Legacy(payload.clone());
    let transaction = Transaction::new(payload, Signature::impersonating(sender));
    let pooled = PooledTransaction {
        transaction,
        sidecar: None,
    };
    let prepared = Arc::new(PoolTx::prepare(pooled, rules).unwrap());
    assert_eq!(prepared.sender(), sender);
    prepared
}

/// Adds eight honest accounts with sixteen transactions each, at 100 wei per gas.
fn with_honest_transactions(config: PoolConfig) -> Bench {
    let mut bench = Bench::new(config);
    for from in 0..8 {
        for nonce in 0..16 {
            let tx = bench.prepare(from, transfer(nonce, 100));
            bench
                .add(tx, Origin::Remote(PeerId::repeat_byte(from as u8)))
                .unwrap();
        }
    }
    bench
}

fn assert_honest_transactions_stay(bench: &Bench) {
    bench.pool.check_invariants();
    for from in 0..8 {
        assert_eq!(
            bench.nonces(from),
            ((0..16).collect(), vec![]),
            "account {from}"
        );
    }
}

fn small() -> PoolConfig {
    PoolConfig {
        global_slots: 256,
        global_queue: 128,
        ..PoolConfig::default()
    }
}

#[test]
fn future_nonces_never_evict_pending_transactions() {
    let mut bench = with_honest_transactions(small());
    for from in 8..64 {
        for nonce in 1..80 {
            let tx = bench.prepare(from, transfer(nonce, 1_000_000));
            let peer = PeerId::repeat_byte((from % 16) as u8);
            let _ = bench.pool.add(tx, Origin::Remote(peer), &bench.state, 0);
        }
    }
    assert_honest_transactions_stay(&bench);
    assert_eq!(bench.counts(), (128, 128));
}

#[test]
fn a_future_nonce_that_needs_a_pending_slot_has_its_own_error() {
    let config = PoolConfig {
        global_slots: 4,
        global_queue: 4,
        ..PoolConfig::default()
    };
    let mut bench = Bench::new(config);
    for from in 0..8 {
        let tx = bench.prepare(from, transfer(0, 100));
        bench
            .add(tx, Origin::Remote(PeerId::repeat_byte(from as u8)))
            .unwrap();
    }
    assert_eq!(
        text(bench.remote(9, 1, 1_000)),
        "future transaction tries to replace pending"
    );
    assert_eq!(text(bench.remote(9, 1, 100)), "transaction underpriced");
    assert_eq!(text(bench.remote(9, 0, 100)), "transaction underpriced");
    assert_eq!(bench.remote(9, 0, 101).unwrap(), Status::Pending);
    assert_eq!(bench.counts(), (8, 0));
}

#[test]
fn overdrafts_are_refused() {
    let mut bench = with_honest_transactions(small());
    bench.state.others = U256::from(21_000 * 1_000);
    let mut added = 0;
    for from in 8..64 {
        for nonce in 0..16 {
            added += u64::from(bench.remote(from, nonce, 1_000).is_ok());
        }
    }
    assert_eq!(added, 56, "each can pay for one");
    assert_honest_transactions_stay(&bench);
}

#[test]
fn repeated_replacements_pay_ten_percent_each() {
    let mut bench = with_honest_transactions(small());
    bench.state.others = U256::from(21_000 * 1_000_000u64);
    let mut price = 100_u64;
    let mut replaced = 0;
    bench.remote(8, 0, price).unwrap();
    loop {
        let min_replacement_price = price * 110 / 100;
        assert!(bench.remote(8, 0, min_replacement_price - 1).is_err());
        match bench.remote(8, 0, min_replacement_price) {
            Ok(_) => replaced += 1,
            Err(error) => {
                assert!(matches!(error, AddError::InsufficientFunds), "{error}");
                break;
            }
        }
        price = min_replacement_price;
    }
    assert!(
        (80..120).contains(&replaced),
        "{replaced} of them from 100 to 1,000,000"
    );
    assert_honest_transactions_stay(&bench);
}

#[test]
fn a_large_account_is_trimmed_when_others_need_slots() {
    let mut bench = Bench::new(small());
    for nonce in 0..256 {
        bench.remote(8, nonce, 100).unwrap();
    }
    assert_eq!(text(bench.remote(8, 256, 100)), "txpool is full");
    for from in 0..8 {
        for nonce in 0..16 {
            let tx = bench.prepare(from, transfer(nonce, 1));
            bench
                .add(tx, Origin::Remote(PeerId::repeat_byte(from as u8)))
                .unwrap();
        }
    }
    assert_honest_transactions_stay(&bench);
    assert_eq!(bench.nonces(8), ((0..128).collect(), vec![]));
}

#[test]
fn one_peer_cannot_fill_the_queue_or_the_pool() {
    let mut bench = Bench::new(small());
    for from in 0..64 {
        let _ = bench.remote(from, 1, 100);
    }
    assert_eq!(bench.counts(), (0, 32), "a quarter of the queue");
    assert_eq!(
        text(bench.remote(60, 1, 999)),
        "too many transactions of one peer"
    );
    for from in 0..64 {
        for nonce in 0..16 {
            let _ = bench.remote(from, nonce, 100);
        }
    }
    let (pending, queued) = bench.counts();
    assert!(pending + queued <= 288, "three quarters of the slots");
}

#[test]
fn the_queue_evicts_the_cheapest() {
    let mut bench = Bench::new(PoolConfig {
        global_queue: 4,
        ..PoolConfig::default()
    });
    for from in 0..4 {
        let tx = bench.prepare(from, transfer(1, 10 + from as u64));
        bench
            .add(tx, Origin::Remote(PeerId::repeat_byte(from as u8)))
            .unwrap();
    }
    assert_eq!(text(bench.remote(5, 1, 10)), "transaction underpriced");
    bench.remote(5, 1, 11).unwrap();
    assert_eq!(bench.nonces(0), (vec![], vec![]));
    assert_eq!(bench.counts(), (0, 4));
}

#[test]
fn an_account_queue_keeps_the_lowest_nonces() {
    let mut bench = Bench::new(PoolConfig {
        account_queue: 3,
        ..PoolConfig::default()
    });
    for nonce in [10, 11, 12] {
        bench.remote(0, nonce, 1).unwrap();
    }
    assert_eq!(text(bench.remote(0, 13, 1)), "account limit exceeded");
    bench.remote(0, 5, 1).unwrap();
    assert_eq!(bench.nonces(0), (vec![], vec![5, 10, 11]));
}

#[test]
fn memory_is_bounded_for_local_transactions_too() {
    let mut bench = Bench::new(PoolConfig {
        max_bytes: 200_000,
        ..PoolConfig::default()
    });
    for nonce in 0..20 {
        bench.remote(0, nonce, 100).unwrap();
    }
    let mut refused = None;
    for nonce in 0..200 {
        if let Err(error) = bench.local(1, nonce, 1) {
            refused = Some(error.to_string());
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("txpool is full"));
    assert_eq!(bench.nonces(0), (vec![], vec![]), "local ones went before");
    bench.pool.check_invariants();
}

#[test]
fn a_flood_of_a_million_senders_evicts_no_honest_transaction() {
    const FLOOD_SIZE: u64 = 1_000_000;
    // Less memory than all slots would take.
    let max_bytes = 4 * 1024 * 1024;
    let mut bench = with_honest_transactions(PoolConfig {
        max_bytes,
        ..PoolConfig::default()
    });
    let mut config = ChainConfig::active_from_genesis(1337, Fork::Byzantium);
    config.is_development = true;
    let rules = SenderRules::at(&config, 1, 0);
    let mut max_seen = 0;
    // Alternately a transaction that pays a little less and one that is not executable.
    let payloads = [transfer(0, 99), transfer(1, 1_000_000)];
    for index in 0..FLOOD_SIZE {
        let tx = unique_transfer(&rules, &payloads[(index % 2) as usize], index);
        let peer = PeerId::repeat_byte((index % 32) as u8);
        let _ = bench.pool.add(tx, Origin::Remote(peer), &bench.state, 0);
        max_seen = max_seen.max(bench.pool.bytes());
    }
    assert_honest_transactions_stay(&bench);
    assert!(
        max_seen > max_bytes / 2,
        "{max_seen}: the pool was never full"
    );
    assert!(max_seen <= max_bytes, "{max_seen}");
}
