//! Start-up time and memory of an idle node. Both are printed and not asserted, as they depend on
//! the machine.

use std::{path::Path, thread, time::Duration};

use crate::{chains, http, process::Running};

/// Starts on a data directory; returns the node, the time from exec to the first answer, and the
/// block number in the answer.
fn first_answer(datadir: &Path) -> (Running, Duration, u64) {
    let datadir = datadir.to_str().unwrap();
    let mut node = Running::start(&["--datadir", datadir, "--http", "--http.port", "0"]);
    let number = http::block_number(node.wait_for_http()).unwrap();
    let time = node.begun.elapsed();
    (node, time, number)
}

#[test]
fn a_new_data_directory_is_for_mainnet() {
    let folder = tempfile::tempdir().unwrap();
    let (node, time, number) = first_answer(folder.path());
    assert_eq!(number, 0);
    thread::sleep(Duration::from_secs(1));
    println!(
        "new data directory: first answer after {} ms; idle with {:.1} MB",
        time.as_millis(),
        node.resident_bytes() as f64 / 1e6
    );
    node.kill();
}

#[test]
fn a_killed_node_answers_with_its_head() {
    let Some(chain) = chains::mainnet() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    chain.import(datadir);
    for _ in 0..2 {
        let (node, time, number) = first_answer(folder.path());
        assert_eq!(number, chain.head_number);
        thread::sleep(Duration::from_secs(1));
        println!(
            "block 999 of mainnet: first answer after {} ms; idle with {:.1} MB",
            time.as_millis(),
            node.resident_bytes() as f64 / 1e6
        );
        node.kill();
    }
}
