//! Events of an import for blocks that leave the chain and for blocks that join it.

use actoreum_chain::{Chain, ChainEvent, Detail, ImportReport, Rewound, limits::MAX_EVENT_BLOCKS};
use actoreum_primitives::{B256, Block, Bytes, ChainConfig, Fork, Genesis};
use actoreum_storage::Store;

use crate::maker::{Maker, Recipe, Seals, engine, genesis_of, import, open};

const RECEIVER: actoreum_primitives::Address = actoreum_primitives::Address::repeat_byte(0x77);

fn genesis() -> Genesis {
    genesis_of(ChainConfig::active_from_genesis(9, Fork::Berlin))
}

/// Returns blocks on genesis, every other one with a payment.
fn branch(genesis: &Genesis, vanity: u8, seconds: u64, blocks: usize) -> Vec<Block> {
    let mut maker = Maker::new(Seals::Unsealed, genesis, Store::memory());
    let recipe = Recipe {
        seconds,
        vanity,
        ..Recipe::default()
    };
    let block = |number| {
        maker.make(&recipe, |filling| {
            if number % 2 == 0 {
                filling.send(4, Some(RECEIVER), 21_000, Bytes::new());
            }
        })
    };
    (0..blocks).map(block).collect()
}

fn chain(genesis: &Genesis) -> Chain {
    open(Store::memory(), genesis, engine(Seals::Unsealed, genesis).0)
}

/// Returns the hashes of the reported events, each with the sign of its kind: removed, added, side,
/// head.
fn event_hashes(report: &ImportReport) -> Vec<(char, B256)> {
    let one = |event: &ChainEvent| match event {
        ChainEvent::Removed(block) => ('-', block.header.hash()),
        ChainEvent::Added(block) => ('+', block.header.hash()),
        ChainEvent::Side(header) => ('s', header.hash()),
        ChainEvent::Head(header) => ('h', header.hash()),
    };
    report.events.iter().map(one).collect()
}

fn hashes(sign: char, blocks: &[Block]) -> impl DoubleEndedIterator<Item = (char, B256)> + '_ {
    blocks.iter().map(move |block| (sign, block.hash()))
}

#[test]
fn a_reorg_has_an_event_per_block_for_every_detail() {
    let genesis = genesis();
    let (old, new) = (branch(&genesis, 1, 20, 4), branch(&genesis, 2, 10, 6));
    for detail in [Detail::HeadOnly, Detail::EveryBlock] {
        let mut chain = chain(&genesis);
        import(&mut chain, &old);
        let report = chain.import(&new, detail);
        assert!(report.refused.is_none());
        let head = [('h', new[5].hash())];
        let expected = hashes('-', &old).rev().chain(hashes('+', &new)).chain(head);
        assert_eq!(
            event_hashes(&report),
            expected.collect::<Vec<_>>(),
            "{detail:?}"
        );
        let [reorg] = report.reorgs.as_slice() else {
            panic!("one reorg");
        };
        assert_eq!((reorg.removed, reorg.added), (4, 6));
        assert_eq!(
            (reorg.from.hash(), reorg.to.hash()),
            (old[3].hash(), new[5].hash())
        );
    }
}

#[test]
fn a_large_reorg_has_a_head_event_only_and_stays_readable() {
    let genesis = genesis();
    let old = branch(&genesis, 1, 20, MAX_EVENT_BLOCKS / 2);
    let new = branch(&genesis, 2, 10, MAX_EVENT_BLOCKS / 2 + 1);
    let mut chain = chain(&genesis);
    import(&mut chain, &old);
    let report = import(&mut chain, &new);
    assert_eq!(event_hashes(&report), [('h', new.last().unwrap().hash())]);
    assert_eq!(report.reorgs.len(), 1);
    for block in old.iter().chain(&new) {
        let reader = chain.reader();
        assert!(reader.block_by_hash(&block.hash()).unwrap().is_some());
        assert!(reader.receipts(&block.hash()).unwrap().is_some());
    }
}

#[test]
fn a_rewind_has_events_for_deleted_blocks() {
    let genesis = genesis();
    let blocks = branch(&genesis, 1, 20, 9);
    let mut chain = chain(&genesis);
    import(&mut chain, &blocks);
    let report = chain.set_head(3).unwrap();
    // Blocks 4, 6 and 8 are empty.
    let full = [8, 6, 4].map(|at: usize| ('-', blocks[at].hash()));
    let head = [('h', blocks[2].hash())];
    assert_eq!(event_hashes(&report), [&full[..], &head[..]].concat());
    let rewound = Rewound {
        from: blocks[8].hash(),
        is_complete: true,
    };
    assert_eq!(report.rewound, Some(rewound));
    assert!(chain.set_head(3).unwrap().rewound.is_none());
}
