//! EthSessionActor: the eth conversation with one peer, from the accepted status to its end.
//!
//! | message | effect |
//! |---|---|
//! | [`EthFrames`] | messages of the peer are read and handled in their order |
//! | `FrameDecoded`, `FrameHandled` | a step of theirs that took time is over: the next follows |
//! | [`RequestHeaders`] and its like | a request is sent to the peer, and waits for its answer |
//! | `RequestQueued`, `RequestDue` | a request was sent after a wait; it has no answer in time |
//! | [`UselessDataReceived`] | a budget of useless bytes is charged |
//! | [`WasteCaused`] | useless work is counted; answered with a pause |
//! | `BroadcastRefused` | broadcast transactions violate the protocol: the session ends |
//! | [`ConnectionEnded`] | the actor ends |
//!
//! One message of the peer is handled at a time; requests and penalties are handled in between. The
//! actor is temporary, one for each connection; its failure ends that connection.

use std::convert::Infallible;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;
use std::vec;

use actoreum_supervision::{
    Actor, ActorRef, Ctx, Failure, Handles, Later, Replier, WhenAbandoned, WhenFull,
};
use actoreum_wire::eth::{EthError, EthMessage, MessageId, RequestId};
use actoreum_wire::limits::MAX_ETH_MESSAGE;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, stream};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::messages::{
    BroadcastRefused, ConnectionEnded, EthFrames, FrameDecoded, FrameHandled, RequestBodies,
    RequestDue, RequestHeaders, RequestNodeData, RequestQueued, RequestReceipts,
    RequestTransactions, UselessDataReceived, WasteCaused,
};
use super::requests::{Delivery, Requests};
use super::useless::UselessBudget;
use super::waste::{Verdict, WasteMeter};
use super::work::{SessionWork, decode, protocol_error};
use crate::eth::fetcher::FetcherActor;
use crate::eth::limits::{
    ANSWER_CREDIT, MALFORMED_POINTS, MAX_INLINE_MESSAGE, TIMEOUT_POINTS, USELESS_POINTS,
    WASTE_PAUSE, WASTE_POINTS,
};
use crate::eth::peer::{EthPeer, PeerAnswer, RequestError};
use crate::eth::serve::EthRequestHandler;
use crate::eth::shared::EthShared;
use crate::eth::transactions::{Intake, check_broadcasts};
use crate::net::protocol::{Incoming, SendError, SessionExit};
use crate::txpool::Submitted;

/// The arguments of a new session's actor.
pub(super) struct SessionArgs {
    pub(super) peer: EthPeer,
    pub(super) shared: EthShared,
    pub(super) handler: EthRequestHandler,
    pub(super) fetcher: ActorRef<FetcherActor>,
    /// Gets the reason where the session ends the connection.
    pub(super) ended: oneshot::Sender<SessionExit>,
    /// Its other end is dropped with the connection.
    pub(super) connection_ended: oneshot::Receiver<Infallible>,
}

/// The actor of an eth session; see the module.
pub(in crate::eth) struct EthSessionActor {
    args: Option<SessionArgs>,
    peer: EthPeer,
    /// The handling of messages; `None` before `started`.
    work: Option<Rc<SessionWork>>,
    ended: Option<oneshot::Sender<SessionExit>>,
    /// The messages of the batch that are still to be handled.
    frames: vec::IntoIter<Incoming>,
    batch: Option<Replier<()>>,
    requests: Requests,
    useless: UselessBudget,
    waste: WasteMeter,
}

/// The outcome of the first step of a message.
enum Step {
    /// The message is handled.
    Done,
    /// A message to the actor itself continues.
    Continues,
}

impl EthSessionActor {
    pub(super) fn new(args: SessionArgs) -> Self {
        Self {
            peer: args.peer.clone(),
            args: Some(args),
            work: None,
            ended: None,
            frames: Vec::new().into_iter(),
            batch: None,
            requests: Requests::default(),
            useless: UselessBudget::new(Instant::now()),
            waste: WasteMeter::new(Instant::now()),
        }
    }

    /// Handles the messages of the batch up to one that takes time.
    fn advance(&mut self, ctx: &mut Ctx<Self>) {
        while let Some(frame) = self.frames.next() {
            match self.on_frame(frame, ctx) {
                Ok(Step::Done) => {}
                Ok(Step::Continues) => return,
                Err(exit) => return self.end(exit, ctx),
            }
        }
        if let Some(batch) = self.batch.take() {
            batch.reply(());
        }
    }

    /// Ends the session, and the connection with it.
    fn end(&mut self, exit: SessionExit, ctx: &mut Ctx<Self>) {
        if let Some(ended) = self.ended.take() {
            // Where the connection has ended, the actor ends anyway.
            let _ = ended.send(exit);
        }
        ctx.stop();
    }

    /// Decompresses and decodes a message. An unsolicited answer is not decoded.
    fn on_frame(
        &mut self,
        Incoming { id, payload }: Incoming,
        ctx: &mut Ctx<Self>,
    ) -> Result<Step, SessionExit> {
        let (version, size) = (self.peer.version(), payload.len());
        let refused = |error: EthError| protocol_error(&self.peer, error.to_string());
        if size > MAX_ETH_MESSAGE {
            return Err(refused(EthError::TooLarge { size }));
        }
        let message = MessageId::from_code(id).filter(|message| version.has(*message));
        let message = message.ok_or_else(|| refused(EthError::InvalidCode(id)))?;
        if message.is_answer() && !self.requests.is_waiting_for(message) {
            self.peer.unsolicited(message);
            return Ok(Step::Done);
        }
        if size > MAX_INLINE_MESSAGE {
            let work = Rc::clone(self.work()?);
            let decoding = async move {
                let decoded =
                    work.run_on_threads("DecodeMessage", move || decode(version, id, payload));
                let decoded = decoded
                    .await
                    .and_then(|decoded| decoded.map_err(|error| protocol_error(&work.peer, error)));
                FrameDecoded(decoded)
            };
            ctx.attach(stream::once(decoding));
            return Ok(Step::Continues);
        }
        let decoded = decode(version, id, payload);
        let message = decoded.map_err(|error| protocol_error(&self.peer, error))?;
        self.on_message(message, ctx)
    }

    fn work(&self) -> Result<&Rc<SessionWork>, SessionExit> {
        self.work.as_ref().ok_or(SessionExit::Quit)
    }

    fn on_message(
        &mut self,
        message: EthMessage,
        ctx: &mut Ctx<Self>,
    ) -> Result<Step, SessionExit> {
        match message {
            EthMessage::Status(_) => {
                let why = "Extra status message".to_owned();
                Err(protocol_error(&self.peer, why))
            }
            EthMessage::BlockHeaders(..)
            | EthMessage::BlockBodies(..)
            | EthMessage::Receipts(..)
            | EthMessage::NodeData(..)
            | EthMessage::PooledTransactions(..) => {
                self.on_answer(message);
                Ok(Step::Done)
            }
            _ => {
                let work = Rc::clone(self.work()?);
                let handling = async move { FrameHandled(work.handle(message).await) };
                ctx.attach(stream::once(handling));
                Ok(Step::Continues)
            }
        }
    }

    /// Passes an answer to the caller that waits for it.
    fn on_answer(&mut self, message: EthMessage) {
        let answer = message.id();
        match self.requests.deliver(self.peer.version(), message) {
            Delivery::Taken => {
                if self.peer.handle().record().traffic.score() < 0 {
                    self.peer.penalise(-ANSWER_CREDIT, "answered in time");
                }
            }
            Delivery::Late => {}
            Delivery::Unsolicited => self.peer.unsolicited(answer),
        }
        self.publish_outstanding();
    }

    fn publish_outstanding(&self) {
        self.peer.set_outstanding(self.requests.len());
    }

    /// Sends a request, whose answer is awaited until the deadline.
    fn request(
        &mut self,
        question: impl FnOnce(RequestId) -> EthMessage,
        answer: MessageId,
        deadline: Instant,
        ctx: &mut Ctx<Self>,
    ) -> Later<PeerAnswer> {
        match self.begin_request(question, answer, deadline, ctx) {
            Ok(answered) => Later::fallible(answered),
            Err(error) => Later::fallible(ready(Err(error))),
        }
    }

    fn begin_request(
        &mut self,
        question: impl FnOnce(RequestId) -> EthMessage,
        answer: MessageId,
        deadline: Instant,
        ctx: &mut Ctx<Self>,
    ) -> Result<LocalBoxFuture<'static, PeerAnswer>, RequestError> {
        let version = self.peer.version();
        let not_spoken = RequestError::NotSpoken(version.number());
        if !version.has(answer) {
            return Err(not_spoken);
        }
        let (caller, answered) = oneshot::channel();
        let id = self.requests.begin(answer, caller)?;
        let question = question(id);
        let Ok(payload) = question.encode(version) else {
            self.requests.remove(id);
            return Err(not_spoken);
        };
        // Dropped with the caller's future: a request that was not sent yet is given up.
        let (waits, abandoned) = oneshot::channel::<()>();
        self.send_request(
            id,
            question.id().code(),
            Bytes::from(payload),
            abandoned,
            ctx,
        );
        let delay = deadline.saturating_duration_since(Instant::now());
        let timer = ctx.notify_after(delay, RequestDue(id));
        self.requests.set_deadline(id, timer);
        self.publish_outstanding();
        let answered = async move {
            let _waits = waits;
            answered.await.unwrap_or(Err(RequestError::Gone))
        };
        Ok(answered.boxed_local())
    }

    /// Queues a request for the peer; requests are sent in the order in which they began.
    fn send_request(
        &mut self,
        id: RequestId,
        code: u64,
        payload: Bytes,
        abandoned: oneshot::Receiver<()>,
        ctx: &mut Ctx<Self>,
    ) {
        let handle = self.peer.handle().clone();
        if !self.requests.has_unsent() {
            match handle.try_send(code, payload.clone()) {
                Ok(()) => return,
                Err(SendError::Gone) => return self.requests.remove(id),
                Err(SendError::Full) => {}
            }
        }
        let sending = async move {
            let is_sent = tokio::select! {
                biased;
                _ = abandoned => false,
                sent = handle.send(code, payload) => sent.is_ok(),
            };
            RequestQueued { id, is_sent }
        };
        let sending = ctx.attach(stream::once(sending));
        self.requests.set_sending(id, sending);
    }
}

impl Actor for EthSessionActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        let args = self.args.take().ok_or("a session begins once")?;
        let SessionArgs {
            peer,
            shared,
            handler,
            fetcher,
            ended,
            connection_ended,
        } = args;
        self.ended = Some(ended);
        let (intake, to_check) = Intake::new(shared.txpool.verifier.clone());
        let work = Rc::new(SessionWork {
            peer,
            shared,
            handler,
            fetcher,
            intake,
        });
        self.work = Some(Rc::clone(&work));
        let checking = async move {
            let arrived = |submitted: &[Submitted]| work.notify_arrived(submitted);
            let violation = check_broadcasts(&work.shared, &work.peer, to_check, arrived);
            BroadcastRefused(violation.await)
        };
        ctx.attach(stream::once(checking));
        ctx.attach(stream::once(connection_ended.map(|_| ConnectionEnded)));
        Ok(())
    }
}

impl Handles<EthFrames> for EthSessionActor {
    type Answer = Later<()>;
    const WHEN_FULL: WhenFull = WhenFull::Wait;

    fn handle(&mut self, EthFrames(frames): EthFrames, ctx: &mut Ctx<Self>) -> Later<()> {
        let (batch, handled) = Later::channel();
        self.frames = frames.into_iter();
        self.batch = Some(batch);
        self.advance(ctx);
        handled
    }
}

impl Handles<FrameDecoded> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, FrameDecoded(decoded): FrameDecoded, ctx: &mut Ctx<Self>) {
        match decoded.and_then(|message| self.on_message(message, ctx)) {
            Ok(Step::Done) => self.advance(ctx),
            Ok(Step::Continues) => {}
            Err(exit) => self.end(exit, ctx),
        }
    }
}

impl Handles<FrameHandled> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, FrameHandled(handled): FrameHandled, ctx: &mut Ctx<Self>) {
        match handled {
            Ok(()) => self.advance(ctx),
            Err(exit) => self.end(exit, ctx),
        }
    }
}

impl Handles<BroadcastRefused> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, BroadcastRefused(violation): BroadcastRefused, ctx: &mut Ctx<Self>) {
        let why = violation.penalise(&self.peer);
        self.end(SessionExit::Error(why), ctx);
    }
}

impl Handles<ConnectionEnded> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, _: ConnectionEnded, ctx: &mut Ctx<Self>) {
        ctx.stop();
    }
}

impl Handles<RequestQueued> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, RequestQueued { id, is_sent }: RequestQueued, _: &mut Ctx<Self>) {
        if is_sent {
            self.requests.sent(id);
        } else {
            self.requests.remove(id);
        }
        self.publish_outstanding();
    }
}

impl Handles<RequestDue> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, RequestDue(id): RequestDue, _: &mut Ctx<Self>) {
        if self.requests.expire(id) {
            self.peer.penalise(TIMEOUT_POINTS, "no answer in time");
        }
        self.publish_outstanding();
    }
}

macro_rules! request {
    ($message:ident, $question:ident, $answer:ident) => {
        impl Handles<$message> for EthSessionActor {
            type Answer = Later<PeerAnswer>;
            const WHEN_ABANDONED: WhenAbandoned = WhenAbandoned::Skip;

            fn handle(
                &mut self,
                $message(wanted, deadline): $message,
                ctx: &mut Ctx<Self>,
            ) -> Later<PeerAnswer> {
                let question = |id| EthMessage::$question(id, wanted);
                self.request(question, MessageId::$answer, deadline, ctx)
            }
        }
    };
}

request!(RequestHeaders, GetBlockHeaders, BlockHeaders);
request!(RequestBodies, GetBlockBodies, BlockBodies);
request!(RequestReceipts, GetReceipts, Receipts);
request!(RequestNodeData, GetNodeData, NodeData);
request!(
    RequestTransactions,
    GetPooledTransactions,
    PooledTransactions
);

impl Handles<UselessDataReceived> for EthSessionActor {
    type Answer = ();

    fn handle(&mut self, message: UselessDataReceived, _: &mut Ctx<Self>) {
        let UselessDataReceived { bytes, what } = message;
        if !self.useless.take(bytes, Instant::now()) {
            let why = format!("sends too much useless data: {what}");
            self.peer.penalise(USELESS_POINTS, &why);
        }
    }
}

impl Handles<WasteCaused> for EthSessionActor {
    type Answer = Option<Duration>;

    fn handle(
        &mut self,
        WasteCaused { units, why }: WasteCaused,
        _: &mut Ctx<Self>,
    ) -> Self::Answer {
        let points = match self.waste.add(Instant::now(), units) {
            Verdict::Tolerated => return None,
            Verdict::Pause => WASTE_POINTS,
            Verdict::Ban => MALFORMED_POINTS,
        };
        self.peer.penalise(points, &why);
        Some(WASTE_PAUSE)
    }
}
