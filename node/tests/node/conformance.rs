//! The conformance tests of execution-apis against the binary, judged as hive's rpc-compat does.
//!
//! A test is a file of requests (`>>`) and the answers to them (`<<`). An answer must equal the
//! recorded one, except for the text of an error. Of a test marked `speconly` the shape is compared:
//! the members and their types.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    chains::fixtures,
    http,
    process::{Running, run},
};

/// The tests that fail, each with its reason. One that passes is to be taken off the list.
const FAILING: [(&str, &str); 2] = [
    (
        "eth_getBlockByNumber/get-finalized",
        "a consensus client names the finalized block, and there is no Engine API yet",
    ),
    (
        "eth_getBlockByNumber/get-safe",
        "a consensus client names the safe block, and there is no Engine API yet",
    ),
];

/// Members of recorded answers that the specification leaves out where they do not apply: this node
/// deletes no logs.
const OPTIONAL: [&str; 1] = [".result.logs.deleteStrategy"];

/// Returns the files of the tests, in their order.
fn tests(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let methods = entries(folder).into_iter().filter(|path| path.is_dir());
    let files = methods.flat_map(|method| entries(&method));
    files
        .filter(|path| path.extension().is_some_and(|it| it == "io"))
        .collect()
}

/// Returns the name of a test: the method and the case.
fn name(file: &Path) -> String {
    let case = file.file_stem().unwrap().to_str().unwrap();
    let method = file.parent().unwrap().file_name().unwrap();
    format!("{}/{case}", method.to_str().unwrap())
}

/// Runs a test; returns the first place where an answer is not the expected one.
fn difference_in(address: SocketAddr, file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).unwrap();
    let is_speconly = text.lines().any(|line| line.starts_with("// speconly:"));
    let mut answer = Value::Null;
    for line in text.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            let (_, body) = http::request(address, "POST", "/", request).unwrap();
            answer = serde_json::from_str(&body).unwrap();
        } else if let Some(expected) = line.strip_prefix("<< ") {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let compare = if is_speconly && answer.get("error").is_none() {
                misshapen
            } else {
                difference
            };
            if let Some(place) = compare(&answer, &expected, "") {
                return Some(place);
            }
        }
    }
    None
}

/// Returns the first place where two answers differ. The texts of errors may.
fn difference(have: &Value, want: &Value, place: &str) -> Option<String> {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            let is_error = place.ends_with(".error");
            let keys = want.keys().chain(have.keys());
            keys.filter(|key| !(is_error && *key == "message"))
                .find_map(|key| {
                    let place = format!("{place}.{key}");
                    match (have.get(key), want.get(key)) {
                        (Some(have), Some(want)) => difference(have, want, &place),
                        (have, want) => Some(format!("{place}: {have:?}, expected {want:?}")),
                    }
                })
        }
        (Value::Array(have), Value::Array(want)) if have.len() == want.len() => {
            let mut pairs = have.iter().zip(want).enumerate();
            pairs.find_map(|(index, (have, want))| {
                difference(have, want, &format!("{place}[{index}]"))
            })
        }
        _ if have == want => None,
        _ => Some(format!("{place}: {have}, expected {want}")),
    }
}

/// Returns the first place where an answer lacks a member of the expected one, or has another type.
fn misshapen(have: &Value, want: &Value, place: &str) -> Option<String> {
    match (have, want) {
        (_, Value::Null) => None,
        (Value::Object(have), Value::Object(want)) => want.iter().find_map(|(key, want)| {
            let place = format!("{place}.{key}");
            match have.get(key) {
                Some(have) => misshapen(have, want, &place),
                None if OPTIONAL.contains(&place.as_str()) => None,
                None => Some(format!("{place} is missing")),
            }
        }),
        (Value::Array(have), Value::Array(want)) => {
            let want = want.first()?;
            let mut items = have.iter().enumerate();
            items.find_map(|(index, have)| misshapen(have, want, &format!("{place}[{index}]")))
        }
        _ if std::mem::discriminant(have) == std::mem::discriminant(want) => None,
        _ => Some(format!("{place}: {have}, expected the type of {want}")),
    }
}

#[test]
fn the_conformance_tests_of_execution_apis_pass() {
    let Some(folder) = fixtures().map(|folder| folder.join("rpc-compat")) else {
        return;
    };
    let datadir = tempfile::tempdir().unwrap();
    let datadir = datadir.path().to_str().unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    run(&["init", "--datadir", datadir, &file("genesis.json")]).ok();
    let blocks = file("chain.rlp");
    run(&["import", "--datadir", datadir, "--fakepow", &blocks]).ok();
    let api = "eth,net,web3,debug,txpool,testing";
    let network = "3503995874084926";
    let flags = ["--fakepow", "--http.api", api, "--networkid", network];
    let (_node, address) = Running::start_http(datadir, &flags);

    let (mut passed, mut surprises) = (0, Vec::new());
    for file in tests(&folder) {
        let name = name(&file);
        let is_listed = FAILING.iter().any(|(listed, _)| *listed == name);
        match difference_in(address, &file) {
            None if is_listed => surprises.push(format!("{name} passes, and is listed")),
            None => passed += 1,
            Some(_) if is_listed => {}
            Some(place) => surprises.push(format!("{name}: {place}")),
        }
    }
    println!(
        "{passed} conformance tests pass, {} are listed",
        FAILING.len()
    );
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert!(passed >= 100, "{passed}");
}
