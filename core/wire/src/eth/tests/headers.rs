//! Tests of requests for headers with any numbers.

use super::strategies::request;
use super::*;

proptest! {
    #[test]
    fn the_run_of_a_request_never_overflows(request in request(), first: u64) {
        let numbers: Vec<u64> = request.numbers(first).take(50).collect();
        prop_assert!(numbers.len() as u64 <= request.amount);
        if request.amount > 0 {
            prop_assert_eq!(numbers[0], first);
        }
        for pair in numbers.windows(2) {
            let (low, high) = if request.reverse { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
            prop_assert_eq!((high - low) - 1, request.skip);
        }
    }
}

#[test]
fn any_requested_amount_is_served_within_the_limit() {
    for (amount, served) in [(0, 0), (1, 1), (u64::MAX, MAX_HEADERS)] {
        for skip in [0, 1, u64::MAX - 1, u64::MAX] {
            for reverse in [false, true] {
                let origin = HashOrNumber::Number(u64::MAX);
                let request = GetBlockHeaders {
                    origin,
                    amount,
                    skip,
                    reverse,
                };
                assert_eq!(request.served(), served);
                for first in [0, 1, u64::MAX] {
                    assert!(request.numbers(first).count() <= served);
                }
                let payload = EthMessage::GetBlockHeaders(u64::MAX, request);
                let payload = Bytes::from(payload.encode(EthVersion::Eth68).unwrap());
                let decoded = EthMessage::decode(EthVersion::Eth68, 3, &payload).unwrap();
                assert_eq!(decoded, EthMessage::GetBlockHeaders(u64::MAX, request));
            }
        }
    }
    let step = |skip, reverse| {
        let origin = HashOrNumber::Number(0);
        GetBlockHeaders {
            origin,
            amount: 2,
            skip,
            reverse,
        }
        .next_number(10)
    };
    assert_eq!(step(9, true), Some(0));
    assert_eq!(step(10, true), None);
    assert_eq!(step(u64::MAX, true), None);
    assert_eq!(step(u64::MAX, false), None);
    assert_eq!(step(u64::MAX - 11, false), Some(u64::MAX));
    assert_eq!(step(u64::MAX - 10, false), None);
}

#[test]
fn numbers_beyond_64_bits_are_refused() {
    let mut payload = Vec::new();
    put_list(&mut payload, |out| {
        put_list(out, |out| {
            rlp::encode_str(&[1; 9], out);
            for _ in 0..3 {
                0u64.encode(out);
            }
        });
    });
    let mut inner = Vec::new();
    put_list(&mut inner, |out| {
        rlp::encode_str(&[1; 9], out);
        for _ in 0..3 {
            0u64.encode(out);
        }
    });
    let result = EthMessage::decode(EthVersion::Eth63, 3, &inner.into());
    assert!(matches!(
        result,
        Err(EthError::Invalid {
            message: MessageId::GetBlockHeaders,
            ..
        })
    ));
    assert!(EthMessage::decode(EthVersion::Eth66, 3, &payload.into()).is_err());
}
