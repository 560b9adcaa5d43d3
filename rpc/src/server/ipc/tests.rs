use std::sync::Arc;

use super::*;
use crate::server::dispatch::DispatchLimits;
use crate::server::method::Method;
use crate::server::pool::HeavyPool;

struct Node;

fn dispatcher() -> Dispatcher<Node> {
    let methods = [Arc::new(Method::view(
        "eth_blockNumber",
        &[],
        |_: &Node, ()| Ok(7u64),
    ))];
    let limits = DispatchLimits::default();
    let namespaces = ["eth".to_owned()];
    Dispatcher::new(
        Arc::new(Node),
        &methods,
        &namespaces,
        HeavyPool::alone(1, 1).unwrap(),
        limits,
    )
}

/// Sends `pieces` one by one and returns everything that the server sent until it closed the
/// connection.
async fn exchange(pieces: &[&[u8]], message_bytes: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/geth.ipc");
    let listener = IpcListener::bind(&path).unwrap();
    let dispatcher = dispatcher();
    let serving = async {
        let stream = listener.accept().await.unwrap();
        let quota = crate::server::quota::SharedQuota::default().for_ipc();
        let figures = Figures::new(1, None);
        serve(&dispatcher, stream, message_bytes, &quota, figures).await;
    };
    let asking = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        for piece in pieces {
            // The server may have closed the connection already.
            let _ = stream.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = stream.shutdown().await;
        let mut answers = String::new();
        let _ = stream.read_to_string(&mut answers).await;
        answers
    };
    tokio::join!(serving, asking).1
}

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#;
const ANSWER: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x7\"}\n";

#[tokio::test]
async fn requests_are_answered_however_they_are_split() {
    let twice = [CALL, CALL].concat();
    assert_eq!(exchange(&[&twice], 1000).await, ANSWER.repeat(2));
    let bytes: Vec<&[u8]> = CALL.chunks(1).collect();
    assert_eq!(exchange(&bytes, 1000).await, ANSWER);
    let batch = [b"\n [", CALL, b",", CALL, b"]"].concat();
    let one = ANSWER.trim();
    assert_eq!(exchange(&[&batch], 1000).await, format!("[{one},{one}]\n"));
}

#[tokio::test]
async fn an_invalid_request_is_answered_and_closes_the_connection() {
    for malformed in [&b"garbage\n"[..], b"{\"a\":", b"\xff\xfe\n"] {
        let answer = exchange(&[malformed, CALL], 1000).await;
        assert!(answer.contains("\"code\":-32700"), "{answer}");
        assert!(answer.contains("\"id\":null"), "{answer}");
    }
    let endless = vec![b'['; 2000];
    assert_eq!(exchange(&[&endless, CALL], 1000).await, "");
}
