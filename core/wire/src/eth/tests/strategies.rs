//! Random messages of all kinds.

use actoreum_primitives::config::ForkId;
use proptest::collection::vec;

use super::*;

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

fn hashes() -> impl Strategy<Value = Vec<B256>> {
    vec(hash(), 0..20)
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (
        any::<u64>(),
        any::<[u8; 20]>(),
        vec(any::<u8>(), 0..40),
        1u64..,
    )
        .prop_map(|(number, address, input, word)| {
            let payload = TxPayload::Legacy(LegacyTx {
                chain_id: Some(1337),
                nonce: number,
                gas_price: U256::from(number),
                gas_limit: number,
                to: Some(Address::from(address)),
                value: U256::from(word),
                input: input.into(),
            });
            let wide = U256::from(word) << 192;
            Transaction::new(
                payload,
                Signature {
                    y_parity: true,
                    r: wide,
                    s: wide,
                },
            )
        })
}

fn header() -> impl Strategy<Value = Header> {
    (
        hash(),
        any::<u64>(),
        any::<u64>(),
        vec(any::<u8>(), 0..100),
        any::<bool>(),
    )
        .prop_map(
            |(parent_hash, number, difficulty, extra_data, london)| Header {
                parent_hash,
                number,
                difficulty: U256::from(difficulty),
                extra_data: extra_data.into(),
                base_fee_per_gas: london.then_some(number),
                ..Header::default()
            },
        )
}

fn body() -> impl Strategy<Value = Body> {
    (
        vec(transaction(), 0..4),
        vec(header(), 0..2),
        any::<bool>(),
        any::<[u8; 20]>(),
    )
        .prop_map(|(transactions, ommers, shanghai, address)| {
            let address = Address::from(address);
            let withdrawal = Withdrawal {
                index: 1,
                validator_index: 2,
                address,
                amount: 3,
            };
            Body {
                transactions,
                ommers,
                withdrawals: shanghai.then(|| vec![withdrawal]),
            }
        })
}

fn block_receipts() -> impl Strategy<Value = BlockReceipts> {
    let log = (
        any::<[u8; 20]>(),
        vec(hash(), 0..4),
        vec(any::<u8>(), 0..40),
    )
        .prop_map(|(address, topics, data)| Log {
            address: Address::from(address),
            topics,
            data: data.into(),
        });
    let receipt = (any::<bool>(), any::<u64>(), vec(log, 0..3), 0usize..3).prop_map(
        |(success, gas, logs, kind)| {
            Receipt::new(
                TxType::ALL[kind],
                ReceiptOutcome::Status(success),
                gas,
                logs,
            )
        },
    );
    vec(receipt, 0..4).prop_map(BlockReceipts)
}

fn pooled() -> impl Strategy<Value = PooledTransaction> {
    transaction().prop_map(|transaction| PooledTransaction {
        transaction,
        sidecar: None,
    })
}

fn lazy<T: WireItem + std::fmt::Debug>(
    items: impl Strategy<Value = T>,
) -> impl Strategy<Value = LazyList<T>> {
    vec(items, 0..5).prop_map(|items| LazyList::from_items(&items))
}

pub(super) fn request() -> impl Strategy<Value = GetBlockHeaders> {
    let origin = prop_oneof![
        hash().prop_map(HashOrNumber::Hash),
        any::<u64>().prop_map(HashOrNumber::Number)
    ];
    (origin, any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
        |(origin, amount, skip, reverse)| GetBlockHeaders {
            origin,
            amount,
            skip,
            reverse,
        },
    )
}

/// Generates a version, and a message of that version.
pub(super) fn message() -> impl Strategy<Value = (EthVersion, EthMessage)> {
    let version = (0..EthVersion::ALL.len()).prop_map(|index| EthVersion::ALL[index]);
    (version, 0..MessageId::ALL.len())
        .prop_filter("the version has the message", |(version, index)| {
            version.has(MessageId::ALL[*index])
        })
        .prop_flat_map(|(version, index)| {
            let id = if version.has_request_ids() {
                any::<u64>().boxed()
            } else {
                Just(0).boxed()
            };
            let content = content(version, MessageId::ALL[index], id);
            content.prop_map(move |message| (version, message))
        })
}

fn content(
    version: EthVersion,
    message: MessageId,
    id: BoxedStrategy<u64>,
) -> BoxedStrategy<EthMessage> {
    match message {
        MessageId::Status => (any::<[u64; 3]>(), hash(), hash(), any::<[u8; 4]>())
            .prop_map(
                move |([version_number, network_id, number], head, genesis, fork)| {
                    let fork_id = ForkId {
                        hash: fork.into(),
                        next: number,
                    };
                    let is_merged = version.is_merged();
                    EthMessage::Status(Status {
                        version: version_number,
                        network_id,
                        total_difficulty: if is_merged {
                            U256::ZERO
                        } else {
                            U256::from(number) << 30
                        },
                        head,
                        genesis,
                        fork_id: version.has_fork_id().then_some(fork_id),
                        range: is_merged.then_some(BlockRange {
                            earliest: number,
                            latest: network_id,
                            latest_hash: head,
                        }),
                    })
                },
            )
            .boxed(),
        MessageId::NewBlockHashes => {
            let announcement = (hash(), any::<u64>())
                .prop_map(|(hash, number)| BlockAnnouncement { hash, number });
            vec(announcement, 0..10)
                .prop_map(EthMessage::NewBlockHashes)
                .boxed()
        }
        MessageId::NewBlock => (header(), body(), any::<u64>())
            .prop_map(|(header, body, difficulty)| {
                let block = Block { header, body };
                let total_difficulty = U256::from(difficulty);
                EthMessage::NewBlock(Box::new(NewBlock::new(&block, total_difficulty)))
            })
            .boxed(),
        MessageId::NewPooledTransactionHashes => {
            let announcement = (hash(), any::<(u8, u32)>()).prop_map(move |(hash, described)| {
                let type_and_size = version.has_typed_announcements().then_some(described);
                TransactionAnnouncement {
                    hash,
                    type_and_size,
                }
            });
            vec(announcement, 0..10)
                .prop_map(EthMessage::NewPooledTransactionHashes)
                .boxed()
        }
        MessageId::Transactions => lazy(transaction())
            .prop_map(EthMessage::Transactions)
            .boxed(),
        MessageId::GetBlockHeaders => (id, request())
            .prop_map(|(id, it)| EthMessage::GetBlockHeaders(id, it))
            .boxed(),
        MessageId::GetBlockBodies => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetBlockBodies(id, it))
            .boxed(),
        MessageId::GetPooledTransactions => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetPooledTransactions(id, it))
            .boxed(),
        MessageId::GetNodeData => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetNodeData(id, it))
            .boxed(),
        MessageId::GetReceipts => (id, hashes())
            .prop_map(|(id, it)| EthMessage::GetReceipts(id, it))
            .boxed(),
        MessageId::BlockHeaders => (id, lazy(header()))
            .prop_map(|(id, it)| EthMessage::BlockHeaders(id, it))
            .boxed(),
        MessageId::BlockBodies => (id, lazy(body()))
            .prop_map(|(id, it)| EthMessage::BlockBodies(id, it))
            .boxed(),
        MessageId::PooledTransactions => (id, lazy(pooled()))
            .prop_map(|(id, it)| EthMessage::PooledTransactions(id, it))
            .boxed(),
        MessageId::NodeData => {
            let values = vec(any::<u8>(), 0..100).prop_map(Value::from);
            (id, lazy(values))
                .prop_map(|(id, it)| EthMessage::NodeData(id, it))
                .boxed()
        }
        MessageId::Receipts if version.is_merged() => {
            let slim = block_receipts().prop_map(|block| SlimReceipts(block.0));
            (id, lazy(slim))
                .prop_map(|(id, it)| EthMessage::Receipts(id, ReceiptLists::Slim(it)))
                .boxed()
        }
        MessageId::Receipts => (id, lazy(block_receipts()))
            .prop_map(|(id, it)| EthMessage::Receipts(id, ReceiptLists::Full(it)))
            .boxed(),
        MessageId::BlockRangeUpdate => (any::<(u64, u64)>(), hash())
            .prop_map(|((earliest, latest), latest_hash)| {
                EthMessage::BlockRangeUpdate(BlockRange {
                    earliest,
                    latest,
                    latest_hash,
                })
            })
            .boxed(),
    }
}
