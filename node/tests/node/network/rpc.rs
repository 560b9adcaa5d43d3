//! The methods `admin_*` and `net_*`.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Node, until};
use crate::process::free_port;

#[test]
fn peers_are_added_and_removed_over_rpc() {
    let (one, two) = (Node::start(&[]), Node::start(&[]));
    let (id, url) = (two.id(), two.enode());
    let mut watching = one.ipc();
    let subscribed = watching.ask("admin_subscribe", &json!(["peerEvents"]));
    let subscription = subscribed["result"].as_str().unwrap().to_owned();

    one.add(&url);
    until("both are connected", || {
        one.peer(&id).is_some() && two.peers().len() == 1
    });
    let (mine, theirs) = (one.peer(&id).unwrap(), two.peer(&one.id()).unwrap());
    assert_eq!(mine["network"]["static"], true);
    assert_eq!(mine["network"]["inbound"], false);
    assert_eq!(mine["network"]["trusted"], false);
    assert_eq!(theirs["network"]["inbound"], true);
    assert_eq!(
        mine["network"]["localAddress"],
        theirs["network"]["remoteAddress"]
    );
    let listener = format!("127.0.0.1:{}", two.address().port());
    assert_eq!(mine["network"]["remoteAddress"], listener);
    let capabilities = mine["caps"].as_array().unwrap();
    assert!(capabilities.contains(&json!("eth/68")), "{mine}");
    assert!(
        mine["name"].as_str().unwrap().starts_with("Actoreum/"),
        "{mine}"
    );
    assert_eq!(one.call("net_peerCount", json!([])), "0x1");

    one.call("admin_addTrustedPeer", json!([url]));
    assert_eq!(one.peer(&id).unwrap()["network"]["trusted"], true);
    one.call("admin_removeTrustedPeer", json!([url]));
    assert_eq!(one.peer(&id).unwrap()["network"]["trusted"], false);

    one.call("admin_removePeer", json!([url]));
    until("both are disconnected", || {
        one.peers().is_empty() && two.peers().is_empty()
    });
    assert_eq!(one.call("net_peerCount", json!([])), "0x0");

    let event = |event: Value| {
        assert_eq!(event["method"], "admin_subscription");
        assert_eq!(event["params"]["subscription"], subscription.as_str());
        event["params"]["result"].clone()
    };
    let added = json!({"type": "add", "peer": id});
    assert_eq!(event(watching.read()), added);
    let dropped = json!({"type": "drop", "peer": id, "error": "disconnect requested"});
    assert_eq!(event(watching.read()), dropped);
    let ended = watching.ask("admin_unsubscribe", &json!([subscription]));
    assert_eq!(ended["result"], true);

    // The subscription has ended: the next message is an answer.
    one.add(&url);
    until("the peer is connected again", || one.peer(&id).is_some());
    let version = watching.ask("net_version", &json!([]));
    assert_eq!(version["result"], "99");
}

#[test]
fn a_trusted_node_connects_beyond_maxpeers() {
    let (full, one) = (Node::start(&["--maxpeers", "0"]), Node::start(&[]));
    let id = full.id();
    one.add(&full.enode());
    thread::sleep(Duration::from_secs(3));
    assert!(one.peer(&id).is_none());
    full.call("admin_addTrustedPeer", json!([one.enode()]));
    until("the trusted node is connected", || one.peer(&id).is_some());
    assert_eq!(full.peers()[0]["network"]["trusted"], true);
}

#[test]
fn node_info_reports_identity_and_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap().to_owned();
    let wanted = free_port().to_string();
    let node = Node::start_in(folder, &["--nat", "extip:8.8.4.4", "--port", &wanted]);
    let info = node.info();
    let (id, enode) = (
        info["id"].as_str().unwrap(),
        info["enode"].as_str().unwrap(),
    );
    assert_eq!(id.len(), 64);
    let port = info["ports"]["listener"].as_u64().unwrap();
    assert_eq!(info["ports"]["discovery"], port);
    assert_eq!(port.to_string(), wanted);
    assert_eq!(info["ip"], "8.8.4.4");
    assert_eq!(info["listenAddr"], format!("[::]:{port}"));
    assert!(enode.ends_with(&format!("@8.8.4.4:{port}")), "{enode}");
    assert!(info["enr"].as_str().unwrap().starts_with("enr:-"), "{info}");
    assert!(
        info["name"].as_str().unwrap().starts_with("Actoreum/"),
        "{info}"
    );
    let eth = &info["protocols"]["eth"];
    assert_eq!(eth["network"], 99);
    assert_eq!(eth["genesis"], eth["head"]);
    assert!(eth["difficulty"].is_number(), "{eth}");
    assert_eq!(node.call("admin_datadir", json!([])), datadir.as_str());
    assert_eq!(node.call("net_listening", json!([])), true);
    assert_eq!(node.call("net_version", json!([])), "99");
}

#[test]
fn an_invalid_enode_url_is_refused_with_a_reason() {
    let node = Node::start(&[]);
    let mut ipc = node.ipc();
    for method in [
        "admin_addPeer",
        "admin_removePeer",
        "admin_addTrustedPeer",
        "admin_removeTrustedPeer",
    ] {
        for wrong in ["", "enode://00@127.0.0.1:1", "http://localhost"] {
            let answer = ipc.ask(method, &json!([wrong]));
            let error = answer["error"]["message"].as_str().unwrap();
            assert!(error.starts_with("invalid enode: "), "{answer}");
        }
        let answer = ipc.ask(method, &json!([]));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let answer = ipc.ask("admin_subscribe", &json!(["nothing"]));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
}
