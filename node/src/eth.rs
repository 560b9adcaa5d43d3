//! The eth protocol's part of the tree.
//!
//! ```text
//! eth                  rest_for_one
//! `- serving           the threads that read the chain for peers
//! ```

use std::time::Duration;

use actoreum_actors::{
    eth::{EthPeers, EthProtocol},
    supervision::{Pool, Strategy, SupervisorSpec},
};
use actoreum_chain::ChainReader;
use actoreum_txpool::PoolReader;

/// It never gives up: a node that does not follow the network still serves its chain.
const RESTARTS: u32 = u32::MAX;
/// See [`RESTARTS`].
const PERIOD: Duration = Duration::from_secs(600);

/// Threads that read for peers: one long answer does not hold up all others.
const SERVING_THREADS: usize = 2;

/// The eth protocol's part of the tree.
pub struct EthParts {
    /// For the network.
    pub protocol: EthProtocol,
    /// To be started before the network, behind what it stands on.
    pub spec: SupervisorSpec,
}

/// Puts the eth protocol together over a chain.
pub fn assemble(reader: &ChainReader, pool: PoolReader, network_id: u64) -> eyre::Result<EthParts> {
    let serving = Pool::new("serving", SERVING_THREADS);
    let peers = EthPeers::default();
    let protocol = EthProtocol::new(
        reader.clone(),
        Some(pool),
        network_id,
        peers,
        serving.clone(),
    )?;
    let spec = SupervisorSpec::new("eth", Strategy::RestForOne)
        .child(serving.child())
        .intensity(RESTARTS, PERIOD);
    Ok(EthParts { protocol, spec })
}
