//! Extra data: 32 bytes of vanity, at a checkpoint the signers, and the 65-byte seal.

use actoreum_primitives::{Address, Bytes, Header};

use super::CliqueError;

/// Length of the vanity, which the sealer may fill freely.
pub const VANITY_BYTES: usize = 32;
/// Length of the signature in bytes: r, s, recovery id.
pub const SEAL_BYTES: usize = 65;

/// The parts of a header's extra data after the vanity.
pub(super) struct ExtraParts<'a> {
    /// The bytes between vanity and seal.
    pub(super) signers: &'a [u8],
    /// The signature.
    pub(super) seal: &'a [u8; SEAL_BYTES],
}

impl<'a> ExtraParts<'a> {
    pub(super) fn of(header: &'a Header) -> Result<Self, CliqueError> {
        let (_, rest) = header
            .extra_data
            .split_at_checked(VANITY_BYTES)
            .ok_or(CliqueError::MissingVanity)?;
        let (signers, seal) = rest
            .split_last_chunk()
            .ok_or(CliqueError::MissingSignature)?;
        Ok(Self { signers, seal })
    }

    /// Returns the signers that a checkpoint (or genesis) lists.
    pub(super) fn signer_list(&self) -> Result<Vec<Address>, CliqueError> {
        let (addresses, rest) = self.signers.as_chunks::<20>();
        match rest {
            [] => Ok(addresses.iter().map(Address::from).collect()),
            _ => Err(CliqueError::InvalidCheckpointSigners),
        }
    }
}

/// Returns extra data with room for a seal: the first 32 bytes of `vanity`, padded with zeros, the
/// signers, and 65 zeros.
pub fn unsealed_extra(vanity: &[u8], signers: impl IntoIterator<Item = Address>) -> Bytes {
    let mut extra = vanity.get(..VANITY_BYTES).unwrap_or(vanity).to_vec();
    extra.resize(VANITY_BYTES, 0);
    for signer in signers {
        extra.extend_from_slice(signer.as_slice());
    }
    extra.resize(extra.len() + SEAL_BYTES, 0);
    extra.into()
}
