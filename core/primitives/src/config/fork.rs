//! The forks of the protocol.

use std::fmt;
use std::str::FromStr;

/// A fork of the protocol. Forks are ordered, so that a rule reads `fork >= Fork::London`.
///
/// The glacier forks changed nothing but the difficulty bomb. Paris is the fork at which a network
/// stopped sealing its own blocks. A chain of clique or ethash may run Shanghai and later forks
/// without Paris, so `fork >= Fork::Paris` does not mean that a block came from a beacon chain; use
/// [`ChainConfig::is_proof_of_stake`](super::ChainConfig::is_proof_of_stake) for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fork {
    /// The rules of mainnet's genesis.
    Frontier,
    /// EIP-2, EIP-7, EIP-8.
    Homestead,
    /// EIP-150.
    TangerineWhistle,
    /// EIP-155 (which has a block of its own in the config), EIP-160, EIP-161, EIP-170.
    SpuriousDragon,
    /// EIP-609.
    Byzantium,
    /// EIP-1013.
    Constantinople,
    /// EIP-1716: Constantinople without EIP-1283.
    Petersburg,
    /// EIP-1679.
    Istanbul,
    /// EIP-2384: delays the difficulty bomb.
    MuirGlacier,
    /// EIP-2565, EIP-2718, EIP-2929, EIP-2930.
    Berlin,
    /// EIP-1559, EIP-3198, EIP-3529, EIP-3541, EIP-3554.
    London,
    /// EIP-4345: delays the difficulty bomb.
    ArrowGlacier,
    /// EIP-5133: delays the difficulty bomb.
    GrayGlacier,
    /// The merge (EIP-3675, EIP-4399).
    Paris,
    /// EIP-3651, EIP-3855, EIP-3860, EIP-4895.
    Shanghai,
    /// EIP-1153, EIP-4788, EIP-4844, EIP-5656, EIP-6780, EIP-7516.
    Cancun,
    /// EIP-7600.
    Prague,
    /// EIP-7607.
    Osaka,
    /// First fork that changes only blob parameters (EIP-7892).
    Bpo1,
    /// Second fork that changes only blob parameters (EIP-7892).
    Bpo2,
    /// Third fork that changes only blob parameters (EIP-7892).
    Bpo3,
    /// Fourth fork that changes only blob parameters (EIP-7892).
    Bpo4,
    /// Fifth fork that changes only blob parameters (EIP-7892).
    Bpo5,
}

/// The block or time at which a fork begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The block with this number.
    Block(u64),
    /// The first block whose timestamp is this Unix time or later.
    Time(u64),
}

impl Activation {
    /// Returns true if the block with this number and timestamp is at or after the activation.
    pub fn is_active(&self, number: u64, timestamp: u64) -> bool {
        match *self {
            Self::Block(block) => block <= number,
            Self::Time(time) => time <= timestamp,
        }
    }
}

impl Fork {
    /// Every fork, in order.
    pub const ALL: [Self; 23] = [
        Self::Frontier,
        Self::Homestead,
        Self::TangerineWhistle,
        Self::SpuriousDragon,
        Self::Byzantium,
        Self::Constantinople,
        Self::Petersburg,
        Self::Istanbul,
        Self::MuirGlacier,
        Self::Berlin,
        Self::London,
        Self::ArrowGlacier,
        Self::GrayGlacier,
        Self::Paris,
        Self::Shanghai,
        Self::Cancun,
        Self::Prague,
        Self::Osaka,
        Self::Bpo1,
        Self::Bpo2,
        Self::Bpo3,
        Self::Bpo4,
        Self::Bpo5,
    ];

    /// Returns the fork's name as one word in camel case.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Frontier => "frontier",
            Self::Homestead => "homestead",
            Self::TangerineWhistle => "tangerineWhistle",
            Self::SpuriousDragon => "spuriousDragon",
            Self::Byzantium => "byzantium",
            Self::Constantinople => "constantinople",
            Self::Petersburg => "petersburg",
            Self::Istanbul => "istanbul",
            Self::MuirGlacier => "muirGlacier",
            Self::Berlin => "berlin",
            Self::London => "london",
            Self::ArrowGlacier => "arrowGlacier",
            Self::GrayGlacier => "grayGlacier",
            Self::Paris => "paris",
            Self::Shanghai => "shanghai",
            Self::Cancun => "cancun",
            Self::Prague => "prague",
            Self::Osaka => "osaka",
            Self::Bpo1 => "bpo1",
            Self::Bpo2 => "bpo2",
            Self::Bpo3 => "bpo3",
            Self::Bpo4 => "bpo4",
            Self::Bpo5 => "bpo5",
        }
    }
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for a name that no fork has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fork is called {0:?}: frontier, homestead, … london, shanghai, cancun, prague, osaka")]
pub struct UnknownFork(pub String);

/// Parses a fork's name, ignoring case.
impl FromStr for Fork {
    type Err = UnknownFork;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|fork| fork.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownFork(name.to_owned()))
    }
}
