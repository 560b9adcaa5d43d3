use std::convert::Infallible;

use actoreum_primitives::alloy_primitives::BloomInput;
use actoreum_primitives::{Address, B256, Bloom, Log};
use proptest::collection::{hash_set, vec};
use proptest::prelude::*;

use super::*;
use crate::LogCriteria;

fn log(address: u8, topics: &[u8]) -> Log {
    Log {
        address: Address::repeat_byte(address),
        topics: topics.iter().map(|byte| B256::repeat_byte(*byte)).collect(),
        data: Default::default(),
    }
}

#[test]
fn sections_are_due_below_the_confirmations() {
    assert_eq!(due_sections(0), 0);
    assert_eq!(due_sections(4_096 + 254), 0);
    assert_eq!(due_sections(4_096 + 255), 1);
    assert_eq!(due_sections(u64::from(u32::MAX)), 1_048_575);
}

#[test]
fn a_sparse_set_is_stored_as_indices() {
    let mut builder = SectionBuilder::default();
    let mut bloom = Bloom::ZERO;
    bloom.accrue(BloomInput::Raw(b"value"));
    builder.add(&Bloom::ZERO);
    builder.add(&bloom);
    let set_bits = (0..2048).filter(|bit| !builder.blocks_with(*bit).unwrap().is_empty());
    assert!((1..=3).contains(&set_bits.count()));
    assert!(builder.blocks_with(2048).is_none());
    let all = BlockSet::all();
    assert_eq!(all.encode().len(), 512);
    assert_eq!(BlockSet::decode(&all.encode()), Some(all));
    for wrong in [&[1][..], &[0xff, 0xff], &[0; 514]] {
        assert_eq!(BlockSet::decode(wrong), None);
    }
}

proptest! {
    #[test]
    fn sets_round_trip(places in hash_set(0u16..4096, 0..600)) {
        let mut bytes: Vec<u8> = vec![0; 512];
        for place in &places {
            bytes[usize::from(place / 8)] |= 1 << (place % 8);
        }
        let set = BlockSet::decode(&bytes).unwrap();
        let mut sorted: Vec<u64> = places.iter().map(|place| u64::from(*place)).collect();
        sorted.sort_unstable();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), sorted);
        let encoded = set.encode();
        prop_assert!(encoded.len() <= (places.len() * 2).min(512));
        prop_assert_eq!(BlockSet::decode(&encoded), Some(set));
    }

    #[test]
    fn decoding_any_bytes_does_not_panic(bytes: Vec<u8>) {
        let _ = BlockSet::decode(&bytes);
    }

    /// Checks that the index and each block's bloom give the same answer.
    #[test]
    fn the_index_agrees_with_each_bloom(
        logs in vec(vec((0u8..6, vec(0u8..6, 0..3)), 0..3), 1..40),
        addresses in vec(0u8..8, 0..3),
        topics in vec(vec(0u8..8, 0..3), 0..3),
    ) {
        let criteria = LogCriteria {
            addresses: addresses.into_iter().map(Address::repeat_byte).collect(),
            topics: topics
                .into_iter()
                .map(|values| values.into_iter().map(B256::repeat_byte).collect())
                .collect(),
        };
        let mut builder = SectionBuilder::default();
        let mut expected = Vec::new();
        let matcher = Matcher::new(&criteria);
        for (place, logs) in (0..).zip(&logs) {
            let mut bloom = Bloom::ZERO;
            for (address, topics) in logs {
                log(*address, topics).add_to_bloom(&mut bloom);
            }
            if criteria.may_match(&bloom) {
                expected.push(place);
            }
            builder.add(&bloom);
        }
        let read = |bit| Ok::<_, Infallible>(builder.blocks_with(bit).unwrap().clone());
        let found: Vec<u64> = matcher.blocks(read).unwrap().iter().collect();
        if matcher.matches_all() {
            prop_assert_eq!(found.len(), 4096);
        } else {
            prop_assert_eq!(found, expected);
        }
    }
}
