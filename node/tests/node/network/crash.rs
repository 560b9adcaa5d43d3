//! Crashes of network actors while peers and malformed traffic keep the node busy.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{Node, until};
use crate::browser::Page;
use crate::http;

const ACTORS: [&str; 4] = [
    "node/network/connections/server",
    "node/network/connections/edges/listener",
    "node/network/connections/edges/dialer",
    "node/network/discovery",
];
pub(super) const PEERS: &str = "node/network/connections/peers";

/// Sends malformed data over new connections, and malformed datagrams, until `is_over`.
pub(super) fn disturb(to: SocketAddr, discovery: SocketAddr, is_over: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    while !is_over.load(Relaxed) {
        if let Ok(mut stream) = TcpStream::connect(to) {
            let _ = stream.write_all(&[7; 400]);
        }
        for length in 1..20 {
            let _ = socket.send_to(&vec![7; 60 * length], discovery);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the generation of an actor; `None` while the actor is not in the tree, since a
/// supervisor that restarts removes its children.
pub(super) fn generation(admin: SocketAddr, path: &str) -> Option<u64> {
    http::actor(admin, path).ok()?["generation"].as_u64()
}

/// Returns the number of messages in the mailboxes of an actor and its descendants.
fn waiting(actor: &Value) -> u64 {
    let own = actor["mailbox"]["depth"].as_u64().unwrap_or_default();
    let children = actor["children"].as_array().into_iter().flatten();
    own + children.map(waiting).sum::<u64>()
}

/// Returns the number of open files and sockets of a node, without the file of its incidents, which
/// the first crash opens.
pub(super) fn descriptors(node: &Node) -> usize {
    let folder = format!("/proc/{}/fd", node.process.id());
    let entries = fs::read_dir(folder).unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets
        .filter(|target| !target.ends_with("incidents.jsonl"))
        .count()
}

#[test]
fn crashed_network_actors_regain_peers_and_the_page_shows_it() {
    let folder = || tempfile::tempdir().unwrap();
    let chaos = ["--admin.chaos", "--admin.port", "0"];
    let mut hub = Node::start_in(folder(), &chaos);
    let admin = hub.process.wait_for_admin();
    let url = hub.enode();
    let others: Vec<Node> = (0..4)
        .map(|_| Node::start_in(folder(), &["--bootnodes", &url]))
        .collect();
    for other in &others {
        hub.add(&other.enode());
    }
    let has_all_peers = || hub.peers().len() == others.len();
    until("all peers are connected", has_all_peers);
    let before = descriptors(&hub);

    let is_over = Arc::new(AtomicBool::new(false));
    let (to, discovery, stop) = (hub.address(), hub.discovery(), Arc::clone(&is_over));
    let disturbing = thread::spawn(move || disturb(to, discovery, &stop));
    for path in ACTORS {
        until("the actor is running", || generation(admin, path).is_some());
        let generation_before = generation(admin, path);
        until("the actor is crashed", || http::crash(admin, path).unwrap());
        until("the actor is restarted", || {
            generation(admin, path) > generation_before
        });
        until("all peers are connected again", has_all_peers);
        let ports = (hub.address(), hub.discovery());
        assert_eq!(ports, (to, discovery), "the ports stay the same");
    }
    let peers = http::actor(admin, PEERS).unwrap();
    for peer in peers["children"].as_array().unwrap() {
        // A malformed connection may have ended meanwhile.
        let path = peer["path"].as_str().unwrap();
        let body = serde_json::json!({ "path": path }).to_string();
        http::request(admin, "POST", "/api/crash", &body).unwrap();
    }
    until("all peers are connected after their crash", has_all_peers);
    is_over.store(true, Relaxed);
    disturbing.join().unwrap();

    until("no malformed connection is left", || {
        // Before the requests below, whose connections may linger for a moment.
        let is_closed = descriptors(&hub) <= before;
        let network = http::actor(admin, "node/network").unwrap();
        let peers = http::actor(admin, PEERS).unwrap();
        let connections = peers["children"].as_array().unwrap().len();
        // A connection may be about to be refused as the second one of a peer.
        has_all_peers() && connections == others.len() && waiting(&network) == 0 && is_closed
    });

    let Some(mut page) = Page::open(&format!("http://{admin}")) else {
        return;
    };
    for path in ACTORS {
        let restarts = format!(
            "Number([...document.querySelectorAll('[data-path=\"{path}\"] .num')]\
             .find((it) => it.firstChild.textContent === 'restarts')?.lastChild.textContent) >= 1"
        );
        page.wait_for(&restarts);
    }
    let shown = format!(
        "document.querySelectorAll('#peers tbody tr').length === {}",
        others.len()
    );
    page.wait_for(&shown);
    let headings = page.value("document.querySelector('#peers thead').innerText");
    let headings = headings.as_str().unwrap().to_lowercase();
    for part in [
        "client",
        "direction",
        "protocols",
        "in",
        "out",
        "round trip",
        "score",
    ] {
        assert!(headings.contains(part), "{part} is not in: {headings}");
    }
    page.wait_for("document.querySelectorAll('#buckets svg.buckets rect').length >= 16");
}

#[test]
fn peers_return_after_a_network_actor_has_hung() {
    let folder = || tempfile::tempdir().unwrap();
    let chaos = [
        "--admin.chaos",
        "--admin.chaos.stuck",
        "2s",
        "--admin.port",
        "0",
    ];
    let mut hub = Node::start_in(folder(), &chaos);
    let admin = hub.process.wait_for_admin();
    let other = Node::start_in(folder(), &["--bootnodes", &hub.enode()]);
    hub.add(&other.enode());
    until("the peer is connected", || hub.peers().len() == 1);
    let ports = (hub.address(), hub.discovery());
    for path in ["node/network/connections/server", "node/network/discovery"] {
        let before = generation(admin, path);
        assert!(http::hang(admin, path, Duration::from_secs(5)).unwrap());
        until("the actor is replaced", || generation(admin, path) > before);
        until("the peer is back", || hub.peers().len() == 1);
        assert_eq!((hub.address(), hub.discovery()), ports);
    }
    // The threads that were given up have ended.
    thread::sleep(Duration::from_secs(5));
    until("the peer is there", || hub.peers().len() == 1);
    hub.stop();
    other.stop();
}
