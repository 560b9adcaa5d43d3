//! Actors of a signer crash, hang, and lose their threads, under a load of transactions.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use super::{TIMEOUT, end, new_account, password_file, start, wait_for};
use crate::{
    browser::Page,
    chains::{clique_genesis, init},
    http,
};

/// Seconds between blocks.
const PERIOD: u64 = 3;
/// Time after which an actor that holds its thread is given up.
const STUCK_AFTER: &str = "2s";
/// Time for which an actor holds its thread.
const HANG: Duration = Duration::from_secs(5);
/// Pause between two transfers. All transfers of a period fit into a block.
const PAUSE: Duration = Duration::from_millis(50);
const SOMEBODY: &str = "0x2222222222222222222222222222222222222222";

/// A disturbance of the node.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// The actor at this path panics.
    Crash(&'static str),
    /// The actor at this path holds its thread, and is replaced.
    Hang(&'static str),
    /// The actor at this path holds its thread, and goes on.
    Pause(&'static str),
    /// The arbiter of this name is stopped; an actor of it.
    Stop(&'static str, &'static str),
}

use Disturbance::{Crash, Hang, Pause, Stop};

const CHAIN: &str = "node/core/chain";
const POOL: &str = "node/core/txpool/pool";
const WORKER: &str = "node/core/miner/worker";
const SEALER: &str = "node/core/miner/sealer";
const CONTROL: &str = "node/core/miner/control";
const ACCOUNTS: &str = "node/keys/accounts";
const FILTERS: &str = "node/followers/filters";
const BLOOM: &str = "node/followers/bloom index";
const HTTP: &str = "node/rpc/http";

/// Of these, those of the chain and of `main` may count against the restarts of the core, which are
/// three.
const DISTURBANCES: [Disturbance; 17] = [
    Crash(POOL),
    Crash(WORKER),
    Crash(SEALER),
    Crash(CONTROL),
    Crash(ACCOUNTS),
    Crash(FILTERS),
    Hang(CHAIN),
    Hang(WORKER),
    Hang(SEALER),
    Hang(CONTROL),
    Hang(ACCOUNTS),
    Hang(BLOOM),
    Pause(POOL),
    Stop("chain", CHAIN),
    Stop("txpool", POOL),
    Stop("main", WORKER),
    Stop("rpc", HTTP),
];

impl Disturbance {
    /// Returns the actor, and whether it is restarted.
    fn actor(self) -> (&'static str, bool) {
        match self {
            Crash(path) | Hang(path) | Stop(_, path) => (path, true),
            Pause(path) => (path, false),
        }
    }

    fn happen(self, admin: SocketAddr) {
        let happened = match self {
            Crash(path) => http::crash(admin, path),
            Hang(path) | Pause(path) => http::hang(admin, path, HANG),
            // The server of the page may end before it has answered.
            Stop(name, _) => http::stop_arbiter(admin, name).or(Ok(true)),
        };
        assert!(happened.unwrap(), "{self:?}");
    }
}

/// Sends transfers of one wei until `is_over`; returns the hashes of the accepted ones.
fn send(node: SocketAddr, from: &str, is_over: &AtomicBool) -> Vec<Value> {
    let transfer = json!([{"from": from, "to": SOMEBODY, "value": "0x1", "gas": "0x5208",
                           "gasPrice": "0x3b9aca00"}]);
    let mut accepted = Vec::new();
    while !is_over.load(Relaxed) {
        // An actor or the server that is down refuses a transfer.
        let hash = http::call(node, "eth_sendTransaction", transfer.clone());
        accepted.extend(hash.ok().filter(Value::is_string));
        thread::sleep(PAUSE);
    }
    accepted
}

fn until(what: &str, is_true: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < TIMEOUT, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the generation of an actor while it is running.
fn generation(admin: SocketAddr, path: &str) -> Option<u64> {
    let actor = http::actor(admin, path).ok()?;
    let is_running = actor["state"] == "running" && actor["stuck"].is_null();
    actor["generation"].as_u64().filter(|_| is_running)
}

fn is_ready(admin: SocketAddr) -> bool {
    matches!(http::request(admin, "GET", "/ready", ""), Ok((200, _)))
}

/// Disturbs the node, waits until it has repaired itself, and returns the time from then to the next
/// block.
fn disturb(admin: SocketAddr, node: SocketAddr, disturbance: Disturbance) -> Duration {
    let what = format!("{disturbance:?} is not repaired");
    let (path, is_restarted) = disturbance.actor();
    until(&what, || generation(admin, path).is_some());
    let before = generation(admin, path);
    disturbance.happen(admin);
    if is_restarted {
        until(&what, || generation(admin, path) > before);
    } else {
        thread::sleep(HANG);
    }
    until(&what, || is_ready(admin));
    let (repaired, head) = (Instant::now(), http::block_number(node).unwrap());
    wait_for(node, head + 1);
    if !is_restarted {
        assert_eq!(generation(admin, path), before, "{disturbance:?}");
    }
    repaired.elapsed()
}

/// Asserts that the page shows the restarts of every actor.
fn check_page(admin: SocketAddr) {
    let Some(mut page) = Page::open(&format!("http://{admin}")) else {
        return;
    };
    for disturbance in DISTURBANCES {
        let (path, is_restarted) = disturbance.actor();
        if is_restarted {
            page.wait_for(&format!(
                "Number([...document.querySelectorAll('[data-path=\"{path}\"] .num')]\
                 .find((it) => it.firstChild.textContent === 'restarts')?.lastChild.textContent) >= 1"
            ));
        }
    }
}

#[test]
fn sealing_resumes_after_crashes_hangs_and_lost_threads() {
    let seed = std::env::var("ACTOREUM_CHAOS_SEED").ok();
    let seed = seed.map_or(1, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut disturbances = DISTURBANCES;
    disturbances.shuffle(&mut random);

    let folder = tempfile::tempdir().unwrap();
    let signer = format!("0x{}", new_account(folder.path()));
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
            "--admin.chaos.stuck",
            STUCK_AFTER,
        ],
    );
    let admin = node.wait_for_admin();
    wait_for(address, 1);

    let is_over = AtomicBool::new(false);
    let accepted = thread::scope(|scope| {
        let sending = scope.spawn(|| send(address, &signer, &is_over));
        for disturbance in disturbances {
            thread::sleep(Duration::from_millis(random.random_range(0..PERIOD * 1000)));
            let paused = disturb(admin, address, disturbance);
            println!("seed {seed}: {disturbance:?}: a block after {paused:?}");
            let limit = Duration::from_secs(2 * PERIOD);
            assert!(paused <= limit, "seed {seed}: {disturbance:?}: {paused:?}");
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
    check_page(admin);
    end(node);
}
