//! The set-up of an attack: the node under attack, an honest node that seals, and the measurements.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actoreum_primitives::B256;
use actoreum_wire::eth::EthVersion;
use serde_json::json;

use super::super::syncing::number;
use super::super::{Ipc, Node, until};
use super::{MAX_LAG, MAX_LATENCY, MAX_MEMORY, seconds};
use crate::attacker::{Attacker, Target, one_at_a_time, slack};
use crate::chains::{clique_genesis, init_datadir, new_account, password_file};

/// Number of bans within half a minute that are logged one by one.
const LOGGED_BANS: usize = 30;

/// The nodes of an attack.
pub(super) struct Arena {
    pub victim: Node,
    sealer: Node,
    _turn: MutexGuard<'static, ()>,
}

/// Measurements of an honest peer and of a client.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    /// Slowest answer to a peer that was connected before the attack.
    pub peer: Duration,
    /// Slowest answer to a JSON-RPC client.
    pub client: Duration,
    /// Maximum number of blocks by which the node was behind the sealing node.
    pub lag: u64,
    pub measured: u64,
}

impl Arena {
    /// Starts a node that follows another one, which seals a block a second.
    pub fn open(more: &[&str]) -> Self {
        let turn = one_at_a_time();
        let (signing, following) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let password = password_file(signing.path());
        let signer = new_account(signing.path(), &password);
        let genesis = clique_genesis(1, &[&signer], json!({}));
        init_datadir(signing.path(), &genesis);
        init_datadir(following.path(), &genesis);
        let victim = Node::start_in(following, &[&["--nodiscover"], more].concat());
        let sealer = Node::start_in(
            signing,
            &[
                "--nodiscover",
                "--mine",
                "--miner.etherbase",
                &signer,
                "--unlock",
                &signer,
                "--password",
                &password,
            ],
        );
        sealer.add(&victim.enode());
        let arena = Self {
            victim,
            sealer,
            _turn: turn,
        };
        until("the node follows", || height(&mut arena.victim.ipc()) >= 2);
        arena
    }

    pub fn target(&self) -> Target {
        Target::of(&self.victim.enode())
    }

    /// Runs `attack`, measures meanwhile and asserts the limits that hold for every attack; returns
    /// the measurements.
    #[track_caller]
    pub fn measure(&self, name: &str, attack: impl FnOnce(&Target)) -> Measurements {
        let is_over = Arc::new(AtomicBool::new(false));
        let watching = self.watch(&is_over);
        let before = self.victim.process.peak_bytes();
        let time = self.victim.process.processor_time();
        let begun = Instant::now();
        attack(&self.target());
        let (took, spent) = (
            begun.elapsed(),
            self.victim.process.processor_time().saturating_sub(time),
        );
        // The node processes what it has received.
        thread::sleep(Duration::from_secs(2));
        is_over.store(true, Relaxed);
        let measurements = watching.into_iter().map(|it| it.join().unwrap());
        let measurements = measurements.fold(Measurements::default(), |a, b| Measurements {
            peer: a.peer.max(b.peer),
            client: a.client.max(b.client),
            lag: a.lag.max(b.lag),
            measured: a.measured + b.measured,
        });
        let memory = self.victim.process.peak_bytes();
        println!(
            "{name}: {took:.1?}; peers waited {:.0?}, clients {:.0?}, {} blocks behind, {} MB at \
             most ({} MB before), {:.0} % of a core",
            measurements.peer,
            measurements.client,
            measurements.lag,
            memory >> 20,
            before >> 20,
            100.0 * spent.as_secs_f64() / took.as_secs_f64(),
        );
        assert!(measurements.measured > 10, "{measurements:?}");
        let (latency, lag) = (MAX_LATENCY * slack(), MAX_LAG * u64::from(slack()));
        assert!(
            measurements.peer < latency,
            "{name}: a peer waited {:?}",
            measurements.peer
        );
        assert!(
            measurements.client < latency,
            "{name}: {:?}",
            measurements.client
        );
        assert!(
            measurements.lag <= lag,
            "{name}: {} blocks behind",
            measurements.lag
        );
        assert!(memory < MAX_MEMORY, "{name}: {} MB", memory >> 20);
        let sealer = self.victim.peer(&self.sealer.id());
        assert!(sealer.is_some(), "{name}: the honest sealer was dropped");
        measurements
    }

    fn watch(&self, is_over: &Arc<AtomicBool>) -> [JoinHandle<Measurements>; 2] {
        let mut honest = Attacker::join(&self.target(), EthVersion::Eth68).unwrap();
        let stop = Arc::clone(is_over);
        let peer = thread::spawn(move || {
            let mut measurements = Measurements::default();
            while !stop.load(Relaxed) {
                let latency = honest.probe().expect("an honest peer is kept");
                measurements.peer = measurements.peer.max(latency);
                measurements.measured += 1;
                thread::sleep(Duration::from_millis(50));
            }
            measurements
        });
        let stop = Arc::clone(is_over);
        let (mut sealer, mut victim) = (self.sealer.ipc(), self.victim.ipc());
        let client = thread::spawn(move || {
            let mut measurements = Measurements::default();
            while !stop.load(Relaxed) {
                let sealed = height(&mut sealer);
                let begun = Instant::now();
                let followed = height(&mut victim);
                measurements.client = measurements.client.max(begun.elapsed());
                measurements.lag = measurements.lag.max(sealed.saturating_sub(followed));
                measurements.measured += 1;
                thread::sleep(Duration::from_millis(50));
            }
            measurements
        });
        [peer, client]
    }

    /// Asserts that a peer was banned for this reason, in the log and in `admin_peers`.
    #[track_caller]
    pub fn assert_banned(&self, reason: &str) {
        let lines = self.victim.process.lines("peer banned");
        let is_logged = lines.iter().any(|line| line.contains(reason));
        // The log holds only the first of many bans (`actors/src/log_limit.rs`).
        assert!(
            is_logged || lines.len() >= LOGGED_BANS,
            "{reason}: {lines:#?}"
        );
        let peers = self.victim.call("admin_peers", json!([true]));
        let is_shown = peers.as_array().unwrap().iter().any(|peer| {
            let why = peer["dropped"]["reason"].as_str();
            let is_banned = peer["dropped"]["keptAwayFor"].as_u64() > Some(0);
            is_banned && why.is_some_and(|why| why.contains(reason))
        });
        assert!(is_shown, "{reason}: {peers:#}");
    }

    /// Returns number and hash of the head of the node under attack.
    pub fn head(&self) -> (u64, B256) {
        let head = self
            .victim
            .call("eth_getBlockByNumber", json!(["latest", false]));
        (
            number(&head["number"]),
            head["hash"].as_str().unwrap().parse().unwrap(),
        )
    }

    /// Returns the end of an attack that begins now.
    pub fn end(&self) -> Instant {
        Instant::now() + seconds()
    }
}

fn height(ipc: &mut Ipc) -> u64 {
    number(&ipc.ask("eth_blockNumber", &json!([]))["result"])
}
