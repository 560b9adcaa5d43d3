//! Tests of slow clients, of clients that disconnect, and of compressed answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use actoreum_actors::shared_socket::SharedSocket;

use super::*;
use crate::error::RpcError;
use crate::server::dispatch::DispatchLimits;
use crate::server::method::Method;
use crate::server::pool::HeavyPool;
use crate::server::quota::SharedQuota;

/// The number of slow calls that were answered.
#[derive(Default)]
struct Node(AtomicUsize);

/// A timeout that exceeds the half second by which actix's clock may lag.
const SHORT: Duration = Duration::from_secs(1);
/// A timeout that no test reaches, even on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);
const HEAD: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;

/// Runs `test` against a server whose timeouts are all [`SHORT`].
fn with_server(
    change: impl FnOnce(&mut ServerLimits),
    test: impl FnOnce(SocketAddr, &Node) + Send + 'static,
) {
    with_quota(SharedQuota::default(), change, test);
}

/// Runs `test` as [`with_server`] does, against a server whose clients share `quota`.
fn with_quota(
    quota: SharedQuota,
    change: impl FnOnce(&mut ServerLimits),
    test: impl FnOnce(SocketAddr, &Node) + Send + 'static,
) {
    let mut config = HttpConfig::new("127.0.0.1:0".parse().unwrap());
    config.limits = ServerLimits::new(1);
    config.limits.timeouts = Timeouts {
        read: SHORT,
        idle: SHORT,
        write: SHORT,
        busy: SHORT,
    };
    change(&mut config.limits);
    config.quota = quota;
    let methods = [
        Method::view("eth_blockNumber", &[], |_: &Node, ()| Ok(269u64)),
        Method::view("eth_long", &["length"], |_: &Node, (length,): (u64,)| {
            Ok("x".repeat(length as usize))
        }),
        Method::heavy(
            "eth_slow",
            &["milliseconds"],
            |node: &Node, (wait,): (u64,)| {
                std::thread::sleep(Duration::from_millis(wait));
                node.0.fetch_add(1, SeqCst);
                Ok::<_, RpcError>(true)
            },
        ),
        Method::actor("eth_send", &[], |node: Arc<Node>, ()| async move {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            node.0.fetch_add(1, SeqCst);
            Ok(true)
        }),
    ];
    let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
    let node = Arc::new(Node::default());
    let dispatcher = Dispatcher::new(
        Arc::clone(&node),
        &methods,
        &["eth".to_owned()],
        HeavyPool::alone(1, 100).unwrap(),
        DispatchLimits::default(),
    );
    actix_web::rt::System::new().block_on(async move {
        let listener =
            HttpListener::bind(&config, &SharedSocket::default(), Arc::new(dispatcher)).unwrap();
        let (address, handle) = (listener.address, listener.handle());
        let server = actix_web::rt::spawn(listener.server);
        let tested = actix_web::rt::task::spawn_blocking(move || test(address, &node)).await;
        handle.stop(true).await;
        server.await.unwrap().unwrap();
        tested.unwrap();
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TEST_TIMEOUT)).unwrap();
    stream
}

fn whole(body: &str) -> String {
    format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads until the server closes the connection.
#[track_caller]
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut chunk = [0; 65_536];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("the server does not close: {error}"),
        }
    }
}

/// Sends bytes slowly until the server closes the connection.
#[track_caller]
fn trickle(stream: &mut TcpStream, byte: &[u8]) {
    let begun = Instant::now();
    while stream.write_all(byte).is_ok() {
        assert!(
            begun.elapsed() < TEST_TIMEOUT,
            "the server accepts bytes forever"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_served(address: SocketAddr) -> bool {
    let mut stream = connect(address);
    let request = whole(CALL).replace(HEAD, &format!("{HEAD}Connection: close\r\n"));
    stream.write_all(request.as_bytes()).unwrap();
    String::from_utf8_lossy(&read_to_end(&mut stream)).contains("0x10d")
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_unfinished_body_is_answered_with_408() {
    with_server(
        |_| {},
        |address, _| {
            for rest in [
                "Content-Length: 100\r\n\r\n{",
                "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
            ] {
                let mut stream = connect(address);
                stream
                    .write_all(format!("{HEAD}{rest}").as_bytes())
                    .unwrap();
                let answer = read_to_end(&mut stream);
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
            }
        },
    );
}

#[test]
fn a_slow_body_does_not_extend_the_deadline() {
    with_server(
        |_| {},
        |address, _| {
            let mut stream = connect(address);
            let head = format!("{HEAD}Content-Length: 100000\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            trickle(&mut stream, b" ");
        },
    );
}

#[test]
fn an_unfinished_later_head_ends_its_connection() {
    with_server(
        |limits| limits.timeouts.idle = TEST_TIMEOUT * 2,
        |address, _| {
            let mut stream = connect(address);
            let request = whole(CALL);
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = [0; 16];
            stream.read_exact(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            // actix-web itself has a deadline for the first head.
            stream.write_all(b"POST / HTTP/1.1\r\nHost: lo").unwrap();
            read_to_end(&mut stream);
            let mut stream = connect(address);
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_exact(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            stream.write_all(b"POST / HTTP/1.1\r\nX: ").unwrap();
            trickle(&mut stream, b"x");
        },
    );
}

#[test]
fn a_refused_body_is_not_read_forever() {
    with_server(
        |_| {},
        |address, _| {
            let mut stream = connect(address);
            let head = "POST / HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            trickle(&mut stream, b"1\r\nx\r\n");
        },
    );
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    with_server(
        |limits| limits.timeouts.idle = TEST_TIMEOUT * 2,
        |address, _| {
            let body = r#"{"id":1,"method":"eth_long","params":["0x1000000"]}"#;
            let mut stream = connect(address);
            let begun = Instant::now();
            stream.write_all(whole(body).as_bytes()).unwrap();
            std::thread::sleep(SHORT * 4);
            let answer = read_to_end(&mut stream);
            assert!(answer.len() < 0x100_0000, "{} bytes waited", answer.len());
            assert!(begun.elapsed() < TEST_TIMEOUT);
        },
    );
}

#[test]
fn a_long_request_has_no_deadline() {
    with_server(
        |_| {},
        |address, _| {
            let body = r#"{"id":1,"method":"eth_slow","params":["0x7d0"]}"#;
            let mut stream = connect(address);
            stream.write_all(whole(body).as_bytes()).unwrap();
            let mut answer = [0; 16];
            stream.read_exact(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        },
    );
}

#[test]
fn silent_clients_are_disconnected_when_the_server_is_full() {
    with_server(
        |limits| {
            limits.connections = 8;
            limits.timeouts.read = TEST_TIMEOUT * 2;
            limits.timeouts.idle = TEST_TIMEOUT * 2;
        },
        |address, _| {
            let mut held: Vec<_> = (0..8).map(|_| connect(address)).collect();
            for stream in &mut held {
                let head = format!("{HEAD}Content-Length: 100\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
            }
            let begun = Instant::now();
            assert!(is_served(address));
            assert!(begun.elapsed() < TEST_TIMEOUT);
        },
    );
}

#[test]
fn a_batch_is_cancelled_when_its_client_disconnects() {
    with_server(
        |_| {},
        |address, node| {
            let call = r#"{"id":1,"method":"eth_slow","params":["0x64"]}"#;
            let body = format!("[{}]", vec![call; 500].join(","));
            let mut stream = connect(address);
            stream.write_all(whole(&body).as_bytes()).unwrap();
            wait_until("it has begun", || node.0.load(SeqCst) > 0);
            drop(stream);
            // A running request may finish. The second check is after some that would have
            // followed.
            std::thread::sleep(Duration::from_millis(500));
            let answered = node.0.load(SeqCst);
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(node.0.load(SeqCst), answered);
            assert!(answered < 400, "{answered}");
        },
    );
}

#[test]
fn a_half_closed_client_is_answered() {
    with_server(
        |_| {},
        |address, _| {
            let slow = r#"{"id":1,"method":"eth_slow","params":["0x64"]}"#;
            for body in [CALL, slow] {
                let mut stream = connect(address);
                stream.write_all(whole(body).as_bytes()).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let answer = read_to_end(&mut stream);
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.contains("\"result\""), "{answer}");
            }
        },
    );
}

#[test]
fn an_actor_request_completes_after_a_disconnect() {
    with_server(
        |_| {},
        |address, node| {
            let mut stream = connect(address);
            let body = r#"{"id":1,"method":"eth_send"}"#;
            stream.write_all(whole(body).as_bytes()).unwrap();
            // The client disconnects before the answer, but after its request was read.
            std::thread::sleep(Duration::from_millis(200));
            drop(stream);
            wait_until("sent", || node.0.load(SeqCst) == 1);
        },
    );
}

#[test]
fn long_answers_are_compressed_if_accepted() {
    with_server(
        |_| {},
        |address, _| {
            let ask = |encoding: &str, length: u64| {
                let body = format!(r#"{{"id":1,"method":"eth_long","params":["{length:#x}"]}}"#);
                let head = format!("{HEAD}{encoding}Connection: close\r\n");
                let mut stream = connect(address);
                let request = whole(&body).replace(HEAD, &head);
                stream.write_all(request.as_bytes()).unwrap();
                let answer = read_to_end(&mut stream);
                let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                (head, answer[end + 4..].to_vec())
            };
            for length in [100_000, 2_000] {
                let (head, body) = ask("Accept-Encoding: gzip, deflate\r\n", length);
                assert!(head.contains("content-encoding: gzip"), "{head}");
                assert!(body.len() < 1_500, "{}", body.len());
                let mut plain = String::new();
                flate2::read::GzDecoder::new(&body[..])
                    .read_to_string(&mut plain)
                    .unwrap();
                let expected = "x".repeat(length as usize);
                assert!(plain.contains(&format!("\"result\":\"{expected}\"")));
            }
            for (encoding, length) in [
                ("", 100_000),
                ("Accept-Encoding: gzip;q=0\r\n", 100_000),
                ("Accept-Encoding: gzip\r\n", 100),
            ] {
                let (head, body) = ask(encoding, length);
                assert!(!head.contains("content-encoding"), "{head}");
                assert!(body.len() as u64 > length);
            }
        },
    );
}

#[test]
fn a_compressed_request_is_not_decompressed() {
    with_server(
        |_| {},
        |address, _| {
            let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            for _ in 0..400 {
                bomb.write_all(&[b' '; 65_536]).unwrap();
            }
            let bomb = bomb.finish().unwrap();
            let head = format!(
                "{HEAD}Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                bomb.len()
            );
            let mut stream = connect(address);
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&bomb).unwrap();
            let answer = read_to_end(&mut stream);
            let answer = String::from_utf8_lossy(&answer);
            // The compressed bytes are not JSON.
            assert!(answer.contains("-32700"), "{answer}");
        },
    );
}

/// Sends a request whose answer has `length` bytes.
fn ask_long(address: SocketAddr, length: u64) -> TcpStream {
    let body = format!(r#"{{"id":1,"method":"eth_long","params":["{length:#x}"]}}"#);
    let request = whole(&body).replace(HEAD, &format!("{HEAD}Connection: close\r\n"));
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn answers_of_all_connections_are_bounded_in_bytes() {
    let quota = SharedQuota::new(100, 64 << 20);
    with_quota(
        quota,
        |limits| {
            limits.timeouts.read = TEST_TIMEOUT * 2;
            limits.timeouts.write = TEST_TIMEOUT * 2;
            limits.timeouts.idle = TEST_TIMEOUT * 2;
        },
        |address, _| {
            let begins_with = |stream: &mut TcpStream, expected: &str| {
                let mut begin = [0; 12];
                stream.read_exact(&mut begin).unwrap();
                String::from_utf8_lossy(&begin) == *expected
            };
            // The answers are not read: bytes that the kernel does not buffer wait in the server.
            let mut held: Vec<_> = (0..8).map(|_| ask_long(address, 10 << 20)).collect();
            let ok = held.iter_mut().map(|it| begins_with(it, "HTTP/1.1 200"));
            let ok = ok.filter(|is_ok| *is_ok).count();
            assert!((2..5).contains(&ok), "{ok}");
            assert!(is_served(address), "short answers are served");
            drop(held);
            wait_until("there is room again", || {
                begins_with(&mut ask_long(address, 10 << 20), "HTTP/1.1 200")
            });
        },
    );
}

#[test]
fn connections_of_all_servers_are_bounded() {
    let quota = SharedQuota::new(8, 64 << 20);
    let other = quota.for_network();
    with_quota(
        quota,
        |limits| {
            limits.timeouts.read = TEST_TIMEOUT * 2;
            limits.timeouts.idle = TEST_TIMEOUT * 2;
            limits.timeouts.busy = TEST_TIMEOUT * 2;
        },
        move |address, _| {
            // Connections of another transport. One of the eight is reserved for the IPC socket.
            let held: Vec<_> = std::iter::from_fn(|| other.connect()).collect();
            assert_eq!(held.len(), 7);
            let mut refused = connect(address);
            assert!(read_to_end(&mut refused).is_empty(), "closed at once");
            drop(held);
            assert!(is_served(address));
        },
    );
}
