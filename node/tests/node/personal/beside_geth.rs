//! Comparison of the answers of this node and of a real geth with the same keys.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::Address;
use serde_json::{Value, json};

use super::{MODULES, RICH, Site, TIMEOUT, address_of, answer};
use crate::{accounts, folder::copy_folder, http, process::free_port};

/// A running geth, which is killed on drop.
struct Geth(Child);

impl Geth {
    fn start(binary: &Path, datadir: &str, port: u16) -> Self {
        let port = port.to_string();
        let mut command = Command::new(binary);
        command.args(["--datadir", datadir, "--rpc", "--rpcport", &port]);
        command.args(["--rpcapi", MODULES, "--nodiscover", "--port", "0"]);
        command.args(["--maxpeers", "0", "--nousb", "--lightkdf", "--ipcdisable"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Calls all methods whose answers are compared; returns the answers with their names.
fn record_answers(http: SocketAddr, datadir: &str) -> Vec<(String, Result<Value, String>)> {
    let rich = address_of(&RICH);
    let nobody = Address::repeat_byte(9);
    let mut recorded = Vec::new();
    let mut ask = |method: &str, params: Value| {
        let name = format!("{method} {params}").replace(datadir, "DATA");
        let mut answered = answer(http, method, params);
        if let Ok(value) = &mut answered {
            let text = value.to_string().replace(datadir, "DATA");
            *value = serde_json::from_str(&text).unwrap();
            if let Some(raw) = value.get("raw").cloned() {
                *value = json!({"raw": raw, "hash": value["tx"]["hash"]});
            }
        }
        recorded.push((name, answered.clone()));
        answered
    };
    ask("personal_listAccounts", json!([])).unwrap();
    let wallets = ask("personal_listWallets", json!([])).unwrap();
    assert_eq!(wallets[0]["status"], "Locked");
    ask("eth_sign", json!([rich, "0x01"])).unwrap_err();
    ask("eth_sign", json!([nobody, "0x01"])).unwrap_err();
    ask("personal_sign", json!(["0x01", rich, "wrong"])).unwrap_err();
    ask("personal_sign", json!(["0x01", nobody, "secret"])).unwrap_err();
    let signature = ask("personal_sign", json!(["0x01", rich, "secret"])).unwrap();
    ask("personal_ecRecover", json!(["0x01", signature])).unwrap();
    ask("personal_ecRecover", json!(["0x01", "0x01"])).unwrap_err();
    ask(
        "personal_ecRecover",
        json!(["0x01", format!("0x{}", "01".repeat(65))]),
    )
    .unwrap_err();
    let unlock = "personal_unlockAccount";
    ask(unlock, json!([rich, "wrong"])).unwrap_err();
    ask(unlock, json!([nobody, "secret"])).unwrap_err();
    ask(unlock, json!([rich, "secret", 9_223_372_037_u64])).unwrap_err();
    for wrong in [json!("0x1"), json!(-1), json!(1.5), json!(true)] {
        ask(unlock, json!([rich, "secret", wrong])).unwrap_err();
    }
    ask(unlock, json!([rich, "secret", 1, 1])).unwrap_err();
    ask(unlock, json!([rich, 7])).unwrap_err();
    for method in [
        unlock,
        "personal_newAccount",
        "personal_lockAccount",
        "personal_importRawKey",
        "personal_sign",
        "personal_ecRecover",
        "personal_sendTransaction",
        "personal_signTransaction",
        "personal_openWallet",
        "personal_deriveAccount",
    ] {
        ask(method, json!([])).unwrap_err();
        ask(method, json!([[]])).unwrap_err();
    }
    ask(unlock, json!([rich, "secret", 0])).unwrap();
    ask(unlock, json!([rich, "secret", 1])).unwrap();
    ask("eth_sign", json!([rich, "0x01"])).unwrap();
    let full = json!({
        "from": rich, "to": nobody, "value": "0x1", "gas": "0x5208", "gasPrice": "0x3b9aca00",
        "nonce": "0x0", "data": "0x",
    });
    ask("eth_signTransaction", json!([full])).unwrap();
    ask("personal_lockAccount", json!([rich])).unwrap();
    ask("personal_lockAccount", json!([nobody])).unwrap();
    ask("eth_sign", json!([rich, "0x01"])).unwrap_err();
    ask("eth_sendTransaction", json!([full])).unwrap_err();
    for field in ["gas", "gasPrice", "nonce"] {
        let mut lacking = full.clone();
        lacking.as_object_mut().unwrap().remove(field);
        ask("personal_signTransaction", json!([lacking, "secret"])).unwrap_err();
    }
    ask("personal_signTransaction", json!([full, "wrong"])).unwrap_err();
    ask("personal_signTransaction", json!([full, "secret"])).unwrap();
    ask("personal_sendTransaction", json!([full, "wrong"])).unwrap_err();
    ask("personal_sendTransaction", json!([full, "secret"])).unwrap();
    let mut next = full.clone();
    next.as_object_mut().unwrap().remove("nonce");
    ask("personal_signAndSendTransaction", json!([next, "secret"])).unwrap();
    let mut foreign = full.clone();
    foreign["from"] = json!(nobody);
    ask("personal_sendTransaction", json!([foreign, "secret"])).unwrap_err();
    let import = "personal_importRawKey";
    let key = hex::encode([0x21; 32]);
    ask(import, json!([key, "x"])).unwrap();
    ask(import, json!([key, "x"])).unwrap_err();
    ask(import, json!([format!("0x{key}"), "x"])).unwrap_err();
    ask(import, json!([key[2..], "x"])).unwrap_err();
    ask(import, json!([key[1..], "x"])).unwrap_err();
    for impossible in ["0", "f"] {
        ask(import, json!([impossible.repeat(64), "x"])).unwrap_err();
    }
    let url = format!("keystore://{datadir}/keystore/none");
    ask("personal_openWallet", json!([url])).unwrap_err();
    ask("personal_openWallet", json!(["nothing"])).unwrap_err();
    let path = "m/44'/60'/0'/0/0";
    ask("personal_deriveAccount", json!([url, path])).unwrap_err();
    let wallets = answer(http, "personal_listWallets", json!([])).unwrap();
    let url = wallets[0]["url"].as_str().unwrap();
    assert_eq!(
        answer(http, "personal_openWallet", json!([url])),
        Ok(Value::Null)
    );
    for path in ["m", "/1", "x", path] {
        let refused = answer(http, "personal_deriveAccount", json!([url, path]));
        recorded.push((format!("derive {path}"), refused));
    }
    odd_files(http, datadir, &mut recorded);
    let made = answer(http, "personal_newAccount", json!(["x"])).unwrap();
    let list = answer(http, "personal_listAccounts", json!([])).unwrap();
    assert!(list.as_array().unwrap().contains(&made));
    recorded
}

/// Adds the answers about unusable key files, two files of one key, and a file that is removed
/// while its key is unlocked.
fn odd_files(http: SocketAddr, datadir: &str, recorded: &mut Vec<(String, Result<Value, String>)>) {
    let folder = Path::new(datadir).join("keystore");
    let wait_for = |method: &str, params: Value, part: &str| {
        let begun = Instant::now();
        loop {
            let answered = answer(http, method, params.clone());
            let answered = answered.map_err(|text| text.replace(datadir, "DATA"));
            if format!("{answered:?}").contains(part) {
                return answered;
            }
            assert!(begun.elapsed() < TIMEOUT, "{method}: {answered:?}");
            thread::sleep(Duration::from_millis(100));
        }
    };
    let unlock = "personal_unlockAccount";
    let odd = "00000000000000000000000000000000000000aa";
    for (name, content) in [
        ("version", json!({"address": odd, "version": 4})),
        (
            "cipher",
            json!({"address": odd, "version": 3, "crypto": {"cipher": "aes-256-ctr"}}),
        ),
        (
            "kdf",
            json!({"address": odd, "version": 3, "crypto": {"cipher": "aes-128-ctr",
                "kdf": "argon2", "kdfparams": {"dklen": 32, "salt": ""}}}),
        ),
    ] {
        fs::write(folder.join("odd"), content.to_string()).unwrap();
        let params = json!([format!("0x{odd}"), "x"]);
        recorded.push((name.to_owned(), wait_for(unlock, params, "upported")));
        fs::remove_file(folder.join("odd")).unwrap();
    }

    let wallets = answer(http, "personal_listWallets", json!([])).unwrap();
    let key = address_of(&[0x21; 32]);
    let mut wallets = wallets.as_array().unwrap().iter();
    let ours = |wallet: &&Value| wallet["accounts"][0]["address"] == json!(key);
    let url = wallets.find(ours).unwrap()["url"].as_str().unwrap();
    let file = url.strip_prefix("keystore://").unwrap();
    // The names of key files hold the time, which differs.
    let copies = ["one", "two"].map(|name| folder.join(name));
    for copy in &copies {
        fs::copy(file, copy).unwrap();
    }
    fs::remove_file(file).unwrap();
    let both = wait_for(unlock, json!([key, "x"]), "/two)");
    recorded.push(("two files".to_owned(), both));
    for method in ["personal_sign", "eth_sign"] {
        let params = match method {
            "eth_sign" => json!([key, "0x01"]),
            _ => json!(["0x01", key, "x"]),
        };
        recorded.push((format!("two files, {method}"), wait_for(method, params, "")));
    }
    fs::remove_file(&copies[1]).unwrap();
    recorded.push((
        "one is left".to_owned(),
        wait_for(unlock, json!([key, "x"]), "true"),
    ));
    let sign = json!([key, "0x01"]);
    recorded.push(("open".to_owned(), wait_for("eth_sign", sign.clone(), "0x")));
    fs::remove_file(&copies[0]).unwrap();
    recorded.push(("gone".to_owned(), wait_for("eth_sign", sign, "unknown")));
    recorded.push((
        "unlock".to_owned(),
        wait_for(unlock, json!([key, "x"]), "no key"),
    ));
    recorded.push((
        "lock".to_owned(),
        wait_for("personal_lockAccount", json!([key]), "true"),
    ));
}

#[test]
fn personal_methods_answer_like_geth() {
    for geth in accounts::geth_binaries() {
        let theirs = Site::new(|datadir, genesis| {
            let mut init = Command::new(&geth);
            init.args(["--datadir", datadir, "init", genesis]);
            assert!(init.stderr(Stdio::null()).status().unwrap().success());
        });
        let ours = Site::ours();
        // Both use a copy of one file, so that its name is the same.
        fs::remove_dir_all(theirs.keys().folder()).unwrap();
        copy_folder(ours.keys().folder(), theirs.keys().folder());
        let port = free_port();
        let _geth = Geth::start(&geth, theirs.datadir(), port);
        let their_http = SocketAddr::from(([127, 0, 0, 1], port));
        let begun = Instant::now();
        while http::block_number(their_http).is_err() {
            assert!(begun.elapsed() < TIMEOUT, "geth does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        let (_node, our_http) = ours.start_open(&[]);
        let our_story = record_answers(our_http, ours.datadir());
        let their_story = record_answers(their_http, theirs.datadir());
        assert_eq!(our_story.len(), their_story.len());
        for (ours, theirs) in our_story.iter().zip(&their_story) {
            assert_eq!(ours, theirs);
        }
        println!("{} answers alike", our_story.len());
    }
}
