//! References of the actors, and the recipients of the core's events.

use actoreum_actors::{
    accounts::AccountsActor,
    bloom_index::BloomIndexActor,
    chain::ChainActor,
    eth::{fetcher::FetcherActor, protocol_manager::ProtocolManagerActor},
    filter::FilterActor,
};
use actoreum_messages::events::{ChainChanged, NewTransactions, SyncChanged};
use actoreum_rpc::namespaces::sealing::SealingActors;
use actoreum_supervision::{ActorRef, Recipient};

use super::Role;
use crate::config::Config;

/// References of the actors. They are made before the actors, so that each actor is built with
/// those it needs.
pub struct References {
    /// Imports blocks.
    pub chain: ActorRef<ChainActor>,
    /// Holds the keys.
    pub accounts: ActorRef<AccountsActor>,
    /// Indexes the blooms of headers.
    pub bloom: ActorRef<BloomIndexActor>,
    /// Holds filters and subscriptions.
    pub filters: ActorRef<FilterActor>,
    /// Propagates blocks and transactions.
    pub manager: ActorRef<ProtocolManagerActor>,
    /// Fetches what peers announce.
    pub fetcher: ActorRef<FetcherActor>,
}

/// Recipients of the events of the core.
pub struct Followers {
    /// Of new transactions.
    pub pool: Vec<Recipient<NewTransactions>>,
    /// Of changes of the chain.
    pub chain: Vec<Recipient<ChainChanged>>,
    /// Of the begin and the end of a sync.
    pub sync: Vec<Recipient<SyncChanged>>,
}

impl References {
    /// Creates the references.
    pub fn new() -> Self {
        Self {
            chain: ActorRef::new("chain"),
            accounts: ActorRef::new("accounts"),
            bloom: ActorRef::new("bloom index"),
            filters: ActorRef::new("filters"),
            manager: ActorRef::new("protocol manager"),
            fetcher: ActorRef::new("fetcher"),
        }
    }

    /// Returns the recipients of each event, in the order in which they get it.
    pub fn followers(
        &self,
        config: &Config,
        role: Role<'_>,
        sealing: Option<&SealingActors>,
    ) -> Followers {
        let filters = &self.filters;
        let mut follow = Followers {
            pool: vec![filters.recipient()],
            chain: vec![filters.recipient(), self.bloom.recipient()],
            sync: vec![filters.recipient()],
        };
        if role.is_connected() {
            follow.pool.push(self.manager.recipient());
            follow.chain.push(self.manager.recipient());
            follow.chain.push(self.fetcher.recipient());
        }
        if let Some(sealing) = sealing {
            follow.pool.push(sealing.worker.recipient());
            follow.chain.push(sealing.worker.recipient());
            if config.dev.is_none() {
                follow.chain.push(sealing.sealer.recipient());
            }
            follow.sync.push(sealing.miner.recipient());
        }
        follow
    }
}
