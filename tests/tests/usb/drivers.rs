//! Tests of the drivers against simulated devices.

use std::time::Duration;

use actoreum_primitives::{
    AccessListItem, AccessListTx, Address, B256, Bytes, DynamicFeeTx, LegacyTx, TxPayload, U256,
    address,
};
use actoreum_tests::usb::{
    Fault, LedgerFirmware, Owner, OwnerResponse, SimulatedBus, TEST_MNEMONIC, TrezorFirmware,
    key_at,
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

fn open(bus: &SimulatedBus) -> Box<dyn Driver> {
    let attached = &bus.list().unwrap()[0];
    let device = bus.open(attached).unwrap();
    driver(attached.brand, device, StopFlag::default())
}

fn ledger(change: impl FnOnce(&mut LedgerFirmware)) -> (SimulatedBus, Owner, Box<dyn Driver>) {
    let (bus, owner) = (SimulatedBus::default(), Owner::default());
    let mut firmware = LedgerFirmware::new(DEVELOPMENT, &owner);
    change(&mut firmware);
    bus.plug(Brand::Ledger, 5, firmware);
    let driver = open(&bus);
    (bus, owner, driver)
}

pub fn trezor(change: impl FnOnce(&mut TrezorFirmware)) -> (SimulatedBus, Owner, Box<dyn Driver>) {
    let (bus, owner) = (SimulatedBus::default(), Owner::default());
    let mut firmware = TrezorFirmware::new(TEST_MNEMONIC, &owner);
    change(&mut firmware);
    bus.plug(Brand::Trezor, 6, firmware);
    let driver = open(&bus);
    (bus, owner, driver)
}

pub fn no_secret() -> Password {
    Password::default()
}

pub fn path(text: &str) -> DerivationPath {
    text.parse().unwrap()
}

pub fn ethers(nonce: u64, input: Vec<u8>) -> TxPayload {
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

/// Returns the example of EIP-712, with the addresses that the tests of Trezor's firmware have in
/// it.
pub fn mail() -> TypedData {
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

#[test]
fn too_large_typed_data_is_not_sent_to_a_trezor() {
    let (_bus, _owner, mut driver) = trezor(|firmware| firmware.version = [2, 8, 1]);
    driver.open(&no_secret()).unwrap();
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
fn a_trezor_gets_long_input_in_chunks_and_access_lists() {
    let (_bus, _owner, mut driver) = trezor(|_| {});
    driver.open(&no_secret()).unwrap();
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
    driver.open(&no_secret()).unwrap();
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
fn an_old_application_refuses_newer_requests() {
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
        driver.open(&no_secret()).unwrap();
        let error = driver.sign(&at, signer, &request).unwrap_err().to_string();
        let [major, minor, patch] = version;
        let want = format!(
            "Ledger v{major}.{minor}.{patch} doesn't support signing this {needed} at least"
        );
        assert_eq!(error, want);
    }
}

#[test]
fn a_locked_ledger_and_a_closed_application_are_reported() {
    for (word, error) in [
        (0x5515, LedgerError::Locked),
        (0x6e00, LedgerError::OtherApplication),
        (0x6d00, LedgerError::OtherApplication),
    ] {
        let (_bus, _owner, mut driver) = ledger(|firmware| firmware.error_status = Some(word));
        driver.open(&no_secret()).unwrap();
        assert_eq!(driver.status(), "Ethereum app offline");
        let at = DerivationPath::account(0);
        assert_eq!(driver.derive(&at), Err(error.clone().into()));
        let request = SignRequest::Message(Bytes::new());
        assert_eq!(driver.sign(&at, Address::ZERO, &request), Err(error.into()));
        assert_eq!(driver.heartbeat(), Ok(()));
    }
}

#[test]
fn a_trezor_asks_for_its_pin_and_then_its_passphrase() {
    let (_bus, _owner, mut driver) = trezor(|firmware| {
        firmware.pin = Some("7139".to_owned());
        firmware.requires_passphrase = true;
    });
    let pin_needed = Err(TrezorError::PinNeeded.into());
    assert_eq!(driver.status(), "Closed");
    assert_eq!(driver.open(&no_secret()), pin_needed);
    assert_eq!(driver.open(&no_secret()), pin_needed, "it waits");
    assert_eq!(driver.status(), "Trezor v1.12.1 'mine' waiting for PIN");
    // Other requests do not disturb it.
    let at = DerivationPath::account(0);
    assert_eq!(driver.derive(&at), Err(TrezorError::PinNeeded.into()));
    assert_eq!(driver.heartbeat(), Ok(()));

    let wrong = Err(TrezorError::Failure("PIN invalid".to_owned()).into());
    assert_eq!(driver.open(&Password::from("1111")), wrong);
    assert_eq!(driver.status(), "Failed: trezor: PIN invalid");
    assert_eq!(driver.open(&no_secret()), pin_needed, "once more");
    let passphrase_needed = Err(TrezorError::PassphraseNeeded.into());
    assert_eq!(driver.open(&Password::from("7139")), passphrase_needed);
    assert_eq!(driver.open(&Password::from("TREZOR")), Ok(()));
    assert_eq!(driver.status(), "Trezor v1.12.1 'mine' online");
    let want = key_at(TEST_MNEMONIC, "TREZOR", at.components()).address();
    assert_eq!(driver.derive(&at), Ok(want));
}

#[test]
fn an_auto_locked_trezor_asks_for_its_pin_alone() {
    let (_bus, owner, mut driver) = trezor(|firmware| {
        firmware.pin = Some("7139".to_owned());
        firmware.requires_passphrase = true;
    });
    driver.open(&no_secret()).unwrap_err();
    driver.open(&Password::from("7139")).unwrap_err();
    driver.open(&Password::from("TREZOR")).unwrap();
    assert!(!driver.is_locked());
    owner.auto_lock();
    let at = DerivationPath::account(0);
    let signer = key_at(TEST_MNEMONIC, "TREZOR", at.components()).address();
    let request = SignRequest::Message(Bytes::new());
    let pin_needed = WalletError::from(TrezorError::PinNeeded);
    assert_eq!(driver.sign(&at, signer, &request), Err(pin_needed.clone()));
    assert!(driver.is_locked() && !pin_needed.is_fatal());
    assert_eq!(driver.heartbeat(), Ok(()));
    assert_eq!(driver.open(&no_secret()), Err(pin_needed));
    assert_eq!(driver.open(&Password::from("7139")), Ok(()));
    assert!(driver.sign(&at, signer, &request).is_ok());
}

#[test]
fn an_empty_passphrase_is_valid() {
    let (_bus, _owner, mut driver) = trezor(|firmware| firmware.requires_passphrase = true);
    let needed = Err(TrezorError::PassphraseNeeded.into());
    assert_eq!(driver.open(&no_secret()), needed);
    assert_eq!(driver.open(&no_secret()), Ok(()));
    let at = DerivationPath::account(0);
    assert_eq!(
        driver.derive(&at),
        Ok(key_at(TEST_MNEMONIC, "", at.components()).address())
    );
}

#[test]
fn a_rejection_is_reported_and_is_not_fatal() {
    let refusals: [(_, WalletError); 2] = [
        (ledger(|_| {}), LedgerError::Refused.into()),
        (
            trezor(|_| {}),
            TrezorError::Refused("Cancelled".to_owned()).into(),
        ),
    ];
    for ((_bus, owner, mut driver), refusal) in refusals {
        driver.open(&no_secret()).unwrap();
        let at = DerivationPath::account(0);
        let signer = driver.derive(&at).unwrap();
        owner.set(OwnerResponse::Reject);
        for request in [
            SignRequest::Transaction(ethers(0, vec![7; 2_000])),
            SignRequest::Message(Bytes::new()),
            SignRequest::TypedData(mail()),
        ] {
            let refused = driver.sign(&at, signer, &request);
            assert_eq!(refused, Err(refusal.clone()));
            assert!(!refusal.is_fatal());
        }
        owner.set(OwnerResponse::Accept);
        let request = SignRequest::Message(Bytes::new());
        assert!(driver.sign(&at, signer, &request).is_ok());
        assert_eq!(driver.heartbeat(), Ok(()));
    }
}

#[test]
fn random_and_endless_answers_are_fatal() {
    let at = DerivationPath::account(0);
    for brand in ["ledger", "trezor"] {
        let (_bus, owner, mut driver) = match brand {
            "ledger" => ledger(|_| {}),
            _ => trezor(|_| {}),
        };
        driver.open(&no_secret()).unwrap();
        owner.set_fault(Fault::Noise);
        let noise = driver.derive(&at).unwrap_err();
        assert!(noise.is_fatal(), "{noise}");
        assert_eq!(noise.to_string(), format!("{brand}: invalid reply header"));
        // A Ledger's length has two bytes and needs no bound.
        if brand == "trezor" {
            owner.set_fault(Fault::Endless);
            let endless = TrezorError::TooLong(u32::MAX);
            assert_eq!(driver.derive(&at), Err(endless.into()));
        }
    }
}

/// A device that never answers.
struct SilentDevice;

impl Device for SilentDevice {
    fn write(&mut self, _: &Packet) -> Result<(), DeviceError> {
        Ok(())
    }

    fn read(&mut self, _: Duration) -> Result<Option<Packet>, DeviceError> {
        Ok(None)
    }
}

#[test]
fn a_silent_device_times_out_and_a_stop_ends_every_wait() {
    for brand in [Brand::Ledger, Brand::Trezor] {
        let stop = StopFlag::default();
        let mut device = driver(brand, Box::new(SilentDevice), stop.clone());
        let silent = DeviceError::Timeout(Duration::from_secs(10));
        assert_eq!(device.open(&no_secret()), Err(silent.into()));
        stop.stop();
        let error = device.open(&no_secret()).unwrap_err();
        assert_eq!(error, DeviceError::Stopping.into());
        assert!(error.is_fatal());
    }
}
