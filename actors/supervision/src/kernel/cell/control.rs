//! Control messages of the supervision to an actor, which its own messages do not delay.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Context};
use tracing::info;

use super::Cell;
use crate::kernel::actor::Actor;
use crate::kernel::clock::Nanos;
use crate::kernel::hang::Lease;
use crate::kernel::mailbox::Mailbox;
use crate::observe::activity::Doing;
use crate::observe::node::Control;
use crate::observe::waits::Wait;

/// A control message of the supervision to an actor.
enum Command {
    /// Stop after the messages that the drain says.
    Stop(Drain),
    /// Answer a health probe.
    Ping,
    /// Panic inside a handler.
    Crash,
    /// Hold the thread for this long.
    Hang(Duration),
}

impl actix::Message for Command {
    type Result = ();
}

impl<A: Actor> actix::Handler<Command> for Cell<A> {
    type Result = ();

    fn handle(&mut self, command: Command, context: &mut Context<Self>) {
        if self.end_if_given_up(context) {
            return;
        }
        let node = &self.ctx.node;
        match command {
            Command::Stop(drain) => self.stop(drain, context),
            Command::Ping => {
                node.probe.clear();
                if node.probe.take_stuck() {
                    info!(actor = node.path(), "actor answers again");
                }
            }
            Command::Crash => {
                node.activity.enter(Doing::Crash, node.now());
                panic!("a crash was asked for");
            }
            Command::Hang(time) => {
                node.activity.enter(Doing::Hang, node.now());
                std::thread::sleep(time);
                node.leave(self.ctx.generation());
                self.end_if_given_up(context);
            }
        }
    }
}

/// The messages that an actor still handles when it is requested to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    /// Whether it handles every message that it has accepted, and gives the answers that it owes.
    /// Otherwise it handles those that `stopped` hooks sent.
    pub(crate) is_full: bool,
    /// The time that it has for them.
    pub(crate) limit: Duration,
}

/// The sender of control messages to one generation.
pub(crate) struct ControlHandle<A: Actor> {
    pub(crate) address: Addr<Cell<A>>,
    pub(crate) mailbox: Arc<Mailbox<A>>,
    /// The thread that the generation runs on; `None` on a single thread.
    pub(crate) lease: Option<Arc<Lease>>,
    pub(crate) drain: Drain,
}

impl<A: Actor> ControlHandle<A> {
    /// Sends through a fresh address, whose message is never refused because of a full mailbox. A
    /// generation that has ended meanwhile needs no control.
    fn send(&self, command: Command) {
        let _ = self.address.clone().try_send(command);
    }
}

impl<A: Actor> Control for ControlHandle<A> {
    fn stop(&self) {
        self.mailbox.begin_stop();
        self.send(Command::Stop(self.drain));
    }

    fn probe(&self) {
        self.send(Command::Ping);
    }

    fn crash(&self) {
        self.send(Command::Crash);
    }

    fn hang(&self, time: Duration) {
        self.send(Command::Hang(time));
    }

    fn add_waits(&self, before: Nanos, waits: &mut Vec<Wait>) {
        self.mailbox.add_waits(before, waits);
    }

    fn give_up(&self) {
        self.mailbox.give_up(self.mailbox.node.generation());
    }

    fn lease(&self) -> Option<&Arc<Lease>> {
        self.lease.as_ref()
    }
}
