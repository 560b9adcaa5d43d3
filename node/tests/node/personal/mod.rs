//! The methods `personal_*`, `--unlock` and signing with key files, alone and beside a real geth
//! with the same keys.

mod beside_geth;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use actoreum_primitives::{Address, SecretKey, keccak256};
use actoreum_wallet::{KeyDirectory, Password, ScryptCost};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chains::SMALL_GENESIS,
    http,
    process::{Running, run},
};

const TIMEOUT: Duration = Duration::from_secs(60);
/// A key whose account has ether.
const RICH: [u8; 32] = [0x5a; 32];
const MODULES: &str = "eth,net,personal";

fn address_of(key: &[u8; 32]) -> Address {
    SecretKey::from_bytes(key).unwrap().address()
}

/// A data directory with a chain, and with the key [`RICH`] under the password "secret".
struct Site(TempDir);

impl Site {
    fn new(init: impl FnOnce(&str, &str)) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let rich = hex::encode(address_of(&RICH));
        let ether = format!("\"alloc\": {{\"{rich}\": {{\"balance\": \"0xde0b6b3a7640000\"}}, ");
        let genesis = SMALL_GENESIS.replace("\"alloc\": {", &ether);
        let path = site.0.path().join("genesis.json");
        fs::write(&path, genesis).unwrap();
        init(site.datadir(), path.to_str().unwrap());
        site.add(&RICH, "secret");
        site
    }

    fn ours() -> Self {
        Self::new(|datadir, genesis| {
            run(&["init", "--datadir", datadir, genesis]).ok();
        })
    }

    fn datadir(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(self.0.path().join("keystore"), ScryptCost::LIGHT)
    }

    /// Adds a key; returns its file.
    fn add(&self, key: &[u8; 32], password: &str) -> PathBuf {
        let key = SecretKey::from_bytes(key).unwrap();
        let keys = self.keys();
        keys.import(&key, &Password::from(password)).unwrap().path
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn start(&self, extra: &[&str]) -> Running {
        let args = [
            "--datadir",
            self.datadir(),
            "--nodiscover",
            "--port",
            "0",
            "--lightkdf",
        ];
        Running::start(&[&args[..], extra].concat())
    }

    /// Starts with HTTP and with `--allow-insecure-unlock`.
    fn start_open(&self, extra: &[&str]) -> (Running, SocketAddr) {
        let args = ["--http", "--http.port", "0", "--http.api", MODULES];
        let mut node = self.start(&[&args[..], &["--allow-insecure-unlock"], extra].concat());
        let address = node.wait_for_http();
        (node, address)
    }
}

/// Calls a method; returns the result, or the text of the error.
fn answer(address: SocketAddr, method: &str, params: Value) -> Result<Value, String> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, answer) = http::request(address, "POST", "/", &body.to_string()).unwrap();
    let mut answer: Value = serde_json::from_str(&answer).unwrap();
    match answer["error"]["message"].as_str() {
        Some(text) => Err(text.to_owned()),
        None => Ok(answer["result"].take()),
    }
}

fn sign(address: SocketAddr, who: Address) -> Result<Value, String> {
    answer(address, "eth_sign", json!([who, "0xdeadbeef"]))
}

#[test]
fn added_and_removed_key_files_update_the_account_list() {
    let site = Site::ours();
    let (_node, http) = site.start_open(&[]);
    let list = || answer(http, "eth_accounts", json!([])).unwrap();
    let rich = address_of(&RICH);
    assert_eq!(list(), json!([rich]));
    let wait_for = |want: Value| {
        let begun = Instant::now();
        while list() != want {
            assert!(begun.elapsed() < TIMEOUT, "{} is not {want}", list());
            thread::sleep(Duration::from_millis(20));
        }
    };
    let other = [0x11; 32];
    let file = site.add(&other, "x");
    // The key can be unlocked at once.
    let unlock = json!([address_of(&other), "x"]);
    assert_eq!(
        answer(http, "personal_unlockAccount", unlock),
        Ok(json!(true))
    );
    wait_for(json!([rich, address_of(&other)]));
    assert!(sign(http, address_of(&other)).is_ok());
    // The file of another key takes its place.
    let next = [0x12; 32];
    let elsewhere = site.add(&next, "x");
    fs::rename(elsewhere, &file).unwrap();
    wait_for(json!([rich, address_of(&next)]));
    // An unlocked key whose file was removed cannot sign.
    let unknown = Err("unknown account".to_owned());
    assert_eq!(sign(http, address_of(&other)), unknown);
    fs::remove_file(file).unwrap();
    wait_for(json!([rich]));
    let made = answer(http, "personal_newAccount", json!(["y"])).unwrap();
    assert_eq!(
        list(),
        json!([rich, made]),
        "a new account is listed at once"
    );
}

#[test]
fn accounts_unlocked_at_start_survive_a_crash_unless_locked() {
    let site = Site::ours();
    let other = [0x11; 32];
    site.add(&other, "x");
    let (rich, other) = (address_of(&RICH), address_of(&other));
    let passwords = site.write("passwords", "secret\nx\n");
    let names = format!("{rich}, 1");
    let admin = ["--admin", "--admin.port", "0", "--admin.chaos"];
    let unlock = ["--unlock", &names, "--password", &passwords];
    let (mut node, http) = site.start_open(&[&unlock[..], &admin].concat());
    let admin = node.wait_for_admin();
    assert!(sign(http, rich).is_ok() && sign(http, other).is_ok());
    assert_eq!(
        answer(http, "personal_lockAccount", json!([other])),
        Ok(json!(true))
    );
    let assert_locked = |who: Address| {
        let text = sign(http, who).unwrap_err();
        assert!(
            text.starts_with("authentication needed: password or unlock"),
            "{text}"
        );
        // The error names the account and the remedies.
        for part in [
            who.to_checksum(None).as_str(),
            "personal_unlockAccount",
            "--unlock",
        ] {
            assert!(text.contains(part), "{text}");
        }
    };
    assert_locked(other);
    // A key that a caller unlocked is locked by a crash.
    let third = [0x12; 32];
    site.add(&third, "y");
    let third = address_of(&third);
    let unlock = json!([third, "y", 0]);
    assert_eq!(
        answer(http, "personal_unlockAccount", unlock),
        Ok(json!(true))
    );
    assert!(sign(http, third).is_ok());

    let generation = || http::actor(admin, "node/keys/accounts").unwrap()["generation"].clone();
    let before = generation();
    assert!(http::crash(admin, "node/keys/accounts").unwrap());
    let begun = Instant::now();
    while generation() == before {
        assert!(begun.elapsed() < TIMEOUT);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(sign(http, rich).is_ok());
    assert_locked(other);
    assert_locked(third);
}

#[test]
fn unlocking_with_http_or_websocket_needs_an_explicit_flag() {
    let site = Site::ours();
    let passwords = site.write("passwords", "secret");
    let rich = address_of(&RICH).to_string();
    let unlock = ["--unlock", &rich, "--password", &passwords];
    for port in [["--http", "--http.port"], ["--ws", "--ws.port"]] {
        let args = [&port[..], &["0"], &unlock].concat();
        let ended = site.start(&args).wait();
        ended.fatal(&["Fatal: Account unlock with HTTP access is forbidden!"]);
    }
    let http = ["--http", "--http.port", "0", "--http.api", MODULES];
    let mut node = site.start(&http);
    let address = node.wait_for_http();
    let refused = answer(address, "personal_unlockAccount", json!([rich, "secret"]));
    let text = "account unlock with HTTP access is forbidden";
    assert_eq!(refused, Err(text.to_owned()));
    drop(node);

    let mut node = site.start(&["--http", "--http.port", "0", "--allow-insecure-unlock"]);
    let address = node.wait_for_http();
    let refused = answer(address, "personal_listAccounts", json!([])).unwrap_err();
    assert!(
        refused.contains("does not exist/is not available"),
        "{refused}"
    );
    drop(node);

    let wrong = site.write("wrong", "Secret");
    let ended = site
        .start(&["--unlock", &rich, "--password", &wrong])
        .wait();
    let text = format!(
        "Fatal: Failed to unlock account {rich} (could not decrypt key with given passphrase)"
    );
    ended.fatal(&[&text]);
    let ended = site.start(&["--unlock", "7", "--password", &wrong]).wait();
    ended.fatal(&["Fatal: Could not list accounts: index 7 higher than number of accounts 1"]);
}

#[test]
fn a_timed_unlock_ends_after_its_duration() {
    let site = Site::ours();
    let (_node, http) = site.start_open(&[]);
    let rich = address_of(&RICH);
    let unlock = |seconds: Value| {
        answer(
            http,
            "personal_unlockAccount",
            json!([rich, "secret", seconds]),
        )
    };
    assert_eq!(unlock(json!(2)), Ok(json!(true)));
    let begun = Instant::now();
    while sign(http, rich).is_ok() {
        assert!(begun.elapsed() < TIMEOUT);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn no_secret_reaches_the_log() {
    let site = Site::ours();
    let secret = hex::encode([0x77; 32]);
    let passwords = site.write("passwords", "secret\n");
    let unlock = ["--unlock", "0", "--password", &passwords];
    let (node, http) = site.start_open(&[&unlock[..], &["--verbosity", "5"]].concat());
    let rich = address_of(&RICH);
    for (method, params) in [
        ("personal_newAccount", json!(["hunter-1"])),
        ("personal_importRawKey", json!([secret, "hunter-2"])),
        (
            "personal_importRawKey",
            json!([format!("{secret}00"), "hunter-3"]),
        ),
        ("personal_unlockAccount", json!([rich, "hunter-4"])),
        ("personal_sign", json!(["0x00", rich, "hunter-5"])),
        ("personal_sign", json!(["0x00", rich, ["hunter-6"]])),
        (
            "personal_sendTransaction",
            json!([{"from": rich, "to": rich}, "hunter-7"]),
        ),
        ("personal_unlockAccount", json!([rich, "hunter-8", "x"])),
    ] {
        if let Err(text) = answer(http, method, params) {
            assert!(
                !text.contains("hunter") && !text.contains(&secret),
                "{text}"
            );
        }
    }
    node.signal("TERM");
    let ended = node.wait();
    assert_eq!(ended.code, Some(0));
    let rich_key = hex::encode(RICH);
    for part in ["hunter", "secret", &secret, &rich_key] {
        assert!(!ended.stderr.contains(part), "{part} is in the log");
    }
}

#[test]
fn vectors_typed_data_is_signed_as_the_eip_says() {
    // The example of EIP-712. The signer's key is keccak256("cow").
    const MAIL: &str = include_str!("../../../../core/wallet/tests/data/eip712-mail.json");
    let data: Value = serde_json::from_str(MAIL).unwrap();
    let site = Site::ours();
    let (_node, http) = site.start_open(&[]);
    let cow = hex::encode(keccak256(b"cow"));
    let signer = answer(http, "personal_importRawKey", json!([cow, "moo"])).unwrap();
    assert_eq!(signer, "0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826");
    let sign = |data: &Value| answer(http, "eth_signTypedData_v4", json!([signer, data]));
    let locked = sign(&data).unwrap_err();
    assert!(
        locked.starts_with("authentication needed: password or unlock"),
        "{locked}"
    );
    answer(http, "personal_unlockAccount", json!([signer, "moo"])).unwrap();
    let want = concat!(
        "0x4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d",
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562",
        "1c"
    );
    assert_eq!(sign(&data), Ok(json!(want)));
    assert_eq!(sign(&json!(data.to_string())), Ok(json!(want)));
}

#[test]
fn typed_data_that_exhausts_the_stack_or_memory_is_refused() {
    let site = Site::ours();
    let (_node, http) = site.start_open(&[]);
    let brackets = format!("uint8{}", "[]".repeat(100_000));
    let tuple = format!("{}bool{}", "(".repeat(100_000), ")".repeat(100_000));
    let doubled = |at: u32| {
        let next = format!("S{}", at + 1);
        json!([{"name": "a", "type": next}, {"name": "b", "type": next}])
    };
    let doubling = (0..60).map(|at| (format!("S{at}"), doubled(at)));
    for types in [
        json!({"S0": [{"name": "a", "type": brackets}]}),
        json!({"S0": [{"name": "a", "type": tuple}]}),
        Value::Object(doubling.collect()),
    ] {
        let data = json!({"types": types, "primaryType": "S0", "domain": {}, "message": {}});
        let nobody = "0x0000000000000000000000000000000000000000";
        let refused = answer(http, "eth_signTypedData_v4", json!([nobody, data])).unwrap_err();
        // The doubling structs exceed the limit on the depth or on the number of members first.
        let bounds = ["the type", "structs are nested"];
        let is_bound = |bound| refused.contains(&format!("invalid typed data: {bound}"));
        assert!(bounds.into_iter().any(is_bound), "{refused}");
    }
    assert!(answer(http, "eth_blockNumber", json!([])).is_ok());
}

#[test]
fn hardware_wallets_are_searched_only_with_the_usb_flag() {
    let site = Site::ours();
    let (mut node, http) = site.start_open(&["--usb"]);
    node.wait_for("looking for hardware wallets");
    let wallets = answer(http, "personal_listWallets", json!([])).unwrap();
    let keys = |wallet: &Value| wallet["url"].as_str().unwrap().starts_with("keystore://");
    assert!(keys(&wallets[0]), "{wallets}");
    let open = json!(["ledger://ffff:ffff:00"]);
    let unknown = Err("unknown wallet".to_owned());
    assert_eq!(answer(http, "personal_openWallet", open), unknown);
    node.signal("TERM");
    assert_eq!(node.wait().code, Some(0));

    let (node, _) = site.start_open(&["--nousb"]);
    assert_eq!(node.line("looking for hardware wallets"), None);
    assert!(node.line("--nousb has no effect").is_some());
}
