use std::cell::Cell;

use actoreum_primitives::{Address, Bytes};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::server::json::Serialized;

struct Node;

/// Returns whether this runs on a thread of the pool, and not on the test's own thread.
fn on_pool() -> bool {
    let name = std::thread::current().name().map(str::to_owned);
    name.is_some_and(|name| name.contains("heavy"))
}

thread_local! {
    /// Number of submissions on this thread.
    static SUBMISSIONS: Cell<u64> = const { Cell::new(0) };
}

/// Submits; the answer is the number of submissions at the time of the answer.
async fn submit(
    _: Arc<Node>,
    (what,): (String,),
) -> Result<impl Future<Output = Result<u64, RpcError>>, RpcError> {
    if what == "refused" {
        return Err(RpcError::server("refused at once"));
    }
    SUBMISSIONS.set(SUBMISSIONS.get() + 1);
    Ok(async move {
        tokio::task::yield_now().await;
        match what.as_str() {
            "late" => Err(RpcError::server("failed later")),
            "panic" => panic!("on purpose"),
            "never" => std::future::pending().await,
            _ => Ok(SUBMISSIONS.get()),
        }
    })
}

async fn panic_at_once(_: Arc<Node>, (): ()) -> Result<bool, RpcError> {
    panic!("on purpose")
}

fn dispatcher(limits: DispatchLimits) -> Dispatcher<Node> {
    let methods = [
        Method::view("net_version", &[], |_: &Node, ()| Ok("1337".to_owned())),
        Method::view("eth_chainId", &[], |_: &Node, ()| Ok(1337u64)),
        Method::view("eth_echo", &["data"], |_: &Node, (data,): (Bytes,)| {
            Ok(data)
        }),
        Method::view("eth_who", &["address"], |_: &Node, (who,): (Address,)| {
            Ok(who)
        }),
        Method::view("eth_fail", &[], |_: &Node, ()| {
            Err::<(), _>(RpcError::new(3, "execution reverted").with_data("\"0x01\""))
        }),
        Method::view("eth_panic", &[], |_: &Node, ()| -> Result<(), RpcError> {
            panic!("on purpose")
        }),
        Method::view("eth_running", &[], |_: &Node, ()| {
            Ok(running_method().unwrap_or_default().to_owned())
        }),
        Method::heavy("debug_size", &["size"], |_: &Node, (size,): (u64,)| {
            Ok(Bytes::from(vec![0xab; size as usize]))
        }),
        Method::heavy(
            "debug_sleep",
            &["milliseconds"],
            |_: &Node, (wait,): (u64,)| {
                std::thread::sleep(Duration::from_millis(wait));
                Ok(true)
            },
        ),
        Method::heavy("debug_panic", &[], |_: &Node, ()| -> Result<(), RpcError> {
            panic!("on purpose")
        }),
        Method::inline_then_pool(
            "eth_inline",
            &["what"],
            |_: &Node, (what,): (String,)| match what.as_str() {
                "panic" => panic!("on purpose"),
                "fail" => Some(Err(RpcError::server("refused here"))),
                _ => (what == "here").then(|| Ok(on_pool())),
            },
            |_: &Node, (_,): (String,)| Ok(on_pool()),
        ),
        Method::actor(
            "admin_ask",
            &["what"],
            |_: Arc<Node>, (what,): (String,)| async move {
                tokio::task::yield_now().await;
                Ok(Serialized(json!({ "what": what })))
            },
        ),
        Method::actor("admin_panic", &[], panic_at_once),
        Method::submit("eth_submit", &["what"], submit),
        Method::view("personal_secret", &[], |_: &Node, ()| Ok(true)),
    ];
    let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
    let namespaces = ["net", "eth", "debug", "admin"].map(String::from);
    Dispatcher::new(
        Arc::new(Node),
        &methods,
        &namespaces,
        HeavyPool::alone(1, 4).unwrap(),
        limits,
    )
}

fn answer_with(dispatcher: &Dispatcher<Node>, body: &[u8]) -> (Value, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let answer = runtime.block_on(dispatcher.answer(body));
    if answer.body.is_empty() {
        return (Value::Null, answer.close);
    }
    assert_eq!(answer.body.last(), Some(&b'\n'));
    (
        serde_json::from_slice(&answer.body).expect("the answer is JSON"),
        answer.close,
    )
}

fn answer(body: &str) -> Value {
    answer_with(&dispatcher(DispatchLimits::default()), body.as_bytes()).0
}

fn failure(code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } })
}

fn call(method: &str, params: &str) -> Value {
    answer(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#
    ))
}

fn submissions(what: &[&str], limits: DispatchLimits) -> Vec<Value> {
    let request = |what: &&str| match *what {
        "chain" => json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}),
        what => json!({"jsonrpc": "2.0", "id": 1, "method": "eth_submit", "params": [what]}),
    };
    let batch: Vec<Value> = what.iter().map(request).collect();
    let body = json!(batch).to_string();
    let (answers, _) = answer_with(&dispatcher(limits), body.as_bytes());
    let answers = answers.as_array().unwrap().iter();
    answers
        .map(|answer| match &answer["error"]["message"] {
            Value::Null => answer["result"].clone(),
            text => text.clone(),
        })
        .collect()
}

#[test]
fn a_batch_submits_what_it_can_before_it_waits() {
    let what = ["a", "refused", "late", "chain", "panic", "b"];
    let answers = submissions(&what, DispatchLimits::default());
    let expected = json!([
        "0x2",
        "refused at once",
        "failed later",
        "0x539",
        "internal error",
        "0x4"
    ]);
    assert_eq!(json!(answers), expected);
    SUBMISSIONS.set(0);
    assert_eq!(call("eth_submit", r#"["a"]"#)["result"], "0x1");
    assert_eq!(
        call("eth_submit", r#"["late"]"#)["error"]["message"],
        "failed later"
    );
}

#[test]
fn a_submission_without_an_end_ends_with_its_batch() {
    let limits = DispatchLimits {
        batch_timeout: Duration::from_millis(100),
        ..DispatchLimits::default()
    };
    let answers = submissions(&["never", "a", "chain"], limits);
    assert_eq!(json!(answers[0]), "request timed out");
    assert_eq!(json!(answers[2]), "request timed out");
}

#[test]
fn an_inline_call_falls_back_to_the_pool() {
    assert_eq!(call("eth_inline", r#"["here"]"#)["result"], false);
    assert_eq!(call("eth_inline", r#"["elsewhere"]"#)["result"], true);
    assert_eq!(
        call("eth_inline", r#"["fail"]"#),
        failure(-32000, "refused here")
    );
    assert_eq!(
        call("eth_inline", r#"["panic"]"#),
        failure(-32603, "internal error")
    );
    let error = &call("eth_inline", "[]")["error"];
    assert_eq!(error["code"], -32602, "the missing argument is reported");
}

#[test]
fn answers_follow_json_rpc_to_the_letter() {
    let invalid = |id: Value| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32600, "message": "invalid request"}});
    let network = |id: Value| json!({"jsonrpc": "2.0", "id": id, "result": "1337"});
    let not_found = |id: Value, name: &str| {
        let message = format!("The method {name} does not exist/is not available");
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": message}})
    };
    let same = [
        (
            r#"{"jsonrpc":"2.0","id":1"#,
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "parse error: unexpected EOF"}}),
        ),
        (
            "[]",
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "empty batch"}}),
        ),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"net_version","params":[]},{"jsonrpc":"2.0","id":"x","method":"eth_chainId"},{"jsonrpc":"2.0","id":3,"method":"eth_nope"}]"#,
            json!([
                network(json!(1)),
                {"jsonrpc": "2.0", "id": "x", "result": "0x539"},
                not_found(json!(3), "eth_nope"),
            ]),
        ),
        (
            r#"[1,{"jsonrpc":"2.0","method":"net_version"},{"id":2},{"jsonrpc":"2.0","id":3,"method":"net_version"}]"#,
            json!([invalid(json!(null)), invalid(json!(2)), network(json!(3))]),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"net_version"}"#,
            network(json!(null)),
        ),
        (r#"{"id":1,"method":"net_version"}"#, network(json!(1))),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"netversion"}"#,
            not_found(json!(1), "netversion"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"net_version","params":{}}"#,
            network(json!(1)),
        ),
        (
            r#"{"jsonrpc":"2.0","id":{"a":1},"method":"net_version"}"#,
            invalid(json!(null)),
        ),
        ("null", invalid(json!(null))),
    ];
    for (body, expected) in same {
        assert_eq!(answer(body), expected, "{body}");
    }
}

#[test]
fn notifications_are_run_and_not_answered() {
    let dispatcher = dispatcher(DispatchLimits::default());
    let body = r#"{"jsonrpc":"2.0","method":"net_version"}"#;
    for body in [body.to_owned(), format!("[{body},{body}]")] {
        let answer = answer_with(&dispatcher, body.as_bytes());
        assert_eq!(answer, (Value::Null, false), "{body}");
    }
    let method = dispatcher.methods().find(|it| it.name == "net_version");
    assert_eq!(method.unwrap().metrics.snapshot().requests, 3);
}

#[test]
fn only_a_body_that_is_not_json_closes_the_connection() {
    let dispatcher = dispatcher(DispatchLimits::default());
    let close = |body: &str| answer_with(&dispatcher, body.as_bytes()).1;
    assert!(close("{"));
    assert!(close("]"));
    assert!(!close(r#"{"method":"net_version"}"#));
    assert!(!close(r#"{"id":1,"method":"netversion"}"#));
    assert!(!close(r#"{"id":1,"method":"eth_nope"}"#));
    assert!(!close(r#"[{"id":1,"method":"netversion"}]"#));
    assert!(!close("[]"));
    assert!(!close(""));
}

#[test]
fn each_cost_class_answers_and_fails() {
    let done = |result: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    assert_eq!(call("eth_echo", r#"["0x01ff"]"#), done(json!("0x01ff")));
    assert_eq!(call("debug_size", r#"["0x2"]"#), done(json!("0xabab")));
    assert_eq!(
        call("admin_ask", r#"["a\"b"]"#),
        done(json!({ "what": "a\"b" }))
    );
    assert_eq!(
        call("debug_size", "[]"),
        failure(-32602, "missing value for required argument 0")
    );
    assert_eq!(
        call("admin_ask", "[1]"),
        failure(
            -32602,
            "invalid argument 0: json: cannot unmarshal number into Go value of type string"
        )
    );
    assert_eq!(
        call("eth_fail", "[]"),
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 3, "message": "execution reverted", "data": "0x01" } })
    );
    assert_eq!(call("eth_panic", "[]"), failure(-32603, "internal error"));
    assert_eq!(call("debug_panic", "[]"), failure(-32603, "internal error"));
    assert_eq!(call("admin_panic", "[]"), failure(-32603, "internal error"));
    // The panic hook reads the name; an earlier panic leaves nothing behind.
    assert_eq!(call("eth_running", "[]")["result"], "eth_running");
    assert_eq!(running_method(), None);
    assert_eq!(
        answer(r#"{"jsonrpc":"2.0","id":1,"method":"eth_who"}"#),
        failure(-32602, "eth_Who expects 1 parameters, got 0")
    );
}

#[test]
fn a_namespace_that_is_not_offered_does_not_exist() {
    assert_eq!(
        call("personal_secret", "[]"),
        failure(
            -32601,
            "The method personal_secret does not exist/is not available"
        )
    );
    assert_eq!(
        call("rpc_modules", "[]")["result"],
        json!({ "admin": "1.0", "debug": "1.0", "eth": "1.0", "net": "1.0", "rpc": "1.0" })
    );
}

#[test]
fn answers_stay_within_their_limit() {
    let limits = DispatchLimits {
        batch_items: 10,
        response_bytes: 400,
        ..DispatchLimits::default()
    };
    let dispatcher = dispatcher(limits);
    let too_large = json!({ "code": -32003, "message": "response too large" });
    for body in [
        r#"{"id":1,"method":"debug_size","params":["0xffff"]}"#.to_owned(),
        format!(
            r#"{{"id":1,"method":"eth_echo","params":["0x{}"]}}"#,
            "00".repeat(500)
        ),
    ] {
        let (answer, _) = answer_with(&dispatcher, body.as_bytes());
        assert_eq!(answer["error"], too_large);
        assert_eq!(answer["id"], 1);
    }
    let item = format!(
        r#"{{"id":7,"method":"eth_echo","params":["0x{}"]}}"#,
        "00".repeat(60)
    );
    let body = format!("[{}]", [item.as_str(); 10].join(","));
    let (answer, _) = answer_with(&dispatcher, body.as_bytes());
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.len(), 10);
    assert!(answers[0]["result"].is_string());
    assert_eq!(answers[9]["error"], too_large);
    let body = format!("[{}]", [item.as_str(); 11].join(","));
    assert_eq!(
        answer_with(&dispatcher, body.as_bytes()).0["error"],
        json!({ "code": -32600, "message": "batch too large" })
    );
}

#[test]
fn a_batch_that_times_out_answers_the_rest_with_errors() {
    let limits = DispatchLimits {
        batch_timeout: Duration::from_millis(300),
        ..DispatchLimits::default()
    };
    let quick = r#"{"id":1,"method":"net_version"}"#;
    let slow = r#"{"id":2,"method":"debug_sleep","params":["0x2710"]}"#;
    let rest = vec![r#"{"id":3,"method":"eth_chainId"}"#; 40].join(",");
    let body = format!("[{quick},{slow},{rest},{{\"id\":4,\"method\":\"eth_nope\"}}]");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let dispatcher = dispatcher(limits);
    let begun = Instant::now();
    let answer = runtime.block_on(dispatcher.answer(body.as_bytes())).body;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the batch waited for the slow request"
    );
    runtime.shutdown_background();
    let answers: Value = serde_json::from_slice(&answer).unwrap();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 43);
    assert_eq!(answers[0]["result"], "1337");
    let timed_out = json!({ "code": -32002, "message": "request timed out" });
    for (index, id) in [(1, 2), (2, 3), (41, 3), (42, 4)] {
        assert_eq!(answers[index]["id"], id);
        assert_eq!(answers[index]["error"], timed_out, "{index}");
    }
}

#[test]
fn a_batch_of_short_requests_yields_to_other_tasks() {
    let methods = [Arc::new(Method::view("eth_work", &[], |_: &Node, ()| {
        std::thread::sleep(Duration::from_millis(2));
        Ok(true)
    }))];
    let pool = HeavyPool::alone(1, 1).unwrap();
    let limits = DispatchLimits::default();
    let dispatcher = Dispatcher::new(Arc::new(Node), &methods, &["eth".to_owned()], pool, limits);
    let body = format!(
        "[{}]",
        vec![r#"{"id":1,"method":"eth_work"}"#; 50].join(",")
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let turns = runtime.block_on(async {
        let batch = dispatcher.answer(body.as_bytes());
        let others = async {
            let mut turns = 0;
            loop {
                tokio::task::yield_now().await;
                turns += 1;
                if turns == 5 {
                    return turns;
                }
            }
        };
        tokio::select! {
            biased;
            _ = batch => 0,
            turns = others => turns,
        }
    });
    assert_eq!(turns, 5, "the batch occupied the thread until its end");
}

#[test]
fn requests_are_counted_by_method() {
    let dispatcher = dispatcher(DispatchLimits::default());
    for body in [
        r#"{"id":1,"method":"eth_chainId"}"#,
        r#"{"id":1,"method":"eth_who"}"#,
    ] {
        answer_with(&dispatcher, body.as_bytes());
        answer_with(&dispatcher, body.as_bytes());
    }
    let counts = |name: &str| {
        let method = dispatcher
            .methods()
            .find(|method| method.name == name)
            .unwrap();
        let snapshot = method.metrics.snapshot();
        (snapshot.requests, snapshot.errors)
    };
    assert_eq!(counts("eth_chainId"), (2, 0));
    assert_eq!(counts("eth_who"), (2, 2));
    assert_eq!(counts("net_version"), (0, 0));
}

#[test]
fn discovery_lists_the_methods_with_their_arguments() {
    let document = call("rpc.discover", "[]")["result"].clone();
    assert_eq!(document["openrpc"], "1.2.6");
    let methods = document["methods"].as_array().unwrap();
    let echo = methods
        .iter()
        .find(|method| method["name"] == "eth_echo")
        .unwrap();
    assert_eq!(echo["params"][0]["name"], "data");
    assert_eq!(echo["params"][0]["required"], true);
    assert_eq!(echo["params"][0]["schema"]["type"], "string");
    assert!(
        methods
            .iter()
            .all(|method| method["name"] != "personal_secret")
    );
    for name in ["rpc.discover", "rpc_modules"] {
        assert!(methods.iter().any(|method| method["name"] == name));
    }
}

/// Generates bodies that look like requests, so that fuzzing gets past the parser.
fn request_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(r#""jsonrpc":"2.0","#.to_owned()),
        Just(r#""id":1,"#.to_owned()),
        Just(r#"{"id":1,"method":"#.to_owned()),
        Just(r#""eth_echo","#.to_owned()),
        Just(r#""net_version""#.to_owned()),
        Just(r#""params":["#.to_owned()),
        Just(r#""0x00""#.to_owned()),
        Just("null".to_owned()),
        "[ -~]{0,8}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_body_gets_json_or_nothing(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        answer_with(&dispatcher(DispatchLimits::default()), &body);
    }

    #[test]
    fn any_request_like_body_gets_json_or_nothing(body in request_like()) {
        answer_with(&dispatcher(DispatchLimits::default()), &body);
    }

    #[test]
    fn any_id_is_echoed_unchanged(id in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?|\"[a-z\\u{80}-\\u{2fff}]{0,20}\"|null") {
        let body = format!(r#"{{"id":{id},"method":"net_version"}}"#);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(dispatcher(DispatchLimits::default()).answer(body.as_bytes()));
        let expected = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":\"1337\"}}\n");
        prop_assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
    }

    #[test]
    fn any_params_get_json(params in "[\\[\\]{}\":,0-9a-fx nul]{0,40}", method in "eth_(echo|who|chainId)|debug_size") {
        let body = format!(r#"{{"id":1,"method":"{method}","params":{params}}}"#);
        let limits = DispatchLimits { batch_items: 4, response_bytes: 4096, ..DispatchLimits::default() };
        answer_with(&dispatcher(limits), body.as_bytes());
    }
}
