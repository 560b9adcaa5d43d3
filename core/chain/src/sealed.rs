//! A header with its cached hash.

use std::{ops::Deref, sync::Arc};

use actoreum_primitives::{B256, Header};

/// A header with its hash, which is computed once. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    hash: B256,
    header: Arc<Header>,
}

impl SealedHeader {
    /// Hashes a header.
    pub fn new(header: Header) -> Self {
        Self {
            hash: header.hash(),
            header: Arc::new(header),
        }
    }

    /// Combines a header with its known hash. For a block of a remote chain, whose headers may have
    /// other fields, it is the hash that the remote chain gives.
    pub fn with_hash(header: Header, hash: B256) -> Self {
        Self {
            hash,
            header: Arc::new(header),
        }
    }

    /// Returns the block hash.
    pub const fn hash(&self) -> B256 {
        self.hash
    }
}

impl Deref for SealedHeader {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}
