//! The rules of ommers.

use actoreum_primitives::{Block, Body, ChainConfig, EMPTY_OMMERS_HASH, Header};
use proptest::prelude::*;

use super::chain::MemoryChain;
use crate::{ConsensusError, rules::ommers};

/// A chain of empty blocks, with one sibling of each; the sibling of block n is `siblings[n]`.
struct Lineage {
    chain: MemoryChain,
    blocks: Vec<Header>,
    siblings: Vec<Header>,
}

fn lineage(length: u64) -> Lineage {
    let genesis = Header::default();
    let mut chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let (mut blocks, mut siblings) = (vec![genesis.clone()], vec![genesis]);
    for number in 1..=length {
        let parent_hash = blocks.last().unwrap().hash();
        let header = Header {
            parent_hash,
            number,
            ..Header::default()
        };
        let sibling = Header {
            extra_data: "sibling".into(),
            ..header.clone()
        };
        chain.push(header.clone());
        blocks.push(header);
        siblings.push(sibling);
    }
    Lineage {
        chain,
        blocks,
        siblings,
    }
}

fn verify(lineage: &Lineage, ommers: Vec<Header>) -> Result<(), ConsensusError> {
    let parent = lineage.blocks.last().unwrap();
    let header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        ..Header::default()
    };
    let block = Block {
        header,
        body: Body {
            ommers,
            ..Body::default()
        },
    };
    ommers::verify(&lineage.chain, &block, |_, _| Ok(()))
}

#[test]
fn vectors_depth() {
    let lineage = lineage(12);
    for (number, sibling) in lineage.siblings.iter().enumerate().skip(1) {
        let expected = match number {
            // The block's number is 13, and an ommer's age at most 6.
            7..=12 => Ok(()),
            _ => Err(ConsensusError::DanglingOmmer),
        };
        assert_eq!(
            verify(&lineage, vec![sibling.clone()]),
            expected,
            "ommer {number}"
        );
    }
}

#[test]
fn vectors_refusals() {
    let mut lineage = lineage(12);
    let siblings = lineage.siblings.clone();
    let three = vec![
        siblings[10].clone(),
        siblings[11].clone(),
        siblings[12].clone(),
    ];
    assert_eq!(verify(&lineage, three), Err(ConsensusError::TooManyOmmers));
    let twice = vec![siblings[11].clone(), siblings[11].clone()];
    assert_eq!(verify(&lineage, twice), Err(ConsensusError::DuplicateOmmer));
    let ancestor = vec![lineage.blocks[11].clone()];
    assert_eq!(
        verify(&lineage, ancestor),
        Err(ConsensusError::OmmerIsAncestor)
    );
    let parent = lineage.blocks[12].hash();
    let own_sibling = Header {
        parent_hash: parent,
        number: 13,
        extra_data: "x".into(),
        ..Header::default()
    };
    assert_eq!(
        verify(&lineage, vec![own_sibling]),
        Err(ConsensusError::DanglingOmmer)
    );
    assert_eq!(
        ConsensusError::DanglingOmmer.to_string(),
        "uncle's parent is not ancestor"
    );

    let body = Body {
        ommers: vec![siblings[12].clone()],
        ..Body::default()
    };
    let header = Header {
        parent_hash: lineage.blocks[12].hash(),
        number: 13,
        ommers_hash: body.ommers_hash(),
        ..Header::default()
    };
    assert_ne!(header.ommers_hash, EMPTY_OMMERS_HASH);
    lineage.chain.push_block(&Block {
        header: header.clone(),
        body,
    });
    lineage.blocks.push(header);
    let again = vec![siblings[12].clone()];
    assert_eq!(verify(&lineage, again), Err(ConsensusError::DuplicateOmmer));
    assert_eq!(verify(&lineage, vec![siblings[11].clone()]), Ok(()));
}

#[test]
fn ommers_must_obey_the_header_rules() {
    let lineage = lineage(3);
    let parent = lineage.blocks.last().unwrap();
    let header = Header {
        parent_hash: parent.hash(),
        number: 4,
        ..Header::default()
    };
    let body = Body {
        ommers: vec![lineage.siblings[3].clone()],
        ..Body::default()
    };
    let block = Block { header, body };
    let refuse = |ommer: &Header, parent: &Header| {
        assert_eq!(ommer.parent_hash, parent.hash());
        Err(ConsensusError::InvalidProofOfWork)
    };
    let error = ommers::verify(&lineage.chain, &block, refuse).unwrap_err();
    assert_eq!(error, ConsensusError::InvalidProofOfWork);
}

proptest! {
    /// Two ommers are valid exactly if each is valid and they differ.
    #[test]
    fn prop_two_ommers(length in 1..15_u64, first in 0..16_usize, second in 0..16_usize) {
        let lineage = lineage(length);
        let pick = |index: usize| lineage.siblings[index % lineage.siblings.len()].clone();
        let (first, second) = (pick(first), pick(second));
        let alone = |ommer: &Header| verify(&lineage, vec![ommer.clone()]).is_ok();
        let expected = alone(&first) && alone(&second) && first != second;
        prop_assert_eq!(verify(&lineage, vec![first, second]).is_ok(), expected);
    }
}
