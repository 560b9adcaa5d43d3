//! Starting a generation of a child from its specification.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix::dev::channel::channel;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::kernel::actor::Actor;
use crate::kernel::actor_ref::ActorRef;
use crate::kernel::arbiter::Arbiters;
use crate::kernel::cell::{Cell, ControlHandle, run_generation};
use crate::kernel::error::StartError;
use crate::kernel::exit::{Exit, take_panic_text};
use crate::limits::CONTROL_CAPACITY;
use crate::observe::node::{Control, Node};
use crate::tree::spec::{ChildSpec, Factory};
use crate::tree::strategy::Mailbox;

/// Starts generations of one child: an actor or a supervisor.
pub(crate) trait Launcher: Send + Sync {
    /// Starts the next generation.
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError>;

    /// Binds the descendants of the child to the tree.
    fn bind_children(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Sets what happens to the child's unhandled messages at a restart, where it has a mailbox.
    fn set_mailbox_policy(&self, policy: Mailbox) {
        let _ = policy;
    }

    /// Refuses the messages that were kept for a restart that will not come.
    fn refuse_kept(&self) {}

    /// Sets the capacity of the child's mailbox, where it has one.
    fn set_mailbox_capacity(&self, capacity: usize) {
        let _ = capacity;
    }

    /// Sets the bound of the child's mailbox in bytes, where it has one.
    fn set_mailbox_bytes(&self, bytes: usize) {
        let _ = bytes;
    }

    /// Sets the deadline of requests whose type has none.
    fn set_ask_deadline(&self, deadline: Duration) {
        let _ = deadline;
    }
}

/// A generation that has been launched.
pub(crate) struct Launched {
    pub(crate) control: Arc<dyn Control>,
    /// Resolves when the `started` hook has succeeded; its sender is dropped when it fails.
    pub(crate) started: oneshot::Receiver<()>,
    /// The task, once its arbiter has spawned it.
    pub(crate) task: oneshot::Receiver<JoinHandle<Exit>>,
}

/// The launcher of an actor, which runs it on its arbiter.
pub(crate) struct ActorLauncher<A: Actor> {
    pub(crate) me: ActorRef<A>,
    pub(crate) factory: Factory<A>,
}

impl<A: Actor> Launcher for ActorLauncher<A> {
    fn launch(&self, spec: &ChildSpec, arbiters: &Arc<Arbiters>) -> Result<Launched, StartError> {
        let (arbiter, lease) = arbiters.get(&spec.arbiter)?;
        let (sender, receiver) = channel::<Cell<A>>(CONTROL_CAPACITY);
        let control = Arc::new(ControlHandle {
            address: Addr::new(sender),
            mailbox: Arc::clone(self.me.mailbox()),
            lease,
            drain: spec.drain_on_stop(),
        });
        let generation = spec.node.begin(Some(&spec.arbiter), control.clone());
        let (started_sender, started) = oneshot::channel();
        let (task_sender, task) = oneshot::channel();
        let (me, turn_time) = (self.me.clone(), arbiters.turn_time());
        let factory = Arc::clone(&self.factory);
        arbiter.spawn_fn(move || {
            let run = run_generation(me, generation, factory, turn_time, receiver, started_sender);
            let _ = task_sender.send(actix::spawn(run));
        });
        Ok(Launched {
            control,
            started,
            task,
        })
    }

    fn set_mailbox_policy(&self, policy: Mailbox) {
        self.me.mailbox().set_keeps(policy == Mailbox::Keep);
    }

    fn refuse_kept(&self) {
        self.me.mailbox().refuse_kept();
    }

    fn set_mailbox_capacity(&self, capacity: usize) {
        self.me.mailbox().set_capacity(capacity);
    }

    fn set_mailbox_bytes(&self, bytes: usize) {
        self.me.mailbox().set_max_bytes(bytes);
    }

    fn set_ask_deadline(&self, deadline: Duration) {
        self.me.mailbox().set_ask_deadline(deadline);
    }
}

/// Binds a child and its descendants to its supervisor. Where this fails, the supervisor's node is
/// as it was before.
pub(crate) fn bind(child: &ChildSpec, parent: Option<&Node>) -> Result<(), StartError> {
    let is_new =
        child.node.bind(parent) && parent.is_none_or(|parent| parent.add_child(&child.node));
    if !is_new {
        return Err(StartError::AlreadyBound {
            path: child.node.path().to_owned(),
        });
    }
    let bound = child.launcher.bind_children();
    if let (Err(_), Some(parent)) = (&bound, parent) {
        parent.remove_child(&child.node);
    }
    bound
}

/// Converts the result of a child's task into an exit.
pub(crate) fn exit_of(ended: Result<Exit, JoinError>, node: &Node) -> Exit {
    let error = match ended {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    match error.try_into_panic() {
        Ok(payload) => Exit::Panicked {
            doing: node.note_panic(),
            text: take_panic_text(payload),
        },
        Err(_) => Exit::Killed { doing: None },
    }
}
