//! Conversion of transactions to revm's types.

use actoreum_primitives::{
    AccessListItem, Address, Authorization, Log, Transaction, TxPayload, U256,
};
use revm::context::TxEnv;
use revm::context_interface::either::Either;
use revm::context_interface::transaction::{
    AccessList, AccessListItem as EvmAccessListItem, Authorization as EvmAuthorization,
    RecoveredAuthority, RecoveredAuthorization,
};
use revm::primitives::TxKind;

use crate::error::TxError;

/// Converts a transaction for revm. A price above 2^128 wei per gas, which revm cannot hold, is an
/// error: no sender can pay it.
pub(crate) fn tx_env(tx: &Transaction, sender: Address) -> Result<TxEnv, TxError> {
    let price = |wei: U256| {
        u128::try_from(wei).map_err(|_| TxError::InsufficientFunds {
            sender,
            have: U256::ZERO,
            want: wei.saturating_mul(U256::from(tx.gas_limit())),
        })
    };
    let gas_priority_fee = match tx.payload() {
        TxPayload::Legacy(_) | TxPayload::AccessList(_) => None,
        _ if tx.max_priority_fee_per_gas() > tx.max_fee_per_gas() => {
            return Err(TxError::TipAboveFeeCap {
                sender,
                tip: tx.max_priority_fee_per_gas(),
                fee_cap: tx.max_fee_per_gas(),
            });
        }
        _ => Some(price(tx.max_priority_fee_per_gas())?),
    };
    Ok(TxEnv {
        tx_type: tx.tx_type() as u8,
        caller: sender,
        gas_limit: tx.gas_limit(),
        gas_price: price(tx.max_fee_per_gas())?,
        kind: tx_kind(tx.to()),
        value: tx.value(),
        data: tx.input().clone(),
        nonce: tx.nonce(),
        chain_id: tx.chain_id(),
        access_list: access_list(tx.access_list()),
        gas_priority_fee,
        blob_hashes: tx.blob_hashes().to_vec(),
        max_fee_per_blob_gas: price(tx.max_fee_per_blob_gas().unwrap_or_default())?,
        authorization_list: authorization_list(tx.authorization_list()),
    })
}

pub(crate) fn tx_kind(to: Option<Address>) -> TxKind {
    to.map_or(TxKind::Create, TxKind::Call)
}

pub(crate) fn access_list(items: &[AccessListItem]) -> AccessList {
    let items = items.iter().map(|item| EvmAccessListItem {
        address: item.address,
        storage_keys: item.storage_keys.clone(),
    });
    AccessList(items.collect())
}

/// Converts the authorizations with their recovered authorities. revm skips an authorization
/// without authority.
pub(crate) fn authorization_list(
    authorizations: &[Authorization],
) -> Vec<Either<revm::context_interface::transaction::SignedAuthorization, RecoveredAuthorization>>
{
    let recovered = authorizations.iter().map(|authorization| {
        let authority = match authorization.recover_authority() {
            Ok(authority) => RecoveredAuthority::Valid(authority),
            Err(_) => RecoveredAuthority::Invalid,
        };
        let inner = EvmAuthorization {
            chain_id: authorization.chain_id,
            address: authorization.address,
            nonce: authorization.nonce,
        };
        Either::Right(RecoveredAuthorization::new_unchecked(inner, authority))
    });
    recovered.collect()
}

pub(crate) fn log(log: revm::primitives::Log) -> Log {
    let (topics, data) = log.data.split();
    Log {
        address: log.address,
        topics,
        data,
    }
}
