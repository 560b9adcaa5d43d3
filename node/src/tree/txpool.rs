//! Subtree of the transaction pool.

use std::{num::NonZeroUsize, path::Path, thread, time::Duration};

use actoreum_actors::clock::ChainClock;
use actoreum_actors::txpool::{self, GethJournal, TxPoolHandle, TxPoolSetup};
use actoreum_chain::ChainReader;
use actoreum_messages::events::{ChainChanged, NewTransactions};
use actoreum_supervision::{
    ActorRef, ChildSpec, Pool, Recipient, Strategy, SupervisorSpec, WhenStuck,
};
use actoreum_txpool::PoolReader;

use crate::config::txpool::TxPoolConfig;

/// Restarts of the pool in [`POOL_PERIOD`] after which the core restarts. The pool is restored from
/// its journal each time.
const POOL_RESTARTS: u32 = 50;
/// Period of [`POOL_RESTARTS`].
const POOL_PERIOD: Duration = Duration::from_secs(60);
/// Bounds the threads that verify signatures: more of them verify faster than the pool can add
/// transactions.
const MAX_SIGNATURE_THREADS: usize = 4;
/// Mailbox capacity of TxPoolActor. With the batches of [`actoreum_actors::txpool::TxPoolHandle`]
/// it holds the work of a second or two.
const POOL_MAILBOX: usize = 4_096;

/// Time in which TxPoolActor, when the node stops, adds the transactions that it has accepted: local
/// ones are then in the journal. Those that wait are at most a batch of each client and each peer.
const POOL_DRAIN: Duration = Duration::from_secs(10);

/// The assembled transaction pool.
pub struct TxPoolParts {
    /// Handle to submit and to read transactions.
    pub handle: TxPoolHandle,
    /// Recipient of the chain's events.
    pub chain_follower: Recipient<ChainChanged>,
    /// Subtree, to be started after the chain.
    pub spec: SupervisorSpec,
}

/// Assembles the transaction pool over a chain. A relative path of the journal is relative to
/// `folder`; without `folder` there is no journal. `geth` is the folder of geth's journal, which is
/// imported once.
///
/// ```text
/// txpool               rest_for_one
/// |- signatures        threads that verify the transactions of peers
/// `- pool              TxPoolActor
/// ```
pub fn assemble(
    config: &TxPoolConfig,
    folder: Option<&Path>,
    geth: Option<&Path>,
    chain: &ChainReader,
    clock: ChainClock,
    followers: Vec<Recipient<NewTransactions>>,
) -> TxPoolParts {
    let signatures = Pool::new("signatures", signature_threads());
    let txpool_actor = ActorRef::new("pool");
    let reader = PoolReader::default();
    let mut setup = TxPoolSetup::new(chain.clone(), reader.clone(), config.rules(), clock);
    let has_journal = !config.no_locals && !config.journal.is_empty();
    setup.journal = folder
        .filter(|_| has_journal)
        .map(|folder| folder.join(&config.journal));
    setup.geth_journal = setup
        .journal
        .as_deref()
        .zip(geth)
        .and_then(|(journal, geth)| geth_journal(config, journal, geth));
    setup.rejournal = Duration::from_nanos(config.rejournal);
    setup.followers = followers;
    let spec = SupervisorSpec::new("txpool", Strategy::RestForOne)
        .child(signatures.child())
        .child(
            ChildSpec::new(&txpool_actor, move || setup.clone().start())
                .arbiter("txpool")
                .mailbox(POOL_MAILBOX)
                // A stuck pool that goes on later may write the journal, which has one writer.
                .when_stuck(WhenStuck::Report)
                .drain(POOL_DRAIN),
        )
        .backoff(txpool::BACKOFF)
        .intensity(POOL_RESTARTS, POOL_PERIOD);
    TxPoolParts {
        chain_follower: txpool_actor.recipient(),
        handle: TxPoolHandle::new(txpool_actor, reader, chain.clone(), signatures),
        spec,
    }
}

/// Returns geth's journal, which has the same name in geth's folder. `None` for an absolute path,
/// with which both nodes have the same file.
fn geth_journal(config: &TxPoolConfig, journal: &Path, geth: &Path) -> Option<GethJournal> {
    let of_geth = geth.join(&config.journal);
    let mut marker = journal.as_os_str().to_owned();
    marker.push(".inherited");
    (of_geth != journal).then(|| GethJournal {
        journal: of_geth,
        marker: marker.into(),
    })
}

/// Returns the number of threads that verify the transactions of peers: half of the cores, so that
/// a flood leaves the other half to the import of blocks.
fn signature_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores / 2).clamp(1, MAX_SIGNATURE_THREADS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_of_geth_has_the_same_name() {
        let found = |name: &str| {
            let config = TxPoolConfig {
                journal: name.to_owned(),
                ..TxPoolConfig::default()
            };
            let journal = Path::new("/data/actoreum").join(name);
            geth_journal(&config, &journal, Path::new("/data/geth"))
        };
        let geth_journal = found("transactions.rlp").unwrap();
        let (journal, marker) = (geth_journal.journal, geth_journal.marker);
        assert_eq!(journal, Path::new("/data/geth/transactions.rlp"));
        assert_eq!(
            marker,
            Path::new("/data/actoreum/transactions.rlp.inherited")
        );
        assert!(found("/elsewhere/transactions.rlp").is_none());
    }
}
