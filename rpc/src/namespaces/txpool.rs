//! The `txpool` namespace.

use std::sync::Arc;

use actoreum_primitives::{Address, Transaction};
use actoreum_txpool::{PoolTx, Sender, Snapshot};

use crate::error::RpcError;
use crate::namespaces::eth::pooled::Pending;
use crate::node::Node;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::heavy("txpool_content", &[], |node, (): ()| {
            Ok(Content::of_all(node, write_transaction))
        }),
        Method::heavy("txpool_contentFrom", &["address"], content_from),
        Method::heavy("txpool_inspect", &[], |node, (): ()| {
            Ok(Content::of_all(node, write_summary))
        }),
        Method::view("txpool_status", &[], status),
    ]
}

struct Status {
    pending: u64,
    queued: u64,
}

impl WriteJson for Status {
    fn write_json(&self, out: &mut JsonOut) {
        out.object()
            .quantity("pending", self.pending)
            .quantity("queued", self.queued)
            .end();
    }
}

fn status(node: &Node, (): ()) -> Result<Status, RpcError> {
    let snapshot = node.txpool_snapshot();
    let count = |count: fn(&Snapshot) -> u64| snapshot.as_deref().map_or(0, count);
    Ok(Status {
        pending: count(Snapshot::pending_count),
        queued: count(Snapshot::queued_count),
    })
}

/// Writes one transaction.
type Show = fn(&Arc<PoolTx>, &mut JsonOut);

/// Writes a transaction in full, as `txpool_content` shows it.
fn write_transaction(transaction: &Arc<PoolTx>, out: &mut JsonOut) {
    Pending(Arc::clone(transaction)).write_json(out);
}

/// Writes the summary of a transaction, as `txpool_inspect` shows it.
fn write_summary(transaction: &Arc<PoolTx>, out: &mut JsonOut) {
    out.string(&summary(transaction.transaction()));
}

/// Returns geth's summary of a transaction: the recipient, the value, the gas and its price.
fn summary(transaction: &Transaction) -> String {
    let (value, gas) = (transaction.value(), transaction.gas_limit());
    let price = transaction.max_fee_per_gas();
    match transaction.to() {
        Some(to) => format!("{to}: {value} wei + {gas} gas × {price} wei"),
        None => format!("contract creation: {value} wei + {gas} gas × {price} wei"),
    }
}

/// Transactions by sub-pool, sender and nonce, or of one sender by sub-pool and nonce.
struct Content {
    snapshot: Option<Arc<Snapshot>>,
    of: Option<Address>,
    show: Show,
}

impl Content {
    fn of_all(node: &Node, show: Show) -> Self {
        Self {
            snapshot: node.txpool_snapshot(),
            of: None,
            show,
        }
    }

    fn write_sub_pool(&self, sub_pool: SubPool, out: &mut JsonOut) {
        let Some(snapshot) = &self.snapshot else {
            return out.object().end();
        };
        if let Some(address) = &self.of {
            return match snapshot.sender(address) {
                Some(sender) => self.write_sender(sender, sub_pool, out),
                None => out.object().end(),
            };
        }
        let mut senders: Vec<Sender<'_>> = snapshot.senders().collect();
        senders.retain(|sender| sub_pool.of(*sender).next().is_some());
        senders.sort_unstable_by_key(Sender::address);
        let mut object = out.object();
        for sender in senders {
            let place = object.key(&sender.address().to_checksum(None));
            if place.overflowed() {
                break;
            }
            self.write_sender(sender, sub_pool, place);
        }
        object.end();
    }

    fn write_sender(&self, sender: Sender<'_>, sub_pool: SubPool, out: &mut JsonOut) {
        let mut object = out.object();
        for transaction in sub_pool.of(sender) {
            let place = object.key(&transaction.nonce().to_string());
            if place.overflowed() {
                break;
            }
            (self.show)(transaction, place);
        }
        object.end();
    }
}

/// The executable transactions (pending), or the others (queued).
#[derive(Clone, Copy)]
enum SubPool {
    Pending,
    Queued,
}

impl SubPool {
    fn of<'a>(self, sender: Sender<'a>) -> Box<dyn Iterator<Item = &'a Arc<PoolTx>> + 'a> {
        match self {
            Self::Pending => Box::new(sender.pending()),
            Self::Queued => Box::new(sender.queued()),
        }
    }
}

impl WriteJson for Content {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        self.write_sub_pool(SubPool::Pending, object.key("pending"));
        self.write_sub_pool(SubPool::Queued, object.key("queued"));
        object.end();
    }
}

fn content_from(node: &Node, (address,): (Address,)) -> Result<Content, RpcError> {
    Ok(Content {
        of: Some(address),
        ..Content::of_all(node, write_transaction)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actoreum_primitives::{LegacyTx, SecretKey, TxPayload, U256};

    #[test]
    fn a_summary_is_formatted_as_in_geth() {
        let mut payload = LegacyTx {
            gas_price: U256::from(3),
            gas_limit: 21_000,
            value: U256::from(5),
            to: Some(Address::repeat_byte(0xab)),
            ..LegacyTx::default()
        };
        let key = SecretKey::random();
        let transfer = TxPayload::Legacy(payload.clone()).sign(&key);
        assert_eq!(
            summary(&transfer),
            "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB: 5 wei + 21000 gas × 3 wei"
        );
        payload.to = None;
        let creation = TxPayload::Legacy(payload).sign(&key);
        assert_eq!(
            summary(&creation),
            "contract creation: 5 wei + 21000 gas × 3 wei"
        );
    }
}
