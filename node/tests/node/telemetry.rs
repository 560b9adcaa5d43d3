//! Traces of requests at a collector.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::{
    http,
    process::{Running, run},
};

const TIMEOUT: Duration = Duration::from_secs(120);

/// A request to the collector.
struct Export {
    head: String,
    body: ExportTraceServiceRequest,
}

/// Starts a collector; returns its address and what it receives.
fn collector() -> (SocketAddr, Receiver<Export>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (exports, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let exports = exports.clone();
            thread::spawn(move || collect(stream.unwrap(), &exports));
        }
    });
    (address, received)
}

/// Answers the requests of a connection.
fn collect(stream: TcpStream, exports: &Sender<Export>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1)?.lines().next()?;
        let mut body = vec![0; length.trim().parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        writer
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
        let body = ExportTraceServiceRequest::decode(&*body).unwrap();
        exports.send(Export { head, body }).ok()?;
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|it| it.key == key)?;
    match attribute.value.clone()?.value? {
        Any::StringValue(text) => Some(text),
        other => Some(format!("{other:?}")),
    }
}

fn spans(export: &Export) -> Vec<Span> {
    let resources = export.body.resource_spans.iter();
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

#[test]
fn a_request_is_traced_through_the_actors() {
    let (address, received) = collector();
    let endpoint = format!("http://{address}");
    let telemetry = [
        "--rpc.telemetry",
        "--rpc.telemetry.endpoint",
        &endpoint,
        "--rpc.telemetry.username",
        "user",
        "--rpc.telemetry.password",
        "word",
        "--rpc.telemetry.instance-id",
        "node-1",
        "--rpc.telemetry.tags",
        "network=lab",
    ];
    let dev = ["--dev", "--http", "--http.port", "0", "--ipcdisable"];
    let mut node = Running::start(&[&dev[..], &telemetry].concat());
    let rpc = node.wait_for_http();
    let accounts = http::call(rpc, "eth_accounts", json!([])).unwrap();
    let transfer = json!([{"from": accounts[0], "to": accounts[1], "value": "0x1"}]);
    let hash = http::call(rpc, "eth_sendTransaction", transfer).unwrap();
    assert!(hash.is_string());
    http::call(rpc, "eth_getBalance", json!(["0x1", "latest"])).unwrap();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#;
    post_with_parent(rpc, body, parent);
    // A stop exports what is queued.
    assert!(stop(node).success());

    let exports: Vec<Export> =
        std::iter::from_fn(|| received.recv_timeout(TIMEOUT / 20).ok()).collect();
    let first = exports.first().expect("an export");
    assert!(first.head.starts_with("post /v1/traces "), "{}", first.head);
    assert!(first.head.contains("authorization: basic dxnlcjp3b3jk"));
    let resource = first.body.resource_spans[0].resource.as_ref().unwrap();
    for (key, value) in [
        ("service.name", "actoreum"),
        ("service.instance.id", "node-1"),
        ("network", "lab"),
    ] {
        assert_eq!(text(&resource.attributes, key).as_deref(), Some(value));
    }
    let all: Vec<Span> = exports.iter().flat_map(spans).collect();
    let named = |name: &str| {
        let found = all.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name:?}"))
    };
    let sent = named("jsonrpc.eth/sendTransaction");
    let caused: Vec<&Span> = all
        .iter()
        .filter(|span| span.trace_id == sent.trace_id && span.span_id != sent.span_id)
        .collect();
    for step in [
        "node/keys/accounts SignHash",
        "node/core/txpool/pool AddLocal",
        "node/core/miner/worker NewTransactions",
        "node/core/miner/building BuildBlock",
    ] {
        let names: Vec<&str> = caused.iter().map(|span| &*span.name).collect();
        assert!(names.contains(&step), "{step}: {names:?}");
    }
    let failed = named("jsonrpc.eth/getBalance");
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    let continued = named("jsonrpc.eth/chainId");
    assert_eq!(hex::encode(&continued.trace_id), &parent[3..35]);
    assert_eq!(hex::encode(&continued.parent_span_id), &parent[36..52]);
    assert_eq!(
        text(&continued.attributes, "rpc.jsonrpc.request_id").as_deref(),
        Some("7")
    );
}

fn post_with_parent(rpc: SocketAddr, body: &str, parent: &str) {
    let mut stream = TcpStream::connect(rpc).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntraceparent: {parent}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_collector_that_is_away_costs_no_request() {
    // Nobody listens at a port that was closed.
    let endpoint = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let args = ["--dev", "--http", "--http.port", "0", "--ipcdisable"];
    let telemetry = ["--rpc.telemetry", "--rpc.telemetry.endpoint", &endpoint];
    let mut node = Running::start(&[&args[..], &telemetry].concat());
    let rpc = node.wait_for_http();
    assert_eq!(http::block_number(rpc).unwrap(), 0);
    assert!(stop(node).success());
}

#[test]
fn an_endpoint_of_another_protocol_is_refused() {
    let grpc = [
        "--rpc.telemetry",
        "--rpc.telemetry.endpoint",
        "grpc://localhost:4317",
    ];
    run(&grpc).fatal(&["unsupported telemetry url scheme: grpc", "port 4318"]);
    let bare = ["--rpc.telemetry", "--rpc.telemetry.endpoint", "localhost"];
    run(&bare).fatal(&["--rpc.telemetry.endpoint", "\"localhost\""]);
}

/// Stops the node in order.
fn stop(node: Running) -> std::process::ExitStatus {
    node.signal("INT");
    node.exit_status()
}
