//! Entries of a tree below its root.

use std::fmt;
use std::str::FromStr;

use super::link::LINK_PREFIX;
use super::{EntryError, EntryHash, TreeLink};
use crate::limits::MAX_TREE_ENTRY;
use crate::nodes::Enr;

const BRANCH_PREFIX: &str = "enrtree-branch:";
const NODE_PREFIX: &str = "enr:";

/// An entry of a tree below its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeEntry {
    /// The hashes of further entries; may be empty.
    Branch(Vec<EntryHash>),
    /// A node, whose record is verified.
    Node(Box<Enr>),
    /// Another tree.
    Link(TreeLink),
}

impl TreeEntry {
    /// Returns whether a text begins like an entry.
    pub(super) fn is_entry(text: &str) -> bool {
        [LINK_PREFIX, BRANCH_PREFIX, NODE_PREFIX]
            .iter()
            .any(|prefix| text.starts_with(prefix))
    }
}

impl FromStr for TreeEntry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if text.len() > MAX_TREE_ENTRY {
            return Err(EntryError::TooLong);
        }
        if text.starts_with(LINK_PREFIX) {
            return text.parse().map(Self::Link);
        }
        if text.starts_with(NODE_PREFIX) {
            return Ok(Self::Node(Box::new(text.parse()?)));
        }
        match text.strip_prefix(BRANCH_PREFIX) {
            Some("") => Ok(Self::Branch(Vec::new())),
            Some(children) => {
                let children = children.split(',').map(str::parse);
                children.collect::<Result<_, _>>().map(Self::Branch)
            }
            None => Err(EntryError::UnknownType),
        }
    }
}

impl fmt::Display for TreeEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(record) => record.fmt(formatter),
            Self::Link(link) => link.fmt(formatter),
            Self::Branch(children) => {
                formatter.write_str(BRANCH_PREFIX)?;
                for (number, child) in children.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(formatter, "{comma}{child}")?;
                }
                Ok(())
            }
        }
    }
}
