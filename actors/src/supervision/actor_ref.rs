//! What code holds instead of an address: a reference that outlives restarts.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::actor::{Actor, Handles, Mail, WhenFull};
use super::clock;
use super::envelope::Letter;
use super::error::{AskError, TellError};
use super::mailbox::{Mailbox, Place, Refusal, Refused};
use super::metrics::short_name;
use super::node::Node;
use super::snapshot::Kind;

/// A reference to an actor, the same over all its generations. Cloning is cheap.
///
/// It exists before the actor does: make the references first, give clones to whoever
/// needs them (siblings may refer to each other in a circle), then build the
/// specifications. While the actor is down a send fails at once with `Unavailable`;
/// [`within`](Self::within) waits for it, bounded. Whatever is not delivered is counted
/// at the actor by message type.
pub struct ActorRef<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor> ActorRef<A> {
    /// A reference to an actor that is yet to be started, under `name`: unique among its
    /// siblings, and without `/`, which separates names in a path.
    pub fn new(name: &str) -> Self {
        let node = Node::new(&name.replace('/', "_"), Kind::Actor);
        Self {
            mailbox: Arc::new(Mailbox::new(node)),
        }
    }

    /// The actor's place in the tree; its bare name before the tree is built.
    pub fn path(&self) -> &str {
        self.mailbox.node.path()
    }

    /// How often the actor was started; zero before the first time.
    pub fn generation(&self) -> u64 {
        self.mailbox.node.generation()
    }

    /// True while messages are accepted.
    pub fn is_available(&self) -> bool {
        self.mailbox.open_generation().is_some()
    }

    /// Sends a message and does not wait for anything.
    ///
    /// # Errors
    /// The message comes back where the actor is down, or where the mailbox is full and
    /// [`WhenFull`] gives the message no place.
    #[inline]
    pub fn tell<M: Mail>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let letter = Letter {
            message,
            reply: None,
        };
        self.mailbox
            .push(letter, Place::Free)
            .map_err(|refused| self.give_up(refused).into())
    }

    /// Sends a message, and first waits for a place in a full mailbox, in line with others.
    ///
    /// # Errors
    /// The message comes back where the actor is down, or goes down while it waits.
    pub async fn tell_when_room<M: Mail>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let letter = Letter {
            message,
            reply: None,
        };
        let Err(refused) = self.mailbox.push(letter, Place::Free) else {
            return Ok(());
        };
        push_when_room(&self.mailbox, refused)
            .await
            .map_err(|refused| self.give_up(refused).into())
    }

    /// Asks a question: sends the message now, whether or not the future is polled. The
    /// future is the answer. Dropping it does not take the message back; whether the
    /// actor still handles it is told by
    /// [`WHEN_ABANDONED`](Handles::WHEN_ABANDONED).
    ///
    /// Where the mailbox is full and the type's [`WhenFull`] is `Wait`, the message is sent
    /// when its turn for a place comes, and dropping the future before that takes it back.
    ///
    /// # Errors
    /// [`AskError`] says whether the message can have had an effect.
    pub fn ask<M: Mail>(
        &self,
        message: M,
    ) -> impl Future<Output = Result<M::Result, AskError>> + Send + use<A, M>
    where
        A: Handles<M>,
    {
        let (reply, answer) = oneshot::channel();
        let letter = Letter {
            message,
            reply: Some(reply),
        };
        let refused = self.mailbox.push(letter, Place::Free).err();
        let refused = match refused {
            Some(refused) if A::WHEN_FULL == WhenFull::Wait => Some(Ok((self.clone(), refused))),
            Some(refused) => Some(Err(self.give_up(refused).because.into())),
            None => None,
        };
        async move {
            match refused {
                None => {}
                Some(Err(error)) => return Err(error),
                Some(Ok((actor, refused))) => push_when_room(&actor.mailbox, refused)
                    .await
                    .map_err(|refused| actor.give_up(refused).because)?,
            }
            answer.await.unwrap_or(Err(AskError::Interrupted))
        }
    }

    /// The same reference, for callers who would rather wait than fail: an operation has
    /// `patience` in all for the actor to be up, for room and for the answer.
    pub fn within(&self, patience: Duration) -> Within<'_, A> {
        Within {
            actor: self,
            patience,
        }
    }

    /// The actor as somebody who takes one type of message.
    pub fn recipient<M: Mail>(&self) -> Recipient<M>
    where
        A: Handles<M>,
    {
        Recipient {
            receiver: Arc::new(self.clone()),
        }
    }

    /// Counts a message that will not be tried again.
    fn give_up<M: Mail>(&self, refused: Refused<M>) -> Refused<M> {
        self.mailbox.count::<M>(refused.because);
        refused
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox<A>> {
        &self.mailbox
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.mailbox.node
    }
}

impl<A: Actor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self {
            mailbox: Arc::clone(&self.mailbox),
        }
    }
}

impl<A: Actor> PartialEq for ActorRef<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mailbox, &other.mailbox)
    }
}

impl<A: Actor> Eq for ActorRef<A> {}

impl<A: Actor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ActorRef<{}>({})",
            short_name(type_name::<A>()),
            self.path()
        )
    }
}

/// An [`ActorRef`] with patience.
#[derive(Debug)]
pub struct Within<'a, A: Actor> {
    actor: &'a ActorRef<A>,
    patience: Duration,
}

impl<A: Actor> Within<'_, A> {
    /// Waits for the actor to be up. Returns its generation.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] where it is still down in the end.
    pub async fn available(&self) -> Result<u64, AskError> {
        let opened = timeout(self.patience, self.actor.mailbox.wait_open()).await;
        opened.map_err(|_| AskError::Unavailable)
    }

    /// Sends a message, waiting for the actor and for room.
    ///
    /// # Errors
    /// The message comes back where there was no chance to send it.
    pub async fn tell<M: Mail>(&self, message: M) -> Result<(), TellError<M>>
    where
        A: Handles<M>,
    {
        let letter = Letter {
            message,
            reply: None,
        };
        self.send(letter, clock::after(self.patience))
            .await
            .map_err(TellError::from)
    }

    /// Asks a question, waiting for the actor, for room and for the answer.
    ///
    /// # Errors
    /// As [`ActorRef::ask`], and [`AskError::TimedOut`] where the message was sent and the
    /// answer did not come.
    pub async fn ask<M: Mail>(&self, message: M) -> Result<M::Result, AskError>
    where
        A: Handles<M>,
    {
        let deadline = clock::after(self.patience);
        let (reply, answer) = oneshot::channel();
        let letter = Letter {
            message,
            reply: Some(reply),
        };
        self.send(letter, deadline)
            .await
            .map_err(|refused| refused.because)?;
        match timeout_at(deadline, answer).await {
            Ok(answered) => answered.unwrap_or(Err(AskError::Interrupted)),
            Err(_) => Err(AskError::TimedOut),
        }
    }

    async fn send<M: Mail>(
        &self,
        mut letter: Letter<M>,
        deadline: Instant,
    ) -> Result<(), Refused<M>>
    where
        A: Handles<M>,
    {
        let mailbox = &self.actor.mailbox;
        loop {
            if timeout_at(deadline, mailbox.wait_open()).await.is_err() {
                let refused = Refused {
                    letter,
                    because: Refusal::Unavailable,
                };
                return Err(self.actor.give_up(refused));
            }
            let Err(refused) = mailbox.push(letter, Place::Free) else {
                return Ok(());
            };
            if refused.because == Refusal::Unavailable {
                letter = refused.letter;
                continue;
            }
            let Ok(place) = timeout_at(deadline, mailbox.place()).await else {
                return Err(self.actor.give_up(refused));
            };
            let Some(place) = place else {
                letter = refused.letter;
                continue;
            };
            let Err(refused) = place.push(refused.letter) else {
                return Ok(());
            };
            letter = refused.letter;
        }
    }
}

/// Tries again with a message that had no place, now waiting for one.
async fn push_when_room<A: Handles<M>, M: Mail>(
    mailbox: &Arc<Mailbox<A>>,
    refused: Refused<M>,
) -> Result<(), Refused<M>> {
    if refused.because == Refusal::Unavailable {
        return Err(refused);
    }
    match mailbox.place().await {
        Some(place) => place.push(refused.letter),
        None => Err(Refused {
            because: Refusal::Unavailable,
            ..refused
        }),
    }
}

/// Somebody who takes messages of type `M`, whoever it is.
pub struct Recipient<M: Mail> {
    receiver: Arc<dyn Receive<M>>,
}

impl<M: Mail> Recipient<M> {
    /// As [`ActorRef::tell`].
    ///
    /// # Errors
    /// As there.
    pub fn tell(&self, message: M) -> Result<(), TellError<M>> {
        self.receiver.tell(message)
    }

    /// The path of the actor behind it.
    pub fn path(&self) -> &str {
        self.receiver.path()
    }
}

impl<M: Mail> Clone for Recipient<M> {
    fn clone(&self) -> Self {
        Self {
            receiver: Arc::clone(&self.receiver),
        }
    }
}

impl<M: Mail> fmt::Debug for Recipient<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Recipient<{}>({})",
            short_name(type_name::<M>()),
            self.path()
        )
    }
}

trait Receive<M: Mail>: Send + Sync {
    fn tell(&self, message: M) -> Result<(), TellError<M>>;
    fn path(&self) -> &str;
}

impl<A: Handles<M>, M: Mail> Receive<M> for ActorRef<A> {
    fn tell(&self, message: M) -> Result<(), TellError<M>> {
        ActorRef::tell(self, message)
    }

    fn path(&self) -> &str {
        ActorRef::path(self)
    }
}
