//! The `testing` namespace of execution-apis: blocks as a consensus client would ask for them, for
//! tests of other software.

use actoreum_chain::{Ancestors, SealedHeader, complete_header};
use actoreum_consensus::limits::MAX_EXTRA_DATA_BYTES;
use actoreum_consensus::rules;
use actoreum_evm::{BlockBuilder, TxError};
use actoreum_primitives::{
    Address, B256, BlobSidecar, Block, Body, Bytes, Header, PooledTransaction, Receipt,
    SenderRules, SidecarProofs, Transaction, U256, Withdrawal,
};
use actoreum_storage::{StorageError, TrieBuffer};

use crate::error::RpcError;
use crate::namespaces::block_id::BlockId;
use crate::node::{Node, storage};
use crate::server::deadline::Deadline;
use crate::server::json::{JsonOut, WriteJson};
use crate::server::method::Method;
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![Method::heavy(
        "testing_buildBlockV1",
        &["parent", "attributes", "transactions", "extraData"],
        build_block,
    )]
}

/// The fields of a block that a consensus client chooses.
struct PayloadAttributes {
    timestamp: u64,
    prev_randao: B256,
    fee_recipient: Address,
    withdrawals: Vec<Withdrawal>,
    beacon_root: B256,
}

impl FromParam for PayloadAttributes {
    const SCHEMA: &'static str = r#"{"title":"payload attributes","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "engine.PayloadAttributes")?;
        let missing = |name: &str| ParamError::text(format!("missing required field '{name}'"));
        Ok(Self {
            timestamp: object
                .get("timestamp")?
                .ok_or_else(|| missing("timestamp"))?,
            prev_randao: object.get("prevRandao")?.unwrap_or_default(),
            fee_recipient: object.get("suggestedFeeRecipient")?.unwrap_or_default(),
            withdrawals: object.get("withdrawals")?.unwrap_or_default(),
            beacon_root: object.get("parentBeaconBlockRoot")?.unwrap_or_default(),
        })
    }
}

/// A block that was built, with what a consensus client learns beside it.
struct BuiltPayload {
    block: Block,
    requests: Vec<Bytes>,
    /// The blobs of the transactions.
    sidecars: Vec<BlobSidecar>,
    /// The tips that the block pays, in wei.
    value: U256,
}

type BuildParams = (B256, PayloadAttributes, Option<Vec<Bytes>>, Option<Bytes>);

/// Builds a block on `parent` with the given transactions, or with those of the pool.
fn build_block(
    node: &Node,
    (parent, attributes, transactions, extra_data): BuildParams,
) -> Result<BuiltPayload, RpcError> {
    let header_missing = || RpcError::server("unknown parent");
    let parent = node
        .header(BlockId::from(parent))?
        .ok_or_else(header_missing)?;
    if !node.is_canonical(&parent)? {
        return Err(RpcError::server("the parent is not canonical"));
    }
    if attributes.timestamp <= parent.timestamp {
        return Err(RpcError::invalid_params(
            "the time is not after that of the parent",
        ));
    }
    let header = unfilled(node, &parent, &attributes, extra_data.unwrap_or_default())?;
    let given = transactions.map(|list| decoded(&list)).transpose()?;
    let store = node.chain_reader.store();
    let built = store.with_tries(parent.number, |tries| {
        let building = Building {
            node,
            parent: &parent,
            header: header.clone(),
            withdrawals: &attributes.withdrawals,
        };
        match building.run(given.as_deref(), tries) {
            Err(BuildFailure::Store(error)) => Err(error),
            Err(BuildFailure::Rpc(error)) => Ok(Err(error)),
            Ok(built) => Ok(Ok(built)),
        }
    });
    built.map_err(storage)?
}

/// Returns the header of the block as it is before the transactions.
fn unfilled(
    node: &Node,
    parent: &SealedHeader,
    attributes: &PayloadAttributes,
    extra_data: Bytes,
) -> Result<Header, RpcError> {
    let config = node.chain_reader.config();
    if config.terminal_total_difficulty.is_none() {
        return Err(RpcError::server("this chain does not merge"));
    }
    if extra_data.len() > MAX_EXTRA_DATA_BYTES {
        return Err(RpcError::invalid_params(
            "the extra data has more than 32 bytes",
        ));
    }
    let mut header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp: attributes.timestamp,
        beneficiary: attributes.fee_recipient,
        mix_hash: attributes.prev_randao,
        extra_data,
        ..Header::default()
    };
    rules::fork_fields::fill(config, &mut header, parent);
    let beacon_root = &mut header.parent_beacon_block_root;
    *beacon_root = beacon_root.map(|_| attributes.beacon_root);
    let target = node.settings.gas_target;
    let bounds = target.floor..=target.ceiling;
    let desired = rules::gas_limit::desired(config, parent, header.timestamp, bounds);
    header.gas_limit = rules::gas_limit::towards(config, &header, parent, desired);
    Ok(header)
}

/// Decodes transactions. A blob transaction comes with its blobs, or without them.
fn decoded(list: &[Bytes]) -> Result<Vec<PooledTransaction>, RpcError> {
    let decode = |bytes: &Bytes| match Transaction::decode_2718(bytes) {
        Ok(transaction) => Ok(PooledTransaction {
            transaction,
            sidecar: None,
        }),
        Err(error) => PooledTransaction::decode_2718(bytes)
            .map_err(|_| RpcError::invalid_params(format!("invalid transaction: {error}"))),
    };
    list.iter().map(decode).collect()
}

enum BuildFailure {
    Store(StorageError),
    Rpc(RpcError),
}

impl From<RpcError> for BuildFailure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

/// The building of one block.
struct Building<'a> {
    node: &'a Node,
    parent: &'a SealedHeader,
    header: Header,
    withdrawals: &'a [Withdrawal],
}

impl Building<'_> {
    fn run(
        mut self,
        given: Option<&[PooledTransaction]>,
        mut tries: TrieBuffer,
    ) -> Result<BuiltPayload, BuildFailure> {
        let reader = &self.node.chain_reader;
        let state = reader.state_at(self.parent.number).map_err(storage)?;
        let hashes = Ancestors::of_batch(reader, self.header.number, &[]);
        let deadline = Deadline::within(self.node.settings.call_timeout);
        let interrupt = || deadline.is_over();
        let failed = |error: actoreum_evm::ExecutionError| RpcError::server(error.to_string());
        let author = self.header.beneficiary;
        let builder =
            BlockBuilder::begin(reader.config(), &self.header, author, &state, &hashes, None);
        let mut builder = builder.map_err(failed)?.with_interrupt(&interrupt);
        let mut body = Body {
            withdrawals: self
                .header
                .withdrawals_root
                .map(|_| self.withdrawals.to_vec()),
            ..Body::default()
        };
        let sidecars = match given {
            Some(transactions) => self.add(transactions, &mut builder, &mut body)?,
            None => self.add_pooled(&mut builder, &mut body)?,
        };
        let outcome = builder.finish(&[], body.withdrawals.as_deref().unwrap_or_default());
        let mut outcome = outcome.map_err(failed)?;
        complete_header(&mut self.header, &body, &outcome).map_err(storage)?;
        let root = tries.apply(self.header.number, &outcome.diff);
        self.header.state_root = root.map_err(BuildFailure::Store)?;
        let value = tips(&self.header, &body.transactions, &outcome.receipts);
        Ok(BuiltPayload {
            requests: outcome.requests.take().unwrap_or_default(),
            sidecars,
            block: Block {
                header: self.header,
                body,
            },
            value,
        })
    }

    /// Adds the given transactions, each of which must be valid. Returns their blobs.
    fn add(
        &self,
        transactions: &[PooledTransaction],
        builder: &mut BlockBuilder<'_>,
        body: &mut Body,
    ) -> Result<Vec<BlobSidecar>, RpcError> {
        let (number, timestamp) = (self.header.number, self.header.timestamp);
        let rules = SenderRules::at(self.node.chain_reader.config(), number, timestamp);
        for (index, PooledTransaction { transaction, .. }) in transactions.iter().enumerate() {
            let invalid = |error: &dyn std::fmt::Display| {
                RpcError::server(format!("invalid transaction {index}: {error}"))
            };
            let sender = rules.sender(transaction).map_err(|error| invalid(&error))?;
            let added = builder.try_transaction(transaction, sender);
            added.map_err(|error| invalid(&error))?;
            body.transactions.push(transaction.clone());
        }
        let sidecars = transactions.iter().filter_map(|it| it.sidecar.clone());
        Ok(sidecars.collect())
    }

    /// Adds transactions of the pool, best first. Returns their blobs.
    fn add_pooled(
        &self,
        builder: &mut BlockBuilder<'_>,
        body: &mut Body,
    ) -> Result<Vec<BlobSidecar>, RpcError> {
        let mut sidecars = Vec::new();
        let Some(pool) = self.node.txpool_snapshot() else {
            return Ok(sidecars);
        };
        let mut offers = pool.best(self.header.base_fee_per_gas);
        while let Some(offer) = offers.next() {
            let (transaction, sender) = (offer.transaction(), offer.sender());
            match builder.try_transaction(transaction, sender) {
                Ok(_) => {
                    body.transactions.push(transaction.clone());
                    sidecars.extend(offer.pooled().sidecar.clone());
                }
                Err(TxError::NonceTooLow { .. }) => {}
                Err(error @ (TxError::State(_) | TxError::Interrupted)) => {
                    return Err(RpcError::server(error.to_string()));
                }
                Err(_) => offers.skip_sender(sender),
            }
        }
        Ok(sidecars)
    }
}

/// Returns what the transactions pay to the beneficiary, in wei.
fn tips(header: &Header, transactions: &[Transaction], receipts: &[Receipt]) -> U256 {
    let mut before = 0;
    let mut sum = U256::ZERO;
    for (transaction, receipt) in transactions.iter().zip(receipts) {
        let gas = receipt.cumulative_gas_used.saturating_sub(before);
        before = receipt.cumulative_gas_used;
        let tip = transaction.effective_tip(header.base_fee_per_gas);
        sum = sum.saturating_add(tip.unwrap_or_default().saturating_mul(U256::from(gas)));
    }
    sum
}

impl WriteJson for BuiltPayload {
    fn write_json(&self, out: &mut JsonOut) {
        let mut object = out.object();
        write_payload(object.key("executionPayload"), &self.block);
        object.field("blockValue", self.value);
        let sidecars = &self.sidecars;
        let mut bundle = object.key("blobsBundle").object();
        let commitments = sidecars.iter().flat_map(|it| &it.commitments);
        bundle
            .key("commitments")
            .array(commitments.map(|it| Bytes::copy_from_slice(it.as_slice())));
        let proofs = sidecars.iter().flat_map(|it| match &it.proofs {
            SidecarProofs::Blob(proofs) | SidecarProofs::Cell(proofs) => proofs,
        });
        bundle
            .key("proofs")
            .array(proofs.map(|it| Bytes::copy_from_slice(it.as_slice())));
        let blobs = sidecars.iter().flat_map(|it| &it.blobs);
        bundle.key("blobs").array(blobs);
        bundle.end();
        object.key("executionRequests").array(&self.requests);
        object.field("shouldOverrideBuilder", false).end();
    }
}

/// Writes a block as an execution payload of the Engine API.
fn write_payload(out: &mut JsonOut, block: &Block) {
    let Block { header, body } = block;
    let mut object = out.object();
    object
        .field("parentHash", header.parent_hash)
        .field("feeRecipient", header.beneficiary)
        .field("stateRoot", header.state_root)
        .field("receiptsRoot", header.receipts_root)
        .field("logsBloom", header.logs_bloom)
        .field("prevRandao", header.mix_hash)
        .quantity("blockNumber", header.number)
        .quantity("gasLimit", header.gas_limit)
        .quantity("gasUsed", header.gas_used)
        .quantity("timestamp", header.timestamp)
        .field("extraData", &header.extra_data)
        .quantity("baseFeePerGas", header.base_fee_per_gas.unwrap_or(0))
        .field("blockHash", header.hash());
    let transactions = body.transactions.iter();
    object
        .key("transactions")
        .array(transactions.map(|transaction| Bytes::from(transaction.encode_2718())));
    if let Some(withdrawals) = &body.withdrawals {
        object.key("withdrawals").array(withdrawals);
    }
    if let Some(gas) = header.blob_gas_used {
        object.quantity("blobGasUsed", gas);
    }
    if let Some(gas) = header.excess_blob_gas {
        object.quantity("excessBlobGas", gas);
    }
    object.end();
}
