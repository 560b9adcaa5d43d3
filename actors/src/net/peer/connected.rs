//! A connection whose peer is in the set of peers: frames in, frames out, pings.

use std::future::{self, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use actoreum_messages::peer::DisconnectCause;
use actoreum_supervision::{Ctx, DynamicRef, TaskHandle};
use actoreum_wire::p2p::Event;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::mpsc::{self, OwnedPermit, UnboundedReceiver};
use tokio::task::yield_now;
use tracing::trace;

use super::PeerActor;
use super::connection::{SharedConnection, flush, now};
use super::messages::{
    EndDue, FramesArrived, KeepaliveDue, MessageQueued, OutputWritten, ProtocolEnded, ProtocolReady,
};
use crate::net::limits::{INCOMING_QUEUE, MIN_TURN_COST, TURN_BYTES, WRITE_BATCH};
use crate::net::peer_control::PeerControl;
use crate::net::protocol::{Incoming, Link, Outgoing, PeerHandle, ProtocolHandler, SendQueue};
use crate::net::record::PeerRecord;

/// A connection and its protocol sessions.
///
/// At most one read and one write are under way. A read begins only while every protocol session
/// has room for the messages in it: a slow session stops the reading of its socket.
pub(super) struct Connected {
    pub(super) connection: SharedConnection,
    pub(super) peer: PeerControl,
    pub(super) queue: SendQueue,
    /// The receiving end of the queue; `None` while its stream waits for the next message.
    queued: Option<UnboundedReceiver<Outgoing>>,
    /// A queued message that arrived during a write.
    first: Option<Outgoing>,
    protocols: Vec<ProtocolSession>,
    is_reading: bool,
    is_writing: bool,
    turn: Turn,
    /// The latest of each kind: reader, writer, queue, timer.
    tasks: [Option<TaskHandle>; 4],
}

const READER: usize = 0;
const WRITER: usize = 1;
const QUEUE: usize = 2;
const TIMER: usize = 3;

/// A protocol session of the connection.
struct ProtocolSession {
    /// The room for the next batch; `None` while the session has not taken the last one.
    room: Option<OwnedPermit<Vec<Incoming>>>,
    running: TaskHandle,
    /// The stream that waits for room.
    waiting: Option<TaskHandle>,
}

impl Connected {
    /// Begins the protocol sessions, the streams and the timer.
    pub(super) fn begin(
        connection: SharedConnection,
        peer: PeerControl,
        handler: &dyn ProtocolHandler,
        actors: &DynamicRef,
        ctx: &mut Ctx<PeerActor>,
    ) -> Self {
        let (queue, queued) = SendQueue::new();
        let mut protocols = Vec::new();
        for (capability, negotiated) in peer.record.shared.iter().enumerate() {
            let (sender, incoming) = mpsc::channel(INCOMING_QUEUE);
            let handle = PeerHandle {
                control: peer.clone(),
                capability,
                negotiated: negotiated.clone(),
                queue: queue.clone(),
            };
            let session = handler.run_session(Link::new(handle, incoming, actors.clone()));
            let running = ctx.attach(stream::once(session.map(ProtocolEnded)));
            protocols.push(ProtocolSession {
                room: sender.try_reserve_owned().ok(),
                running,
                waiting: None,
            });
        }
        Self {
            connection,
            peer,
            queue,
            queued: Some(queued),
            first: None,
            protocols,
            is_reading: false,
            is_writing: false,
            turn: Turn::default(),
            tasks: [const { None }; 4],
        }
    }

    /// Drops the protocol sessions, the streams and the timer.
    pub(super) fn cancel(&self) {
        let sessions = self.protocols.iter().map(|it| &it.running);
        let waiting = self.protocols.iter().filter_map(|it| it.waiting.as_ref());
        for task in sessions.chain(waiting).chain(self.tasks.iter().flatten()) {
            task.cancel();
        }
        self.queue.close();
    }

    /// Passes received messages on, and reads more of them.
    pub(super) fn on_frames(&mut self, ctx: &mut Ctx<PeerActor>) -> Result<(), DisconnectCause> {
        let end = self.pass_on(ctx).err();
        if let Some(end) = end {
            if self.has_room() {
                return Err(end);
            }
            // The protocol sessions see first what was sent before the end.
            ctx.notify(EndDue(end));
            return Ok(());
        }
        self.read(ctx);
        self.write(ctx)
    }

    /// Handles the received events, and passes the messages among them to their sessions, all
    /// messages of a session together.
    fn pass_on(&mut self, ctx: &mut Ctx<PeerActor>) -> Result<(), DisconnectCause> {
        let mut batches: Vec<Vec<Incoming>> = Vec::new();
        batches.resize_with(self.protocols.len(), Vec::new);
        let polled = self.poll_events(&mut batches);
        for (capability, batch) in batches.into_iter().enumerate() {
            if !batch.is_empty() {
                self.deliver(capability, batch, ctx);
            }
        }
        polled
    }

    fn poll_events(&self, batches: &mut [Vec<Incoming>]) -> Result<(), DisconnectCause> {
        let mut connection = self.connection.borrow_mut();
        let traffic = &self.peer.record.traffic;
        while let Some(event) = connection.session.poll(now())? {
            match event {
                Event::Message {
                    capability,
                    id,
                    payload,
                } => {
                    traffic.messages_in.fetch_add(1, Relaxed);
                    if let Some(batch) = batches.get_mut(capability) {
                        batch.push(Incoming { id, payload });
                    }
                }
                Event::Pong => {
                    if let Some(round_trip) = connection.session.round_trip() {
                        traffic.set_latency(round_trip);
                    }
                }
                Event::Disconnected(reason) => return Err(DisconnectCause::Remote(reason)),
                Event::Ping | Event::Authenticated { .. } | Event::HelloReceived(_) => {}
            }
        }
        Ok(())
    }

    fn deliver(&mut self, capability: usize, batch: Vec<Incoming>, ctx: &mut Ctx<PeerActor>) {
        let Some(session) = self.protocols.get_mut(capability) else {
            return;
        };
        let Some(room) = session.room.take() else {
            debug_assert!(false, "nothing is read while a session has no room");
            return;
        };
        let sender = room.send(batch);
        // A session that has ended has its own message.
        let ready = async move {
            let room = sender.reserve_owned().await.ok()?;
            Some(ProtocolReady { capability, room })
        };
        session.waiting = Some(ctx.attach(stream::once(ready).filter_map(future::ready)));
        // The peer is not silent while it is not read.
        self.connection.borrow_mut().session.pause();
    }

    fn has_room(&self) -> bool {
        self.protocols.iter().all(|it| it.room.is_some())
    }

    /// Reads from the socket, where nothing else does and every session has room.
    fn read(&mut self, ctx: &mut Ctx<PeerActor>) {
        if self.is_reading || !self.has_room() {
            return;
        }
        self.is_reading = true;
        let record = Arc::clone(&self.peer.record);
        let connection = Rc::clone(&self.connection);
        let is_turn_over = self.turn.is_over(&record);
        let reading = async move {
            if is_turn_over {
                // The other connections of this thread get their turn.
                yield_now().await;
            }
            let read = poll_fn(|cx| connection.borrow_mut().poll_read(cx, &record.traffic));
            FramesArrived(read.await)
        };
        self.tasks[READER] = Some(ctx.attach(stream::once(reading)));
    }

    /// Writes what waits to be written, where no write is under way; otherwise its end continues.
    pub(super) fn write(&mut self, ctx: &mut Ctx<PeerActor>) -> Result<(), DisconnectCause> {
        if self.is_writing {
            return Ok(());
        }
        self.fill()?;
        if self.connection.borrow().is_flushed() {
            self.wait_for_queue(ctx);
            return Ok(());
        }
        self.is_writing = true;
        let record = Arc::clone(&self.peer.record);
        let connection = Rc::clone(&self.connection);
        let is_turn_over = self.turn.is_over(&record);
        let writing = async move {
            if is_turn_over {
                yield_now().await;
            }
            OutputWritten(flush(connection, &record.traffic).await)
        };
        self.tasks[WRITER] = Some(ctx.attach(stream::once(writing)));
        Ok(())
    }

    /// Encrypts queued messages, up to [`WRITE_BATCH`] bytes.
    fn fill(&mut self) -> Result<(), DisconnectCause> {
        let mut connection = self.connection.borrow_mut();
        while connection.session.output_len() < WRITE_BATCH {
            let mut queued = || self.queued.as_mut()?.try_recv().ok();
            let Some(message) = self.first.take().or_else(&mut queued) else {
                break;
            };
            let Outgoing {
                capability,
                id,
                payload,
                ..
            } = &message;
            let record = &self.peer.record;
            trace!(peer = ?record.id, id, bytes = payload.len(), "message sent");
            record.traffic.messages_out.fetch_add(1, Relaxed);
            connection.session.send(*capability, *id, payload)?;
        }
        Ok(())
    }

    fn wait_for_queue(&mut self, ctx: &mut Ctx<PeerActor>) {
        let Some(mut queue) = self.queued.take() else {
            return;
        };
        let queued = async move {
            let first = queue.recv().await?;
            Some(MessageQueued { first, queue })
        };
        let queued = stream::once(queued).filter_map(future::ready);
        self.tasks[QUEUE] = Some(ctx.attach(queued));
    }

    /// Takes a message that was queued while the queue was empty.
    pub(super) fn on_queued(
        &mut self,
        MessageQueued { first, queue }: MessageQueued,
        ctx: &mut Ctx<PeerActor>,
    ) -> Result<(), DisconnectCause> {
        self.first = Some(first);
        self.queued = Some(queue);
        self.write(ctx)
    }

    /// Continues after bytes were read.
    pub(super) fn on_read(
        &mut self,
        read: Result<(), DisconnectCause>,
        ctx: &mut Ctx<PeerActor>,
    ) -> Result<(), DisconnectCause> {
        self.is_reading = false;
        read?;
        self.on_frames(ctx)
    }

    /// Continues after a batch was written.
    pub(super) fn on_written(
        &mut self,
        written: Result<(), DisconnectCause>,
        ctx: &mut Ctx<PeerActor>,
    ) -> Result<(), DisconnectCause> {
        self.is_writing = false;
        written?;
        self.write(ctx)
    }

    /// Reads on once every session has room for messages.
    pub(super) fn on_protocol_ready(
        &mut self,
        ProtocolReady { capability, room }: ProtocolReady,
        ctx: &mut Ctx<PeerActor>,
    ) -> Result<(), DisconnectCause> {
        if let Some(session) = self.protocols.get_mut(capability) {
            session.room = Some(room);
        }
        if self.has_room() {
            self.on_frames(ctx)
        } else {
            Ok(())
        }
    }

    /// Sends a ping if it is due, and sets the timer again.
    ///
    /// # Errors
    /// The peer has been silent for too long.
    pub(super) fn on_keepalive(&mut self, ctx: &mut Ctx<PeerActor>) -> Result<(), DisconnectCause> {
        let due = {
            let session = &mut self.connection.borrow_mut().session;
            session.handle_timeout(now())?;
            session.next_timeout()
        };
        if let Some(due) = due {
            // The time moves on with every frame; the timer does not: it looks again when it is due.
            let delay = due.saturating_duration_since(now());
            self.tasks[TIMER] = Some(ctx.notify_after(delay, KeepaliveDue));
        }
        self.write(ctx)
    }
}

/// The work of a connection since it last yielded to the others.
#[derive(Default)]
struct Turn {
    bytes: u64,
    messages: u64,
}

impl Turn {
    /// Returns whether the turn's budget is used up; if so, the next turn begins.
    fn is_over(&mut self, record: &PeerRecord) -> bool {
        let traffic = &record.traffic;
        let bytes = traffic.bytes_in.load(Relaxed) + traffic.bytes_out.load(Relaxed);
        let messages = traffic.messages_in.load(Relaxed);
        let cost = (bytes - self.bytes) + (messages - self.messages) * MIN_TURN_COST as u64;
        let is_over = cost >= TURN_BYTES as u64;
        if is_over {
            *self = Self { bytes, messages };
        }
        is_over
    }
}
