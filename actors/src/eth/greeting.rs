//! The exchange of statuses that every eth conversation begins with.

use std::time::Duration;

use actoreum_chain::ChainReader;
use actoreum_primitives::config::{ForkFilter, ForkId};
use actoreum_primitives::rlp::Encode;
use actoreum_wire::eth::{EthMessage, EthVersion, MessageId, Status};
use actoreum_wire::p2p::DisconnectReason;
use bytes::Bytes;
use tokio::time::timeout;

use super::limits::MAX_STATUS_SIZE;
use crate::net::protocol::{ConversationEnd, EthInfo, Link};

/// Time for the other side's status, from ours on.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Says which chain we are on, and whether a peer is on the same.
#[derive(Clone)]
pub struct Greeter {
    reader: ChainReader,
    network_id: u64,
    genesis_timestamp: u64,
    filter: ForkFilter,
}

/// What an exchange of statuses leaves.
#[derive(Debug, Clone, Copy)]
pub struct Greeting {
    /// The version that is spoken.
    pub version: EthVersion,
    /// The peer's status, found to be of our chain.
    pub status: Status,
}

impl Greeter {
    /// For the chain of a reader.
    ///
    /// # Errors
    /// Where the genesis block cannot be read.
    pub fn new(
        reader: ChainReader,
        network_id: u64,
    ) -> Result<Self, actoreum_storage::StorageError> {
        let genesis = reader.header_by_number(0)?;
        let genesis_timestamp = genesis.map_or(0, |header| header.timestamp);
        let filter = ForkFilter::new(reader.config(), &reader.genesis_hash(), genesis_timestamp);
        Ok(Self {
            reader,
            network_id,
            genesis_timestamp,
            filter,
        })
    }

    /// The fork identifier of our head.
    pub fn fork_id(&self) -> ForkId {
        let head = self.reader.head();
        ForkId::new(
            self.reader.config(),
            &self.reader.genesis_hash(),
            self.genesis_timestamp,
            head.number,
            head.timestamp,
        )
    }

    /// The `eth` pair of the node's record: a list with the fork identifier (EIP-778's registry).
    pub fn record_entry(&self) -> (String, Vec<u8>) {
        let mut fork_id = Vec::new();
        self.fork_id().encode(&mut fork_id);
        // A fork identifier is below 56 bytes, so one byte is its list's whole header.
        let length = u8::try_from(fork_id.len()).unwrap_or_default();
        let mut entry = vec![0xc0 + length];
        entry.extend(fork_id);
        ("eth".to_owned(), entry)
    }

    /// Our status in a version.
    pub fn status(&self, version: EthVersion) -> Status {
        let view = self.reader.view();
        Status {
            version: version.number(),
            network_id: self.network_id,
            total_difficulty: view.total_difficulty(),
            head: view.head().hash(),
            genesis: self.reader.genesis_hash(),
            fork_id: version.has_fork_id().then(|| self.fork_id()),
        }
    }

    /// Sends our status, waits for the peer's, and compares them.
    ///
    /// # Errors
    /// How the conversation ends instead.
    pub async fn greet(&self, link: &mut Link) -> Result<Greeting, ConversationEnd> {
        let version = EthVersion::from_number(link.peer.capability().version)
            .ok_or(ConversationEnd::Disconnect(DisconnectReason::UselessPeer))?;
        let ours = self.status(version);
        send(link, version, &EthMessage::Status(ours)).await?;
        let incoming = timeout(STATUS_TIMEOUT, link.receive())
            .await
            .map_err(|_| ConversationEnd::Disconnect(DisconnectReason::ReadTimeout))?
            .ok_or(ConversationEnd::Quit)?;
        if incoming.id != MessageId::Status.code() {
            let (id, status) = (incoming.id, MessageId::Status.code());
            return Err(ConversationEnd::Error(format!(
                "No status message - first msg has code {id:x} (!= {status:x})"
            )));
        }
        let size = incoming.payload.len();
        if size > MAX_STATUS_SIZE {
            let why = format!("Message too long - {size} > {MAX_STATUS_SIZE}");
            return Err(ConversationEnd::Error(why));
        }
        let payload = incoming.payload.decompress();
        let payload = payload.map_err(|error| ConversationEnd::Error(error.to_string()))?;
        let message = EthMessage::decode(version, incoming.id, &payload)
            .map_err(|error| ConversationEnd::Error(error.to_string()))?;
        let EthMessage::Status(status) = message else {
            return Err(ConversationEnd::Error("No status message".to_owned()));
        };
        let head = self.reader.head();
        let check = |fork_id: &ForkId| self.filter.validate(*fork_id, head.number, head.timestamp);
        status
            .check(&ours, check)
            .map_err(|error| ConversationEnd::Error(error.to_string()))?;
        link.peer.show(EthInfo {
            version: version.number(),
            total_difficulty: status.total_difficulty,
            head: status.head,
        });
        Ok(Greeting { version, status })
    }
}

/// Sends a message of the eth protocol, after waiting for room.
pub(super) async fn send(
    link: &Link,
    version: EthVersion,
    message: &EthMessage,
) -> Result<(), ConversationEnd> {
    let payload = message
        .encode(version)
        .map_err(|error| ConversationEnd::Error(error.to_string()))?;
    let sent = link.peer.send(message.id().code(), Bytes::from(payload));
    sent.await.map_err(|_| ConversationEnd::Quit)
}
