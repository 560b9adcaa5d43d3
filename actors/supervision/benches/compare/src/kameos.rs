//! The work with kameo.

use std::time::Duration;

use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::supervision::RestartPolicy;

use crate::{
    ACTORS, ASKS, BURST, CRASHES, Cost, FLOOD, MAILBOX, SENDERS, Stopwatch, TELLS, Work, resident,
    sum_below,
};

struct Number(u64);

struct Note(u64);

struct Crash;

struct Summer(u64);

impl Actor for Summer {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(0))
    }
}

impl Message<Number> for Summer {
    type Reply = u64;

    async fn handle(&mut self, Number(number): Number, _: &mut Context<Self, u64>) -> u64 {
        self.0 += number;
        self.0
    }
}

impl Message<Note> for Summer {
    type Reply = ();

    async fn handle(&mut self, Note(number): Note, _: &mut Context<Self, ()>) {
        self.0 += number;
    }
}

impl Message<Crash> for Summer {
    type Reply = ();

    async fn handle(&mut self, _: Crash, _: &mut Context<Self, ()>) {
        panic!("requested");
    }
}

struct Supervisor;

impl Actor for Supervisor {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

async fn start(supervisor: &ActorRef<Supervisor>) -> ActorRef<Summer> {
    Summer::supervise(supervisor, ())
        .restart_policy(RestartPolicy::Permanent)
        .restart_limit(u32::MAX, Duration::from_secs(60))
        .spawn_with_mailbox(mailbox::bounded(MAILBOX))
        .await
}

pub(crate) async fn run(work: Work) -> Cost {
    let supervisor = Supervisor::spawn(());
    let me = start(&supervisor).await;
    let stopwatch = Stopwatch::start();
    match work {
        Work::Ask => ask(&me).await,
        Work::Tell => tell(&me).await,
        Work::Flood => flood(&me).await,
        Work::Restart => restart(&me).await,
    }
    stopwatch.stop()
}

async fn ask(me: &ActorRef<Summer>) {
    let mut sum = 0;
    for number in 0..ASKS {
        sum = me
            .ask(Number(number))
            .send()
            .await
            .expect("because it is up");
    }
    assert_eq!(sum, sum_below(ASKS));
}

async fn tell(me: &ActorRef<Summer>) {
    let mut sum = 0;
    for number in 0..TELLS {
        if number % BURST == BURST - 1 {
            sum = me
                .ask(Number(number))
                .send()
                .await
                .expect("because it is up");
        } else {
            me.tell(Note(number))
                .try_send()
                .expect("because there is room");
        }
    }
    assert_eq!(sum, sum_below(TELLS));
}

async fn flood(me: &ActorRef<Summer>) {
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let me = me.clone();
            tokio::spawn(async move {
                for number in (sender..FLOOD).step_by(SENDERS as usize) {
                    me.tell(Note(number))
                        .send()
                        .await
                        .expect("because it is up");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("because it does not panic");
    }
    let sum = me.ask(Number(0)).send().await;
    assert_eq!(sum.expect("because it is up"), sum_below(FLOOD));
}

async fn restart(me: &ActorRef<Summer>) {
    for _ in 0..CRASHES {
        me.tell(Crash).try_send().expect("because it is up");
        while me.ask(Number(1)).send().await.ok() != Some(1) {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn hold_actors(before: u64) -> u64 {
    let supervisor = Supervisor::spawn(());
    let mut actors = Vec::new();
    for number in 0..ACTORS {
        let me = start(&supervisor).await;
        assert_eq!(me.ask(Number(number)).send().await.ok(), Some(number));
        actors.push(me);
    }
    let grown = resident() - before;
    assert!(actors.iter().all(ActorRef::is_alive));
    grown
}
