//! Each transport against a real server on a socket.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    thread,
    time::{Duration, Instant},
};

use tungstenite::handshake::server::{Request, Response};

use super::{ipc::IpcConnection, *};
use crate::interrupt::Interrupt;

fn client(endpoint: Endpoint) -> Client {
    Client::new(endpoint, Interrupt::default())
}

fn answer_to(request: &str) -> String {
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    let id = &request["id"];
    if request["method"] == "fail" {
        return format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32000,"message":"no"}}}}"#
        );
    }
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#,
        request["params"]
    )
}

fn check(client: &mut Client) {
    assert_eq!(client.call("echo", "[1,\"é\"]").unwrap(), "[1,\"é\"]");
    let error = client.call("fail", "[]").unwrap_err();
    assert!(matches!(
        error,
        CallError::Node(RpcError { code: -32000, .. })
    ));
    assert_eq!(client.call("echo", "[]").unwrap(), "[]");
}

fn serve_ipc(listener: UnixListener, answer: impl Fn(&str) -> String + Send + 'static) {
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                let text = answer(std::str::from_utf8(&buffer[..length]).unwrap());
                if stream.write_all(text.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
}

#[test]
fn ipc_answers_have_no_separator() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    // A notification precedes each answer, in the same packet.
    let notice = r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{}}"#;
    serve_ipc(UnixListener::bind(&path).unwrap(), move |it| {
        format!("{notice}{}", answer_to(it))
    });
    check(&mut client(Endpoint::Ipc(path)));
}

#[test]
fn an_ipc_answer_is_bounded_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    serve_ipc(UnixListener::bind(&path).unwrap(), |_| {
        format!("\"{}\"", "x".repeat(10_000))
    });
    let mut connection = IpcConnection::open(&path, 5_000).unwrap();
    let error = connection.exchange("{}").unwrap_err();
    assert!(matches!(error, TransportError::TooLarge(5_000)), "{error}");
}

#[test]
fn a_missing_socket_is_an_error_of_the_system() {
    let error = client(Endpoint::Ipc("/nowhere/geth.ipc".into()))
        .call("a", "[]")
        .unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}

#[test]
fn a_lost_connection_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4_096];
            let length = stream.read(&mut buffer).unwrap();
            let text = answer_to(std::str::from_utf8(&buffer[..length]).unwrap());
            stream.write_all(text.as_bytes()).unwrap();
        }
    });
    let mut client = client(Endpoint::Ipc(path));
    assert!(client.call("echo", "[]").is_ok());
    let lost = client.call("echo", "[]");
    assert!(matches!(lost, Err(CallError::Transport(_))));
    assert!(client.call("echo", "[]").is_ok());
}

#[test]
fn a_wait_for_an_answer_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    let listener = UnixListener::bind(&path).unwrap();
    let accepted = thread::spawn(move || listener.accept().unwrap());
    let interrupt = Interrupt::default();
    let mut client = Client::new(Endpoint::Ipc(path), interrupt.clone());
    let begun = Instant::now();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        interrupt.set();
    });
    assert!(matches!(
        client.call("a", "[]"),
        Err(CallError::Interrupted)
    ));
    assert!(begun.elapsed() < Duration::from_secs(5));
    accepted.join().unwrap();
}

/// Reads one HTTP request and returns its body.
fn read_http(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let length = stream.read(&mut buffer).ok().filter(|it| *it > 0)?;
        read.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let expected: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map(|it| it.trim().parse().unwrap())?;
        if body.len() >= expected {
            return Some(body.to_owned());
        }
    }
}

#[test]
fn http_requests_are_posts_with_a_json_body() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            while let Some(body) = read_http(&mut stream) {
                let text = answer_to(&body);
                let length = text.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                stream.write_all((head + &text).as_bytes()).unwrap();
            }
        }
    });
    check(&mut client(Endpoint::Http(format!("http://{address}"))));
}

#[test]
fn an_http_status_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_http(&mut stream).unwrap();
        let text = "HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\ninvalid host specifi";
        stream.write_all(text.as_bytes()).unwrap();
    });
    let error = client(Endpoint::Http(format!("http://{address}")))
        .call("a", "[]")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "HTTP status 403 Forbidden: invalid host specifi"
    );
}

#[test]
fn websocket_messages_are_matched_by_their_id() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut socket = tungstenite::accept(stream).unwrap();
            while let Ok(message) = socket.read() {
                if !message.is_text() {
                    continue;
                }
                let late = r#"{"jsonrpc":"2.0","id":0,"result":"late"}"#;
                socket.send(tungstenite::Message::text(late)).unwrap();
                let text = answer_to(message.to_text().unwrap());
                socket.send(tungstenite::Message::text(text)).unwrap();
            }
        }
    });
    check(&mut client(Endpoint::WebSocket(format!("ws://{address}"))));
}

#[test]
fn a_refused_origin_is_replaced_by_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4_096];
        let length = stream.read(&mut buffer).unwrap();
        let head = String::from_utf8_lossy(&buffer[..length]).to_ascii_lowercase();
        assert!(!head.contains("origin:"), "{head}");
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        let check = |request: &Request, response: Response| {
            assert!(
                request.headers()["origin"]
                    .to_str()
                    .unwrap()
                    .starts_with("http://")
            );
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(stream, check).unwrap();
        let request = socket.read().unwrap();
        let text = answer_to(request.to_text().unwrap());
        socket.send(tungstenite::Message::text(text)).unwrap();
    });
    let mut client = client(Endpoint::WebSocket(format!("ws://{address}")));
    assert_eq!(client.call("echo", "[1]").unwrap(), "[1]");
}
