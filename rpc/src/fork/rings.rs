//! Slots of the contracts that every block writes to: the ring buffers of parent beacon roots
//! (EIP-4788) and of block hashes (EIP-2935).
//!
//! A write reads the slot before it, so that each block of a fork would ask the remote chain for three
//! slots. Those of the blocks to come are read in advance instead, many with one `eth_getProof`.

use std::sync::atomic::{AtomicBool, Ordering};

use actoreum_evm::{BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS};
use actoreum_primitives::{Address, B256, U256};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use super::client::Answered;
use super::{Fork, RemoteError, parse_quantity};

/// Slots that are read in advance. The answer has a proof of about 4 kB for each.
const SLOTS_AHEAD: u64 = 64;

/// Whether the slots of the rings are read in advance.
#[derive(Debug, Default)]
pub(super) struct Rings {
    /// Set once the remote node has refused to prove slots.
    is_refused: AtomicBool,
}

/// The part of an answer to `eth_getProof` that is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    storage_proof: Vec<ProvenSlot>,
}

#[derive(Deserialize)]
struct ProvenSlot {
    value: String,
}

impl Fork {
    /// Reads a slot of a ring, and puts those after it in the cache. Returns `None` for other
    /// contracts, and where the remote node does not prove slots.
    pub(super) fn ring_slot(
        &self,
        address: &Address,
        slot: &U256,
    ) -> Result<Option<U256>, RemoteError> {
        let is_ring = [BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS].contains(address);
        if !is_ring || self.rings.is_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let slots: Vec<U256> = (0..SLOTS_AHEAD)
            .map(|ahead| slot.wrapping_add(U256::from(ahead)))
            .collect();
        let keys: Vec<B256> = slots.iter().map(|slot| B256::from(*slot)).collect();
        let answer = self.request("eth_getProof", json!([address, keys, self.at()]))?;
        let Some(values) = values(&answer, slots.len()) else {
            debug!("the remote node does not prove slots: each is asked for alone");
            self.rings.is_refused.store(true, Ordering::Relaxed);
            return Ok(None);
        };
        for (slot, value) in slots.iter().zip(&values) {
            self.cache.put_slot(*address, *slot, *value);
        }
        Ok(values.first().copied())
    }
}

/// Returns the values of an answer with as many slots as were asked for; the proofs are not checked,
/// as other answers of the remote node are not.
fn values(answer: &Answered, count: usize) -> Option<Vec<U256>> {
    let answer = answer.as_ref().ok()?;
    let proof: Value = serde_json::from_str(answer.get()).ok()?;
    let proof = Proof::deserialize(proof).ok()?;
    let values = proof.storage_proof.iter();
    let values: Option<Vec<U256>> = values.map(|slot| parse_quantity(&slot.value)).collect();
    values.filter(|values| values.len() == count)
}
