//! The signature of a clique header.

use actoreum_primitives::{Address, B256, Header, Signature, keccak256, rlp};

use super::{
    CliqueError,
    extra::{ExtraParts, SEAL_BYTES},
};

/// Returns the RLP that a signer signs: the whole header without the signature in its extra data.
/// Every optional field that is set is part of it, in the header's order: for base fees that is
/// geth's rule, for later fields this project's (`docs/self-sealing-forks.md`). `None` if the extra
/// data has no room for a seal.
pub fn seal_rlp(header: &Header) -> Option<Vec<u8>> {
    let end = header.extra_data.len().checked_sub(SEAL_BYTES)?;
    let unsealed = Header {
        extra_data: header.extra_data.slice(..end),
        ..header.clone()
    };
    Some(rlp::encode(&unsealed))
}

/// Returns the Keccak-256 hash of [`seal_rlp`].
pub fn seal_hash(header: &Header) -> Option<B256> {
    seal_rlp(header).map(keccak256)
}

/// Recovers the signer of the header.
pub fn recover_signer(header: &Header) -> Result<Address, CliqueError> {
    let seal = ExtraParts::of(header)?.seal;
    let signature = Signature::from_bytes(seal).map_err(|_| CliqueError::InvalidSignature)?;
    let hash = seal_hash(header).ok_or(CliqueError::MissingSignature)?;
    signature
        .recover_address(hash)
        .map_err(|_| CliqueError::InvalidSignature)
}

/// Writes a signature into the header, whose extra data must have room for it.
pub fn put_seal(header: &mut Header, signature: &Signature) -> Result<(), CliqueError> {
    let mut extra = header.extra_data.to_vec();
    let seal = extra
        .last_chunk_mut::<SEAL_BYTES>()
        .ok_or(CliqueError::MissingSignature)?;
    *seal = signature.to_bytes();
    header.extra_data = extra.into();
    Ok(())
}
