use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use std::time::Duration;

use super::*;
use crate::error::RpcError;
use crate::server::dispatch::DispatchLimits;
use crate::server::method::Method;
use crate::server::pool::HeavyPool;

struct Node;

/// Runs `test` against a real server on a free port.
fn with_server(
    change: impl FnOnce(&mut HttpConfig),
    test: impl FnOnce(SocketAddr) + Send + 'static,
) {
    let mut config = HttpConfig::new("127.0.0.1:0".parse().unwrap());
    config.limits.workers = 1;
    change(&mut config);
    let dispatcher = served();
    actix_web::rt::System::new().block_on(async move {
        let listener =
            HttpListener::bind(&config, &SharedSocket::default(), Arc::new(dispatcher)).unwrap();
        let (address, handle) = (listener.address, listener.handle());
        let server = actix_web::rt::spawn(listener.server);
        let tested = actix_web::rt::task::spawn_blocking(move || test(address)).await;
        handle.stop(true).await;
        server.await.unwrap().unwrap();
        tested.unwrap();
    });
}

/// Creates a dispatcher with a cheap method and a slow one.
fn served() -> Dispatcher<Node> {
    let methods = [
        Method::view("eth_blockNumber", &[], |_: &Node, ()| Ok(269u64)),
        Method::heavy(
            "debug_sleep",
            &["milliseconds"],
            |_: &Node, (wait,): (u64,)| {
                std::thread::sleep(Duration::from_millis(wait));
                Ok::<_, RpcError>(true)
            },
        ),
    ];
    let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
    let namespaces = ["eth", "debug"].map(String::from);
    let limits = DispatchLimits::default();
    let pool = HeavyPool::alone(1, 1).unwrap();
    Dispatcher::new(Arc::new(Node), &methods, &namespaces, pool, limits)
}

/// Sends bytes and returns everything until the server closes the connection.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(answer).unwrap()
}

fn post(address: SocketAddr, headers: &str, body: &str) -> String {
    let length = body.len();
    exchange(
        address,
        &format!(
            "POST / HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
const JSON: &str = "Host: localhost\r\nContent-Type: application/json\r\n";

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn body(answer: &str) -> &str {
    answer
        .split_once("\r\n\r\n")
        .map_or(answer, |(_, body)| body)
}

#[test]
fn requests_are_answered_and_refused_as_in_geth() {
    with_server(
        |config| config.body_bytes = 1000,
        |address| {
            let answer = post(address, JSON, CALL);
            assert_eq!(status(&answer), "200");
            assert!(
                answer
                    .to_lowercase()
                    .contains("content-type: application/json\r\n"),
                "{answer}"
            );
            assert_eq!(
                body(&answer),
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x10d\"}\n"
            );

            let answer = post(
                address,
                "Host: evil.example\r\nContent-Type: application/json\r\n",
                CALL,
            );
            assert_eq!(
                (status(&answer), body(&answer)),
                ("403", "invalid host specified\n")
            );

            for (content_type, expected) in [
                ("Content-Type: application/json; charset=utf-8\r\n", "200"),
                ("Content-Type: application/json-rpc\r\n", "200"),
                ("Content-Type: Application/JSONRequest\r\n", "200"),
                ("Content-Type: text/plain\r\n", "415"),
                ("", "415"),
            ] {
                let answer = post(address, &format!("Host: localhost\r\n{content_type}"), CALL);
                assert_eq!(status(&answer), expected, "{content_type}");
            }
            let answer = post(address, "Host: localhost\r\n", CALL);
            assert_eq!(
                body(&answer),
                "invalid content type, only application/json is supported\n"
            );

            let answer = exchange(
                address,
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            );
            assert_eq!((status(&answer), body(&answer)), ("200", ""));
            let answer = exchange(
                address,
                "GET /?x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            );
            assert_eq!(status(&answer), "415");
            for verb in ["PUT", "DELETE"] {
                let answer = exchange(
                    address,
                    &format!("{verb} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
                );
                assert_eq!(
                    (status(&answer), body(&answer)),
                    ("405", "method not allowed\n")
                );
            }

            let answer = post(address, JSON, &" ".repeat(1001));
            assert_eq!(
                (status(&answer), body(&answer)),
                ("413", "content length too large (1001>1000)\n")
            );
            let chunk = " ".repeat(600);
            let chunked = format!(
                "POST / HTTP/1.1\r\n{JSON}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n{chunk}\r\n258\r\n{chunk}\r\n0\r\n\r\n"
            );
            assert_eq!(status(&exchange(address, &chunked)), "413");

            assert_eq!(body(&post(address, JSON, "")), "");
        },
    );
}

#[test]
fn only_paths_below_the_prefix_are_served() {
    let asked = |address, path: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\n{JSON}Content-Length: {}\r\nConnection: close\r\n\r\n{CALL}",
            CALL.len()
        );
        status(&exchange(address, &request)).to_owned()
    };
    let set = |config: &mut HttpConfig| config.path_prefix = "/rpc".to_owned();
    with_server(set, move |address| {
        for (path, expected) in [
            ("/rpc", "200"),
            ("/rpc/v1", "200"),
            ("/", "404"),
            ("/x", "404"),
        ] {
            assert_eq!(asked(address, path), expected, "{path}");
        }
    });
    with_server(
        |_| (),
        move |address| assert_eq!(asked(address, "/any"), "200"),
    );
}

#[test]
fn a_connection_carries_many_requests() {
    with_server(
        |_| {},
        |address| {
            let length = CALL.len();
            let one = format!("POST / HTTP/1.1\r\n{JSON}Content-Length: {length}\r\n\r\n{CALL}");
            let last = one.replace(JSON, &format!("{JSON}Connection: close\r\n"));
            let answers = exchange(address, &(one.repeat(2) + &last));
            assert_eq!(answers.matches("\"result\":\"0x10d\"").count(), 3);
        },
    );
}

#[test]
fn only_allowed_origins_get_cors_headers() {
    let allow = |config: &mut HttpConfig| {
        config.cors_origins = Origins::new(&["http://app.example".to_owned()]);
    };
    with_server(allow, |address| {
        let preflight = |origin: &str| {
            exchange(
                address,
                &format!("OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\nConnection: close\r\n\r\n"),
            )
            .to_lowercase()
        };
        let answer = preflight("http://app.example");
        assert!(
            answer.contains("access-control-allow-origin: http://app.example\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("access-control-allow-headers: content-type\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("access-control-max-age: 600\r\n"),
            "{answer}"
        );
        let answer = preflight("http://evil.example");
        assert!(!answer.contains("access-control-allow"), "{answer}");

        let origin = |origin: &str| {
            post(address, &format!("{JSON}Origin: {origin}\r\n"), CALL).to_lowercase()
        };
        assert!(
            origin("http://app.example")
                .contains("access-control-allow-origin: http://app.example\r\n")
        );
        assert!(!origin("http://evil.example").contains("access-control-allow"));
    });
}

#[test]
fn an_address_in_use_is_reported_as_in_geth() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let pool = HeavyPool::alone(1, 1).unwrap();
    let limits = DispatchLimits::default();
    let dispatcher = Arc::new(Dispatcher::new(Arc::new(Node), &[], &[], pool, limits));
    let (config, socket) = (HttpConfig::new(address), SharedSocket::default());
    let error = HttpListener::bind(&config, &socket, dispatcher)
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        format!("listen tcp {address}: bind: address already in use")
    );
}

#[test]
fn a_slow_request_does_not_block_other_requests() {
    with_server(
        |_| {},
        |address| {
            let slow = std::thread::spawn(move || {
                post(
                    address,
                    JSON,
                    r#"{"id":1,"method":"debug_sleep","params":["0xbb8"]}"#,
                )
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(post(address, JSON, CALL).contains("0x10d"));
            assert!(
                !slow.is_finished(),
                "the quick request waited for the slow one"
            );
            assert!(slow.join().unwrap().contains("true"));
        },
    );
}

#[test]
fn the_supervised_server_starts_restarts_and_stops() {
    use actoreum_supervision::{ActorRef, Backoff, ChildSpec, Strategy, SupervisorSpec, Tree};
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    let mut config = HttpConfig::new(address);
    config.limits.workers = 1;
    let tree = move || {
        let http: ActorRef<HttpActor<Node>> = ActorRef::new("http");
        let config = config.clone();
        let socket = SharedSocket::default();
        let factory = move || HttpActor::new(config.clone(), socket.clone(), Arc::new(served()));
        let child = ChildSpec::new(&http, factory).arbiter("rpc");
        let backoff = Backoff {
            first: Duration::from_millis(10),
            ..Backoff::default()
        };
        SupervisorSpec::new("rpc", Strategy::OneForOne)
            .backoff(backoff)
            .child(child)
    };
    let answers = move || post(address, JSON, CALL).contains("0x10d");
    actix_web::rt::System::new().block_on(async move {
        let refused = Tree::start(tree()).await.err().unwrap();
        let reason = format!("listen tcp {address}: bind: address already in use");
        assert!(refused.to_string().contains(&reason), "{refused}");

        drop(probe);
        let tree = Tree::start(tree()).await.unwrap();
        assert!(actix_web::rt::task::spawn_blocking(answers).await.unwrap());
        tree.handle().crash("rpc/http").unwrap();
        let mut is_back = false;
        for _ in 0..100 {
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
            let generation = tree
                .handle()
                .snapshot()
                .find("rpc/http")
                .unwrap()
                .generation;
            if generation == 2 && TcpStream::connect(address).is_ok() {
                is_back = actix_web::rt::task::spawn_blocking(answers).await.unwrap();
                break;
            }
        }
        assert!(is_back, "the server did not come back");
        assert!(tree.shutdown().await.is_clean());
        assert!(TcpStream::connect(address).is_err());
    });
}
