//! The eth protocol's part of the tree; see `actoreum_actors::eth` for its drawing.

use std::time::Duration;

use actoreum_actors::{
    eth::{
        EthProtocol, EthSetup,
        downloader::{DownloaderActor, DownloaderSetup, SyncStatus},
        fetcher::FetcherActor,
        protocol_manager::ProtocolManagerActor,
    },
    supervision::{ActorRef, ChildSpec, Recipient, Strategy, SupervisorSpec},
};
use actoreum_messages::events::SyncChanged;
use actoreum_sync::downloader::Mode;

/// It never gives up: a node that does not follow the network still serves its chain.
const RESTARTS: u32 = u32::MAX;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(600);

/// Threads that work for peers: one long answer does not hold up all others.
pub const SERVING_THREADS: usize = 2;

/// The thread of the actors that deal with peers.
const ARBITER: &str = "eth";

/// Messages that may wait for an actor: conversations wait for room, so that this bounds what
/// peers can have lying here.
const MAILBOX: usize = 256;

/// The eth protocol's part of the tree.
pub struct EthParts {
    /// For the network.
    pub protocol: EthProtocol,
    /// To be started before the network, behind what it stands on.
    pub spec: SupervisorSpec,
    /// How far the sync is.
    pub sync: SyncStatus,
}

/// Puts the eth protocol together. `followers` hear when a sync begins and ends.
pub fn assemble(
    mut setup: EthSetup,
    network_id: u64,
    mode: Mode,
    followers: Vec<Recipient<SyncChanged>>,
) -> eyre::Result<EthParts> {
    let downloader: ActorRef<DownloaderActor> = ActorRef::new("downloader");
    setup.followers.push(downloader.recipient());
    let sync = SyncStatus::default();
    let of_downloader = DownloaderSetup {
        reader: setup.chain.clone(),
        chain: setup.writer.clone(),
        peers: setup.peers.clone(),
        pool: setup.serving.clone(),
        status: sync.clone(),
        mode,
        followers,
    };
    let fetching = ChildSpec::new(&downloader, move || of_downloader.make());
    let protocol = EthProtocol::new(setup.clone(), network_id)?;
    let (of_manager, of_fetcher) = (setup.clone(), setup.clone());
    let manager = ChildSpec::new(&setup.manager, move || {
        ProtocolManagerActor::new(of_manager.clone())
    });
    let fetcher = ChildSpec::new(&setup.fetcher, move || {
        FetcherActor::new(of_fetcher.clone())
    });
    let spec = SupervisorSpec::new("eth", Strategy::RestForOne)
        .child(setup.serving.child())
        .child(manager.arbiter(ARBITER).mailbox(MAILBOX))
        .child(fetcher.arbiter(ARBITER).mailbox(MAILBOX))
        .child(fetching.arbiter(ARBITER))
        .intensity(RESTARTS, PERIOD);
    Ok(EthParts {
        protocol,
        spec,
        sync,
    })
}
