//! Trees that this node publishes.

use std::collections::BTreeMap;

use actoreum_primitives::{PeerId, PublicKey, SecretKey};

use super::{EntryError, EntryHash, TreeEntry, TreeLink, TreeRoot};
use crate::limits::{MAX_BRANCH_CHILDREN, MAX_SIGNED_NODES};
use crate::nodes::Enr;

/// The keys of a record whose values are ports.
const PORTS: [&str; 6] = ["tcp", "tcp6", "udp", "udp6", "quic", "quic6"];

/// Reason why a tree was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A node has a port above 65535.
    #[error("can't add node {0:?}: its record has an invalid {1:?} port")]
    Port(PeerId, &'static str),
    /// There are more than [`MAX_SIGNED_NODES`] nodes.
    #[error("too many nodes: {0}, at most 16384 fit")]
    TooManyNodes(usize),
    /// The tree has no signature, or one of another tree.
    #[error("the tree is not signed by its key")]
    Unsigned,
    /// The domain is invalid.
    #[error("{0}")]
    Link(#[from] EntryError),
}

/// A tree of nodes and of links to other trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    seq: u64,
    entries: BTreeMap<EntryHash, TreeEntry>,
    nodes: EntryHash,
    links: EntryHash,
    root: Option<TreeRoot>,
}

impl Tree {
    /// Creates a tree without a signature. The nodes are sorted by their ids, as geth sorts them, so that
    /// the same nodes give the same tree; of two records of one node, the newer one is used.
    ///
    /// # Errors
    /// More than [`MAX_SIGNED_NODES`] nodes, or one with an invalid port.
    pub fn new(seq: u64, nodes: Vec<Enr>, links: Vec<TreeLink>) -> Result<Self, TreeError> {
        if nodes.len() > MAX_SIGNED_NODES {
            return Err(TreeError::TooManyNodes(nodes.len()));
        }
        let mut records = BTreeMap::new();
        for node in nodes {
            check_ports(&node)?;
            let known: Option<&Enr> = records.get(&node.node_id().0);
            if known.is_none_or(|known| known.seq() < node.seq()) {
                records.insert(node.node_id().0, node);
            }
        }
        let records = records.into_values();
        let nodes = records.map(|record| TreeEntry::Node(Box::new(record)));
        let links = links.into_iter().map(TreeEntry::Link);
        let mut entries = BTreeMap::new();
        let nodes = add_level(nodes.collect(), &mut entries);
        let links = add_level(links.collect(), &mut entries);
        Ok(Self {
            seq,
            entries,
            nodes,
            links,
            root: None,
        })
    }

    /// Signs the tree. Returns its URL.
    ///
    /// # Errors
    /// An invalid domain.
    pub fn sign(&mut self, key: &SecretKey, domain: &str) -> Result<TreeLink, TreeError> {
        let link = TreeLink::new(key.public_key(), domain)?;
        self.root = Some(TreeRoot::sign(self.nodes, self.links, self.seq, key));
        Ok(link)
    }

    /// Sets a signature that was made before, in base64.
    ///
    /// # Errors
    /// A signature that is not by the key, or of another tree.
    pub fn set_signature(&mut self, signature: &str, key: &PublicKey) -> Result<(), TreeError> {
        let hashes = (self.nodes, self.links);
        let root = TreeRoot::with_signature(hashes, self.seq, signature, key);
        self.root = Some(root.map_err(|_| TreeError::Unsigned)?);
        Ok(())
    }

    /// Returns the signed root; `None` before [`Self::sign`].
    pub fn root(&self) -> Option<&TreeRoot> {
        self.root.as_ref()
    }

    /// Returns the entries below the root, by their hashes.
    pub fn entries(&self) -> impl Iterator<Item = (&EntryHash, &TreeEntry)> {
        self.entries.iter()
    }

    /// Returns the text of every record by its name. A tree without a signature has no root among
    /// them.
    pub fn records(&self, domain: &str) -> BTreeMap<String, String> {
        let root = self.root.iter();
        let root = root.map(|root| (domain.to_owned(), root.to_string()));
        let entries = self.entries.iter();
        let entries = entries.map(|(hash, entry)| (format!("{hash}.{domain}"), entry.to_string()));
        root.chain(entries).collect()
    }
}

fn check_ports(node: &Enr) -> Result<(), TreeError> {
    let is_invalid = |key: &str| node.raw(key).is_some() && node.get::<u16>(key).is_none();
    match PORTS.into_iter().find(|key| is_invalid(key)) {
        Some(key) => Err(TreeError::Port(node.node_id(), key)),
        None => Ok(()),
    }
}

fn add(entry: TreeEntry, entries: &mut BTreeMap<EntryHash, TreeEntry>) -> EntryHash {
    let hash = EntryHash::of(&entry.to_string());
    entries.insert(hash, entry);
    hash
}

/// Adds the entries of a level and the branches above them, up to a single entry. Returns its hash.
fn add_level(level: Vec<TreeEntry>, entries: &mut BTreeMap<EntryHash, TreeEntry>) -> EntryHash {
    let mut level: Vec<EntryHash> = level.into_iter().map(|entry| add(entry, entries)).collect();
    while level.len() > 1 {
        let chunks = level.chunks(MAX_BRANCH_CHILDREN);
        let above = chunks.map(|children| match children {
            [only] => *only,
            children => add(TreeEntry::Branch(children.to_vec()), entries),
        });
        level = above.collect();
    }
    let only = level.pop();
    only.unwrap_or_else(|| add(TreeEntry::Branch(Vec::new()), entries))
}
