//! The gas price oracle and the fee history.

use std::sync::Arc;

use actoreum_chain::SealedHeader;
use actoreum_consensus::rules;
use actoreum_primitives::{B256, Block, GAS_PER_BLOB, Header, U256};

use super::blocks::{self, FoundBlock, blob_gas_price};
use super::state;
use crate::error::RpcError;
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::namespaces::sampled_tips::Sample;
use crate::node::{Node, storage};
use crate::server::json::scan::Kind;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::{MAX_FEE_HISTORY_BLOCKS, MAX_FEE_HISTORY_PERCENTILES};
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

/// Maximum number of blocks without a usable transaction that count as sampled. Each further one
/// extends the search by a block.
const MAX_SAMPLED_EMPTY_BLOCKS: usize = 10;
/// Maximum number of blocks that are read for each block that is to be sampled.
const MAX_READS_PER_SAMPLE: usize = 5;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("eth_baseFee", &[], base_fee),
        Method::view("eth_blobBaseFee", &[], blob_base_fee),
        Method::heavy(
            "eth_feeHistory",
            &["blockCount", "newestBlock", "rewardPercentiles"],
            fee_history,
        ),
        Method::heavy("eth_gasPrice", &[], gas_price),
        Method::heavy("eth_maxPriorityFeePerGas", &[], priority_fee),
    ]
}

/// Returns a price at which a transaction is likely to be included soon, in wei.
fn gas_price(node: &Node, (): ()) -> Result<U256, RpcError> {
    let head = node.chain_reader.head();
    let base_fee = U256::from(head.base_fee_per_gas.unwrap_or(0));
    Ok(suggested_tip(node, &head)?.saturating_add(base_fee))
}

/// Returns a tip at which a transaction is likely to be included soon, in wei.
fn priority_fee(node: &Node, (): ()) -> Result<U256, RpcError> {
    suggested_tip(node, &node.chain_reader.head())
}

/// Returns the base fee of the next block, in wei; null if it has none.
fn base_fee(node: &Node, (): ()) -> Result<Option<u64>, RpcError> {
    let head = node.chain_reader.head();
    let config = node.chain_reader.config();
    let is_london = config
        .london_block
        .is_some_and(|block| block <= head.number + 1);
    Ok(is_london.then(|| next_base_fee(node, &head)))
}

/// Returns the price of blob gas in the head, in wei; null before Cancun.
fn blob_base_fee(node: &Node, (): ()) -> Result<Option<U256>, RpcError> {
    Ok(blob_gas_price(node, &node.chain_reader.head()))
}

/// Suggests a tip as geth's oracle does: a percentile of the lowest tips in the last blocks. Before
/// London the tip is the whole gas price.
pub(super) fn suggested_tip(node: &Node, head: &SealedHeader) -> Result<U256, RpcError> {
    let mut tips = Vec::new();
    let mut empty_left = MAX_SAMPLED_EMPTY_BLOCKS;
    let oracle = &node.settings.gas_oracle;
    let mut wanted = oracle.blocks as usize;
    let max_read = wanted.saturating_mul(MAX_READS_PER_SAMPLE);
    let mut blocks_read = 0;
    let (mut number, mut hash) = (head.number, head.hash());
    while number > 0 && blocks_read < wanted.min(max_read) {
        let Some(sample) = node.sampled_tips.of(&hash, || sample(node, &hash))? else {
            break;
        };
        match sample.tip {
            Some(tip) => tips.push(tip),
            None if empty_left > 0 => empty_left -= 1,
            None => wanted += 1,
        }
        blocks_read += 1;
        number -= 1;
        hash = sample.parent;
    }
    tips.sort_unstable();
    let place = tips.len().saturating_sub(1) * oracle.percentile as usize / 100;
    let tip = tips.get(place).copied();
    let default = U256::from(node.settings.default_gas_price);
    Ok(tip.unwrap_or(default).min(U256::from(oracle.max_price)))
}

/// Samples a block: the lowest tip of its transactions, except those of its own beneficiary.
fn sample(node: &Node, hash: &B256) -> Result<Option<Sample>, RpcError> {
    let Some(block) = node.chain_reader.block_by_hash(hash).map_err(storage)? else {
        return Ok(None);
    };
    let parent = block.header.parent_hash;
    if block.body.transactions.is_empty() {
        return Ok(Some(Sample { tip: None, parent }));
    }
    let senders = blocks::senders(node, hash)?;
    let transactions = block.body.transactions.iter().zip(senders.iter());
    let tip = transactions
        .filter(|(_, sender)| **sender != block.header.beneficiary)
        .filter_map(|(transaction, _)| transaction.effective_tip(block.header.base_fee_per_gas))
        .filter(|tip| *tip >= U256::from(node.settings.gas_oracle.ignore_price))
        .min();
    Ok(Some(Sample { tip, parent }))
}

/// A count as a number or as hex.
struct Count(u64);

impl FromParam for Count {
    const SCHEMA: &'static str =
        r#"{"title":"count","oneOf":[{"type":"integer"},{"type":"string"}]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = raw.trim_matches('"');
        let parsed = match crate::hexutil::strip_prefix(text) {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        let shown = crate::error::truncate(text, crate::server::limits::MAX_ECHOED_NAME);
        parsed
            .map(Self)
            .ok_or_else(|| ParamError::text(format!("invalid hex or decimal integer \"{shown}\"")))
    }
}

/// A percentile.
struct Percent(f64);

impl FromParam for Percent {
    const SCHEMA: &'static str = r#"{"type":"number"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let mistyped = || ParamError::mistyped(Kind::of(raw).name(), "float64");
        raw.parse().map(Self).map_err(|_| mistyped())
    }
}

/// The result of `eth_feeHistory`.
struct FeeHistory {
    oldest: u64,
    rewards: Option<Vec<Vec<U256>>>,
    base_fees: Vec<u64>,
    gas_used_ratios: Vec<f64>,
    /// The blob fees; zero for a block before Cancun. None on a chain whose rules geth 1.8 knew.
    blobs: Option<BlobHistory>,
}

#[derive(Default)]
struct BlobHistory {
    base_fees: Vec<U256>,
    gas_used_ratios: Vec<f64>,
}

impl WriteJson for FeeHistory {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        object.quantity("oldestBlock", self.oldest);
        if let Some(rewards) = &self.rewards {
            object.key("reward").array(rewards);
        }
        object.key("baseFeePerGas").array(&self.base_fees);
        object
            .key("gasUsedRatio")
            .array(self.gas_used_ratios.iter().map(|ratio| Ratio(*ratio)));
        if let Some(blobs) = &self.blobs {
            object.key("baseFeePerBlobGas").array(&blobs.base_fees);
            object
                .key("blobGasUsedRatio")
                .array(blobs.gas_used_ratios.iter().map(|ratio| Ratio(*ratio)));
        }
        object.end();
    }
}

struct Ratio(f64);

impl WriteJson for Ratio {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw(&self.0.to_string());
    }
}

fn fee_history(
    node: &Node,
    (Count(mut count), newest, percentiles): (Count, BlockNumber, Option<Vec<Percent>>),
) -> Result<FeeHistory, RpcError> {
    let percentiles = checked(percentiles.unwrap_or_default())?;
    let pending = state::pending(node, newest.into());
    let newest = match (&pending, newest) {
        (Some(pending), _) => SealedHeader::new(pending.block.header.clone()),
        (None, newest) => {
            // If no pending block can be built, the history has one block fewer, as in geth.
            if newest == BlockNumber::Pending {
                count = count.saturating_sub(1);
            }
            let header = node.header(BlockId::from(newest))?;
            header.ok_or_else(|| RpcError::server("request beyond head block"))?
        }
    };
    // The blocks below that of a fork are not here.
    let present = (newest.number + 1).saturating_sub(node.chain_reader.first_number());
    let count = count.min(MAX_FEE_HISTORY_BLOCKS).min(present);
    let oldest = newest.number + 1 - count;
    let mut history = FeeHistory {
        oldest,
        rewards: (!percentiles.is_empty()).then(Vec::new),
        base_fees: Vec::new(),
        gas_used_ratios: Vec::new(),
        blobs: (!node.has_geth_1_8_rules()).then(BlobHistory::default),
    };
    if count == 0 {
        history.oldest = 0;
        return Ok(history);
    }
    for number in oldest..=newest.number {
        let pending = pending.as_ref().filter(|_| number == newest.number);
        let header = if pending.is_some() {
            newest.clone()
        } else {
            let header = node
                .chain_reader
                .header_by_number(number)
                .map_err(storage)?;
            header.ok_or_else(|| RpcError::server("the chain changed: try again"))?
        };
        history.base_fees.push(header.base_fee_per_gas.unwrap_or(0));
        history
            .gas_used_ratios
            .push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        if let Some(blobs) = &mut history.blobs {
            let price = blob_gas_price(node, &header);
            blobs.base_fees.push(price.unwrap_or_default());
            blobs
                .gas_used_ratios
                .push(blob_gas_used_ratio(node, &header));
        }
        if let Some(rewards) = &mut history.rewards {
            let found = match pending {
                Some(pending) => Some(FoundBlock::from(Arc::clone(pending))),
                None => blocks::block(node, header.hash().into())?,
            };
            rewards.push(block_rewards(node, found, &percentiles)?);
        }
    }
    history.base_fees.push(next_base_fee(node, &newest));
    if let Some(blobs) = &mut history.blobs {
        blobs.base_fees.push(next_blob_base_fee(node, &newest));
    }
    Ok(history)
}

/// Returns the used share of a block's blob gas.
fn blob_gas_used_ratio(node: &Node, header: &Header) -> f64 {
    let config = node.chain_reader.config();
    let market = config.blob_params_at(header.number, header.timestamp);
    let max_gas = market.map_or(0, |market| market.max.saturating_mul(GAS_PER_BLOB));
    header.blob_gas_used.unwrap_or(0) as f64 / max_gas.max(1) as f64
}

/// Returns the price of blob gas in the block after `parent`, in wei.
fn next_blob_base_fee(node: &Node, parent: &Header) -> U256 {
    let config = node.chain_reader.config();
    let mut next = Header {
        number: parent.number + 1,
        timestamp: parent.timestamp,
        base_fee_per_gas: Some(next_base_fee(node, parent)),
        ..Header::default()
    };
    let excess = rules::blob_gas::next_excess_blob_gas(config, &next, parent);
    next.excess_blob_gas = Some(excess);
    blob_gas_price(node, &next).unwrap_or_default()
}

/// Checks that the percentiles are within 0 to 100 and ascend.
fn checked(percentiles: Vec<Percent>) -> Result<Vec<f64>, RpcError> {
    if percentiles.len() > MAX_FEE_HISTORY_PERCENTILES {
        let max = MAX_FEE_HISTORY_PERCENTILES;
        return Err(RpcError::server(format!(
            "invalid reward percentile: over the query limit {max}"
        )));
    }
    let values: Vec<f64> = percentiles.into_iter().map(|percent| percent.0).collect();
    let in_range = values.iter().all(|value| (0.0..=100.0).contains(value));
    let ascending = values
        .iter()
        .zip(values.iter().skip(1))
        .all(|(one, next)| one < next);
    if in_range && ascending {
        return Ok(values);
    }
    Err(RpcError::server(
        "invalid reward percentile: values must lie in 0 to 100 and ascend",
    ))
}

/// Returns the base fee of the block after `parent`, in wei; zero before London.
///
/// After the head of a development chain it is the one that the user chose, if any.
pub(crate) fn next_base_fee(node: &Node, parent: &Header) -> u64 {
    let config = node.chain_reader.config();
    let is_head = parent.number == node.chain_reader.head_number();
    let chosen = node.dev().ok().and(node.sealing.as_ref());
    let chosen = chosen.and_then(|sealing| sealing.control.settings().dev.chosen.base_fee);
    let is_london = config
        .london_block
        .is_some_and(|block| block <= parent.number + 1);
    if is_london {
        let by_rule = rules::base_fee::next_base_fee(config, parent);
        chosen.filter(|_| is_head).unwrap_or(by_rule)
    } else {
        0
    }
}

/// Returns the tips at these percentiles of the block's gas.
fn block_rewards(
    node: &Node,
    found: Option<FoundBlock>,
    percentiles: &[f64],
) -> Result<Vec<U256>, RpcError> {
    let missing = || RpcError::server("the receipts of a block are missing");
    let found = found.ok_or_else(missing)?;
    let receipts = found.receipts(node)?.ok_or_else(missing)?;
    let block = &found.block;
    let gas_used = receipts.iter().scan(0, |before, receipt| {
        let used = receipt.cumulative_gas_used.saturating_sub(*before);
        *before = receipt.cumulative_gas_used;
        Some(used)
    });
    let mut tips = tips_with_gas(block, gas_used);
    tips.sort_unstable();
    Ok(percentiles
        .iter()
        .map(|percentile| {
            let threshold = (block.header.gas_used as f64 * percentile / 100.0) as u64;
            let mut sum = 0;
            let reached = tips.iter().find(|(_, gas)| {
                sum += gas;
                sum >= threshold
            });
            reached.or(tips.last()).map_or(U256::ZERO, |(tip, _)| *tip)
        })
        .collect())
}

/// Returns the tip and the used gas of each transaction.
fn tips_with_gas(block: &Block, gas_used: impl Iterator<Item = u64>) -> Vec<(U256, u64)> {
    let base_fee = block.header.base_fee_per_gas;
    let tips = block
        .body
        .transactions
        .iter()
        .map(|transaction| transaction.effective_tip(base_fee).unwrap_or_default());
    tips.zip(gas_used).collect()
}
