//! Validation of blob sidecars (EIP-4844, EIP-7594).

use actoreum_primitives::alloy_primitives::FixedBytes;
use actoreum_primitives::{B256, BlobSidecar, Bytes, SidecarProofs};
use c_kzg::{Blob, Bytes48, CELLS_PER_EXT_BLOB, Cell, KzgSettings, ethereum_kzg_settings};
use sha2::{Digest, Sha256};

use crate::error::AddError;

/// The version byte of a versioned hash (EIP-4844).
const VERSION: u8 = 0x01;

/// Checks a sidecar against the transaction's blob hashes: counts, then hashes, then proofs, the
/// cheapest first.
pub(crate) fn check(hashes: &[B256], sidecar: &BlobSidecar) -> Result<(), AddError> {
    let count = hashes.len();
    let (proofs, proofs_wanted) = match &sidecar.proofs {
        SidecarProofs::Blob(proofs) => (proofs, count),
        SidecarProofs::Cell(proofs) => (proofs, count.saturating_mul(CELLS_PER_EXT_BLOB)),
    };
    if count == 0 {
        return Err(AddError::Blobless);
    }
    for (what, have, want) in [
        ("blobs", sidecar.blobs.len(), count),
        ("blob commitments", sidecar.commitments.len(), count),
        ("blob proofs", proofs.len(), proofs_wanted),
    ] {
        if have != want {
            let text = format!("invalid number of {have} {what} compared to {count} blob hashes");
            return Err(AddError::Sidecar(text));
        }
    }
    for (index, (hash, commitment)) in hashes.iter().zip(&sidecar.commitments).enumerate() {
        let computed = versioned_hash(commitment);
        if computed != *hash {
            let text =
                format!("blob {index}: computed hash {computed} mismatches transaction one {hash}");
            return Err(AddError::Sidecar(text));
        }
    }
    let settings = ethereum_kzg_settings(0);
    let is_proven = match &sidecar.proofs {
        SidecarProofs::Blob(_) => are_blobs_proven(settings, sidecar, proofs),
        SidecarProofs::Cell(_) => are_cells_proven(settings, sidecar, proofs),
    };
    match is_proven {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(AddError::Sidecar("KZG verification error".into())),
    }
}

/// Loads the trusted setup, once per process. It takes some seconds, which the first blob
/// transaction waits otherwise.
pub fn prepare_blob_checks() {
    ethereum_kzg_settings(0);
}

fn versioned_hash(commitment: &FixedBytes<48>) -> B256 {
    let mut hash = B256::from_slice(&Sha256::digest(commitment));
    hash.0[0] = VERSION;
    hash
}

fn are_blobs_proven(
    settings: &KzgSettings,
    sidecar: &BlobSidecar,
    proofs: &[FixedBytes<48>],
) -> Result<bool, c_kzg::Error> {
    let blobs = blobs(&sidecar.blobs)?;
    let commitments = bytes48(&sidecar.commitments);
    settings.verify_blob_kzg_proof_batch(&blobs, &commitments, &bytes48(proofs))
}

fn are_cells_proven(
    settings: &KzgSettings,
    sidecar: &BlobSidecar,
    proofs: &[FixedBytes<48>],
) -> Result<bool, c_kzg::Error> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut commitments = Vec::new();
    let mut indices = Vec::new();
    for (blob, commitment) in blobs(&sidecar.blobs)?.iter().zip(&sidecar.commitments) {
        cells.extend(settings.compute_cells(blob)?.iter());
        commitments.extend([Bytes48::from(commitment.0); CELLS_PER_EXT_BLOB]);
        indices.extend(0..CELLS_PER_EXT_BLOB as u64);
    }
    settings.verify_cell_kzg_proof_batch(&commitments, &indices, &cells, &bytes48(proofs))
}

fn blobs(blobs: &[Bytes]) -> Result<Vec<Blob>, c_kzg::Error> {
    blobs.iter().map(|blob| Blob::from_bytes(blob)).collect()
}

fn bytes48(items: &[FixedBytes<48>]) -> Vec<Bytes48> {
    items.iter().map(|item| Bytes48::from(item.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sidecar(with_cells: bool) -> (Vec<B256>, BlobSidecar) {
        let settings = ethereum_kzg_settings(0);
        let blob = Blob::new([1; 131_072]);
        let commitment = settings.blob_to_kzg_commitment(&blob).unwrap().to_bytes();
        let proofs = if with_cells {
            let (_, proofs) = settings.compute_cells_and_kzg_proofs(&blob).unwrap();
            let proofs = proofs
                .iter()
                .map(|it| FixedBytes(it.to_bytes().into_inner()));
            SidecarProofs::Cell(proofs.collect())
        } else {
            let proof = settings.compute_blob_kzg_proof(&blob, &commitment).unwrap();
            SidecarProofs::Blob(vec![FixedBytes(proof.to_bytes().into_inner())])
        };
        let commitment = FixedBytes(commitment.into_inner());
        let sidecar = BlobSidecar {
            blobs: vec![Bytes::copy_from_slice(blob.into_inner().as_slice())],
            commitments: vec![commitment],
            proofs,
        };
        (vec![versioned_hash(&commitment)], sidecar)
    }

    #[test]
    fn valid_blobs_pass_and_every_invalid_part_is_refused() {
        for with_cells in [false, true] {
            let (hashes, good) = sidecar(with_cells);
            assert!(check(&hashes, &good).is_ok());
            assert!(check(&[B256::ZERO], &good).is_err());
            assert!(check(&[], &good).is_err());

            let mut other_blob = good.clone();
            other_blob.blobs[0] = vec![2; 131_072].into();
            assert!(check(&hashes, &other_blob).is_err());

            let mut no_proofs = good.clone();
            no_proofs.proofs = SidecarProofs::Blob(Vec::new());
            assert!(check(&hashes, &no_proofs).is_err());

            let mut not_a_field_element = good;
            not_a_field_element.blobs[0] = vec![0xff; 131_072].into();
            assert!(check(&hashes, &not_a_field_element).is_err());
        }
    }
}
