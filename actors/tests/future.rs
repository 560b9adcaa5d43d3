//! Tests of blocks from the future: ChainActor's timer, on a paused clock, with a real chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    future::Future,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actoreum_actors::{
    chain::{ChainActor, ChainSetup},
    clock::ChainClock,
};
use actoreum_chain::{BuildError, BuildPlan, ChainReader, build, genesis};
use actoreum_consensus::{Engine, Ethash, EthashOptions, SealCheck};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_primitives::{Address, Bytes, ChainConfig, Fork, Genesis, U256};
use actoreum_storage::Store;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, TreeOptions};

/// Seconds that the block is ahead of the clock: ethash accepts 15, and a block that is more than
/// 30 ahead is not queued.
const AHEAD: u64 = 28;
/// A timeout that is not reached on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Yields to other tasks for a moment. While a task does this in a loop, the paused clock stands
/// still although other threads work.
async fn pass() {
    thread::sleep(Duration::from_millis(1));
    tokio::task::yield_now().await;
}

/// Waits without letting the paused clock advance.
async fn without_advancing<T>(future: impl Future<Output = T>) -> T {
    let still = async {
        loop {
            pass().await;
        }
    };
    tokio::select! {
        outcome = future => outcome,
        () = still => unreachable!("it never ends"),
    }
}

#[test]
fn a_future_block_is_retried_every_five_seconds() {
    actoreum_supervision::block_on(async {
        tokio::time::pause();
        let store = Store::memory();
        let genesis_config = Genesis {
            config: ChainConfig::active_from_genesis(9, Fork::Berlin),
            difficulty: U256::from(131_072),
            gas_limit: 8_000_000,
            ..Genesis::default()
        };
        genesis::init(&store, &genesis_config).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let engine: Arc<dyn Engine> =
            Arc::new(Ethash::new(EthashOptions::default(), SealCheck::None));
        let clock = ChainClock::default();
        let plan = BuildPlan {
            time: clock.unix_seconds() + AHEAD,
            parent: reader.head(),
            gas_limit: 8_000_000,
            extra_data: Bytes::new(),
            author: Address::repeat_byte(1),
            edit: None,
            chosen: actoreum_chain::ChosenFields::default(),
        };
        let built = build(&reader, engine.as_ref(), plan, |_, _, _| {
            Ok::<_, BuildError>(())
        });
        let block = built.unwrap();

        let chain: ActorRef<ChainActor> = ActorRef::new("chain");
        let import = Pool::new("import", 1);
        let setup = ChainSetup::new(reader.clone(), engine, import.clone(), clock.clone());
        let spec = SupervisorSpec::new("test", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || setup.clone().start()));
        let tree = TreeOptions::default().single_thread().start(spec);
        let tree = without_advancing(tree).await.unwrap();

        let request = ImportBlocks {
            blocks: vec![block.clone()],
            origin: BlockOrigin::Live,
        };
        let answer = without_advancing(chain.ask(request))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((answer.imported, answer.queued), (0, 1));

        // The block's time comes, and the block is not retried before the timer fires.
        clock.set_shift(AHEAD as i64);
        tokio::time::advance(Duration::from_millis(4_900)).await;
        for _ in 0..100 {
            pass().await;
        }
        assert_eq!(reader.head_number(), 0);

        tokio::time::advance(Duration::from_millis(200)).await;
        let begun = Instant::now();
        while reader.head_number() == 0 {
            assert!(begun.elapsed() < TIMEOUT, "the block was not retried");
            pass().await;
        }
        assert_eq!(reader.head().hash(), block.hash());
        let shutdown = without_advancing(tree.shutdown()).await;
        assert_eq!(shutdown.exit_code(), 0);
    });
}
