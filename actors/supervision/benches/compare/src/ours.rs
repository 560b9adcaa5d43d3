//! The work with actoreum-supervision.

use std::time::Duration;

use actoreum_supervision::{
    ActorRef, Backoff, ChildSpec, DynamicRef, Message, Strategy, SupervisorSpec, Tree, TreeOptions,
    Within, actor,
};

use crate::{
    ACTORS, ASKS, BURST, CRASHES, Cost, FLOOD, MAILBOX, SENDERS, Stopwatch, TELLS, Work, resident,
    sum_below,
};

#[derive(Message)]
#[answer(u64)]
struct Number(u64);

#[derive(Message)]
struct Note(u64);

#[derive(Message)]
struct Crash;

struct Summer(u64);

#[actor]
impl Summer {
    #[handler]
    fn number(&mut self, Number(number): Number) -> u64 {
        self.0 += number;
        self.0
    }

    #[handler(when_full = Wait)]
    fn note(&mut self, Note(number): Note) {
        self.0 += number;
    }

    #[handler]
    fn crash(&mut self, _: Crash) {
        panic!("requested");
    }
}

async fn start() -> (Tree, ActorRef<Summer>) {
    let me = ActorRef::new("summer");
    let child = ChildSpec::new(&me, || Summer(0)).mailbox(MAILBOX);
    let spec = SupervisorSpec::new("compare", Strategy::OneForOne)
        .intensity(u32::MAX, Duration::from_secs(60))
        .backoff(Backoff {
            first: Duration::ZERO,
            max: Duration::ZERO,
            ..Backoff::default()
        })
        .child(child);
    let options = TreeOptions::default().single_thread();
    (options.start(spec).await.expect("because it starts"), me)
}

pub(crate) async fn run(work: Work) -> Cost {
    let (tree, me) = start().await;
    let stopwatch = Stopwatch::start();
    match work {
        Work::Ask => ask(&me).await,
        Work::Tell => tell(&me).await,
        Work::Flood => flood(&me).await,
        Work::Restart => restart(&me).await,
    }
    let cost = stopwatch.stop();
    tree.shutdown().await;
    cost
}

async fn ask(me: &ActorRef<Summer>) {
    let mut sum = 0;
    for number in 0..ASKS {
        sum = me.ask(Number(number)).await.expect("because it is up");
    }
    assert_eq!(sum, sum_below(ASKS));
}

async fn tell(me: &ActorRef<Summer>) {
    let mut sum = 0;
    for number in 0..TELLS {
        if number % BURST == BURST - 1 {
            sum = me.ask(Number(number)).await.expect("because it is up");
        } else {
            me.tell(Note(number)).expect("because there is room");
        }
    }
    assert_eq!(sum, sum_below(TELLS));
}

async fn flood(me: &ActorRef<Summer>) {
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let me = me.clone();
            actix::spawn(async move {
                for number in (sender..FLOOD).step_by(SENDERS as usize) {
                    me.tell_when_room(Note(number))
                        .await
                        .expect("because it is up");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("because it does not panic");
    }
    assert_eq!(patient(me).ask(Number(0)).await, Ok(sum_below(FLOOD)));
}

/// Returns the reference with a timeout that is not reached.
fn patient(me: &ActorRef<Summer>) -> Within<'_, Summer> {
    me.within(Duration::from_secs(60))
}

async fn restart(me: &ActorRef<Summer>) {
    for _ in 0..CRASHES {
        me.tell(Crash).expect("because it is up");
        assert_eq!(patient(me).ask(Number(1)).await, Ok(1));
    }
    assert_eq!(me.generation(), CRASHES + 1);
}

pub(crate) async fn hold_actors(before: u64) -> u64 {
    let group = DynamicRef::with_limit("group", ACTORS as usize);
    let spec = SupervisorSpec::new("compare", Strategy::OneForOne);
    let spec = spec.child(SupervisorSpec::dynamic(&group));
    // Health probes cost processor time, not memory.
    let never = Duration::from_secs(24 * 3600);
    let options = TreeOptions::default().single_thread().probe(never, never);
    let tree = options.start(spec).await.expect("because it starts");
    let mut actors = Vec::new();
    for number in 0..ACTORS {
        let me = ActorRef::new(&number.to_string());
        let child = ChildSpec::new(&me, || Summer(0)).mailbox(MAILBOX);
        group.start(child).await.expect("because there is room");
        assert_eq!(me.ask(Number(number)).await, Ok(number));
        actors.push(me);
    }
    let grown = resident() - before;
    assert_eq!(group.children(), actors.len());
    drop(tree);
    grown
}
