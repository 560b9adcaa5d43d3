//! Compatibility of a new config with the blocks that an old config validated.

use std::fmt;

use super::order::describe;
use super::{Activation, ChainConfig, Fork};

/// The point to which a chain must be rewound before a changed config can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewind {
    /// The block with this number.
    ToBlock(u64),
    /// The last block whose timestamp is not later than this Unix time.
    ToTime(u64),
}

/// A changed config that contradicts blocks which the chain already has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mismatching {what} in database: {}; rewind to {rewind}", difference(*stored, *wanted))]
pub struct ConfigCompatError {
    /// The setting that differs.
    pub what: &'static str,
    /// Activation in the stored config.
    pub stored: Option<Activation>,
    /// Activation in the new config.
    pub wanted: Option<Activation>,
    /// The point to which the chain must be rewound.
    pub rewind: Rewind,
}

fn difference(stored: Option<Activation>, wanted: Option<Activation>) -> String {
    let when = |at: Option<Activation>| at.map_or_else(|| "never".to_owned(), describe);
    if stored == wanted {
        return format!("in force since {}", when(stored));
    }
    format!("have {}, want {}", when(stored), when(wanted))
}

impl fmt::Display for Rewind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToBlock(block) => write!(f, "block {block}"),
            Self::ToTime(time) => write!(f, "time {time}"),
        }
    }
}

impl ChainConfig {
    /// Checks that `new` may replace this config of a chain whose head has this number and
    /// timestamp. It may if every difference is still ahead of the head. The error names the
    /// earliest conflict, that is, the deepest rewind.
    pub fn check_compatible(
        &self,
        new: &Self,
        head_number: u64,
        head_timestamp: u64,
    ) -> Result<(), ConfigCompatError> {
        let mut number = head_number;
        let mut timestamp = head_timestamp;
        let mut deepest: Option<ConfigCompatError> = None;
        // The first conflict in the order of the forks need not be the earliest in time: search for
        // another one before the point of its rewind.
        while let Some(conflict) = self.first_conflict(new, number, timestamp) {
            if deepest
                .as_ref()
                .is_some_and(|last| last.rewind == conflict.rewind)
            {
                break;
            }
            match conflict.rewind {
                Rewind::ToBlock(block) => number = block,
                Rewind::ToTime(time) => timestamp = time,
            }
            deepest = Some(conflict);
        }
        deepest.map_or(Ok(()), Err)
    }

    fn first_conflict(&self, new: &Self, number: u64, timestamp: u64) -> Option<ConfigCompatError> {
        let begun = |at: Option<Activation>| at.is_some_and(|at| at.is_active(number, timestamp));
        let conflict_between = |what, stored: Option<Activation>, wanted: Option<Activation>| {
            let is_conflict = (begun(stored) || begun(wanted)) && stored != wanted;
            is_conflict.then(|| ConfigCompatError::new(what, stored, wanted))
        };
        let conflict_at = |what, stored: Option<u64>, wanted: Option<u64>| {
            conflict_between(
                what,
                stored.map(Activation::Block),
                wanted.map(Activation::Block),
            )
        };
        let conflict_of =
            |what, fork| conflict_between(what, self.activation(fork), new.activation(fork));
        // A flag or number that has been in force since a block, and differs.
        let conflict_since = |what, is_equal: bool, since: Option<u64>| {
            let since = since.map(Activation::Block);
            (begun(since) && !is_equal).then(|| ConfigCompatError::new(what, since, since))
        };

        conflict_of("homestead fork block", Fork::Homestead)
            .or_else(|| conflict_at("DAO fork block", self.dao_fork_block, new.dao_fork_block))
            .or_else(|| {
                let is_equal = self.dao_fork_support == new.dao_fork_support;
                conflict_since("DAO fork support flag", is_equal, self.dao_fork_block)
            })
            .or_else(|| conflict_of("EIP-150 fork block", Fork::TangerineWhistle))
            .or_else(|| {
                let stored = self.eip155_block.or(self.eip158_block);
                let wanted = new.eip155_block.or(new.eip158_block);
                conflict_at("EIP-155 fork block", stored, wanted)
            })
            .or_else(|| conflict_of("EIP-158 fork block", Fork::SpuriousDragon))
            .or_else(|| {
                let is_equal = self.chain_id == new.chain_id;
                conflict_since("EIP-158 chain id", is_equal, self.eip158_block)
            })
            .or_else(|| {
                let is_equal = self.code_size_limit == new.code_size_limit;
                conflict_since("contract size limit", is_equal, self.eip158_block)
            })
            .or_else(|| conflict_of("byzantium fork block", Fork::Byzantium))
            .or_else(|| conflict_of("constantinople fork block", Fork::Constantinople))
            .or_else(|| conflict_of("petersburg fork block", Fork::Petersburg))
            .or_else(|| conflict_of("istanbul fork block", Fork::Istanbul))
            .or_else(|| conflict_of("muir glacier fork block", Fork::MuirGlacier))
            .or_else(|| conflict_of("berlin fork block", Fork::Berlin))
            .or_else(|| conflict_of("london fork block", Fork::London))
            .or_else(|| conflict_of("arrow glacier fork block", Fork::ArrowGlacier))
            .or_else(|| conflict_of("gray glacier fork block", Fork::GrayGlacier))
            .or_else(|| {
                let (stored, wanted) = (self.merge_netsplit_block, new.merge_netsplit_block);
                conflict_at("merge netsplit block", stored, wanted)
            })
            .or_else(|| conflict_of("shanghai fork time", Fork::Shanghai))
            .or_else(|| conflict_of("cancun fork time", Fork::Cancun))
            .or_else(|| conflict_of("prague fork time", Fork::Prague))
            .or_else(|| conflict_of("osaka fork time", Fork::Osaka))
            .or_else(|| conflict_of("bpo1 fork time", Fork::Bpo1))
            .or_else(|| conflict_of("bpo2 fork time", Fork::Bpo2))
            .or_else(|| conflict_of("bpo3 fork time", Fork::Bpo3))
            .or_else(|| conflict_of("bpo4 fork time", Fork::Bpo4))
            .or_else(|| conflict_of("bpo5 fork time", Fork::Bpo5))
    }
}

impl ConfigCompatError {
    /// The chain must be rewound to the block right before the earlier of the two activations.
    fn new(what: &'static str, stored: Option<Activation>, wanted: Option<Activation>) -> Self {
        let moment = |at| match at {
            Activation::Block(block) => block,
            Activation::Time(time) => time,
        };
        let is_time = matches!(stored.or(wanted), Some(Activation::Time(_)));
        let first = stored
            .into_iter()
            .chain(wanted)
            .map(moment)
            .min()
            .unwrap_or(0);
        let before = first.saturating_sub(1);
        let rewind = if is_time {
            Rewind::ToTime(before)
        } else {
            Rewind::ToBlock(before)
        };
        Self {
            what,
            stored,
            wanted,
            rewind,
        }
    }
}
