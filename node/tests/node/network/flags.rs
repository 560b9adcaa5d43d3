//! The flags and the files that configure the network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{Node, until};
use crate::process::{free_port, run};

const KEY: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
/// The public key of [`KEY`].
const PUBLIC_KEY: &str = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd3138\
                          7574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";

#[test]
fn the_node_key_comes_from_a_flag_a_file_or_the_folder() {
    let expected = format!("enode://{PUBLIC_KEY}@");
    let node = Node::start(&["--nodekeyhex", KEY]);
    assert!(node.enode().starts_with(&expected), "{}", node.enode());
    let folder = node.stop();
    let own = folder.path().join("actoreum/nodekey");
    assert!(
        !own.exists(),
        "a key from a flag is not written to the folder"
    );

    let file = folder.path().join("key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let node = Node::start(&["--nodekey", file.to_str().unwrap()]);
    assert!(node.enode().starts_with(&expected), "{}", node.enode());

    let node = Node::start(&[]);
    let enode = node.enode();
    let folder = node.stop();
    let own = folder.path().join("actoreum/nodekey");
    let mode = fs::metadata(&own).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let node = Node::start_in(folder, &["--nodiscover"]);
    let key = |enode: &str| enode.split('@').next().unwrap().to_owned();
    assert_eq!(key(&node.enode()), key(&enode), "the key is kept");

    run(&["--nodekeyhex", KEY, "--nodekey", "x"]).fatal(&["--nodekey", "exclude"]);
    run(&["--nodekeyhex", "00"]).fatal(&["--nodekeyhex"]);
}

#[test]
fn static_and_trusted_nodes_come_from_files() {
    let full = Node::start(&["--maxpeers", "0"]);
    let (id, url) = (full.id(), full.enode());
    let folder = tempfile::tempdir().unwrap();
    let instance = folder.path().join("actoreum");
    fs::create_dir_all(&instance).unwrap();
    let list = json!([url, "not a node"]).to_string();
    fs::write(instance.join("static-nodes.json"), list).unwrap();
    let node = Node::start_in(folder, &["--nodiscover", "--nodekeyhex", KEY]);
    thread::sleep(Duration::from_secs(2));
    assert!(node.peer(&id).is_none(), "the node has no room for a peer");

    let own_url = node.enode();
    let folder = full.stop();
    let instance = folder.path().join("actoreum");
    fs::write(
        instance.join("trusted-nodes.json"),
        json!([own_url]).to_string(),
    )
    .unwrap();
    let port = url.rsplit_once(':').unwrap().1.split('?').next().unwrap();
    let full = Node::start_in(folder, &["--nodiscover", "--maxpeers", "0", "--port", port]);
    until(
        "the static node is connected to the node that trusts it",
        || node.peer(&id).is_some(),
    );
    assert_eq!(full.peers()[0]["network"]["trusted"], true);
    assert_eq!(node.peer(&id).unwrap()["network"]["static"], true);
}

#[test]
fn nodes_find_each_other_through_a_bootnode() {
    let folder = || tempfile::tempdir().unwrap();
    let boot = Node::start_in(folder(), &[]);
    let url = boot.enode();
    let nodes: Vec<Node> = ["--bootnodes", "--bootnodesv4"]
        .into_iter()
        .map(|flag| Node::start_in(folder(), &[flag, &url]))
        .collect();
    let other = nodes[1].id();
    until("both nodes are connected", || {
        nodes[0].peer(&other).is_some()
    });
}

#[test]
fn netrestrict_excludes_peers_of_other_networks() {
    let closed = Node::start(&["--netrestrict", "10.0.0.0/8,192.168.0.0/16"]);
    let open = Node::start(&["--netrestrict", "127.0.0.0/8"]);
    let (closed_id, open_id) = (closed.id(), open.id());
    open.add(&closed.enode());
    closed.add(&open.enode());
    thread::sleep(Duration::from_secs(3));
    assert!(open.peer(&closed_id).is_none() && closed.peer(&open_id).is_none());
    let other = Node::start(&[]);
    other.add(&open.enode());
    until("a peer of an allowed network is connected", || {
        other.peer(&open_id).is_some()
    });
}

#[test]
fn a_port_in_use_is_named() {
    let port = free_port().to_string();
    let node = Node::start(&["--port", &port]);
    assert_eq!(node.address().port().to_string(), port);
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let ended = run(&["--datadir", datadir, "--port", &port, "--nodiscover"]);
    ended.fatal(&[&port, "address already in use", "--port"]);
}

#[test]
fn geths_discovery_v5_flags_start_discovery_v5() {
    let hub = Node::start(&["--v5disc"]);
    let record = hub.call("admin_nodeInfo", json!([]))["enr"].clone();
    let flags = ["--discv5", "--discovery.v4=false", "--bootnodesv5"];
    let node = Node::start(&[&flags[..], &[record.as_str().unwrap()]].concat());
    let id = hub.id();
    until("it is found by v5 alone", || node.peer(&id).is_some());
}
