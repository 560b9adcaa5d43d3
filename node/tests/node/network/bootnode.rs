//! `actoreum bootnode`, with the flags of geth's tool, and the tools for records.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use super::{Node, until};
use crate::process::{actoreum, run};

/// A running bootnode. It is killed on drop.
struct Bootnode {
    process: std::process::Child,
    url: String,
}

impl Bootnode {
    fn start(args: &[&str]) -> Self {
        let mut command: Command =
            actoreum(&[&["bootnode", "-addr", "127.0.0.1:0"], args].concat());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("enode://"), "{url}");
        Self { process, url }
    }
}

impl Drop for Bootnode {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_bootnode_takes_geths_flags() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("boot.key");
    let key_file = key.to_str().unwrap();
    run(&["bootnode", "-genkey", key_file]).ok();
    let digits = std::fs::read_to_string(&key).unwrap();
    assert_eq!(digits.len(), 64);
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(&["bootnode", "-genkey", key_file]).fatal(&["boot.key"]);

    let address = run(&["bootnode", "-nodekey", key_file, "-writeaddress"]).ok();
    assert_eq!(address.trim().len(), 128);
    let same = run(&["bootnode", "--nodekeyhex", &digits, "--writeaddress"]).ok();
    assert_eq!(address, same);
    run(&["bootnode"]).fatal(&["Use -nodekey or -nodekeyhex to specify a private key"]);
    run(&["bootnode", "-nodekeyhex", &digits, "-addr", "here"]).fatal(&["-addr"]);
    run(&["bootnode", "-nodekeyhex", &digits, "-nat", "magic"]).fatal(&["nat"]);

    let bootnode = Bootnode::start(&["-nodekey", key_file]);
    assert!(bootnode.url.contains(address.trim()), "{}", bootnode.url);
}

#[test]
fn nodes_find_each_other_through_a_bootnode() {
    let digits = "07".repeat(32);
    let bootnode = Bootnode::start(&["-nodekeyhex", &digits]);
    // The URL names the UDP port in its query; as geth's users write it, both ports are the same.
    let (key, ports) = bootnode.url.split_once('@').unwrap();
    let port = ports.split_once("discport=").unwrap().1;
    let url = format!("{key}@127.0.0.1:{port}");
    let start = || {
        let flags = ["--bootnodes", url.as_str(), "--discovery.dns", ""];
        Node::start_in(tempfile::tempdir().unwrap(), &flags)
    };
    let nodes = [start(), start()];
    for node in &nodes {
        until("the nodes are peers", || !node.peers().is_empty());
    }
    assert_eq!(nodes[0].peers()[0]["id"], nodes[1].id());
}

#[test]
fn a_record_is_signed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let key = key.to_str().unwrap();
    run(&["enr", "new-key", key]).ok();
    let record = run(&[
        "enr", "sign", key, "--ip", "10.0.0.7", "--tcp", "1", "--seq", "5",
    ])
    .ok();
    let shown = run(&["enr", "show", record.trim()]).ok();
    for part in [
        "Record has sequence number 5 and 5 key/value pairs.",
        "\"ip\"        10.0.0.7",
        "\"tcp\"       1\n",
        "\"udp\"       30303",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let enode = run(&["enode", "show", record.trim()]).ok();
    assert!(enode.contains("@10.0.0.7:1?discport=30303"), "{enode}");
    let of_key = run(&["enode", "show", key, "--ip", "10.0.0.7", "--tcp", "1"]).ok();
    assert_eq!(of_key, enode);
    run(&["enr", "show", "enr:AAAA"]).fatal(&["INVALID"]);
    run(&["enr", "show"]).fatal(&["need record as argument"]);
    run(&["enode", "show", "enode://x"]).fatal(&["enode://KEY@HOST:PORT"]);
}
