//! The rules of single headers, with geth's texts.

use actoreum_primitives::{Address, B64, B256, Block, Body, ChainConfig, Header, U256};

use super::voting::{addresses, engine, genesis, sealed};
use crate::{
    BatchChain, CliqueError, ConsensusError, Engine,
    clique::{NONCE_AUTHORIZE, unsealed_extra},
    tests::chain::MemoryChain,
};

const FAR_FUTURE: u64 = 1_000_000;

/// Returns genesis and two sealed blocks, with consistent gas limits.
fn chain() -> (MemoryChain, Vec<Header>) {
    let mut chain = MemoryChain::new(ChainConfig::default(), with_gas(genesis("AB")));
    let mut headers = vec![with_gas(genesis("AB"))];
    for block in ["A", "B"] {
        let header = with_gas(sealed(headers.last().unwrap(), block, true));
        chain.push(header.clone());
        headers.push(header);
    }
    (chain, headers)
}

fn with_gas(header: Header) -> Header {
    Header {
        gas_limit: 8_000_000,
        ..header
    }
}

#[test]
fn an_orphan_seal_must_be_of_a_signer_at_the_head() {
    let genesis = genesis("AB");
    let mut chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let head = sealed(&genesis, "A", true);
    chain.push(head.clone());
    let missing = Header {
        number: 20,
        ..head.clone()
    };
    let verify = |header: &Header| engine(30_000).verify_orphan_seal(&chain, &head, header);
    assert_eq!(verify(&sealed(&missing, "B", true)), Ok(()));
    let unknown = Err(CliqueError::UnauthorizedSigner.into());
    assert_eq!(verify(&sealed(&missing, "C", true)), unknown);
    let changed = Header {
        gas_limit: 1,
        ..sealed(&missing, "B", true)
    };
    assert_eq!(verify(&changed), unknown);
    let unsealed = Header {
        extra_data: Default::default(),
        ..sealed(&missing, "B", true)
    };
    assert!(verify(&unsealed).is_err());
}

#[test]
fn vectors_header_rules() {
    let (chain, headers) = chain();
    let check = |epoch: u64, change: fn(&mut Header)| {
        let mut header = headers[2].clone();
        change(&mut header);
        let verified = engine(epoch).verify_header(&chain, &header, &headers[1], FAR_FUTURE);
        verified.map_err(|error| error.to_string())
    };
    let refuse = |epoch, change| check(epoch, change).unwrap_err();
    assert_eq!(check(30_000, |_| {}), Ok(()));
    assert_eq!(
        refuse(30_000, |header| header.timestamp = FAR_FUTURE + 1),
        "block in the future"
    );
    assert_eq!(
        refuse(2, |header| header.beneficiary = Address::repeat_byte(1)),
        "beneficiary in checkpoint block non-zero"
    );
    assert_eq!(
        refuse(30_000, |header| header.nonce = B64::repeat_byte(1)),
        "vote nonce not 0x00..0 or 0xff..f"
    );
    assert_eq!(
        refuse(2, |header| header.nonce = NONCE_AUTHORIZE),
        "vote nonce in checkpoint block non-zero"
    );
    assert_eq!(
        refuse(30_000, |header| header.extra_data = vec![0; 31].into()),
        "extra-data 32 byte vanity prefix missing"
    );
    assert_eq!(
        refuse(30_000, |header| header.extra_data = vec![0; 96].into()),
        "extra-data 65 byte signature suffix missing"
    );
    assert_eq!(
        refuse(30_000, |header| header.extra_data = vec![0; 98].into()),
        "non-checkpoint block contains extra signer list"
    );
    assert_eq!(
        refuse(2, |header| header.extra_data = vec![0; 98].into()),
        "invalid signer list on checkpoint block"
    );
    assert_eq!(
        refuse(30_000, |header| header.mix_hash = B256::repeat_byte(1)),
        "non-zero mix digest"
    );
    assert_eq!(
        refuse(30_000, |header| header.ommers_hash = B256::ZERO),
        "non empty uncle hash"
    );
    for difficulty in [0, 3] {
        let mut header = headers[2].clone();
        header.difficulty = U256::from(difficulty);
        let error = engine(30_000).verify_header(&chain, &header, &headers[1], FAR_FUTURE);
        assert_eq!(error.unwrap_err().to_string(), "invalid difficulty");
    }
    assert_eq!(
        refuse(30_000, |header| header.timestamp -= 1),
        "invalid timestamp"
    );
    assert_eq!(
        refuse(30_000, |header| header.gas_used = header.gas_limit + 1),
        "invalid gasUsed: have 8000001, gasLimit 8000000"
    );
    assert_eq!(
        refuse(30_000, |header| header.gas_limit -= 7812),
        "invalid gas limit: have 7992188, want 8000000 += 7812"
    );
    assert_eq!(
        refuse(30_000, |header| header.withdrawals_root = Some(B256::ZERO)),
        "invalid withdrawalsHash: field is not yet part of the header"
    );
}

#[test]
fn vectors_seal_rules() {
    let genesis = genesis("AB");
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let check = |block: &str, in_turn: bool, epoch| {
        engine(epoch).verify_seal(&chain, &sealed(&genesis, block, in_turn))
    };
    // Block 1 is the turn of the second address.
    let names = if addresses("AB").first() == addresses("A").first() {
        "BA"
    } else {
        "AB"
    };
    let (second, first) = names.split_at(1);
    assert_eq!(check(second, true, 30_000), Ok(()));
    assert_eq!(check(first, false, 30_000), Ok(()));
    let wrong = Err(ConsensusError::from(CliqueError::WrongDifficulty));
    assert_eq!(check(second, false, 30_000), wrong);
    assert_eq!(check(first, true, 30_000), wrong);
    let unauthorized = Err(ConsensusError::from(CliqueError::UnauthorizedSigner));
    assert_eq!(check("C", true, 30_000), unauthorized);
    let mismatch = Err(ConsensusError::from(
        CliqueError::MismatchingCheckpointSigners,
    ));
    assert_eq!(check("A*A", true, 1), mismatch);
    assert_eq!(check("A*ABC", true, 1), mismatch);
    assert_eq!(check("A", true, 1), mismatch);

    let mut unsigned = sealed(&genesis, "A", true);
    unsigned.extra_data = unsealed_extra(b"", []);
    let error = engine(30_000).verify_seal(&chain, &unsigned).unwrap_err();
    assert_eq!(error.to_string(), "recovery failed");
    let error = engine(30_000).verify_seal(&chain, &genesis).unwrap_err();
    assert_eq!(error.to_string(), "unknown block");
    let batch = BatchChain::of_headers(&chain, [&genesis]);
    assert_eq!(
        engine(30_000).verify_seals(&batch).unwrap_err().error,
        error
    );
}

/// A signer list must be sorted and without duplicates.
#[test]
fn a_checkpoint_lists_its_signers_in_order() {
    let genesis = genesis("AB");
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let mut backwards = sealed(&genesis, "A*AB", true);
    let extra = unsealed_extra(b"", addresses("AB").into_iter().rev());
    backwards.extra_data = extra;
    let signature = super::voting::key('A').sign(crate::clique::seal_hash(&backwards).unwrap());
    crate::clique::put_seal(&mut backwards, &signature).unwrap();
    let error = engine(1).verify_seal(&chain, &backwards).unwrap_err();
    assert_eq!(error, CliqueError::MismatchingCheckpointSigners.into());
}

#[test]
fn a_genesis_without_signers_gives_errors_not_panics() {
    for extra in [0, 31, 96, 97, 98] {
        let genesis = Header {
            extra_data: vec![0; extra].into(),
            ..Header::default()
        };
        let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
        let header = sealed(&genesis, "A", true);
        let error = engine(30_000).verify_seal(&chain, &header).unwrap_err();
        let expected = match extra {
            0 | 31 => CliqueError::MissingVanity,
            96 => CliqueError::MissingSignature,
            97 => CliqueError::UnauthorizedSigner,
            _ => CliqueError::InvalidCheckpointSigners,
        };
        assert_eq!(error, expected.into(), "{extra} bytes");
    }
}

#[test]
fn clique_has_no_ommers_and_no_rewards() {
    let (chain, headers) = chain();
    let body = Body {
        ommers: vec![headers[1].clone()],
        ..Body::default()
    };
    let block = Block {
        header: headers[2].clone(),
        body,
    };
    let error = engine(30_000).verify_ommers(&chain, &block).unwrap_err();
    assert_eq!(error.to_string(), "uncles not allowed");
    assert!(
        engine(30_000)
            .rewards(&ChainConfig::default(), &headers[2], &[])
            .is_empty()
    );
}
