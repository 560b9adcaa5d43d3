//! Tests of subscriptions over a real WebSocket to the real actor, and of malformed input.

#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::filter::FilterActor;
use actoreum_actors::shared_socket::SharedSocket;
use actoreum_chain::{ChainEvent, ChainReader, ExecutedBlock, SealedHeader, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_messages::chain::BlockOrigin;
use actoreum_messages::events::{ChainCause, ChainChanged};
use actoreum_primitives::{B256, Block, Body, Genesis, Header, b256};
use actoreum_rpc::namespaces;
use actoreum_rpc::node::{Node, NodeHandles, NodeSettings};
use actoreum_rpc::server::connection::figures::OpenConnections;
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::http::{Endpoints, HttpActor, HttpConfig, Origins, WsEndpoint};
use actoreum_rpc::server::pool::HeavyPool;
use actoreum_storage::Store;
use actoreum_supervision::testing::until;
use actoreum_supervision::{ActorRef, ChildSpec, Strategy as Restarts, SupervisorSpec, Tree};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const MAINNET_GENESIS: B256 =
    b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3");
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const BODY_BYTES: usize = 4096;

/// A node that serves HTTP and WebSocket on one port.
struct Served {
    address: SocketAddr,
    connections: OpenConnections,
    filters: ActorRef<FilterActor>,
}

fn with_node<F: Future<Output = ()>>(test: impl FnOnce(Served) -> F) {
    actoreum_supervision::block_on(async {
        let store = Store::memory();
        genesis::init(&store, &Genesis::mainnet()).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let engine = engine_for(reader.config(), EngineOptions::default()).engine;
        let followed = reader.clone();
        let node = Node::new(
            NodeHandles::new(reader, engine),
            NodeSettings::new("Actoreum/test", 1),
        );
        let filters = node.filters.clone();
        let methods = namespaces::methods(&node);
        let dispatcher = Arc::new(Dispatcher::new(
            Arc::new(node),
            &methods,
            &["eth".to_owned()],
            HeavyPool::alone(1, 10).unwrap(),
            DispatchLimits::default(),
        ));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut config = HttpConfig::new(address);
        config.limits.workers = 1;
        config.body_bytes = BODY_BYTES;
        let connections = config.connections.clone();
        let endpoints = Endpoints {
            http: Some(Arc::clone(&dispatcher)),
            websocket: Some(WsEndpoint {
                dispatcher,
                origins: Origins::new(&["http://localhost".to_owned()]),
            }),
        };
        let http: ActorRef<HttpActor<Node>> = ActorRef::new("http");
        let socket = SharedSocket::default();
        let spec = SupervisorSpec::new("node", Restarts::OneForOne)
            .child(ChildSpec::new(&filters, move || {
                FilterActor::new(followed.clone())
            }))
            .child(
                ChildSpec::new(&http, move || {
                    HttpActor::new(config.clone(), socket.clone(), endpoints.clone())
                })
                .arbiter("rpc"),
            );
        let tree = Tree::start(spec).await.unwrap();
        let served = Served {
            address,
            connections,
            filters,
        };
        test(served).await;
        assert_eq!(tree.shutdown().await.exit_code(), 0);
    });
}

/// A WebSocket client that can also misbehave.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    /// Connects a client. The error is the status line if the server does not upgrade.
    async fn connect(
        address: SocketAddr,
        host: &str,
        origin: Option<&str>,
    ) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if !head.starts_with("HTTP/1.1 101") {
            return Err(head.lines().next().unwrap().to_owned());
        }
        assert!(head.to_lowercase().contains("s3pplmbitxaq9kygzzhzrbk+xoo="));
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    async fn open(address: SocketAddr) -> Self {
        Self::connect(address, "localhost", None).await.unwrap()
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        // The server may have closed the connection already.
        let _ = self.stream.write_all(&frame(first, payload)).await;
    }

    async fn call(&mut self, id: u64, method: &str, params: Value) {
        let body = json!({ "id": id, "method": method, "params": params }).to_string();
        self.send(0x80 | TEXT, body.as_bytes()).await;
    }

    /// Returns the next frame; `None` if the server has closed the connection.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            let mut chunk = [0; 65_536];
            let read = timeout(Duration::from_secs(60), self.stream.read(&mut chunk));
            match read.await.expect("the server answers in time") {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.read.extend_from_slice(&chunk[..length]),
            }
        }
    }

    fn parse(&mut self) -> Option<(u8, Vec<u8>)> {
        let opcode = self.read.first()? & 0x0f;
        let (length, at) = match *self.read.get(1)? {
            126 => (
                u64::from(u16::from_be_bytes(self.read.get(2..4)?.try_into().unwrap())),
                4,
            ),
            127 => (
                u64::from_be_bytes(self.read.get(2..10)?.try_into().unwrap()),
                10,
            ),
            length => (u64::from(length), 2),
        };
        let end = at + usize::try_from(length).unwrap();
        let payload = self.read.get(at..end)?.to_vec();
        self.read.drain(..end);
        Some((opcode, payload))
    }

    async fn json(&mut self) -> Value {
        let (opcode, payload) = self.frame().await.unwrap();
        assert_eq!(opcode, TEXT);
        serde_json::from_slice(&payload).unwrap()
    }
}

/// Encodes a masked frame. `first` holds the final bit, the reserved bits and the opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

/// A chain of blocks without transactions.
struct TestChain {
    number: u64,
    parent_hash: B256,
}

impl TestChain {
    fn new() -> Self {
        Self {
            number: 0,
            parent_hash: MAINNET_GENESIS,
        }
    }

    /// Returns the events of the next blocks.
    fn heads(&mut self, blocks: u64) -> ChainChanged {
        let added = (0..blocks).map(|_| {
            self.number += 1;
            let header = Header {
                parent_hash: self.parent_hash,
                number: self.number,
                ..Header::default()
            };
            self.parent_hash = header.hash();
            ChainEvent::Added(ExecutedBlock {
                header: SealedHeader::new(header.clone()),
                block: Arc::new(Block {
                    header,
                    body: Body::default(),
                }),
                receipts: Arc::default(),
            })
        });
        ChainChanged {
            events: added.collect(),
            cause: ChainCause::Import(BlockOrigin::Live),
        }
    }
}

#[test]
fn a_subscriber_gets_heads_in_order_until_it_unsubscribes() {
    with_node(|served| async move {
        let mut chain = TestChain::new();
        let mut client = Client::open(served.address).await;
        client.call(1, "eth_subscribe", json!(["newHeads"])).await;
        let named = client.json().await;
        let name = named["result"].as_str().unwrap().to_owned();
        assert!(name.starts_with("0x"), "{named}");
        served.filters.tell(chain.heads(3)).unwrap();
        for number in ["0x1", "0x2", "0x3"] {
            let notification = client.json().await;
            assert_eq!(notification["method"], "eth_subscription");
            assert_eq!(notification["params"]["subscription"], name.as_str());
            assert_eq!(notification["params"]["result"]["number"], number);
        }
        client.call(2, "eth_blockNumber", json!([])).await;
        assert_eq!(client.json().await["result"], "0x0");
        client.call(3, "eth_unsubscribe", json!(["0x1234"])).await;
        assert_eq!(
            client.json().await["error"]["message"],
            "subscription not found"
        );
        client.call(4, "eth_unsubscribe", json!([name])).await;
        assert_eq!(client.json().await["result"], true);
        served.filters.tell(chain.heads(1)).unwrap();
        client.call(5, "eth_subscribe", json!(["nope"])).await;
        let refused = client.json().await;
        assert_eq!(
            (&refused["id"], &refused["error"]["code"]),
            (&json!(5), &json!(-32601))
        );

        client.send(0x80 | PING, b"are you there").await;
        assert_eq!(
            client.frame().await,
            Some((PONG, b"are you there".to_vec()))
        );
        client.send(0x80 | TEXT, b"no json").await;
        assert_eq!(client.json().await["error"]["code"], -32700);
        assert_eq!(client.frame().await.map(|(opcode, _)| opcode), Some(CLOSE));
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_closed_with_the_reason() {
    with_node(|served| async move {
        let mut chain = TestChain::new();
        let mut client = Client::open(served.address).await;
        client.call(1, "eth_subscribe", json!(["newHeads"])).await;
        client.json().await;
        // More than the buffers of the sockets and the queue hold.
        for _ in 0..40 {
            served.filters.ask(chain.heads(500)).await.unwrap();
        }
        let mut received = 0;
        let reason = loop {
            match client.frame().await.unwrap() {
                (TEXT, _) => received += 1,
                (CLOSE, reason) => break reason,
                other => panic!("{other:?}"),
            }
        };
        assert!(received < 20_000, "{received}");
        assert!(String::from_utf8_lossy(&reason[2..]).contains("too slow"));
        // Other clients are not affected.
        let mut other = Client::open(served.address).await;
        other.call(1, "eth_blockNumber", json!([])).await;
        assert_eq!(other.json().await["result"], "0x0");
    });
}

#[test]
fn the_open_connections_are_published() {
    with_node(|served| async move {
        let mut first = Client::open(served.address).await;
        let second = Client::open(served.address).await;
        first.call(1, "eth_blockNumber", json!([])).await;
        assert_eq!(first.json().await["result"], "0x0");
        let written = || {
            let all = served.connections.read();
            (all.len(), all.iter().map(|it| it.messages_out).sum::<u64>())
        };
        until(|| written() == (2, 1)).await;
        let all = served.connections.read();
        let asked = all.iter().find(|it| it.messages_in == 1).unwrap();
        assert!(asked.client.is_some_and(|client| client.ip().is_loopback()));
        assert!(asked.bytes_in > 0 && asked.bytes_out > 0);
        drop(first);
        until(|| served.connections.read().len() == 1).await;
        drop(second);
        until(|| served.connections.read().is_empty()).await;
    });
}

#[test]
fn a_long_answer_is_sent_in_several_frames() {
    with_node(|served| async move {
        let mut client = Client::open(served.address).await;
        let call = r#"{"id":1,"method":"eth_getBlockByNumber","params":["0x0",false]}"#;
        let batch = format!("[{}]", vec![call; 60].join(","));
        client.send(0x80 | TEXT, batch.as_bytes()).await;
        let (first, mut text) = client.frame().await.unwrap();
        assert_eq!(first, TEXT);
        let mut frames = 1;
        let answers: Vec<Value> = loop {
            if let Ok(answers) = serde_json::from_slice(&text) {
                break answers;
            }
            let (opcode, more) = client.frame().await.unwrap();
            assert_eq!(opcode, CONTINUATION);
            text.extend(more);
            frames += 1;
        };
        assert_eq!(answers.len(), 60);
        assert!(frames > 1, "{frames}");
        client.call(2, "eth_blockNumber", json!([])).await;
        assert_eq!(client.json().await["result"], "0x0");
    });
}

#[test]
fn foreign_origins_and_host_names_are_refused() {
    with_node(|served| async move {
        let connect = |host, origin| Client::connect(served.address, host, origin);
        for origin in [
            None,
            Some("http://localhost"),
            Some("http://localhost:3000"),
        ] {
            assert!(connect("localhost", origin).await.is_ok(), "{origin:?}");
        }
        for (host, origin) in [
            ("localhost", Some("http://evil.example")),
            ("localhost", Some("null")),
            ("localhost", Some("http://localhost.evil.example")),
            ("evil.example", None),
            ("evil.example:8545", Some("http://localhost")),
        ] {
            let refused = connect(host, origin).await.err();
            assert_eq!(
                refused.as_deref(),
                Some("HTTP/1.1 403 Forbidden"),
                "{host} {origin:?}"
            );
        }
    });
}

/// Returns the payload of the frame that closes the connection; empty if the frame has no code.
async fn close_payload(client: &mut Client) -> Option<Vec<u8>> {
    while let Some((opcode, payload)) = client.frame().await {
        if opcode == CLOSE {
            return Some(payload);
        }
    }
    None
}

#[test]
fn close_codes_are_echoed_and_errors_have_their_own() {
    with_node(|served| async move {
        for (sent, expected) in [
            (&[][..], &[][..]),
            (&[0x03, 0xe8], &[0x03, 0xe8]),
            (b"\x10\xe1bye", &[0x10, 0xe1]),
            (&[0x03, 0xe9], &[0x03, 0xe9]),
        ] {
            let mut client = Client::open(served.address).await;
            client.send(0x80 | CLOSE, sent).await;
            assert_eq!(close_payload(&mut client).await.as_deref(), Some(expected));
        }
        // A reserved opcode breaks the protocol: 1002.
        let mut client = Client::open(served.address).await;
        client.send(0x80 | 5, b"").await;
        let code = close_payload(&mut client).await;
        assert_eq!(code.as_deref(), Some(&[0x03, 0xea][..]));
        // Frames of a message that is too long: 1009.
        let mut client = Client::open(served.address).await;
        client.send(TEXT, &vec![b'['; BODY_BYTES - 10]).await;
        client.send(0x80, &[b'['; 20]).await;
        let code = close_payload(&mut client).await;
        assert_eq!(code.as_deref(), Some(&[0x03, 0xf1][..]));
    });
}

#[test]
fn a_message_beyond_the_limit_ends_the_connection() {
    with_node(|served| async move {
        let long = vec![b' '; BODY_BYTES + 1];
        let mut client = Client::open(served.address).await;
        client.send(0x80 | TEXT, &long).await;
        while let Some((opcode, _)) = client.frame().await {
            assert_eq!(opcode, CLOSE);
        }
        let mut client = Client::open(served.address).await;
        client.send(TEXT, &long[..3000]).await;
        client.send(0, &long[..3000]).await;
        while let Some((opcode, _)) = client.frame().await {
            assert_eq!(opcode, CLOSE);
        }
        // Frames that together are within the limit form a message.
        let mut client = Client::open(served.address).await;
        client.send(TEXT, b"{\"id\":1,\"method\":").await;
        client.send(0, b"").await;
        client.send(0x80, b"\"eth_blockNumber\"}").await;
        assert_eq!(client.json().await["result"], "0x0");
    });
}

/// Generates malformed frames and bytes.
fn malformed_frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        Just(br#"{"id":1,"method":"eth_subscribe","params":["newHeads"]}"#.to_vec()),
        Just(br#"[{"id":1,"method":"eth_unsubscribe","params":["0x1"]}]"#.to_vec()),
        "[\\[\\]{}\":,0-9a-z]{0,60}".prop_map(String::into_bytes),
    ];
    let framed = (any::<u8>(), payload).prop_map(|(first, payload)| frame(first, &payload));
    let piece = prop_oneof![
        4 => framed,
        1 => proptest::collection::vec(any::<u8>(), 0..100),
    ];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn malformed_frames_do_not_stop_the_server() {
    with_node(|served| async move {
        let mut chain = TestChain::new();
        let mut runner = TestRunner::default();
        for round in 0..150 {
            let bytes = malformed_frames().new_tree(&mut runner).unwrap().current();
            let mut client = Client::open(served.address).await;
            let _ = client.stream.write_all(&bytes).await;
            if round % 3 == 0 {
                let _ = client.stream.shutdown().await;
            }
            if round % 10 == 0 {
                served.filters.tell(chain.heads(3)).unwrap();
                let mut sane = Client::open(served.address).await;
                sane.call(1, "eth_blockNumber", json!([])).await;
                assert_eq!(sane.json().await["result"], "0x0", "after {bytes:?}");
            }
        }
    });
}

#[test]
#[ignore = "a measurement: run it alone, on a quiet machine"]
fn a_head_reaches_1000_subscribers_within_100_ms() {
    const SUBSCRIBERS: usize = 1_000;
    const HEADS: u64 = 50;
    with_node(|served| async move {
        let mut chain = TestChain::new();
        let mut clients = Vec::new();
        for _ in 0..SUBSCRIBERS {
            let mut client = Client::open(served.address).await;
            client.call(1, "eth_subscribe", json!(["newHeads"])).await;
            client.json().await;
            clients.push(client);
        }
        let sent_at = Arc::new(std::sync::Mutex::new(Vec::new()));
        let listening: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let sent_at = Arc::clone(&sent_at);
                tokio::task::spawn_local(async move {
                    let mut delays = Vec::new();
                    for number in 0..HEADS {
                        client.frame().await.unwrap();
                        let sent: std::time::Instant = sent_at.lock().unwrap()[number as usize];
                        delays.push(sent.elapsed());
                    }
                    delays
                })
            })
            .collect();
        for _ in 0..HEADS {
            sent_at.lock().unwrap().push(std::time::Instant::now());
            served.filters.tell(chain.heads(1)).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut delays = Vec::new();
        for listener in listening {
            delays.extend(listener.await.unwrap());
        }
        delays.sort_unstable();
        let at = |share: usize| delays[delays.len() * share / 100 - 1];
        println!("p50 {:?}, p99 {:?}, longest {:?}", at(50), at(99), at(100));
        assert!(at(99) < Duration::from_millis(100));
    });
}
