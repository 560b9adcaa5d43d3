//! Ids of peers and their distance.

use std::cmp::Ordering;
use std::fmt;

use crate::{B256, PublicKey, keccak256};

/// The id of a peer, the node id of devp2p: the Keccak-256 hash of its public key's coordinates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub B256);

impl PeerId {
    /// Returns the id whose bytes are all `byte`.
    pub const fn repeat_byte(byte: u8) -> Self {
        Self(B256::repeat_byte(byte))
    }

    /// Returns the id of the node that owns this key.
    pub fn of(key: &PublicKey) -> Self {
        Self(keccak256(key.to_uncompressed()))
    }

    /// Returns the logarithmic distance: the position (1 to 256) of the highest bit in which the
    /// ids differ, 0 for equal ids.
    pub fn log_distance(&self, other: &Self) -> usize {
        let mut leading_zeros = 0;
        for (left, right) in self.0.iter().zip(other.0) {
            let difference = left ^ right;
            leading_zeros += difference.leading_zeros() as usize;
            if difference != 0 {
                break;
            }
        }
        256 - leading_zeros
    }

    /// Orders two ids by their XOR distance from this one.
    pub fn compare_distance(&self, left: &Self, right: &Self) -> Ordering {
        (self.0 ^ left.0).cmp(&(self.0 ^ right.0))
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Writes the first eight bytes, as in logs.
impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(8)
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(bytes: [u8; 32]) -> PeerId {
        PeerId(B256::new(bytes))
    }

    #[test]
    fn distances_at_the_ends() {
        assert_eq!(id([0; 32]).log_distance(&id([0; 32])), 0);
        assert_eq!(id([0; 32]).log_distance(&id([0xff; 32])), 256);
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(id([0; 32]).log_distance(&id(one)), 1);
    }

    proptest! {
        #[test]
        fn the_log_distance_is_the_bit_length_of_the_xor(
            left in any::<[u8; 32]>(), right in any::<[u8; 32]>(), shared in 0usize..32,
        ) {
            let mut right = right;
            right[..shared].copy_from_slice(&left[..shared]);
            let xor = crate::U256::from_be_bytes(left)
                ^ crate::U256::from_be_bytes(right);
            prop_assert_eq!(id(left).log_distance(&id(right)), xor.bit_len());
            prop_assert_eq!(id(right).log_distance(&id(left)), xor.bit_len());
        }

        #[test]
        fn a_smaller_log_distance_is_closer(
            target in any::<[u8; 32]>(), left in any::<[u8; 32]>(), right in any::<[u8; 32]>(),
        ) {
            let (target, left, right) = (id(target), id(left), id(right));
            let logs = target.log_distance(&left).cmp(&target.log_distance(&right));
            if logs != Ordering::Equal {
                prop_assert_eq!(target.compare_distance(&left, &right), logs);
            }
        }
    }
}
