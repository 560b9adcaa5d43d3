//! Answers about the blocks of the remote chain: requests that name one are sent on.

use std::sync::Arc;

use actoreum_primitives::{B256, Bytes, U256};
use serde_json::{Value, json};

use super::{Answered, Fork};
use crate::error::RpcError;
use crate::node::{Node, storage};
use crate::server::json::JsonOut;
use crate::server::limits::MAX_RESPONSE_BYTES;
use crate::server::method::{Handler, LocalFuture, Method, PoolWork, SyncCall};

/// How a request names its block.
#[derive(Clone, Copy)]
enum Rule {
    /// The argument with this index is the block whose state is read: that of the fork block is
    /// this chain's.
    State(usize),
    /// The argument with this index is the block that is returned: the fork block is the remote
    /// chain's.
    Block(usize),
    /// The first argument is the hash of a block or a transaction, which may be the remote chain's.
    Hash,
    /// The first argument is a filter of logs.
    Logs,
}

/// The methods that are sent on.
const METHODS: &[(&str, Rule)] = &[
    ("eth_getBalance", Rule::State(1)),
    ("eth_getCode", Rule::State(1)),
    ("eth_getStorageAt", Rule::State(2)),
    ("eth_getTransactionCount", Rule::State(1)),
    ("eth_getProof", Rule::State(2)),
    ("eth_call", Rule::State(1)),
    ("eth_estimateGas", Rule::State(1)),
    ("eth_createAccessList", Rule::State(1)),
    ("debug_traceCall", Rule::State(1)),
    ("eth_feeHistory", Rule::State(1)),
    ("eth_getBlockByNumber", Rule::Block(0)),
    ("eth_getHeaderByNumber", Rule::Block(0)),
    ("eth_getBlockReceipts", Rule::Block(0)),
    ("eth_getBlockTransactionCountByNumber", Rule::Block(0)),
    ("eth_getUncleByBlockNumberAndIndex", Rule::Block(0)),
    ("eth_getUncleCountByBlockNumber", Rule::Block(0)),
    ("eth_getTransactionByBlockNumberAndIndex", Rule::Block(0)),
    ("eth_getRawTransactionByBlockNumberAndIndex", Rule::Block(0)),
    ("debug_traceBlockByNumber", Rule::Block(0)),
    ("eth_getBlockByHash", Rule::Hash),
    ("eth_getHeaderByHash", Rule::Hash),
    ("eth_getBlockTransactionCountByHash", Rule::Hash),
    ("eth_getUncleByBlockHashAndIndex", Rule::Hash),
    ("eth_getUncleCountByBlockHash", Rule::Hash),
    ("eth_getTransactionByBlockHashAndIndex", Rule::Hash),
    ("eth_getRawTransactionByBlockHashAndIndex", Rule::Hash),
    ("eth_getTransactionByHash", Rule::Hash),
    ("eth_getRawTransactionByHash", Rule::Hash),
    ("eth_getTransactionReceipt", Rule::Hash),
    ("debug_traceBlockByHash", Rule::Hash),
    ("debug_traceTransaction", Rule::Hash),
    ("eth_getLogs", Rule::Logs),
];

/// Lets the methods of a forked chain answer about the blocks of the remote one. They run on the
/// thread pool, because a request to the remote node takes time.
pub(crate) fn with_answers(methods: Vec<Method<Node>>, fork: &Arc<Fork>) -> Vec<Method<Node>> {
    let over = |mut method: Method<Node>| {
        let rule = METHODS.iter().find(|(name, _)| *name == method.name);
        if let Some((name, rule)) = rule {
            let sender = Sender {
                fork: Arc::clone(fork),
                name,
                rule: *rule,
            };
            method.handler = sender.over(method.handler);
        }
        method
    };
    methods.into_iter().map(over).collect()
}

/// Sends the requests of one method on.
struct Sender {
    fork: Arc<Fork>,
    name: &'static str,
    rule: Rule,
}

impl Sender {
    fn over(self, handler: Handler<Node>) -> Handler<Node> {
        match handler {
            Handler::View(local) => Handler::Heavy(Arc::new(
                move |node: &Node, params: Option<&str>, out: &mut JsonOut| {
                    self.answer(node, params, out, &*local)
                },
            )),
            Handler::Heavy(local) | Handler::InlineThenPool(_, local) => Handler::Heavy(Arc::new(
                move |node: &Node, params: Option<&str>, out: &mut JsonOut| {
                    self.answer(node, params, out, &*local)
                },
            )),
            Handler::Actor(local) => {
                let sender = Arc::new(self);
                Handler::ActorThenPool(Box::new(move |node: Arc<Node>, params: Option<&str>| {
                    let question = local(node, params);
                    let (sender, params) = (Arc::clone(&sender), params.map(str::to_owned));
                    let work: LocalFuture<Result<PoolWork<Node>, RpcError>> =
                        Box::pin(async move {
                            let mut part = JsonOut::new(MAX_RESPONSE_BYTES);
                            question.await?.write_json(&mut part);
                            let bytes = part.into_bytes();
                            let work: PoolWork<Node> =
                                Box::new(move |node: &Node, out: &mut JsonOut| {
                                    let local =
                                        move |_: &Node, _: Option<&str>, out: &mut JsonOut| {
                                            out.raw_bytes(&bytes);
                                            Ok::<(), RpcError>(())
                                        };
                                    sender.answer(node, params.as_deref(), out, &local)
                                });
                            Ok(work)
                        });
                    work
                }))
            }
            other => other,
        }
    }

    /// Answers from the remote chain if the request names one of its blocks, else with `local`.
    fn answer(
        &self,
        node: &Node,
        params: Option<&str>,
        out: &mut JsonOut,
        local: &SyncCall<Node>,
    ) -> Result<(), RpcError> {
        // Arguments that are not readable are an error of the method.
        let list = params.and_then(|params| serde_json::from_str::<Vec<Value>>(params).ok());
        let list = list.unwrap_or_default();
        match self.rule {
            Rule::State(index) => match self.remote_block(node, list.get(index), false)? {
                Some(block) => self.send(list, Some((index, block)), out),
                None => local(node, params, out),
            },
            Rule::Block(index) => match self.remote_block(node, list.get(index), true)? {
                Some(block) => self.send(list, Some((index, block)), out),
                None => local(node, params, out),
            },
            Rule::Hash => self.by_hash(node, params, list, out, local),
            Rule::Logs => self.logs(node, params, &list, out, local),
        }
    }

    /// Returns the block of an argument as the remote node takes it; `None` if it is one of this
    /// chain. `with_fork_block` tells whether the fork block is a block of the remote chain.
    fn remote_block(
        &self,
        node: &Node,
        argument: Option<&Value>,
        with_fork_block: bool,
    ) -> Result<Option<Value>, RpcError> {
        let first_local = self.fork.block.number + u64::from(with_fork_block);
        let Some(argument) = argument else {
            return Ok(None);
        };
        let hash = match argument {
            Value::String(text) if text.len() == 66 => Some(text.as_str()),
            Value::Object(object) => object.get("blockHash").and_then(Value::as_str),
            _ => None,
        };
        if let Some(hash) = hash.and_then(|hash| hash.parse::<B256>().ok()) {
            let is_fork_block = hash == self.fork.block.hash();
            let is_local = node
                .chain_reader
                .header_by_hash(&hash)
                .map_err(storage)?
                .is_some();
            let is_remote = if is_fork_block {
                with_fork_block
            } else {
                !is_local
            };
            return Ok(is_remote.then(|| argument.clone()));
        }
        let named = match argument {
            Value::Object(object) => object.get("blockNumber").unwrap_or(&Value::Null),
            other => other,
        };
        let number = match named {
            Value::String(tag) if tag == "earliest" => Some(0),
            Value::String(tag) if matches!(tag.as_str(), "latest" | "safe" | "finalized" | "") => {
                Some(node.chain_reader.head_number())
            }
            Value::String(digits) => {
                super::parse_quantity(digits).and_then(|it| it.try_into().ok())
            }
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let number = number.filter(|number| *number < first_local);
        Ok(number.map(|number| json!(format!("{number:#x}"))))
    }

    /// Sends the request on, with another block if one is given, and writes the result.
    fn send(
        &self,
        mut params: Vec<Value>,
        block: Option<(usize, Value)>,
        out: &mut JsonOut,
    ) -> Result<(), RpcError> {
        if let Some((index, block)) = block
            && let Some(argument) = params.get_mut(index)
        {
            *argument = block;
        }
        out.raw_bytes(&self.request(self.name, Value::from(params))?);
        Ok(())
    }

    /// Returns the result of a request about old blocks, which is remembered.
    fn request(&self, method: &str, params: Value) -> Result<Bytes, RpcError> {
        let request = format!("{method} {params}");
        if let Some(answer) = self.fork.cache.answer(&request) {
            return Ok(answer);
        }
        let answer = self.remote(method, params)??;
        let text = answer.get();
        if text != "null" {
            self.fork.cache.put_answer(&request, text);
        }
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn remote(&self, method: &str, params: Value) -> Result<Answered, RpcError> {
        let answer = self.fork.request(method, params);
        answer.map_err(|error| RpcError::server(format!("remote chain: {error}")))
    }

    fn by_hash(
        &self,
        node: &Node,
        params: Option<&str>,
        list: Vec<Value>,
        out: &mut JsonOut,
        local: &SyncCall<Node>,
    ) -> Result<(), RpcError> {
        let hash = list.first().and_then(Value::as_str);
        let hash = hash.and_then(|hash| hash.parse::<B256>().ok());
        let is_fork_block = hash == Some(self.fork.block.hash());
        if !is_fork_block {
            let mut part = JsonOut::new(out.room());
            let answered = local(node, params, &mut part);
            if part.overflowed() {
                return answered.map(|()| out.raw_bytes(&part.into_bytes()));
            }
            let bytes = part.into_bytes();
            let is_found = match &answered {
                Ok(()) => !matches!(bytes.as_slice(), b"null" | b"\"0x\""),
                // An error about a block or a transaction that this chain has is the answer.
                Err(_) => hash.is_none_or(|hash| is_local(node, &hash)),
            };
            if is_found {
                return answered.map(|()| out.raw_bytes(&bytes));
            }
        }
        let answer = self.request(self.name, Value::from(list))?;
        // What the remote chain did after the fork is not part of this one.
        if is_after(&answer, self.fork.block.number) {
            out.raw("null");
        } else {
            out.raw_bytes(&answer);
        }
        Ok(())
    }

    /// Answers a query for logs from both chains: the remote one up to the fork block.
    fn logs(
        &self,
        node: &Node,
        params: Option<&str>,
        list: &[Value],
        out: &mut JsonOut,
        local: &SyncCall<Node>,
    ) -> Result<(), RpcError> {
        let Some(Value::Object(filter)) = list.first() else {
            return local(node, params, out);
        };
        if let Some(hash) = filter.get("blockHash").filter(|hash| !hash.is_null()) {
            return match self.remote_block(node, Some(&json!({"blockHash": hash})), true)? {
                Some(_) => self.send(list.to_vec(), None, out),
                None => local(node, params, out),
            };
        }
        let Some(first) = self.remote_block(node, filter.get("fromBlock"), true)? else {
            return local(node, params, out);
        };
        let last = self.remote_block(node, filter.get("toBlock"), true)?;
        let mut remote_filter = filter.clone();
        remote_filter.insert("fromBlock".to_owned(), first);
        let last_remote = last.clone().unwrap_or_else(|| json!(self.fork.at()));
        remote_filter.insert("toBlock".to_owned(), last_remote);
        let remote = self.request(self.name, json!([remote_filter]))?;
        if last.is_some() || node.chain_reader.head_number() == self.fork.block.number {
            out.raw_bytes(&remote);
            return Ok(());
        }
        let mut local_filter = filter.clone();
        let next = format!("{:#x}", self.fork.block.number + 1);
        local_filter.insert("fromBlock".to_owned(), json!(next));
        let mut part = JsonOut::new(out.room());
        local(node, Some(&json!([local_filter]).to_string()), &mut part)?;
        let local = part.into_bytes();
        join(&remote, &local, out);
        Ok(())
    }
}

/// Writes two JSON arrays as one.
fn join(first: &[u8], second: &[u8], out: &mut JsonOut) {
    let items = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let inner = text
            .trim()
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'));
        inner.unwrap_or_default().trim().to_owned()
    };
    let (first, second) = (items(first), items(second));
    out.raw("[");
    out.raw(&first);
    if !first.is_empty() && !second.is_empty() {
        out.raw(",");
    }
    out.raw(&second);
    out.raw("]");
}

/// Returns whether a hash is that of a block or a transaction of this chain.
fn is_local(node: &Node, hash: &B256) -> bool {
    let reader = &node.chain_reader;
    let is_block = matches!(reader.header_by_hash(hash), Ok(Some(_)) | Err(_));
    is_block || matches!(reader.store().transaction_block(hash), Ok(Some(_)) | Err(_))
}

/// Returns whether an answer is about a block after `number`, or about a transaction that is in no
/// block.
fn is_after(answer: &[u8], number: u64) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(answer) else {
        return false;
    };
    let found = value.get("blockNumber").or_else(|| value.get("number"));
    found.is_some_and(|found| {
        let found = found.as_str().and_then(super::parse_quantity);
        found.is_none_or(|found| found > U256::from(number))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists_of_logs_become_one() {
        let joined = |first: &str, second: &str| {
            let mut out = JsonOut::new(1_000);
            join(first.as_bytes(), second.as_bytes(), &mut out);
            String::from_utf8(out.into_bytes()).unwrap()
        };
        assert_eq!(joined("[]", "[]"), "[]");
        assert_eq!(joined("[1, 2]", "[]"), "[1, 2]");
        assert_eq!(joined(" [ ] ", "[3]"), "[3]");
        assert_eq!(joined("[1]", "[2,3]"), "[1,2,3]");
    }

    #[test]
    fn answers_about_later_blocks_are_recognised() {
        for later in [
            r#"{"blockNumber":"0x11"}"#,
            r#"{"number":"0x11"}"#,
            r#"{"blockNumber":null}"#,
        ] {
            assert!(is_after(later.as_bytes(), 16), "{later}");
        }
        for earlier in [
            r#"{"blockNumber":"0x10"}"#,
            r#"{"gas":1}"#,
            "\"0x5\"",
            "null",
            "[]",
            "",
        ] {
            assert!(!is_after(earlier.as_bytes(), 16), "{earlier}");
        }
    }
}
