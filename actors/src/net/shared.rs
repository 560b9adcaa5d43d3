//! State that the network's actors share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::ban_list::BanList;
use super::discovery::view::TableView;
use super::local::LocalNode;
use super::protocol::ProtocolHandler;
use super::record::PeerRecord;
use super::settings::NetworkSettings;
use super::static_and_trusted::StaticAndTrustedPeers;
use super::transport::{DatagramSocket, ListenAddress, Transport};

/// State that the network's actors share, and that outlives their restarts. It contains no actor:
/// each actor is given the references that it needs.
pub(super) struct Shared {
    pub(super) settings: NetworkSettings,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) handler: Arc<dyn ProtocolHandler>,
    pub(super) local: LocalNode,
    pub(super) static_and_trusted: StaticAndTrustedPeers,
    pub(super) bans: BanList,
    /// The set of peers, sorted by id. Published by ServerActor.
    pub(super) peers: ArcSwap<Vec<Arc<PeerRecord>>>,
    /// The node table. Published by UdpDiscoveryActor.
    pub(super) table: ArcSwap<TableView>,
    /// The node table of discovery v5. Published by DiscoveryV5Actor.
    pub(super) table_v5: ArcSwap<TableView>,
    /// The UDP socket of discovery, for sending. Published by the actor that reads it.
    pub(super) datagram_socket: ArcSwapOption<Box<dyn DatagramSocket>>,
}

impl Shared {
    /// Creates the state of a network without peers.
    pub(super) fn new(
        settings: NetworkSettings,
        transport: Arc<dyn Transport>,
        handler: Arc<dyn ProtocolHandler>,
    ) -> Self {
        let (statics, trusted) = (&settings.static_nodes, &settings.trusted_nodes);
        Self {
            local: LocalNode::new(settings.key.clone(), handler.record_entries()),
            static_and_trusted: StaticAndTrustedPeers::new(statics, trusted),
            bans: BanList::default(),
            peers: ArcSwap::default(),
            table: ArcSwap::default(),
            table_v5: ArcSwap::default(),
            datagram_socket: ArcSwapOption::default(),
            settings,
            transport,
            handler,
        }
    }

    /// Sends a datagram with the socket of discovery, or fails at once.
    ///
    /// # Errors
    /// Those of the socket; `NotConnected` where it is not open.
    pub(super) fn send_datagram(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = self.datagram_socket.load();
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket.try_send(to, datagram)
    }

    /// Returns the address to listen at. After a restart the listener keeps its port, which other
    /// nodes know.
    pub(super) fn listen_address(&self) -> ListenAddress {
        match self.local.info().endpoint.tcp {
            0 => self.settings.listen,
            port => ListenAddress {
                port,
                ..self.settings.listen
            },
        }
    }
}
