//! The official vectors: every file of the fixtures' archives, suite by suite, with counts.
//!
//! `cargo test --release -p actoreum-tests vectors`

use actoreum_tests::archive::{ArchivedFile, for_each_json};
use actoreum_tests::exceptions::skip_reason;
use actoreum_tests::fixtures;
use actoreum_tests::report::Report;
use actoreum_tests::suites::{self, blockchain::StoreKind};

const UNITS: &str = "vectors/units.tar.zst";
const LEGACY: &str = "vectors/legacy-frontier-to-constantinople.tar.zst";
const ISTANBUL_TO_LONDON: &str = "vectors/blockchain-istanbul-to-london.tar.zst";
const BERLIN_TO_CANCUN: &str = "vectors/berlin-to-cancun.tar.zst";
const PRAGUE_AND_OSAKA: &str = "vectors/prague-osaka.tar.zst";

/// Runs the files of an archive whose paths `wanted` accepts.
fn run(
    title: &'static str,
    archive: &str,
    wanted: impl Fn(&str) -> bool + Sync,
    suite: impl Fn(&ArchivedFile, &Report) + Sync,
) {
    run_all(title, &[archive], wanted, suite);
}

/// Runs the files of several archives whose paths `wanted` accepts, under one report.
fn run_all(
    title: &'static str,
    archives: &[&str],
    wanted: impl Fn(&str) -> bool + Sync,
    suite: impl Fn(&ArchivedFile, &Report) + Sync,
) {
    let report = Report::new(title);
    for archive in archives {
        let Some(path) = fixtures::find(title, archive) else {
            return;
        };
        for_each_json(&path, &wanted, |file| suite(&file, &report)).expect("the archive is read");
    }
    report.finish();
}

fn in_folder(folder: &'static str) -> impl Fn(&str) -> bool + Sync {
    move |path| path.split('/').any(|part| part == folder)
}

#[test]
fn vectors_rlp() {
    run(
        "vectors_rlp",
        UNITS,
        in_folder("RLPTests"),
        suites::rlp::run,
    );
}

#[test]
fn vectors_trie() {
    run(
        "vectors_trie",
        UNITS,
        in_folder("TrieTests"),
        |file, report| match skip_reason(&file.path) {
            Some(reason) => report.except(&file.path, reason),
            None => suites::trie::run(file, report),
        },
    );
}

#[test]
fn vectors_transaction() {
    run(
        "vectors_transaction",
        UNITS,
        in_folder("TransactionTests"),
        suites::transaction::run,
    );
}

#[test]
fn vectors_difficulty() {
    run(
        "vectors_difficulty",
        UNITS,
        suites::difficulty::is_handled,
        suites::difficulty::run,
    );
}

#[test]
fn vectors_proof_of_work() {
    run(
        "vectors_proof_of_work",
        UNITS,
        in_folder("PoWTests"),
        suites::proof_of_work::run,
    );
}

#[test]
fn vectors_keystore() {
    run(
        "vectors_keystore",
        UNITS,
        in_folder("KeyStoreTests"),
        suites::keystore::run,
    );
}

#[test]
fn vectors_genesis() {
    run(
        "vectors_genesis",
        UNITS,
        in_folder("GenesisTests"),
        suites::genesis::run,
    );
}

#[test]
fn vectors_basic() {
    let wanted = |path: &str| {
        ["BasicTests", "ABITests"]
            .iter()
            .any(|folder| path.starts_with(folder))
            && !suites::difficulty::is_handled(path)
    };
    run("vectors_basic", UNITS, wanted, suites::basic::run);
}

#[test]
fn vectors_vm() {
    run(
        "vectors_vm",
        LEGACY,
        in_folder("VMTests"),
        |file, report| {
            // The VM tests of other folders are state or blockchain tests.
            if !file.path.contains("GeneralStateTests") {
                suites::vm::run(file, report);
            }
        },
    );
}

#[test]
fn vectors_state_frontier_to_constantinople() {
    let wanted = |path: &str| path.starts_with("Constantinople/GeneralStateTests/");
    run(
        "vectors_state_frontier_to_constantinople",
        LEGACY,
        wanted,
        suites::state::run,
    );
}

#[test]
fn vectors_state_berlin_to_cancun() {
    let wanted = |path: &str| path.starts_with("GeneralStateTests/");
    run(
        "vectors_state_berlin_to_cancun",
        BERLIN_TO_CANCUN,
        wanted,
        suites::state::run,
    );
}

fn in_memory(file: &ArchivedFile, report: &Report) {
    suites::blockchain::run(file, StoreKind::Memory, report);
}

#[test]
fn vectors_blockchain_frontier_to_constantinople() {
    let title = "vectors_blockchain_frontier_to_constantinople";
    run(title, LEGACY, in_folder("BlockchainTests"), in_memory);
}

#[test]
fn vectors_blockchain_istanbul_to_london() {
    let title = "vectors_blockchain_istanbul_to_london";
    run(
        title,
        ISTANBUL_TO_LONDON,
        in_folder("BlockchainTests"),
        in_memory,
    );
}

#[test]
fn vectors_blockchain_berlin_to_cancun() {
    let title = "vectors_blockchain_berlin_to_cancun";
    run(
        title,
        BERLIN_TO_CANCUN,
        in_folder("BlockchainTests"),
        in_memory,
    );
}

#[test]
fn vectors_blockchain_prague_and_osaka() {
    let title = "vectors_blockchain_prague_and_osaka";
    run(
        title,
        PRAGUE_AND_OSAKA,
        in_folder("BlockchainTests"),
        in_memory,
    );
}

/// Vectors with several blocks, side chains and refusals, and of the newest forks: the others have
/// one block each, which exercises nothing more of a store.
#[test]
fn vectors_blockchain_on_disk() {
    let title = "vectors_blockchain_on_disk";
    let archives = [
        LEGACY,
        ISTANBUL_TO_LONDON,
        BERLIN_TO_CANCUN,
        PRAGUE_AND_OSAKA,
    ];
    let wanted = |path: &str| {
        path.contains("BlockchainTests/") && !path.contains("BlockchainTests/GeneralStateTests/")
    };
    run_all(title, &archives, wanted, |file, report| {
        suites::blockchain::run(file, StoreKind::Disk, report);
    });
}
