//! The methods `clique_*` on a chain that seals.

use serde_json::{Value, json};

use crate::{http, process::Running};

#[test]
fn a_vote_over_rpc_goes_into_the_next_block() {
    let folder = tempfile::tempdir().unwrap();
    let datadir = folder.path().to_str().unwrap();
    let args = [
        "--dev",
        "--dev.consensus",
        "clique",
        "--datadir",
        datadir,
        "--http",
        "--http.port",
        "0",
        "--http.api",
        "eth,evm,clique",
    ];
    let mut node = Running::start(&args);
    let address = node.wait_for_http();
    let call = |method: &str, params: Value| http::call(address, method, params).unwrap();
    let none = json!([]);

    let signers = call("clique_getSigners", json!(["latest"]));
    let signer = signers[0].as_str().unwrap().to_owned();
    assert_eq!(signers, json!([signer]));
    let status = call("clique_status", none.clone());
    assert_eq!(
        status,
        json!({"inturnPercent": 0, "sealerActivity": {signer.clone(): 0}, "numBlocks": 0})
    );
    for _ in 0..3 {
        call("evm_mine", none.clone());
    }
    let status = call("clique_status", none.clone());
    assert_eq!(
        status,
        json!({"inturnPercent": 100, "sealerActivity": {signer.clone(): 2}, "numBlocks": 2})
    );

    let candidate = "0x00000000000000000000000000000000000000aa";
    let other = "0x00000000000000000000000000000000000000bb";
    call("clique_propose", json!([candidate, true]));
    call("clique_propose", json!([other, true]));
    assert_eq!(
        call("clique_proposals", none.clone()),
        json!({candidate: true, other: true})
    );
    call("clique_discard", json!([other]));
    assert_eq!(
        call("clique_proposals", none.clone()),
        json!({candidate: true})
    );
    let before = call("eth_getBlockByNumber", json!(["latest", false]));
    call("evm_mine", none.clone());
    let voting = call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(voting["miner"], candidate);
    assert_eq!(voting["nonce"], "0xffffffffffffffff");

    // With one signer, one vote is a majority.
    let signers = call("clique_getSigners", none.clone());
    assert_eq!(signers.as_array().unwrap().len(), 2);
    assert!(signers.as_array().unwrap().contains(&json!(candidate)));
    let at = |block: &Value| call("clique_getSignersAtHash", json!([block["hash"]]));
    assert_eq!(at(&before), json!([signer]));
    assert_eq!(at(&voting), signers);
    let snapshot = call("clique_getSnapshot", none);
    assert_eq!(snapshot["hash"], voting["hash"]);
    assert_eq!(
        call("clique_getSnapshotAtHash", json!([voting["hash"]])),
        snapshot
    );
    assert_eq!(snapshot["signers"].as_object().unwrap().len(), 2);
    node.signal("TERM");
    node.wait().ok();
}
