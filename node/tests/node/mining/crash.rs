//! Crashes of the actors that seal and sign, under a load of transactions.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{end, new_account, password_file, start, wait_for};
use crate::{
    chains::{clique_genesis, init},
    http,
    sealing::wait_for_restart,
};

/// Seconds between blocks. A busy machine may be late by as much.
const PERIOD: u64 = 5;
/// Maximum seconds between two blocks if an actor crashed between them.
const MAX_INTERVAL_SECONDS: u64 = 2 * PERIOD;
const ACTORS: [&str; 4] = [
    "node/core/miner/worker",
    "node/core/miner/sealer",
    "node/core/miner/control",
    "node/keys/accounts",
];
/// Pause between two transfers. All transfers of a period fit into a block.
const PAUSE: Duration = Duration::from_millis(50);
const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";

fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    u64::from_str_radix(digits.expect("a quantity"), 16).unwrap()
}

/// Sends transfers of one wei until `is_over`; returns the hashes of the accepted ones.
fn send(node: SocketAddr, from: &str, is_over: &AtomicBool) -> Vec<Value> {
    let transfer = json!([{"from": from, "to": SOMEBODY, "value": "0x1", "gas": "0x5208",
                           "gasPrice": "0x3b9aca00"}]);
    let mut accepted = Vec::new();
    while !is_over.load(Relaxed) {
        let hash = http::call(node, "eth_sendTransaction", transfer.clone()).unwrap();
        // No transfer is accepted while the actor of the keys restarts.
        accepted.extend(Some(hash).filter(Value::is_string));
        thread::sleep(PAUSE);
    }
    accepted
}

/// Sleeps until shortly before or after a block with this timestamp (Unix seconds) is signed and
/// imported.
fn sleep_until_due(time: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let due = Duration::from_secs(time).saturating_sub(now);
    let about = due + Duration::from_millis(rand::random_range(0..60));
    thread::sleep(about.saturating_sub(Duration::from_millis(20)));
}

#[test]
fn after_crashes_sealing_resumes_and_no_height_is_signed_twice() {
    let folder = tempfile::tempdir().unwrap();
    let [signer, locked, opened] = [(); 3].map(|()| format!("0x{}", new_account(folder.path())));
    let alloc = json!({&signer: {"balance": "0xde0b6b3a7640000"}});
    let datadir = init(
        folder.path(),
        &clique_genesis(PERIOD, &[&signer[2..]], alloc),
    );
    let password = password_file(folder.path());
    let (mut node, address) = start(
        &datadir,
        &[
            "--mine",
            "--miner.etherbase",
            &signer,
            "--unlock",
            &signer,
            "--password",
            &password,
            "--verbosity",
            "4",
        ],
    );
    let admin = node.wait_for_admin();
    let can_sign = |who: &str| {
        let signature = http::call(address, "eth_sign", json!([who, "0x00"])).unwrap();
        signature.is_string()
    };
    let unlock = || {
        let params = json!([opened, "secret", 0]);
        let unlocked = http::call(address, "personal_unlockAccount", params).unwrap();
        assert_eq!(unlocked, true);
    };
    unlock();
    assert!(can_sign(&signer) && !can_sign(&locked) && can_sign(&opened));
    let block = |number: u64| {
        let params = json!([format!("{number:#x}"), false]);
        http::call(address, "eth_getBlockByNumber", params).unwrap()
    };
    wait_for(address, 1);
    let first = http::block_number(address).unwrap();

    let is_over = AtomicBool::new(false);
    let accepted = thread::scope(|scope| {
        let sending = scope.spawn(|| send(address, &signer, &is_over));
        for path in [ACTORS, ACTORS].concat() {
            unlock();
            let head = http::block_number(address).unwrap();
            sleep_until_due(number(&block(head)["timestamp"]) + PERIOD);
            let generation = http::actor(admin, path).unwrap()["generation"].as_u64();
            assert!(http::crash(admin, path).unwrap(), "{path}");
            wait_for_restart(admin, path, generation.unwrap());
            wait_for(address, head + 1);
            assert!(can_sign(&signer), "{path}");
            assert!(!can_sign(&locked), "{path}");
            // Keys that the operator unlocked stay unlocked; keys that a user unlocked are locked
            // when the actor that holds them crashes.
            assert_eq!(can_sign(&opened), !path.ends_with("accounts"), "{path}");
        }
        is_over.store(true, Relaxed);
        sending.join().unwrap()
    });
    wait_for(address, http::block_number(address).unwrap() + 2);

    assert!(accepted.len() > 100, "{}", accepted.len());
    for hash in &accepted {
        let receipt = http::call(address, "eth_getTransactionReceipt", json!([hash])).unwrap();
        assert_eq!(receipt["status"], "0x1", "{hash} is lost");
    }
    let last = http::block_number(address).unwrap();
    for height in first..last {
        let [before, after] =
            [height, height + 1].map(|height| number(&block(height)["timestamp"]));
        assert!(
            after - before <= MAX_INTERVAL_SECONDS,
            "block {height}: {} s",
            after - before
        );
    }
    let mut signed = BTreeMap::new();
    for line in node.lines("signed a block") {
        let word = |name: &str| {
            let (_, rest) = line.split_once(name).expect("its name");
            rest.split(' ').next().unwrap().to_owned()
        };
        let before = signed.insert(word("number="), word("hash="));
        assert_eq!(before, None, "a height was signed twice: {line}");
    }
    assert!(signed.len() as u64 >= last, "{signed:?}");
    end(node);
}
