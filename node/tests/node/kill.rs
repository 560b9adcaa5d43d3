//! `kill -9` at random moments of an import.
//!
//! After each kill, a copy of the data directory is opened and its whole state hashed; then the
//! binary starts on the original, recovers by itself and continues. `ACTOREUM_KILLS` is the number
//! of kills for each engine and chain.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    chains::{self, Chain},
    http,
    process::Running,
};

const KILLS: u32 = 4;
const POLL_PERIOD: Duration = Duration::from_millis(2);

#[test]
fn sled_survives_kills_of_a_clique_import() {
    chains::clique().inspect(|chain| kill_repeatedly(chain, "sled"));
}

#[test]
fn redb_survives_kills_of_a_clique_import() {
    chains::clique().inspect(|chain| kill_repeatedly(chain, "redb"));
}

#[test]
fn sled_survives_kills_of_a_mainnet_import() {
    chains::mainnet().inspect(|chain| kill_repeatedly(chain, "sled"));
}

#[test]
fn redb_survives_kills_of_a_mainnet_import() {
    chains::mainnet().inspect(|chain| kill_repeatedly(chain, "redb"));
}

/// Counters over all kills.
#[derive(Default)]
struct Tally {
    kills: u32,
    imports: u32,
    /// Number of kills after which the head was above genesis and below the last block.
    midway: u32,
    /// Number of answers to `eth_blockNumber`.
    answers: u64,
    /// Longest time from start to the first answer.
    slowest_start: Duration,
}

fn kill_repeatedly(chain: &Chain, engine: &str) {
    let wanted = std::env::var("ACTOREUM_KILLS").ok();
    let wanted = wanted.map_or(KILLS, |kills| kills.parse().unwrap());
    let mut tally = Tally::default();
    let span = import_until_it_ends_or(None, &chain.new_datadir(engine), chain, 0, &mut tally);
    let span = span.time.max(Duration::from_millis(200));
    while tally.kills < wanted {
        import_through_kills(chain, engine, wanted, span, &mut tally);
    }
    println!(
        "{engine}, {}: {} kills in {} imports of {:.2} s, {} of them midway, {} answers, slowest \
         start {} ms",
        chain.name,
        tally.kills,
        tally.imports,
        span.as_secs_f64(),
        tally.midway,
        tally.answers,
        tally.slowest_start.as_millis()
    );
}

/// Runs one import from genesis to the head, which is killed and resumed until it ends.
fn import_through_kills(
    chain: &Chain,
    engine: &str,
    wanted: u32,
    span: Duration,
    tally: &mut Tally,
) {
    let datadir = chain.new_datadir(engine);
    let mut reported = 0;
    tally.imports += 1;
    loop {
        let moment = (tally.kills < wanted).then(|| span.mul_f64(rand::random::<f64>()));
        let attempt = import_until_it_ends_or(moment, &datadir, chain, reported, tally);
        reported = attempt.reported;
        if attempt.has_ended {
            assert_eq!(verified_head_number(datadir.path()), chain.head_number);
            return chain.assert_complete(datadir.path().to_str().unwrap());
        }
        tally.kills += 1;
        let head = verified_head_number(datadir.path());
        assert!(
            head >= reported,
            "block {reported} was reported, the head is {head}"
        );
        tally.midway += u32::from(head > 0 && head < chain.head_number);
    }
}

#[track_caller]
fn verified_head_number(datadir: &Path) -> u64 {
    chains::verified_head(datadir).unwrap().0
}

struct Attempt {
    has_ended: bool,
    reported: u64,
    time: Duration,
}

/// Imports and polls the block number, which must never be below `reported`; kills the process
/// after `moment`.
fn import_until_it_ends_or(
    moment: Option<Duration>,
    datadir: &TempDir,
    chain: &Chain,
    mut reported: u64,
    tally: &mut Tally,
) -> Attempt {
    let (datadir, blocks) = (
        datadir.path().to_str().unwrap(),
        chain.blocks.to_str().unwrap(),
    );
    let args = [
        "import",
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
        blocks,
    ];
    let mut node = Running::start(&args);
    let mut has_answered = false;
    let over = |begun: Instant| moment.is_some_and(|moment| begun.elapsed() >= moment);
    while !over(node.begun) && !node.has_ended() {
        if let Some(Ok(number)) = node.http().map(http::block_number) {
            assert!(
                number >= reported,
                "block {reported} was reported, now {number}"
            );
            reported = number;
            tally.answers += 1;
            if !has_answered {
                has_answered = true;
                tally.slowest_start = tally.slowest_start.max(node.begun.elapsed());
            }
        }
        thread::sleep(POLL_PERIOD);
    }
    let time = node.begun.elapsed();
    let has_ended = node.has_ended();
    if has_ended {
        node.wait().ok();
    } else {
        node.kill();
    }
    Attempt {
        has_ended,
        reported,
        time,
    }
}
