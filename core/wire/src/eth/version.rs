//! Versions of the eth protocol, and the messages and fields of each.

use super::MessageId;
use crate::p2p::{Capability, Protocol};

/// A version of the eth protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EthVersion {
    /// Blocks and transactions.
    Eth62 = 62,
    /// Adds receipts and state values.
    Eth63 = 63,
    /// Adds the fork id to the status (EIP-2364).
    Eth64 = 64,
    /// Adds announced and pooled transactions (EIP-2464).
    Eth65 = 65,
    /// Adds request ids (EIP-2481).
    Eth66 = 66,
    /// Removes state values (EIP-4938).
    Eth67 = 67,
    /// Announces transactions with type and size (EIP-5793).
    Eth68 = 68,
    /// For merged chains: the range of available blocks in place of the total difficulty, receipts
    /// without blooms, no propagated blocks (EIP-7642).
    Eth69 = 69,
}

impl EthVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 8] = [
        Self::Eth62,
        Self::Eth63,
        Self::Eth64,
        Self::Eth65,
        Self::Eth66,
        Self::Eth67,
        Self::Eth68,
        Self::Eth69,
    ];

    /// Name of the protocol's capability.
    pub const NAME: &'static str = "eth";

    /// Returns the version with this number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.number() == number)
    }

    /// Returns the version's number.
    pub fn number(self) -> u64 {
        u64::from(self as u8)
    }

    /// Returns the number of message codes; not all of them have a meaning.
    pub fn length(self) -> u64 {
        match self {
            Self::Eth62 => 8,
            Self::Eth69 => 18,
            _ => 17,
        }
    }

    /// Returns the version as a capability to offer.
    pub fn protocol(self) -> Protocol {
        let capability = Capability::new(Self::NAME, self.number());
        Protocol {
            capability,
            length: self.length(),
        }
    }

    /// Returns true if the status has a fork id.
    pub fn has_fork_id(self) -> bool {
        self >= Self::Eth64
    }

    /// Returns true if requests and responses have an id.
    pub fn has_request_ids(self) -> bool {
        self >= Self::Eth66
    }

    /// Returns true if transactions are announced with type and size.
    pub fn has_typed_announcements(self) -> bool {
        self >= Self::Eth68
    }

    /// Returns true if the version is for merged chains only: a status has the range of available
    /// blocks, and receipts have no blooms.
    pub fn is_merged(self) -> bool {
        self >= Self::Eth69
    }

    /// Returns true if a message exists in this version.
    pub fn has(self, message: MessageId) -> bool {
        match message {
            MessageId::Status
            | MessageId::Transactions
            | MessageId::GetBlockHeaders
            | MessageId::BlockHeaders
            | MessageId::GetBlockBodies
            | MessageId::BlockBodies => true,
            // The blocks of a merged chain come from its consensus client.
            MessageId::NewBlockHashes | MessageId::NewBlock => !self.is_merged(),
            MessageId::BlockRangeUpdate => self.is_merged(),
            MessageId::NewPooledTransactionHashes
            | MessageId::GetPooledTransactions
            | MessageId::PooledTransactions => self >= Self::Eth65,
            MessageId::GetNodeData | MessageId::NodeData => {
                (Self::Eth63..=Self::Eth66).contains(&self)
            }
            MessageId::GetReceipts | MessageId::Receipts => self >= Self::Eth63,
        }
    }
}
