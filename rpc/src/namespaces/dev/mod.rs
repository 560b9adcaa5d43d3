//! The namespaces of a development chain (`evm`, `anvil`, `hardhat` and some methods of others),
//! whose user may change time and head, edit the state, and send transactions of any account.
//!
//! anvil, Hardhat and ganache give the same methods different names, units and results. A method is
//! served under every name; units and results are those of the node that this chain answers as
//! ([`DevIdentity`]).
//!
//! | module | methods |
//! |---|---|
//! | `accounts` | impersonation |
//! | `mine` | blocks on request, at an interval, for each transaction |
//! | `next_block` | fields and settings of the blocks to come |
//! | `time` | the clock |
//! | `head` | snapshots, resets, rollbacks and reorgs |
//! | `state`, `erc20` | edits of the state |
//! | `dump` | the whole state, in anvil's format |
//! | `pool` | removal of transactions that wait |
//! | `blobs` | blobs of transactions that wait, or are in recent blocks |
//! | `rules` | the chain id, and the signers of signatures |
//! | `info` | what the node says of itself |

mod accounts;
mod args;
mod blobs;
pub mod dump;
mod dump_blocks;
mod erc20;
mod head;
pub mod identity;
mod info;
mod mine;
mod next_block;
mod pool;
mod rules;
mod state;
#[cfg(test)]
mod table;
mod time;

use actoreum_supervision::AskError;
use serde_json::Value;

use crate::error::RpcError;
use crate::node::{Node, unanswered};
use crate::server::json::Serialized;
use crate::server::method::Method;

pub use identity::DevIdentity;

/// The result of a method: its form depends on the identity.
type Answer = Result<Serialized<Value>, RpcError>;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = accounts::methods();
    methods.extend(blobs::methods());
    methods.extend(dump::methods());
    methods.extend(erc20::methods());
    methods.extend(head::methods());
    methods.extend(info::methods());
    methods.extend(mine::methods());
    methods.extend(next_block::methods());
    methods.extend(pool::methods());
    methods.extend(rules::methods());
    methods.extend(state::methods());
    methods.extend(time::methods());
    methods
}

/// Returns the result of a method that only has an effect.
fn done(node: &Node) -> Answer {
    Ok(Serialized(node.settings.identity.done()))
}

/// Converts the answer of an actor that may refuse.
fn answered<T, E: std::fmt::Display>(
    answer: Result<Result<T, E>, AskError>,
) -> Result<T, RpcError> {
    let answer = answer.map_err(unanswered)?;
    answer.map_err(|error| RpcError::server(error.to_string()))
}
