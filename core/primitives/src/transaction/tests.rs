//! Tests of transactions, receipts and blocks: round trips, senders, prices.

use alloy_primitives::{address, hex};
use proptest::prelude::*;

use super::*;
use crate::{
    Account, Block, ChainConfig, Fork, Header, Receipt, SecretKey, Withdrawal, config::ForkId, rlp,
    strategies,
};

/// Checks that `value` survives a round trip, that its length is right, and that truncated input
/// and input with a trailing byte are refused.
fn round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(
    value: &T,
) -> Result<(), TestCaseError> {
    let encoded = rlp::encode(value);
    prop_assert_eq!(encoded.len(), value.length());
    prop_assert_eq!(&rlp::decode_exact::<T>(&encoded).unwrap(), value);
    for cut in [0, 1, encoded.len() / 2, encoded.len() - 1] {
        prop_assert!(rlp::decode_exact::<T>(&encoded[..cut]).is_err());
    }
    let longer = [encoded.as_slice(), &[0x80]].concat();
    prop_assert!(rlp::decode_exact::<T>(&longer).is_err());
    Ok(())
}

proptest! {
    #[test]
    fn prop_headers_survive_a_round_trip(header in strategies::headers()) {
        round_trip(&header)?;
    }

    #[test]
    fn prop_blocks_survive_a_round_trip(block in strategies::blocks()) {
        round_trip(&block)?;
        round_trip(&block.body)?;
    }

    #[test]
    fn prop_withdrawals_survive_a_round_trip(withdrawal in strategies::withdrawals()) {
        round_trip::<Withdrawal>(&withdrawal)?;
    }

    #[test]
    fn prop_transactions_survive_a_round_trip(transaction in strategies::transactions()) {
        round_trip(&transaction)?;
        let encoded = transaction.encode_2718();
        prop_assert_eq!(encoded.len(), transaction.encode_2718_length());
        let decoded = Transaction::decode_2718(&encoded).unwrap();
        prop_assert_eq!(&decoded, &transaction);
        prop_assert_eq!(decoded.hash(), keccak256(&encoded));
        prop_assert_eq!(transaction.hash(), keccak256(&encoded));
        prop_assert!(Transaction::decode_2718(&[encoded.as_slice(), &[0]].concat()).is_err());
        prop_assert!(Transaction::decode_2718(&encoded[..encoded.len() - 1]).is_err());
    }

    #[test]
    fn prop_receipts_survive_a_round_trip(receipt in strategies::receipts()) {
        round_trip(&receipt)?;
        let encoded = receipt.encode_2718();
        prop_assert_eq!(Receipt::decode_2718(&encoded).unwrap(), receipt);
        prop_assert!(Receipt::decode_2718(&[encoded.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn prop_access_lists_and_logs_survive_a_round_trip(
        transaction in strategies::transactions(),
        receipt in strategies::receipts(),
    ) {
        for item in transaction.access_list() {
            round_trip(item)?;
        }
        for log in &receipt.logs {
            round_trip(log)?;
        }
        // A status is one byte and cannot be truncated.
        let outcome = rlp::encode(&receipt.outcome);
        prop_assert_eq!(rlp::decode_exact(&outcome), Ok(receipt.outcome));
    }

    #[test]
    fn prop_accounts_and_fork_ids_survive_a_round_trip(
        number: u64,
        balance: [u8; 32],
        shift in 0..256_usize,
        roots: [[u8; 32]; 2],
        hash: [u8; 4],
    ) {
        round_trip(&Account {
            nonce: number,
            balance: U256::from_be_bytes(balance) >> shift,
            storage_root: roots[0].into(),
            code_hash: roots[1].into(),
        })?;
        round_trip(&ForkId { hash: hash.into(), next: number })?;
    }

    #[test]
    fn prop_authorizations_survive_a_round_trip(authorization in strategies::authorizations()) {
        round_trip(&authorization)?;
    }

    #[test]
    fn prop_flipped_bytes_never_panic(
        block in strategies::blocks(),
        receipt in strategies::receipts(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut encoded = rlp::encode(&block);
        for (index, byte) in &flips {
            let index = index.index(encoded.len());
            encoded[index] = *byte;
        }
        // Whatever still decodes is canonical.
        if let Ok(block) = rlp::decode_exact::<Block>(&encoded) {
            prop_assert_eq!(rlp::encode(&block), encoded);
        }
        let mut encoded = receipt.encode_2718();
        for (index, byte) in &flips {
            let index = index.index(encoded.len());
            encoded[index] = *byte;
        }
        if let Ok(receipt) = Receipt::decode_2718(&encoded) {
            prop_assert_eq!(receipt.encode_2718(), encoded);
        }
    }

    #[test]
    fn prop_the_signer_is_the_sender(
        payload in strategies::payloads(),
        secret in 1..u64::MAX,
    ) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&secret.to_be_bytes());
        let key = SecretKey::from_bytes(&bytes).unwrap();
        let transaction = payload.sign(&key);
        prop_assert_eq!(transaction.recover_sender(), Ok(key.address()));
        let decoded = Transaction::decode_2718(&transaction.encode_2718()).unwrap();
        prop_assert_eq!(decoded.recover_sender(), Ok(key.address()));
    }

    #[test]
    fn prop_the_price_is_within_the_senders_bounds(
        payload in strategies::payloads(),
        base_fee in strategies::u64s(),
    ) {
        let transaction = Transaction::new(
            payload,
            Signature { y_parity: false, r: U256::ZERO, s: U256::ZERO },
        );
        let price = transaction.effective_gas_price(Some(base_fee));
        prop_assert!(price <= transaction.max_fee_per_gas());
        match transaction.effective_tip(Some(base_fee)) {
            Some(tip) => {
                prop_assert_eq!(price, U256::from(base_fee) + tip);
                prop_assert!(tip <= transaction.max_priority_fee_per_gas());
            }
            None => prop_assert!(transaction.max_fee_per_gas() < U256::from(base_fee)),
        }
        if let Some(gas_price) = transaction.gas_price() {
            prop_assert_eq!(price, gas_price);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn prop_pooled_transactions_survive_a_round_trip(pooled in strategies::pooled()) {
        round_trip(&pooled)?;
        let decoded = PooledTransaction::decode_2718(&pooled.encode_2718()).unwrap();
        prop_assert_eq!(decoded, pooled);
    }
}

/// The example of EIP-155.
#[test]
fn the_example_of_eip_155_encodes_as_published() {
    let key = SecretKey::from_bytes(&[0x46; 32]).unwrap();
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(1),
        nonce: 9,
        gas_price: U256::from(20_000_000_000_u64),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(0x35)),
        value: U256::from(1_000_000_000_000_000_000_u64),
        input: Bytes::new(),
    });
    assert_eq!(
        hex::encode(payload.signing_hash()),
        "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
    );
    let transaction = payload.sign(&key);
    assert_eq!(transaction.v(), 37);
    assert_eq!(
        hex::encode(transaction.encode_2718()),
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025\
         a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
         a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
}

#[test]
fn a_block_wraps_typed_transactions_in_a_string() {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let transaction = TxPayload::DynamicFee(DynamicFeeTx::default()).sign(&key);
    let in_list = rlp::encode(&transaction);
    let canonical = transaction.encode_2718();
    assert_eq!(canonical[0], 2);
    let mut rest = in_list.as_slice();
    assert_eq!(rlp::decode_str(&mut rest).unwrap(), canonical);

    // The item is not wrapped, or legacy but wrapped, or of an unknown type.
    assert!(rlp::decode_exact::<Transaction>(&canonical).is_err());
    let legacy = rlp::encode(&TxPayload::Legacy(LegacyTx::default()).sign(&key));
    assert!(rlp::decode_exact::<Transaction>(&rlp::encode(&Bytes::from(legacy))).is_err());
    for tx_type in [0, 5, 0x7f] {
        let mut other = canonical.clone();
        other[0] = tx_type;
        assert!(Transaction::decode_2718(&other).is_err());
        assert!(rlp::decode_exact::<Transaction>(&rlp::encode(&Bytes::from(other))).is_err());
    }
}

#[test]
fn a_pooled_blob_transaction_requires_its_blobs() {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let transaction = TxPayload::Blob(BlobTx::default()).sign(&key);
    assert!(Transaction::decode_2718(&transaction.encode_2718()).is_ok());
    assert!(PooledTransaction::decode_2718(&transaction.encode_2718()).is_err());

    let mut pooled = PooledTransaction {
        transaction,
        sidecar: Some(BlobSidecar {
            blobs: vec![Bytes::from_static(b"short")],
            commitments: Vec::new(),
            proofs: SidecarProofs::Blob(Vec::new()),
        }),
    };
    assert!(PooledTransaction::decode_2718(&pooled.encode_2718()).is_err());
    pooled.sidecar = None;
    assert!(PooledTransaction::decode_2718(&pooled.encode_2718()).is_err());
}

fn sender_at(fork: Fork, transaction: &Transaction) -> Result<Address, SenderError> {
    SenderRules::at(&ChainConfig::active_from_genesis(1, fork), 0, 0).sender(transaction)
}

#[test]
fn a_high_s_is_refused_from_homestead_on() {
    const ORDER: U256 = alloy_primitives::uint!(
        0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256
    );
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let low = TxPayload::Legacy(LegacyTx::default()).sign(&key);
    let signature = low.signature();
    assert!(!signature.has_high_s());
    let high = Transaction::new(
        low.payload().clone(),
        Signature {
            y_parity: !signature.y_parity,
            r: signature.r,
            s: ORDER - signature.s,
        },
    );
    assert!(high.signature().has_high_s());
    assert_eq!(sender_at(Fork::Frontier, &high), Ok(key.address()));
    assert_eq!(
        sender_at(Fork::Homestead, &high),
        Err(CryptoError::HighS.into())
    );
    assert_eq!(sender_at(Fork::Homestead, &low), Ok(key.address()));
}

#[test]
fn a_type_is_refused_before_its_fork_and_on_another_chain() {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let payload_of = |chain_id| {
        [
            (
                Fork::Berlin,
                TxPayload::AccessList(AccessListTx {
                    chain_id,
                    ..Default::default()
                }),
            ),
            (
                Fork::London,
                TxPayload::DynamicFee(DynamicFeeTx {
                    chain_id,
                    ..Default::default()
                }),
            ),
            (
                Fork::Cancun,
                TxPayload::Blob(BlobTx {
                    chain_id,
                    ..Default::default()
                }),
            ),
            (
                Fork::Prague,
                TxPayload::SetCode(SetCodeTx {
                    chain_id,
                    ..Default::default()
                }),
            ),
        ]
    };
    for (fork, payload) in payload_of(1) {
        let transaction = payload.sign(&key);
        let before = Fork::ALL[Fork::ALL.iter().position(|it| *it == fork).unwrap() - 1];
        assert_eq!(
            sender_at(before, &transaction),
            Err(SenderError::TypeNotSupported)
        );
        assert_eq!(sender_at(fork, &transaction), Ok(key.address()));
    }
    for (fork, payload) in payload_of(2) {
        let refused = sender_at(fork, &payload.sign(&key));
        assert_eq!(refused, Err(SenderError::WrongChain { have: 2, want: 1 }));
    }
}

#[test]
fn replay_protection_comes_with_spurious_dragon() {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let signed = |chain_id| {
        TxPayload::Legacy(LegacyTx {
            chain_id,
            ..LegacyTx::default()
        })
        .sign(&key)
    };
    assert!(sender_at(Fork::TangerineWhistle, &signed(Some(1))).is_err());
    assert_eq!(
        sender_at(Fork::SpuriousDragon, &signed(Some(1))),
        Ok(key.address())
    );
    assert!(sender_at(Fork::SpuriousDragon, &signed(Some(2))).is_err());
    assert_eq!(sender_at(Fork::Osaka, &signed(None)), Ok(key.address()));
}

#[test]
fn v_of_any_chain_id_survives_a_round_trip() {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    for chain_id in [0, 1, 1337, u64::from(u32::MAX), u64::MAX] {
        let payload = LegacyTx {
            chain_id: Some(chain_id),
            ..LegacyTx::default()
        };
        let transaction = TxPayload::Legacy(payload).sign(&key);
        let decoded = Transaction::decode_2718(&transaction.encode_2718()).unwrap();
        assert_eq!(decoded.chain_id(), Some(chain_id));
        assert_eq!((decoded.v() - 35) / 2, u128::from(chain_id));
    }
    for v in [0, 1, 26, 29, 34, u128::from(u64::MAX) * 2 + 37] {
        assert!(
            TxPayload::Legacy(LegacyTx::default()).take_v(v).is_err(),
            "{v}"
        );
        let typed = v < 2;
        let mut payload = TxPayload::AccessList(AccessListTx::default());
        assert_eq!(payload.take_v(v).is_ok(), typed, "{v}");
    }
}

#[test]
fn recovered_senders_are_in_order_with_their_errors() {
    let config = ChainConfig::active_from_genesis(1, Fork::London);
    let keys: Vec<_> = (1..=5_u8)
        .map(|byte| SecretKey::from_bytes(&[byte; 32]).unwrap())
        .collect();
    let sign = |key: &SecretKey| TxPayload::Legacy(LegacyTx::default()).sign(key);
    let block = |transactions| {
        let mut block = Block {
            header: Header::default(),
            ..Block::default()
        };
        block.body.transactions = transactions;
        block
    };
    let foreign = TxPayload::AccessList(AccessListTx::default()).sign(&keys[0]);
    let blocks = [
        block(keys.iter().map(sign).collect()),
        block(Vec::new()),
        block(vec![sign(&keys[3]), foreign.clone(), foreign]),
        block(vec![sign(&keys[4])]),
    ];
    let senders = recover_senders(&config, &blocks);
    let expected: Vec<_> = keys.iter().map(SecretKey::address).collect();
    let wrong_chain = SenderError::WrongChain { have: 0, want: 1 };
    assert_eq!(
        senders,
        [
            Ok(expected),
            Ok(Vec::new()),
            Err((1, wrong_chain)),
            Ok(vec![keys[4].address()])
        ]
    );
}

/// The first two contracts of the account in the CREATE example that many clients test.
#[test]
fn contract_addresses_follow_from_sender_and_nonce() {
    let sender = address!("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
    let expected = [
        address!("cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        address!("343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
    ];
    for (nonce, expected) in expected.into_iter().enumerate() {
        assert_eq!(contract_address(&sender, nonce as u64), expected);
    }
}

#[test]
fn the_authority_is_the_signer() {
    let key = SecretKey::from_bytes(&[9; 32]).unwrap();
    let authorization = Authorization::sign(&key, U256::from(1), Address::repeat_byte(1), 3);
    assert_eq!(authorization.recover_authority(), Ok(key.address()));
    let other = Authorization {
        nonce: 4,
        ..authorization
    };
    assert_ne!(other.recover_authority(), Ok(key.address()));
    let no_parity = Authorization {
        y_parity: 2,
        ..authorization
    };
    assert_eq!(
        no_parity.recover_authority(),
        Err(CryptoError::InvalidSignature)
    );
}
