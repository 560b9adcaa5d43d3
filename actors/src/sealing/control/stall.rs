//! Detection of a stalled clique chain and of the missing signers.

use std::{fmt, time::Duration};

use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_consensus::Clique;
use actoreum_primitives::Address;

/// Periods without a block after which a chain counts as stalled.
const STALLED_PERIODS: u64 = 10;
/// Minimum time without a block that is reported: a short period is often missed by much.
const MIN_STALL: Duration = Duration::from_secs(15);

/// A stalled clique chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Number of the head.
    pub head: u64,
    /// Seconds since the timestamp of the head.
    pub seconds: u64,
    /// Seconds between blocks by the chain's configuration.
    pub period: u64,
    /// Signers that may seal the next block, and have not. All others signed too recently.
    pub missing: Vec<Address>,
}

impl Stall {
    /// Checks the head at `now` (since 1970). `None` where the chain progresses, has no period, or
    /// has only its genesis.
    pub(super) fn of(
        clique: &Clique,
        chain_reader: &ChainReader,
        period: u64,
        now: Duration,
    ) -> Option<Self> {
        let head: SealedHeader = chain_reader.head();
        if period == 0 || head.number == 0 {
            return None;
        }
        let silent = now.saturating_sub(Duration::from_secs(head.timestamp));
        if silent < MIN_STALL.max(Duration::from_secs(period.saturating_mul(STALLED_PERIODS))) {
            return None;
        }
        let snapshot = clique
            .snapshot(chain_reader, head.number, head.hash())
            .ok()?;
        let may_seal = |signer: &&Address| !snapshot.signed_recently(head.number + 1, signer);
        Some(Self {
            head: head.number,
            seconds: silent.as_secs(),
            period,
            missing: snapshot.signers.iter().filter(may_seal).copied().collect(),
        })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let periods = self.seconds / self.period.max(1);
        write!(formatter, "no block for {periods} periods: ")?;
        match self.missing.as_slice() {
            [] => formatter.write_str("no signer may seal the next one"),
            [one] => write!(formatter, "signer {one} is missing"),
            [most @ .., last] => {
                let most: Vec<String> = most.iter().map(Address::to_string).collect();
                write!(
                    formatter,
                    "signers {} and {last} are missing",
                    most.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_names_the_missing_signers() {
        let signer = |byte| Address::repeat_byte(byte);
        let stall = |missing: &[Address]| Stall {
            head: 7,
            seconds: 151,
            period: 15,
            missing: missing.to_vec(),
        };
        assert_eq!(
            stall(&[signer(1), signer(2)]).to_string(),
            format!(
                "no block for 10 periods: signers {} and {} are missing",
                signer(1),
                signer(2)
            )
        );
        assert_eq!(
            stall(&[signer(1)]).to_string(),
            format!("no block for 10 periods: signer {} is missing", signer(1))
        );
    }
}
