//! Tests of dynamic supervisors.

use super::*;

message!(Hello -> ());

/// A child that holds a token, a timer and a future.
struct TestChild {
    _token: Arc<()>,
}

impl Actor for TestChild {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let token = Arc::clone(&self._token);
        ctx.notify_every(Duration::from_secs(1), move || {
            let _ = &token;
            Hello
        });
        let token = Arc::clone(&self._token);
        ctx.spawn(async move {
            let _token = token;
            std::future::pending().await
        });
        Ok(())
    }
}

impl Handles<Hello> for TestChild {
    type Answer = ();

    fn handle(&mut self, _: Hello, _: &mut Ctx<Self>) {}
}

impl Handles<Panic> for TestChild {
    type Answer = ();

    fn handle(&mut self, _: Panic, _: &mut Ctx<Self>) {
        panic!("requested");
    }
}

impl Handles<Quit> for TestChild {
    type Answer = ();

    fn handle(&mut self, _: Quit, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}

impl Handles<Block> for TestChild {
    type Answer = ();

    fn handle(&mut self, Block(time): Block, _: &mut Ctx<Self>) {
        std::thread::sleep(time);
    }
}

fn test_child(name: &str, token: &Arc<()>) -> (ActorRef<TestChild>, ChildSpec) {
    let me = ActorRef::new(name);
    let token = Arc::clone(token);
    let spec = ChildSpec::new(&me, move || TestChild {
        _token: Arc::clone(&token),
    });
    (me, spec.arbiter("children"))
}

async fn lobby(limit: usize) -> (Tree, DynamicRef) {
    let lobby = DynamicRef::with_limit("lobby", limit);
    let spec =
        SupervisorSpec::new("root", Strategy::RestForOne).child(SupervisorSpec::dynamic(&lobby));
    (Tree::start(spec).await.unwrap(), lobby)
}

#[test]
fn a_thousand_ended_children_leave_nothing_behind() {
    let token = Arc::new(());
    run(async {
        let (tree, lobby) = lobby(1000).await;
        for round in 0..2 {
            let mut guests = Vec::new();
            let mut starts = Vec::new();
            for number in 0..1000 {
                let (me, spec) = test_child(&format!("{round}-{number}"), &token);
                starts.push(lobby.start(spec));
                guests.push(me);
            }
            for start in starts {
                start.await.unwrap();
            }
            assert_eq!(lobby.children(), 1000);
            let (_, one_more) = test_child("one more", &token);
            assert!(matches!(
                lobby.start(one_more).await,
                Err(StartError::NoRoom { .. })
            ));
            assert_eq!(
                tree.handle()
                    .snapshot()
                    .find("root/lobby")
                    .unwrap()
                    .children
                    .len(),
                1000
            );
            for guest in &guests {
                guest.ask(Hello).await.unwrap();
            }
            for (number, guest) in guests.iter().enumerate() {
                match number % 3 {
                    0 => guest.tell(Quit).unwrap(),
                    1 => guest.tell(Panic).unwrap(),
                    _ => assert!(lobby.stop(guest.path())),
                }
            }
            until(|| lobby.children() == 0).await;
            drop(guests);
            until(|| Arc::strong_count(&token) == 1).await;
            let root = tree.handle().snapshot();
            assert!(root.find("root/lobby").unwrap().children.is_empty());
        }
        let root = tree.handle().snapshot();
        let incidents = &root.find("root/lobby").unwrap().incidents;
        assert_eq!(incidents.len(), limits::MAX_INCIDENTS);
        assert!(
            incidents[0]
                .reason
                .ends_with("panicked in Panic: requested"),
            "{incidents:?}"
        );
        assert_eq!(root.find("root/lobby").unwrap().restarts, 0);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_slot_is_free_before_the_end_of_its_child_is_reported() {
    let token = Arc::new(());
    run(async {
        let lobby = DynamicRef::with_limit("lobby", 1);
        let (watcher, watcher_spec) = test_child("watcher", &token);
        let spec = SupervisorSpec::new("root", Strategy::RestForOne)
            .child(watcher_spec.arbiter("watcher"))
            .child(SupervisorSpec::dynamic(&lobby));
        let tree = Tree::start(spec).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for number in 0..200 {
            let (me, spec) = test_child(&number.to_string(), &token);
            let (by_watcher, counted) = (Arc::clone(&seen), lobby.clone());
            let spec = spec.monitored_by(&watcher, move |_| {
                by_watcher.lock().push(counted.children());
                Hello
            });
            lobby.start(spec).await.unwrap();
            me.tell(Quit).unwrap();
            until(|| seen.lock().len() > number).await;
        }
        assert_eq!(*seen.lock(), [0; 200]);
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_stop_stops_all_children() {
    let token = Arc::new(());
    run(async {
        let (tree, lobby) = lobby(100).await;
        for number in 0..100 {
            let (_, spec) = test_child(&number.to_string(), &token);
            lobby.start(spec).await.unwrap();
        }
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(lobby.children(), 0);
        assert_eq!(Arc::strong_count(&token), 1);
        let (_, late) = test_child("late", &token);
        assert!(matches!(
            lobby.start(late).await,
            Err(StartError::Unavailable { .. })
        ));
        assert_eq!(lobby.children(), 0);
        assert!(!lobby.stop("root/lobby/1"));
    });
}

#[test]
fn a_child_that_fails_to_start_returns_its_error() {
    struct Bad;
    impl Actor for Bad {
        fn started(&mut self, _: &mut Ctx<Self>) -> Result<(), Failure> {
            Err("refused".into())
        }
    }
    run(async {
        let (tree, lobby) = lobby(10).await;
        let bad = ChildSpec::new(&ActorRef::new("bad"), || Bad);
        let error = lobby.start(bad).await.unwrap_err();
        assert_eq!(error.to_string(), "root/lobby/bad could not start: refused");

        let slow = ChildSpec::new_async(&ActorRef::new("slow"), std::future::pending::<Bad>);
        let error = lobby
            .start(slow.start_timeout(Duration::from_millis(5)))
            .await
            .unwrap_err();
        assert!(matches!(error, StartError::TimedOut { .. }), "{error}");
        assert_eq!(lobby.children(), 0);
        assert!(
            tree.handle()
                .snapshot()
                .find("root/lobby")
                .unwrap()
                .children
                .is_empty()
        );

        let token = Arc::new(());
        let (_, one) = test_child("one", &token);
        lobby.start(one).await.unwrap();
        let (_, namesake) = test_child("one", &token);
        assert!(matches!(
            lobby.start(namesake).await,
            Err(StartError::AlreadyBound { .. })
        ));
        assert_eq!(lobby.children(), 1);
        let root = tree.handle().snapshot();
        assert_eq!(
            root.find("root/lobby").unwrap().children.len(),
            1,
            "the first one stays"
        );
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_child_that_exceeds_its_stop_timeout_is_killed() {
    let token = Arc::new(());
    struct Deaf;
    impl Actor for Deaf {
        async fn stopped(self, _: &Exit) {
            std::future::pending().await
        }
    }
    run(async {
        let (tree, lobby) = lobby(10).await;
        let me = ActorRef::new("deaf");
        let spec = ChildSpec::new(&me, || Deaf).stop_timeout(Duration::from_millis(5));
        lobby.start(spec).await.unwrap();
        assert!(lobby.stop("root/lobby/nobody"));
        assert!(lobby.stop(me.path()));
        until(|| lobby.children() == 0).await;
        let (busy, spec) = test_child("busy", &token);
        lobby
            .start(spec.stop_timeout(Duration::from_millis(5)))
            .await
            .unwrap();
        busy.tell(Block(Duration::from_millis(100))).unwrap();
        let outcome = tree.shutdown().await;
        assert!(
            outcome.wedged.is_empty() && outcome.unjoined.is_empty(),
            "{outcome}"
        );
        assert_eq!(lobby.children(), 0);
    });
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_second_start_of_a_running_child_leaves_it_alone() {
    let token = Arc::new(());
    run(async {
        let (tree, lobby) = lobby(10).await;
        let (me, spec) = test_child("one", &token);
        lobby.start(spec.clone()).await.unwrap();
        assert!(matches!(
            lobby.start(spec).await,
            Err(StartError::AlreadyBound { .. })
        ));
        let root = tree.handle().snapshot();
        assert!(root.find("root/lobby/one").is_some(), "it is still shown");
        tree.handle().crash("root/lobby/one").unwrap();
        until(|| lobby.children() == 0).await;
        assert!(!me.is_available());
        assert!(tree.shutdown().await.is_clean());
    });
}

#[test]
fn a_subtree_that_cannot_be_bound_leaves_no_node() {
    let token = Arc::new(());
    run(async {
        let (tree, lobby) = lobby(10).await;
        let (_, twin) = test_child("twin", &token);
        let inner = SupervisorSpec::new("inner", Strategy::OneForOne)
            .child(twin.clone())
            .child(twin);
        assert!(matches!(
            lobby.start(inner.into()).await,
            Err(StartError::AlreadyBound { .. })
        ));
        let root = tree.handle().snapshot();
        assert!(root.find("root/lobby").unwrap().children.is_empty());
        assert!(tree.shutdown().await.is_clean());
    });
}
