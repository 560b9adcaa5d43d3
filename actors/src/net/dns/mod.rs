//! DnsDiscoveryActor: finds nodes in trees of DNS records (EIP-1459).
//!
//! | message | effect |
//! |---|---|
//! | [`FindNodes`] | answered with the nodes that were found, or with the next one |
//! | `Due` | the walk goes on after its rate limit, or checks a root |
//!
//! All rules of the walk are in `actoreum_wire::dns`, a sans-IO state machine. The actor queries the names
//! that it wants, one at a time, and sets one timer. The walk goes on until [`MAX_DNS_NODES`] nodes wait for
//! the dialer, so that a node with enough peers does not query at all.

pub(super) mod resolver;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use actoreum_messages::dns_discovery::FindNodes;
use actoreum_wire::dns::{Step, TreeWalk};
use actoreum_wire::nodes::{Enode, Enr};
use tokio::time::{Instant, timeout};
use tracing::{debug, trace};

use self::resolver::TxtResolver;
use super::limits::{DNS_QUERY_TIMEOUT, MAX_DNS_NODES};
use super::shared::Shared;
use actoreum_supervision::{
    Actor, Ctx, Failure, Handles, Later, Message, Replier, TaskHandle, WhenAbandoned,
};

/// Reports that the walk has something to do.
#[derive(Debug, Message)]
struct Due;

/// The actor of DNS discovery; see the module.
pub struct DnsDiscoveryActor {
    shared: Arc<Shared>,
    resolver: Arc<dyn TxtResolver>,
    walk: TreeWalk,
    /// The nodes that were found since the last question.
    found: VecDeque<Enode>,
    /// The question that waits for a node.
    waiting: Option<Replier<Vec<Enode>>>,
    timer: Option<TaskHandle>,
}

impl DnsDiscoveryActor {
    /// Creates an actor that begins with the roots of the configured trees.
    pub(super) fn new(shared: Arc<Shared>, resolver: Arc<dyn TxtResolver>) -> Self {
        Self {
            walk: TreeWalk::new(shared.settings.dns_trees.iter().cloned()),
            shared,
            resolver,
            found: VecDeque::new(),
            waiting: None,
            timer: None,
        }
    }

    /// Goes on with the walk until it waits for an answer or for a time, or enough nodes were found.
    fn go_on(&mut self, ctx: &mut Ctx<Self>) {
        while self.found.len() < MAX_DNS_NODES {
            let now = Instant::now().into_std();
            let rng = &self.shared.settings.rng;
            match rng.with(|random| self.walk.poll(now, random)) {
                Step::Node(record) => self.found(&record),
                Step::Query(name) => {
                    self.query(name, ctx);
                    break;
                }
                Step::Wait(until) => {
                    if let Some(timer) = self.timer.take() {
                        timer.cancel();
                    }
                    self.timer = until.map(|until| {
                        let pause = until.saturating_duration_since(now);
                        ctx.notify_after(pause, Due)
                    });
                    break;
                }
            }
        }
        if !self.found.is_empty()
            && let Some(replier) = self.waiting.take()
        {
            replier.reply(self.found.drain(..).collect());
        }
    }

    fn query(&mut self, name: String, ctx: &mut Ctx<Self>) {
        let resolver = Arc::clone(&self.resolver);
        let asking = async move {
            let answer = timeout(DNS_QUERY_TIMEOUT, resolver.texts(&name)).await;
            let answer = answer.unwrap_or_else(|_| Err("i/o timeout".to_owned()));
            (name, answer)
        };
        ctx.spawn_then(asking, |actor, (name, answer), ctx| {
            let now = Instant::now().into_std();
            match answer {
                Ok(texts) => {
                    trace!(%name, records = texts.len(), "DNS records received");
                    if let Err(error) = actor.walk.answered(&texts, now) {
                        debug!(%error, "DNS records refused");
                    }
                }
                Err(error) => {
                    debug!(%name, %error, "DNS name not resolved");
                    actor.walk.failed(now);
                }
            }
            actor.go_on(ctx);
        });
    }

    /// Keeps a node for the dialer, unless it takes no connections or is on another chain.
    fn found(&mut self, record: &Enr) {
        let enode = record.enode();
        let is_reachable = enode
            .endpoint
            .is_some_and(|at| at.tcp != 0 && self.shared.settings.allows(at.address));
        let is_own = enode.id() == self.shared.local.info().id;
        if !is_reachable || is_own || !self.shared.handler.accepts_record(record) {
            trace!(node = ?enode.id(), is_reachable, "node of DNS left out");
            return;
        }
        trace!(node = ?enode.id(), "node found in DNS");
        self.found.push_back(enode);
    }
}

impl Actor for DnsDiscoveryActor {
    fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
        debug!(trees = ?self.walk.trees().collect::<Vec<_>>(), "DNS discovery begins");
        Ok(())
    }
}

impl Handles<FindNodes> for DnsDiscoveryActor {
    type Answer = Later<Vec<Enode>>;
    const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

    fn handle(&mut self, FindNodes: FindNodes, ctx: &mut Ctx<Self>) -> Later<Vec<Enode>> {
        let (replier, later) = Later::channel();
        // The dialer asks one question at a time: an earlier one is of a dialer that has restarted.
        if let Some(earlier) = self.waiting.replace(replier) {
            earlier.reply(Vec::new());
        }
        self.go_on(ctx);
        later
    }
}

impl Handles<Due> for DnsDiscoveryActor {
    type Answer = ();

    fn handle(&mut self, Due: Due, ctx: &mut Ctx<Self>) {
        self.timer = None;
        self.go_on(ctx);
    }
}
