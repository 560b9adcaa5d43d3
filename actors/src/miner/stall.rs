//! Whether a clique chain stands still, and for want of whom.

use std::{fmt, time::Duration};

use actoreum_chain::{ChainReader, SealedHeader};
use actoreum_consensus::Clique;
use actoreum_primitives::Address;

/// Periods without a block after which a chain stands still.
const PERIODS: u64 = 10;
/// The least time without a block that is worth a word: a short period is often missed by much.
const LEAST: Duration = Duration::from_secs(15);

/// A clique chain that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Number of the head.
    pub head: u64,
    /// Seconds since its time.
    pub seconds: u64,
    /// Seconds that should lie between blocks.
    pub period: u64,
    /// Who might seal the next block, and does not. Everybody else signed too recently.
    pub missing: Vec<Address>,
}

impl Stall {
    /// Looks at the head, at `now` since 1970. `None` where the chain goes on, has no period, or
    /// has not begun.
    pub(super) fn of(
        clique: &Clique,
        reader: &ChainReader,
        period: u64,
        now: Duration,
    ) -> Option<Self> {
        let head: SealedHeader = reader.head();
        if period == 0 || head.number == 0 {
            return None;
        }
        let silent = now.saturating_sub(Duration::from_secs(head.timestamp));
        if silent < LEAST.max(Duration::from_secs(period.saturating_mul(PERIODS))) {
            return None;
        }
        let snapshot = clique.snapshot(reader, head.number, head.hash()).ok()?;
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
    fn a_stall_names_whom_it_waits_for() {
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
