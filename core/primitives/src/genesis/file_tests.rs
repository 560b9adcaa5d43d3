//! Tests with genesis files of Besu, of tutorials and of other clients.

use super::*;
use crate::config::{CliqueConfig, ForkOrderError};

/// Returns a genesis file with this `config` and the members `more` before it.
fn file(config: &str, more: &str) -> String {
    format!(
        "{{{more} \"config\": {config}, \"gasLimit\": \"0x47b760\", \"difficulty\": \"0x1\", \
         \"alloc\": {{}}}}"
    )
}

fn read(config: &str) -> GenesisFile {
    GenesisFile::from_json(&file(config, "")).unwrap()
}

fn refused(config: &str, parts: &[&str]) {
    let error = GenesisFile::from_json(&file(config, "")).unwrap_err();
    let error = error.to_string();
    for part in parts {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn clique_members_of_besu_are_read() {
    let of = |clique: &str| {
        let file = read(&format!("{{\"chainId\": 5, \"clique\": {clique}}}"));
        file.genesis.config.clique.unwrap()
    };
    let clique = |period, epoch| CliqueConfig { period, epoch };
    let besu = r#"{"blockperiodseconds": 7, "epochlength": 100, "createemptyblocks": true}"#;
    assert_eq!(of(besu), clique(7, 100));
    assert_eq!(
        of(r#"{"blockPeriodSeconds": "9", "epochLength": 4}"#),
        clique(9, 4)
    );
    assert_eq!(of(r#"{"epochlength": 4}"#), clique(15, 4), "Besu's default");
    assert_eq!(of(r#"{"period": 3, "epoch": 4}"#), clique(3, 4));
    assert_eq!(of(r#"{"period": 3}"#), clique(3, 30_000));
}

#[test]
fn besus_create_empty_blocks_is_kept() {
    for (value, skips) in [("false", true), ("true", false)] {
        let clique = format!("{{\"blockperiodseconds\": 7, \"createemptyblocks\": {value}}}");
        let config = read(&format!("{{\"chainId\": 5, \"clique\": {clique}}}"))
            .genesis
            .config;
        assert_eq!(config.skips_empty_blocks, skips);
        let stored = serde_json::to_string(&config).unwrap();
        assert_eq!(ChainConfig::from_json(&stored).unwrap(), config);
    }
    refused(
        r#"{"chainId": 5, "clique": {"createemptyblocks": 3}}"#,
        &["config.clique.createEmptyBlocks"],
    );
}

#[test]
fn a_fork_in_a_besu_file_includes_the_earlier_forks() {
    let clique = r#""clique": {"blockperiodseconds": 7}"#;
    let config = read(&format!(
        "{{\"chainId\": 5, \"berlinBlock\": 0, \"londonBlock\": 9, {clique}}}"
    ))
    .genesis
    .config;
    config.check_fork_order().unwrap();
    assert_eq!(config.fork_at(0, 0), Fork::Berlin);
    assert_eq!(config.fork_at(9, 0), Fork::London);
    assert!(config.is_eip155_active(0));

    let config = read(&format!(
        "{{\"chainId\": 5, \"constantinopleFixBlock\": 3, {clique}}}"
    ))
    .genesis
    .config;
    config.check_fork_order().unwrap();
    assert_eq!(config.fork_at(0, 0), Fork::Frontier);
    assert_eq!(config.fork_at(3, 0), Fork::Petersburg);

    let config = read(&format!(
        "{{\"chainId\": 5, \"constantinopleBlock\": 3, {clique}}}"
    ))
    .genesis
    .config;
    assert_eq!(config.fork_at(3, 0), Fork::Constantinople);

    let config = read(&format!(
        "{{\"chainId\": 5, \"shanghaiTime\": 0, {clique}}}"
    ))
    .genesis
    .config;
    config.check_fork_order().unwrap();
    assert_eq!(config.fork_at(0, 0), Fork::Shanghai);
    assert_eq!(config.terminal_total_difficulty, None);
}

#[test]
fn bootnodes_and_code_size_limit_of_besu_are_kept() {
    let file = read(
        r#"{"chainId": 5, "berlinBlock": 0, "contractSizeLimit": 2147483647,
            "discovery": {"bootnodes": ["enode://a@1.2.3.4:5"], "dns": "enrtree://x"},
            "clique": {"blockperiodseconds": 7}}"#,
    );
    assert_eq!(file.bootnodes, ["enode://a@1.2.3.4:5"]);
    assert_eq!(file.warnings.len(), 1);
    let config = file.genesis.config;
    assert_eq!(config.code_size_limit, Some(2_147_483_647));
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(ChainConfig::from_json(&json).unwrap(), config);
    let usual = read(r#"{"chainId": 5, "contractSizeLimit": 24576}"#);
    assert_eq!(usual.genesis.config.code_size_limit, None);
}

#[test]
fn unsupported_rules_of_besu_are_refused() {
    for (member, field) in [
        (r#""zeroBaseFee": true"#, "config.zeroBaseFee"),
        (
            r#""discovery": {}, "classicForkBlock": 1"#,
            "config.classicForkBlock",
        ),
        (r#""evmStackSize": 5"#, "config.evmStackSize"),
        (r#""ecCurve": "secp256r1""#, "config.ecCurve"),
        (
            r#""transitions": {"clique": [{"block": 5}]}"#,
            "config.transitions.clique",
        ),
        (
            r#""discovery": {}, "ethash": {"fixeddifficulty": 1000}"#,
            "config.ethash.fixedDifficulty",
        ),
    ] {
        refused(&format!("{{\"chainId\": 5, {member}}}"), &[field]);
    }
    read(r#"{"chainId": 5, "transitions": {"clique": []}, "zeroBaseFee": false}"#);
}

#[test]
fn other_engines_and_clients_are_refused_by_name() {
    for engine in ["ibft2", "qbft", "istanbul", "aura", "bor"] {
        refused(
            &format!("{{\"chainId\": 5, \"{engine}\": {{}}}}"),
            &[&format!("config.{engine}"), "clique and ethash"],
        );
    }
    refused(
        r#"{"chainId": 5, "isQuorum": true}"#,
        &["isQuorum", "remove"],
    );
    read(r#"{"chainId": 5, "isQuorum": false}"#);
    let parity = r#"{"name": "x", "engine": {"clique": {}}, "params": {}, "accounts": {}}"#;
    let error = GenesisFile::from_json(parity).unwrap_err().to_string();
    assert!(
        error.contains("Parity") && error.contains("config.chainId"),
        "{error}"
    );
    let aleth = r#"{"sealEngine": "Ethash", "params": {}, "accounts": {}}"#;
    let error = GenesisFile::from_json(aleth).unwrap_err().to_string();
    assert!(error.contains("Aleth"), "{error}");
}

#[test]
fn a_missing_chain_id_is_zero_with_a_warning() {
    let file = read(r#"{"homesteadBlock": 0, "eip150Block": 0}"#);
    assert_eq!(file.genesis.config.chain_id, 0);
    assert_eq!(file.warnings.len(), 1);
    assert!(file.warnings[0].contains("chainId"), "{:?}", file.warnings);
}

#[test]
fn text_after_the_closing_brace_is_ignored() {
    let json = file(r#"{"chainId": 5}"#, "");
    let clean = GenesisFile::from_json(&format!("{json}\n \n")).unwrap();
    assert!(clean.warnings.is_empty());
    let file = GenesisFile::from_json(&format!("{json}\n}} // end")).unwrap();
    assert_eq!(file.genesis, clean.genesis);
    assert!(file.warnings[0].contains("closing brace"));
    for wrong in ["", "  ", "{", "no JSON"] {
        let error = GenesisFile::from_json(wrong).unwrap_err().to_string();
        assert!(error.contains("not valid JSON"), "{error}");
    }
}

#[test]
fn a_gas_limit_of_zero_becomes_the_default_of_geth() {
    let json = file(r#"{"chainId": 5}"#, "").replace("0x47b760", "0x0");
    let file = GenesisFile::from_json(&json).unwrap();
    assert_eq!(file.genesis.header(B256::ZERO).gas_limit, 4_712_388);
    assert!(file.warnings[0].contains("4712388"));
}

#[test]
fn a_total_difficulty_of_zero_needs_london() {
    let config = |london: &str| {
        let config = format!(
            "{{\"chainId\": 5, \"homesteadBlock\": 0, \"eip150Block\": 0, \"eip155Block\": 0, \
             \"eip158Block\": 0, \"byzantiumBlock\": 0, \"constantinopleBlock\": 0, \
             \"petersburgBlock\": 0, \"istanbulBlock\": 0, \"berlinBlock\": 0, {london} \
             \"terminalTotalDifficulty\": 0}}"
        );
        read(&config)
    };
    for london in ["", "\"londonBlock\": 100,"] {
        let file = config(london);
        assert_eq!(file.genesis.config.terminal_total_difficulty, None);
        assert_eq!(file.warnings.len(), 1, "{:?}", file.warnings);
        assert_eq!(file.genesis.header(B256::ZERO).base_fee_per_gas, None);
    }
    let merged = config("\"londonBlock\": 0,");
    let difficulty = merged.genesis.config.terminal_total_difficulty;
    assert_eq!(difficulty, Some(U256::ZERO));
    assert!(merged.warnings.is_empty());

    // A hand-made config gives geth's first header too.
    let mut genesis = config("\"londonBlock\": 100,").genesis;
    genesis.config.terminal_total_difficulty = Some(U256::ZERO);
    assert_eq!(genesis.header(B256::ZERO).base_fee_per_gas, None);
}

#[test]
fn eip150_may_be_missing_before_istanbul() {
    let forks = "\"homesteadBlock\": 0, \"eip155Block\": 0, \"eip158Block\": 0";
    let file = read(&format!("{{\"chainId\": 5, {forks}}}"));
    assert!(file.warnings[0].contains("eip150Block"));
    let config = file.genesis.config;
    config.check_fork_order().unwrap();
    assert_eq!(config.fork_at(0, 0), Fork::SpuriousDragon);
    assert!(config.lacks_eip150(0));

    let later = "\"byzantiumBlock\": 0, \"constantinopleBlock\": 0, \"petersburgBlock\": 0, \
                 \"istanbulBlock\": 50";
    let corrected = read(&format!(
        "{{\"chainId\": 5, {forks}, {later}, \"eip150Block\": 50}}"
    ));
    let corrected = corrected.genesis.config;
    corrected.check_fork_order().unwrap();
    assert!(corrected.lacks_eip150(49) && !corrected.lacks_eip150(50));
    config.check_compatible(&corrected, 0, 0).unwrap_err();
    let without = read(&format!("{{\"chainId\": 5, {forks}, {later}}}"));
    let error = without.genesis.config.check_fork_order().unwrap_err();
    assert!(matches!(
        error,
        ForkOrderError::Missing {
            missing: "eip150Block",
            ..
        }
    ));
}
