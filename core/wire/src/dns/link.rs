//! URLs of trees.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use actoreum_primitives::PublicKey;
use data_encoding::BASE32_NOPAD;

use super::{EntryError, EntryHash};
use crate::limits::{MAX_HOST_NAME, MAX_TREE_ENTRY};
use crate::nodes::is_host_name;

pub(super) const LINK_PREFIX: &str = "enrtree://";

/// Maximum length of the domain of a tree: the longest hash (52 digits) and a dot are put before it.
const MAX_DOMAIN: usize = MAX_HOST_NAME - 53;

/// The URL of a tree, `enrtree://<key>@<domain>`: the domain of its records, and the key that signs them.
#[derive(Clone)]
pub struct TreeLink {
    public_key: PublicKey,
    /// The URL. Two URLs are compared by it, because the comparison of keys is expensive.
    text: Arc<str>,
}

impl TreeLink {
    /// Creates the URL of the tree that a key signs.
    ///
    /// # Errors
    /// A domain that is no domain name, or is longer than 200 bytes.
    pub fn new(public_key: PublicKey, domain: &str) -> Result<Self, EntryError> {
        if domain.len() > MAX_DOMAIN || !is_host_name(domain) {
            return Err(EntryError::LinkDomain);
        }
        let key = BASE32_NOPAD.encode(&public_key.to_compressed());
        Ok(Self {
            public_key,
            text: format!("{LINK_PREFIX}{key}@{domain}").into(),
        })
    }

    /// Returns the key that signs the tree.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Returns the domain, at which the root is.
    pub fn domain(&self) -> &str {
        self.text.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// Returns the name of an entry.
    pub fn name_of(&self, hash: &EntryHash) -> String {
        format!("{hash}.{}", self.domain())
    }
}

impl FromStr for TreeLink {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if text.len() > MAX_TREE_ENTRY {
            return Err(EntryError::TooLong);
        }
        let rest = text.strip_prefix(LINK_PREFIX);
        let rest = rest.ok_or(EntryError::LinkScheme)?;
        let (key, domain) = rest.split_once('@').ok_or(EntryError::LinkKeyMissing)?;
        let key = BASE32_NOPAD.decode(key.as_bytes()).ok();
        let key = key.filter(|bytes| bytes.len() == 33);
        let key = key.and_then(|bytes| PublicKey::from_sec1(&bytes).ok());
        Self::new(key.ok_or(EntryError::LinkKey)?, domain)
    }
}

impl fmt::Display for TreeLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for TreeLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for TreeLink {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TreeLink {}
