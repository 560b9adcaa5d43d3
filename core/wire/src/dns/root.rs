//! The root of a tree.

use std::fmt;

use actoreum_primitives::{B256, PublicKey, SecretKey, keccak256};
use base64ct::{Base64UrlUnpadded, Encoding};

use super::{EntryError, EntryHash};
use crate::limits::MAX_TREE_ENTRY;
use crate::nodes::enr::is_signed_by;

pub(super) const ROOT_PREFIX: &str = "enrtree-root:v1";

/// The root of a tree: the hashes of its two subtrees, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRoot {
    /// The hash of the subtree of nodes.
    pub nodes: EntryHash,
    /// The hash of the subtree of links.
    pub links: EntryHash,
    /// The sequence number: increases with every change of the tree.
    pub seq: u64,
    /// r, s and the recovery id, which is not verified.
    signature: [u8; 65],
}

/// Parses ` <name>=<value>`. Returns the value and the rest.
fn field<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let rest = text.strip_prefix(' ')?.strip_prefix(name)?;
    let rest = rest.strip_prefix('=')?;
    let (value, _) = rest.split_once(' ').unwrap_or((rest, ""));
    rest.split_at_checked(value.len())
}

impl TreeRoot {
    /// Signs a root.
    pub fn sign(nodes: EntryHash, links: EntryHash, seq: u64, key: &SecretKey) -> Self {
        let mut root = Self {
            nodes,
            links,
            seq,
            signature: [0; 65],
        };
        root.signature = key.sign(root.signed_hash()).to_bytes();
        root
    }

    /// Creates a root from a signature in base64, as [`Self::signature`] returns it.
    ///
    /// # Errors
    /// A signature that is not by the key.
    pub fn with_signature(
        (nodes, links): (EntryHash, EntryHash),
        seq: u64,
        signature: &str,
        key: &PublicKey,
    ) -> Result<Self, EntryError> {
        let signature = decode_signature(signature)?;
        let root = Self {
            nodes,
            links,
            seq,
            signature,
        };
        root.verified(key)
    }

    /// Parses the text of a root that must be signed by a key.
    ///
    /// # Errors
    /// Text of another form, or a signature that is not by the key.
    pub fn parse(text: &str, key: &PublicKey) -> Result<Self, EntryError> {
        let root = Self::parse_unverified(text)?;
        root.verified(key)
    }

    pub(super) fn parse_unverified(text: &str) -> Result<Self, EntryError> {
        if text.len() > MAX_TREE_ENTRY {
            return Err(EntryError::TooLong);
        }
        let fields = || {
            let rest = text.strip_prefix(ROOT_PREFIX)?;
            let (nodes, rest) = field(rest, "e")?;
            let (links, rest) = field(rest, "l")?;
            let (seq, rest) = field(rest, "seq")?;
            let (signature, rest) = field(rest, "sig")?;
            let is_number = !seq.is_empty() && seq.bytes().all(|digit| digit.is_ascii_digit());
            let seq = seq.parse().ok().filter(|_| is_number && rest.is_empty())?;
            Some((nodes, links, seq, signature))
        };
        let (nodes, links, seq, signature) = fields().ok_or(EntryError::RootSyntax)?;
        let hash = |text: &str| text.parse().map_err(|_| EntryError::RootChild);
        Ok(Self {
            nodes: hash(nodes)?,
            links: hash(links)?,
            seq,
            signature: decode_signature(signature)?,
        })
    }

    /// Returns the signature in base64.
    pub fn signature(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.signature)
    }

    fn signed_text(&self) -> String {
        let Self {
            nodes, links, seq, ..
        } = self;
        format!("{ROOT_PREFIX} e={nodes} l={links} seq={seq}")
    }

    fn signed_hash(&self) -> B256 {
        keccak256(self.signed_text())
    }

    fn verified(self, key: &PublicKey) -> Result<Self, EntryError> {
        let words = self.signature.first_chunk();
        let is_valid = words.is_some_and(|words| is_signed_by(key, self.signed_hash(), words));
        if is_valid {
            Ok(self)
        } else {
            Err(EntryError::RootSignature)
        }
    }
}

fn decode_signature(text: &str) -> Result<[u8; 65], EntryError> {
    let mut signature = [0; 65];
    match Base64UrlUnpadded::decode(text, &mut signature) {
        Ok(decoded) if decoded.len() == 65 => Ok(signature),
        _ => Err(EntryError::RootSignature),
    }
}

impl fmt::Display for TreeRoot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} sig={}", self.signed_text(), self.signature())
    }
}
