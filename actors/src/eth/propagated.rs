//! Checks of a propagated block before it is queued: the cheapest first, and nothing of its body is
//! decoded.
//!
//! ```text
//!   number near our head -> header against itself -> size against the header -> seal, where the
//!   parent is missing -> roots of the body
//! ```

use actoreum_chain::ChainReader;
use actoreum_consensus::{ConsensusError, Disposition, Engine, HeaderChain as _};
use actoreum_primitives::Header;
use actoreum_sync::fetcher::is_near;
use actoreum_sync::{HashedHeader, RawBlock, RawBody};
use actoreum_wire::eth::NewBlock;
use actoreum_wire::limits::MAX_ENCODED_HEADER;

use super::limits::{
    MAX_BODY_OVERHEAD, MAX_OMMERS, MAX_TRANSACTION_OVERHEAD, MIN_BYTE_GAS, MIN_TRANSACTION_GAS,
    ORPHAN_GAS_LIMIT_RATIO,
};

/// Reason why a block is not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockRefusal {
    /// The block cannot be valid: the peer that passes it on has not checked it.
    #[error("sent a block: {0}")]
    Invalid(String),
    /// The block may be valid, but is not worth queueing.
    #[error("{0}")]
    Useless(&'static str),
    /// The block is in our chain already.
    #[error("the block is known")]
    Known,
}

fn invalid<T>(why: impl Into<String>) -> Result<T, BlockRefusal> {
    Err(BlockRefusal::Invalid(why.into()))
}

/// Checks number and hash alone, before anything else is looked at.
pub(super) fn check_number(
    chain_reader: &ChainReader,
    block: &NewBlock,
) -> Result<(), BlockRefusal> {
    if !is_near(block.header.number, chain_reader.head_number()) {
        return Err(BlockRefusal::Useless("blocks far from our head"));
    }
    match chain_reader.header_by_hash(&block.hash()) {
        Ok(Some(_)) => Err(BlockRefusal::Known),
        // An unreadable header is found missing by the import.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Runs all other checks and returns the block, ready to be queued. To be run on a thread pool.
pub(super) fn check(
    chain_reader: &ChainReader,
    engine: &dyn Engine,
    block: &NewBlock,
) -> Result<RawBlock, BlockRefusal> {
    let header = &block.header;
    let head = chain_reader.head();
    let Some(parent_number) = header.number.checked_sub(1) else {
        return invalid("another genesis block");
    };
    check_size(block)?;
    let has_parent = chain_reader
        .header(&header.parent_hash, parent_number)
        .is_some();
    if !has_parent {
        check_orphan(chain_reader, engine, &head, header)?;
    }
    let body = RawBody::read(&block.encoded_body());
    let body = body.or_else(|error| invalid(error.to_string()))?;
    if !body.belongs_to(header) {
        return invalid("its body is not that of its header");
    }
    Ok(RawBlock {
        header: HashedHeader {
            header: header.clone(),
            hash: block.hash(),
        },
        body: Some(body.raw),
        receipts: None,
    })
}

/// Checks the size of the body against the gas used by its header: each transaction and each byte
/// of data costs some.
fn check_size(block: &NewBlock) -> Result<(), BlockRefusal> {
    let header = &block.header;
    if header.gas_used > header.gas_limit {
        let (have, limit) = (header.gas_used, header.gas_limit);
        return invalid(ConsensusError::GasUsedAboveLimit { have, limit }.to_string());
    }
    let counts = block.counts();
    let (transactions, ommers) = counts.or_else(|error| invalid(error.to_string()))?;
    if ommers > MAX_OMMERS {
        return invalid(ConsensusError::TooManyOmmers.to_string());
    }
    let count = u64::try_from(transactions).unwrap_or(u64::MAX);
    if count.saturating_mul(MIN_TRANSACTION_GAS) > header.gas_used {
        return invalid("it has more transactions than its gas pays for");
    }
    let paid = usize::try_from(header.gas_used / MIN_BYTE_GAS).unwrap_or(usize::MAX);
    let bound = paid
        .saturating_add(transactions.saturating_mul(MAX_TRANSACTION_OVERHEAD))
        .saturating_add(MAX_OMMERS * MAX_ENCODED_HEADER + MAX_BODY_OVERHEAD);
    if block.body_size() > bound {
        invalid("it has more data than its gas pays for")
    } else {
        Ok(())
    }
}

/// Checks whether a block is worth queueing until its parent arrives.
fn check_orphan(
    chain_reader: &ChainReader,
    engine: &dyn Engine,
    head: &Header,
    header: &Header,
) -> Result<(), BlockRefusal> {
    if header.gas_limit / ORPHAN_GAS_LIMIT_RATIO > head.gas_limit {
        return Err(BlockRefusal::Useless("blocks whose gas limit is not ours"));
    }
    match engine.verify_orphan_seal(chain_reader, head, header) {
        Ok(()) => Ok(()),
        Err(error) if error.disposition() == Disposition::Internal => Ok(()),
        Err(_) => Err(BlockRefusal::Useless(
            "blocks without a parent and a seal that could be valid",
        )),
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{
        Block, Body, Header, LegacyTx, SecretKey, Transaction, TxPayload, U256,
    };

    use super::*;

    fn transfer(data: usize) -> Transaction {
        let payload = LegacyTx {
            gas_limit: 21_000,
            to: Some(Default::default()),
            input: vec![0; data].into(),
            ..LegacyTx::default()
        };
        TxPayload::Legacy(payload).sign(&SecretKey::from_bytes(&[7; 32]).unwrap())
    }

    fn block(transactions: Vec<Transaction>, ommers: usize, gas_used: u64) -> NewBlock {
        let block = Block {
            header: Header {
                gas_used,
                gas_limit: 30_000_000,
                ..Header::default()
            },
            body: Body {
                transactions,
                ommers: vec![Header::default(); ommers],
                withdrawals: None,
            },
        };
        NewBlock::new(&block, U256::from(1))
    }

    fn refusal(block: &NewBlock) -> String {
        check_size(block).unwrap_err().to_string()
    }

    #[test]
    fn a_body_is_no_larger_than_its_gas_pays_for() {
        let transfers = |count: usize| vec![transfer(0); count];
        assert_eq!(check_size(&block(transfers(1), 2, 21_000)), Ok(()));
        assert_eq!(check_size(&block(transfers(1428), 0, 29_988_000)), Ok(()));
        assert_eq!(check_size(&block(Vec::new(), 0, 0)), Ok(()));
        let many = refusal(&block(transfers(3), 0, 21_000));
        assert!(many.contains("more transactions than its gas"), "{many}");
        // A megabyte of zeros costs 4 million gas.
        let long = block(vec![transfer(1 << 20)], 0, 4_300_000);
        assert_eq!(check_size(&long), Ok(()));
        let cheap = refusal(&block(vec![transfer(1 << 20)], 0, 100_000));
        assert!(cheap.contains("more data than its gas"), "{cheap}");
        let ommers = refusal(&block(Vec::new(), 3, 0));
        assert!(ommers.contains("too many uncles"), "{ommers}");
        let gas = refusal(&block(Vec::new(), 0, 30_000_001));
        assert!(gas.contains("invalid gasUsed"), "{gas}");
    }
}
