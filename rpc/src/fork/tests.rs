//! Tests of a fork with remote nodes that answer as they like.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use actoreum_evm::{BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS};
use actoreum_primitives::EMPTY_ROOT_HASH;

use super::*;

type Answering = Arc<dyn Fn(&str, &Value) -> Value + Send + Sync>;

/// Starts a remote node that answers each request with `answering`. Returns its settings.
fn remote(answering: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> ForkOptions {
    let answering: Answering = Arc::new(answering);
    serve(move |body| {
        let request: Value = serde_json::from_str(body).unwrap();
        let one = |request: &Value| {
            let method = request["method"].as_str().unwrap();
            let mut answer = answering(method, &request["params"]);
            answer["id"] = request["id"].clone();
            answer
        };
        match &request {
            Value::Array(all) => Value::from(all.iter().map(one).collect::<Vec<_>>()).to_string(),
            request => one(request).to_string(),
        }
    })
}

/// Starts a server that answers a body with a body.
fn serve(answering: impl Fn(&str) -> String + Send + Sync + 'static) -> ForkOptions {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = Arc::new(answering);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answering = Arc::clone(&answering);
            thread::spawn(move || answer(stream, &*answering));
        }
    });
    ForkOptions {
        retries: 2,
        backoff: Duration::from_millis(1),
        timeout: Duration::from_secs(60),
        ..ForkOptions::new(url)
    }
}

fn answer(stream: TcpStream, answering: &dyn Fn(&str) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let text = answering(std::str::from_utf8(&body).ok()?);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(text.as_bytes()).ok()?;
    }
}

fn block(number: u64) -> Value {
    let hash = B256::with_last_byte(number as u8);
    json!({
        "hash": hash, "parentHash": hash, "sha3Uncles": hash, "miner": Address::ZERO,
        "stateRoot": EMPTY_ROOT_HASH, "transactionsRoot": hash, "receiptsRoot": hash,
        "difficulty": "0x0", "number": format!("{number:#x}"), "gasLimit": "0x1c9c380",
        "gasUsed": "0x0", "timestamp": "0x5f000000",
    })
}

/// Answers as a chain whose newest block is 9, in which every account has the nonce 1.
fn chain(method: &str, params: &Value) -> Value {
    let result = match method {
        "eth_chainId" => json!("0x1"),
        "eth_getBlockByNumber" => match params[0].as_str() {
            Some("latest") => block(9),
            Some(number) => block(u64::try_from(parse_quantity(number).unwrap()).unwrap()),
            None => Value::Null,
        },
        "eth_getTransactionCount" => json!("0x1"),
        "eth_getBalance" => json!("0x0"),
        "eth_getCode" => json!("0x6001"),
        "eth_getStorageAt" => json!("0x05"),
        _ => Value::Null,
    };
    json!({"jsonrpc": "2.0", "result": result})
}

const ADDRESS: Address = Address::repeat_byte(7);

fn text<T>(result: Result<T, StateError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_was_read_is_not_asked_for_again() {
    let fork = Fork::connect(remote(chain)).unwrap();
    assert_eq!((fork.chain_id(), fork.block().number), (1, 9));
    let before = fork.requests();
    for _ in 0..3 {
        let account = fork.account(&ADDRESS).unwrap().unwrap();
        assert_eq!(fork.code(&account.code_hash).unwrap().unwrap().len(), 2);
        assert_eq!(
            fork.storage(&ADDRESS, &U256::from(1)).unwrap(),
            U256::from(5)
        );
        assert_eq!(fork.block_hash(3).unwrap(), Some(B256::with_last_byte(3)));
    }
    assert_eq!(fork.requests() - before, 5, "an account is three requests");
    assert_eq!(fork.code(&B256::ZERO).unwrap(), None);
}

#[test]
fn answers_that_are_not_usable_are_errors() {
    let wrong = [
        ("eth_getStorageAt", json!("0x")),
        ("eth_getBalance", json!("0x1")),
    ];
    for (method, fine) in wrong {
        let fork = Fork::connect(remote(move |name, params| {
            if name == method {
                json!({"result": fine})
            } else {
                chain(name, params)
            }
        }));
        let fork = fork.unwrap();
        assert_eq!(text(fork.account(&ADDRESS)), "accepted");
        assert_eq!(text(fork.storage(&ADDRESS, &U256::ZERO)), "accepted");
    }
    let long = format!("0x{}", "11".repeat(33));
    let unusable = [
        json!({"result": 5}),
        json!({"result": null}),
        json!({"result": {}}),
        json!({"result": "xyz"}),
        json!({"result": long}),
        json!({"error": {"code": -32000, "message": "missing trie node"}}),
        json!({}),
    ];
    for answer in unusable {
        let shown = answer.to_string();
        let fork = Fork::connect(remote(move |name, params| match name {
            "eth_getStorageAt" | "eth_getTransactionCount" => answer.clone(),
            name => chain(name, params),
        }));
        let fork = fork.unwrap();
        let error = text(fork.storage(&ADDRESS, &U256::ZERO));
        assert!(
            error.starts_with("remote chain: eth_getStorageAt"),
            "{shown}: {error}"
        );
        let error = text(fork.account(&ADDRESS));
        assert!(
            error.starts_with("remote chain: eth_getTransactionCount"),
            "{shown}: {error}"
        );
    }
}

#[test]
fn a_remote_that_is_no_node_is_refused() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "[[[[",
        "{\"result\":\"0x0\"}",
    ] {
        let refused = Fork::connect(serve(move |_| body.to_owned())).err();
        assert!(refused.is_some(), "{body:?}");
    }
    let missing = remote(|name, params| match name {
        "eth_getBlockByNumber" => json!({"result": null}),
        name => chain(name, params),
    });
    let error = Fork::connect(ForkOptions {
        block: Some(12),
        ..missing
    })
    .err();
    assert_eq!(
        error.unwrap().to_string(),
        "the remote chain has no block 0xc"
    );
    for url in ["", "http://", "ftp://host", "http://a b"] {
        assert!(Fork::connect(ForkOptions::new(url)).is_err(), "{url:?}");
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let endless = serve(|_| format!("\"{}\"", "x".repeat(30_000_000)));
    let error = Fork::connect(endless).err().unwrap().to_string();
    assert!(error.starts_with("eth_chainId: "), "{error}");
}

#[test]
fn a_silent_remote_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = ForkOptions {
        timeout: Duration::from_millis(200),
        ..ForkOptions::new(url)
    };
    assert!(Fork::connect(options).is_err());
}

#[test]
fn a_refusal_because_of_the_rate_is_repeated() {
    let refusals = std::sync::atomic::AtomicU64::new(2);
    let busy = remote(move |name, params| {
        use std::sync::atomic::Ordering::SeqCst;
        let is_over = refusals.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        match is_over {
            Ok(_) => json!({"error": {"code": 429, "message": "too many requests"}}),
            Err(_) => chain(name, params),
        }
    });
    let fork = Fork::connect(ForkOptions {
        units_per_second: None,
        ..busy
    })
    .unwrap();
    assert_eq!(fork.chain_id(), 1);
}

#[test]
fn a_named_block_is_kept_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let connect = || {
        let options = ForkOptions {
            block: Some(9),
            cache: Some(folder.path().to_owned()),
            ..remote(chain)
        };
        Fork::connect(options).unwrap()
    };
    let first = connect();
    first.storage(&ADDRESS, &U256::ZERO).unwrap();
    first.account(&ADDRESS).unwrap();
    drop(first);
    let second = connect();
    let before = second.requests();
    second.storage(&ADDRESS, &U256::ZERO).unwrap();
    second.account(&ADDRESS).unwrap();
    assert_eq!(second.requests(), before);
}

/// Answers `eth_getProof` with the lowest byte of each slot as its value.
fn proof(params: &Value) -> Value {
    let slots = params[1].as_array().unwrap().iter();
    let proven: Vec<Value> = slots
        .map(|key| {
            let slot = parse_quantity(key.as_str().unwrap()).unwrap();
            let value = format!("{:#x}", slot & U256::from(0xff));
            json!({"key": key, "value": value, "proof": []})
        })
        .collect();
    json!({"result": {"storageProof": proven}})
}

#[test]
fn slots_that_each_block_writes_are_read_in_advance() {
    let fork = Fork::connect(remote(|name, params| match name {
        "eth_getProof" => proof(params),
        name => chain(name, params),
    }));
    let fork = fork.unwrap();
    let before = fork.requests();
    for slot in 1..=64 {
        for address in [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS] {
            let value = fork.storage(&address, &U256::from(slot)).unwrap();
            assert_eq!(value, U256::from(slot));
        }
    }
    assert_eq!(fork.requests() - before, 2);
    assert_eq!(
        fork.storage(&ADDRESS, &U256::from(1)).unwrap(),
        U256::from(5)
    );
}

#[test]
fn a_remote_that_proves_no_slots_is_asked_for_each() {
    let unusable = [
        json!({"error": {"code": -32601, "message": "no such method"}}),
        json!({"result": null}),
        json!({"result": {"storageProof": [{"value": "0x1"}]}}),
        json!({"result": {"storageProof": [{"value": 1}]}}),
    ];
    for answer in unusable {
        let shown = answer.to_string();
        let fork = Fork::connect(remote(move |name, params| match name {
            "eth_getProof" => answer.clone(),
            name => chain(name, params),
        }));
        let fork = fork.unwrap();
        let before = fork.requests();
        for slot in 1..=3 {
            let value = fork.storage(&HISTORY_STORAGE_ADDRESS, &U256::from(slot));
            assert_eq!(value.unwrap(), U256::from(5), "{shown}");
        }
        assert_eq!(fork.requests() - before, 4, "{shown}");
    }
}
