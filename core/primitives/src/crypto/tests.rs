//! Tests of keys, signatures and Keccak.

use alloy_primitives::{B256, U256, address, b256, hex};
use proptest::prelude::*;

use super::*;
use crate::EMPTY_CODE_HASH;
use crate::strategies::{b256s, u256s};

#[test]
fn keccak256_uses_the_padding_from_before_sha_3() {
    assert_eq!(keccak256([]), EMPTY_CODE_HASH);
    assert_eq!(
        keccak256("abc"),
        b256!("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45")
    );
}

#[test]
fn keys_out_of_range_are_refused() {
    let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    for bytes in [[0; 32], [0xff; 32], order] {
        assert_eq!(
            SecretKey::from_bytes(&bytes),
            Err(CryptoError::InvalidSecretKey)
        );
    }
}

#[test]
fn points_that_are_not_on_the_curve_are_refused() {
    for bytes in [[0; 64], [1; 64], [0xff; 64]] {
        assert_eq!(
            PublicKey::from_uncompressed(&bytes),
            Err(CryptoError::InvalidPublicKey)
        );
    }
    for bytes in [
        &[][..],
        &[0][..],
        &[4; 33][..],
        &[2; 34][..],
        &[0xff; 65][..],
    ] {
        assert_eq!(
            PublicKey::from_sec1(bytes),
            Err(CryptoError::InvalidPublicKey)
        );
    }
}

#[test]
fn secrets_are_not_printed() {
    let key = SecretKey::from_bytes(&[0x42; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "SecretKey(redacted)");
    let shared = key.ecdh(&key.public_key());
    assert_eq!(format!("{shared:?}"), "SharedSecret(redacted)");
}

#[test]
fn the_address_of_a_known_key_is_right() {
    let bytes = hex!("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318");
    let key = SecretKey::from_bytes(&bytes).unwrap();
    assert_eq!(
        key.address(),
        address!("2c7536e3605d9c16a7a3d7b1898e529396a65c23")
    );
    assert_eq!(*key.to_bytes(), bytes);
}

#[test]
fn both_backends_refuse_unrecoverable_signatures() {
    let order = U256::from_be_bytes(hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let one = U256::from(1);
    for (r, s) in [
        (U256::ZERO, one),
        (one, U256::ZERO),
        (order, one),
        (one, order),
        (U256::MAX, U256::MAX),
        (U256::from(5), one), // no point has this x
    ] {
        let signature = Signature {
            y_parity: false,
            r,
            s,
        };
        let hash = B256::repeat_byte(1);
        assert_eq!(
            signature.recover(hash),
            Err(CryptoError::InvalidSignature),
            "{r} {s}"
        );
        assert_eq!(
            signature.recover_with_k256(hash),
            Err(CryptoError::InvalidSignature)
        );
    }
}

fn keys() -> impl Strategy<Value = SecretKey> {
    any::<[u8; 32]>().prop_filter_map("in range", |bytes| SecretKey::from_bytes(&bytes).ok())
}

proptest! {
    #[test]
    fn prop_a_signature_recovers_its_key(key in keys(), hash in b256s()) {
        let signature = key.sign(hash);
        prop_assert!(!signature.has_high_s());
        prop_assert_eq!(signature.recover(hash), Ok(key.public_key()));
        prop_assert_eq!(signature.recover_address(hash), Ok(key.address()));
        prop_assert_eq!(Signature::from_bytes(&signature.to_bytes()), Ok(signature));
    }

    #[test]
    fn prop_both_backends_recover_the_same(
        key in keys(),
        hash in b256s(),
        makes_s_high in any::<bool>(),
        flips_parity in any::<bool>(),
        other_hash in any::<bool>(),
    ) {
        let mut signature = key.sign(hash);
        if makes_s_high {
            let order = U256::from_be_bytes(hex!(
                "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
            ));
            signature.s = order - signature.s;
        }
        signature.y_parity ^= flips_parity;
        let hash = if other_hash { keccak256(hash) } else { hash };
        let recovered = signature.recover(hash);
        prop_assert!(recovered.is_ok());
        prop_assert_eq!(recovered, signature.recover_with_k256(hash));
        prop_assert_eq!(
            recovered == Ok(key.public_key()),
            makes_s_high == flips_parity && !other_hash
        );
    }

    #[test]
    fn prop_both_backends_sign_the_same(key in keys(), hash in b256s()) {
        let (expected, recovery_id) = k256::ecdsa::SigningKey::from(&key.0)
            .sign_prehash_recoverable(hash.as_slice())
            .unwrap();
        let signature = key.sign(hash);
        let expected: [u8; 64] = expected.to_bytes().into();
        prop_assert_eq!(signature.to_bytes()[..64].to_vec(), expected.to_vec());
        prop_assert_eq!(signature.y_parity, recovery_id.is_y_odd());
    }

    #[test]
    fn prop_both_backends_agree_on_any_numbers(
        y_parity in any::<bool>(),
        r in u256s(),
        s in u256s(),
        hash in b256s(),
    ) {
        let signature = Signature { y_parity, r, s };
        prop_assert_eq!(signature.recover(hash), signature.recover_with_k256(hash));
    }

    #[test]
    fn prop_two_keys_agree_on_a_secret(one in keys(), other in keys()) {
        let secret = one.ecdh(&other.public_key());
        let same = other.ecdh(&one.public_key());
        prop_assert_eq!(secret.as_bytes(), same.as_bytes());
    }

    #[test]
    fn prop_public_keys_survive_a_round_trip(key in keys()) {
        let public = key.public_key();
        prop_assert_eq!(PublicKey::from_uncompressed(&public.to_uncompressed()), Ok(public));
        prop_assert_eq!(PublicKey::from_sec1(&public.to_compressed()), Ok(public));
    }
}
