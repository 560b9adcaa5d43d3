use std::sync::Arc;

use super::*;
use crate::dispatch::DispatchLimits;
use crate::method::Method;
use crate::pool::HeavyPool;

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
        HeavyPool::new(1, 1),
        limits,
    )
}

/// Sends `pieces` one by one, returns all that came back until the server closed.
async fn exchange(pieces: &[&[u8]], message_bytes: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/geth.ipc");
    let listener = IpcListener::bind(&path).unwrap();
    let dispatcher = dispatcher();
    let serving = async {
        let stream = listener.accept().await.unwrap();
        let quota = crate::quota::SharedQuota::default().of_ipc();
        serve(&dispatcher, stream, message_bytes, &quota).await;
    };
    let asking = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        for piece in pieces {
            // The server may have had enough already.
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
async fn requests_are_answered_however_they_are_cut() {
    let twice = [CALL, CALL].concat();
    assert_eq!(exchange(&[&twice], 1000).await, ANSWER.repeat(2));
    let bytes: Vec<&[u8]> = CALL.chunks(1).collect();
    assert_eq!(exchange(&bytes, 1000).await, ANSWER);
    let batch = [b"\n [", CALL, b",", CALL, b"]"].concat();
    let one = ANSWER.trim();
    assert_eq!(exchange(&[&batch], 1000).await, format!("[{one},{one}]\n"));
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_ends_the_connection() {
    for garbage in [&b"garbage\n"[..], b"{\"a\":", b"\xff\xfe\n"] {
        let answer = exchange(&[garbage, CALL], 1000).await;
        assert!(answer.contains("\"code\":-32600"), "{answer}");
        assert!(!answer.contains("\"id\""), "{answer}");
    }
    let endless = vec![b'['; 2000];
    assert_eq!(exchange(&[&endless, CALL], 1000).await, "");
}
