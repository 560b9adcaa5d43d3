//! Errors of trees. The texts are geth's.

use crate::nodes::EnrError;

/// Reason why the text of an entry is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The text is longer than any entry.
    #[error("entry longer than 2048 bytes")]
    TooLong,
    /// The text begins like no entry.
    #[error("unknown entry type")]
    UnknownType,
    /// The root is not of its form.
    #[error("invalid root entry: invalid syntax")]
    RootSyntax,
    /// The root names a child that is no hash.
    #[error("invalid root entry: invalid child hash")]
    RootChild,
    /// The signature of the root is not 65 bytes of base64, or not by the key of the tree.
    #[error("invalid root entry: invalid base64 signature")]
    RootSignature,
    /// A branch names a child that is no hash.
    #[error("invalid branch entry: invalid child hash")]
    BranchChild,
    /// The URL of a tree has another scheme.
    #[error("wrong/missing scheme 'enrtree' in URL")]
    LinkScheme,
    /// The URL of a tree has no key.
    #[error("invalid link entry: missing public key")]
    LinkKeyMissing,
    /// The key in the URL of a tree is no point of the curve.
    #[error("invalid link entry: invalid public key")]
    LinkKey,
    /// The domain in the URL of a tree is no domain name, or so long that its entries would have none.
    #[error("invalid link entry: invalid domain name")]
    LinkDomain,
    /// The node record is invalid.
    #[error("invalid enr entry: {0}")]
    Record(#[from] EnrError),
}

/// Reason why an answer to a query of the walk was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// No record of the domain begins like a root.
    #[error("{0}: no valid root found")]
    NoRoot(String),
    /// No record of the name is an entry of a tree.
    #[error("{0}: no valid tree entry found")]
    NoEntry(String),
    /// The entry has not the hash of its name.
    #[error("{0}: hash mismatch")]
    HashMismatch(String),
    /// The entry is invalid, as it was published.
    #[error("{0}: {1}")]
    Entry(String, EntryError),
    /// The tree of links has a node.
    #[error("{0}: enr entry in link tree")]
    NodeInLinks(String),
    /// The tree of nodes has a link.
    #[error("{0}: link entry in ENR tree")]
    LinkInNodes(String),
    /// The root has a lower sequence number than one that was seen before (EIP-1459: refused).
    #[error("{name}: sequence number {seq} is lower than {seen}, which was seen before")]
    OldRoot {
        /// The domain.
        name: String,
        /// The root's number.
        seq: u64,
        /// The number that was seen before.
        seen: u64,
    },
}
