use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use actoreum_chain::{LogCriteria, PlacedLog};
use actoreum_primitives::{
    Address, Block, Body, Header, LegacyTx, Log, Receipt, ReceiptOutcome, SecretKey, TxPayload,
    TxType, U256, logs_bloom,
};
use parking_lot::Mutex;

use super::limits::FILTER_LIFETIME;
use super::*;
use crate::supervision::{ActorRef, ChildSpec, Strategy, SupervisorSpec, Tree, TreeOptions};

/// A block with a log of the contract `emitter`.
fn block(number: u64, branch: u8, emitter: u8) -> ExecutedBlock {
    let logs = vec![Log {
        address: Address::repeat_byte(emitter),
        topics: Vec::new(),
        data: Default::default(),
    }];
    let header = Header {
        number,
        extra_data: vec![branch].into(),
        logs_bloom: logs_bloom(&logs),
        ..Header::default()
    };
    let payload = TxPayload::Legacy(LegacyTx {
        chain_id: Some(1),
        nonce: number,
        gas_price: U256::ZERO,
        gas_limit: 21_000,
        to: None,
        value: U256::ZERO,
        input: Default::default(),
    });
    let key = SecretKey::from_bytes(&[1; 32]).unwrap();
    let receipt = Receipt::new(TxType::Legacy, ReceiptOutcome::Status(true), 21_000, logs);
    let body = Body {
        transactions: vec![payload.sign(&key)],
        ..Body::default()
    };
    ExecutedBlock {
        header: SealedHeader::new(header.clone()),
        block: Arc::new(Block { header, body }),
        receipts: Arc::new(vec![receipt]),
    }
}

fn changed(events: Vec<ChainEvent>) -> ChainChanged {
    ChainChanged {
        events: events.into(),
    }
}

/// Block 1 of branch `a` gives way to blocks 1 and 2 of branch `b`.
fn reorg() -> (ExecutedBlock, Vec<ExecutedBlock>, ChainChanged) {
    let old = block(1, b'a', 7);
    let new = vec![block(1, b'b', 7), block(2, b'b', 8)];
    let head = new[1].header.clone();
    let events = vec![
        ChainEvent::Removed(old.clone()),
        ChainEvent::Added(new[0].clone()),
        ChainEvent::Added(new[1].clone()),
        ChainEvent::Head(head),
    ];
    (old, new, changed(events))
}

/// Writes down what it hears, in short.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<String>>,
    is_full: AtomicBool,
    has_lost: AtomicBool,
}

impl Subscriber for Ear {
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool {
        if self.is_full.load(SeqCst) {
            return false;
        }
        let line = match &event.change {
            Change::Head(header) => {
                format!("head {}{}", header.number, header.extra_data[0] as char)
            }
            Change::Logs(logs) => {
                let sign = |log: &PlacedLog| if log.removed { '-' } else { '+' };
                let numbers = logs
                    .iter()
                    .map(|log| format!("{}{}", sign(log), log.block_number));
                format!("logs {}", numbers.collect::<String>())
            }
            Change::Transactions(hashes) => format!("{} transactions", hashes.len()),
            Change::Peer(peer) => format!("peer {:?}", peer.peer),
        };
        self.heard.lock().push(format!("{subscription}: {line}"));
        true
    }

    fn lost(&self) {
        self.has_lost.store(true, SeqCst);
    }
}

/// Runs a test against the real actor, with a clock that jumps.
fn with_actor<F: Future<Output = ()>>(test: impl FnOnce(ActorRef<FilterActor>) -> F) {
    actix::System::new().block_on(async {
        tokio::time::pause();
        let filters = ActorRef::new("filters");
        let spec = SupervisorSpec::new("test", Strategy::OneForOne)
            .child(ChildSpec::new(&filters, FilterActor::new));
        let tree: Tree = TreeOptions::default()
            .single_thread()
            .start(spec)
            .await
            .unwrap();
        test(filters).await;
        assert_eq!(tree.shutdown().await.exit_code(), 0);
    });
}

fn logs_of(emitter: u8) -> Topic {
    Topic::Logs(LogRange {
        criteria: LogCriteria {
            addresses: vec![Address::repeat_byte(emitter)],
            topics: Vec::new(),
        },
        ..LogRange::default()
    })
}

#[test]
fn a_reorg_tells_removed_logs_then_added_ones_then_heads() {
    with_actor(|filters| async move {
        let ear = Arc::new(Ear::default());
        for (id, topic) in [(1, Topic::Heads), (2, logs_of(7)), (3, logs_of(9))] {
            let subscriber: Arc<dyn Subscriber> = ear.clone();
            let id = FilterId(id);
            let message = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.ask(message).await.unwrap();
        }
        let (old, new, reorg) = reorg();
        let ask = |topic| filters.ask(InstallFilter { topic });
        let heads = ask(Topic::Heads).await.unwrap().unwrap();
        let logs = ask(logs_of(7)).await.unwrap().unwrap();
        let range = LogRange {
            from: Some(2),
            ..LogRange::default()
        };
        let later = ask(Topic::Logs(range.clone())).await.unwrap().unwrap();
        filters.ask(reorg).await.unwrap();
        let expected = [
            "0x2: logs -1",
            "0x2: logs +1",
            "0x1: head 1b",
            "0x1: head 2b",
        ];
        assert_eq!(*ear.heard.lock(), expected);

        let take = |id| filters.ask(TakeChanges { id });
        let hashes: Vec<B256> = new.iter().map(|block| block.header.hash()).collect();
        assert_eq!(take(heads).await.unwrap(), Some(Collected::Hashes(hashes)));
        let Some(Collected::Logs(found)) = take(logs).await.unwrap() else {
            panic!("a log filter collects logs");
        };
        let of = |block: &ExecutedBlock, removed| (block.header.hash(), removed);
        let found: Vec<_> = found
            .iter()
            .map(|log| (log.block_hash, log.removed))
            .collect();
        assert_eq!(found, [of(&old, true), of(&new[0], false)]);
        assert_eq!(take(logs).await.unwrap(), Some(Collected::Logs(Vec::new())));
        let Some(Collected::Logs(found)) = take(later).await.unwrap() else {
            panic!("a log filter collects logs");
        };
        assert_eq!(found.len(), 1);
        assert_eq!(
            filters.ask(GetLogFilter { id: later }).await,
            Ok(Some(range))
        );
        assert_eq!(filters.ask(GetLogFilter { id: heads }).await, Ok(None));
        assert!(filters.ask(UninstallFilter { id: later }).await.unwrap());
        assert!(!filters.ask(UninstallFilter { id: later }).await.unwrap());
        assert_eq!(take(later).await.unwrap(), None);
    });
}

#[test]
fn a_bulk_import_tells_of_its_last_block() {
    with_actor(|filters| async move {
        let topic = Topic::Heads;
        let id = filters.ask(InstallFilter { topic }).await.unwrap().unwrap();
        let header = block(9, b'a', 1).header;
        let events = vec![ChainEvent::Head(header.clone())];
        filters.ask(changed(events)).await.unwrap();
        let taken = filters.ask(TakeChanges { id }).await.unwrap();
        assert_eq!(taken, Some(Collected::Hashes(vec![header.hash()])));
    });
}

#[test]
fn a_filter_lives_while_it_is_polled_and_their_number_is_capped() {
    with_actor(|filters| async move {
        let topic = Topic::Heads;
        let id = filters.ask(InstallFilter { topic }).await.unwrap().unwrap();
        for _ in 0..3 {
            tokio::time::sleep(FILTER_LIFETIME - Duration::from_secs(1)).await;
            assert!(filters.ask(TakeChanges { id }).await.unwrap().is_some());
        }
        tokio::time::sleep(FILTER_LIFETIME + EXPIRY_CHECK).await;
        assert_eq!(filters.ask(TakeChanges { id }).await, Ok(None));
        for installed in 0..=MAX_FILTERS {
            let topic = Topic::Transactions;
            let outcome = filters.ask(InstallFilter { topic }).await.unwrap();
            assert_eq!(outcome.is_ok(), installed < MAX_FILTERS);
        }
        tokio::time::sleep(FILTER_LIFETIME + EXPIRY_CHECK).await;
        let topic = Topic::Heads;
        assert!(filters.ask(InstallFilter { topic }).await.unwrap().is_ok());
    });
}

#[test]
fn who_takes_no_more_is_told_no_more_and_nobody_else_is_touched() {
    with_actor(|filters| async move {
        let (full, other) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
        for (id, ear) in [(1, &full), (2, &other), (3, &other)] {
            let subscriber: Arc<dyn Subscriber> = ear.clone();
            let (id, topic) = (FilterId(id), Topic::Heads);
            let message = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.ask(message).await.unwrap();
        }
        full.is_full.store(true, SeqCst);
        filters.ask(Unsubscribe { id: FilterId(3) }).await.unwrap();
        for _ in 0..2 {
            let (_, _, reorg) = reorg();
            filters.ask(reorg).await.unwrap();
            full.is_full.store(false, SeqCst);
        }
        assert!(
            full.heard.lock().is_empty(),
            "it was dropped at its first refusal"
        );
        assert_eq!(other.heard.lock().len(), 4);
        assert!(!full.has_lost.load(SeqCst) && !other.has_lost.load(SeqCst));
    });
}

#[test]
fn a_subscription_that_ends_with_its_actor_is_lost() {
    let ear = Arc::new(Ear::default());
    let subscriber: Arc<dyn Subscriber> = ear.clone();
    with_actor(|filters| async move {
        let (id, topic) = (FilterId(1), Topic::Heads);
        let message = Subscribe {
            id,
            topic,
            subscriber,
        };
        filters.ask(message).await.unwrap();
    });
    assert!(ear.has_lost.load(SeqCst));
}

#[test]
fn what_nobody_fetches_is_bounded() {
    let mut polled = PolledFilters::default();
    let (greedy, modest) = (FilterId(1), FilterId(2));
    polled.install(greedy, Topic::Heads);
    polled.install(modest, Topic::Transactions);
    polled.add_hashes(&Topic::Transactions, &[B256::ZERO]);
    let many = vec![B256::ZERO; limits::MAX_COLLECTED_BYTES / 32];
    polled.add_hashes(&Topic::Heads, &many);
    assert_eq!(polled.take(greedy), None, "the fullest goes");
    assert_eq!(
        polled.take(modest),
        Some(Collected::Hashes(vec![B256::ZERO]))
    );
    polled.install(greedy, Topic::Heads);
    polled.add_hashes(&Topic::Heads, &many[1..]);
    assert!(polled.take(greedy).is_some());
}
