//! The members of a genesis file that only Besu has: other names for clique's settings, forks that
//! include the forks before them, and bootnodes.
//!
//! Each has the meaning that Besu's `JsonGenesisConfigOptions` and `JsonCliqueConfigOptions` give
//! it.

use super::json::{GenesisError, Node, Object};
use crate::config::{CliqueConfig, DEFAULT_CLIQUE_EPOCH, DEFAULT_CODE_SIZE_LIMIT};
use crate::{ChainConfig, U256};

/// Number of seconds between clique blocks that Besu assumes if the file gives none.
const DEFAULT_PERIOD: u64 = 15;
/// Number of slots of the EVM's stack, which this node does not make configurable.
const STACK_SIZE: u64 = 1024;

/// Members of `config` that only Besu has.
const MEMBERS: [&str; 8] = [
    "constantinopleFixBlock",
    "contractSizeLimit",
    "discovery",
    "ecCurve",
    "evmStackSize",
    "fixedBaseFee",
    "transitions",
    "zeroBaseFee",
];
/// Members of `config.clique` that only Besu has.
const CLIQUE_MEMBERS: [&str; 3] = ["blockPeriodSeconds", "epochLength", "createEmptyBlocks"];
/// Forks of Ethereum Classic and of experiments, by Besu's names.
const FOREIGN_FORKS: [&str; 17] = [
    "classicForkBlock",
    "ecip1015Block",
    "dieHardBlock",
    "gothamBlock",
    "ecip1041Block",
    "defuseDifficultyBombBlock",
    "atlantisBlock",
    "aghartaBlock",
    "phoenixBlock",
    "thanosBlock",
    "magnetoBlock",
    "mystiqueBlock",
    "spiralBlock",
    "cancunEOFTime",
    "amsterdamTime",
    "futureEipsTime",
    "experimentalEipsTime",
];

/// Adds Besu's settings to `config` and returns the URLs of the bootnodes. A file without Besu's
/// members is left unchanged.
pub(super) fn apply_members(
    object: &Object<'_>,
    config: &mut ChainConfig,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, GenesisError> {
    let clique = object.read("clique", Node::object)?;
    let has_clique_member = |clique: &Object<'_>| has_one_of(clique, &CLIQUE_MEMBERS);
    if !has_one_of(object, &MEMBERS) && !clique.as_ref().is_some_and(has_clique_member) {
        return Ok(Vec::new());
    }
    refuse_unsupported(object)?;
    if let Some(clique) = &clique {
        config.clique = Some(read_clique(clique)?);
    }
    if let Some(block) = object.read("constantinopleFixBlock", Node::u64)? {
        config.petersburg_block.get_or_insert(block);
    }
    // Besu moves the DAO's ether whenever the fork is configured.
    config.dao_fork_support |= config.dao_fork_block.is_some();
    include_earlier_forks(config);
    config.code_size_limit = object
        .read("contractSizeLimit", Node::u64)?
        .filter(|limit| *limit != DEFAULT_CODE_SIZE_LIMIT);

    let Some(discovery) = object.read("discovery", Node::object)? else {
        return Ok(Vec::new());
    };
    if discovery.get("dns").is_some() {
        warnings.push("config.discovery.dns is not used: no DNS lists of nodes".to_owned());
    }
    Ok(discovery
        .read("bootnodes", Node::strings)?
        .unwrap_or_default())
}

fn has_one_of(object: &Object<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| object.get(name).is_some())
}

/// Returns the first of the two spellings that is present.
fn either<'a>(object: &Object<'a>, besu: &str, geth: &str) -> Option<Node<'a>> {
    object.get(besu).or_else(|| object.get(geth))
}

fn read_clique(clique: &Object<'_>) -> Result<CliqueConfig, GenesisError> {
    let period = match either(clique, "blockPeriodSeconds", "period") {
        Some(node) => node.u64()?,
        None => DEFAULT_PERIOD,
    };
    let epoch = match either(clique, "epochLength", "epoch") {
        Some(node) => node.u64()?,
        None => 0,
    };
    Ok(CliqueConfig {
        period,
        epoch: match epoch {
            0 => DEFAULT_CLIQUE_EPOCH,
            epoch => epoch,
        },
    })
}

/// Refuses rules that geth does not support either.
fn refuse_unsupported(object: &Object<'_>) -> Result<(), GenesisError> {
    for name in FOREIGN_FORKS {
        if let Some(node) = object.get(name) {
            return Err(node.error("this fork of Besu is not supported"));
        }
    }
    for name in ["zeroBaseFee", "fixedBaseFee"] {
        if let Some(node) = object.get(name)
            && node.bool()?
        {
            return Err(node.error("only the base fee of EIP-1559 is supported"));
        }
    }
    if let Some(node) = object.get("evmStackSize")
        && node.u64()? != STACK_SIZE
    {
        return Err(node.error("only a stack of 1024 slots is supported"));
    }
    if let Some(node) = object.get("ecCurve")
        && node.string()? != "secp256k1"
    {
        return Err(node.error("only secp256k1 is supported"));
    }
    if let Some(transitions) = object.get("transitions") {
        for (_, node) in transitions.object()?.members() {
            if !node.is_empty() {
                return Err(node.error("settings that change at a block are not supported"));
            }
        }
    }
    if let Some(ethash) = object.read("ethash", Node::object)?
        && let Some(node) = ethash.get("fixedDifficulty")
    {
        return Err(node.error("a fixed difficulty of ethash is not supported"));
    }
    Ok(())
}

/// Activates the forks that Besu's file implies: a fork includes all forks before it, so each fork
/// that is missing begins with the next one that is present.
fn include_earlier_forks(config: &mut ChainConfig) {
    // From London on, a fork by time begins with the first block at the earliest.
    let by_time = [
        &mut config.shanghai_time,
        &mut config.cancun_time,
        &mut config.prague_time,
        &mut config.osaka_time,
    ];
    let mut next = None;
    for time in by_time.into_iter().rev() {
        next = time.or(next);
        *time = next;
    }
    let glaciers = [config.arrow_glacier_block, config.gray_glacier_block];
    let mut next = match next {
        // London and the merge precede Shanghai.
        Some(0) => Some(0),
        // The block at which a time is reached is unknown, so London must be set explicitly.
        Some(_) => None,
        None if config.terminal_total_difficulty == Some(U256::ZERO) => Some(0),
        None => glaciers.into_iter().flatten().min(),
    };
    // The rule of Constantinople that Petersburg revoked is in force until Petersburg.
    let has_constantinople = config.constantinople_block.is_some();
    let by_block = [
        &mut config.homestead_block,
        &mut config.eip150_block,
        &mut config.eip158_block,
        &mut config.byzantium_block,
        &mut config.constantinople_block,
        &mut config.petersburg_block,
        &mut config.istanbul_block,
        &mut config.berlin_block,
        &mut config.london_block,
    ];
    for block in by_block.into_iter().rev() {
        next = block.or(next);
        *block = next;
    }
    if has_constantinople && config.petersburg_block.is_none() {
        config.petersburg_block = Some(u64::MAX);
    }
    config.eip155_block = config.eip155_block.or(config.eip158_block);
}
