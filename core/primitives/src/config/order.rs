//! Validation of the order of a config's forks.

use super::{Activation, ChainConfig, Fork};

/// An error about forks that are not in their order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkOrderError {
    /// A fork is missing, but a later fork, which builds upon it, is set.
    #[error("fork order: {later} is set ({at}), but {missing} before it is not", at = describe(*at))]
    Missing {
        /// Name of the missing fork's setting in the config.
        missing: &'static str,
        /// Name of the later fork's setting.
        later: &'static str,
        /// Activation of the later fork.
        at: Activation,
    },
    /// A fork begins after a fork that builds upon it.
    #[error(
        "fork order: {earlier} ({earlier_at}) begins after {later} ({later_at})",
        earlier_at = describe(*earlier_at),
        later_at = describe(*later_at)
    )]
    Reversed {
        /// Name of the setting of the fork that must come first.
        earlier: &'static str,
        /// Activation of that fork.
        earlier_at: Activation,
        /// Name of the setting of the fork that builds upon it.
        later: &'static str,
        /// Activation of the fork that builds upon it.
        later_at: Activation,
    },
}

pub(super) fn describe(at: Activation) -> String {
    match at {
        Activation::Block(block) => format!("block {block}"),
        Activation::Time(time) => format!("time {time}"),
    }
}

impl ChainConfig {
    /// Checks that no fork is out of order or missing. `eip150Block` may be missing or late as long
    /// as Istanbul has not begun, because geth 1.8, which knows no later fork, accepts that
    /// ([`ChainConfig::lacks_eip150`]). The glacier forks, the DAO fork, the netsplit block and the
    /// blob parameter forks may be missing. As everywhere, `eip155Block` stands for itself or for
    /// `eip158Block`, and Constantinople and Petersburg for each other if one of them is missing.
    pub fn check_fork_order(&self) -> Result<(), ForkOrderError> {
        let block = |at: Option<u64>| at.map(Activation::Block);
        let of = |fork| self.activation(fork);
        let is_eip150_late = match (self.eip150_block, self.eip158_block) {
            (Some(eip150), Some(eip158)) => eip150 > eip158,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let may_eip150_be_late = match (self.eip150_block, self.istanbul_block) {
            (Some(eip150), Some(istanbul)) => eip150 <= istanbul,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let is_required = false;
        let is_optional = true;
        let forks = [
            ("homesteadBlock", of(Fork::Homestead), is_required),
            ("daoForkBlock", block(self.dao_fork_block), is_optional),
            ("eip150Block", of(Fork::TangerineWhistle), is_required),
            (
                "eip155Block",
                block(self.eip155_block.or(self.eip158_block)),
                is_required,
            ),
            ("eip158Block", of(Fork::SpuriousDragon), is_required),
            ("byzantiumBlock", of(Fork::Byzantium), is_required),
            ("constantinopleBlock", of(Fork::Constantinople), is_required),
            ("petersburgBlock", of(Fork::Petersburg), is_required),
            ("istanbulBlock", of(Fork::Istanbul), is_required),
            ("muirGlacierBlock", of(Fork::MuirGlacier), is_optional),
            ("berlinBlock", of(Fork::Berlin), is_required),
            ("londonBlock", of(Fork::London), is_required),
            ("arrowGlacierBlock", of(Fork::ArrowGlacier), is_optional),
            ("grayGlacierBlock", of(Fork::GrayGlacier), is_optional),
            (
                "mergeNetsplitBlock",
                block(self.merge_netsplit_block),
                is_optional,
            ),
            ("shanghaiTime", of(Fork::Shanghai), is_required),
            ("cancunTime", of(Fork::Cancun), is_required),
            ("pragueTime", of(Fork::Prague), is_required),
            ("osakaTime", of(Fork::Osaka), is_required),
            ("bpo1Time", of(Fork::Bpo1), is_optional),
            ("bpo2Time", of(Fork::Bpo2), is_optional),
            ("bpo3Time", of(Fork::Bpo3), is_optional),
            ("bpo4Time", of(Fork::Bpo4), is_optional),
            ("bpo5Time", of(Fork::Bpo5), is_optional),
        ];

        let mut missing = None;
        let mut last: Option<(&'static str, Activation)> = None;
        for (name, at, may_be_missing) in forks {
            if name == "eip150Block" && is_eip150_late && may_eip150_be_late {
                continue;
            }
            let Some(at) = at else {
                if !may_be_missing && missing.is_none() {
                    missing = Some(name);
                }
                continue;
            };
            if let Some(missing) = missing {
                return Err(ForkOrderError::Missing {
                    missing,
                    later: name,
                    at,
                });
            }
            if let Some((earlier, earlier_at)) = last
                && begins_after(earlier_at, at)
            {
                return Err(ForkOrderError::Reversed {
                    earlier,
                    earlier_at,
                    later: name,
                    later_at: at,
                });
            }
            last = Some((name, at));
        }
        Ok(())
    }
}

/// Returns true if `first` certainly begins after `second`. A block and a time cannot be compared.
fn begins_after(first: Activation, second: Activation) -> bool {
    match (first, second) {
        (Activation::Block(first), Activation::Block(second))
        | (Activation::Time(first), Activation::Time(second)) => first > second,
        (Activation::Block(_), Activation::Time(_))
        | (Activation::Time(_), Activation::Block(_)) => false,
    }
}
