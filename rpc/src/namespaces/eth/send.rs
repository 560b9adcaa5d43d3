//! The methods that submit transactions to the pool and list those in it.

use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::txpool::SubmitError;
use actoreum_primitives::{
    B256, Bytes, ETHER, PooledTransaction, Transaction, U256, rlp::DecodeError,
};
use tokio::sync::watch;

use super::fees;
use super::hardhat;
use super::mined::{self, NotMined};
use super::outgoing;
use super::pooled::Pending;
use super::transactions::{self, OneReceipt};
use crate::error::{FEE_TOO_LOW, RpcError};
use crate::node::Node;
use crate::server::json::scan::Kind;
use crate::server::limits::{MAX_SYNC_SEND_TIMEOUT, MINED_TIMEOUT, SYNC_SEND_TIMEOUT};
use crate::server::method::Method;
use crate::server::param::{Decimal, FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("eth_fillTransaction", &["transaction"], outgoing::fill),
        Method::view("eth_pendingTransactions", &[], pending_transactions),
        Method::submit(
            "eth_sendRawTransaction",
            &["transaction"],
            send_raw_transaction,
        ),
        Method::submit(
            "eth_sendRawTransactionSync",
            &["transaction", "timeout"],
            send_raw_transaction_sync,
        ),
    ]
}

/// The first byte of the shortest RLP list, and the lowest first byte of a legacy transaction.
const FIRST_LIST_BYTE: u8 = 0xc0;
/// The highest byte that EIP-2718 allows as a transaction type.
const LAST_TYPE_BYTE: u8 = 0x7f;

async fn send_raw_transaction(
    node: Arc<Node>,
    (encoded,): (Bytes,),
) -> Result<impl Future<Output = Result<B256, RpcError>>, RpcError> {
    let submitted = submit_raw(&node, &encoded).await?;
    Ok(submitted.hash(node))
}

async fn send_raw_transaction_sync(
    node: Arc<Node>,
    (encoded, timeout): (Bytes, Option<SyncTimeout>),
) -> Result<impl Future<Output = Result<OneReceipt, RpcError>>, RpcError> {
    let submitted = submit_raw(&node, &encoded).await?;
    Ok(submitted.receipt(node, timeout))
}

/// Decodes a signed transaction and submits it.
pub(crate) async fn submit_raw(node: &Node, encoded: &[u8]) -> Result<Submitted, RpcError> {
    let pooled =
        PooledTransaction::decode_2718(encoded).map_err(|error| undecodable(encoded, &error))?;
    // Only `eth_sendTransaction` checks which accounts may be impersonated.
    if pooled.transaction.signature().impersonated().is_some() {
        return Err(RpcError::server("invalid sender"));
    }
    submit(node, pooled).await
}

/// Time to wait for a block, in milliseconds: a JSON number or a hex string.
pub(crate) struct SyncTimeout(Duration);

impl FromParam for SyncTimeout {
    const SCHEMA: &'static str = r#"{"title":"milliseconds","type":["integer","string"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let millis = match Kind::of(raw) {
            Kind::Number => Decimal::from_raw(raw)?.0,
            _ => u64::from_raw(raw)?,
        };
        Ok(Self(
            Duration::from_millis(millis).min(MAX_SYNC_SEND_TIMEOUT),
        ))
    }
}

/// A transaction that is in the pool.
pub(crate) struct Submitted {
    hash: B256,
    /// Notices of the heads since before the submission.
    heads: watch::Receiver<()>,
}

impl Submitted {
    /// Returns the hash: at once, or on a development chain that seals on arrival when the
    /// transaction is in a block, or waits for an earlier nonce. Where this node answers as Hardhat, a
    /// transaction that failed in its block is an error.
    pub(crate) async fn hash(self, node: Arc<Node>) -> Result<B256, RpcError> {
        let hash = self.hash;
        if !mines_on_arrival(&node) {
            return Ok(hash);
        }
        match mined::wait(&node, hash, self.heads, MINED_TIMEOUT).await? {
            Ok(()) => match hardhat::failed_transaction(&node, hash)? {
                Some(error) => Err(error),
                None => Ok(hash),
            },
            Err(NotMined::Queued) => Ok(hash),
            Err(why) => Err(why.error(hash)),
        }
    }

    /// Returns the receipt once the transaction is in a block (EIP-7966).
    pub(crate) async fn receipt(
        self,
        node: Arc<Node>,
        timeout: Option<SyncTimeout>,
    ) -> Result<OneReceipt, RpcError> {
        let timeout = timeout.map_or(SYNC_SEND_TIMEOUT, |timeout| timeout.0);
        let hash = self.hash;
        let mined = mined::wait(&node, hash, self.heads, timeout).await?;
        mined.map_err(|why| why.error(hash))?;
        let receipt = transactions::receipt(&node, (hash,))?;
        receipt.ok_or_else(|| NotMined::Dropped.error(hash))
    }
}

/// Returns whether a transaction is sealed as soon as it arrives.
fn mines_on_arrival(node: &Node) -> bool {
    let sealing = node.sealing.as_ref();
    node.settings.mines_on_arrival && sealing.is_some_and(|sealing| sealing.control.is_sealing())
}

/// Submits a transaction as a local one. Returns once the transaction is in the pool.
pub(crate) async fn submit(node: &Node, pooled: PooledTransaction) -> Result<Submitted, RpcError> {
    check_fee(node, &pooled.transaction)?;
    if mines_on_arrival(node) {
        check_base_fee(node, &pooled.transaction)?;
    }
    let is_protected = pooled.transaction.chain_id().is_some();
    if !is_protected && !node.settings.allows_unprotected {
        return Err(RpcError::server(
            "only replay-protected (EIP-155) transactions allowed over RPC",
        ));
    }
    let heads = node.heads.subscribe();
    let submitted = node.txpool.submit(pooled).await;
    let submitted = submitted.map(|hash| Submitted { hash, heads });
    submitted.map_err(|error| match error {
        SubmitError::Refused(error) => RpcError::server(error.to_string()),
        SubmitError::NoAnswer(_) | SubmitError::NotPrepared(_) => {
            RpcError::internal(error.to_string())
        }
    })
}

/// Refuses a transaction that pays more for gas than the operator allows: probably a mistaken unit.
pub(super) fn check_fee(node: &Node, transaction: &Transaction) -> Result<(), RpcError> {
    let Some(cap) = node.settings.tx_fee_cap else {
        return Ok(());
    };
    let gas = U256::from(transaction.gas_limit());
    let fee = transaction.max_fee_per_gas().saturating_mul(gas);
    if fee <= cap {
        return Ok(());
    }
    Err(RpcError::server(format!(
        "tx fee ({} ether) exceeds the configured cap ({} ether)",
        ether(fee),
        ether(cap)
    )))
}

/// Refuses a transaction that the next block can't include: nothing would answer its sender.
fn check_base_fee(node: &Node, transaction: &Transaction) -> Result<(), RpcError> {
    let base_fee = fees::next_base_fee(node, &node.chain_reader.head());
    if transaction.max_fee_per_gas() >= U256::from(base_fee) {
        return Ok(());
    }
    Err(RpcError::new(
        FEE_TOO_LOW,
        "max fee per gas less than block base fee",
    ))
}

/// Formats wei as ether, to the hundredth.
fn ether(wei: U256) -> String {
    let hundredths = wei / U256::from(ETHER / 100);
    let hundred = U256::from(100);
    format!("{}.{:02}", hundredths / hundred, hundredths % hundred)
}

/// Returns the error of a transaction that cannot be decoded: the text of geth 1.8, if geth had
/// one.
fn undecodable(encoded: &[u8], error: &DecodeError) -> RpcError {
    let is_list_or_typed = match encoded {
        [] => return RpcError::server("EOF"),
        [first] => *first >= FIRST_LIST_BYTE,
        [first, ..] => *first <= LAST_TYPE_BYTE || *first >= FIRST_LIST_BYTE,
    };
    if !is_list_or_typed {
        return RpcError::server("rlp: expected input list for types.txdata");
    }
    match error {
        DecodeError::InputTooShort { .. } => {
            RpcError::server("rlp: value size exceeds available input length")
        }
        DecodeError::NonCanonicalSize => RpcError::server("rlp: non-canonical size information"),
        DecodeError::TooFewItems => RpcError::server("rlp: too few elements for types.txdata"),
        DecodeError::TooManyItems => {
            RpcError::server("rlp: input list has too many elements for types.txdata")
        }
        DecodeError::TrailingBytes => RpcError::server("rlp: input contains more than one value"),
        // An error in the values of the fields, not in their encoding.
        DecodeError::UnsupportedTxType | DecodeError::InvalidV => {
            RpcError::server(error.to_string())
        }
        error => RpcError::server(format!("rlp: {error}")),
    }
}

/// Returns the executable transactions of local senders.
fn pending_transactions(node: &Node, (): ()) -> Result<Vec<Pending>, RpcError> {
    let Some(snapshot) = node.txpool_snapshot() else {
        return Ok(Vec::new());
    };
    let locals = snapshot.senders().filter(|sender| sender.is_local());
    let transactions = locals.flat_map(|sender| sender.pending());
    Ok(transactions.map(|tx| Pending(Arc::clone(tx))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(encoded: &[u8]) -> String {
        let error = PooledTransaction::decode_2718(encoded).unwrap_err();
        undecodable(encoded, &error).message.into_owned()
    }

    #[test]
    fn decoding_errors_have_geths_texts() {
        let not_a_list = "rlp: expected input list for types.txdata";
        for encoded in [&[0x01][..], &[0x80], &[0xb8, 0x01]] {
            assert_eq!(text(encoded), not_a_list);
        }
        assert_eq!(text(&[]), "EOF");
        assert_eq!(
            text(&[0xde, 0xad]),
            "rlp: value size exceeds available input length"
        );
        let too_few = "rlp: too few elements for types.txdata";
        for encoded in [&[0xc0][..], &[0xc1, 0x80], &[0x04, 0xc0]] {
            assert_eq!(text(encoded), too_few);
        }
        assert_eq!(
            text(&[0xf8, 0x01, 0x80]),
            "rlp: non-canonical size information"
        );
        assert_eq!(text(&[0x05, 0xc0]), "transaction type not supported");
        assert!(text(&[0xc1, 0x80]).starts_with("rlp: "));
        assert!(text(&[0x02, 0xc1, 0x80]).starts_with("rlp: "));
    }
}
