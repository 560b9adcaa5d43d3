//! Trie nodes (leaf, extension, branch) and their RLP.

use actoreum_primitives::{B256, keccak256};
use smallvec::SmallVec;

use crate::rlp::{header_length, put_list_header, put_string, split_item, string_length};
use crate::{Path, TrieError};

/// The RLP of a node of less than 32 bytes, which is embedded in its parent.
pub(crate) type Embedded = SmallVec<[u8; 32]>;

/// A branch's or an extension's reference to a child node.
#[derive(Debug, Clone, Default)]
pub(crate) enum Child {
    /// No child.
    #[default]
    Empty,
    /// The hash of a node that is stored under its own path.
    Hash(B256),
    /// An embedded node.
    Inline(Embedded),
    /// A node that exists only in memory, during an update.
    Virtual(Box<Node>),
}

impl Child {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

/// A branch: sixteen children, and the value of the key that ends at the branch (which cannot occur
/// if all keys have the same length).
#[derive(Debug, Clone, Default)]
pub(crate) struct Branch {
    pub(crate) children: [Child; 16],
    pub(crate) value: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf { suffix: Path, value: Vec<u8> },
    Extension { prefix: Path, child: Child },
    Branch(Box<Branch>),
}

impl Node {
    /// Decodes a node. An encoding that is not canonical is an error.
    pub(crate) fn decode(rlp: &[u8]) -> Result<Self, TrieError> {
        let (list, rest) = split_item(rlp)?;
        if !list.is_list || !rest.is_empty() {
            return Err(TrieError::Malformed("the node is not a single list"));
        }
        let (first, after_first) = split_item(list.payload)?;
        let (second, after_second) = split_item(after_first)?;
        if after_second.is_empty() {
            if first.is_list {
                return Err(TrieError::Malformed("a partial path is a list"));
            }
            let (path, is_leaf) = decode_partial_path(first.payload)?;
            if is_leaf {
                if second.is_list {
                    return Err(TrieError::Malformed("a leaf's value is a list"));
                }
                return Ok(Self::Leaf {
                    suffix: path,
                    value: second.payload.to_vec(),
                });
            }
            let child = decode_child(second.is_list, second.payload, second.raw)?;
            if path.is_empty() || child.is_empty() {
                return Err(TrieError::Malformed("an extension has no path or no child"));
            }
            return Ok(Self::Extension {
                prefix: path,
                child,
            });
        }
        let mut branch = Box::new(Branch::default());
        let mut rest = list.payload;
        for child in &mut branch.children {
            let (item, after) = split_item(rest)?;
            *child = decode_child(item.is_list, item.payload, item.raw)?;
            rest = after;
        }
        let (value, rest) = split_item(rest)?;
        if value.is_list || !rest.is_empty() {
            return Err(TrieError::Malformed("a branch does not have 17 items"));
        }
        branch.value = (!value.payload.is_empty()).then(|| value.payload.to_vec());
        Ok(Self::Branch(branch))
    }

    /// Returns the node's RLP.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Leaf { suffix, value } => encode_leaf(suffix, value),
            Self::Extension { prefix, child } => encode_extension(prefix, child),
            Self::Branch(branch) => encode_branch(branch),
        }
    }
}

pub(crate) fn encode_leaf(suffix: &Path, value: &[u8]) -> Vec<u8> {
    let partial = encode_partial_path(suffix, true);
    let payload = string_length(&partial) + string_length(value);
    let mut out = Vec::with_capacity(header_length(payload) + payload);
    put_list_header(&mut out, payload);
    put_string(&mut out, &partial);
    put_string(&mut out, value);
    out
}

pub(crate) fn encode_extension(prefix: &Path, child: &Child) -> Vec<u8> {
    let partial = encode_partial_path(prefix, false);
    let payload = string_length(&partial) + child_length(child);
    let mut out = Vec::with_capacity(header_length(payload) + payload);
    put_list_header(&mut out, payload);
    put_string(&mut out, &partial);
    put_child(&mut out, child);
    out
}

pub(crate) fn encode_branch(branch: &Branch) -> Vec<u8> {
    let value = branch.value.as_deref().unwrap_or_default();
    let payload = branch.children.iter().map(child_length).sum::<usize>() + string_length(value);
    let mut out = Vec::with_capacity(header_length(payload) + payload);
    put_list_header(&mut out, payload);
    for child in &branch.children {
        put_child(&mut out, child);
    }
    put_string(&mut out, value);
    out
}

/// Returns a parent's reference to a node with this RLP: its hash, or the node itself if it is
/// shorter than a hash.
pub(crate) fn child_of(rlp: &[u8]) -> Child {
    if rlp.len() < 32 {
        Child::Inline(Embedded::from_slice(rlp))
    } else {
        Child::Hash(keccak256(rlp))
    }
}

fn child_length(child: &Child) -> usize {
    match child {
        Child::Empty => 1,
        Child::Hash(_) => 33,
        Child::Inline(rlp) => rlp.len(),
        Child::Virtual(node) => child_length(&child_of(&node.encode())),
    }
}

fn put_child(out: &mut Vec<u8>, child: &Child) {
    match child {
        Child::Empty => out.push(0x80),
        Child::Hash(hash) => {
            out.push(0x80 + 32);
            out.extend_from_slice(hash.as_slice());
        }
        Child::Inline(rlp) => out.extend_from_slice(rlp),
        Child::Virtual(node) => put_child(out, &child_of(&node.encode())),
    }
}

fn decode_child(is_list: bool, payload: &[u8], raw: &[u8]) -> Result<Child, TrieError> {
    if is_list {
        if raw.len() >= 32 {
            return Err(TrieError::Malformed(
                "an embedded node is longer than a hash",
            ));
        }
        return Ok(Child::Inline(Embedded::from_slice(raw)));
    }
    match payload.len() {
        0 => Ok(Child::Empty),
        32 => Ok(Child::Hash(B256::from_slice(payload))),
        _ => Err(TrieError::Malformed("a child is neither a hash nor a node")),
    }
}

/// Encodes a partial path in the hex-prefix form of the yellow paper, appendix C.
pub(crate) fn encode_partial_path(path: &Path, is_leaf: bool) -> SmallVec<[u8; 36]> {
    let flag = if is_leaf { 0x20 } else { 0x00 };
    let mut out = SmallVec::new();
    if path.len().is_multiple_of(2) {
        out.push(flag);
        out.extend_from_slice(path.packed());
    } else {
        out.push(flag | 0x10 | path.at(0));
        out.extend_from_slice(path.range(1, path.len()).packed());
    }
    out
}

fn decode_partial_path(encoded: &[u8]) -> Result<(Path, bool), TrieError> {
    let first = *encoded
        .first()
        .ok_or(TrieError::Malformed("a partial path is empty"))?;
    let is_odd = first & 0x10 != 0;
    if first & 0xc0 != 0 || (!is_odd && first & 0x0f != 0) {
        return Err(TrieError::Malformed("a partial path has unknown flags"));
    }
    let start = if is_odd { 1 } else { 2 };
    let path = Path::key_range(encoded, start, encoded.len() * 2)
        .map_err(|_| TrieError::Malformed("a partial path is longer than 64 nibbles"))?;
    Ok((path, first & 0x20 != 0))
}
