use actoreum_chain::{ChosenFields, Edit, StateEdit};

use super::*;

/// Returns a node that seals on request only.
fn paused(pace: Pace) -> Node {
    let mut node = Node::starting(pace, false);
    node.view.is_sealing = false;
    node.step(|worker, view| worker.on_last_signed(view, None));
    node
}

#[test]
fn a_requested_block_is_sealed_even_if_it_is_empty() {
    for pace in [Pace::OnDemand, Pace::Period(5), Pace::Search] {
        let mut node = paused(pace);
        let id = node.request(RequestKind::Block(None));
        let hash = node.finish_round();
        assert_eq!(node.answer(id), Some(&Ok(hash)));
        node.sleep(60 * SECOND);
        assert!(node.building.is_none());
    }
}

#[test]
fn requests_are_fulfilled_in_their_order() {
    let mut node = paused(Pace::OnDemand);
    let first = node.request(RequestKind::Block(None));
    let rewind = node.request(RequestKind::Rewind(0));
    let second = node.request(RequestKind::Block(Some(2_000)));
    node.finish_round();
    assert!(node.answer(first).is_some());
    node.pool_has(0);
    assert!(node.building.is_none(), "nothing begins before the rewind");
    node.finish_rewind();
    assert_eq!(node.answer(rewind), Some(&Ok(node.view.head.hash())));
    node.pool_has(0);
    assert_eq!(node.clock, [2_000]);
    assert!(node.building.is_some() && node.answer(second).is_none());
}

#[test]
fn a_rewind_that_failed_is_answered() {
    let mut node = paused(Pace::OnDemand);
    let id = node.request(RequestKind::Rewind(0));
    node.rewinding = None;
    node.step(|worker, view| worker.on_rewound(view, Err("no".to_owned())));
    let error = RequestError::Failed("no".to_owned());
    assert_eq!(node.answer(id), Some(&Err(error)));
}

#[test]
fn an_edit_has_the_time_of_its_parent() {
    let mut node = paused(Pace::OnDemand);
    node.view.chosen.timestamp = Some(3_000);
    let edit = StateEdit::new(MINER, Edit::Nonce(5));
    node.request(RequestKind::Edit(edit.clone()));
    let order = &node.building().order;
    assert_eq!(
        (order.time, &order.edit),
        (BlockTime::OfParent, &Some(edit))
    );
    assert!(node.clock.is_empty(), "it is set for the next block");
    node.finish_round();
    node.pool_has(0);
    for _ in 0..2 {
        node.request(RequestKind::Block(None));
        node.finish_round();
        node.pool_has(0);
    }
    assert_eq!(node.clock, [3_000]);
}

#[test]
fn chosen_fields_go_to_the_next_block_that_is_no_edit() {
    let mut node = paused(Pace::OnDemand);
    let chosen = ChosenFields {
        base_fee: Some(7),
        ..ChosenFields::default()
    };
    node.view.chosen = chosen;
    let chosen_in = |node: &mut Node, kind| {
        node.request(kind);
        let used = node.building().order.chosen;
        node.finish_round();
        node.pool_has(0);
        used
    };
    let edit = StateEdit::new(MINER, Edit::Nonce(5));
    let none = ChosenFields::default();
    assert_eq!(chosen_in(&mut node, RequestKind::Edit(edit)), none);
    assert_eq!(chosen_in(&mut node, RequestKind::Block(None)), chosen);
    assert_eq!(chosen_in(&mut node, RequestKind::Block(None)), none);
}

#[test]
fn chosen_fields_go_to_one_of_two_blocks_that_wait() {
    let mut node = paused(Pace::OnDemand);
    // The second round begins in the step in which the first one ends.
    node.view.pool = None;
    node.view.chosen.timestamp = Some(3_000);
    node.request(RequestKind::Block(None));
    node.request(RequestKind::Block(None));
    assert_eq!(node.building().order.time, BlockTime::At(3_000));
    node.finish_round();
    assert_eq!(node.building().order.time, BlockTime::Now);
    assert_eq!(node.clock, [3_000]);
}

#[test]
fn a_timestamp_interval_counts_from_the_parent() {
    let mut node = paused(Pace::OnDemand);
    node.view.timestamp_interval = Some(7);
    let expected = BlockTime::At(node.view.head.timestamp + 7);
    node.request(RequestKind::Block(None));
    assert_eq!(node.building().order.time, expected);
}

#[test]
fn the_queue_of_requests_is_bounded() {
    let mut node = paused(Pace::OnDemand);
    for _ in 0..=MAX_QUEUED_REQUESTS {
        node.request(RequestKind::Block(None));
    }
    assert!(node.answers.is_empty(), "one is under way, the others wait");
    let id = node.request(RequestKind::Block(None));
    let busy = RequestError::Busy(MAX_QUEUED_REQUESTS);
    assert_eq!(node.answer(id), Some(&Err(busy)));
}

#[test]
fn blocks_of_an_interval_do_not_pile_up() {
    let mut node = Node::new(Pace::OnDemand);
    for _ in 0..5 {
        node.step(Worker::on_interval);
    }
    for _ in 0..2 {
        node.finish_round();
        node.pool_has(0);
    }
    assert!(node.building.is_none(), "one was under way, one waited");
    assert!(node.answers.is_empty());
}

#[test]
fn a_request_without_an_etherbase_fails() {
    let mut node = paused(Pace::OnDemand);
    node.view.etherbase = None;
    let id = node.request(RequestKind::Block(None));
    assert!(matches!(
        node.answer(id),
        Some(Err(RequestError::Failed(_)))
    ));
}

#[test]
fn a_request_outlives_the_head_that_it_was_begun_on() {
    let mut node = paused(Pace::OnDemand);
    let id = node.request(RequestKind::Block(None));
    node.new_head();
    node.pool_has(0);
    node.end_build(BuildResult::Interrupted);
    node.finish_build();
    node.new_head();
    node.pool_has(0);
    let hash = node.finish_round();
    assert_eq!(node.answer(id), Some(&Ok(hash)));
}

/// The first block of a search is empty, and another with transactions follows at once.
#[test]
fn a_request_goes_over_to_the_block_that_replaces_it() {
    let mut node = paused(Pace::Search);
    node.pool_has(2);
    let id = node.request(RequestKind::Block(None));
    assert_eq!(node.finish_build(), 0);
    node.sleep(Duration::ZERO);
    assert_eq!(node.finish_build(), 2);
    node.finish_seal();
    let hash = node.finish_import();
    assert_eq!(node.answer(id), Some(&Ok(hash)));
}
