//! Tests of the verifier on real threads.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::*;
use crate::txpool::tests::{run, until};
use actoreum_supervision::{Strategy, SupervisorSpec, Tree};

const A: PeerId = PeerId::repeat_byte(0xaa);
const B: PeerId = PeerId::repeat_byte(0xbb);

async fn start() -> (Tree, TransactionVerifier) {
    let threads = Pool::new("signatures", 1);
    let spec = SupervisorSpec::new("txpool", Strategy::OneForOne).child(threads.child());
    let tree = Tree::start(spec).await.unwrap();
    (tree, TransactionVerifier::new(threads))
}

/// Blocks the thread until the sender is dropped.
async fn hold(verifier: &TransactionVerifier) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let verifier = verifier.clone();
    let holding = tokio::task::spawn_local(async move {
        let wait = move || {
            begin.send(()).unwrap();
            // An error means that the sender was dropped.
            let _ = held.recv();
        };
        verifier.run(A, wait).await.unwrap();
    });
    until(|| begun.try_recv().is_ok()).await;
    (release, holding)
}

#[test]
fn jobs_of_a_peer_that_leaves_do_not_run() {
    run(async {
        let (tree, verifier) = start().await;
        let (_membership, queue) = (verifier.join(A), verifier.join(B));
        let (release, holding) = hold(&verifier).await;
        let ran = Arc::new(AtomicUsize::new(0));
        let job = || {
            let ran = Arc::clone(&ran);
            move || ran.fetch_add(1, SeqCst)
        };
        let waiting: Vec<_> = (0..3).map(|_| verifier.run(B, job())).collect();
        let mut waiting = Box::pin(join_all(waiting));
        assert!(waiting.as_mut().now_or_never().is_none());
        // One job is cancelled by its caller.
        let mut given_up = Box::pin(verifier.run(A, job()));
        assert!(given_up.as_mut().now_or_never().is_none());
        drop(given_up);

        drop(queue);
        assert!(waiting.await.iter().all(Result::is_err));
        drop(release);
        holding.await.unwrap();
        until(|| verifier.is_idle()).await;
        assert_eq!(ran.load(SeqCst), 0);
        assert!(verifier.run(B, job()).await.is_err(), "it has left");
        assert_eq!(verifier.run(A, job()).await, Ok(0));
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_light_peer_does_not_wait_behind_a_heavy_one() {
    run(async {
        let (tree, verifier) = start().await;
        let _memberships = (verifier.join(A), verifier.join(B));
        let (release, holding) = hold(&verifier).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let job = |who: char| {
            let order = Arc::clone(&order);
            move || order.lock().push(who)
        };
        let mut all: Vec<_> = (0..50).map(|_| verifier.run(A, job('a')).boxed()).collect();
        all.push(verifier.run(B, job('b')).boxed());
        all.push(verifier.run_local(job('l')).boxed());
        let mut all = Box::pin(join_all(all));
        assert!(all.as_mut().now_or_never().is_none());
        drop(release);
        holding.await.unwrap();
        all.await;
        assert_eq!(order.lock()[..2], ['l', 'b'], "{:?}", order.lock());
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_panic_of_a_check_stops_no_other_check() {
    run(async {
        let (tree, verifier) = start().await;
        let _membership = verifier.join(A);
        let panics = verifier.run(A, || panic!("a failing check"));
        let others: Vec<_> = (0..3).map(|it| verifier.run(A, move || it)).collect();
        let (panicked, others) = tokio::join!(panics, join_all(others));
        assert!(matches!(panicked, Err::<(), _>(JobError::Panicked(_))));
        assert_eq!(others, [Ok(0), Ok(1), Ok(2)]);
        until(|| verifier.is_idle()).await;
        let _ = tree.shutdown().await;
    });
}

#[test]
fn a_check_fails_at_once_while_the_threads_are_down() {
    run(async {
        let verifier = TransactionVerifier::new(Pool::new("signatures", 1));
        let _membership = verifier.join(A);
        let refused = JobError::NotRun(PoolError::Closed);
        assert_eq!(verifier.run(A, || ()).await, Err(refused.clone()));
        assert_eq!(verifier.run_local(|| ()).await, Err(refused));
        assert!(verifier.is_idle());
    });
}

#[test]
fn large_messages_share_a_budget() {
    let verifier = TransactionVerifier::new(Pool::new("signatures", 1));
    let mut held: Vec<_> = (0..4).filter_map(|_| verifier.reserve(10 << 20)).collect();
    assert_eq!((held.len(), verifier.reserved_bytes()), (3, 30 << 20));
    held.pop();
    assert!(verifier.reserve(10 << 20).is_some());
}
