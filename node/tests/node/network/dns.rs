//! Nodes that find each other in DNS alone (EIP-1459), with a DNS server of the test on the loopback.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use serde_json::Value;

use super::{Node, until};
use crate::process::run;

/// The domain of the tree. No name server is asked for it: the nodes know the test's one alone.
const DOMAIN: &str = "nodes.test";
/// Number of bytes of the header of a DNS message.
const HEADER: usize = 12;

/// A DNS server of TXT records.
#[derive(Clone, Default)]
struct DnsServer {
    records: Arc<Mutex<BTreeMap<String, String>>>,
}

impl DnsServer {
    fn start() -> (Self, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (server, address) = (Self::default(), socket.local_addr().unwrap());
        let serving = server.clone();
        thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = serving.answer(&packet[..length]) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        (server, address)
    }

    /// Answers a query (RFC 1035): with the record of its name, or that there is no such name.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let mut labels = Vec::new();
        let mut at = HEADER;
        while *query.get(at)? > 0 {
            let length = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(query.get(at + 1..=at + length)?));
            at += length + 1;
        }
        let question = query.get(HEADER..at + 5)?;
        // Names have no case.
        let name = labels.join(".").to_lowercase();
        let records = self.records.lock();
        let record = records.iter().find(|it| it.0.to_lowercase() == name);
        let record = record.map(|(_, text)| text.clone());
        let mut answer = query[..2].to_vec();
        // An answer to a recursive query, without an error or with "no such name".
        answer.extend([0x81, if record.is_some() { 0x80 } else { 0x83 }]);
        answer.extend([0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
        answer.extend(question);
        if let Some(text) = record {
            let strings = text.as_bytes().chunks(255);
            let data: Vec<u8> = strings
                .flat_map(|string| [&[string.len() as u8][..], string].concat())
                .collect();
            // The name of the question, TXT, IN, a minute.
            answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
            answer.extend((data.len() as u16).to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

/// Signs a tree of these nodes with the binary's own command. Returns its URL and its records.
fn sign(folder: &std::path::Path, records: &[String]) -> (String, BTreeMap<String, String>) {
    let tree = folder.join(DOMAIN);
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(
        tree.join("nodes.json"),
        serde_json::to_vec(records).unwrap(),
    )
    .unwrap();
    let key = folder.join("key");
    let (tree, key_file) = (tree.to_str().unwrap(), key.to_str().unwrap());
    if !key.exists() {
        run(&["enr", "new-key", key_file]).ok();
    }
    let url = run(&["dns", "sign", tree, key_file]).ok().trim().to_owned();
    let zone = run(&["dns", "to-zone", tree]).ok();
    assert!(zone.starts_with("$ORIGIN nodes.test.\n@ 1800 IN TXT \"enrtree-root:v1 e="));
    let json = run(&["dns", "to-txt", tree]).ok();
    (url, serde_json::from_str(&json).unwrap())
}

#[test]
fn two_nodes_find_each_other_by_dns_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = DnsServer::start();
    let (url, _) = sign(folder.path(), &[]);
    let address = address.to_string();
    let start = || {
        let flags = ["--discovery.v4=false", "--discovery.dns", &url];
        let server = ["--discovery.dns.server", &address];
        Node::start_in(
            tempfile::tempdir().unwrap(),
            &[&flags[..], &server[..]].concat(),
        )
    };
    let nodes = [start(), start()];
    let records: Vec<String> = nodes
        .iter()
        .map(|node| node.info()["enr"].as_str().unwrap().to_owned())
        .collect();
    assert!(nodes.iter().all(|node| node.peers().is_empty()));
    // The tree appears after the nodes began to ask for it.
    *server.records.lock() = sign(folder.path(), &records).1;
    for node in &nodes {
        until("the nodes are peers", || !node.peers().is_empty());
    }
    let remote = |node: &Node| node.peers()[0]["id"].clone();
    assert_eq!(remote(&nodes[0]), Value::from(nodes[1].id()));
    assert_eq!(remote(&nodes[1]), Value::from(nodes[0].id()));
    for node in nodes {
        node.stop();
    }
}

#[test]
fn an_invalid_tree_url_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    run(&["--datadir", datadir, "--discovery.dns", "enrtree://x"]).fatal(&[
        "invalid DNS discovery URL \"enrtree://x\"",
        "missing public key",
    ]);
    let refused = run(&["--discovery.dns.server", "here", "version"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("IP:PORT"), "{}", refused.stderr);
}
