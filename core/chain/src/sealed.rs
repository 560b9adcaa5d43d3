//! A header that knows its hash.

use std::{ops::Deref, sync::Arc};

use actoreum_primitives::{B256, Header};

/// A header with its hash, computed once. Cheap to clone.
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

    /// A header whose hash is known.
    pub fn with_hash(header: Header, hash: B256) -> Self {
        debug_assert_eq!(header.hash(), hash);
        Self {
            hash,
            header: Arc::new(header),
        }
    }

    /// The block's hash.
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
