//! Chain configurations of the `network` names of vectors, such as `Byzantium`,
//! `BerlinToLondonAt5`, `ArrowGlacierToParisAtDiffC0000` or `PragueToOsakaAtTime15k`.

use actoreum_primitives::alloy_primitives::address;
use actoreum_primitives::{Address, ChainConfig, U256};

/// Condition that activates a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    Start,
    Block(u64),
    Time(u64),
    TotalDifficulty(U256),
}

impl Switch {
    fn number(self) -> u64 {
        match self {
            Self::Start => 0,
            Self::Block(number) | Self::Time(number) => number,
            Self::TotalDifficulty(_) => panic!("a total difficulty switches on Paris alone"),
        }
    }

    fn total_difficulty(self) -> U256 {
        match self {
            Self::TotalDifficulty(difficulty) => difficulty,
            other => U256::from(other.number()),
        }
    }
}

/// Name of a fork in the vectors, and the function that activates it.
type NamedFork = (&'static str, fn(&mut ChainConfig, Switch));

const DAO: &str = "Dao";

/// The forks in order.
const FORKS: &[NamedFork] = &[
    ("Frontier", |_, _| ()),
    ("Homestead", |config, at| {
        config.homestead_block = Some(at.number())
    }),
    (DAO, |config, at| {
        config.dao_fork_block = Some(at.number());
        config.dao_fork_support = true;
    }),
    ("EIP150", |config, at| {
        config.eip150_block = Some(at.number())
    }),
    ("EIP158", |config, at| {
        config.eip155_block = Some(at.number());
        config.eip158_block = Some(at.number());
    }),
    ("Byzantium", |config, at| {
        config.byzantium_block = Some(at.number())
    }),
    ("Constantinople", |config, at| {
        config.constantinople_block = Some(at.number());
        config.petersburg_block = Some(NEVER);
    }),
    ("ConstantinopleFix", |config, at| {
        config.petersburg_block = Some(at.number())
    }),
    ("Istanbul", |config, at| {
        config.istanbul_block = Some(at.number())
    }),
    ("MuirGlacier", |config, at| {
        config.muir_glacier_block = Some(at.number())
    }),
    ("Berlin", |config, at| {
        config.berlin_block = Some(at.number())
    }),
    ("London", |config, at| {
        config.london_block = Some(at.number())
    }),
    ("ArrowGlacier", |config, at| {
        config.arrow_glacier_block = Some(at.number())
    }),
    ("GrayGlacier", |config, at| {
        config.gray_glacier_block = Some(at.number())
    }),
    ("Paris", |config, at| {
        config.terminal_total_difficulty = Some(at.total_difficulty())
    }),
    ("Shanghai", |config, at| {
        config.shanghai_time = Some(at.number())
    }),
    ("Cancun", |config, at| {
        config.cancun_time = Some(at.number())
    }),
    ("Prague", |config, at| {
        config.prague_time = Some(at.number())
    }),
    ("Osaka", |config, at| config.osaka_time = Some(at.number())),
    ("BPO1", |config, at| config.bpo_times[0] = Some(at.number())),
    ("BPO2", |config, at| config.bpo_times[1] = Some(at.number())),
    ("BPO3", |config, at| config.bpo_times[2] = Some(at.number())),
    ("BPO4", |config, at| config.bpo_times[3] = Some(at.number())),
    ("BPO5", |config, at| config.bpo_times[4] = Some(at.number())),
];

/// A block that no vector reaches. Where a configuration has no Petersburg block, Constantinople's
/// is used instead; a `Constantinople` vector must not activate Petersburg.
const NEVER: u64 = 10_000_000;

/// Deposit contract of mainnet (EIP-6110); the vectors use the same.
const DEPOSIT_CONTRACT: Address = address!("00000000219ab540356cbb839cbe05303d7705fa");

fn position(fork: &str) -> Option<usize> {
    let name = match fork {
        "Merge" => "Paris",
        "EIP2384" => "MuirGlacier",
        "Petersburg" => "ConstantinopleFix",
        name => name,
    };
    FORKS.iter().position(|(known, _)| *known == name)
}

fn transition(network: &str) -> Option<(usize, usize, Switch)> {
    let (forks, at) = network.rsplit_once("At")?;
    let (from, to) = forks.split_once("To")?;
    let switch = if let Some(time) = at.strip_prefix("Time") {
        let (number, factor) = match time.strip_suffix('k') {
            Some(thousands) => (thousands, 1000),
            None => (time, 1),
        };
        Switch::Time(number.parse::<u64>().ok()?.checked_mul(factor)?)
    } else if let Some(difficulty) = at.strip_prefix("Diff") {
        Switch::TotalDifficulty(U256::from_str_radix(difficulty, 16).ok()?)
    } else {
        Switch::Block(at.parse().ok()?)
    };
    Some((position(from)?, position(to)?, switch))
}

/// Returns the configuration of `network`; `None` for an unknown name.
pub fn chain_config(network: &str) -> Option<ChainConfig> {
    let (base, next) = match position(network) {
        Some(base) => (base, None),
        None => transition(network).map(|(base, next, switch)| (base, Some((next, switch))))?,
    };
    let mut config = ChainConfig {
        chain_id: 1,
        deposit_contract_address: Some(DEPOSIT_CONTRACT),
        ..ChainConfig::default()
    };
    // Only the vectors of the DAO fork activate it.
    for (_, switch_on) in FORKS[..=base].iter().filter(|(name, _)| *name != DAO) {
        switch_on(&mut config, Switch::Start);
    }
    if let Some((next, switch)) = next {
        // The blocks or times of the forks before one that a difficulty activates are unknown.
        let first = if matches!(switch, Switch::TotalDifficulty(_)) {
            next
        } else {
            base + 1
        };
        for (name, switch_on) in &FORKS[first..=next] {
            if *name != DAO || FORKS[next].0 == DAO {
                switch_on(&mut config, switch);
            }
        }
    }
    Some(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_networks_start_with_their_forks() {
        let config = chain_config("EIP158").unwrap();
        assert_eq!(config.eip155_block, Some(0));
        assert_eq!(
            (config.byzantium_block, config.dao_fork_block),
            (None, None)
        );
        assert_eq!(
            chain_config("Constantinople").unwrap().petersburg_block,
            Some(NEVER)
        );
        assert_eq!(
            chain_config("ConstantinopleFix").unwrap().petersburg_block,
            Some(0)
        );
        assert_eq!(
            chain_config("Paris").unwrap().terminal_total_difficulty,
            Some(U256::ZERO)
        );
        assert!(chain_config("Atlantis").is_none());
    }

    #[test]
    fn transitions_switch_on_at_a_block_a_time_or_a_difficulty() {
        assert_eq!(
            chain_config("BerlinToLondonAt5").unwrap().london_block,
            Some(5)
        );
        let dao = chain_config("HomesteadToDaoAt5").unwrap();
        assert_eq!((dao.dao_fork_block, dao.dao_fork_support), (Some(5), true));
        let tangerine = chain_config("HomesteadToEIP150At5").unwrap();
        assert_eq!(
            (tangerine.dao_fork_block, tangerine.eip150_block),
            (None, Some(5))
        );
        let paris = chain_config("ArrowGlacierToParisAtDiffC0000").unwrap();
        assert_eq!(paris.terminal_total_difficulty, Some(U256::from(0xc0000)));
        let osaka = chain_config("PragueToOsakaAtTime15k").unwrap();
        assert_eq!(
            (osaka.prague_time, osaka.osaka_time),
            (Some(0), Some(15_000))
        );
    }
}
