use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use actoreum_primitives::SecretKey;
use actoreum_wire::dns::{Tree, TreeLink};
use actoreum_wire::nodes::{EnodeEndpoint, EnrBuilder};
use actoreum_wire::p2p::Protocol;
use futures_util::future::{BoxFuture, LocalBoxFuture};

use super::*;
use crate::net::protocol::{Link, ProtocolHandler, SessionExit};
use crate::net::settings::NetworkSettings;
use crate::net::tcp::OsTransport;
use actoreum_supervision::{
    ActorRef, ChildSpec, Strategy, SupervisorSpec, TreeHandle, TreeOptions,
};

/// The records of a zone, and the number of queries.
struct Zone {
    records: BTreeMap<String, String>,
    queries: Arc<AtomicUsize>,
}

impl TxtResolver for Zone {
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, String>> {
        self.queries.fetch_add(1, Relaxed);
        let found = self.records.get(name).map(|text| vec![text.clone()]);
        Box::pin(std::future::ready(
            found.ok_or_else(|| "no such host".to_owned()),
        ))
    }
}

/// The handler of a protocol that refuses records with an entry `eth`.
struct Handler;

impl ProtocolHandler for Handler {
    fn offered(&self) -> Vec<Protocol> {
        Vec::new()
    }

    fn accepts_record(&self, record: &Enr) -> bool {
        record.raw("eth").is_none()
    }

    fn run_session(&self, _: Link) -> LocalBoxFuture<'static, SessionExit> {
        Box::pin(std::future::pending())
    }
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

fn at(number: u8) -> EnodeEndpoint {
    EnodeEndpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), 30303, 30303)
}

fn node(number: u8) -> Enr {
    let builder = EnrBuilder::new().with_endpoint(&at(number));
    builder.sign(1, &key(number)).unwrap()
}

/// Starts the actor over a tree of these nodes. Returns it and the number of queries.
async fn start(
    nodes: Vec<Enr>,
    change: impl FnOnce(&mut NetworkSettings),
) -> (TreeHandle, ActorRef<DnsDiscoveryActor>, Arc<AtomicUsize>) {
    let mut tree = Tree::new(1, nodes, Vec::new()).unwrap();
    let link: TreeLink = tree.sign(&key(200), "nodes.test").unwrap();
    let mut settings = NetworkSettings::new(key(1), "test");
    settings.dns_trees = vec![link];
    change(&mut settings);
    let shared = Shared::new(
        settings,
        Arc::new(OsTransport::default()),
        Arc::new(Handler),
    );
    let queries = Arc::new(AtomicUsize::new(0));
    let resolver: Arc<dyn TxtResolver> = Arc::new(Zone {
        records: tree.records("nodes.test"),
        queries: Arc::clone(&queries),
    });
    let (shared, dns) = (Arc::new(shared), ActorRef::new("dns"));
    let create = move || DnsDiscoveryActor::new(Arc::clone(&shared), Arc::clone(&resolver));
    let spec = SupervisorSpec::new("node", Strategy::OneForOne).child(ChildSpec::new(&dns, create));
    let tree = TreeOptions::default().single_thread().start(spec).await;
    let tree = tree.unwrap();
    let handle = tree.handle().clone();
    actix_rt::spawn(tree.wait());
    (handle, dns, queries)
}

#[actix_rt::test]
async fn every_node_of_a_tree_is_found() {
    let (tree, dns, _) = start((2..=30).map(node).collect(), |_| {}).await;
    tokio::time::pause();
    let mut found = Vec::new();
    while found.len() < 29 {
        for enode in dns.ask(FindNodes).await.unwrap() {
            found.extend((!found.contains(&enode)).then_some(enode));
        }
    }
    assert!((2..=30).all(|number| found.contains(&node(number).enode())));
    tree.stop();
}

#[actix_rt::test]
async fn a_node_that_asks_for_no_nodes_queries_little() {
    let (tree, dns, queries) = start((2..=100).map(node).collect(), |_| {}).await;
    assert_eq!(queries.load(Relaxed), 0);
    tokio::time::pause();
    dns.ask(FindNodes).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    let before = queries.load(Relaxed);
    assert!(before < 60, "{before} queries");
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(queries.load(Relaxed), before);
    let found = dns.ask(FindNodes).await.unwrap();
    assert_eq!(found.len(), MAX_DNS_NODES);
    tree.stop();
}

#[actix_rt::test]
async fn nodes_that_cannot_be_peers_are_left_out() {
    let of_other_chain = EnrBuilder::new().with_endpoint(&at(3)).with("eth", &1_u64);
    let no_port = EnrBuilder::new().with_endpoint(&EnodeEndpoint { tcp: 0, ..at(4) });
    let restricted = EnodeEndpoint::new(IpAddr::from([11, 0, 0, 1]), 1, 1);
    let restricted = EnrBuilder::new().with_endpoint(&restricted);
    let nodes = vec![
        node(1),
        node(2),
        of_other_chain.sign(1, &key(3)).unwrap(),
        no_port.sign(1, &key(4)).unwrap(),
        EnrBuilder::new().sign(1, &key(5)).unwrap(),
        restricted.sign(1, &key(6)).unwrap(),
    ];
    let (tree, dns, _) = start(nodes, |settings| {
        settings.restrict = Some("10.0.0.0/8".parse().unwrap());
    })
    .await;
    tokio::time::pause();
    for _ in 0..5 {
        let found = dns.ask(FindNodes).await.unwrap();
        assert!(
            found.iter().all(|enode| *enode == node(2).enode()),
            "{found:?}"
        );
    }
    tree.stop();
}
