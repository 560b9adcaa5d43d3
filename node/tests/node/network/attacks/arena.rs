//! A node under attack, an honest one that seals, and who measures.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actoreum_primitives::B256;
use actoreum_wire::eth::EthVersion;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::syncing::number;
use super::super::{Ipc, Node, until};
use super::{LAG, LATENCY, MEMORY, seconds};
use crate::attacker::{Attacker, Target, one_at_a_time, slack};
use crate::chains::clique_genesis;
use crate::process::run;

/// Bans that are logged one by one within half a minute.
const LOGGED_BANS: usize = 30;

/// The nodes of an attack.
pub(super) struct Arena {
    pub victim: Node,
    sealer: Node,
    _turn: MutexGuard<'static, ()>,
}

/// What the honest ones saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The slowest answer to a peer, over a connection that stood before.
    pub peer: Duration,
    /// The slowest answer to a client.
    pub client: Duration,
    /// Blocks that the node was behind.
    pub lag: u64,
    pub measured: u64,
}

fn init(genesis: &Value, folder: &TempDir) {
    let file = folder.path().join("genesis.json");
    fs::write(&file, genesis.to_string()).unwrap();
    let datadir = folder.path().to_str().unwrap();
    run(&["init", "--datadir", datadir, file.to_str().unwrap()]).ok();
}

impl Arena {
    /// A node that follows another one, which seals a block a second.
    pub fn open(more: &[&str]) -> Self {
        let turn = one_at_a_time();
        let (signing, following) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let password = signing.path().join("password");
        fs::write(&password, "secret\n").unwrap();
        let (datadir, password) = (signing.path().to_str().unwrap(), password.to_str().unwrap());
        let account = run(&[
            "account",
            "new",
            "--lightkdf",
            "--datadir",
            datadir,
            "--password",
            password,
        ])
        .ok();
        let at = account.find('{').expect("an address");
        let signer = account[at + 1..at + 41].to_lowercase();
        let genesis = clique_genesis(1, &[&signer], json!({}));
        init(&genesis, &signing);
        init(&genesis, &following);
        let victim = Node::start_in(following, &[&["--nodiscover"], more].concat());
        let password = password.to_owned();
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

    /// Measures while `attack` runs, and asserts what must hold whatever it is; what was seen.
    #[track_caller]
    pub fn measure(&self, name: &str, attack: impl FnOnce(&Target)) -> Seen {
        let is_over = Arc::new(AtomicBool::new(false));
        let watching = self.watch(&is_over);
        let before = peak(&self.victim);
        let time = processor_time(self.victim.process.id());
        let begun = Instant::now();
        attack(&self.target());
        let (took, spent) = (
            begun.elapsed(),
            processor_time(self.victim.process.id()).saturating_sub(time),
        );
        // What was taken in is worked through.
        thread::sleep(Duration::from_secs(2));
        is_over.store(true, Relaxed);
        let seen = watching.into_iter().map(|it| it.join().unwrap());
        let seen = seen.fold(Seen::default(), |a, b| Seen {
            peer: a.peer.max(b.peer),
            client: a.client.max(b.client),
            lag: a.lag.max(b.lag),
            measured: a.measured + b.measured,
        });
        let memory = peak(&self.victim);
        println!(
            "{name}: {took:.1?}; peers waited {:.0?}, clients {:.0?}, {} blocks behind, {} MB at \
             most ({} MB before), {:.0} % of a core",
            seen.peer,
            seen.client,
            seen.lag,
            memory >> 20,
            before >> 20,
            100.0 * spent.as_secs_f64() / took.as_secs_f64(),
        );
        assert!(seen.measured > 10, "{seen:?}");
        let (latency, lag) = (LATENCY * slack(), LAG * u64::from(slack()));
        assert!(seen.peer < latency, "{name}: a peer waited {:?}", seen.peer);
        assert!(seen.client < latency, "{name}: {:?}", seen.client);
        assert!(seen.lag <= lag, "{name}: {} blocks behind", seen.lag);
        assert!(memory < MEMORY, "{name}: {} MB", memory >> 20);
        let sealer = self.victim.peer(&self.sealer.id());
        assert!(sealer.is_some(), "{name}: the honest sealer was dropped");
        seen
    }

    fn watch(&self, is_over: &Arc<AtomicBool>) -> [JoinHandle<Seen>; 2] {
        let mut honest = Attacker::join(&self.target(), EthVersion::Eth68).unwrap();
        let stop = Arc::clone(is_over);
        let peer = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stop.load(Relaxed) {
                let latency = honest.probe().expect("an honest peer is kept");
                seen.peer = seen.peer.max(latency);
                seen.measured += 1;
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        let stop = Arc::clone(is_over);
        let (mut sealer, mut victim) = (self.sealer.ipc(), self.victim.ipc());
        let client = thread::spawn(move || {
            let mut seen = Seen::default();
            while !stop.load(Relaxed) {
                let sealed = height(&mut sealer);
                let begun = Instant::now();
                let followed = height(&mut victim);
                seen.client = seen.client.max(begun.elapsed());
                seen.lag = seen.lag.max(sealed.saturating_sub(followed));
                seen.measured += 1;
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        [peer, client]
    }

    /// Asserts that a peer was banned for this reason, in the log and in `admin_peers`.
    #[track_caller]
    pub fn assert_banned(&self, reason: &str) {
        let lines = self.victim.process.lines("peer banned");
        let is_told = lines.iter().any(|line| line.contains(reason));
        // Of many bans the log tells the first ones alone (`actors/src/log_limit.rs`).
        assert!(
            is_told || lines.len() >= LOGGED_BANS,
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

    /// Number and hash of the head of the node under attack.
    pub fn head(&self) -> (u64, B256) {
        let head = self
            .victim
            .call("eth_getBlockByNumber", json!(["latest", false]));
        (
            number(&head["number"]),
            head["hash"].as_str().unwrap().parse().unwrap(),
        )
    }

    /// When an attack that begins now is over.
    pub fn end(&self) -> Instant {
        Instant::now() + seconds()
    }
}

fn height(ipc: &mut Ipc) -> u64 {
    number(&ipc.ask("eth_blockNumber", &json!([]))["result"])
}

/// The most resident memory that a process had, in bytes.
pub(super) fn peak(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap() * 1024
}

/// Processor time that a process has had.
pub(super) fn processor_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
