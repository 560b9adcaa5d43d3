//! The rules by which methods answer: as geth 1.8, or as today's geth.

use actoreum_primitives::{B256, Fork};

use super::{Node, storage};
use crate::error::RpcError;
use crate::namespaces::dev::identity::DevIdentity;
use crate::render::TotalDifficulty;

impl Node {
    /// Returns whether the chain follows rules that geth 1.8 knew. There the methods answer as geth
    /// 1.8 does even where later geths take more, or less.
    pub(crate) fn has_geth_1_8_rules(&self) -> bool {
        let config = self.chain_reader.config();
        config.fork_of(&self.chain_reader.head()) <= Fork::Petersburg
    }

    /// Returns whether the methods answer as today's geth: the rules of the chain are later than geth
    /// 1.8, and this is no development chain that answers as another node.
    pub(crate) fn answers_as_current_geth(&self) -> bool {
        !self.has_geth_1_8_rules() && self.settings.identity == DevIdentity::Geth
    }

    /// Returns the error for a block that does not exist, of which geth 1.8 returns nothing.
    ///
    /// # Errors
    /// The methods answer as today's geth.
    pub(crate) fn check_missing_block(&self) -> Result<(), RpcError> {
        if self.answers_as_current_geth() {
            Err(RpcError::server("header not found"))
        } else {
            Ok(())
        }
    }

    /// Returns the total difficulty of a block, as its JSON shows it.
    pub(crate) fn total_difficulty(&self, hash: &B256) -> Result<TotalDifficulty, RpcError> {
        let unknown = self.unknown_difficulty();
        if unknown == TotalDifficulty::Omitted {
            return Ok(unknown);
        }
        let total = self.chain_reader.total_difficulty(hash).map_err(storage)?;
        Ok(total.map_or(unknown, TotalDifficulty::Known))
    }

    /// Returns what stands for a total difficulty that is not known. A chain that merges shows none
    /// at all, unless it answers as a node that does.
    pub(crate) fn unknown_difficulty(&self) -> TotalDifficulty {
        let merges = self
            .chain_reader
            .config()
            .terminal_total_difficulty
            .is_some();
        if merges && self.settings.identity == DevIdentity::Geth {
            TotalDifficulty::Omitted
        } else {
            TotalDifficulty::Unknown
        }
    }
}
