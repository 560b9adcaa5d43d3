//! `eth_getLogs`.

use actoreum_chain::bloom_index::{self, Matcher, SECTION_BLOCKS};
use actoreum_chain::{LogWithMeta, SealedHeader};

use super::filter::LogFilter;
use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::namespaces::block_id::{BlockId, BlockNumber};
use crate::node::{Node, storage};
use crate::render;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::limits::{MAX_LOG_BLOCKS, MAX_RESPONSE_BYTES};
use crate::server::method::Method;
use crate::server::pool;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![Method::heavy("eth_getLogs", &["filter"], logs)]
}

/// The logs that were found, as JSON.
pub(super) struct FoundLogs(Vec<u8>);

impl WriteJson for FoundLogs {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(&self.0);
    }
}

/// Returns the logs that match `filter`.
pub(super) fn logs(node: &Node, (filter,): (LogFilter,)) -> Result<FoundLogs, RpcError> {
    let mut found = Writer {
        out: JsonOut::new(MAX_RESPONSE_BYTES),
        is_first: true,
    };
    found.out.raw("[");
    if let Some(hash) = filter.block_hash {
        let header = node.chain_reader.header_by_hash(&hash).map_err(storage)?;
        let header = header.ok_or_else(|| RpcError::server("unknown block"))?;
        found.add_block(node, &header, &filter)?;
    } else {
        found.add_range(node, &filter)?;
    }
    found.out.raw("]");
    if found.out.overflowed() {
        return Err(too_many());
    }
    Ok(FoundLogs(found.out.into_bytes()))
}

fn too_many() -> RpcError {
    RpcError::new(
        LIMIT_EXCEEDED,
        format!("the logs take more than {MAX_RESPONSE_BYTES} bytes: ask for fewer blocks"),
    )
}

/// Writes the JSON of the logs that are found.
struct Writer {
    out: JsonOut,
    is_first: bool,
}

impl Writer {
    fn add_range(&mut self, node: &Node, filter: &LogFilter) -> Result<(), RpcError> {
        // If no pending block can be built, the head takes its place.
        let pending = match filter.to_block {
            Some(BlockNumber::Pending) => node.pending_block(),
            _ => None,
        };
        let is_alone = pending.is_some() && filter.from_block == Some(BlockNumber::Pending);
        if !is_alone {
            self.add_canonical(node, filter)?;
        }
        if let Some(pending) = pending {
            self.add_logs(pending.logs(&filter.criteria, |_| true))?;
        }
        Ok(())
    }

    fn add_canonical(&mut self, node: &Node, filter: &LogFilter) -> Result<(), RpcError> {
        let head = node.chain_reader.head_number();
        let first = number(node, filter.from_block, head)?;
        let last = number(node, filter.to_block, head)?;
        check_range(node, first, last, head)?;
        let last = last.min(head);
        if last.saturating_sub(first) >= MAX_LOG_BLOCKS {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("the range is longer than {MAX_LOG_BLOCKS} blocks: ask in pieces"),
            ));
        }
        let matcher = Matcher::new(&filter.criteria);
        let mut next = first;
        while next <= last {
            let section = next / SECTION_BLOCKS;
            let section_last = (section * SECTION_BLOCKS + (SECTION_BLOCKS - 1)).min(last);
            let candidates = if matcher.matches_all() {
                None
            } else {
                bloom_index::candidates(&node.chain_reader, section, &matcher).map_err(storage)?
            };
            let range = next..=section_last;
            match candidates {
                Some(blocks) => {
                    let wanted = |block: &u64| range.contains(block);
                    self.add_blocks(node, filter, blocks.into_iter().filter(wanted))?;
                }
                None => self.add_blocks(node, filter, range)?,
            }
            next = section_last + 1;
        }
        Ok(())
    }

    fn add_blocks(
        &mut self,
        node: &Node,
        filter: &LogFilter,
        numbers: impl Iterator<Item = u64>,
    ) -> Result<(), RpcError> {
        for number in numbers {
            if pool::is_caller_gone() {
                return Err(RpcError::server("nobody waits for the logs any more"));
            }
            let Some(header) = node
                .chain_reader
                .header_by_number(number)
                .map_err(storage)?
            else {
                break;
            };
            self.add_block(node, &header, filter)?;
        }
        Ok(())
    }

    fn add_block(
        &mut self,
        node: &Node,
        header: &SealedHeader,
        filter: &LogFilter,
    ) -> Result<(), RpcError> {
        if !filter.criteria.may_match(&header.logs_bloom) {
            return Ok(());
        }
        let hash = header.hash();
        let receipts = node.chain_reader.receipts(&hash).map_err(storage)?;
        let block = node.chain_reader.block_by_hash(&hash).map_err(storage)?;
        let (Some(receipts), Some(block)) = (receipts, block) else {
            return Ok(());
        };
        self.add_logs(filter.criteria.select(hash, &block, &receipts, false))
    }

    fn add_logs(&mut self, logs: impl IntoIterator<Item = LogWithMeta>) -> Result<(), RpcError> {
        for log in logs {
            if !std::mem::take(&mut self.is_first) {
                self.out.raw(",");
            }
            render::write_log_with_meta(&mut self.out, &log);
        }
        if self.out.overflowed() {
            Err(too_many())
        } else {
            Ok(())
        }
    }
}

/// Checks the order of a range, and that it ends at the head. Where geth 1.8 knew the rules of the
/// chain, and on a development chain that answers as anvil or Hardhat, any range will do.
fn check_range(node: &Node, first: u64, last: u64, head: u64) -> Result<(), RpcError> {
    if !node.answers_as_current_geth() {
        return Ok(());
    }
    if first.max(last) > head {
        return Err(RpcError::invalid_params(
            "block range extends beyond current head block",
        ));
    }
    if first > last {
        return Err(RpcError::invalid_params("invalid block range params"));
    }
    Ok(())
}

/// Returns the number of an end of the range: the head if the end is absent or pending.
fn number(node: &Node, end: Option<BlockNumber>, head: u64) -> Result<u64, RpcError> {
    match end {
        Some(BlockNumber::Number(number)) => Ok(number),
        None | Some(BlockNumber::Latest | BlockNumber::Pending) => Ok(head),
        Some(end) => {
            let header = node.header(BlockId::from(end))?;
            Ok(header.map_or(head, |header| header.number))
        }
    }
}
