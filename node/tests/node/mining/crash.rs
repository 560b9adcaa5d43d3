//! Crashes of the actors that seal and sign, under a load of transactions.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{end, new_account, password, start, wait_for};
use crate::{
    chains::{clique_genesis, init},
    http,
    sealing::wait_for_restart,
};

/// Seconds between blocks: a busy machine may be late by as much.
const PERIOD: u64 = 5;
/// Blocks may be so far apart, in seconds, where an actor crashed between them.
const MOST_APART: u64 = 2 * PERIOD;
const ACTORS: [&str; 4] = [
    "node/core/miner/worker",
    "node/core/miner/sealer",
    "node/core/miner/control",
    "node/keys/accounts",
];
/// Between two transfers: all that come in a period fit into a block.
const PAUSE: Duration = Duration::from_millis(50);
const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";

fn number(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    u64::from_str_radix(digits.expect("a quantity"), 16).unwrap()
}

/// Sends transfers of one wei until it is told to stop; the hashes of those that were accepted.
fn send(node: SocketAddr, from: &str, is_over: &AtomicBool) -> Vec<Value> {
    let transfer = json!([{"from": from, "to": SOMEBODY, "value": "0x1", "gas": "0x5208",
                           "gasPrice": "0x3b9aca00"}]);
    let mut accepted = Vec::new();
    while !is_over.load(Relaxed) {
        let hash = http::call(node, "eth_sendTransaction", transfer.clone()).unwrap();
        // While the keys are down nothing is.
        accepted.extend(Some(hash).filter(Value::is_string));
        thread::sleep(PAUSE);
    }
    accepted
}

/// Sleeps until a block with this time, in seconds since 1970, is about to be signed and imported,
/// or was in this moment.
fn sleep_until_due(time: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let due = Duration::from_secs(time).saturating_sub(now);
    let about = due + Duration::from_millis(rand::random_range(0..60));
    thread::sleep(about.saturating_sub(Duration::from_millis(20)));
}

#[test]
fn sealing_goes_on_within_two_periods_signs_no_height_twice_and_no_key_changes() {
    let folder = tempfile::tempdir().unwrap();
    let [signer, locked, opened] = [(); 3].map(|()| format!("0x{}", new_account(folder.path())));
    let alloc = json!({&signer: {"balance": "0xde0b6b3a7640000"}});
    let datadir = init(
        folder.path(),
        &clique_genesis(PERIOD, &[&signer[2..]], alloc),
    );
    let password = password(folder.path());
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
            // The operator's word holds, a user's ends with who took it.
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
            after - before <= MOST_APART,
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
