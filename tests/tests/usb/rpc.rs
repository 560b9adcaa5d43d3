//! Wallets over JSON-RPC, through UsbHubActor.

use std::{future::Future, time::Duration};

use actoreum_primitives::{Address, Signature, Transaction, alloy_primitives::hex};
use actoreum_tests::usb::{
    Fault, LedgerFirmware, Owner, OwnerResponse, SimulatedBus, TEST_MNEMONIC, TrezorFirmware,
    key_at,
};
use actoreum_wallet::{DerivationPath, TypedData, hardware::Brand, mnemonic::DEVELOPMENT};
use serde_json::{Value, json};

use crate::node::{TIMEOUT, WalletNode};

fn run(test: impl Future<Output = ()>) {
    actoreum_supervision::block_on(test);
}

fn account(phrase: &str, path: &DerivationPath) -> Address {
    key_at(phrase, "", path.components()).address()
}

fn ledger_account(index: u32) -> Address {
    account(DEVELOPMENT, &DerivationPath::account(index))
}

/// Starts a node with a Ledger, its first account funded and listed.
async fn with_ledger() -> (WalletNode, Owner, String) {
    let (bus, owner) = (SimulatedBus::default(), Owner::default());
    let url = bus.plug(Brand::Ledger, 5, LedgerFirmware::new(DEVELOPMENT, &owner));
    let node = WalletNode::start(bus, &[ledger_account(0)]).await;
    node.wait_for_account(ledger_account(0)).await;
    (node, owner, url)
}

async fn stop(node: WalletNode) {
    let outcome = node.tree.shutdown().await;
    assert!(outcome.is_clean(), "{outcome}");
}

fn transaction(from: Address, fields: Value) -> Value {
    let mut transaction = json!({
        "from": from, "to": Address::repeat_byte(7), "value": "0x1", "gas": "0x10000",
        "nonce": "0x0",
    });
    let all = transaction.as_object_mut().unwrap();
    all.extend(fields.as_object().unwrap().clone());
    transaction
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

const TYPED_DATA: &str = r#"{
    "types": {"EIP712Domain": [{"name": "name", "type": "string"}],
              "Note": [{"name": "text", "type": "string"}]},
    "primaryType": "Note", "domain": {"name": "Notes"}, "message": {"text": "hello"}
}"#;

/// Signs each kind of request, and checks the signer.
async fn sign_everything(node: &WalletNode, signer: Address, prices: &[Value]) {
    for price in prices {
        let asked = json!([transaction(signer, price.clone())]);
        let signed = node.call("eth_signTransaction", asked).await.unwrap();
        let raw = Transaction::decode_2718(&bytes(&signed["raw"])).unwrap();
        assert_eq!(raw.recover_sender(), Ok(signer), "{price}");
    }
    let asked = json!(["0xdeadbeef", signer, ""]);
    let signature = node.call("personal_sign", asked).await.unwrap();
    let asked = json!(["0xdeadbeef", signature]);
    let by = node.call("personal_ecRecover", asked).await.unwrap();
    assert_eq!(by, json!(signer.to_string().to_lowercase()));
    let asked = json!([signer, "0xdeadbeef"]);
    assert_eq!(node.call("eth_sign", asked).await.unwrap(), signature);

    let asked = json!([signer, TYPED_DATA]);
    let signature = node.call("eth_signTypedData_v4", asked).await.unwrap();
    let mut signature: [u8; 65] = bytes(&signature).try_into().unwrap();
    signature[64] -= 27;
    let hash = TypedData::from_json(TYPED_DATA).unwrap().signing_hash();
    let by = Signature::from_bytes(&signature)
        .unwrap()
        .recover_address(hash);
    assert_eq!(by, Ok(signer));
}

#[test]
fn a_ledger_is_found_and_signs_requests_of_rpc() {
    run(async {
        let (bus, owner) = (SimulatedBus::default(), Owner::default());
        let url = bus.plug(Brand::Ledger, 5, LedgerFirmware::new(DEVELOPMENT, &owner));
        assert_eq!(url, "ledger://0001:0005:00");
        let legacy = account(DEVELOPMENT, &DerivationPath::legacy_ledger(0));
        let rich = [ledger_account(0), ledger_account(1), legacy];
        let node = WalletNode::start(bus, &rich).await;
        for account in rich {
            node.wait_for_account(account).await;
        }
        // The first unused account is listed, and none on the old path.
        node.wait_for_account(ledger_account(2)).await;
        let wallet = node.wallet(&url).await.unwrap();
        assert_eq!(wallet["status"], "Ethereum app v1.12.0 online");
        assert_eq!(wallet.get("failure"), None);
        let listed = wallet["accounts"].as_array().unwrap();
        assert_eq!(listed.len(), 4, "{wallet}");
        assert_eq!(listed[0]["url"], format!("{url}/m/44'/60'/0'/0"));
        assert_eq!(listed[1]["url"], format!("{url}/m/44'/60'/0'/0/0"));

        let prices = [
            json!({"gasPrice": "0x77359400"}),
            json!({"gasPrice": "0x77359400", "accessList": [
                {"address": Address::repeat_byte(7), "storageKeys": []}
            ]}),
            json!({"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}),
        ];
        for signer in [ledger_account(0), legacy] {
            sign_everything(&node, signer, &prices).await;
        }
        let asked = json!([transaction(ledger_account(0), prices[2].clone())]);
        let hash = node.call("eth_sendTransaction", asked).await.unwrap();
        let pooled = node.call("eth_getTransactionByHash", json!([hash])).await;
        let from = json!(ledger_account(0).to_string().to_lowercase());
        assert_eq!(pooled.unwrap()["from"], from);

        let path = "m/44'/60'/0'/0/77";
        let other = account(DEVELOPMENT, &path.parse().unwrap());
        let derived_account = json!({
            "address": other.to_string().to_lowercase(), "url": format!("{url}/{path}")
        });
        let unknown = json!([other, "0x00"]);
        let derived = node
            .call("personal_deriveAccount", json!([url, path]))
            .await;
        assert_eq!(derived, Ok(derived_account.clone()));
        let refused = node.call("eth_sign", unknown.clone()).await;
        assert_eq!(refused, Err("unknown account".to_owned()));
        let derived = node
            .call("personal_deriveAccount", json!([url, path, true]))
            .await;
        assert_eq!(derived, Ok(derived_account));
        assert!(node.call("eth_sign", unknown).await.is_ok());

        for (method, params, text) in [
            ("personal_openWallet", json!([url]), "wallet already open"),
            (
                "personal_openWallet",
                json!(["ledger://0009:0009:00"]),
                "unknown wallet",
            ),
            (
                "personal_openWallet",
                json!(["nothing"]),
                "protocol scheme missing",
            ),
            (
                "personal_deriveAccount",
                json!(["trezor://1", "0"]),
                "unknown wallet",
            ),
            (
                "personal_deriveAccount",
                json!([url, "m/x"]),
                "invalid component: x",
            ),
        ] {
            let refused = node.call(method, params).await;
            assert_eq!(refused, Err(text.to_owned()), "{method}");
        }
        stop(node).await;
    });
}

#[test]
fn a_trezor_is_opened_with_pin_and_passphrase_and_signs() {
    run(async {
        let (bus, owner) = (SimulatedBus::default(), Owner::default());
        let mut firmware = TrezorFirmware::new(TEST_MNEMONIC, &owner);
        firmware.pin = Some("7139".to_owned());
        firmware.requires_passphrase = true;
        let url = bus.plug(Brand::Trezor, 6, firmware);
        let node = WalletNode::start(bus, &[]).await;
        let waiting = "Trezor v1.12.1 'mine' waiting for PIN";
        let wallet = node
            .wait_for(&url, |wallet| wallet["status"] == waiting)
            .await;
        assert_eq!(wallet.get("accounts"), None);

        let open = async |secret: &str| {
            let answer = node.call("personal_openWallet", json!([url, secret])).await;
            answer.map_err(|text| text.replace("trezor: ", ""))
        };
        assert_eq!(open("").await, Err("pin needed".to_owned()));
        assert_eq!(open("1111").await, Err("PIN invalid".to_owned()));
        let wallet = node.wallet(&url).await.unwrap();
        assert_eq!(wallet["status"], "Failed: trezor: PIN invalid");
        assert_eq!(wallet["failure"], "trezor: PIN invalid");
        assert_eq!(open("").await, Err("pin needed".to_owned()));
        assert_eq!(open("7139").await, Err("passphrase needed".to_owned()));
        assert_eq!(open("TREZOR").await, Ok(Value::Null));
        assert_eq!(open("TREZOR").await, Err("wallet already open".to_owned()));

        let path = DerivationPath::account(0);
        let signer = key_at(TEST_MNEMONIC, "TREZOR", path.components()).address();
        node.wait_for_account(signer).await;
        let prices = [
            json!({"gasPrice": "0x77359400"}),
            json!({"maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1"}),
        ];
        sign_everything(&node, signer, &prices).await;

        owner.auto_lock();
        let asked = json!([signer, "0x01"]);
        let locked = node.call("eth_sign", asked.clone()).await;
        assert_eq!(locked, Err("trezor: pin needed".to_owned()));
        node.wait_for(&url, |wallet| wallet["status"] == waiting)
            .await;
        assert_eq!(open("").await, Err("pin needed".to_owned()));
        assert_eq!(open("7139").await, Ok(Value::Null));
        assert!(node.call("eth_sign", asked).await.is_ok());
        stop(node).await;
    });
}

#[test]
fn a_rejection_reaches_the_caller_and_keeps_the_wallet_open() {
    run(async {
        let (node, owner, _) = with_ledger().await;
        owner.set(OwnerResponse::Reject);
        let asked = json!([ledger_account(0), "0x01"]);
        let refused = node.call("eth_sign", asked.clone()).await;
        assert_eq!(refused, Err("ledger: refused on the device".to_owned()));
        owner.set(OwnerResponse::Accept);
        assert!(node.call("eth_sign", asked).await.is_ok());
        stop(node).await;
    });
}

/// Waits until the device waits for its owner.
async fn until_asked(node: &WalletNode, url: &str) {
    let begun = tokio::time::Instant::now();
    while !node.bus.is_asking(url) {
        assert!(begun.elapsed() < TIMEOUT, "the device asks for nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn unplugging_fails_the_request_and_plugging_in_recovers() {
    run(async {
        for brand in [Brand::Ledger, Brand::Trezor] {
            let (bus, owner) = (SimulatedBus::default(), Owner::default());
            let plug = |bus: &SimulatedBus, place| match brand {
                Brand::Ledger => bus.plug(brand, place, LedgerFirmware::new(DEVELOPMENT, &owner)),
                Brand::Trezor => bus.plug(brand, place, TrezorFirmware::new(DEVELOPMENT, &owner)),
            };
            let url = plug(&bus, 5);
            let signer = ledger_account(0);
            let node = WalletNode::start(bus.clone(), &[signer]).await;
            node.wait_for_account(signer).await;
            owner.set(OwnerResponse::Wait);
            let sign = node.call("eth_sign", json!([signer, "0x01"]));
            let pull = async {
                until_asked(&node, &url).await;
                // Meanwhile other callers can list the wallet, without waiting for its owner.
                assert!(node.wallet(&url).await.is_some());
                bus.unplug(&url);
            };
            let (signed, ()) = tokio::join!(sign, pull);
            assert_eq!(signed, Err("device disconnected".to_owned()));
            node.wait_for(&url, Value::is_null).await;
            let none = node.call("eth_accounts", json!([])).await;
            assert_eq!(none, Ok(json!([])));

            let url = plug(&bus, 9);
            node.wait_for_account(signer).await;
            let sign = node.call("eth_sign", json!([signer, "0x01"]));
            let press = async {
                until_asked(&node, &url).await;
                bus.press(&url, true);
            };
            let (signed, ()) = tokio::join!(sign, press);
            assert!(signed.is_ok(), "{signed:?}");
            stop(node).await;
        }
    });
}

#[test]
fn a_device_with_random_answers_is_closed_and_can_be_reopened() {
    run(async {
        let (node, owner, url) = with_ledger().await;
        owner.set_fault(Fault::Noise);
        let closed = |wallet: &Value| {
            wallet["status"] == "Closed" && wallet["failure"] == "ledger: invalid reply header"
        };
        node.wait_for(&url, closed).await;
        let asked = json!([ledger_account(0), "0x01"]);
        let refused = node.call("eth_sign", asked.clone()).await;
        assert_eq!(refused, Err("unknown account".to_owned()));
        let refused = node.call("personal_deriveAccount", json!([url, "0"])).await;
        assert_eq!(refused, Err("wallet closed".to_owned()));

        owner.set_fault(Fault::None);
        let opened = node.call("personal_openWallet", json!([url])).await;
        assert_eq!(opened, Ok(Value::Null));
        node.wait_for_account(ledger_account(0)).await;
        assert!(node.call("eth_sign", asked).await.is_ok());
        stop(node).await;
    });
}

#[test]
fn missing_permission_names_the_udev_rule_and_is_retried() {
    run(async {
        let (bus, owner) = (SimulatedBus::default(), Owner::default());
        let url = bus.plug(Brand::Ledger, 5, LedgerFirmware::new(DEVELOPMENT, &owner));
        bus.set_forbidden(&url, true);
        let node = WalletNode::start(bus.clone(), &[]).await;
        let refused = |wallet: &Value| {
            let failure = wallet["failure"].as_str().unwrap_or_default();
            failure.contains("/dev/hidraw5") && failure.contains("ATTRS{idVendor}==\"2c97\"")
        };
        node.wait_for(&url, refused).await;
        let opened = node.call("personal_openWallet", json!([url])).await;
        assert!(opened.unwrap_err().starts_with("no permission to open "));
        bus.set_forbidden(&url, false);
        node.wait_for_account(ledger_account(0)).await;
        stop(node).await;
    });
}

#[test]
fn a_busy_device_opens_once_it_is_free() {
    run(async {
        let (bus, owner) = (SimulatedBus::default(), Owner::default());
        let url = bus.plug(Brand::Trezor, 5, TrezorFirmware::new(DEVELOPMENT, &owner));
        bus.set_busy(&url, true);
        let node = WalletNode::start(bus.clone(), &[]).await;
        let busy = |wallet: &Value| wallet["failure"] == "the device is busy";
        node.wait_for(&url, busy).await;
        bus.set_busy(&url, false);
        node.wait_for_account(ledger_account(0)).await;
        stop(node).await;
    });
}

#[test]
fn waiting_requests_are_bounded_and_a_stop_ends_them() {
    run(async {
        let (node, owner, url) = with_ledger().await;
        owner.set(OwnerResponse::Wait);
        let asked = || node.call("personal_sign", json!(["0x01", ledger_account(0), ""]));
        let first = asked();
        let more = async {
            until_asked(&node, &url).await;
            let all: Vec<_> = (0..40).map(|_| asked()).collect();
            let all = futures_util::future::join_all(all);
            let decide = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                owner.set(OwnerResponse::Reject);
                node.bus.press(&url, true);
            };
            tokio::join!(all, decide).0
        };
        let (first, more) = tokio::join!(first, more);
        assert!(first.is_ok());
        let count = |text: &str| {
            let text = Err(text.to_owned());
            more.iter().filter(|answer| **answer == text).count()
        };
        let waited = count("ledger: refused on the device");
        assert!((1..=16).contains(&waited), "{more:?}");
        assert_eq!(waited + count("too many requests wait for this wallet"), 40);

        owner.set(OwnerResponse::Wait);
        let sign = node.call("eth_sign", json!([ledger_account(0), "0x01"]));
        let stop = async {
            until_asked(&node, &url).await;
            node.tree.handle().stop();
        };
        let (signed, ()) = tokio::join!(sign, stop);
        assert!(signed.is_err());
        let outcome = node.tree.wait().await;
        assert!(outcome.is_clean(), "{outcome}");
    });
}

#[test]
fn a_restarted_hub_opens_its_wallets_again() {
    run(async {
        let (node, owner, url) = with_ledger().await;
        owner.set(OwnerResponse::Wait);
        let sign = node.call("eth_sign", json!([ledger_account(0), "0x01"]));
        let crash = async {
            until_asked(&node, &url).await;
            node.tree.handle().crash("node/usb/hub").unwrap();
        };
        let (signed, ()) = tokio::join!(sign, crash);
        assert!(signed.is_err(), "its caller is not left waiting");
        owner.set(OwnerResponse::Accept);
        node.wait_for_account(ledger_account(0)).await;
        let asked = json!([ledger_account(0), "0x01"]);
        assert!(node.call("eth_sign", asked).await.is_ok());
        stop(node).await;
    });
}
