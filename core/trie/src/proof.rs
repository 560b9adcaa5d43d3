//! Lookup of one key, and Merkle proofs of its value.

use std::borrow::Cow;

use actoreum_primitives::{B256, EMPTY_ROOT_HASH, keccak256};

use crate::node::{Child, Node};
use crate::path::nibble;
use crate::source::NodeSource;
use crate::update::load_rlp;
use crate::{Path, TrieError};

/// Returns the value of a key in the trie below `root`.
pub fn get<S: NodeSource>(
    source: &S,
    root: B256,
    key: &[u8],
) -> Result<Option<Vec<u8>>, TrieError> {
    walk(root, key, |path, hash| load_rlp(source, path, hash))
}

/// Returns the stored nodes on the path to a key, root first, each as its RLP. They prove the key's
/// value or its absence. The proof of an empty trie is empty.
pub fn prove<S: NodeSource>(source: &S, root: B256, key: &[u8]) -> Result<Vec<Vec<u8>>, TrieError> {
    let mut proof = Vec::new();
    walk(root, key, |path, hash| {
        let rlp = load_rlp(source, path, hash)?;
        proof.push(rlp.to_vec());
        Ok(rlp)
    })?;
    Ok(proof)
}

/// Verifies a proof (root first, no superfluous nodes) and returns the value that it proves, or
/// `None` if it proves that the key is absent.
pub fn verify<N: AsRef<[u8]>>(
    root: B256,
    key: &[u8],
    proof: &[N],
) -> Result<Option<Vec<u8>>, TrieError> {
    let mut left = proof.iter();
    let value = walk(root, key, |path, hash| {
        let missing = TrieError::Missing {
            path: *path,
            hash: *hash,
        };
        let rlp = left.next().ok_or(missing)?.as_ref();
        let found = keccak256(rlp);
        if found != *hash {
            return Err(TrieError::Corrupt {
                path: *path,
                hash: *hash,
                found,
            });
        }
        Ok(Cow::Borrowed(rlp))
    })?;
    if left.next().is_some() {
        return Err(TrieError::Malformed("the proof has superfluous nodes"));
    }
    Ok(value)
}

fn walk<'n>(
    root: B256,
    key: &[u8],
    mut load: impl FnMut(&Path, &B256) -> Result<Cow<'n, [u8]>, TrieError>,
) -> Result<Option<Vec<u8>>, TrieError> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let key = Path::from_key(key)?;
    let mut depth = 0;
    let mut next = Child::Hash(root);
    loop {
        let node = match next {
            Child::Empty => return Ok(None),
            Child::Hash(hash) => Node::decode(&load(&key.range(0, depth), &hash)?)?,
            Child::Inline(rlp) => Node::decode(&rlp)?,
            Child::Virtual(node) => *node,
        };
        let rest = key.range(depth, key.len());
        match node {
            Node::Leaf { suffix, value } => return Ok((suffix == rest).then_some(value)),
            Node::Extension { prefix, child } => {
                if prefix.len() > rest.len() || rest.range(0, prefix.len()) != prefix {
                    return Ok(None);
                }
                depth += prefix.len();
                next = child;
            }
            Node::Branch(mut branch) => {
                if rest.is_empty() {
                    return Ok(branch.value);
                }
                let index = usize::from(nibble(key.packed(), depth));
                next = std::mem::take(&mut branch.children[index]);
                depth += 1;
            }
        }
    }
}
