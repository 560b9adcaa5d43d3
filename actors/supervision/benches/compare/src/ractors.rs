//! The work with ractor.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    ACTORS, ASKS, BURST, CRASHES, Cost, FLOOD, SENDERS, Stopwatch, TELLS, Work, resident, sum_below,
};

enum Note {
    Number(u64, RpcReplyPort<u64>),
    Add(u64),
    Crash,
}

struct Summer;

impl Actor for Summer {
    type Msg = Note;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Note>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Note>,
        message: Note,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Note::Number(number, reply) => {
                *sum += number;
                reply.send(*sum)?;
            }
            Note::Add(number) => *sum += number,
            Note::Crash => panic!("requested"),
        }
        Ok(())
    }
}

/// The reference of the current generation, which ractor leaves to the program.
type Current = Arc<Mutex<ActorRef<Note>>>;

/// A supervisor that starts its child again.
struct Supervisor {
    current: Arc<Mutex<Option<Current>>>,
    restarts: Arc<AtomicU64>,
}

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            let next = start(me.get_cell()).await;
            self.restarts.fetch_add(1, Relaxed);
            if let Some(current) = &*self.current.lock().expect("because nothing panics with it") {
                *current.lock().expect("because nothing panics with it") = next;
            }
        }
        Ok(())
    }
}

async fn start(supervisor: ActorCell) -> ActorRef<Note> {
    let started = Actor::spawn_linked(None, Summer, (), supervisor).await;
    started.expect("because it starts").0
}

async fn number(me: &ActorRef<Note>, number: u64) -> Option<u64> {
    match me.call(|reply| Note::Number(number, reply), None).await {
        Ok(CallResult::Success(sum)) => Some(sum),
        _ => None,
    }
}

pub(crate) async fn run(work: Work) -> Cost {
    let (current, restarts) = (Arc::default(), Arc::default());
    let supervisor = Supervisor {
        current: Arc::clone(&current),
        restarts: Arc::clone(&restarts),
    };
    let (supervisor, _) = Actor::spawn(None, supervisor, ())
        .await
        .expect("because it starts");
    let me = start(supervisor.get_cell()).await;
    let stopwatch = Stopwatch::start();
    match work {
        Work::Ask => ask(&me).await,
        Work::Tell => tell(&me).await,
        Work::Flood => flood(&me).await,
        Work::Restart => {
            let me: Current = Arc::new(Mutex::new(me.clone()));
            *current.lock().expect("because nothing panics with it") = Some(Arc::clone(&me));
            restart(&me, &restarts).await;
        }
    }
    let cost = stopwatch.stop();
    supervisor.stop(None);
    cost
}

async fn ask(me: &ActorRef<Note>) {
    let mut sum = None;
    for value in 0..ASKS {
        sum = number(me, value).await;
    }
    assert_eq!(sum, Some(sum_below(ASKS)));
}

async fn tell(me: &ActorRef<Note>) {
    let mut sum = None;
    for value in 0..TELLS {
        if value % BURST == BURST - 1 {
            sum = number(me, value).await;
        } else {
            me.cast(Note::Add(value)).expect("because it is up");
        }
    }
    assert_eq!(sum, Some(sum_below(TELLS)));
}

async fn flood(me: &ActorRef<Note>) {
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let me = me.clone();
            tokio::spawn(async move {
                for value in (sender..FLOOD).step_by(SENDERS as usize) {
                    me.cast(Note::Add(value)).expect("because it is up");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("because it does not panic");
    }
    assert_eq!(number(me, 0).await, Some(sum_below(FLOOD)));
}

async fn restart(current: &Current, restarts: &AtomicU64) {
    let me = || {
        current
            .lock()
            .expect("because nothing panics with it")
            .clone()
    };
    for _ in 0..CRASHES {
        me().cast(Note::Crash).expect("because it is up");
        while number(&me(), 1).await != Some(1) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(restarts.load(Relaxed), CRASHES);
}

pub(crate) async fn hold_actors(before: u64) -> u64 {
    let supervisor = Supervisor {
        current: Arc::default(),
        restarts: Arc::default(),
    };
    let (supervisor, _) = Actor::spawn(None, supervisor, ())
        .await
        .expect("because it starts");
    let mut actors = Vec::new();
    for value in 0..ACTORS {
        let me = start(supervisor.get_cell()).await;
        assert_eq!(number(&me, value).await, Some(value));
        actors.push(me);
    }
    let grown = resident() - before;
    assert_eq!(supervisor.get_children().len(), actors.len());
    grown
}
