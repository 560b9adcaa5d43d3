//! The chain config behind a network's name in the vectors.

use actoreum_primitives::config::BlobParams;
use actoreum_primitives::{ChainConfig, Fork, U256};
use revm::primitives::address;

use super::json::parse_num;

/// The config of `Berlin`, `BerlinToLondonAt5`, `PragueToOsakaAtTime15k`, …
pub fn config(network: &str, test_config: &serde_json::Value) -> Option<ChainConfig> {
    let mut config = ChainConfig {
        chain_id: 1,
        deposit_contract_address: Some(address!("0x00000000219ab540356cbb839cbe05303d7705fa")),
        ..ChainConfig::default()
    };
    match network.split_once("To") {
        None => activate(&mut config, fork(network)?, 0),
        Some((from, to)) => {
            activate(&mut config, fork(from)?, 0);
            if let Some((to, time)) = to.split_once("AtTime") {
                let time = time.strip_suffix('k')?.parse::<u64>().ok()? * 1_000;
                activate(&mut config, fork(to)?, time);
            } else if let Some((to, difficulty)) = to.split_once("AtDiff") {
                assert_eq!(to, "Paris");
                let difficulty = U256::from_str_radix(difficulty, 16).ok()?;
                config.terminal_total_difficulty = Some(difficulty);
            } else {
                let (to, block) = to.split_once("At")?;
                let block = block.parse().ok()?;
                if to == "Dao" {
                    config.dao_fork_block = Some(block);
                    config.dao_fork_support = true;
                } else {
                    activate(&mut config, fork(to)?, block);
                }
            }
        }
    }
    if let Some(schedule) = test_config
        .get("blobSchedule")
        .and_then(|it| it.as_object())
    {
        for (name, params) in schedule {
            let number = |key: &str| {
                let text = params.get(key)?.as_str()?;
                Some(parse_num(text).ok()?.saturating_to::<u64>())
            };
            let params = BlobParams {
                target: number("target")?,
                max: number("max")?,
                base_fee_update_fraction: number("baseFeeUpdateFraction")?,
            };
            config.blob_schedule.insert(fork(name)?, params);
        }
    }
    Some(config)
}

fn fork(name: &str) -> Option<Fork> {
    Some(match name {
        "Frontier" => Fork::Frontier,
        "Homestead" => Fork::Homestead,
        "EIP150" => Fork::TangerineWhistle,
        "EIP158" => Fork::SpuriousDragon,
        "Byzantium" => Fork::Byzantium,
        "Constantinople" => Fork::Constantinople,
        "ConstantinopleFix" => Fork::Petersburg,
        "Istanbul" => Fork::Istanbul,
        "Berlin" => Fork::Berlin,
        "London" => Fork::London,
        "ArrowGlacier" => Fork::ArrowGlacier,
        "Merge" | "Paris" => Fork::Paris,
        "Shanghai" => Fork::Shanghai,
        "Cancun" => Fork::Cancun,
        "Prague" => Fork::Prague,
        "Osaka" => Fork::Osaka,
        "BPO1" => Fork::Bpo1,
        "BPO2" => Fork::Bpo2,
        _ => return None,
    })
}

/// Sets every fork up to `fork` that is not set yet to `at`, a block or a time.
fn activate(config: &mut ChainConfig, fork: Fork, at: u64) {
    let mut set = |this: Fork, slot: fn(&mut ChainConfig) -> &mut Option<u64>| {
        if this <= fork {
            slot(config).get_or_insert(at);
        }
    };
    set(Fork::Homestead, |config| &mut config.homestead_block);
    set(Fork::TangerineWhistle, |config| &mut config.eip150_block);
    set(Fork::SpuriousDragon, |config| &mut config.eip155_block);
    set(Fork::SpuriousDragon, |config| &mut config.eip158_block);
    set(Fork::Byzantium, |config| &mut config.byzantium_block);
    set(Fork::Constantinople, |config| {
        &mut config.constantinople_block
    });
    set(Fork::Petersburg, |config| &mut config.petersburg_block);
    set(Fork::Istanbul, |config| &mut config.istanbul_block);
    set(Fork::MuirGlacier, |config| &mut config.muir_glacier_block);
    set(Fork::Berlin, |config| &mut config.berlin_block);
    set(Fork::London, |config| &mut config.london_block);
    set(Fork::ArrowGlacier, |config| &mut config.arrow_glacier_block);
    set(Fork::GrayGlacier, |config| &mut config.gray_glacier_block);
    set(Fork::Shanghai, |config| &mut config.shanghai_time);
    set(Fork::Cancun, |config| &mut config.cancun_time);
    set(Fork::Prague, |config| &mut config.prague_time);
    set(Fork::Osaka, |config| &mut config.osaka_time);
    set(Fork::Bpo1, |config| &mut config.bpo_times[0]);
    set(Fork::Bpo2, |config| &mut config.bpo_times[1]);
    if fork >= Fork::Paris {
        config.terminal_total_difficulty.get_or_insert(U256::ZERO);
    }
    if fork == Fork::Constantinople {
        config.petersburg_block = Some(u64::MAX);
    }
}
