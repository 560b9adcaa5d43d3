//! Voting, preparation and timing of blocks that this node seals.

use std::time::Duration;

use actoreum_primitives::{Address, ChainConfig, Header, U256, config::CliqueConfig};
use rand::{SeedableRng, rngs::StdRng};

use super::voting::{address, addresses, engine, genesis, key, sealed};
use crate::{
    Clique, CliqueError, ConsensusError, Engine,
    clique::{NONCE_AUTHORIZE, NONCE_DROP, SealPlan},
    tests::chain::MemoryChain,
};

fn child(parent: &Header) -> Header {
    Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        ..Header::default()
    }
}

fn prepared(engine: &Clique, chain: &MemoryChain, parent: &Header, now: u64) -> Header {
    let mut header = child(parent);
    header.extra_data = "a vanity that is longer than thirty-two bytes".into();
    engine.prepare(chain, &mut header, now).unwrap();
    header
}

fn plan(
    engine: &Clique,
    chain: &MemoryChain,
    header: &Header,
    now: Duration,
) -> Result<SealPlan, ConsensusError> {
    engine.plan_seal(chain, header, true, now, &mut StdRng::seed_from_u64(7))
}

#[test]
fn a_prepared_and_sealed_block_is_valid() {
    let genesis = Header {
        gas_limit: 8_000_000,
        ..genesis("AB")
    };
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    for name in ['A', 'B'] {
        let engine = engine(30_000);
        engine.set_signer(Some(address(name)));
        let mut header = prepared(&engine, &chain, &genesis, 50);
        header.gas_limit = 8_000_000;
        assert_eq!(header.timestamp, 50);
        assert_eq!(header.extra_data.len(), 97);
        assert!(
            header
                .extra_data
                .starts_with(b"a vanity that is longer than thi")
        );
        engine
            .seal(&mut header, |hash| {
                Ok::<_, CliqueError>(key(name).sign(hash))
            })
            .unwrap();
        engine.verify_header(&chain, &header, &genesis, 50).unwrap();
        engine.verify_seal(&chain, &header).unwrap();
        assert_eq!(engine.author(&header), Ok(address(name)));
        let difficulty = engine.difficulty(&chain, 50, &genesis);
        assert_eq!(difficulty, Ok(header.difficulty));
    }
}

#[test]
fn proposals_become_votes_that_count() {
    let genesis = genesis("AB");
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let engine = engine(30_000);
    engine.set_signer(Some(address('A')));
    let vote = |engine: &Clique| {
        let header = prepared(engine, &chain, &genesis, 0);
        (header.beneficiary, header.nonce)
    };
    assert_eq!(vote(&engine), (Address::ZERO, NONCE_DROP));
    engine.propose(address('A'), true);
    engine.propose(address('C'), false);
    assert_eq!(
        vote(&engine),
        (Address::ZERO, NONCE_DROP),
        "neither would count"
    );
    engine.propose(address('C'), true);
    assert_eq!(vote(&engine), (address('C'), NONCE_AUTHORIZE));
    engine.discard(&address('C'));
    engine.propose(address('B'), false);
    assert_eq!(vote(&engine), (address('B'), NONCE_DROP));
    let expected = [(address('A'), true), (address('B'), false)];
    assert_eq!(
        engine
            .proposals()
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>(),
        expected.into_iter().collect()
    );
}

#[test]
fn a_checkpoint_lists_signers_and_casts_no_vote() {
    let genesis = genesis("AB");
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let engine = engine(1);
    engine.set_signer(Some(address('A')));
    engine.propose(address('C'), true);
    let header = prepared(&engine, &chain, &genesis, 0);
    assert_eq!(
        (header.beneficiary, header.nonce),
        (Address::ZERO, NONCE_DROP)
    );
    let listed: Vec<u8> = addresses("AB")
        .iter()
        .flat_map(|address| address.0.0)
        .collect();
    assert_eq!(header.extra_data[32..72], listed);
    assert_eq!(header.extra_data.len(), 32 + 40 + 65);
}

#[test]
fn refusals_to_seal_have_their_errors() {
    let genesis = genesis("AB");
    let mut chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let first = sealed(&genesis, "A", addresses("AB").last() == Some(&address('A')));
    chain.push(first.clone());
    let engine = engine(30_000);
    let header = child(&first);
    let refused = |engine: &Clique| plan(engine, &chain, &header, Duration::ZERO).unwrap_err();
    assert_eq!(refused(&engine), CliqueError::NoSigner.into());
    // A node without a signer can still build the block for the pending state.
    let mut pending = header.clone();
    engine.prepare(&chain, &mut pending, 0).unwrap();
    assert_eq!(pending.difficulty, U256::from(1));
    engine.set_signer(Some(address('C')));
    assert_eq!(refused(&engine), CliqueError::UnauthorizedSigner.into());
    engine.set_signer(Some(address('A')));
    assert_eq!(
        refused(&engine).to_string(),
        "signed recently, must wait for others"
    );
    engine.set_signer(Some(address('B')));
    assert!(plan(&engine, &chain, &header, Duration::ZERO).is_ok());
    let on_demand = Clique::new(
        CliqueConfig {
            period: 0,
            epoch: 30_000,
        },
        None,
    );
    on_demand.set_signer(Some(address('B')));
    let idle = on_demand.plan_seal(
        &chain,
        &header,
        false,
        Duration::ZERO,
        &mut StdRng::seed_from_u64(7),
    );
    assert_eq!(
        idle.unwrap_err().to_string(),
        "sealing paused, waiting for transactions"
    );
    assert!(plan(&on_demand, &chain, &header, Duration::ZERO).is_ok());
}

#[test]
fn out_of_turn_blocks_have_a_random_delay() {
    let genesis = genesis("ABCDE");
    let chain = MemoryChain::new(ChainConfig::default(), genesis.clone());
    let engine = engine(30_000);
    engine.set_signer(Some(address('A')));
    let now = Duration::from_millis(97_500);
    let header = |difficulty: u64| Header {
        timestamp: 100,
        difficulty: U256::from(difficulty),
        ..child(&genesis)
    };
    let in_turn = plan(&engine, &chain, &header(2), now).unwrap();
    let expected = SealPlan {
        signer: address('A'),
        delay: Duration::from_millis(2_500),
        in_turn: true,
    };
    assert_eq!(in_turn, expected);
    let mut random = StdRng::seed_from_u64(1);
    let delays: Vec<u64> = (0..1000)
        .map(|_| {
            let plan = engine
                .plan_seal(&chain, &header(1), true, now, &mut random)
                .unwrap();
            u64::try_from(plan.delay.as_millis()).unwrap() - 2_500
        })
        .collect();
    assert!(
        delays.iter().all(|delay| *delay < 1_500),
        "five signers: three times 500 ms"
    );
    assert!(delays.iter().any(|delay| *delay > 1_200) && delays.iter().any(|delay| *delay < 300));
    let late = plan(&engine, &chain, &header(2), Duration::from_secs(200)).unwrap();
    assert_eq!(late.delay, Duration::ZERO);
}
