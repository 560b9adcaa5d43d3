//! Log queries.

use std::sync::Arc;

use actoreum_chain::SealedHeader;
use actoreum_primitives::{B256, Block, Receipt};

use super::filter::LogFilter;
use crate::block_id::{BlockId, BlockNumber};
use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::json::{JsonOut, WriteJson};
use crate::limits::{MAX_LOG_BLOCKS, MAX_RESPONSE_BYTES};
use crate::method::Method;
use crate::node::{Node, storage};
use crate::render::{self, LogPlace};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![Method::heavy("eth_getLogs", &["filter"], logs)]
}

/// The logs that were found, as JSON.
struct Found(Vec<u8>);

impl WriteJson for Found {
    fn write_json(&self, out: &mut JsonOut) {
        out.raw_bytes(&self.0);
    }
}

fn logs(node: &Node, (filter,): (LogFilter,)) -> Result<Found, RpcError> {
    let mut found = Writer {
        out: JsonOut::new(MAX_RESPONSE_BYTES),
        is_first: true,
    };
    found.out.raw("[");
    if let Some(hash) = filter.block_hash {
        let header = node.chain.header_by_hash(&hash).map_err(storage)?;
        let header = header.ok_or_else(|| RpcError::server("unknown block"))?;
        found.add_block(node, &header, &filter)?;
    } else {
        found.add_range(node, &filter)?;
    }
    found.out.raw("]");
    if found.out.overflowed() {
        return Err(too_many());
    }
    Ok(Found(found.out.into_bytes()))
}

fn too_many() -> RpcError {
    RpcError::new(
        LIMIT_EXCEEDED,
        format!("the logs take more than {MAX_RESPONSE_BYTES} bytes: ask for fewer blocks"),
    )
}

struct Writer {
    out: JsonOut,
    is_first: bool,
}

impl Writer {
    fn add_range(&mut self, node: &Node, filter: &LogFilter) -> Result<(), RpcError> {
        let head = node.chain.head_number();
        let first = number(node, filter.from_block, head)?;
        let last = number(node, filter.to_block, head)?.min(head);
        if last.saturating_sub(first) >= MAX_LOG_BLOCKS {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("the range is longer than {MAX_LOG_BLOCKS} blocks: ask in pieces"),
            ));
        }
        for number in first..=last {
            let Some(header) = node.chain.header_by_number(number).map_err(storage)? else {
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
        if header.logs_bloom.is_zero() || !filter.may_match(&header.logs_bloom) {
            return Ok(());
        }
        let hash = header.hash();
        let receipts = node.chain.receipts(&hash).map_err(storage)?;
        let block = node.chain.block_by_hash(&hash).map_err(storage)?;
        let (Some(receipts), Some(block)) = (receipts, block) else {
            return Ok(());
        };
        self.add_logs(hash, &block, &receipts, filter);
        if self.out.overflowed() {
            Err(too_many())
        } else {
            Ok(())
        }
    }

    fn add_logs(
        &mut self,
        hash: B256,
        block: &Arc<Block>,
        receipts: &Arc<Vec<Receipt>>,
        filter: &LogFilter,
    ) {
        let mut log_index = 0;
        let transactions = block.body.transactions.iter().zip(receipts.iter());
        for (index, (transaction, receipt)) in transactions.enumerate() {
            for log in &receipt.logs {
                if filter.matches(log) {
                    let place = LogPlace {
                        block_hash: hash,
                        block_number: block.header.number,
                        transaction_hash: transaction.hash(),
                        transaction_index: index as u64,
                        log_index,
                        removed: false,
                    };
                    if !std::mem::take(&mut self.is_first) {
                        self.out.raw(",");
                    }
                    render::write_log(&mut self.out, log, &place);
                }
                log_index += 1;
            }
        }
    }
}

/// The number of an end of the range: the head where it is not given or pending.
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
