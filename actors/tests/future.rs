//! Blocks that come before their time: ChainActor's timer, on a paused clock, over a real chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    future::Future,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actoreum_actors::{
    chain::{ChainActor, ChainSetup},
    clock,
    supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, TreeOptions},
};
use actoreum_chain::{BuildError, BuildPlan, ChainReader, build, genesis};
use actoreum_consensus::{Engine, Ethash, EthashOptions, SealCheck};
use actoreum_messages::chain::{BlockOrigin, ImportBlocks};
use actoreum_primitives::{Address, Bytes, ChainConfig, Fork, Genesis, U256};
use actoreum_storage::Store;

/// Seconds that the block is ahead of the clock: ethash takes one that is 15 ahead, and one that
/// is more than 30 ahead is not kept.
const AHEAD: u64 = 28;
/// What nothing here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives the thread to others for a moment. As long as somebody does this, the paused clock
/// stands still although other threads work.
async fn pass() {
    thread::sleep(Duration::from_millis(1));
    tokio::task::yield_now().await;
}

/// Waits without letting the paused clock go on.
async fn standing_still<T>(future: impl Future<Output = T>) -> T {
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
fn a_block_that_came_early_is_tried_again_every_five_seconds() {
    actix::System::new().block_on(async {
        tokio::time::pause();
        let store = Store::memory();
        let beginning = Genesis {
            config: ChainConfig::active_from_genesis(9, Fork::Berlin),
            difficulty: U256::from(131_072),
            gas_limit: 8_000_000,
            ..Genesis::default()
        };
        genesis::init(&store, &beginning).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let engine: Arc<dyn Engine> =
            Arc::new(Ethash::new(EthashOptions::default(), SealCheck::None));
        let plan = BuildPlan {
            time: clock::unix_seconds() + AHEAD,
            parent: reader.head(),
            gas_limit: 8_000_000,
            extra_data: Bytes::new(),
            author: Address::repeat_byte(1),
            edit: None,
        };
        let built = build(&reader, engine.as_ref(), plan, |_, _, _| {
            Ok::<_, BuildError>(())
        });
        let block = built.unwrap();

        let chain: ActorRef<ChainActor> = ActorRef::new("chain");
        let import = Pool::new("import", 1);
        let setup = ChainSetup::new(reader.clone(), engine, import.clone());
        let spec = SupervisorSpec::new("test", Strategy::RestForOne)
            .child(import.child())
            .child(ChildSpec::new_async(&chain, move || setup.clone().open()));
        let tree = TreeOptions::default().single_thread().start(spec);
        let tree = standing_still(tree).await.unwrap();

        let question = ImportBlocks {
            blocks: vec![block.clone()],
            origin: BlockOrigin::Live,
        };
        let answer = standing_still(chain.ask(question)).await.unwrap().unwrap();
        assert_eq!((answer.imported, answer.queued), (0, 1));

        // Its time comes, and nobody looks before the timer does.
        clock::set_shift(AHEAD as i64);
        tokio::time::advance(Duration::from_millis(4_900)).await;
        for _ in 0..100 {
            pass().await;
        }
        assert_eq!(reader.head_number(), 0);

        tokio::time::advance(Duration::from_millis(200)).await;
        let begun = Instant::now();
        while reader.head_number() == 0 {
            assert!(begun.elapsed() < PATIENCE, "nobody tried the block again");
            pass().await;
        }
        assert_eq!(reader.head().hash(), block.hash());
        let shutdown = standing_still(tree.shutdown()).await;
        assert_eq!(shutdown.exit_code(), 0);
    });
}
