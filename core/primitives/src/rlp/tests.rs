//! Tests of the RLP codec.

use alloy_primitives::hex;
use proptest::prelude::*;

use super::*;
use crate::rlp_struct;

fn refused<T: Decode>(encoded: &str) -> bool {
    decode_exact::<T>(&hex::decode(encoded).unwrap()).is_err()
}

#[test]
fn non_canonical_encodings_are_refused() {
    // A single byte below 0x80 that is wrapped in a string.
    assert!(refused::<u64>("8101"));
    assert!(refused::<Bytes>("8100"));
    assert!(refused::<Bytes>("817f"));
    // A long form for a content below 56 bytes, and a length with a leading zero.
    assert!(refused::<Bytes>("b801ff"));
    assert!(refused::<Vec<u64>>("f80101"));
    assert!(refused::<Bytes>(&format!("b90038{}", "ff".repeat(56))));
    assert!(refused::<Vec<u64>>(&format!("f90038{}", "01".repeat(56))));
    // Numbers with leading zeros, including zero as a byte.
    for encoded in ["00", "820001", "83000100"] {
        assert!(refused::<u64>(encoded), "{encoded}");
        assert!(refused::<U256>(encoded), "{encoded}");
        assert!(refused::<u128>(encoded), "{encoded}");
    }
    // Numbers that are too big.
    assert!(refused::<u64>("89010000000000000000"));
    assert!(refused::<U256>(&format!("a1{}", "01".repeat(33))));
    assert!(refused::<bool>("02"));
    // An item of another kind or size.
    assert!(refused::<u64>("c0"));
    assert!(refused::<Bytes>("c0"));
    assert!(refused::<Vec<u64>>("80"));
    assert!(refused::<Address>(&format!("93{}", "11".repeat(19))));
    assert!(refused::<Address>("80"));
    assert!(refused::<Option<Address>>(&format!(
        "93{}",
        "11".repeat(19)
    )));
    assert!(refused::<B256>(&format!("9f{}", "11".repeat(31))));
    assert!(refused::<String>("81ff"));
    // Trailing bytes.
    assert!(refused::<u64>("0100"));
    assert!(refused::<Vec<u64>>("c000"));
}

#[test]
fn a_length_beyond_the_input_is_refused() {
    for encoded in [
        "",
        "81",
        "82ff",
        "b8",
        "b838ff",
        "bf",
        "bfffffffffffffffff",
        "bf7fffffffffffffff00",
    ] {
        assert!(refused::<Bytes>(encoded), "{encoded}");
    }
    for encoded in [
        "c1",
        "c201",
        "f8",
        "f838",
        "ffffffffffffffffff",
        "ff7fffffffffffffff01",
    ] {
        assert!(refused::<Vec<u64>>(encoded), "{encoded}");
        assert!(
            List::open_exact(&hex::decode(encoded).unwrap()).is_err(),
            "{encoded}"
        );
    }
    // An item that extends past the end of its list.
    assert!(refused::<Vec<u64>>("c182ffff"));
    assert!(refused::<Vec<Bytes>>("c183ff"));
}

#[test]
fn a_list_is_read_item_by_item() {
    let encoded = hex::decode("c70183646f67c101").unwrap();
    let mut list = List::open_exact(&encoded).unwrap();
    assert_eq!(list.count(), Ok(3));
    assert_eq!(list.next::<u64>(), Ok(1));
    assert_eq!(list.next_raw().unwrap(), hex::decode("83646f67").unwrap());
    assert!(list.finish().is_err(), "an item is left");
    assert_eq!(list.next_list().unwrap().next::<u64>(), Ok(1));
    assert!(list.is_empty());
    assert_eq!(list.next_optional::<u64>(), Ok(None));
    assert!(list.next::<u64>().is_err());
    assert!(list.next_raw().is_err());
    assert_eq!(list.finish(), Ok(()));
}

#[test]
fn counting_items_validates_their_headers() {
    let encoded = hex::decode("c20183").unwrap();
    assert!(List::open_exact(&encoded).unwrap().count().is_err());
}

#[derive(Debug, Clone, PartialEq)]
struct Tail {
    first: u64,
    second: Option<u64>,
    third: Option<B256>,
}

rlp_struct!(Tail { first } optional { second, third });

#[test]
fn an_optional_tail_ends_with_the_last_field_that_is_set() {
    let mut tail = Tail {
        first: 1,
        second: None,
        third: None,
    };
    assert_eq!(encode(&tail), hex::decode("c101").unwrap());
    tail.second = Some(0);
    assert_eq!(encode(&tail), hex::decode("c20180").unwrap());
    assert_eq!(decode_exact::<Tail>(&encode(&tail)), Ok(tail.clone()));
    tail.third = Some(B256::ZERO);
    assert_eq!(decode_exact::<Tail>(&encode(&tail)), Ok(tail.clone()));
    assert!(refused::<Tail>("c0"));
    assert!(refused::<Tail>("c3018080"), "the third is not 32 bytes");
    let one_too_many = format!("e40180a0{}01", "00".repeat(32));
    assert!(refused::<Tail>(&one_too_many));
}

fn round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(
    value: &T,
) -> Result<(), TestCaseError> {
    let encoded = encode(value);
    prop_assert_eq!(encoded.len(), value.length());
    prop_assert_eq!(&decode_exact::<T>(&encoded).unwrap(), value);
    Ok(())
}

proptest! {
    #[test]
    fn prop_values_survive_a_round_trip(
        small in any::<u64>(),
        shift in 0..256usize,
        big in any::<[u8; 32]>(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in ".{0,80}",
    ) {
        let number = U256::from_be_bytes(big);
        round_trip(&(small >> (shift % 64)))?;
        round_trip(&(number >> shift))?;
        round_trip(&(number >> shift).saturating_to::<u128>())?;
        round_trip(&B256::from(big))?;
        round_trip(&Some(Address::from_slice(&big[..20])))?;
        round_trip(&None::<Address>)?;
        round_trip(&vec![Bytes::from(bytes.clone()), Bytes::new()])?;
        round_trip(&Bytes::from(bytes))?;
        round_trip(&text)?;
    }

    #[test]
    fn prop_decoded_values_encode_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(value) = decode_exact::<U256>(&bytes) {
            prop_assert_eq!(&encode(&value), &bytes);
        }
        if let Ok(value) = decode_exact::<u64>(&bytes) {
            prop_assert_eq!(&encode(&value), &bytes);
        }
        if let Ok(value) = decode_exact::<Bytes>(&bytes) {
            prop_assert_eq!(&encode(&value), &bytes);
        }
        if let Ok(value) = decode_exact::<Vec<Bytes>>(&bytes) {
            prop_assert_eq!(&encode(&value), &bytes);
        }
    }
}
