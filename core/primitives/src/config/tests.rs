//! Tests of fork activation, fork order, config compatibility and fork identifiers.

use alloy_primitives::{B256, U256, b256};

use super::*;
use crate::{Genesis, MAINNET_GENESIS_HASH};

const MAINNET_TIME: u64 = 1_681_338_455;

#[test]
fn mainnet_forks_begin_at_their_blocks() {
    let config = ChainConfig::mainnet();
    assert_eq!(config.check_fork_order(), Ok(()));
    for (number, timestamp, fork) in [
        (0, 0, Fork::Frontier),
        (1_149_999, 0, Fork::Frontier),
        (1_150_000, 0, Fork::Homestead),
        (2_463_000, 0, Fork::TangerineWhistle),
        (2_675_000, 0, Fork::SpuriousDragon),
        (4_370_000, 0, Fork::Byzantium),
        (7_280_000, 0, Fork::Petersburg),
        (9_200_000, 0, Fork::MuirGlacier),
        (12_244_000, 0, Fork::Berlin),
        (12_965_000, 0, Fork::London),
        (15_050_000, 0, Fork::GrayGlacier),
        (17_034_870, MAINNET_TIME - 1, Fork::GrayGlacier),
        (17_034_870, MAINNET_TIME, Fork::Shanghai),
        (19_426_587, 1_710_338_135, Fork::Cancun),
        (22_431_084, 1_746_612_311, Fork::Prague),
        (23_935_694, 1_764_798_551, Fork::Osaka),
        (24_000_000, 1_767_747_671, Fork::Bpo2),
    ] {
        assert_eq!(
            config.fork_at(number, timestamp),
            fork,
            "{number} {timestamp}"
        );
    }
    assert!(config.is_eip155_active(2_675_000) && !config.is_eip155_active(2_674_999));
    assert!(config.is_dao_fork_active(1_920_000) && !config.is_dao_fork_active(1_919_999));
}

#[test]
fn mainnet_blob_parameters_follow_the_schedule() {
    let config = ChainConfig::mainnet();
    let at = |time| config.blob_params_at(24_000_000, time);
    assert_eq!(at(1_710_338_134), None);
    assert_eq!(at(1_710_338_135), Some(BlobParams::CANCUN));
    assert_eq!(at(1_746_612_311), Some(BlobParams::PRAGUE));
    assert_eq!(
        at(1_764_798_551),
        Some(BlobParams::PRAGUE),
        "osaka keeps prague's"
    );
    assert_eq!(at(1_765_290_071), Some(BlobParams::BPO1));
    assert_eq!(at(u64::MAX), Some(BlobParams::BPO2));
}

#[test]
fn a_chain_that_never_merges_takes_blobs_only_by_its_schedule() {
    let mut config = ChainConfig::active_from_genesis(1, Fork::Prague);
    assert_eq!(config.blob_params_at(0, 0), Some(BlobParams::NONE));
    config
        .blob_schedule
        .insert(Fork::Cancun, BlobParams::CANCUN);
    assert_eq!(config.blob_params_at(0, 0), Some(BlobParams::CANCUN));
    config.blob_schedule.clear();
    config.terminal_total_difficulty = Some(U256::ZERO);
    assert_eq!(config.blob_params_at(0, 0), Some(BlobParams::PRAGUE));
}

#[test]
fn proof_of_stake_follows_from_the_header_not_the_fork() {
    let mut clique = ChainConfig::active_from_genesis(1, Fork::Osaka);
    clique.clique = Some(CliqueConfig {
        period: 5,
        epoch: DEFAULT_CLIQUE_EPOCH,
    });
    let mut header = Header {
        difficulty: U256::from(2),
        ..Header::default()
    };
    assert_eq!(clique.fork_of(&header), Fork::Osaka);
    assert!(!clique.is_proof_of_stake(&header) && !clique.is_terminal(U256::MAX));
    assert!(matches!(clique.engine(), EngineConfig::Clique(_)));

    let mainnet = ChainConfig::mainnet();
    header.number = 15_537_394;
    header.timestamp = 1_663_224_179;
    assert_eq!(mainnet.fork_of(&header), Fork::GrayGlacier);
    header.difficulty = U256::ZERO;
    assert_eq!(mainnet.fork_of(&header), Fork::Paris);
    assert!(mainnet.is_proof_of_stake(&header));
    let terminal = mainnet.terminal_total_difficulty.unwrap();
    assert!(mainnet.is_terminal(terminal) && !mainnet.is_terminal(terminal - U256::from(1)));
}

#[test]
fn forks_by_time_wait_for_london() {
    let mut config = ChainConfig::active_from_genesis(1, Fork::Cancun);
    config.london_block = Some(10);
    config.arrow_glacier_block = None;
    config.gray_glacier_block = None;
    assert_eq!(config.fork_at(9, 0), Fork::Berlin);
    assert_eq!(config.fork_at(10, 0), Fork::Cancun);
}

#[test]
fn every_fork_can_be_the_newest_of_a_chain() {
    for fork in Fork::ALL {
        let config = ChainConfig::active_from_genesis(1, fork);
        assert_eq!(config.check_fork_order(), Ok(()), "{fork}");
        let expected = match fork {
            Fork::Paris => Fork::GrayGlacier,
            Fork::Bpo1 | Fork::Bpo2 | Fork::Bpo3 | Fork::Bpo4 | Fork::Bpo5 => Fork::Osaka,
            _ => fork,
        };
        assert_eq!(config.fork_at(0, 0), expected);
        assert_eq!(fork.name().to_uppercase().parse(), Ok(fork));
    }
    assert!("serenity".parse::<Fork>().is_err());
    assert!(Fork::ALL.is_sorted());
}

#[test]
fn a_missing_petersburg_begins_with_constantinople() {
    let config = ChainConfig {
        constantinople_block: Some(5),
        ..ChainConfig::default()
    };
    assert_eq!(config.fork_at(5, 0), Fork::Petersburg);
    let config = ChainConfig {
        petersburg_block: Some(5),
        ..ChainConfig::default()
    };
    assert_eq!(config.fork_at(5, 0), Fork::Petersburg);
}

#[test]
fn forks_out_of_order_are_refused() {
    let refused = |change: fn(&mut ChainConfig)| {
        let mut config = ChainConfig::mainnet();
        change(&mut config);
        config.check_fork_order().unwrap_err().to_string()
    };
    assert_eq!(
        refused(|config| config.berlin_block = None),
        "fork order: londonBlock is set (block 12965000), but berlinBlock before it is not"
    );
    assert_eq!(
        refused(|config| config.berlin_block = Some(12_965_001)),
        "fork order: berlinBlock (block 12965001) begins after londonBlock (block 12965000)"
    );
    assert_eq!(
        refused(|config| config.cancun_time = Some(5)),
        "fork order: shanghaiTime (time 1681338455) begins after cancunTime (time 5)"
    );
    assert_eq!(
        refused(|config| config.prague_time = None),
        "fork order: osakaTime is set (time 1764798551), but pragueTime before it is not"
    );
    // An optional fork is still subject to the order.
    assert!(refused(|config| config.muir_glacier_block = Some(1)).contains("istanbulBlock"));

    let mut config = ChainConfig::mainnet();
    config.muir_glacier_block = None;
    config.dao_fork_block = None;
    config.eip155_block = None;
    config.constantinople_block = None;
    assert_eq!(config.check_fork_order(), Ok(()));
}

#[test]
fn a_changed_config_rewinds_to_before_the_first_difference() {
    let stored = ChainConfig {
        homestead_block: Some(30),
        eip150_block: Some(10),
        eip155_block: Some(10),
        eip158_block: Some(10),
        chain_id: 7,
        ..ChainConfig::default()
    };
    let conflict = |change: fn(&mut ChainConfig), number, timestamp| {
        let mut new = stored.clone();
        change(&mut new);
        stored.check_compatible(&new, number, timestamp).err()
    };
    assert_eq!(conflict(|_| (), 1_000, 0), None);
    // A fork that is still ahead may change.
    assert_eq!(conflict(|new| new.homestead_block = Some(20), 9, 0), None);
    assert_eq!(conflict(|new| new.homestead_block = None, 29, 0), None);

    let earlier = conflict(|new| new.homestead_block = Some(20), 25, 0).unwrap();
    assert_eq!(earlier.rewind, Rewind::ToBlock(19));
    assert_eq!(
        earlier.to_string(),
        "mismatching homestead fork block in database: have block 30, want block 20; \
         rewind to block 19"
    );
    let gone = conflict(|new| new.homestead_block = None, 40, 0).unwrap();
    assert_eq!(gone.rewind, Rewind::ToBlock(29));
    assert!(gone.to_string().contains("want never"));
    // Of two conflicts the error names the one that goes further back.
    let both = conflict(
        |new| {
            new.homestead_block = None;
            new.eip150_block = Some(20);
        },
        40,
        0,
    )
    .unwrap();
    assert_eq!(
        (both.what, both.rewind),
        ("EIP-150 fork block", Rewind::ToBlock(9))
    );
    // The chain id is in force from EIP-158 on.
    assert_eq!(conflict(|new| new.chain_id = 8, 9, 0), None);
    let chain_id = conflict(|new| new.chain_id = 8, 10, 0).unwrap();
    assert_eq!(
        chain_id.to_string(),
        "mismatching EIP-158 chain id in database: in force since block 10; rewind to block 9"
    );
    // A conflict at genesis cannot rewind further back.
    let at_genesis = conflict(|new| new.byzantium_block = Some(0), 0, 0).unwrap();
    assert_eq!(at_genesis.rewind, Rewind::ToBlock(0));
    // Forks by time.
    assert_eq!(conflict(|new| new.shanghai_time = Some(100), 0, 99), None);
    let by_time = conflict(|new| new.shanghai_time = Some(100), 0, 100).unwrap();
    assert_eq!(by_time.rewind, Rewind::ToTime(99));
}

#[test]
fn a_missing_petersburg_block_may_be_added_later() {
    let stored = ChainConfig {
        constantinople_block: Some(3),
        ..ChainConfig::default()
    };
    let mut new = ChainConfig {
        petersburg_block: Some(3),
        ..stored.clone()
    };
    assert_eq!(stored.check_compatible(&new, 10, 0), Ok(()));
    new.petersburg_block = Some(4);
    assert!(stored.check_compatible(&new, 10, 0).is_err());
}

fn mainnet_fork_id(number: u64, timestamp: u64) -> ForkId {
    ForkId::new(
        &ChainConfig::mainnet(),
        &MAINNET_GENESIS_HASH,
        0,
        number,
        timestamp,
    )
}

fn id(hash: u32, next: u64) -> ForkId {
    ForkId {
        hash: hash.to_be_bytes().into(),
        next,
    }
}

/// Vectors that EIP-2124, EIP-6122 and geth's tests publish for mainnet.
#[test]
fn mainnet_fork_ids_match_the_published_vectors() {
    for (number, timestamp, expected) in [
        (0, 0, id(0xfc64ec04, 1_150_000)),
        (1_149_999, 0, id(0xfc64ec04, 1_150_000)),
        (1_150_000, 0, id(0x97c2c34c, 1_920_000)),
        (1_920_000, 0, id(0x91d1f948, 2_463_000)),
        (2_463_000, 0, id(0x7a64da13, 2_675_000)),
        (2_675_000, 0, id(0x3edd5b10, 4_370_000)),
        (4_370_000, 0, id(0xa00bc324, 7_280_000)),
        (7_280_000, 0, id(0x668db0af, 9_069_000)),
        (9_069_000, 0, id(0x879d6e30, 9_200_000)),
        (9_200_000, 0, id(0xe029e991, 12_244_000)),
        (12_244_000, 0, id(0x0eb440f6, 12_965_000)),
        (12_965_000, 0, id(0xb715077d, 13_773_000)),
        (13_773_000, 0, id(0x20c327fc, 15_050_000)),
        (15_050_000, 0, id(0xf0afd0e3, 1_681_338_455)),
        (20_000_000, 1_681_338_455, id(0xdce96c2d, 1_710_338_135)),
        (30_000_000, 1_710_338_135, id(0x9f3d2254, 1_746_612_311)),
        (30_000_000, 1_746_612_311, id(0xc376cf8b, 1_764_798_551)),
        (30_000_000, 1_764_798_551, id(0x5167e2a6, 1_765_290_071)),
        (30_000_000, 1_765_290_071, id(0xcba2a1c0, 1_767_747_671)),
        (30_000_000, 1_767_747_671, id(0x07c9462e, 0)),
    ] {
        assert_eq!(
            mainnet_fork_id(number, timestamp),
            expected,
            "{number} {timestamp}"
        );
    }
}

#[test]
fn the_fork_filter_follows_the_rules_of_eip_2124() {
    use ForkIdError::{LocalIncompatibleOrStale, RemoteStale};
    // A chain that knows no fork after Petersburg, as in the examples of EIP-2124.
    let until_petersburg = ChainConfig {
        istanbul_block: None,
        muir_glacier_block: None,
        berlin_block: None,
        london_block: None,
        arrow_glacier_block: None,
        gray_glacier_block: None,
        shanghai_time: None,
        cancun_time: None,
        prague_time: None,
        osaka_time: None,
        bpo_times: [None; 5],
        ..ChainConfig::mainnet()
    };
    let old = ForkFilter::new(&until_petersburg, &MAINNET_GENESIS_HASH, 0);
    for (head, remote, expected) in [
        // The same fork, with or without a next fork.
        (7_987_396, id(0x668db0af, 0), Ok(())),
        (7_987_396, id(0x668db0af, u64::MAX), Ok(())),
        // Both are in Byzantium; the peer does not know of Petersburg, or announces another block
        // for it.
        (7_279_999, id(0xa00bc324, 0), Ok(())),
        (7_279_999, id(0xa00bc324, 7_280_000), Ok(())),
        (7_279_999, id(0xa00bc324, u64::MAX), Ok(())),
        // The peer is behind, and does or does not announce the fork that comes next for it.
        (7_987_396, id(0xa00bc324, 7_280_000), Ok(())),
        (7_987_396, id(0x3edd5b10, 4_370_000), Ok(())),
        (7_987_396, id(0xa00bc324, 0), Err(RemoteStale)),
        // The peer is ahead.
        (7_279_999, id(0x668db0af, 0), Ok(())),
        (4_369_999, id(0xa00bc324, 0), Ok(())),
        // The peer is on another chain.
        (7_987_396, id(0x5cddc0e1, 0), Err(LocalIncompatibleOrStale)),
        (7_279_999, id(0x5cddc0e1, 0), Err(LocalIncompatibleOrStale)),
        (7_987_396, id(0xafec6b27, 0), Err(LocalIncompatibleOrStale)),
        // The peer announces an unknown fork at a block that the local chain has passed.
        (
            88_888_888,
            id(0x668db0af, 88_888_888),
            Err(LocalIncompatibleOrStale),
        ),
        (
            7_279_999,
            id(0xa00bc324, 7_279_999),
            Err(LocalIncompatibleOrStale),
        ),
    ] {
        assert_eq!(old.validate(remote, head, 0), expected, "{head} {remote:?}");
    }

    let mut config = ChainConfig::mainnet();
    config.prague_time = None;
    config.osaka_time = None;
    config.bpo_times = [None; 5];
    let new = ForkFilter::new(&config, &MAINNET_GENESIS_HASH, 0);
    for (head, time, remote, expected) in [
        (20_000_000, 1_681_338_455, id(0xdce96c2d, 0), Ok(())),
        (
            20_000_000,
            1_681_338_455,
            id(0xdce96c2d, 1_710_338_135),
            Ok(()),
        ),
        (
            20_000_000,
            1_681_338_455,
            id(0xf0afd0e3, 1_681_338_455),
            Ok(()),
        ),
        (
            20_000_000,
            1_681_338_455,
            id(0xf0afd0e3, 0),
            Err(RemoteStale),
        ),
        (15_050_000, 0, id(0xdce96c2d, 0), Ok(())),
        (15_050_000, 0, id(0x9f3d2254, 0), Ok(())),
        (
            20_000_000,
            1_800_000_000,
            id(0x9f3d2254, 1_799_999_999),
            Err(LocalIncompatibleOrStale),
        ),
        (
            20_000_000,
            1_800_000_000,
            id(0x9f3d2254, 1_800_000_001),
            Ok(()),
        ),
        (
            20_000_000,
            1_681_338_455,
            id(0x12345678, 0),
            Err(LocalIncompatibleOrStale),
        ),
    ] {
        assert_eq!(
            new.validate(remote, head, time),
            expected,
            "{head} {time} {remote:?}"
        );
    }
}

#[test]
fn the_fork_id_omits_forks_that_begin_at_genesis() {
    let genesis = b256!("0101010101010101010101010101010101010101010101010101010101010101");
    let config = ChainConfig::active_from_genesis(1, Fork::Osaka);
    let bare = ChainConfig {
        chain_id: 1,
        ..ChainConfig::default()
    };
    let of = |config: &ChainConfig| ForkId::new(config, &genesis, 100, 0, 100);
    assert_eq!(of(&config), of(&bare));
    let before_genesis = ChainConfig {
        shanghai_time: Some(100),
        ..bare.clone()
    };
    assert_eq!(of(&before_genesis), of(&bare));
}

#[test]
fn a_config_survives_a_json_round_trip() {
    let mut clique = ChainConfig::active_from_genesis(1337, Fork::Osaka);
    clique.clique = Some(CliqueConfig {
        period: 3,
        epoch: 100,
    });
    clique.eip150_hash = Some(B256::repeat_byte(1));
    clique.bpo_times = [Some(1), Some(2), Some(3), Some(4), Some(5)];
    clique.blob_schedule.insert(Fork::Bpo5, BlobParams::BPO2);
    for config in [ChainConfig::mainnet(), clique, ChainConfig::default()] {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(ChainConfig::from_json(&json), Ok(config));
    }
    let json = serde_json::to_string(&ChainConfig::mainnet()).unwrap();
    assert!(json.contains("\"terminalTotalDifficulty\":58750000000000000000000,"));
    assert_eq!(Genesis::mainnet().config, ChainConfig::mainnet());
}
