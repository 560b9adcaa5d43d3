//! The exchange of statuses that begins every eth session.

use std::time::Duration;

use actoreum_chain::ChainReader;
use actoreum_primitives::config::{ForkFilter, ForkId};
use actoreum_primitives::rlp::{Encode, List};
use actoreum_wire::eth::{BlockRange, EthMessage, EthVersion, MessageId, Status};
use actoreum_wire::nodes::Enr;
use actoreum_wire::p2p::DisconnectReason;
use bytes::Bytes;
use tokio::time::timeout;

use super::limits::MAX_STATUS_SIZE;
use super::peer::EthInfo;
use crate::net::protocol::{Link, SessionExit};

/// Timeout of the peer's status, from the sending of ours on.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends our status and checks that the peer is on the same chain.
#[derive(Clone)]
pub struct StatusHandshake {
    chain_reader: ChainReader,
    network_id: u64,
    genesis_timestamp: u64,
    filter: ForkFilter,
}

/// Result of a successful handshake.
#[derive(Debug, Clone, Copy)]
pub struct NegotiatedStatus {
    /// Negotiated version.
    pub version: EthVersion,
    /// The peer's status, of the same chain as ours.
    pub status: Status,
}

impl StatusHandshake {
    /// Creates the handshake for the chain of `chain_reader`.
    ///
    /// # Errors
    /// The genesis block cannot be read.
    pub fn new(
        chain_reader: ChainReader,
        network_id: u64,
    ) -> Result<Self, actoreum_storage::StorageError> {
        let genesis = chain_reader.header_by_number(0)?;
        let genesis_timestamp = genesis.map_or(0, |header| header.timestamp);
        let filter = ForkFilter::new(
            chain_reader.config(),
            &chain_reader.genesis_hash(),
            genesis_timestamp,
        );
        Ok(Self {
            chain_reader,
            network_id,
            genesis_timestamp,
            filter,
        })
    }

    /// Returns the fork identifier of our head (EIP-2124).
    pub fn fork_id(&self) -> ForkId {
        let head = self.chain_reader.head();
        ForkId::new(
            self.chain_reader.config(),
            &self.chain_reader.genesis_hash(),
            self.genesis_timestamp,
            head.number,
            head.timestamp,
        )
    }

    /// Returns the `eth` pair of the node's record: a list with the fork identifier (EIP-778's
    /// registry).
    pub fn record_entry(&self) -> (String, Vec<u8>) {
        let mut fork_id = Vec::new();
        self.fork_id().encode(&mut fork_id);
        // A fork identifier is shorter than 56 bytes, so the header of its list is one byte.
        let length = u8::try_from(fork_id.len()).unwrap_or_default();
        let mut entry = vec![0xc0 + length];
        entry.extend(fork_id);
        ("eth".to_owned(), entry)
    }

    /// Returns whether the fork identifier in a node's record fits the chain. A record without one, such
    /// as that of a node that is older than EIP-2124, may be of any chain.
    pub fn accepts_record(&self, record: &Enr) -> bool {
        let Some(entry) = record.raw("eth") else {
            return true;
        };
        // Further items of the list are for later versions (EIP-2124).
        let fork_id = List::open_exact(entry).and_then(|mut list| list.next());
        let head = self.chain_reader.head();
        fork_id.is_ok_and(|fork_id| {
            let checked = self.filter.validate(fork_id, head.number, head.timestamp);
            checked.is_ok()
        })
    }

    /// Returns our status in a version.
    pub fn status(&self, version: EthVersion) -> Status {
        let view = self.chain_reader.view();
        Status {
            version: version.number(),
            network_id: self.network_id,
            total_difficulty: view.total_difficulty(),
            head: view.head().hash(),
            genesis: self.chain_reader.genesis_hash(),
            fork_id: version.has_fork_id().then(|| self.fork_id()),
            range: version.is_merged().then(|| BlockRange {
                earliest: 0,
                latest: view.head().number,
                latest_hash: view.head().hash(),
            }),
        }
    }

    /// Returns whether the head is a block of a merged chain, which versions without a total
    /// difficulty are for.
    pub fn is_merged(&self) -> bool {
        let head = self.chain_reader.head();
        self.chain_reader.config().is_proof_of_stake(&head)
    }

    /// Sends our status, waits for the peer's, and compares them.
    ///
    /// # Errors
    /// The reason that the session ends with instead.
    pub async fn run(&self, link: &mut Link) -> Result<NegotiatedStatus, SessionExit> {
        let version = EthVersion::from_number(link.peer.capability().version)
            .ok_or(SessionExit::Disconnect(DisconnectReason::UselessPeer))?;
        let ours = self.status(version);
        send(link, version, &EthMessage::Status(ours)).await?;
        let incoming = timeout(STATUS_TIMEOUT, link.receive())
            .await
            .map_err(|_| SessionExit::Disconnect(DisconnectReason::ReadTimeout))?
            .ok_or(SessionExit::Quit)?;
        if incoming.id != MessageId::Status.code() {
            let (id, status) = (incoming.id, MessageId::Status.code());
            return Err(SessionExit::Error(format!(
                "No status message - first msg has code {id:x} (!= {status:x})"
            )));
        }
        let size = incoming.payload.len();
        if size > MAX_STATUS_SIZE {
            let why = format!("Message too long - {size} > {MAX_STATUS_SIZE}");
            return Err(SessionExit::Error(why));
        }
        let payload = incoming.payload.decompress();
        let payload = payload.map_err(|error| SessionExit::Error(error.to_string()))?;
        let message = EthMessage::decode(version, incoming.id, &payload)
            .map_err(|error| SessionExit::Error(error.to_string()))?;
        let EthMessage::Status(mut status) = message else {
            return Err(SessionExit::Error("No status message".to_owned()));
        };
        let head = self.chain_reader.head();
        let check = |fork_id: &ForkId| self.filter.validate(*fork_id, head.number, head.timestamp);
        status
            .check(&ours, check)
            .map_err(|error| SessionExit::Error(error.to_string()))?;
        if version.is_merged() {
            // All blocks of a merged chain have one total difficulty, which the peer does not send.
            status.total_difficulty = ours.total_difficulty;
        }
        link.peer.publish(EthInfo {
            version: version.number(),
            total_difficulty: status.total_difficulty,
            head: status.head,
            range: status.range,
        });
        Ok(NegotiatedStatus { version, status })
    }
}

/// Sends a message of the eth protocol, after waiting for room in the queue.
pub(super) async fn send(
    link: &Link,
    version: EthVersion,
    message: &EthMessage,
) -> Result<(), SessionExit> {
    let payload = message
        .encode(version)
        .map_err(|error| SessionExit::Error(error.to_string()))?;
    let sent = link.peer.send(message.id().code(), Bytes::from(payload));
    sent.await.map_err(|_| SessionExit::Quit)
}
