//! The voting scenarios that EIP-225 publishes.

use std::collections::BTreeSet;

use actoreum_primitives::{Address, ChainConfig, Header, SecretKey, U256, config::CliqueConfig};

use crate::{
    BatchChain, Clique, CliqueError, ConsensusError, Engine,
    clique::{DIFFICULTY_IN_TURN, NONCE_AUTHORIZE, put_seal, seal_hash, unsealed_extra},
    tests::chain::MemoryChain,
};

pub(super) fn key(name: char) -> SecretKey {
    SecretKey::from_bytes(&[name as u8; 32]).unwrap()
}

pub(super) fn address(name: char) -> Address {
    key(name).address()
}

pub(super) fn addresses(names: &str) -> BTreeSet<Address> {
    names.chars().map(address).collect()
}

pub(super) fn genesis(signers: &str) -> Header {
    Header {
        extra_data: unsealed_extra(b"", addresses(signers)),
        difficulty: U256::ONE,
        ..Header::default()
    }
}

/// Seals a block in short notation: the signer; then the candidate with `+` to authorize or `-` to
/// drop; or `*` for a checkpoint with the signer list that it claims.
pub(super) fn sealed(parent: &Header, block: &str, in_turn: bool) -> Header {
    let (signer, rest) = block.split_at(1);
    let signer = signer.chars().next().unwrap();
    let (kind, names) = rest.split_at(rest.len().min(1));
    let listed = if kind == "*" {
        addresses(names)
    } else {
        BTreeSet::new()
    };
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 1,
        extra_data: unsealed_extra(b"", listed),
        difficulty: if in_turn {
            DIFFICULTY_IN_TURN
        } else {
            U256::ONE
        },
        ..Header::default()
    };
    if let ("+" | "-", Some(name)) = (kind, names.chars().next()) {
        header.beneficiary = address(name);
    }
    if kind == "+" {
        header.nonce = NONCE_AUTHORIZE;
    }
    let signature = key(signer).sign(seal_hash(&header).unwrap());
    put_seal(&mut header, &signature).unwrap();
    header
}

pub(super) fn engine(epoch: u64) -> Clique {
    Clique::new(CliqueConfig { period: 1, epoch }, None)
}

struct Scenario {
    what: &'static str,
    epoch: u64,
    signers: &'static str,
    blocks: &'static str,
    /// The signers at the end, or the error of the last block.
    result: Result<&'static str, CliqueError>,
}

const fn scenario(
    what: &'static str,
    signers: &'static str,
    blocks: &'static str,
    result: &'static str,
) -> Scenario {
    Scenario {
        what,
        epoch: 30_000,
        signers,
        blocks,
        result: Ok(result),
    }
}

const fn refused(
    what: &'static str,
    epoch: u64,
    signers: &'static str,
    blocks: &'static str,
    error: CliqueError,
) -> Scenario {
    Scenario {
        what,
        epoch,
        signers,
        blocks,
        result: Err(error),
    }
}

const SCENARIOS: [Scenario; 23] = [
    scenario("one signer, no votes", "A", "A", "A"),
    scenario(
        "one signer adds two, the second needs two votes",
        "A",
        "A+B B A+C",
        "AB",
    ),
    scenario(
        "two signers add three, the third needs three votes",
        "AB",
        "A+C B+C A+D B+D C A+E B+E",
        "ABCD",
    ),
    scenario("one signer drops itself", "A", "A-A", ""),
    scenario(
        "two signers must agree to drop one, and do not",
        "AB",
        "A-B",
        "AB",
    ),
    scenario(
        "two signers must agree to drop one, and do",
        "AB",
        "A-B B-B",
        "A",
    ),
    scenario("two of three drop the third", "ABC", "A-C B-C", "AB"),
    scenario(
        "two of four are not enough to drop",
        "ABCD",
        "A-C B-C",
        "ABCD",
    ),
    scenario(
        "three of four are enough to drop",
        "ABCD",
        "A-D B-D C-D",
        "ABC",
    ),
    scenario(
        "votes to add count once a signer",
        "AB",
        "A+C B A+C B A+C",
        "AB",
    ),
    scenario(
        "several may be added at the same time",
        "AB",
        "A+C B A+D B A B+D A B+C",
        "ABCD",
    ),
    scenario(
        "votes to drop count once a signer",
        "AB",
        "A-B B A-B B A-B",
        "AB",
    ),
    scenario(
        "several may be dropped at the same time",
        "ABCD",
        "A-C B C A-D B C A B-D C-D A B-C",
        "AB",
    ),
    scenario(
        "votes to drop by who was dropped go at once",
        "ABC",
        "C-B A-C B-C A-B",
        "AB",
    ),
    scenario(
        "votes to add by who was dropped go at once",
        "ABC",
        "C+D A-C B-C A+D",
        "AB",
    ),
    scenario(
        "only who is voted on changes, nothing follows by itself",
        "ABCD",
        "A-C B C A-D B-C C A B-D C-D",
        "ABC",
    ),
    scenario(
        "a majority that came of a drop takes effect when touched",
        "ABCD",
        "A-C B C A-D B-C C A B-D C-D A C+C",
        "AB",
    ),
    scenario(
        "a majority that came of a drop may be lost when touched",
        "ABCD",
        "A-C B C A-D B-C C A B-D C-D A B+C",
        "ABC",
    ),
    scenario(
        "pending votes do not outlive a change of who they are about",
        "ABCDE",
        "A+F B+F C+F D-F E-F B-F C-F D+F E+F B-A C-A D-A B+F",
        "BCDEF",
    ),
    Scenario {
        what: "an epoch resets the votes",
        epoch: 3,
        signers: "AB",
        blocks: "A+C B A*AB B+C",
        result: Ok("AB"),
    },
    refused(
        "who is no signer cannot sign",
        30_000,
        "A",
        "B",
        CliqueError::UnauthorizedSigner,
    ),
    refused(
        "who signed lately cannot sign again",
        30_000,
        "AB",
        "A A",
        CliqueError::RecentlySigned,
    ),
    refused(
        "a checkpoint does not reset who signed lately",
        3,
        "ABC",
        "A B A*ABC A",
        CliqueError::RecentlySigned,
    ),
];

impl Scenario {
    /// Returns the headers, each with the difficulty of its signer's turn if the signer may sign.
    fn headers(&self) -> Vec<Header> {
        let genesis = genesis(self.signers);
        let engine = engine(self.epoch);
        let mut chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
        let mut headers = vec![genesis];
        for block in self.blocks.split(' ') {
            let parent = headers.last().unwrap();
            let snapshot = engine
                .snapshot(&chain, parent.number, parent.hash())
                .unwrap();
            let signer = address(block.chars().next().unwrap());
            let header = sealed(
                parent,
                block,
                snapshot.is_in_turn(parent.number + 1, &signer),
            );
            chain.push(header.clone());
            headers.push(header);
        }
        headers
    }

    fn run(&self, headers: &[Header], split: usize) -> Result<BTreeSet<Address>, ConsensusError> {
        let engine = engine(self.epoch);
        let mut chain = MemoryChain::new(ChainConfig::default(), headers[0].clone());
        for headers in [&headers[1..split], &headers[split..]] {
            let batch = BatchChain::of_headers(&chain, headers);
            if let Err(error) = engine.verify_seals(&batch) {
                assert_eq!(
                    error.index,
                    headers.len() - 1,
                    "{}: the last is bad",
                    self.what
                );
                return Err(error.error);
            }
            for header in headers {
                chain.push(header.clone());
            }
        }
        let last = headers.last().unwrap();
        Ok(engine
            .snapshot(&chain, last.number, last.hash())?
            .signers
            .clone())
    }

    fn run_singly(&self, headers: &[Header]) -> Result<BTreeSet<Address>, ConsensusError> {
        let engine = engine(self.epoch);
        let mut chain = MemoryChain::new(ChainConfig::default(), headers[0].clone());
        for header in &headers[1..] {
            engine.verify_seal(&chain, header)?;
            chain.push(header.clone());
        }
        let last = headers.last().unwrap();
        Ok(engine
            .snapshot(&chain, last.number, last.hash())?
            .signers
            .clone())
    }
}

#[test]
fn vectors_eip225_votes() {
    for scenario in SCENARIOS {
        let what = scenario.what;
        let expected = match &scenario.result {
            Ok(signers) => Ok(addresses(signers)),
            Err(error) => Err(error.clone().into()),
        };
        let headers = scenario.headers();
        assert_eq!(
            scenario.run_singly(&headers),
            expected,
            "{what}: one by one"
        );
        for split in 1..headers.len() {
            assert_eq!(
                scenario.run(&headers, split),
                expected,
                "{what}: split at {split}"
            );
        }
    }
}
