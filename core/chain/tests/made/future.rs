//! Future blocks, and blocks that `--whitelist` excludes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use actoreum_chain::{Chain, ChainEvent, ChainOptions, ChainReader, Detail, genesis, limits};
use actoreum_consensus::Disposition;
use actoreum_primitives::{B256, Block, ChainConfig, CliqueConfig, Genesis};
use actoreum_storage::Store;

use crate::maker::{Maker, Recipe, START, Seals, engine, genesis_of};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(START) };
}

const PERIOD: u64 = 10;

fn set_clock(now: u64) {
    NOW.with(|clock| clock.set(now));
}

fn config(is_clique: bool) -> ChainConfig {
    ChainConfig {
        clique: is_clique.then_some(CliqueConfig {
            period: PERIOD,
            epoch: 30_000,
        }),
        homestead_block: Some(0),
        ..ChainConfig::default()
    }
}

/// Returns blocks 1 to 5, each [`PERIOD`] seconds after the one before.
fn blocks(seals: Seals) -> (Genesis, Vec<Block>) {
    let genesis = genesis_of(config(seals == Seals::Clique));
    let mut maker = Maker::new(seals, &genesis, Store::memory());
    let recipe = Recipe {
        seconds: PERIOD,
        ..Recipe::default()
    };
    let blocks = (0..5).map(|_| maker.make(&recipe, |_| {})).collect();
    (genesis, blocks)
}

fn open(seals: Seals, genesis_of: &Genesis) -> Chain {
    let store = Store::memory();
    genesis::init(&store, genesis_of).unwrap();
    let options = ChainOptions {
        engine: engine(seals, genesis_of).0,
        interrupt: Arc::default(),
        now: Arc::new(|| NOW.with(Cell::get)),
    };
    Chain::open(ChainReader::open(store).unwrap(), options).unwrap()
}

fn import(chain: &mut Chain, blocks: &[Block]) -> (usize, usize, Option<Disposition>) {
    let report = chain.import(blocks, Detail::EveryBlock);
    let refused = report.refused.map(|refused| refused.error.disposition());
    (report.imported, report.queued, refused)
}

#[test]
fn a_block_that_comes_early_waits_for_its_time() {
    // Clique accepts a block at its timestamp, ethash 15 seconds before.
    for (seals, early) in [(Seals::Clique, 0), (Seals::Ethash, 15)] {
        let (genesis, blocks) = blocks(seals);
        let mut chain = open(seals, &genesis);
        // The second to fourth are 10, 20 and 30 seconds early and are queued; the fifth is too
        // early.
        set_clock(blocks[0].header.timestamp);
        if seals == Seals::Clique {
            let (imported, queued, refused) = import(&mut chain, &blocks);
            assert_eq!((imported, queued), (1, 3));
            assert_eq!(refused, Some(Disposition::Future));
            assert_eq!((chain.head().number, chain.future_blocks()), (1, 3));
        } else {
            assert_eq!(
                import(&mut chain, &blocks),
                (2, 2, Some(Disposition::Future))
            );
        }
        let before = chain.head().number;
        assert_eq!(chain.import_future().imported, 0);
        assert_eq!(chain.head().number, before);

        set_clock(blocks[2].header.timestamp - early);
        let report = chain.import_future();
        assert!(report.refused.is_none(), "{:?}", report.refused);
        assert_eq!(chain.head().number, 3);
        let added = |event: &&ChainEvent| matches!(event, ChainEvent::Added(_));
        assert_eq!(
            report.events.iter().filter(added).count() as u64,
            3 - before
        );
        assert!(chain.bad_blocks().next().is_none());
        assert_eq!(chain.future_blocks(), 1);

        // The fifth comes on top of a queued block.
        set_clock(blocks[2].header.timestamp);
        assert_eq!(import(&mut chain, &blocks[4..]), (0, 1, None));
        set_clock(blocks[4].header.timestamp);
        chain.import_future();
        assert_eq!((chain.head().number, chain.future_blocks()), (5, 0));
    }
}

#[test]
fn only_blocks_that_may_become_valid_are_queued() {
    let (genesis, blocks) = blocks(Seals::Clique);
    let mut chain = open(Seals::Clique, &genesis);
    set_clock(START);
    // A bulk import queues nothing.
    let report = chain.import(&blocks[..2], Detail::HeadOnly);
    assert_eq!((report.queued, report.imported), (0, 0));
    assert!(report.refused.is_some());
    // An early block with an invalid signature.
    let mut unsigned = blocks[0].clone();
    unsigned.header.gas_used = 1;
    assert_eq!(
        import(&mut chain, &[unsigned]),
        (0, 0, Some(Disposition::Future))
    );
    // A block with an unknown parent.
    assert_eq!(
        import(&mut chain, &blocks[1..2]),
        (0, 0, Some(Disposition::UnknownAncestor))
    );
    assert_eq!(chain.future_blocks(), 0);
    // The same block twice, and again when its time has come.
    for _ in 0..2 {
        assert_eq!(import(&mut chain, &blocks[..1]), (0, 1, None));
    }
    assert_eq!(chain.future_blocks(), 1);
    set_clock(blocks[0].header.timestamp);
    assert_eq!(import(&mut chain, &blocks[..1]), (1, 0, None));
    assert_eq!(chain.future_blocks(), 0);
}

#[test]
fn a_full_queue_drops_the_highest_block_numbers() {
    let genesis = genesis_of(config(false));
    let mut maker = Maker::new(Seals::Unsealed, &genesis, Store::memory());
    let mut chain = open(Seals::Unsealed, &genesis);
    // Siblings, all early, and a child of one of them.
    let sibling = |vanity: u16| {
        let recipe = Recipe {
            seconds: 40,
            ..Recipe::default()
        };
        let mut maker = Maker::new(Seals::Unsealed, &genesis, Store::memory());
        let mut block = maker.make(&recipe, |_| {});
        block.header.extra_data = vanity.to_be_bytes().to_vec().into();
        block
    };
    let recipe = Recipe {
        seconds: 40,
        ..Recipe::default()
    };
    let parent = maker.make(&recipe, |_| {});
    let child = maker.make(
        &Recipe {
            seconds: 1,
            ..recipe
        },
        |_| {},
    );
    set_clock(parent.header.timestamp - 20);
    let run = [parent, child];
    assert_eq!(import(&mut chain, &run), (0, 2, None));
    for vanity in 0..limits::FUTURE_BLOCKS as u16 {
        let (_, queued, _) = import(&mut chain, &[sibling(vanity)]);
        assert_eq!(queued, 1);
    }
    assert_eq!(chain.future_blocks(), limits::FUTURE_BLOCKS);
    set_clock(run[1].header.timestamp);
    chain.import_future();
    assert_eq!(chain.head().number, 1, "the child went");
}

#[test]
fn a_block_that_is_not_the_required_one_is_refused() {
    let (genesis, blocks) = blocks(Seals::Clique);
    set_clock(u64::MAX / 2);
    let mut chain = open(Seals::Clique, &genesis);
    let required = blocks[1].hash();
    chain.require(BTreeMap::from([(2, required), (4, B256::repeat_byte(4))]));
    let report = chain.import(&blocks, Detail::EveryBlock);
    assert_eq!(report.imported, 3);
    let refused = report.refused.unwrap();
    assert_eq!((refused.index, refused.number), (3, 4));
    let text = refused.to_string();
    assert!(
        text.contains("whitelist mismatch: block 4 must be 0x0404"),
        "{text}"
    );
    assert_eq!(chain.head().number, 3);
    assert_eq!(chain.bad_blocks().count(), 1);
}
