//! Kills during imports and rewinds, with blocks that move to the ancient files, and disks that
//! lose or change the last writes.
//!
//! After each, the database is valid, or `db check` finds the damage and `db repair` repairs it in
//! place, goes back to an earlier block, or refuses with an error. The state of an accepted
//! database is hashed from outside. `ACTOREUM_KILLS` is the number of rounds for each engine.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rand::random_range;

use crate::{
    chains::{self, Chain},
    http,
    process::{Ended, Running, run},
};

/// Maximum time before a kill, in milliseconds: longer than the import takes on an idle machine.
const MAX_RUN_MS: u64 = 4_000;
const ROUNDS: u32 = 4;

#[test]
fn sled_is_repaired_after_torn_writes() {
    chains::clique().inspect(|chain| tear_repeatedly(chain, "sled"));
}

#[test]
fn redb_is_repaired_after_torn_writes() {
    chains::clique().inspect(|chain| tear_repeatedly(chain, "redb"));
}

/// Counters over all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u32,
    /// Valid in spite of the damage, which hit unconfirmed writes or unused bytes.
    valid: u32,
    repaired_in_place: u32,
    /// Repaired by going back to an earlier block.
    rewound: u32,
    refused: u32,
}

fn tear_repeatedly(chain: &Chain, engine: &str) {
    let wanted = std::env::var("ACTOREUM_KILLS").map_or(ROUNDS, |kills| kills.parse().unwrap());
    let mut tally = Tally::default();
    let mut directory = chain.new_datadir(engine);
    while tally.rounds < wanted {
        tally.rounds += 1;
        let datadir = directory.path().to_str().unwrap().to_owned();
        if tally.rounds.is_multiple_of(2) {
            kill_an_import(chain, &datadir);
        } else {
            kill_a_rewind(&datadir);
        }
        if chains::verified_head(directory.path()).is_some_and(|(number, _)| number > 60) {
            chains::migrate(directory.path(), 40);
        }
        let torn = tear(&directory.path().join("actoreum/chaindata"));
        println!("round {}: {torn}", tally.rounds);
        if !check_or_repair(&datadir, &mut tally) {
            directory = chain.new_datadir(engine);
        }
        assert!(chains::verified_head(directory.path()).is_some());
    }
    let datadir = directory.path().to_str().unwrap();
    chain.import(datadir);
    chain.assert_complete(datadir);
    run(&["db", "check", "--datadir", datadir]).ok();
    println!("{engine}: {tally:?}");
}

fn kill_an_import(chain: &Chain, datadir: &str) {
    let blocks = chain.blocks.to_str().unwrap();
    let mut node = Running::start(&["import", "--datadir", datadir, blocks]);
    let moment = Duration::from_millis(random_range(0..MAX_RUN_MS));
    while node.begun.elapsed() < moment && !node.has_ended() {
        thread::sleep(Duration::from_millis(1));
    }
    node.kill();
}

/// Rewinds the chain, as a reorg does, and kills the node meanwhile.
fn kill_a_rewind(datadir: &str) {
    let api = ["--http", "--http.port", "0", "--http.api", "eth,debug"];
    let mut node = Running::start(&[&["--datadir", datadir][..], &api].concat());
    let address = node.wait_for_http();
    let number = http::block_number(address).unwrap();
    let target = random_range(0..=number);
    let asking = thread::spawn(move || {
        // The answer may never come.
        let _ = http::call(
            address,
            "debug_setHead",
            serde_json::json!([format!("{target:#x}")]),
        );
    });
    thread::sleep(Duration::from_millis(random_range(0..300)));
    node.kill();
    asking.join().unwrap();
}

/// Cuts off or changes bytes at the end of one of the files; returns a description of the damage.
fn tear(folder: &Path) -> String {
    let mut files = Vec::new();
    list(folder, &mut files);
    files.retain(|path| !path.ends_with("LOCK") && !path.ends_with("FORMAT"));
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    let path = &files[random_range(0..files.len())];
    let length = fs::metadata(path).unwrap().len();
    let name = path.strip_prefix(folder).unwrap().display().to_string();
    if random_range(0..2) == 0 {
        let cut = random_range(1..=length.min(4_096));
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(length - cut).unwrap();
        return format!("{name} lost {cut} bytes of {length}");
    }
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - 1 - random_range(0..bytes.len().min(65_536));
    bytes[at] ^= random_range(1..=255_u8);
    fs::write(path, bytes).unwrap();
    format!("{name} has another byte at {at} of {length}")
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Checks the database and repairs it if needed. Returns `false` if the repair refused.
fn check_or_repair(datadir: &str, tally: &mut Tally) -> bool {
    let checked = run(&["db", "check", "--datadir", datadir]);
    if checked.code == Some(0) {
        tally.valid += 1;
        return true;
    }
    println!("  {}", fatal_line(&checked));
    let repaired = run(&["db", "repair", "--datadir", datadir]);
    if repaired.code != Some(0) {
        let line = fatal_line(&repaired);
        println!("  {line}");
        assert!(line.contains("can't be repaired"), "{repaired:#?}");
        tally.refused += 1;
        return false;
    }
    for line in repaired.stdout.lines() {
        println!("  {line}");
    }
    if repaired.stdout.contains("dropped: nothing") {
        tally.repaired_in_place += 1;
    } else {
        tally.rewound += 1;
    }
    run(&["db", "check", "--datadir", datadir]).ok();
    true
}

/// Returns the line with the reason of the exit.
#[track_caller]
fn fatal_line(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let mut lines = ended.stderr.lines();
    let line = lines.find(|line| line.starts_with("Fatal: "));
    line.unwrap_or_else(|| panic!("{ended:#?}")).to_owned()
}
