//! Kills in the middle of imports and rewinds, with blocks on their way to the ancient files, and
//! disks that lose or change what was written last.
//!
//! After each, the database is sound, or `db check` finds the damage and `db repair` mends it or
//! goes back, or refuses in words. What is accepted is hashed from outside. `ACTOREUM_KILLS` is
//! the number of rounds for each engine.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rand::random_range;
use tempfile::TempDir;

use crate::{
    chains::{self, Chain},
    http,
    process::{Ended, Running, run},
};

/// Longer than the import of the chain takes on an idle machine.
const LONGEST_RUN: u64 = 4_000;
const ROUNDS: u32 = 4;

#[test]
fn sled_is_mended_after_torn_writes() {
    chains::clique().inspect(|chain| tear_repeatedly(chain, "sled"));
}

#[test]
fn redb_is_mended_after_torn_writes() {
    chains::clique().inspect(|chain| tear_repeatedly(chain, "redb"));
}

/// What was seen over all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u32,
    /// Sound in spite of the damage: it hit what no commit had confirmed, or nothing at all.
    sound: u32,
    mended: u32,
    /// Mended by going back.
    went_back: u32,
    refused: u32,
}

fn tear_repeatedly(chain: &Chain, engine: &str) {
    let wanted = std::env::var("ACTOREUM_KILLS").map_or(ROUNDS, |kills| kills.parse().unwrap());
    let mut tally = Tally::default();
    let mut directory = new_directory(chain, engine);
    while tally.rounds < wanted {
        tally.rounds += 1;
        let datadir = directory.path().to_str().unwrap().to_owned();
        if tally.rounds.is_multiple_of(2) {
            kill_an_import(chain, &datadir);
        } else {
            kill_a_rewind(&datadir);
        }
        if chains::sound_head(directory.path()).is_some_and(|(number, _)| number > 60) {
            chains::migrate(directory.path(), 40);
        }
        let torn = tear(&directory.path().join("actoreum/chaindata"));
        println!("round {}: {torn}", tally.rounds);
        if !is_sound_again(&datadir, &mut tally) {
            directory = new_directory(chain, engine);
        }
        assert!(chains::sound_head(directory.path()).is_some());
    }
    let datadir = directory.path().to_str().unwrap();
    run(&[
        "import",
        "--datadir",
        datadir,
        chain.blocks.to_str().unwrap(),
    ])
    .ok();
    chain.assert_complete(datadir);
    run(&["db", "check", "--datadir", datadir]).ok();
    println!("{engine}: {tally:?}");
}

fn new_directory(chain: &Chain, engine: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    chain.init(folder.path().to_str().unwrap(), engine);
    folder
}

fn kill_an_import(chain: &Chain, datadir: &str) {
    let blocks = chain.blocks.to_str().unwrap();
    let mut node = Running::start(&["import", "--datadir", datadir, blocks]);
    let moment = Duration::from_millis(random_range(0..LONGEST_RUN));
    while node.begun.elapsed() < moment && !node.has_ended() {
        thread::sleep(Duration::from_millis(1));
    }
    node.kill();
}

/// Takes blocks back, as a reorg does, and is killed meanwhile.
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

/// Cuts off or changes bytes at the end of one of the files; what was done.
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
        match path.is_dir() {
            true => list(&path, files),
            false => files.push(path),
        }
    }
}

/// Checks and, where that finds something, repairs. `false` where the repair refused.
fn is_sound_again(datadir: &str, tally: &mut Tally) -> bool {
    let checked = run(&["db", "check", "--datadir", datadir]);
    if checked.code == Some(0) {
        tally.sound += 1;
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
        tally.mended += 1;
    } else {
        tally.went_back += 1;
    }
    run(&["db", "check", "--datadir", datadir]).ok();
    true
}

/// The one line that says why it ended.
#[track_caller]
fn fatal_line(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let mut lines = ended.stderr.lines();
    let line = lines.find(|line| line.starts_with("Fatal: "));
    line.unwrap_or_else(|| panic!("{ended:#?}")).to_owned()
}
