//! Crashes of actors while the node works.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    chains::{self, Chain},
    http,
    process::{Running, actoreum},
};

const CHAIN: &str = "node/core/chain";
const HTTP: &str = "node/rpc/http";
const FILTERS: &str = "node/followers/filters";
/// Maximum number of restarts of the chain within ten minutes, after which the node stops.
const REBUILDS: u32 = 3;

fn import_with_chaos(chain: &Chain, datadir: &str) -> Running {
    let blocks = chain.blocks.to_str().unwrap();
    Running::start(&[
        "import",
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
        "--admin",
        "--admin.chaos",
        "--admin.port",
        "0",
        blocks,
    ])
}

/// Crashes the chain up to `times` times at random moments; returns the number of crashes.
fn crash_chain(node: &mut Running, admin: SocketAddr, times: u32) -> u32 {
    let mut crashed = 0;
    while crashed < times && !node.has_ended() {
        thread::sleep(Duration::from_millis(rand::random_range(20..300)));
        crashed += u32::from(http::crash(admin, CHAIN).unwrap_or(false));
    }
    crashed
}

#[test]
fn a_chain_that_crashes_during_an_import_resumes_from_disk() {
    let Some(chain) = chains::clique() else {
        return;
    };
    for engine in ["sled", "redb"] {
        let folder = tempfile::tempdir().unwrap();
        let datadir = folder.path().to_str().unwrap();
        chain.init(datadir, engine);
        let mut node = import_with_chaos(&chain, datadir);
        let admin = node.wait_for_admin();
        let crashed = crash_chain(&mut node, admin, REBUILDS);
        assert!(crashed > 0, "the import was over before the first crash");
        let ended = node.wait();
        let rebuilt = ended
            .stderr
            .matches("restart actor=node/core/chain")
            .count();
        println!("{engine}: {crashed} crashes, {rebuilt} rebuilds");
        assert!(rebuilt > 0, "{ended:#?}");
        ended.ok();
        chain.assert_complete(datadir);
    }
}

#[test]
fn too_many_chain_crashes_stop_the_node_in_order() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    chain.init(datadir, "sled");
    let mut node = import_with_chaos(&chain, datadir);
    let admin = node.wait_for_admin();
    while !node.has_ended() {
        // The node is about to stop and need not answer.
        let _ = http::crash(admin, CHAIN);
        thread::sleep(Duration::from_millis(5));
    }
    let ended = node.wait();
    ended.fatal(&["node/core/chain", "too many restarts"]);
    assert_eq!(
        ended
            .stderr
            .matches("restart actor=node/core/chain")
            .count(),
        REBUILDS as usize
    );
    let at = |text: &str| {
        ended
            .stderr
            .find(text)
            .unwrap_or_else(|| panic!("no {text}: {ended:#?}"))
    };
    assert!(at("HTTP endpoint closed") < at("the node stopped"));

    let (number, _) = chains::verified_head(folder.path()).unwrap();
    assert!(number < chain.head_number);
    let node = import_with_chaos(&chain, datadir);
    node.wait().ok();
    chain.assert_complete(datadir);
}

#[test]
fn crashes_of_the_rpc_server_never_restart_the_chain() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    chain.init(datadir, "sled");
    let mut node = import_with_chaos(&chain, datadir);
    let admin = node.wait_for_admin();
    let mut crashed = 0;
    while !node.has_ended() {
        // A crash request during the pause before a restart is refused.
        crashed += u32::from(http::crash(admin, HTTP).unwrap_or(false));
        if let Ok(chain) = http::actor(admin, CHAIN) {
            assert_eq!(chain["generation"], 1, "{chain}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let ended = node.wait();
    let restarts = ended.stderr.matches("restart actor=node/rpc/http").count();
    println!("{crashed} crashes of {HTTP} asked for in one import, {restarts} restarts");
    assert!(restarts > 1, "{ended:#?}");
    assert!(
        !ended.stderr.contains("restart actor=node/core"),
        "{ended:#?}"
    );
    ended.ok();
    chain.assert_complete(datadir);
}

#[test]
fn a_crashed_rpc_server_answers_again_on_the_same_port() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let args = [
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
        "--admin.chaos",
        "--admin.port",
        "0",
    ];
    let mut node = Running::start(&args);
    let (address, admin) = (node.wait_for_http(), node.wait_for_admin());
    let generation = || http::actor(admin, HTTP).unwrap()["generation"].as_u64();
    for round in 1..=3 {
        assert_eq!(http::block_number(address).unwrap(), 0);
        assert!(http::crash(admin, HTTP).unwrap());
        while generation() == Some(round) || http::block_number(address).is_err() {
            let refused = TcpStream::connect(address).err();
            assert!(
                refused.is_none(),
                "a connection during the restart is refused: {refused:?}"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(generation(), Some(4));
    assert_eq!(http::actor(admin, CHAIN).unwrap()["generation"], 1);
}

/// Runs a development chain whose filters crash; returns its log, which is JSON.
fn log_of_a_crash(backtrace: Option<&str>) -> Vec<Value> {
    let mut command = actoreum(&[
        "--dev",
        "--port",
        "0",
        "--nodiscover",
        "--log.json",
        "--admin.chaos",
        "--admin.port",
        "0",
        "--ipcdisable",
    ]);
    if let Some(setting) = backtrace {
        command.env("RUST_BACKTRACE", setting);
    }
    let mut node = Running::start_command(command);
    let admin = node.wait_for_admin();
    assert!(http::crash(admin, FILTERS).unwrap());
    node.wait_for("actor failed");
    node.signal("TERM");
    let ended = node.wait();
    let lines = ended.stderr.lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect();
    ended.ok();
    lines
}

#[test]
fn a_panic_is_one_log_line_with_a_backtrace_only_on_request() {
    for (setting, has_backtrace) in [(None, false), (Some("1"), true)] {
        let lines = log_of_a_crash(setting);
        let panics: Vec<&Value> = lines
            .iter()
            .map(|line| &line["fields"])
            .filter(|fields| fields["message"] == "thread panicked")
            .collect();
        let [panic] = panics[..] else {
            panic!("not one line: {panics:#?}");
        };
        assert_eq!(panic["reason"], "a crash was asked for");
        assert!(
            panic["place"]
                .as_str()
                .unwrap()
                .contains("cell/control.rs:")
        );
        assert_eq!(panic["backtrace"].is_string(), has_backtrace, "{panic:#?}");
    }
}
