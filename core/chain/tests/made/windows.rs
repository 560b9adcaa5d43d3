//! Bulk imports, in which a window of blocks executes while the one before it is committed.

use actoreum_chain::{Detail, limits::COMMIT_GAS};
use actoreum_primitives::{
    Address, B256, Block, Bytes, ChainConfig, Fork, Genesis, GenesisAccount, StateReader, U256,
};
use actoreum_storage::Store;

use crate::maker::{Maker, Recipe, Seals, engine, genesis_of, import, open};

/// Contract that stores the hash of the block ten before the current one, at the slot of its
/// number.
const HASH_RECORDER: Address = Address::repeat_byte(0xa3);
const HASH_RECORDER_CODE: [u8; 7] = [0x60, BACK, 0x43, 0x03, 0x40, 0x43, 0x55];
const BACK: u8 = 10;
/// Contract that uses all gas of its call.
const BURNER: Address = Address::repeat_byte(0xa4);
const BURNER_CODE: [u8; 4] = [0x5b, 0x60, 0x00, 0x56];
const BURNT: u64 = 28_000_000;
const LENGTH: u64 = 30;

fn burning_genesis() -> Genesis {
    let mut genesis = genesis_of(ChainConfig::active_from_genesis(9, Fork::Berlin));
    let codes = [
        (HASH_RECORDER, &HASH_RECORDER_CODE[..]),
        (BURNER, &BURNER_CODE[..]),
    ];
    for (address, code) in codes {
        let account = GenesisAccount {
            code: Bytes::copy_from_slice(code),
            ..GenesisAccount::default()
        };
        genesis.alloc.insert(address, account);
    }
    genesis
}

fn burning_blocks(genesis: &Genesis) -> Vec<Block> {
    let mut maker = Maker::new(Seals::Unsealed, genesis, Store::memory());
    let recipe = Recipe {
        seconds: 10,
        ..Recipe::default()
    };
    let block = |_| {
        maker.make(&recipe, |filling| {
            filling.send(4, Some(HASH_RECORDER), 100_000, Bytes::new());
            filling.send(5, Some(BURNER), BURNT, Bytes::new());
        })
    };
    (0..LENGTH).map(block).collect()
}

#[test]
fn windows_see_blocks_in_flight() {
    const { assert!(LENGTH * BURNT > 3 * COMMIT_GAS, "there are four windows") };
    const {
        assert!(
            (BACK as u64) * BURNT > COMMIT_GAS,
            "a hash lies a window back"
        )
    };
    let genesis = burning_genesis();
    let blocks = burning_blocks(&genesis);
    let begin = || {
        open(
            Store::memory(),
            &genesis,
            engine(Seals::Unsealed, &genesis).0,
        )
    };

    let mut chain = begin();
    let report = import(&mut chain, &blocks);
    assert_eq!(report.imported, blocks.len());
    let state = chain.reader().state_at(LENGTH).unwrap();
    for number in u64::from(BACK) + 1..=LENGTH {
        let recorded = state.storage(&HASH_RECORDER, &U256::from(number)).unwrap();
        let hash = blocks[(number - u64::from(BACK)) as usize - 1].hash();
        assert_eq!(B256::from(recorded), hash, "block {number}");
    }

    // An invalid block at any position leaves all blocks before it imported, whatever was in
    // flight.
    for place in [0, 6, 7, 8, 15, 20, LENGTH as usize - 1] {
        let mut with_false = blocks[..=place].to_vec();
        with_false[place].header.state_root = B256::repeat_byte(1);
        let mut chain = begin();
        let report = chain.import(&with_false, Detail::EveryBlock);
        let refused = report.refused.unwrap();
        assert_eq!((refused.index, report.imported), (place, place));
        assert!(
            refused.to_string().contains("invalid merkle root"),
            "{refused}"
        );
        assert_eq!(chain.head().number, place as u64);
        import(&mut chain, &blocks);
        assert_eq!(chain.head().hash(), blocks[blocks.len() - 1].hash());
        let root = chain.reader().store().compute_state_root().unwrap();
        assert_eq!(root, chain.head().state_root);
    }
}
