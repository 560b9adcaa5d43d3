//! Rejection of genesis files for other clients and engines, with advice on converting them.

use super::json::{GenesisError, Object};

/// Unsupported consensus engines: the member of `config` that selects the engine, and its name.
const ENGINES: [(&str, &str); 13] = [
    ("ibft2", "IBFT 2.0 (Besu)"),
    ("qbft", "QBFT (Besu, GoQuorum)"),
    ("ibft", "IBFT (GoQuorum)"),
    ("istanbul", "Istanbul BFT (GoQuorum)"),
    ("raft", "Raft (GoQuorum)"),
    ("aura", "AuRa"),
    ("authorityRound", "AuRa (Parity)"),
    ("bor", "Bor (Polygon)"),
    ("parlia", "Parlia (BNB Smart Chain)"),
    ("congress", "Congress (HECO)"),
    ("tendermint", "Tendermint"),
    ("optimism", "the OP stack"),
    ("taiko", "Taiko"),
];

/// Refuses the chain specifications of Parity, OpenEthereum, Nethermind and Aleth.
pub(super) fn refuse_chain_spec(root: &Object<'_>) -> Result<(), GenesisError> {
    let has = |name: &str| root.get(name).is_some();
    if has("config") {
        return Ok(());
    }
    let is_parity = has("engine") && (has("params") || has("genesis"));
    let is_aleth = has("sealEngine");
    if !is_parity && !is_aleth {
        return Ok(());
    }
    let source = if is_parity {
        "Parity's (OpenEthereum's, Nethermind's)"
    } else {
        "Aleth's (cpp-ethereum's)"
    };
    Err(GenesisError::new(
        "",
        format!(
            "this is a chain specification of {source}, not a genesis file of geth's; convert it: \
             params.networkID (chainID) to config.chainId; params.eip150Transition, \
             eip155Transition, eip161abcTransition, eip140Transition, eip145Transition, ... to \
             config.eip150Block, eip155Block, eip158Block, byzantiumBlock, constantinopleBlock, \
             ...; engine.clique.params to config.clique (period, epoch), or engine.Ethash to \
             config.ethash; genesis.seal, difficulty, gasLimit, extraData, author, timestamp to \
             nonce and mixHash, difficulty, gasLimit, extraData, coinbase, timestamp; accounts to \
             alloc. A chain sealed by authorityRound can't be taken over"
        ),
    ))
}

/// Refuses configs that name another engine or Quorum's rules. Without this check such a chain
/// would be taken for one of proof of work.
pub(super) fn refuse_engine(config: &Object<'_>) -> Result<(), GenesisError> {
    for (member, engine) in ENGINES {
        if let Some(node) = config.get(member) {
            return Err(node.error(format!(
                "blocks sealed by {engine} are not supported, only by clique and ethash; such a \
                 chain's state can be moved to the alloc of a new genesis with config.clique"
            )));
        }
    }
    if let Some(node) = config.get("isQuorum")
        && node.bool()?
    {
        return Err(node.error(
            "Quorum's rules (private transactions, no gas price) are not supported; for a clique \
             chain without private transactions remove isQuorum, txnSizeLimit, maxCodeSize, \
             maxCodeSizeConfig, privacyEnhancementsBlock and qip714Block",
        ));
    }
    Ok(())
}
