//! Hostile key files and keystores: links, devices, oversized and malformed files, paths that are
//! no folders.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    accounts::{Files, OURS, created_address, key_file},
    http,
    process::Running,
};

/// Bound on all refusals of a test together, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const GIGABYTE: u64 = 1 << 30;

fn address(number: usize) -> String {
    format!("{number:040x}")
}

/// Returns invalid key files, some with excessive parameters, and a part of the error of each.
fn invalid_keys(valid: &Value) -> Vec<(Value, &'static str)> {
    let change = |pointer: &str, value: Value| {
        let mut file = valid.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        file
    };
    let params = "/crypto/kdfparams";
    let scrypt =
        |n: u64, r: u64, p: u64| json!({"dklen": 32, "n": n, "r": r, "p": p, "salt": "00"});
    let (much, impossible) = ("too much memory or time", "impossible");
    let mut empty = valid.clone();
    empty["crypto"] = json!({});
    vec![
        (change(params, scrypt(1 << 31, 8, 1)), much),
        (change(params, scrypt(1 << 18, 1 << 30, 1)), much),
        (change(params, scrypt(1 << 18, 8, 1 << 20)), much),
        (change(params, scrypt(3, 8, 1)), impossible),
        (change(params, scrypt(0, 0, 0)), impossible),
        (change(params, scrypt(u64::MAX, 8, 1)), much),
        (change("/crypto/kdfparams/dklen", json!(31)), "32 bytes"),
        (
            change("/crypto/kdfparams/dklen", json!(-1)),
            "not a key file",
        ),
        (change("/crypto/kdfparams", json!({})), "not a key file"),
        (change("/crypto/ciphertext", json!("")), "32 bytes"),
        (
            change("/crypto/ciphertext", json!("ab".repeat(1_000))),
            "32 bytes",
        ),
        (change("/crypto/mac", json!("zz")), "not a key file"),
        (change("/crypto/mac", json!("")), "not a key file"),
        (change("/crypto/cipherparams/iv", json!("00")), "16 bytes"),
        (
            change("/crypto/kdf", json!("x".repeat(1_000))),
            "Unsupported KDF: xxx",
        ),
        (
            change("/version", json!("1")),
            "Cipher not supported: aes-128-ctr",
        ),
        (empty, "not a key file"),
    ]
}

#[test]
fn a_hostile_keystore_is_listed_fast_and_each_key_has_an_error() {
    let files = Files::new();
    let data = files.path("data");
    let password = files.write("password", "x\n");
    let with_password = |args: &[&str]| {
        let all = [&["--password", &password], args].concat();
        OURS.run(&data, &all, "")
    };
    let plain = hex::encode(created_address(
        &with_password(&["account", "new", "--lightkdf"]).ok(),
    ));
    let good = key_file(&data);
    let folder = good.parent().unwrap();
    let valid: Value = serde_json::from_slice(&fs::read(&good).unwrap()).unwrap();

    symlink(&good, folder.join("link")).unwrap();
    symlink("/dev/zero", folder.join("endless")).unwrap();
    symlink(folder, folder.join("round")).unwrap();
    fs::create_dir(folder.join("UTC--folder")).unwrap();
    let made_fifo = Command::new("mkfifo").arg(folder.join("fifo")).status();
    assert!(made_fifo.unwrap().success());
    File::create(folder.join("large"))
        .unwrap()
        .set_len(GIGABYTE)
        .unwrap();
    for (name, content) in [
        ("empty", &b""[..]),
        ("noise", b"\xff\x00\xfe"),
        ("deep", "[".repeat(60_000).as_bytes()),
        ("array", b"[1, 2]"),
        ("nobody", b"{\"address\": \"\", \"version\": 3}"),
        ("short", b"{\"address\": \"00\", \"version\": 3}"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
    let invalid_keys = invalid_keys(&valid);
    for (index, (file, _)) in invalid_keys.iter().enumerate() {
        let mut file = file.clone();
        file["address"] = json!(address(index + 1));
        fs::write(folder.join(format!("invalid-{index}")), file.to_string()).unwrap();
    }

    let begun = Instant::now();
    let listed = with_password(&["account", "list"]).ok();
    assert_eq!(listed.lines().count(), 1 + invalid_keys.len(), "{listed}");
    assert!(listed.contains(&plain), "{listed}");
    for (index, (_, text)) in invalid_keys.iter().enumerate() {
        let refused = with_password(&["account", "update", "--lightkdf", &address(index + 1)]);
        refused.fatal(&["Fatal: Failed to unlock account", text]);
        assert!(refused.stderr.len() < 500, "{refused:?}");
    }
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    with_password(&["account", "update", "--lightkdf", &plain]).ok();

    // A running node reports the same errors and keeps running.
    let datadir = data.to_str().unwrap();
    let args = ["--dev", "--datadir", datadir, "--http", "--http.port", "0"];
    let more = ["--http.api", "eth,personal", "--allow-insecure-unlock"];
    let mut node = Running::start(&[&args[..], &more].concat());
    let http = node.wait_for_http();
    let ask = |method: &str, params: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (_, answer) = http::request(http, "POST", "/", &body.to_string()).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    for (index, (_, text)) in invalid_keys.iter().enumerate() {
        let who = format!("0x{}", address(index + 1));
        let answer = ask("personal_unlockAccount", json!([who, "x"]));
        let refused = answer["error"]["message"].as_str().unwrap();
        assert!(refused.contains(text), "{text:?} is not in {refused:?}");
    }
    let unlock = json!([format!("0x{plain}"), "x"]);
    assert_eq!(ask("personal_unlockAccount", unlock)["result"], true);
    node.signal("TERM");
    assert_eq!(node.wait().code, Some(0));
}

#[test]
fn a_keystore_that_is_no_folder_is_named_in_the_error() {
    let files = Files::new();
    let data = files.path("data");
    let file = files.write("file", "");
    let none = files.text("none");
    let keystore = |folder: &str, args: &[&str]| {
        OURS.run(&data, &[&["--keystore", folder], args].concat(), "a\na\n")
    };
    assert_eq!(keystore(&none, &["account", "list"]).ok(), "");
    assert!(!Path::new(&none).exists(), "account list creates no folder");
    keystore(&file, &["account", "list"]).fatal(&[&file]);
    keystore(&file, &["account", "new"]).fatal(&["Failed to create account", &file]);
    // Not even root can write there.
    let forbidden = "/proc/actoreum/keystore";
    keystore(forbidden, &["account", "new"]).fatal(&["Failed to create account", forbidden]);
}

#[test]
fn oversized_and_endless_input_files_are_refused() {
    let files = Files::new();
    let data = files.path("data");
    let large = files.path("large");
    File::create(&large).unwrap().set_len(GIGABYTE).unwrap();
    let (large, folder) = (large.to_str().unwrap(), files.text("."));
    let begun = Instant::now();
    let refused = |args: &[&str], parts: &[&str]| OURS.run(&data, args, "a\na\n").fatal(parts);
    for endless in [large, "/dev/zero"] {
        refused(&["account", "import", endless], &["too long"]);
        refused(
            &["wallet", "import", endless],
            &["Could not read wallet file", "too large"],
        );
        let args = ["account", "new", "--password", endless];
        refused(&args, &["Failed to read password file", "too large"]);
    }
    refused(
        &["account", "import", &folder],
        &["Failed to load the private key", &folder],
    );
    refused(
        &["wallet", "import", &folder],
        &["Could not read wallet file", &folder],
    );
    let args = ["account", "new", "--password", &folder];
    refused(&args, &["Failed to read password file", &folder]);
    assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());

    // The password file has a line for each account, with any line ending. The last line is used
    // for all further accounts.
    let mut names = Vec::new();
    for (password, content) in [("one", "one"), ("two", "two\r\n"), ("three", "three\r\n\n")] {
        let path = files.write(password, content);
        let args = ["account", "new", "--lightkdf", "--password", &path];
        names.push(hex::encode(created_address(
            &OURS.run(&data, &args, "").ok(),
        )));
    }
    let all = files.write("all", "one\r\ntwo\r\nthree\r\n");
    let names = names.join(",");
    let args = [
        "--datadir",
        data.to_str().unwrap(),
        "--dev",
        "--unlock",
        &names,
    ];
    let more = [
        "--password",
        &all,
        "--http",
        "--http.port",
        "0",
        "--allow-insecure-unlock",
    ];
    let mut node = Running::start(&[&args[..], &more].concat());
    node.wait_for_http();
    node.signal("TERM");
    let ended = node.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches("unlocked account").count(), 3);
}
