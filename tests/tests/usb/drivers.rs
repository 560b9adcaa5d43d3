//! Drivers, on what devices answer.

use std::time::Duration;

use actoreum_primitives::{
    AccessListItem, AccessListTx, Address, B256, Bytes, DynamicFeeTx, LegacyTx, Signature,
    TxPayload, U256, address,
};
use actoreum_tests::usb::{
    ALL_ALL, Fault, Habit, LedgerFirmware, Owner, SoftBus, TrezorFirmware, key_at,
};
use actoreum_wallet::{
    DerivationPath, Password, TypedData,
    hardware::{
        Brand, Bus as _, Device, DeviceError, Driver, Packet, SignRequest, StopFlag, WalletError,
        driver,
    },
    ledger::LedgerError,
    mnemonic::DEVELOPMENT,
    trezor::TrezorError,
};
use serde_json::json;

fn open(bus: &SoftBus) -> Box<dyn Driver> {
    let attached = &bus.list().unwrap()[0];
    let device = bus.open(attached).unwrap();
    driver(attached.brand, device, StopFlag::default())
}

fn ledger(change: impl FnOnce(&mut LedgerFirmware)) -> (SoftBus, Owner, Box<dyn Driver>) {
    let (bus, owner) = (SoftBus::default(), Owner::default());
    let mut firmware = LedgerFirmware::new(DEVELOPMENT, &owner);
    change(&mut firmware);
    bus.plug(Brand::Ledger, 5, firmware);
    let driver = open(&bus);
    (bus, owner, driver)
}

fn trezor(change: impl FnOnce(&mut TrezorFirmware)) -> (SoftBus, Owner, Box<dyn Driver>) {
    let (bus, owner) = (SoftBus::default(), Owner::default());
    let mut firmware = TrezorFirmware::new(ALL_ALL, &owner);
    change(&mut firmware);
    bus.plug(Brand::Trezor, 6, firmware);
    let driver = open(&bus);
    (bus, owner, driver)
}

fn nothing() -> Password {
    Password::default()
}

fn path(text: &str) -> DerivationPath {
    text.parse().unwrap()
}

/// r and s, as hex digits.
fn parts(signature: Signature) -> (String, String) {
    let hex = |part: U256| hex::encode(part.to_be_bytes::<32>());
    (hex(signature.r), hex(signature.s))
}

fn pair(r: &str, s: &str) -> (String, String) {
    (r.to_owned(), s.to_owned())
}

fn ethers(nonce: u64, input: Vec<u8>) -> TxPayload {
    TxPayload::DynamicFee(DynamicFeeTx {
        chain_id: 1,
        nonce,
        max_priority_fee_per_gas: U256::from(1),
        max_fee_per_gas: U256::from(0x14),
        gas_limit: 0x14,
        to: Some(address!("1d1c328764a41bda0492b66baa30c4a339ff85ef")),
        value: U256::from(0xa),
        input: Bytes::from(input),
        access_list: Vec::new(),
    })
}

/// The example of the EIP, with the addresses that the tests of Trezor's firmware have in it.
fn mail() -> TypedData {
    let json = include_str!("../../../core/wallet/tests/data/eip712-mail.json");
    let json = json
        .replace(
            "CcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
            "1e0Ae8205e9726E6F296ab8869160A6423E2337E",
        )
        .replace(
            "CD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826",
            "c0004B62C5A39a728e4Af5bee0c6B4a4E54b15ad",
        )
        .replace(
            "bBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB",
            "54B0Fa66A065748C40dCA2C7Fe125A2028CF9982",
        );
    TypedData::from_json(&json).unwrap()
}

/// What Trezor's firmware is tested with: `common/tests/fixtures/ethereum` of trezor-firmware.
#[test]
fn vectors_a_trezor_signs_what_its_firmwares_tests_say() {
    let (_bus, _owner, mut driver) = trezor(|_| {});
    driver.open(&nothing()).unwrap();
    assert_eq!(driver.status(), "Trezor v1.12.1 'mine' online");
    for (at, want) in [
        ("m/44'/60'/0'", "dA0b608bdb1a4A154325C854607c68950b4F1a34"),
        (
            "m/44'/60'/0'/0/0",
            "73d0385F4d8E00C5e6504C6030F47BF6212736A8",
        ),
        (
            "m/44'/60'/0'/0/100",
            "1e6E3708a059aEa1241a81c7aAe84b6CDbC54d59",
        ),
        ("m/44'/60'/0'/0", "1ec5C1854e3E9F1674c34D6C2Be1bf13DFc0Fd8F"),
    ] {
        let want: Address = want.parse().unwrap();
        assert_eq!(driver.derive(&path(at)), Ok(want), "{at}");
    }

    let mut sign = |at: &str, request: SignRequest| {
        let at = path(at);
        let signer = driver.derive(&at).unwrap();
        parts(driver.sign(&at, signer, &request).unwrap())
    };
    let first = "m/44'/60'/0'/0/0";
    let message = |text: &str| SignRequest::Message(Bytes::copy_from_slice(text.as_bytes()));
    assert_eq!(
        sign(first, message("This is an example of a signed message.")),
        pair(
            "af4eac50f21acc6daeb0ab036f616f5d19fccade46e47100642b3dfc798c9b74",
            "0d5873887bdc2f02502c90777a082d10dca113bd1ec29d08108396401421c8cc",
        )
    );
    assert_eq!(
        sign(first, message(&"VeryLongMessage!".repeat(64))),
        pair(
            "e9b3648fe10146a7c5c73ae1e42468273b945554b13769be19c3658e5b55c62d",
            "7036b56c1e094dc364060b798b120a528f31d91e815d0612c367bf7471519c76",
        )
    );
    let legacy = TxPayload::Legacy(LegacyTx {
        chain_id: Some(1),
        nonce: 0,
        gas_price: U256::from(0x4_a817_c800_u64),
        gas_limit: 0x5208,
        to: Some(address!("8eA7a3fccC211ED48b763b4164884DDbcF3b0A98")),
        value: U256::from(0x2_540b_e400_u64),
        input: Bytes::new(),
    });
    assert_eq!(
        sign(first, SignRequest::Transaction(legacy)),
        pair(
            "6a6349bddb5749bb8b96ce2566a035ef87a09dbf89b5c7e3dfdf9ed725912f24",
            "4ae58ccd3bacee07cdc4a3e8540544fd009c4311af7048122da60f2054c07ee4",
        )
    );
    assert_eq!(
        sign(
            "m/44'/60'/0'/0/100",
            SignRequest::Transaction(ethers(0, Vec::new()))
        ),
        pair(
            "2ceeaabc994fbce2fbd66551f9d48fc711c8db2a12e93779eeddede11e41f636",
            "2db4a9ecc73da91206f84397ae9287a399076fdc01ed7f3c6554b1c57c39bf8c",
        )
    );
    assert_eq!(
        sign(first, SignRequest::TypedData(mail())),
        pair(
            "2c2d8c7c1facf5bdcd997b5435bb42f3f4170a111ce079c94b5d1e34414f7656",
            "0c4600d2167568e052ab846555bd590de93bb230987766c636613262eaeb8bdc",
        )
    );
}

/// Typed data with each type, from the same tests, and its signature.
const COMPLEX: (&str, &str, &str) = (
    r#"{"types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"}, {"name": "salt", "type": "bytes32"}],
        "Person": [
            {"name": "name", "type": "string"}, {"name": "wallet", "type": "address"},
            {"name": "married", "type": "bool"}, {"name": "kids", "type": "uint8"},
            {"name": "karma", "type": "int16"}, {"name": "secret", "type": "bytes"},
            {"name": "small_secret", "type": "bytes16"}, {"name": "pets", "type": "string[]"},
            {"name": "two_best_friends", "type": "string[2]"}],
        "Mail": [
            {"name": "from", "type": "Person"}, {"name": "to", "type": "Person"},
            {"name": "messages", "type": "string[]"}]},
    "primaryType": "Mail",
    "domain": {
        "name": "Ether Mail", "version": "1", "chainId": 1,
        "verifyingContract": "0x1e0Ae8205e9726E6F296ab8869160A6423E2337E",
        "salt": "0xca92da1a6e91d9358328d2f2155af143a7cb74b81a3a4e3e57e2191823dbb56c"},
    "message": {
        "from": {
            "name": "Amy", "wallet": "0xc0004B62C5A39a728e4Af5bee0c6B4a4E54b15ad",
            "married": true, "kids": 2, "karma": 4,
            "secret": "0x62c5a39a728e4af5bee0c6b462c5a39a728e4af5bee0c6b462c5a39a728e4af5bee0c6b462c5a39a728e4af5bee0c6b4",
            "small_secret": "0x5ccf0e54367104795a47bc0481645d9e",
            "pets": ["parrot"], "two_best_friends": ["Carl", "Denis"]},
        "to": {
            "name": "Bob", "wallet": "0x54B0Fa66A065748C40dCA2C7Fe125A2028CF9982",
            "married": false, "kids": 0, "karma": -4,
            "secret": "0x7fe125a2028cf97fe125a2028cf97fe125a2028cf97fe125a2028cf97fe125a2028cf97fe125a2028cf97fe125a2028cf9",
            "small_secret": "0xa5e5c47b64775abc476d2962403258de",
            "pets": ["dog", "cat"], "two_best_friends": ["Emil", "Franz"]},
        "messages": ["Hello, Bob!", "How are you?", "Hope you're fine"]}}"#,
    "f0a187388b33f17885c915173f38bd613d2ce4346acadfc390b2bae4c6def036",
    "67ceac155b5398bd8be326386e841e8820c5254f389a09d6d95ac72e2f6e19e6",
);
/// An array of structs.
const ELEMENTS: (&str, &str, &str) = (
    r#"{"types": {
        "EIP712Domain": [], "Message": [{"name": "element", "type": "Element[]"}],
        "Element": [{"name": "foo", "type": "int8"}]},
    "primaryType": "Message", "domain": {},
    "message": {"element": [{"foo": 1}, {"foo": 2}]}}"#,
    "5c7fe30cc1889a59177864c58c2e5f46e4c5fd4ad7b565a6a6c0416a2d1370d2",
    "33da9c2c40fc95b694af21b8cb1e027d9d664118fa021f71e2fd0d8eada7fd5d",
);
const NOTHING: (&str, &str, &str) = (
    r#"{"types":{"EIP712Domain":[]},"primaryType":"EIP712Domain","message":{},"domain":{}}"#,
    "18aaea9abed7cd88d3763a9a420e2e7b71a9f991685fbc62d74da86326cffa68",
    "0644862d459d1973e422777a3933bc74190b1cae9a5418ddaea645a7d7630dd9",
);

#[test]
fn vectors_both_models_sign_the_same_typed_data_one_by_its_hashes_one_by_its_parts() {
    for version in [[1, 12, 1], [2, 8, 1]] {
        let (_bus, owner, mut driver) = trezor(|firmware| firmware.version = version);
        driver.open(&nothing()).unwrap();
        let first = DerivationPath::account(0);
        let signer = driver.derive(&first).unwrap();
        for (json, r, s) in [COMPLEX, ELEMENTS, NOTHING] {
            let request = SignRequest::TypedData(TypedData::from_json(json).unwrap());
            let signature = driver.sign(&first, signer, &request).unwrap();
            assert_eq!(parts(signature), pair(r, s), "{version:?}");
        }
        owner.set(Habit::Refuses);
        let request = SignRequest::TypedData(mail());
        let refused = TrezorError::Refused("Cancelled".to_owned());
        assert_eq!(driver.sign(&first, signer, &request), Err(refused.into()));
    }
}

#[test]
fn a_trezor_is_not_told_of_what_it_has_no_room_for_and_can_be_used_on() {
    let (_bus, _owner, mut driver) = trezor(|firmware| firmware.version = [2, 8, 1]);
    driver.open(&nothing()).unwrap();
    let first = DerivationPath::account(0);
    let signer = driver.derive(&first).unwrap();
    let many = json!({
        "types": {"M": [{"name": "all", "type": "uint8[]"}]}, "primaryType": "M", "domain": {},
        "message": {"all": vec![1; 65_536]}
    });
    let many = TypedData::from_json(&many.to_string()).unwrap();
    let refused = driver.sign(&first, signer, &SignRequest::TypedData(many));
    assert_eq!(refused, Err(TrezorError::TooManyElements.into()));
    let request = SignRequest::TypedData(mail());
    assert!(driver.sign(&first, signer, &request).is_ok());
}

#[test]
fn long_input_goes_to_a_trezor_in_chunks_and_access_lists_go_along() {
    let (_bus, _owner, mut driver) = trezor(|_| {});
    driver.open(&nothing()).unwrap();
    let first = DerivationPath::account(0);
    let signer = driver.derive(&first).unwrap();
    for length in [1, 1023, 1024, 1025, 2048, 4099] {
        let mut payload = ethers(7, vec![0x5a; length]);
        if let TxPayload::DynamicFee(tx) = &mut payload {
            tx.access_list = vec![AccessListItem {
                address: Address::repeat_byte(7),
                storage_keys: vec![B256::ZERO, B256::repeat_byte(9)],
            }];
        }
        let request = SignRequest::Transaction(payload);
        let signature = driver.sign(&first, signer, &request).unwrap();
        assert_eq!(
            signature.recover_address(request.hash()),
            Ok(signer),
            "{length}"
        );
    }
    let old = TxPayload::AccessList(AccessListTx::default());
    let refused = driver.sign(&first, signer, &SignRequest::Transaction(old));
    assert_eq!(refused, Err(WalletError::NotSupported));
    let other = driver.sign(&first, Address::ZERO, &SignRequest::Message(Bytes::new()));
    assert_eq!(other, Err(TrezorError::WrongSigner.into()));
}

#[test]
fn a_ledger_signs_each_type() {
    let (_bus, _owner, mut driver) = ledger(|_| {});
    driver.open(&nothing()).unwrap();
    assert_eq!(driver.status(), "Ethereum app v1.12.0 online");
    let (to, input) = (Some(Address::repeat_byte(7)), Bytes::from(vec![0x5a; 700]));
    let legacy = |chain_id| {
        TxPayload::Legacy(LegacyTx {
            chain_id,
            to,
            input: input.clone(),
            ..LegacyTx::default()
        })
    };
    let access_list = TxPayload::AccessList(AccessListTx {
        chain_id: 1,
        to,
        access_list: vec![AccessListItem {
            address: Address::repeat_byte(7),
            storage_keys: vec![B256::repeat_byte(9)],
        }],
        ..AccessListTx::default()
    });
    let requests = [
        SignRequest::Transaction(legacy(Some(1))),
        SignRequest::Transaction(legacy(None)),
        SignRequest::Transaction(access_list),
        SignRequest::Transaction(ethers(3, vec![7; 4_000])),
        SignRequest::Message(Bytes::from(vec![7; 700])),
        SignRequest::Message(Bytes::new()),
        SignRequest::TypedData(mail()),
    ];
    for at in [DerivationPath::account(0), DerivationPath::legacy_ledger(3)] {
        let signer = driver.derive(&at).unwrap();
        assert_eq!(signer, key_at(DEVELOPMENT, "", at.components()).address());
        for request in &requests {
            let signature = driver.sign(&at, signer, request).unwrap();
            assert_eq!(signature.recover_address(request.hash()), Ok(signer));
        }
    }
}

#[test]
fn an_old_application_is_told_from_a_new_one() {
    let signer = Address::ZERO;
    let at = DerivationPath::account(0);
    let request = |payload| SignRequest::Transaction(payload);
    for (version, request, needed) in [
        (
            [1, 0, 2],
            request(TxPayload::Legacy(LegacyTx {
                chain_id: Some(1),
                ..LegacyTx::default()
            })),
            "transaction, please update to v1.0.3",
        ),
        (
            [1, 7, 0],
            request(TxPayload::AccessList(AccessListTx::default())),
            "transaction, please update to v1.7.1",
        ),
        (
            [1, 8, 9],
            request(ethers(0, Vec::new())),
            "transaction, please update to v1.9.0",
        ),
        (
            [1, 0, 7],
            SignRequest::Message(Bytes::new()),
            "message, please update to v1.0.8",
        ),
        (
            [1, 4, 9],
            SignRequest::TypedData(mail()),
            "typed data, please update to v1.5.0",
        ),
    ] {
        let (_bus, _owner, mut driver) = ledger(|firmware| firmware.version = version);
        driver.open(&nothing()).unwrap();
        let error = driver.sign(&at, signer, &request).unwrap_err().to_string();
        let [major, minor, patch] = version;
        let want = format!(
            "Ledger v{major}.{minor}.{patch} doesn't support signing this {needed} at least"
        );
        assert_eq!(error, want);
    }
}

#[test]
fn a_locked_ledger_and_one_without_its_application_say_so() {
    for (word, error) in [
        (0x5515, LedgerError::Locked),
        (0x6e00, LedgerError::OtherApplication),
        (0x6d00, LedgerError::OtherApplication),
    ] {
        let (_bus, _owner, mut driver) = ledger(|firmware| firmware.away = Some(word));
        driver.open(&nothing()).unwrap();
        assert_eq!(driver.status(), "Ethereum app offline");
        let at = DerivationPath::account(0);
        assert_eq!(driver.derive(&at), Err(error.clone().into()));
        let request = SignRequest::Message(Bytes::new());
        assert_eq!(driver.sign(&at, Address::ZERO, &request), Err(error.into()));
        assert_eq!(driver.heartbeat(), Ok(()));
    }
}

#[test]
fn a_trezor_wants_its_pin_and_then_its_passphrase() {
    let (_bus, _owner, mut driver) = trezor(|firmware| {
        firmware.pin = Some("7139".to_owned());
        firmware.wants_passphrase = true;
    });
    let pin_needed = Err(TrezorError::PinNeeded.into());
    assert_eq!(driver.status(), "Closed");
    assert_eq!(driver.open(&nothing()), pin_needed);
    assert_eq!(driver.open(&nothing()), pin_needed, "it waits");
    assert_eq!(driver.status(), "Trezor v1.12.1 'mine' waiting for PIN");
    // Whatever else is asked does not disturb it.
    let at = DerivationPath::account(0);
    assert_eq!(driver.derive(&at), Err(TrezorError::PinNeeded.into()));
    assert_eq!(driver.heartbeat(), Ok(()));

    let wrong = Err(TrezorError::Failure("PIN invalid".to_owned()).into());
    assert_eq!(driver.open(&Password::from("1111")), wrong);
    assert_eq!(driver.status(), "Failed: trezor: PIN invalid");
    assert_eq!(driver.open(&nothing()), pin_needed, "once more");
    let passphrase_needed = Err(TrezorError::PassphraseNeeded.into());
    assert_eq!(driver.open(&Password::from("7139")), passphrase_needed);
    assert_eq!(driver.open(&Password::from("TREZOR")), Ok(()));
    assert_eq!(driver.status(), "Trezor v1.12.1 'mine' online");
    let want = key_at(ALL_ALL, "TREZOR", at.components()).address();
    assert_eq!(driver.derive(&at), Ok(want));
}

#[test]
fn a_trezor_that_locked_itself_wants_its_pin_again_and_keeps_its_passphrase() {
    let (_bus, owner, mut driver) = trezor(|firmware| {
        firmware.pin = Some("7139".to_owned());
        firmware.wants_passphrase = true;
    });
    driver.open(&nothing()).unwrap_err();
    driver.open(&Password::from("7139")).unwrap_err();
    driver.open(&Password::from("TREZOR")).unwrap();
    assert!(!driver.is_locked());
    owner.leave_alone();
    let at = DerivationPath::account(0);
    let signer = key_at(ALL_ALL, "TREZOR", at.components()).address();
    let request = SignRequest::Message(Bytes::new());
    let pin_needed = WalletError::from(TrezorError::PinNeeded);
    assert_eq!(driver.sign(&at, signer, &request), Err(pin_needed.clone()));
    assert!(driver.is_locked() && !pin_needed.is_fatal());
    assert_eq!(driver.heartbeat(), Ok(()));
    assert_eq!(driver.open(&nothing()), Err(pin_needed));
    assert_eq!(driver.open(&Password::from("7139")), Ok(()));
    assert!(driver.sign(&at, signer, &request).is_ok());
}

#[test]
fn an_empty_passphrase_is_one() {
    let (_bus, _owner, mut driver) = trezor(|firmware| firmware.wants_passphrase = true);
    let needed = Err(TrezorError::PassphraseNeeded.into());
    assert_eq!(driver.open(&nothing()), needed);
    assert_eq!(driver.open(&nothing()), Ok(()));
    let at = DerivationPath::account(0);
    assert_eq!(
        driver.derive(&at),
        Ok(key_at(ALL_ALL, "", at.components()).address())
    );
}

#[test]
fn an_owner_who_refuses_is_heard_and_can_be_asked_again() {
    let refusals: [(_, WalletError); 2] = [
        (ledger(|_| {}), LedgerError::Refused.into()),
        (
            trezor(|_| {}),
            TrezorError::Refused("Cancelled".to_owned()).into(),
        ),
    ];
    for ((_bus, owner, mut driver), refusal) in refusals {
        driver.open(&nothing()).unwrap();
        let at = DerivationPath::account(0);
        let signer = driver.derive(&at).unwrap();
        owner.set(Habit::Refuses);
        for request in [
            SignRequest::Transaction(ethers(0, vec![7; 2_000])),
            SignRequest::Message(Bytes::new()),
            SignRequest::TypedData(mail()),
        ] {
            let refused = driver.sign(&at, signer, &request);
            assert_eq!(refused, Err(refusal.clone()));
            assert!(!refusal.is_fatal());
        }
        owner.set(Habit::Agrees);
        let request = SignRequest::Message(Bytes::new());
        assert!(driver.sign(&at, signer, &request).is_ok());
        assert_eq!(driver.heartbeat(), Ok(()));
    }
}

#[test]
fn noise_and_endless_answers_end_the_line() {
    let at = DerivationPath::account(0);
    for brand in ["ledger", "trezor"] {
        let (_bus, owner, mut driver) = match brand {
            "ledger" => ledger(|_| {}),
            _ => trezor(|_| {}),
        };
        driver.open(&nothing()).unwrap();
        owner.break_with(Fault::Noise);
        let noise = driver.derive(&at).unwrap_err();
        assert!(noise.is_fatal(), "{noise}");
        assert_eq!(noise.to_string(), format!("{brand}: invalid reply header"));
        // A Ledger's length has two bytes: nobody has to bound it.
        if brand == "trezor" {
            owner.break_with(Fault::Endless);
            let endless = TrezorError::TooLong(u32::MAX);
            assert_eq!(driver.derive(&at), Err(endless.into()));
        }
    }
}

/// Says nothing, at once.
struct Mute;

impl Device for Mute {
    fn write(&mut self, _: &Packet) -> Result<(), DeviceError> {
        Ok(())
    }

    fn read(&mut self, _: Duration) -> Result<Option<Packet>, DeviceError> {
        Ok(None)
    }
}

#[test]
fn a_silent_device_is_given_up_and_a_stop_ends_every_wait() {
    for brand in [Brand::Ledger, Brand::Trezor] {
        let stop = StopFlag::default();
        let mut device = driver(brand, Box::new(Mute), stop.clone());
        let silent = DeviceError::Silent(Duration::from_secs(10));
        assert_eq!(device.open(&nothing()), Err(silent.into()));
        stop.stop();
        let error = device.open(&nothing()).unwrap_err();
        assert_eq!(error, DeviceError::Stopping.into());
        assert!(error.is_fatal());
    }
}
