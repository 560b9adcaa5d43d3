//! Subtree of the eth protocol; see `actoreum_actors::eth` for a drawing of it.

use std::collections::BTreeMap;
use std::time::Duration;

use actoreum_actors::chain::ChainActor;
use actoreum_actors::eth::{
    EthProtocol, EthShared,
    downloader::{DownloaderActor, DownloaderSetup, SyncStatus},
    fetcher::{FetcherActor, FetcherSetup},
    protocol_manager::{ProtocolManagerActor, ProtocolManagerSetup},
};
use actoreum_messages::events::SyncChanged;
use actoreum_primitives::B256;
use actoreum_supervision::{
    ActorRef, ChildSpec, Recipient, SeededRng, Strategy, SupervisorSpec, WhenStuck,
};
use actoreum_sync::downloader::Mode;

/// Restarts of the subtree in [`PERIOD`]. It never gives up, because a node that does not follow
/// the network can still serve its chain.
const RESTARTS: u32 = u32::MAX;
/// Period of [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(600);

/// Threads that serve requests of peers: one long answer does not delay all others.
pub const SERVING_THREADS: usize = 2;

/// Arbiter (thread) of the actors that deal with peers.
const ARBITER: &str = "eth";

/// Mailbox capacity of the protocol manager and the fetcher. Sessions wait for room, so that this
/// bounds the messages of peers that are held in memory.
const MAILBOX: usize = 256;

/// The assembled eth protocol.
pub struct EthParts {
    /// Protocol to register with the network.
    pub protocol: EthProtocol,
    /// Subtree, to be started before the network and after the actors it depends on.
    pub spec: SupervisorSpec,
    /// Progress of the synchronisation.
    pub sync: SyncStatus,
}

/// Arguments of [`assemble`].
pub struct EthArgs {
    /// References that the sessions and the actors share.
    pub shared: EthShared,
    /// Imports blocks.
    pub chain_actor: ActorRef<ChainActor>,
    /// Reference to ProtocolManagerActor, which other actors have already.
    pub manager: ActorRef<ProtocolManagerActor>,
    /// Reference to FetcherActor, which other actors have already.
    pub fetcher: ActorRef<FetcherActor>,
    /// Hashes that blocks with these numbers must have (`--whitelist`).
    pub required: BTreeMap<u64, B256>,
    /// Network id of the status message.
    pub network_id: u64,
    /// Mode of the first sync of an empty chain (`--syncmode`).
    pub mode: Mode,
    /// Actors that are notified when a sync begins and ends.
    pub follow_sync: Vec<Recipient<SyncChanged>>,
}

/// An actor of the subtree. Its state is built anew by a restart, so that a new generation may run
/// beside a stuck one.
fn on_arbiter(child: ChildSpec) -> ChildSpec {
    child.arbiter(ARBITER).when_stuck(WhenStuck::Replace)
}

/// Assembles the eth protocol.
pub fn assemble(args: EthArgs) -> eyre::Result<EthParts> {
    let EthArgs {
        shared,
        chain_actor,
        manager,
        fetcher,
        required,
        network_id,
        mode,
        follow_sync,
    } = args;
    let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
    let (sync, rng) = (SyncStatus::default(), SeededRng::default());
    let manager_setup = ProtocolManagerSetup {
        chain_reader: shared.chain_reader.clone(),
        txpool: shared.txpool.reader.clone(),
        peers: shared.peers.clone(),
        required,
        followers: vec![downloader.recipient()],
        rng: rng.clone(),
    };
    let fetcher_setup = FetcherSetup {
        shared: shared.clone(),
        chain_actor: chain_actor.clone(),
        manager: manager.recipient(),
        rng,
    };
    let downloader_setup = DownloaderSetup {
        chain_reader: shared.chain_reader.clone(),
        chain_actor,
        peers: shared.peers.clone(),
        threads: shared.threads.clone(),
        status: sync.clone(),
        mode,
        followers: follow_sync,
    };
    let propagating = ChildSpec::new(&manager, move || {
        ProtocolManagerActor::new(manager_setup.clone())
    });
    let announced = ChildSpec::new(&fetcher, move || FetcherActor::new(fetcher_setup.clone()));
    let syncing = ChildSpec::new(&downloader, move || downloader_setup.start());
    let spec = SupervisorSpec::new("eth", Strategy::RestForOne)
        .child(shared.threads.child())
        .child(on_arbiter(propagating).mailbox(MAILBOX))
        .child(on_arbiter(announced).mailbox(MAILBOX))
        .child(on_arbiter(syncing))
        .intensity(RESTARTS, PERIOD);
    Ok(EthParts {
        protocol: EthProtocol::new(shared, manager, fetcher, network_id)?,
        spec,
        sync,
    })
}
