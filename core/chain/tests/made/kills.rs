//! `kill -9` in the middle of reorgs and of repairs.
//!
//! The killed process is this test binary again, with its task in environment variables.
//! `ACTOREUM_KILLS` is the number of kills for each engine.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use actoreum_chain::Chain;
use actoreum_primitives::{Address, Block, Bytes, ChainConfig, Fork, Genesis, U256, rlp};
use actoreum_storage::{Engine, Store, StoreOptions, WriteBatch};

use crate::maker::{Maker, Recipe, Seals, engine, genesis_of, import, open};

const KILLS: u32 = 6;
const TASK: &str = "ACTOREUM_KILLED_TASK";
const FOLDER: &str = "ACTOREUM_KILLED_FOLDER";
const ENGINE: &str = "ACTOREUM_KILLED_ENGINE";
/// Number of common blocks of the two branches, and number of blocks of each.
const COMMON: usize = 5;
const LENGTH: usize = 60;
/// Number of blocks by which the branches overtake each other.
const STEP: usize = 4;
const ON_DISK: [Engine; 2] = [Engine::Sled, Engine::Redb];
/// A lock that makes the tests run one at a time: a process that another test starts holds the
/// locks of this process for a moment.
static SERIAL: Mutex<()> = Mutex::new(());

fn genesis() -> Genesis {
    genesis_of(ChainConfig::active_from_genesis(9, Fork::Berlin))
}

/// Returns two chains of the same length with their first blocks in common.
fn branches() -> [Vec<Block>; 2] {
    let genesis = genesis();
    let mut maker = Maker::new(Seals::Unsealed, &genesis, Store::memory());
    let mut make = |branch: u8| {
        let recipe = Recipe {
            seconds: 13,
            vanity: branch,
            ..Recipe::default()
        };
        maker.make(&recipe, |filling| {
            for from in 4..=6 {
                let mut to = [branch; 20];
                to[..8].copy_from_slice(&filling.nonce(from).to_be_bytes());
                let to = Some(Address::from(to));
                filling.pay(from, to, 21_000, Bytes::new(), U256::ONE);
            }
        })
    };
    let first: Vec<_> = (0..LENGTH)
        .map(|index| make(u8::from(index >= COMMON)))
        .collect();
    let mut maker = Maker::new(Seals::Unsealed, &genesis, Store::memory());
    import(&mut maker.chain, &first[..COMMON]);
    let mut second = first[..COMMON].to_vec();
    for _ in COMMON..LENGTH {
        let recipe = Recipe {
            seconds: 13,
            vanity: 2,
            ..Recipe::default()
        };
        second.push(maker.make(&recipe, |filling| {
            filling.pay(
                4,
                Some(Address::repeat_byte(2)),
                21_000,
                Bytes::new(),
                U256::ONE,
            );
        }));
    }
    [first, second]
}

fn options(engine: Engine) -> StoreOptions {
    StoreOptions {
        engine,
        ancient_depth: None,
        cache_bytes: 1 << 20,
        ..StoreOptions::default()
    }
}

fn open_chain(folder: &Path, on: Engine) -> Chain {
    let genesis = genesis();
    let store = Store::open(&folder.join("chain"), options(on)).unwrap();
    open(store, &genesis, engine(Seals::Unsealed, &genesis).0)
}

/// The task of the killed process; without the environment variables it does nothing.
#[test]
fn task_of_the_killed_process() {
    let (Ok(task), Some(folder)) = (std::env::var(TASK), std::env::var_os(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    let engine: Engine = std::env::var(ENGINE).unwrap().parse().unwrap();
    fs::write(folder.join("begun"), []).unwrap();
    match task.as_str() {
        "reorg" => reorganize(folder, engine),
        _ => drop(Store::repair(&folder.join("chain"), &options(engine), &mut |_| {}).unwrap()),
    }
}

/// Makes the branches overtake each other, and writes each reported head to a file.
fn reorganize(folder: &Path, engine: Engine) {
    let [first, second] = ["first", "second"].map(|name| {
        let bytes = fs::read(folder.join(name)).unwrap();
        rlp::decode_exact::<Vec<Block>>(&bytes).unwrap()
    });
    let mut chain = open_chain(folder, engine);
    let mut heads = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("heads"))
        .unwrap();
    for end in (COMMON..LENGTH).step_by(STEP) {
        import(&mut chain, &first[..end]);
        writeln!(heads, "{}", chain.head().number).unwrap();
        import(&mut chain, &second[..end + STEP / 2]);
        writeln!(heads, "{}", chain.head().number).unwrap();
    }
}

fn start(task: &str, folder: &Path, engine: Engine) -> Child {
    // The file may be left over from the previous process.
    let _ = fs::remove_file(folder.join("begun"));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["kills::task_of_the_killed_process", "--exact"])
        .env(TASK, task)
        .env(FOLDER, folder)
        .env(ENGINE, engine.name())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.join("begun").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    child
}

/// Kills the process after a delay that differs each round. Returns whether the process was still
/// running.
fn kill(mut child: Child, round: u32) -> bool {
    // The golden ratio spreads the delays evenly.
    let share = (f64::from(round) * 0.618_034).fract();
    thread::sleep(Duration::from_millis(400).mul_f64(share * share));
    let is_running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert!(is_running || ended.success(), "{ended}");
    is_running
}

fn kills() -> u32 {
    std::env::var("ACTOREUM_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}

#[test]
fn a_killed_reorg_is_complete_or_absent() {
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let branches = branches();
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let (mut reorgs, mut midway) = (0, 0);
        for (name, blocks) in ["first", "second"].into_iter().zip(&branches) {
            fs::write(folder.path().join(name), rlp::encode(blocks)).unwrap();
        }
        for round in 1..=kills() {
            midway += u32::from(kill(start("reorg", folder.path(), engine), round));
            let reported = fs::read_to_string(folder.path().join("heads")).unwrap_or_default();
            let reported: u64 = reported
                .lines()
                .last()
                .map_or(0, |line| line.parse().unwrap());
            let chain = open_chain(folder.path(), engine);
            let head = chain.head();
            assert!(
                head.number >= reported,
                "{} was reported, {reported} is there",
                head.number
            );
            let is_of = |blocks: &Vec<Block>| {
                head.number == 0 || blocks[head.number as usize - 1].hash() == head.hash()
            };
            assert!(branches.iter().any(is_of));
            let report = chain.reader().store().check(&mut |_| {}).unwrap();
            assert_eq!(report.faults, Vec::<String>::new(), "{engine:?}");
            reorgs += reported / STEP as u64;
            if head.number as usize + STEP >= LENGTH {
                drop(chain);
                fs::remove_dir_all(folder.path().join("chain")).unwrap();
                fs::remove_file(folder.path().join("heads")).unwrap();
            }
        }
        println!(
            "{engine:?}: {} kills, {midway} midway, {reorgs} reorgs",
            kills()
        );
        let mut chain = open_chain(folder.path(), engine);
        import(&mut chain, &branches[0]);
        assert_eq!(chain.head().hash(), branches[0][LENGTH - 1].hash());
    }
}

#[test]
fn a_killed_repair_is_done_again() {
    const ACCOUNT_NODES: u8 = 11;
    let _serial = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let [blocks, _] = branches();
    for engine in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain");
        import(&mut open_chain(folder.path(), engine), &blocks);
        let (mut midway, mut unfinished) = (0, 0);
        for round in 1..=kills() {
            // Delete half of the state trie's nodes, so that the repair has much to write.
            let database = engine.open(&path.join("database"), 1 << 20).unwrap();
            let mut batch = WriteBatch::default();
            let mut is_next = false;
            let mut delete = |key: &[u8], _: &[u8]| {
                is_next = !is_next;
                if is_next {
                    batch.delete(&[key]);
                }
                std::ops::ControlFlow::Continue(())
            };
            database
                .visit(&[ACCOUNT_NODES], Some(&[ACCOUNT_NODES + 1]), &mut delete)
                .unwrap();
            database.commit(&batch).unwrap();
            drop(database);

            midway += u32::from(kill(start("repair", folder.path(), engine), round));
            unfinished += u32::from(Store::open(&path, options(engine)).is_err());
            let report = Store::repair(&path, &options(engine), &mut |_| {}).unwrap();
            assert_eq!(report.dropped, None, "{report:?}");
            let store = Store::open(&path, options(engine)).unwrap();
            assert_eq!(store.head().unwrap().hash, blocks[LENGTH - 1].hash());
            let report = store.check(&mut |_| {}).unwrap();
            assert_eq!(report.faults, Vec::<String>::new(), "{engine:?}");
        }
        println!(
            "{engine:?}: {} kills, {midway} midway, {unfinished} of them with a repair to finish",
            kills()
        );
    }
}
