//! The methods of filters that clients poll.

use std::sync::Arc;

use actoreum_chain::LogWithMeta;
use actoreum_messages::filter::{
    Collected, GetLogFilter, InstallFilter, LogRange, PendingLogs, TakeChanges, Topic,
    UninstallFilter,
};

use super::filter::{LogFilter, parse_id};
use super::logs::{self, FoundLogs};
use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::namespaces::block_id::BlockNumber;
use crate::node::{Node, unanswered};
use crate::render;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("eth_getFilterChanges", &["filter"], changes),
        Method::actor_then_pool("eth_getFilterLogs", &["filter"], log_filter, filter_logs),
        Method::actor("eth_newBlockFilter", &[], |node, ()| {
            install(node, Topic::Heads)
        }),
        Method::actor("eth_newFilter", &["filter"], new_filter),
        Method::actor("eth_newPendingTransactionFilter", &[], |node, ()| {
            install(node, Topic::Transactions)
        }),
        Method::actor("eth_uninstallFilter", &["filter"], uninstall),
    ]
}

impl WriteJson for LogWithMeta {
    fn write_json(&self, out: &mut JsonOut) {
        render::write_log_with_meta(out, self);
    }
}

/// The events that a filter collected since the last poll.
struct Changes(Collected);

impl WriteJson for Changes {
    fn write_json(&self, out: &mut JsonOut) {
        match &self.0 {
            Collected::Hashes(hashes) => out.array(hashes),
            Collected::Logs(logs) => out.array(logs),
        }
    }
}

fn not_found() -> RpcError {
    RpcError::server("filter not found")
}

/// Returns the blocks whose new logs are wanted. A tag other than `earliest` means "from now on".
/// With `pending` as the last block the pending block is included, and with `pending` as the first
/// block too there is no other.
///
/// # Errors
/// Fails if the filter names a block by hash, or if the range is empty.
pub(super) fn log_range(node: &Node, filter: &LogFilter) -> Result<LogRange, RpcError> {
    if filter.block_hash.is_some() {
        return Err(RpcError::server("a filter of new logs has no block hash"));
    }
    let number = |end: Option<BlockNumber>| match end {
        Some(BlockNumber::Number(number)) => Some(number),
        _ => None,
    };
    let (from, to) = (number(filter.from_block), number(filter.to_block));
    let last = to.unwrap_or(u64::MAX);
    let first = from.unwrap_or_else(|| node.chain_reader.head_number().min(last));
    if first > last {
        return Err(RpcError::server(
            "invalid from and to block combination: from > to",
        ));
    }
    let pending = match (filter.from_block, filter.to_block) {
        (Some(BlockNumber::Pending), Some(BlockNumber::Pending)) => PendingLogs::Only,
        (_, Some(BlockNumber::Pending)) => PendingLogs::Also,
        _ => PendingLogs::No,
    };
    Ok(LogRange {
        criteria: filter.criteria.clone(),
        from,
        to,
        pending,
    })
}

async fn install(node: Arc<Node>, topic: Topic) -> Result<String, RpcError> {
    let installed = node.filters.ask(InstallFilter { topic }).await;
    installed
        .map_err(unanswered)?
        .map(|id| id.to_string())
        .map_err(|error| RpcError::new(LIMIT_EXCEEDED, error.to_string()))
}

async fn new_filter(node: Arc<Node>, (filter,): (LogFilter,)) -> Result<String, RpcError> {
    let range = log_range(&node, &filter)?;
    install(node, Topic::Logs(range)).await
}

async fn changes(node: Arc<Node>, (id,): (String,)) -> Result<Changes, RpcError> {
    let id = parse_id(&id).ok_or_else(not_found)?;
    let taken = node.filters.ask(TakeChanges { id }).await;
    let taken = taken.map_err(unanswered)?.ok_or_else(not_found)?;
    taken
        .map(Changes)
        .map_err(|missed| RpcError::server(missed.to_string()))
}

async fn uninstall(node: Arc<Node>, (id,): (String,)) -> Result<bool, RpcError> {
    let Some(id) = parse_id(&id) else {
        return Ok(false);
    };
    let uninstalled = node.filters.ask(UninstallFilter { id }).await;
    uninstalled.map_err(unanswered)
}

async fn log_filter(node: Arc<Node>, (id,): (String,)) -> Result<LogFilter, RpcError> {
    let id = parse_id(&id).ok_or_else(not_found)?;
    let range = node.filters.ask(GetLogFilter { id }).await;
    let range = range.map_err(unanswered)?.ok_or_else(not_found)?;
    let (from, to) = match range.pending {
        PendingLogs::No => (None, None),
        PendingLogs::Also => (None, Some(BlockNumber::Pending)),
        PendingLogs::Only => (Some(BlockNumber::Pending), Some(BlockNumber::Pending)),
    };
    Ok(LogFilter {
        block_hash: None,
        from_block: range.from.map(BlockNumber::Number).or(from),
        to_block: range.to.map(BlockNumber::Number).or(to),
        criteria: range.criteria,
    })
}

/// Returns all logs that match a filter, whether or not they were polled.
fn filter_logs(node: &Node, filter: LogFilter) -> Result<FoundLogs, RpcError> {
    logs::logs(node, (filter,))
}
