//! Floods of useless transactions and false announcements over real sockets, with an honest node
//! beside: its transactions arrive, memory stays small, and the attackers are banned with the
//! reason.
//!
//! `ACTOREUM_FLOOD_SECONDS` asks for longer floods.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actoreum_primitives::{
    Address, B256, BlobSidecar, BlobTx, DynamicFeeTx, LegacyTx, PooledTransaction, SecretKey,
    SidecarProofs, Signature, Transaction, TxPayload, U256, alloy_primitives::FixedBytes,
};
use actoreum_wire::eth::{EthMessage, EthVersion, LazyList, TransactionAnnouncement};
use serde_json::{Value, json};

use super::{Node, until};
use crate::attacker::{Attacker, Incoming, Payload, Target, one_at_a_time, slack};
use crate::chains::{self, CHAIN_ID};

const VERSION: EthVersion = EthVersion::Eth68;
/// Number of transactions in a message, the maximum that is read.
const IN_A_MESSAGE: u64 = 16_384;
const MB: u64 = 1 << 20;
/// Limit of the process's peak memory, in bytes.
const MEMORY: u64 = 400 * MB;
/// Limit of the median time of an honest transaction, on a busy machine.
const ARRIVAL: Duration = Duration::from_secs(1);
/// Bound on the wait for a disconnect, on a busy machine.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for which a connection must stay open.
const NO_DISCONNECT_WAIT: Duration = Duration::from_secs(3);
const HONEST: usize = 4;

fn seconds() -> Duration {
    let seconds = std::env::var("ACTOREUM_FLOOD_SECONDS");
    Duration::from_secs(seconds.map_or(8, |it| it.parse().unwrap()))
}

fn transfer(nonce: u64) -> LegacyTx {
    LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(1_000_000_000),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(0x77)),
        ..LegacyTx::default()
    }
}

/// Returns a message of transactions without funds: every `r` on the curve gives a signature of
/// some sender. The others have an invalid signature.
fn unfunded(from: u64) -> Payload {
    let transactions = (from..from + IN_A_MESSAGE).map(|number| {
        let signature = Signature {
            y_parity: false,
            r: U256::from(number + 1),
            s: U256::from(7),
        };
        Transaction::new(TxPayload::Legacy(transfer(0)), signature)
    });
    let transactions: Vec<Transaction> = transactions.collect();
    let message = EthMessage::Transactions(LazyList::from_items(&transactions));
    Payload::of(&message, VERSION).1
}

/// As [`unfunded`], with valid signatures only.
fn unfunded_and_valid(count: u64) -> Payload {
    let transactions = (1_000_000..).map(|number| {
        let signature = Signature {
            y_parity: false,
            r: U256::from(number),
            s: U256::from(7),
        };
        Transaction::new(TxPayload::Legacy(transfer(0)), signature)
    });
    let valid = transactions.filter(|it| it.recover_sender().is_ok());
    let transactions: Vec<Transaction> = valid.take(count as usize).collect();
    let message = EthMessage::Transactions(LazyList::from_items(&transactions));
    Payload::of(&message, VERSION).1
}

/// Two nodes that are peers, on a chain where some accounts have ether.
struct Bench {
    victim: Node,
    honest: Node,
    keys: Vec<SecretKey>,
    sent: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    fn start() -> Self {
        Self::with_rules(&json!({}))
    }

    /// Starts both nodes on a chain with these further entries in its configuration.
    fn with_rules(rules: &Value) -> Self {
        let turn = one_at_a_time();
        let keys: Vec<SecretKey> = (0..HONEST).map(|_| SecretKey::random()).collect();
        let alloc: BTreeMap<String, Value> = keys
            .iter()
            .map(|key| {
                let address = hex::encode(key.address());
                (address, json!({"balance": "0xde0b6b3a7640000"}))
            })
            .collect();
        let mut genesis = chains::foreign_genesis(json!(alloc));
        let config = genesis["config"].as_object_mut().unwrap();
        config.extend(rules.as_object().unwrap().clone());
        let victim = Node::start_in(chains::new_datadir(&genesis), &["--nodiscover"]);
        let honest = Node::start_in(chains::new_datadir(&genesis), &["--nodiscover"]);
        honest.add(&victim.enode());
        until("both are peers", || victim.peers().len() == 1);
        Self {
            victim,
            honest,
            keys,
            sent: 0,
            _turn: turn,
        }
    }

    fn target(&self) -> Target {
        Target::of(&self.victim.enode())
    }

    /// Submits a transaction to the honest node; returns the time until the victim's pool has it.
    fn probe(&mut self) -> Duration {
        let key = &self.keys[self.sent as usize % HONEST];
        let nonce = self.sent / HONEST as u64;
        self.sent += 1;
        let transaction = TxPayload::Legacy(transfer(nonce)).sign(key);
        let raw = format!("0x{}", hex::encode(transaction.encode_2718()));
        let hash = self.honest.call("eth_sendRawTransaction", json!([raw]));
        let begun = Instant::now();
        until("an honest transaction has arrived", || {
            let found = self.victim.call("eth_getTransactionByHash", json!([hash]));
            !found.is_null()
        });
        begun.elapsed()
    }

    /// Probes for a while; returns the median and the longest time.
    fn probe_for(&mut self, time: Duration) -> (Duration, Duration) {
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < time {
            times.push(self.probe());
            thread::sleep(Duration::from_millis(100));
        }
        times.sort_unstable();
        let longest = *times.last().unwrap();
        (times[times.len() / 2], longest)
    }

    /// Prints the measurements, and asserts the limits that hold under every flood.
    fn assert_unharmed(&self, what: &str, (median, longest): (Duration, Duration)) {
        let most = self.victim.process.peak_bytes();
        println!(
            "{what}: honest transactions took {median:.0?} in the median and {longest:.0?} at \
             most; the process had {} MB at most",
            most / MB
        );
        assert!(median < ARRIVAL * slack(), "{what}: {median:?}");
        assert!(most < MEMORY, "{what}: {} MB", most / MB);
        let id = self.honest.id();
        assert!(
            self.victim.peer(&id).is_some(),
            "the honest peer stays connected"
        );
    }

    /// Returns the log lines of the victim's bans.
    fn bans(&self) -> Vec<String> {
        self.victim.process.lines("peer banned")
    }
}

/// Threads that attack until they are stopped.
struct Attack {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Attack {
    /// Starts `count` threads that repeat `attack`.
    fn begin(count: usize, attack: impl Fn() + Send + Sync + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let attack = Arc::new(attack);
        let threads = (0..count).map(|_| {
            let (is_over, attack) = (Arc::clone(&is_over), Arc::clone(&attack));
            thread::spawn(move || {
                while !is_over.load(Relaxed) {
                    attack();
                }
            })
        });
        Self {
            threads: threads.collect(),
            is_over,
        }
    }

    fn end(self) {
        self.is_over.store(true, Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

/// Sends a message of transactions over and over until the node ends the connection.
fn flood(target: &Target, payload: &Payload) {
    let Ok(mut attacker) = Attacker::join(target, VERSION) else {
        return thread::sleep(Duration::from_millis(100));
    };
    while attacker
        .send(actoreum_wire::eth::MessageId::Transactions, payload)
        .is_ok()
        && attacker.discard_received().is_ok()
    {}
}

#[test]
fn hit_and_run_floods_leave_no_work_behind() {
    let mut bench = Bench::start();
    let target = bench.target();
    let messages = [unfunded(0), unfunded(IN_A_MESSAGE)];
    let rounds = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&rounds);
    let attack = Attack::begin(2, move || {
        let Ok(mut attacker) = Attacker::join(&target, VERSION) else {
            return;
        };
        for payload in &messages {
            // The node may end the connection at any time.
            let _ = attacker.send(actoreum_wire::eth::MessageId::Transactions, payload);
        }
        counted.fetch_add(1, Relaxed);
    });
    let times = bench.probe_for(seconds());
    attack.end();
    println!("{} connections of two messages", rounds.load(Relaxed));
    bench.assert_unharmed("hit and run", times);
    // Remaining work ends with its peers.
    let after = bench.probe();
    assert!(after < ARRIVAL * slack(), "{after:?}");
}

#[test]
fn steady_senders_of_unfunded_transactions_are_banned() {
    let mut bench = Bench::start();
    let target = bench.target();
    let payload = unfunded_and_valid(2_048);
    let attack = Attack::begin(3, move || flood(&target, &payload));
    let times = bench.probe_for(seconds());
    until("one of them is banned", || !bench.bans().is_empty());
    attack.end();
    bench.assert_unharmed("steady senders", times);
    let bans = bench.bans();
    let because = bans.iter().filter(|it| it.contains("useless transactions"));
    assert_eq!(because.count(), bans.len(), "{bans:#?}");
}

#[test]
fn large_messages_take_no_more_than_their_share_of_memory() {
    let mut bench = Bench::start();
    let target = bench.target();
    // Zeros compress well: little to send, much to hold.
    let large = TxPayload::Legacy(LegacyTx {
        input: vec![0; 100_000].into(),
        gas_limit: 4_000_000,
        ..transfer(0)
    });
    let transactions: Vec<Transaction> = (0..95)
        .map(|number| {
            let signature = Signature {
                y_parity: false,
                r: U256::from(number + 1),
                s: U256::from(7),
            };
            Transaction::new(large.clone(), signature)
        })
        .collect();
    let message = EthMessage::Transactions(LazyList::from_items(&transactions));
    let payload = Payload::of(&message, VERSION).1;
    assert!(payload.size as u64 > 9 * MB);
    let attack = Attack::begin(12, move || flood(&target, &payload));
    let times = bench.probe_for(seconds());
    attack.end();
    bench.assert_unharmed("large messages", times);
}

/// Returns a transaction that the victim accepts, and its announcement in eth/68.
fn described(bench: &Bench) -> (PooledTransaction, TransactionAnnouncement) {
    let payload = TxPayload::Legacy(transfer(0));
    let transaction = payload.sign(&bench.keys[0]);
    let size = u32::try_from(transaction.encode_2718().len()).unwrap();
    let announcement = TransactionAnnouncement {
        hash: transaction.hash(),
        type_and_size: Some((0, size)),
    };
    let pooled = PooledTransaction {
        transaction,
        sidecar: None,
    };
    (pooled, announcement)
}

/// Announces a transaction and answers the request for it with `pooled`. Returns whether the node
/// ended the connection for it within `time`.
fn announce_and_deliver(
    target: &Target,
    pooled: &[&PooledTransaction],
    announcement: TransactionAnnouncement,
    time: Duration,
) -> bool {
    let mut attacker = Attacker::join(target, VERSION).unwrap();
    let message = EthMessage::NewPooledTransactionHashes(vec![announcement]);
    attacker.send_message(&message).unwrap();
    loop {
        let Incoming::Message(id, payload) = attacker.read().unwrap() else {
            panic!("it ended the connection before it asked");
        };
        let message = EthMessage::decode(VERSION, id, &payload);
        if let Ok(EthMessage::GetPooledTransactions(id, hashes)) = message {
            assert_eq!(hashes, [announcement.hash]);
            let list = LazyList::from_items(pooled.iter().copied());
            let answer = EthMessage::PooledTransactions(id, list);
            attacker.send_message(&answer).unwrap();
            break;
        }
    }
    attacker.wait_for_disconnect(time).is_some()
}

#[test]
fn false_types_and_sizes_of_announcements_are_banned() {
    for (kind, difference, is_false) in [(3, 0, true), (0, 9, true), (0, 8, false)] {
        let bench = Bench::start();
        let (pooled, mut announcement) = described(&bench);
        let (_, size) = announcement.type_and_size.unwrap();
        announcement.type_and_size = Some((kind, size + difference));
        let time = if is_false {
            DISCONNECT_TIMEOUT
        } else {
            NO_DISCONNECT_WAIT
        };
        let is_ended = announce_and_deliver(&bench.target(), &[&pooled], announcement, time);
        if is_false {
            until("the attacker is banned", || !bench.bans().is_empty());
        }
        let bans = bench.bans();
        let case = format!("type {kind}, {difference} bytes more: {bans:#?}");
        assert_eq!(is_ended, is_false, "{case}");
        let because = bans.iter().any(|it| it.contains("another type or size"));
        assert_eq!(because, is_false, "{case}");
    }
}

#[test]
fn an_answer_with_more_than_was_requested_is_banned() {
    let bench = Bench::start();
    let (pooled, announcement) = described(&bench);
    let another = PooledTransaction {
        transaction: TxPayload::Legacy(transfer(1)).sign(&bench.keys[0]),
        sidecar: None,
    };
    let answer = [&pooled, &another];
    let target = bench.target();
    assert!(announce_and_deliver(
        &target,
        &answer,
        announcement,
        DISCONNECT_TIMEOUT
    ));
    until("the attacker is banned", || !bench.bans().is_empty());
    assert!(bench.bans()[0].contains("more than was asked for"));
}

#[test]
fn blobs_of_another_transaction_are_banned() {
    let rules = json!({
        "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
        "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0,
        "blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477}},
    });
    let bench = Bench::with_rules(&rules);
    let mut infinity = FixedBytes::<48>::ZERO;
    infinity[0] = 0xc0;
    let payload = TxPayload::Blob(BlobTx {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: U256::from(10_000_000_000_u64),
        max_priority_fee_per_gas: U256::from(1_000_000_000),
        max_fee_per_blob_gas: U256::from(1),
        // Not the hash of the commitment below.
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..BlobTx::default()
    });
    let pooled = PooledTransaction {
        transaction: payload.sign(&bench.keys[0]),
        sidecar: Some(BlobSidecar {
            blobs: vec![vec![0; 131_072].into()],
            commitments: vec![infinity],
            proofs: SidecarProofs::Blob(vec![infinity]),
        }),
    };
    let size = u32::try_from(pooled.encode_2718().len()).unwrap();
    let announcement = TransactionAnnouncement {
        hash: pooled.transaction.hash(),
        type_and_size: Some((3, size)),
    };
    let target = bench.target();
    assert!(announce_and_deliver(
        &target,
        &[&pooled],
        announcement,
        DISCONNECT_TIMEOUT
    ));
    until("the attacker is banned", || !bench.bans().is_empty());
    assert!(
        bench.bans()[0].contains("sent a transaction"),
        "{:?}",
        bench.bans()
    );
}

#[test]
fn senders_of_unrequested_blob_transactions_are_banned() {
    let bench = Bench::start();
    let payload = TxPayload::Blob(BlobTx {
        chain_id: CHAIN_ID,
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        ..BlobTx::default()
    });
    let blob = payload.sign(&bench.keys[0]);
    let plain = TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: CHAIN_ID,
        ..DynamicFeeTx::default()
    });
    let plain = plain.sign(&bench.keys[0]);
    let mut attacker = Attacker::join(&bench.target(), VERSION).unwrap();
    let message = EthMessage::Transactions(LazyList::from_items([&plain, &blob]));
    attacker.send_message(&message).unwrap();
    let ended = attacker.wait_for_disconnect(DISCONNECT_TIMEOUT);
    assert!(ended.is_some());
    until("the attacker is banned", || !bench.bans().is_empty());
    assert!(bench.bans()[0].contains("disallowed broadcast blob transaction"));
}

#[test]
fn a_flood_of_announcements_delays_nobody() {
    let mut bench = Bench::start();
    let target = bench.target();
    let attack = Attack::begin(3, move || {
        let Ok(mut attacker) = Attacker::join(&target, VERSION) else {
            return thread::sleep(Duration::from_millis(100));
        };
        loop {
            let announcement = |_| TransactionAnnouncement {
                hash: rand::random::<[u8; 32]>().into(),
                type_and_size: Some((0, 110)),
            };
            let all = (0..4096).map(announcement).collect();
            let message = EthMessage::NewPooledTransactionHashes(all);
            if attacker.send_message(&message).is_err() || attacker.discard_received().is_err() {
                return;
            }
        }
    });
    let times = bench.probe_for(seconds());
    until("one of them is banned", || !bench.bans().is_empty());
    attack.end();
    bench.assert_unharmed("announcements", times);
    let warnings = bench.victim.process.lines(" WARN ");
    assert!(warnings.len() < 60, "{} warnings", warnings.len());
}

#[test]
fn a_start_with_a_journal_logs_no_warning() {
    let key = SecretKey::random();
    let address = hex::encode(key.address());
    let alloc = json!({address: {"balance": "0xde0b6b3a7640000"}});
    let genesis = chains::foreign_genesis(alloc);
    let node = Node::start_in(chains::new_datadir(&genesis), &["--nodiscover"]);
    for nonce in 0..3 {
        let transaction = TxPayload::Legacy(transfer(nonce)).sign(&key);
        let raw = format!("0x{}", hex::encode(transaction.encode_2718()));
        node.call("eth_sendRawTransaction", json!([raw]));
    }
    let node = Node::start_in(node.stop(), &["--nodiscover"]);
    assert_eq!(node.call("txpool_status", json!([]))["pending"], "0x3");
    let lines = node.process.lines("not delivered");
    assert!(lines.is_empty(), "{lines:#?}");
    assert!(node.process.lines(" WARN ").is_empty());
}
