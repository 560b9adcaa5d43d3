use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use actoreum_chain::{LogCriteria, LogWithMeta, Rewound, genesis};
use actoreum_messages::chain::BlockOrigin;
use actoreum_messages::filter::Collected;
use actoreum_primitives::{
    Address, Block, Body, Genesis, Header, LegacyTx, Log, PooledTransaction, Receipt,
    ReceiptOutcome, SecretKey, SenderRules, TxPayload, TxType, U256, logs_bloom,
};
use actoreum_storage::{Commit, HeadRecord, Store};
use actoreum_txpool::PoolTx;
use parking_lot::Mutex;

use super::limits::FILTER_LIFETIME;
use super::*;
use actoreum_supervision::{ActorRef, ChildSpec, Strategy, SupervisorSpec, Tree, TreeOptions};

/// Returns a chain that has only its genesis.
fn new_chain() -> (Store, ChainReader) {
    let store = Store::memory();
    genesis::init(&store, &Genesis::mainnet()).unwrap();
    let chain_reader = ChainReader::open(store.clone()).unwrap();
    (store, chain_reader)
}

/// Returns a block with a log of the contract `emitter`.
fn block(parent: &SealedHeader, branch: u8, emitter: u8) -> ExecutedBlock {
    let number = parent.number + 1;
    let logs = vec![Log {
        address: Address::repeat_byte(emitter),
        topics: Vec::new(),
        data: Default::default(),
    }];
    let header = Header {
        parent_hash: parent.hash(),
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
        cause: ChainCause::Import(BlockOrigin::Live),
    }
}

fn rewound(from: &ExecutedBlock, is_complete: bool, events: Vec<ChainEvent>) -> ChainChanged {
    let from = from.header.hash();
    ChainChanged {
        events: events.into(),
        cause: ChainCause::Rewind(Rewound { from, is_complete }),
    }
}

/// Block 1 of branch `a`, which was sent, is replaced by blocks 1 and 2 of branch `b`.
struct Reorg {
    old: ExecutedBlock,
    new: Vec<ExecutedBlock>,
    notified: ChainChanged,
    change: ChainChanged,
}

fn reorg(genesis: &SealedHeader) -> Reorg {
    let old = block(genesis, b'a', 7);
    let first = block(genesis, b'b', 7);
    let new = vec![first.clone(), block(&first.header, b'b', 8)];
    let head = new[1].header.clone();
    let events = vec![
        ChainEvent::Removed(old.clone()),
        ChainEvent::Added(new[0].clone()),
        ChainEvent::Added(new[1].clone()),
        ChainEvent::Head(head),
    ];
    Reorg {
        notified: changed(vec![ChainEvent::Added(old.clone())]),
        old,
        new,
        change: changed(events),
    }
}

/// Records the events that it gets, in short.
#[derive(Default)]
struct RecordingSubscriber {
    events: Mutex<Vec<String>>,
    is_full: AtomicBool,
    has_lost: AtomicBool,
}

impl Subscriber for RecordingSubscriber {
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool {
        if self.is_full.load(SeqCst) {
            return false;
        }
        let line = match &event.change {
            Change::Head(header) => {
                format!("head {}{}", header.number, header.extra_data[0] as char)
            }
            Change::Logs(logs) => {
                let sign = |log: &LogWithMeta| if log.removed { '-' } else { '+' };
                let numbers = logs
                    .iter()
                    .map(|log| format!("{}{}", sign(log), log.block_number));
                format!("logs {}", numbers.collect::<String>())
            }
            Change::Transactions(hashes) => format!("{} transactions", hashes.len()),
            Change::FullTransactions(all) => format!("{} full transactions", all.len()),
            Change::Peer(peer) => format!("peer {:?}", peer.peer),
            Change::Sync(change) => format!("sync {change:?}"),
        };
        self.events.lock().push(format!("{subscription}: {line}"));
        true
    }

    fn lost(&self) {
        self.has_lost.store(true, SeqCst);
    }
}

/// Message to replace the actor's reader: a reader sees only what its own writer published, and
/// there is no writer in these tests.
#[derive(Message)]
struct UseReader(ChainReader);

impl Handles<UseReader> for FilterActor {
    type Answer = ();

    fn handle(&mut self, UseReader(chain_reader): UseReader, _: &mut Ctx<Self>) {
        self.chain_reader = chain_reader;
    }
}

/// Runs a test against the real actor over a new chain, with a paused clock.
fn with_actor<F: Future<Output = ()>>(test: impl FnOnce(ActorRef<FilterActor>, SealedHeader) -> F) {
    let (_, chain_reader) = new_chain();
    let head = chain_reader.head();
    with_actor_over(chain_reader, |filters| test(filters, head));
}

fn with_actor_over<F: Future<Output = ()>>(
    chain_reader: ChainReader,
    test: impl FnOnce(ActorRef<FilterActor>) -> F,
) {
    actoreum_supervision::block_on(async {
        tokio::time::pause();
        let filters = ActorRef::new("filters");
        let spec = SupervisorSpec::new("test", Strategy::OneForOne)
            .child(ChildSpec::new(&filters, move || {
                FilterActor::new(chain_reader.clone())
            }));
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
fn a_reorg_sends_removed_logs_then_added_logs_then_heads() {
    with_actor(|filters, genesis| async move {
        let Reorg {
            old,
            new,
            notified,
            change,
        } = reorg(&genesis);
        filters.ask(notified).await.unwrap();
        let recorder = Arc::new(RecordingSubscriber::default());
        for (id, topic) in [(1, Topic::Heads), (2, logs_of(7)), (3, logs_of(9))] {
            let subscriber: Arc<dyn Subscriber> = recorder.clone();
            let id = FilterId(id);
            let message = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.ask(message).await.unwrap();
        }
        let ask = |topic| filters.ask(InstallFilter { topic });
        let heads = ask(Topic::Heads).await.unwrap().unwrap();
        let logs = ask(logs_of(7)).await.unwrap().unwrap();
        let range = LogRange {
            from: Some(2),
            ..LogRange::default()
        };
        let later = ask(Topic::Logs(range.clone())).await.unwrap().unwrap();
        filters.ask(change).await.unwrap();
        let expected = [
            "0x2: logs -1",
            "0x2: logs +1",
            "0x1: head 1b",
            "0x1: head 2b",
        ];
        assert_eq!(*recorder.events.lock(), expected);

        let take = |id| filters.ask(TakeChanges { id });
        let hashes: Vec<B256> = new.iter().map(|block| block.header.hash()).collect();
        assert_eq!(
            take(heads).await.unwrap(),
            Some(Ok(Collected::Hashes(hashes)))
        );
        let Some(Ok(Collected::Logs(found))) = take(logs).await.unwrap() else {
            panic!("a log filter collects logs");
        };
        let of = |block: &ExecutedBlock, removed| (block.header.hash(), removed);
        let found: Vec<_> = found
            .iter()
            .map(|log| (log.block_hash, log.removed))
            .collect();
        assert_eq!(found, [of(&old, true), of(&new[0], false)]);
        assert_eq!(
            take(logs).await.unwrap(),
            Some(Ok(Collected::Logs(Vec::new())))
        );
        let Some(Ok(Collected::Logs(found))) = take(later).await.unwrap() else {
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
fn filters_expire_when_not_polled_and_are_capped() {
    with_actor(|filters, _| async move {
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
fn a_full_subscriber_is_dropped_and_others_are_not() {
    with_actor(|filters, genesis| async move {
        let Reorg {
            notified, change, ..
        } = reorg(&genesis);
        let (full, other) = (
            Arc::new(RecordingSubscriber::default()),
            Arc::new(RecordingSubscriber::default()),
        );
        for (id, recorder) in [(1, &full), (2, &other), (3, &other)] {
            let subscriber: Arc<dyn Subscriber> = recorder.clone();
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
        for events in [notified, change] {
            filters.ask(events).await.unwrap();
            full.is_full.store(false, SeqCst);
        }
        assert!(
            full.events.lock().is_empty(),
            "it was dropped at its first refusal"
        );
        assert_eq!(other.events.lock().len(), 3);
        assert!(!full.has_lost.load(SeqCst) && !other.has_lost.load(SeqCst));
    });
}

#[test]
fn transactions_are_sent_in_full_or_by_their_hashes() {
    with_actor(|filters, genesis| async move {
        let recorder = Arc::new(RecordingSubscriber::default());
        for (id, topic) in [(1, Topic::Transactions), (2, Topic::FullTransactions)] {
            let subscriber: Arc<dyn Subscriber> = recorder.clone();
            let id = FilterId(id);
            let message = Subscribe {
                id,
                topic,
                subscriber,
            };
            filters.ask(message).await.unwrap();
        }
        let block = block(&genesis, b'a', 7).block;
        let pooled = PooledTransaction {
            transaction: block.body.transactions[0].clone(),
            sidecar: None,
        };
        let rules = SenderRules::at(&Genesis::mainnet().config, 10_000_000, 0);
        let pooled = Arc::new(PoolTx::prepare(pooled, &rules).unwrap());
        let transactions = Arc::from([pooled]);
        filters.ask(NewTransactions { transactions }).await.unwrap();
        let mut events = recorder.events.lock().clone();
        events.sort();
        assert_eq!(events, ["0x1: 1 transactions", "0x2: 1 full transactions"]);
    });
}

#[test]
fn a_subscriber_learns_that_its_actor_stopped() {
    let recorder = Arc::new(RecordingSubscriber::default());
    let subscriber: Arc<dyn Subscriber> = recorder.clone();
    with_actor(|filters, _| async move {
        let (id, topic) = (FilterId(1), Topic::Heads);
        let message = Subscribe {
            id,
            topic,
            subscriber,
        };
        filters.ask(message).await.unwrap();
    });
    assert!(recorder.has_lost.load(SeqCst));
}

#[test]
fn unfetched_changes_are_bounded() {
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
        Some(Ok(Collected::Hashes(vec![B256::ZERO])))
    );
    polled.install(greedy, Topic::Heads);
    polled.add_hashes(&Topic::Heads, &many[1..]);
    assert!(polled.take(greedy).is_some());
}

/// Writes a branch without its state, as the canonical one where `is_canonical`.
fn write(store: &Store, blocks: &[ExecutedBlock], is_canonical: bool) {
    let mut commit = Commit::new();
    for executed in blocks {
        let (number, hash) = (executed.header.number, executed.header.hash());
        let header: &Header = &executed.block.header;
        commit.put_header(&hash, header, &U256::from(number));
        commit.put_body(number, &hash, &executed.block.body);
        commit.put_receipts(number, &hash, &executed.receipts);
        if is_canonical {
            commit.set_canonical(number, &hash);
            commit.set_head(HeadRecord {
                number,
                hash,
                state_root: B256::ZERO,
            });
        }
    }
    store.commit(commit).unwrap();
}

fn branch(parent: &SealedHeader, name: u8, blocks: usize) -> Vec<ExecutedBlock> {
    let mut branch: Vec<ExecutedBlock> = Vec::new();
    for _ in 0..blocks {
        let parent = branch.last().map_or(parent, |last| &last.header);
        let next = block(parent, name, 7);
        branch.push(next);
    }
    branch
}

/// Subscribes to heads and to logs of the contract that all branches call.
async fn listen(filters: &ActorRef<FilterActor>) -> Arc<RecordingSubscriber> {
    let recorder = Arc::new(RecordingSubscriber::default());
    for (id, topic) in [(1, Topic::Heads), (2, logs_of(7))] {
        let subscriber: Arc<dyn Subscriber> = recorder.clone();
        let message = Subscribe {
            id: FilterId(id),
            topic,
            subscriber,
        };
        filters.ask(message).await.unwrap();
    }
    recorder
}

#[test]
fn dropped_events_are_sent_late_in_order_and_once() {
    let (store, chain_reader) = new_chain();
    let a = branch(&chain_reader.head(), b'a', 3);
    let b = branch(&a[0].header, b'b', 3);
    write(&store, &a[1..], false);
    write(&store, &[&a[..1], &b].concat(), true);
    let now = ChainReader::open(store).unwrap();
    with_actor_over(now, |filters| async move {
        // The actor was sent branch a, and then nothing until the last block of b.
        let back = [&b[2], &b[1], &b[0], &a[0]].map(|it| ChainEvent::Removed(it.clone()));
        let genesis = ChainEvent::Head(chain_reader.head());
        let back = back.into_iter().chain([genesis]).collect();
        filters.ask(changed(back)).await.unwrap();
        let forth = a.iter().map(|it| ChainEvent::Added(it.clone())).collect();
        let stale = changed(forth);
        filters.ask(stale.clone()).await.unwrap();
        let recorder = listen(&filters).await;
        let last = changed(vec![ChainEvent::Added(b[2].clone())]);
        filters.ask(last.clone()).await.unwrap();
        let expected = [
            "0x2: logs -3",
            "0x2: logs -2",
            "0x2: logs +2",
            "0x2: logs +3",
            "0x2: logs +4",
            "0x1: head 2b",
            "0x1: head 3b",
            "0x1: head 4b",
        ];
        assert_eq!(*recorder.events.lock(), expected);
        filters.ask(last).await.unwrap();
        filters.ask(stale).await.unwrap();
        assert_eq!(
            recorder.events.lock().len(),
            expected.len(),
            "nothing twice"
        );
    });
}

#[test]
fn a_missed_chain_change_is_noticed() {
    let (store, chain_reader) = new_chain();
    let blocks = branch(&chain_reader.head(), b'a', 2);
    write(&store, &blocks, true);
    let now = ChainReader::open(store).unwrap();
    with_actor_over(now, |filters| async move {
        let recorder = listen(&filters).await;
        let back = vec![
            ChainEvent::Removed(blocks[1].clone()),
            ChainEvent::Head(blocks[0].header.clone()),
        ];
        filters.ask(changed(back)).await.unwrap();
        assert_eq!(
            std::mem::take(&mut *recorder.events.lock()),
            ["0x2: logs -2"]
        );
        tokio::time::sleep(EXPIRY_CHECK * 2 + Duration::from_secs(1)).await;
        assert_eq!(*recorder.events.lock(), ["0x2: logs +2", "0x1: head 2a"]);
    });
}

#[test]
fn the_first_subscriber_gets_no_earlier_blocks() {
    let (store, chain_reader) = new_chain();
    let blocks = branch(&chain_reader.head(), b'a', 3);
    with_actor_over(chain_reader, |filters| async move {
        write(&store, &blocks[..2], true);
        let now = ChainReader::open(store.clone()).unwrap();
        filters.ask(UseReader(now)).await.unwrap();
        let recorder = listen(&filters).await;
        let late = changed(vec![ChainEvent::Head(blocks[1].header.clone())]);
        filters.ask(late).await.unwrap();
        assert!(recorder.events.lock().is_empty());
        let next = changed(vec![ChainEvent::Added(blocks[2].clone())]);
        filters.ask(next).await.unwrap();
        assert_eq!(*recorder.events.lock(), ["0x2: logs +3", "0x1: head 3a"]);
    });
}

/// Sends the actor `blocks` from genesis on, which are not in the store.
async fn notify_blocks(filters: &ActorRef<FilterActor>, blocks: &[ExecutedBlock]) {
    let forth = blocks.iter().map(|it| ChainEvent::Added(it.clone()));
    filters.ask(changed(forth.collect())).await.unwrap();
}

#[test]
fn every_block_of_a_sync_is_sent() {
    let (store, chain_reader) = new_chain();
    let genesis = chain_reader.head();
    let old = branch(&genesis, b'o', 3);
    let new = branch(&genesis, b'n', limits::RESYNC_BLOCKS * 3 + 5);
    write(&store, &old, false);
    let before = ChainReader::open(store.clone()).unwrap();
    with_actor_over(before, |filters| async move {
        notify_blocks(&filters, &old).await;
        let recorder = listen(&filters).await;
        let ask = |topic| filters.ask(InstallFilter { topic });
        let heads = ask(Topic::Heads).await.unwrap().unwrap();
        write(&store, &new, true);
        // Published heads move with the writer; there is none in this test.
        let now = ChainReader::open(store.clone()).unwrap();
        filters.ask(UseReader(now)).await.unwrap();
        let head = new.last().unwrap().header.clone();
        let sync = ChainChanged {
            events: vec![ChainEvent::Head(head)].into(),
            cause: ChainCause::Import(BlockOrigin::Bulk),
        };
        filters.ask(sync).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let events = std::mem::take(&mut *recorder.events.lock());
        let logs = events.iter().filter(|line| line.starts_with("0x2: "));
        let removed = (1..=3).rev().map(|number| format!("0x2: logs -{number}"));
        let added = (1..=new.len()).map(|number| format!("0x2: logs +{number}"));
        assert_eq!(
            logs.cloned().collect::<Vec<_>>(),
            removed.chain(added).collect::<Vec<_>>()
        );
        let notified = events.iter().filter(|line| line.starts_with("0x1: "));
        let expected = (1..=new.len()).map(|number| format!("0x1: head {number}n"));
        assert_eq!(
            notified.cloned().collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
        let hashes = new.iter().map(|block| block.header.hash()).collect();
        let taken = filters.ask(TakeChanges { id: heads }).await.unwrap();
        assert_eq!(taken, Some(Ok(Collected::Hashes(hashes))));
        assert!(!recorder.has_lost.load(SeqCst));
    });
}

#[test]
fn a_rewind_removes_logs_and_ends_no_filter() {
    with_actor(|filters, genesis| async move {
        let blocks = branch(&genesis, b'a', 3);
        notify_blocks(&filters, &blocks).await;
        let recorder = listen(&filters).await;
        let ask = |topic| filters.ask(InstallFilter { topic });
        let heads = ask(Topic::Heads).await.unwrap().unwrap();
        let logs = ask(logs_of(7)).await.unwrap().unwrap();
        // The block in the middle had no logs.
        let events = vec![
            ChainEvent::Removed(blocks[2].clone()),
            ChainEvent::Removed(blocks[0].clone()),
            ChainEvent::Head(genesis.clone()),
        ];
        filters
            .ask(rewound(&blocks[2], true, events))
            .await
            .unwrap();
        let next = block(&genesis, b'b', 7);
        let hash = next.header.hash();
        filters
            .ask(changed(vec![ChainEvent::Added(next)]))
            .await
            .unwrap();
        let expected = [
            "0x2: logs -3",
            "0x2: logs -1",
            "0x2: logs +1",
            "0x1: head 1b",
        ];
        assert_eq!(*recorder.events.lock(), expected);
        let take = |id| filters.ask(TakeChanges { id });
        let taken = take(heads).await.unwrap();
        assert_eq!(taken, Some(Ok(Collected::Hashes(vec![hash]))));
        let Some(Ok(Collected::Logs(found))) = take(logs).await.unwrap() else {
            panic!("a log filter collects logs");
        };
        assert_eq!(found.len(), 3);
        assert!(!recorder.has_lost.load(SeqCst));
    });
}

/// Asserts that skipped blocks are reported: once by filters, and to subscribers of logs by the end
/// of their subscription.
async fn assert_reports_skipped_blocks(
    filters: &ActorRef<FilterActor>,
    now: Option<ChainReader>,
    change: ChainChanged,
) -> MissedBlocks {
    let recorder = listen(filters).await;
    let ask = |topic| filters.ask(InstallFilter { topic });
    let heads = ask(Topic::Heads).await.unwrap().unwrap();
    let logs = ask(logs_of(7)).await.unwrap().unwrap();
    let pending = ask(Topic::Transactions).await.unwrap().unwrap();
    if let Some(now) = now {
        filters.ask(UseReader(now)).await.unwrap();
    }
    filters.ask(change).await.unwrap();
    assert!(recorder.has_lost.load(SeqCst));
    assert_eq!(recorder.events.lock().len(), 1, "the head alone");
    let take = |id| filters.ask(TakeChanges { id });
    let Some(Err(missed)) = take(heads).await.unwrap() else {
        panic!("a filter says that blocks were left out");
    };
    assert_eq!(take(logs).await.unwrap(), Some(Err(missed)));
    assert!(matches!(take(heads).await.unwrap(), Some(Ok(Collected::Hashes(it))) if it.len() == 1));
    assert!(matches!(take(logs).await.unwrap(), Some(Ok(Collected::Logs(it))) if it.is_empty()));
    assert!(take(pending).await.unwrap().unwrap().is_ok());
    missed
}

#[test]
fn filters_report_which_blocks_were_skipped() {
    let (store, chain_reader) = new_chain();
    let mut far = block(&chain_reader.head(), b'f', 7);
    let header = Header {
        number: limits::MAX_BLOCKS_BEHIND + 1,
        ..Header::clone(&far.header)
    };
    far.header = SealedHeader::new(header.clone());
    far.block = Arc::new(Block {
        header,
        body: Body::default(),
    });
    with_actor_over(chain_reader, |filters| async move {
        write(&store, std::slice::from_ref(&far), true);
        let now = ChainReader::open(store.clone()).unwrap();
        let change = changed(vec![ChainEvent::Head(far.header.clone())]);
        let missed = assert_reports_skipped_blocks(&filters, Some(now), change).await;
        let expected = MissedBlocks {
            first: 1,
            last: limits::MAX_BLOCKS_BEHIND + 1,
        };
        assert_eq!(missed, expected);
    });
}

#[test]
fn a_long_rewind_reports_which_blocks_were_skipped() {
    with_actor(|filters, genesis| async move {
        let blocks = branch(&genesis, b'a', 3);
        notify_blocks(&filters, &blocks).await;
        let change = rewound(&blocks[2], false, vec![ChainEvent::Head(genesis)]);
        let missed = assert_reports_skipped_blocks(&filters, None, change).await;
        assert_eq!(missed, MissedBlocks { first: 1, last: 3 });
    });
}
