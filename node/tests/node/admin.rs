//! Malformed and excessive requests to the port of the admin page.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use crate::{http, process::Running};

/// Bound on each wait, longer than an answer takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Size of a compressed body after decompression.
const INFLATED_BYTES: usize = 200 << 20;
/// Maximum growth of the node's memory by all such bodies together, in bytes.
const MAX_GROWTH: u64 = 64 << 20;

fn start(more: &[&str]) -> (Running, SocketAddr) {
    let args = ["--dev", "--ipcdisable", "--admin", "--admin.port", "0"];
    let mut node = Running::start(&[&args[..], more].concat());
    let admin = node.wait_for_admin();
    (node, admin)
}

fn connect(admin: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Sends a request and returns the head of the answer, in lower case.
fn send(admin: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = connect(admin);
    let length = body.len();
    let head = format!(
        "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The node may answer and close the connection before it has read the whole body.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.to_lowercase()
}

const CRASH: &str = "POST /api/crash HTTP/1.1\r\ncontent-type: application/json";

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..INFLATED_BYTES >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn compressed_bodies_on_the_admin_page_are_refused_unread() {
    let bomb = bomb();
    assert!(bomb.len() < 1 << 20);
    for (flags, status) in [(&[][..], "403"), (&["--admin.chaos"][..], "415")] {
        let (node, admin) = start(flags);
        http::request(admin, "GET", "/api/status", "").unwrap();
        let before = node.peak_bytes();
        thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let head = format!("{CRASH}\r\ncontent-encoding: gzip");
                    let answer = send(admin, &head, &bomb);
                    // The answer is lost at times if the node closes the connection first.
                    assert!(answer.is_empty() || answer.contains(status), "{answer}");
                });
            }
        });
        let grown = node.peak_bytes().saturating_sub(before);
        assert!(grown < MAX_GROWTH, "{flags:?}: {} MB more", grown >> 20);
        let (status, _) = http::request(admin, "GET", "/health", "").unwrap();
        assert_eq!(status, 200);
    }
}

#[test]
fn large_slow_and_malformed_crash_requests_are_refused() {
    let (_node, admin) = start(&["--admin.chaos"]);
    for (body, status) in [
        (vec![b'x'; 1 << 20], "413"),
        (b"{".to_vec(), "400"),
        (b"{\"path\": 7}".to_vec(), "400"),
        (b"{\"path\": \"node/nobody\"}".to_vec(), "404"),
    ] {
        let answer = send(admin, CRASH, &body);
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{answer}"
        );
    }
    for (route, body, status) in [
        ("hang", "{\"path\": \"node/core/chain\"}", "400"),
        ("hang", "{\"path\": \"node/core\", \"ms\": 1}", "400"),
        ("hang", "{\"path\": \"node/nobody\", \"ms\": 1}", "404"),
        ("stop-arbiter", "{\"path\": \"main\"}", "400"),
        ("stop-arbiter", "{\"arbiter\": \"nobody\"}", "404"),
    ] {
        let head = CRASH.replace("crash", route);
        let answer = send(admin, &head, body.as_bytes());
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{route} {body}: {answer}"
        );
    }
    let mut slow = connect(admin);
    let head = format!("{CRASH}\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{");
    slow.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = slow.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn every_admin_answer_is_restricted_to_its_own_origin() {
    let (_node, admin) = start(&[]);
    for path in [
        "/",
        "/style.css",
        "/app.js",
        "/kernel.js",
        "/api/actors",
        "/api/arbiters",
        "/api/incidents",
        "/api/status",
        "/metrics",
        "/health",
        "/nowhere",
    ] {
        let answer = send(admin, &format!("GET {path} HTTP/1.1"), b"");
        for part in [
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.contains(part), "{path}: no {part} in {answer}");
        }
        let cached = answer.contains("cache-control: no-");
        assert!(cached, "{path}: {answer}");
    }
}

#[test]
fn event_streams_are_limited() {
    let (_node, admin) = start(&[]);
    let open = |count: usize| -> Vec<(TcpStream, String)> {
        let streams = (0..count).map(|_| {
            let mut stream = connect(admin);
            let request = "GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).unwrap();
            (stream, String::from_utf8(begin.to_vec()).unwrap())
        });
        streams.collect()
    };
    let streams = open(40);
    let count = |status: &str| streams.iter().filter(|it| it.1.ends_with(status)).count();
    assert_eq!((count("200"), count("503")), (32, 8));
    // A stream that is closed makes room for another one.
    for (stream, _) in &streams {
        stream.shutdown(Shutdown::Both).unwrap();
    }
    drop(streams);
    let begun = std::time::Instant::now();
    while !open(1)[0].1.ends_with("200") {
        assert!(begun.elapsed() < TIMEOUT, "no room again");
        thread::sleep(Duration::from_millis(200));
    }
}
