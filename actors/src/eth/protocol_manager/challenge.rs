//! Challenges: header requests that show whether a peer is on our chain.

use std::collections::BTreeMap;

use actoreum_consensus::rules::dao::DAO_FORK_EXTRA;
use actoreum_primitives::config::ChainConfig;
use actoreum_primitives::{B256, Header};
use actoreum_wire::eth::HashOrNumber;
use tokio::time::Instant;
use tracing::debug;

use crate::eth::limits::CHALLENGE_TIMEOUT;
use crate::eth::peer::{EthPeer, RequestError};

/// A block that the peer must have in the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Challenge {
    number: u64,
    expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The hash given by `--whitelist`.
    Hash(B256),
    /// The first block after the DAO fork, with or without its marker.
    DaoFork { is_supported: bool },
}

impl Challenge {
    /// Returns all challenges that a peer has to pass.
    pub(super) fn all(required: &BTreeMap<u64, B256>, config: &ChainConfig) -> Vec<Self> {
        let required = required.iter().map(|(number, hash)| Self {
            number: *number,
            expected: Expected::Hash(*hash),
        });
        let is_supported = config.dao_fork_support;
        let dao = config.dao_fork_block.map(|number| Self {
            number,
            expected: Expected::DaoFork { is_supported },
        });
        required.chain(dao).collect()
    }

    fn refuses(&self, header: &Header) -> Option<&'static str> {
        match self.expected {
            Expected::Hash(hash) => (header.hash() != hash).then_some("whitelist block mismatch"),
            Expected::DaoFork { is_supported } => {
                let is_marked = header.extra_data.as_ref() == DAO_FORK_EXTRA;
                (is_marked != is_supported).then_some("on the other side of the DAO fork")
            }
        }
    }

    /// Requests the header, and disconnects the peer where the answer is wrong or does not come in
    /// time. A peer that does not have the block yet passes.
    pub(super) async fn run(self, peer: EthPeer) {
        let deadline = Instant::now() + CHALLENGE_TIMEOUT;
        let origin = HashOrNumber::Number(self.number);
        let why = match peer.headers(origin, 1, 0, false, deadline).await {
            Ok(headers) => headers.first().and_then(|header| self.refuses(header)),
            Err(RequestError::Timeout) => Some("does not say which chain it is on"),
            Err(_) => None,
        };
        if let Some(why) = why {
            debug!(peer = ?peer.id(), number = self.number, why, "peer refused");
            peer.disconnect_useless(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_block_passes() {
        let header = Header {
            number: 7,
            extra_data: DAO_FORK_EXTRA.as_slice().into(),
            ..Header::default()
        };
        let refused = |expected| {
            Challenge {
                number: 7,
                expected,
            }
            .refuses(&header)
            .is_some()
        };
        assert!(!refused(Expected::Hash(header.hash())));
        assert!(refused(Expected::Hash(B256::ZERO)));
        assert!(!refused(Expected::DaoFork { is_supported: true }));
        assert!(refused(Expected::DaoFork {
            is_supported: false
        }));
    }
}
