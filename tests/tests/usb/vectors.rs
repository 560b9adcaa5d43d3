//! Tests of the drivers against vectors that the makers of devices publish.

use actoreum_primitives::{Address, Bytes, LegacyTx, Signature, TxPayload, U256, address};
use actoreum_tests::usb::OwnerResponse;
use actoreum_wallet::{DerivationPath, TypedData, hardware::SignRequest, trezor::TrezorError};

use crate::drivers::{ethers, mail, no_secret, path, trezor};

/// Returns r and s as hex digits.
fn parts(signature: Signature) -> (String, String) {
    let hex = |part: U256| hex::encode(part.to_be_bytes::<32>());
    (hex(signature.r), hex(signature.s))
}

fn pair(r: &str, s: &str) -> (String, String) {
    (r.to_owned(), s.to_owned())
}

/// Vectors of Trezor's firmware: `common/tests/fixtures/ethereum` of trezor-firmware.
#[test]
fn vectors_a_trezor_signs_as_in_its_firmwares_tests() {
    let (_bus, _owner, mut driver) = trezor(|_| {});
    driver.open(&no_secret()).unwrap();
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
fn vectors_both_models_sign_the_same_typed_data() {
    for version in [[1, 12, 1], [2, 8, 1]] {
        let (_bus, owner, mut driver) = trezor(|firmware| firmware.version = version);
        driver.open(&no_secret()).unwrap();
        let first = DerivationPath::account(0);
        let signer = driver.derive(&first).unwrap();
        for (json, r, s) in [COMPLEX, ELEMENTS, NOTHING] {
            let request = SignRequest::TypedData(TypedData::from_json(json).unwrap());
            let signature = driver.sign(&first, signer, &request).unwrap();
            assert_eq!(parts(signature), pair(r, s), "{version:?}");
        }
        owner.set(OwnerResponse::Reject);
        let request = SignRequest::TypedData(mail());
        let refused = TrezorError::Refused("Cancelled".to_owned());
        assert_eq!(driver.sign(&first, signer, &request), Err(refused.into()));
    }
}
