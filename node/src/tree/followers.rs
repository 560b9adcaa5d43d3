//! Subtree of the actors that follow the chain.

use std::sync::Arc;

use actoreum_actors::{
    bloom_index::BloomIndexActor,
    filter::{FilterActor, PendingSource},
};
use actoreum_rpc::node::Node;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, WhenStuck};

use super::{RESTART_PERIOD, UNLIMITED_RESTARTS};

/// Mailbox capacity of FilterActor. It has room for the subscriptions of a thousand clients that
/// reconnect at the same time.
const FILTER_MAILBOX: usize = 8_192;

/// Returns the subtree of the actors that follow the chain and on which no other actor depends.
pub fn assemble(
    node: &Arc<Node>,
    bloom: &ActorRef<BloomIndexActor>,
    filters: &ActorRef<FilterActor>,
) -> SupervisorSpec {
    let threads = Pool::new("bloom workers", 1);
    let (read_by_index, workers) = (node.chain_reader.clone(), threads.clone());
    let index = move || BloomIndexActor::new(read_by_index.clone(), workers.clone());
    let heads = node.heads.clone();
    let (reader, node) = (node.chain_reader.clone(), Arc::clone(node));
    let pending = PendingSource {
        threads: Pool::new("pending", 1),
        build: Arc::new(move || node.pending_block()),
    };
    let building = pending.threads.child();
    let of_filters = move || {
        FilterActor::new(reader.clone())
            .with_pending(pending.clone())
            .with_heads(heads.clone())
    };
    let filters = ChildSpec::new(filters, of_filters).mailbox(FILTER_MAILBOX);
    SupervisorSpec::new("followers", Strategy::OneForOne)
        .child(threads.child())
        .child(ChildSpec::new(bloom, index).when_stuck(WhenStuck::Replace))
        .child(building)
        .child(filters.when_stuck(WhenStuck::Replace))
        .intensity(UNLIMITED_RESTARTS, RESTART_PERIOD)
}
