use std::collections::BTreeMap;

use actoreum_chain::{Edit, StateEdit};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Input {
    Sleep(u64),
    Pool(u64),
    MoveHead,
    NewHead,
    DeliverHead,
    Side(u8),
    Switch(bool),
    Etherbase(bool),
    NextTimestamp(u64),
    Request(u8),
    /// The step that is under way ends, as it should.
    Finish,
    Build(bool),
    Seal(u8),
    Import(u8),
    OldSeal,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => (0..6_000_u64).prop_map(Input::Sleep),
        4 => (0..3_u64).prop_map(Input::Pool),
        1 => Just(Input::MoveHead),
        2 => Just(Input::NewHead),
        2 => Just(Input::DeliverHead),
        1 => (0..4_u8).prop_map(Input::Side),
        2 => any::<bool>().prop_map(Input::Switch),
        1 => any::<bool>().prop_map(Input::Etherbase),
        1 => (900..3_000_u64).prop_map(Input::NextTimestamp),
        2 => (0..4_u8).prop_map(Input::Request),
        12 => Just(Input::Finish),
        1 => any::<bool>().prop_map(Input::Build),
        2 => (0..6_u8).prop_map(Input::Seal),
        2 => (0..4_u8).prop_map(Input::Import),
        1 => Just(Input::OldSeal),
    ]
}

fn failed() -> String {
    "failed".to_owned()
}

fn apply(node: &mut Node, input: Input) {
    match input {
        Input::Sleep(millis) => node.sleep(Duration::from_millis(millis)),
        Input::Pool(pending) => node.pool_has(pending),
        Input::MoveHead => node.move_head(),
        Input::NewHead => node.new_head(),
        Input::DeliverHead => node.deliver_head(),
        Input::Side(content) => node.side_block(content),
        Input::Switch(is_on) => node.switch(is_on),
        Input::Etherbase(is_set) => {
            node.view.etherbase = is_set.then_some(MINER);
            node.step(Worker::on_settings_changed);
        }
        Input::NextTimestamp(time) => node.view.chosen.timestamp = Some(time),
        Input::Request(kind) => {
            let change = Edit::Nonce(1);
            let address = MINER;
            node.request(match kind {
                0 => RequestKind::Block(None),
                1 => RequestKind::Block(Some(node.view.chain_time.as_secs() + 1)),
                2 => RequestKind::Edit(StateEdit::new(address, change)),
                _ => RequestKind::Rewind(node.view.head.number.saturating_sub(1)),
            });
        }
        Input::Finish => {
            node.finish_all();
        }
        Input::Build(is_refused) if node.building.is_some() => {
            node.building = None;
            node.step(|worker, view| {
                if is_refused {
                    worker.on_build_refused(view, failed())
                } else {
                    worker.on_built(view, SECOND, BuildResult::Failed(failed()))
                }
            });
        }
        Input::Seal(kind) if node.sealing.is_some() => node.end_seal(match kind {
            0 => SealResult::Outdated,
            1 => SealResult::Unanswered,
            2 => SealResult::KeyFailed(failed()),
            3 => SealResult::RecordFailed(failed()),
            4 => SealResult::SignedElsewhere(failed()),
            _ => SealResult::Failed(failed()),
        }),
        Input::Import(kind) if node.importing.is_some() => node.end_import(match kind {
            0 => ImportResult::Bad(failed()),
            1 => ImportResult::UnknownAncestor(failed()),
            _ => ImportResult::NotYet(failed()),
        }),
        Input::OldSeal => {
            if let Some(old) = node.searches.pop() {
                let result = SealResult::Sealed(old.block);
                node.step(|worker, view| worker.on_sealed(view, old.round, result));
            }
        }
        Input::Build(_) | Input::Seal(_) | Input::Import(_) => {}
    }
}

/// Ends everything that is under way, without further faults, until no user waits.
fn settle(node: &mut Node) {
    node.view.etherbase = Some(MINER);
    node.switch(true);
    for _ in 0..1_000 {
        if node.waiting() == 0 {
            return;
        }
        if !node.finish_all() {
            node.deliver_head();
            node.pool_has(0);
            node.sleep(SECOND);
        }
    }
    panic!("{} requests are never answered", node.waiting());
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        Just(Pace::OnDemand),
        Just(Pace::Period(2)),
        Just(Pace::Search)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever happens, in whatever order: one block is built at a time, none is built where
    /// sealing is off, a new head ends the work on an outdated block, and each request is answered
    /// once. The checks are in [`Node`].
    #[test]
    fn the_rules_hold_for_any_order_of_inputs(
        pace in pace(),
        skips_empty_blocks: bool,
        inputs in proptest::collection::vec(input(), 1..80),
    ) {
        let mut node = Node::with_rules(pace, skips_empty_blocks);
        for input in inputs {
            apply(&mut node, input);
        }
        settle(&mut node);
    }

    /// No two blocks of one height are sealed with a signature, however often the head moves.
    #[test]
    fn no_height_is_signed_twice(
        inputs in proptest::collection::vec(input(), 1..80),
    ) {
        let mut node = Node::new(Pace::Period(1));
        let mut signed = BTreeMap::new();
        for input in inputs {
            let before = node.importing.is_some();
            apply(&mut node, input);
            if let (false, Some(block)) = (before, &node.importing) {
                let hash = *signed.entry(block.header.number).or_insert(block.hash());
                prop_assert_eq!(hash, block.hash());
            }
        }
    }
}
