//! One conversation with each peer.

use actoreum_chain::ChainReader;
use actoreum_storage::StorageError;
use actoreum_txpool::PoolReader;
use actoreum_wire::eth::{EthMessage, EthVersion, MessageId};
use actoreum_wire::p2p;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::greeting::Greeter;
use super::peer::{EthPeer, PeerHead};
use super::peers::EthPeers;
use super::serve::Library;
use crate::net::protocol::{ConversationEnd, Link, ProtocolHandler};
use crate::supervision::{JobError, Pool};

/// The eth protocol as the network's actors see it.
///
/// A conversation greets, is in the set of peers from then on, and takes messages in their order:
/// answers go to whoever asked, requests are answered from the chain on a pool of threads. It
/// takes the next message when it is done with the last.
#[derive(Clone)]
pub struct EthProtocol {
    greeter: Greeter,
    library: Library,
    serving: Pool,
    peers: EthPeers,
}

impl EthProtocol {
    /// For the chain of a reader. `serving` are the threads that read for peers.
    ///
    /// # Errors
    /// Where the genesis block cannot be read.
    pub fn new(
        chain: ChainReader,
        pool: Option<PoolReader>,
        network_id: u64,
        peers: EthPeers,
        serving: Pool,
    ) -> Result<Self, StorageError> {
        let greeter = Greeter::new(chain.clone(), network_id)?;
        Ok(Self {
            greeter,
            library: Library { chain, pool },
            serving,
            peers,
        })
    }

    async fn talk(self, mut link: Link) -> Result<(), ConversationEnd> {
        let greeting = self.greeter.greet(&mut link).await?;
        let head = PeerHead {
            hash: greeting.status.head,
            total_difficulty: greeting.status.total_difficulty,
        };
        let peer = EthPeer::new(link.peer.clone(), greeting.version, head);
        let _membership = self.peers.join(peer.clone());
        while let Some(incoming) = link.receive().await {
            let message = EthMessage::decode(greeting.version, incoming.id, &incoming.payload)
                .map_err(|error| ConversationEnd::Error(error.to_string()))?;
            self.take(&peer, message).await?;
        }
        Ok(())
    }

    async fn take(&self, peer: &EthPeer, message: EthMessage) -> Result<(), ConversationEnd> {
        match message.id() {
            MessageId::Status => Err(ConversationEnd::Error("Extra status message".to_owned())),
            MessageId::GetBlockHeaders
            | MessageId::GetBlockBodies
            | MessageId::GetReceipts
            | MessageId::GetNodeData
            | MessageId::GetPooledTransactions => self.serve(peer, message).await,
            MessageId::BlockHeaders
            | MessageId::BlockBodies
            | MessageId::Receipts
            | MessageId::NodeData
            | MessageId::PooledTransactions => {
                peer.answered(message);
                Ok(())
            }
            MessageId::NewBlock
            | MessageId::NewBlockHashes
            | MessageId::Transactions
            | MessageId::NewPooledTransactionHashes => Ok(()),
        }
    }

    async fn serve(&self, peer: &EthPeer, request: EthMessage) -> Result<(), ConversationEnd> {
        let library = self.library.clone();
        let answer = match self.serving.run(move || library.answer(request)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Ok(()),
            Err(JobError::NotRun(_)) => return Err(ConversationEnd::Quit),
            Err(JobError::Panicked(text)) => return Err(ConversationEnd::Error(text)),
        };
        let sent = peer.send(&answer).await;
        sent.map_err(|_| ConversationEnd::Quit)
    }
}

impl ProtocolHandler for EthProtocol {
    fn offered(&self) -> Vec<p2p::Protocol> {
        EthVersion::ALL
            .into_iter()
            .map(EthVersion::protocol)
            .collect()
    }

    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        vec![self.greeter.record_entry()]
    }

    fn converse(&self, link: Link) -> LocalBoxFuture<'static, ConversationEnd> {
        let talk = self.clone().talk(link);
        talk.map(|ended| match ended {
            Ok(()) => ConversationEnd::Quit,
            Err(end) => end,
        })
        .boxed_local()
    }
}
