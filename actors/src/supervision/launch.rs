//! How a child's specification becomes a running task whose end somebody awaits.

use std::sync::Arc;

use actix::Addr;
use actix::dev::channel::channel;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use super::actor::Actor;
use super::actor_ref::ActorRef;
use super::arbiter::Arbiters;
use super::cell::{Cell, ControlLine, live};
use super::error::StartError;
use super::exit::{Exit, panic_text};
use super::limits::CONTROL_CAPACITY;
use super::node::{Control, Node};
use super::spec::{ChildSpec, Factory};

/// Starts generations of one child, whatever it is.
pub(crate) trait Launcher: Send + Sync {
    /// Begins the next generation.
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError>;

    /// Binds what is under the child to the tree.
    fn bind_children(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Sets the bound of the child's mailbox, where it has one.
    fn set_mailbox_capacity(&self, capacity: usize) {
        let _ = capacity;
    }
}

/// A generation that has begun.
pub(crate) struct Launched {
    pub(crate) control: Arc<dyn Control>,
    /// Resolves when `started` has succeeded; is dropped when it will not.
    pub(crate) started: oneshot::Receiver<()>,
    /// The task, once its arbiter has taken it on.
    pub(crate) task: oneshot::Receiver<JoinHandle<Exit>>,
}

/// Starts an actor on its arbiter.
pub(crate) struct ActorLauncher<A: Actor> {
    pub(crate) me: ActorRef<A>,
    pub(crate) factory: Factory<A>,
}

impl<A: Actor> Launcher for ActorLauncher<A> {
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError> {
        let arbiter = arbiters.get(&spec.arbiter)?;
        let (sender, receiver) = channel::<Cell<A>>(CONTROL_CAPACITY);
        let control = Arc::new(ControlLine {
            address: Addr::new(sender),
        });
        let generation = spec.node.begin(Some(&spec.arbiter), control.clone());
        let (started_sender, started) = oneshot::channel();
        let (task_sender, task) = oneshot::channel();
        let (me, turn_time) = (self.me.clone(), arbiters.turn_time());
        let factory = Arc::clone(&self.factory);
        arbiter.spawn_fn(move || {
            let life = live(me, generation, factory, turn_time, receiver, started_sender);
            let _ = task_sender.send(actix::spawn(life));
        });
        Ok(Launched {
            control,
            started,
            task,
        })
    }

    fn set_mailbox_capacity(&self, capacity: usize) {
        self.me.mailbox().set_capacity(capacity);
    }
}

/// Binds a child, and what is under it, to its supervisor.
pub(crate) fn bind(child: &ChildSpec, parent: Option<&Node>) -> Result<(), StartError> {
    let is_new =
        child.node.bind(parent) && parent.is_none_or(|parent| parent.add_child(&child.node));
    if !is_new {
        return Err(StartError::AlreadyBound {
            path: child.node.path().to_owned(),
        });
    }
    child.launcher.bind_children()
}

/// How a task ended, in the supervisor's terms.
pub(crate) fn exit_of(ended: Result<Exit, JoinError>, node: &Node) -> Exit {
    let error = match ended {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    match error.try_into_panic() {
        Ok(payload) => Exit::Panicked {
            doing: node.note_panic(),
            text: panic_text(payload.as_ref()),
        },
        Err(_) => Exit::Killed { doing: None },
    }
}
