//! The rules of ommers (Yellow Paper 11.1).

use std::collections::{HashMap, HashSet};

use actoreum_primitives::{B256, Block, EMPTY_OMMERS_HASH, Header};

use crate::{
    ConsensusError, HeaderChain,
    limits::{MAX_OMMERS, OMMER_GENERATIONS},
};

/// Checks number, uniqueness and ancestry of the block's ommers; `verify_ommer` is called with each
/// ommer and its parent for the rules of headers and seals.
///
/// Ommers of ancestors are searched as far back as the chain knows them.
pub(crate) fn verify(
    chain: &dyn HeaderChain,
    block: &Block,
    verify_ommer: impl Fn(&Header, &Header) -> Result<(), ConsensusError>,
) -> Result<(), ConsensusError> {
    let ommers = &block.body.ommers;
    if ommers.len() > MAX_OMMERS {
        return Err(ConsensusError::TooManyOmmers);
    }
    if ommers.is_empty() {
        return Ok(());
    }
    let mut lineage = Lineage::of(chain, &block.header);
    for ommer in ommers {
        let hash = ommer.hash();
        if !lineage.included.insert(hash) {
            return Err(ConsensusError::DuplicateOmmer);
        }
        if lineage.ancestors.contains_key(&hash) {
            return Err(ConsensusError::OmmerIsAncestor);
        }
        let is_sibling = ommer.parent_hash == block.header.parent_hash;
        match lineage.ancestors.get(&ommer.parent_hash) {
            Some(parent) if !is_sibling => verify_ommer(ommer, parent)?,
            _ => return Err(ConsensusError::DanglingOmmer),
        }
    }
    Ok(())
}

/// The ancestors within reach, and every ommer that they or this block included.
struct Lineage {
    ancestors: HashMap<B256, Header>,
    included: HashSet<B256>,
}

impl Lineage {
    fn of(chain: &dyn HeaderChain, header: &Header) -> Self {
        let own_hash = header.hash();
        let mut lineage = Self {
            ancestors: HashMap::from([(own_hash, header.clone())]),
            included: HashSet::from([own_hash]),
        };
        let (mut hash, mut number) = (header.parent_hash, header.number);
        for _ in 0..OMMER_GENERATIONS {
            let Some(below) = number.checked_sub(1) else {
                break;
            };
            number = below;
            let Some(ancestor) = chain.header(&hash, number) else {
                break;
            };
            if ancestor.ommers_hash != EMPTY_OMMERS_HASH {
                let Some(ommers) = chain.ommers(&hash, number) else {
                    break;
                };
                lineage.included.extend(ommers.iter().map(Header::hash));
            }
            let parent_hash = ancestor.parent_hash;
            lineage.ancestors.insert(hash, ancestor);
            hash = parent_hash;
        }
        lineage
    }
}
