use actoreum_consensus::{CliqueError, ConsensusError};

use super::*;

fn failed() -> String {
    "failed".to_owned()
}

fn not_our_turn() -> SealResult {
    SealResult::Engine(Box::new(ConsensusError::Clique(
        CliqueError::MustWaitForOthers,
    )))
}

/// Returns a node whose sealer has a block with one transaction.
fn sealing_one() -> Node {
    let mut node = Node::new(Pace::OnDemand);
    node.pool_has(1);
    assert_eq!(node.finish_build(), 1);
    node
}

#[test]
fn a_transaction_causes_a_block() {
    let mut node = Node::new(Pace::OnDemand);
    assert!(node.building.is_none());
    node.pool_has(2);
    let hash = node.finish_round();
    assert_eq!(node.view.head.hash(), hash);
    assert!(node.building.is_none(), "the pool has not seen the head");
    node.pool_has(0);
    assert!(node.building.is_none());
    // The check for a pool that was behind is still due.
    node.sleep(MILLISECOND);
    assert!(node.building.is_none());
    assert_eq!(node.worker.next_timeout(), None);
}

#[test]
fn an_empty_build_is_not_repeated_for_the_same_pool() {
    let mut node = Node::new(Pace::OnDemand);
    node.pool_has(1);
    let order = node.building().order.clone();
    node.end_build(BuildResult::Built {
        block: Box::new(Block {
            header: Header {
                parent_hash: order.parent.hash(),
                ..Header::default()
            },
            body: Body::default(),
        }),
        share: None,
    });
    assert!(node.sealing.is_none() && node.building.is_none());
    node.step(Worker::check);
    assert!(node.building.is_none());
    node.pool_has(1);
    assert!(node.building.is_some());
}

#[test]
fn a_pool_that_is_behind_is_waited_for_but_not_long() {
    let mut node = Node::new(Pace::OnDemand);
    node.view.pool = Some(PoolView {
        version: 2,
        head: B256::ZERO,
        pending: 1,
    });
    node.step(Worker::check);
    node.sleep(499 * MILLISECOND);
    assert!(node.building.is_none());
    node.sleep(MILLISECOND);
    assert!(node.building.is_some());
}

#[test]
fn a_block_with_a_period_is_begun_before_its_time() {
    let mut node = Node::new(Pace::Period(5));
    node.sleep(4_599 * MILLISECOND);
    assert!(node.building.is_none());
    node.sleep(MILLISECOND);
    assert!(!node.building().is_ended);
    assert_eq!(node.building().order.time, BlockTime::NotBefore(1_005));
    node.sleep(399 * MILLISECOND);
    assert!(!node.building().is_ended);
    node.sleep(MILLISECOND);
    assert!(node.building().is_ended, "its time has come");
    node.finish_round();
    assert_eq!(node.view.head.number, 1);
}

#[test]
fn slow_builds_begin_earlier() {
    let mut node = Node::new(Pace::Period(5));
    node.sleep(5 * SECOND);
    node.building = None;
    node.step(|worker, view| worker.on_built(view, SECOND, BuildResult::Failed(failed())));
    node.new_head();
    node.pool_has(0);
    node.sleep(2_999 * MILLISECOND);
    assert!(node.building.is_none());
    node.sleep(MILLISECOND);
    assert!(node.building.is_some(), "twice the build time");
}

#[test]
fn a_chain_may_skip_blocks_without_transactions() {
    let mut node = Node::with_rules(Pace::Period(5), true);
    node.sleep(20 * SECOND);
    assert!(node.building.is_none());
    node.pool_has(1);
    assert!(node.building.is_some());
}

#[test]
fn a_search_begins_with_an_empty_block() {
    let mut node = Node::new(Pace::Search);
    assert_eq!(node.finish_build(), 0);
    node.sleep(Duration::ZERO);
    assert!(node.building.is_none(), "there are no transactions");
    node.pool_has(3);
    node.sleep(RECOMMIT);
    assert_eq!(node.finish_build(), 3);
    assert_eq!(node.searches.len(), 1, "the first search continues");
    node.finish_seal();
    node.finish_import();
    assert_eq!(node.view.head.number, 1);
}

#[test]
fn a_search_takes_in_waiting_transactions_at_once() {
    let mut node = Node::new(Pace::Search);
    node.pool_has(3);
    node.finish_build();
    node.sleep(Duration::ZERO);
    assert!(node.building().order.with_transactions);
    // The same transactions do not cause another block.
    node.finish_build();
    node.sleep(10 * RECOMMIT);
    assert!(node.building.is_none());
    node.pool_has(4);
    node.sleep(RECOMMIT);
    assert!(node.building.is_some());
}

#[test]
fn a_slow_filling_is_ended_by_the_recommit() {
    let mut node = Node::new(Pace::Search);
    node.pool_has(3);
    node.finish_build();
    node.sleep(Duration::ZERO);
    node.pool_has(5);
    node.sleep(RECOMMIT);
    assert!(node.building().is_ended);
    node.finish_build();
    node.sleep(Duration::ZERO);
    assert!(node.building.is_some(), "the others come in the next block");
}

#[test]
fn a_new_ommer_causes_another_block() {
    let mut node = Node::new(Pace::Search);
    node.finish_build();
    node.side_block(1);
    assert_eq!(node.building().order.ommers.len(), 1);
    node.finish_build();
    node.side_block(1);
    assert!(node.building.is_none(), "it is known");
}

#[test]
fn a_late_seal_is_imported_where_seals_are_searched() {
    let mut node = Node::new(Pace::Search);
    node.finish_build();
    node.new_head();
    let late = node.sealing.take().unwrap();
    let result = SealResult::Sealed(late.block.clone());
    node.step(|worker, view| worker.on_sealed(view, late.round, result));
    assert_eq!(node.late, [late.block.hash()]);
}

#[test]
fn a_new_head_ends_the_work_on_an_outdated_block() {
    for pace in [Pace::OnDemand, Pace::Search] {
        let mut node = Node::new(pace);
        node.pool_has(1);
        node.new_head();
        assert!(node.building().is_interrupted);
        node.pool_has(1);
        node.end_build(BuildResult::Interrupted);
        node.finish_build();
        node.new_head();
        assert!(node.live_sealing().is_none());
    }
}

/// An empty block has no transaction before which the interruption would be noticed.
#[test]
fn a_block_completed_after_its_interruption_is_not_sealed() {
    let mut node = Node::new(Pace::Search);
    node.new_head();
    node.pool_has(0);
    node.finish_build();
    assert!(node.sealing.is_none());
    let parent = node.building().order.parent.clone();
    assert_eq!(parent, node.view.head);

    node.switch(false);
    node.finish_build();
    assert!(node.sealing.is_none() && node.building.is_none());
}

#[test]
fn sealing_that_is_switched_off_ends_everything() {
    let mut node = Node::new(Pace::Search);
    node.switch(false);
    assert_eq!(node.stops, 1);
    node.end_build(BuildResult::Interrupted);
    node.new_head();
    node.pool_has(3);
    node.sleep(60 * SECOND);
    assert!(node.building.is_none());
    node.switch(true);
    node.finish_build();
    node.switch(false);
    assert!(node.live_sealing().is_none());
    assert_eq!(node.stops, 2);
}

#[test]
fn the_event_of_the_own_parent_does_not_interrupt() {
    let mut node = Node::new(Pace::Search);
    node.move_head();
    node.end_build(BuildResult::Interrupted);
    node.deliver_head();
    node.pool_has(0);
    assert!(!node.building().is_interrupted);
    node.deliver_head();
    assert!(!node.building().is_interrupted);
}

#[test]
fn a_refusal_of_the_engine_holds_until_the_head_changes() {
    let mut node = sealing_one();
    node.end_seal(not_our_turn());
    node.sleep(60 * SECOND);
    assert!(node.building.is_none());
    node.new_head();
    node.pool_has(1);
    assert!(node.building.is_some());
}

#[test]
fn a_refusal_of_earlier_settings_does_not_hold() {
    let mut node = sealing_one();
    node.switch(true);
    node.end_seal(not_our_turn());
    node.sleep(RETRY_PAUSE);
    assert!(node.building.is_some());
}

#[test]
fn a_key_that_failed_is_asked_again_after_a_pause() {
    for result in [
        SealResult::KeyFailed(failed()),
        SealResult::RecordFailed(failed()),
    ] {
        let mut node = sealing_one();
        node.end_seal(result);
        node.sleep(2_999 * MILLISECOND);
        assert!(node.building.is_none());
        node.sleep(MILLISECOND);
        assert!(node.building.is_some());
    }
}

#[test]
fn changed_settings_end_the_pause_of_a_key() {
    let mut node = sealing_one();
    node.end_seal(SealResult::KeyFailed(failed()));
    node.switch(true);
    assert!(node.building.is_some());
}

#[test]
fn a_failed_step_is_tried_again() {
    let restarts: [fn() -> SealResult; 3] = [
        || SealResult::Outdated,
        || SealResult::Unanswered,
        || SealResult::Failed(failed()),
    ];
    for result in restarts {
        let mut node = sealing_one();
        node.end_seal(result());
        assert!(node.building.is_none());
        node.sleep(RETRY_PAUSE);
        assert!(node.building.is_some());
    }
    let mut node = Node::new(Pace::OnDemand);
    node.pool_has(1);
    node.building = None;
    node.step(|worker, view| worker.on_build_refused(view, failed()));
    node.sleep(RETRY_PAUSE);
    assert!(node.building.is_some());
}

#[test]
fn an_import_is_repeated_until_the_chain_decides() {
    let mut node = sealing_one();
    node.finish_seal();
    let block = node.importing.clone().unwrap();
    for _ in 0..3 {
        node.end_import(ImportResult::NotYet(failed()));
        node.sleep(RETRY_PAUSE - MILLISECOND);
        assert!(node.importing.is_none());
        node.sleep(MILLISECOND);
        assert_eq!(node.importing.as_ref(), Some(&block));
    }
    node.end_import(ImportResult::Bad(failed()));
    assert_eq!(node.discarded, [block.hash()]);
}

#[test]
fn a_block_that_did_not_become_the_head_is_waited_for() {
    for result in [
        ImportResult::Imported { is_new: true },
        ImportResult::UnknownAncestor(failed()),
    ] {
        let mut node = sealing_one();
        node.finish_seal();
        node.end_import(result);
        node.sleep(60 * SECOND);
        assert!(node.building.is_none());
        node.new_head();
        node.pool_has(1);
        assert!(node.building.is_some());
    }
}

#[test]
fn a_block_signed_before_the_restart_is_imported_first() {
    for (number, is_imported) in [(0, false), (1, true)] {
        let mut node = Node::starting(Pace::Search, false);
        let block = Box::new(Block {
            header: Header {
                number,
                parent_hash: node.view.head.hash(),
                ..Header::default()
            },
            body: Body::default(),
        });
        node.step(|worker, view| worker.on_last_signed(view, Some(block)));
        assert_eq!(node.importing.is_some(), is_imported);
        assert_eq!(node.building.is_some(), !is_imported);
    }
}

#[test]
fn own_blocks_are_reported_once_they_are_deep() {
    let mut node = sealing_one();
    node.finish_seal();
    node.finish_import();
    for _ in 0..CONFIRMATION_DEPTH - 1 {
        node.new_head();
    }
    assert!(node.confirmed.is_empty());
    node.new_head();
    node.new_head();
    assert_eq!(node.confirmed, [1]);
}
