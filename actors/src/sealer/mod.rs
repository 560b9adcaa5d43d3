//! SealerActor: seals what WorkerActor built.
//!
//! | message | what happens |
//! |---|---|
//! | [`Seal`] | may it be sealed, and when; wait, reserve the height, sign, remember on disk, answer |
//! | [`GetLastSigned`] | from memory |
//! | [`Withdraw`], [`Rewound`] | a height may be signed again |
//! | [`ChainChanged`] | blocks that carry our signature go on record; one that was not on it is told |
//!
//! ```text
//!   Seal -> plan -> wait -> reserve -> AccountsActor signs -> SealGuard on disk (pool) -> answer
//! ```
//!
//! With proof of work, threads of their own search, and remote miners may, until a seal is found or
//! another block takes its place: [`GetWork`], [`SubmitWork`], [`SubmitHashrate`], see `pow.rs`.
//!
//! It waits before it signs: where somebody else's block comes meanwhile, nothing was signed that
//! nobody needs, and the height can still be signed on another parent. The [`SealGuard`] sees to
//! it that no height is signed twice, over crashes of this actor and of the whole process, and over
//! the loss of the database. Whether sealing pauses is looked at again before the signature is asked
//! for, and before it leaves.

mod guard;
mod notify;
mod pow;
mod record;
mod seen;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_chain::ChainReader;
use actoreum_consensus::{
    Clique, CliqueError, ConsensusError, Engine, clique::seal_hash, ethash::Solution,
};
use actoreum_messages::{
    accounts::SignHash,
    events::ChainChanged,
    sealer::{
        EndSearch, GetLastSigned, GetWork, Rewound, Seal, SealRefused, SubmitHashrate, SubmitWork,
        ThreadsChanged, Withdraw, Work,
    },
    worker::FoundLate,
};
use actoreum_primitives::{B256, Block, Signature};
use tracing::{error, warn};

use crate::{
    accounts::AccountsActor,
    clock,
    miner::MinerControl,
    supervision::{Actor, ActorRef, Ctx, Failure, Handles, Later, Message, Pool, WhenFull},
    worker::WorkerActor,
};

pub use guard::{ForgetError, Height, Refusal, RememberError, Reservation, SealGuard, Seen};
pub use notify::{Notifier, NotifyError, NotifyUrl};
use pow::Pow;
pub use pow::PowSetup;
pub use record::{RecordError, SigningRecords};
use seen::OwnBlocks;

/// How long the signer's key is waited for: AccountsActor may be opening it anew after a crash.
const SIGNING_PATIENCE: Duration = Duration::from_secs(10);

/// Time between two looks at the rate of a search.
const RATE_PERIOD: Duration = Duration::from_secs(1);

/// What every generation of a SealerActor is made from.
#[derive(Clone)]
pub struct SealerSetup {
    /// How blocks are sealed.
    pub method: SealingMethod,
    /// The chain that is sealed for.
    pub reader: ChainReader,
    /// Where blocks are written before they are given away.
    pub pool: Pool,
    /// Who builds, and hears of seals that come late.
    pub worker: ActorRef<WorkerActor>,
    /// Whether blocks are sealed now.
    pub control: Arc<MinerControl>,
}

/// How blocks are sealed.
#[derive(Clone)]
pub enum SealingMethod {
    /// By a signature.
    Clique(CliqueSetup),
    /// By a proof of work.
    Ethash(PowSetup),
}

/// What signing needs besides what every sealer does.
#[derive(Clone)]
pub struct CliqueSetup {
    /// The engine, which knows who seals on this node.
    pub clique: Arc<Clique>,
    /// Who signs.
    pub accounts: ActorRef<AccountsActor>,
    /// What was signed.
    pub guard: Arc<SealGuard>,
}

impl SealerSetup {
    /// Makes the next generation.
    pub fn start(self) -> SealerActor {
        let pow = match &self.method {
            SealingMethod::Clique(clique) => {
                clique.guard.begin_generation();
                None
            }
            SealingMethod::Ethash(setup) => Some(Pow::new(setup.clone())),
        };
        SealerActor {
            setup: self,
            pow,
            own: OwnBlocks::default(),
        }
    }
}

/// See the module.
pub struct SealerActor {
    setup: SealerSetup,
    pow: Option<Pow>,
    own: OwnBlocks,
}

type Answer = Result<Block, SealRefused>;

impl SealerActor {
    /// Asks whether the block may be signed here, and begins to.
    fn begin(&self, with: &CliqueSetup, seal: Seal) -> Result<Later<Answer>, SealRefused> {
        let Seal {
            mut block,
            even_if_empty,
            is_outdated,
        } = seal;
        let plan = with.clique.plan_seal(
            &self.setup.reader,
            &block.header,
            even_if_empty || !block.body.transactions.is_empty(),
            clock::now(),
            &mut rand::rng(),
        )?;
        let parent = block.header.number.saturating_sub(1);
        let snapshot =
            with.clique
                .snapshot(&self.setup.reader, parent, block.header.parent_hash)?;
        let height = Height {
            number: block.header.number,
            signer: plan.signer,
            is_shared: snapshot.signers.len() > 1,
        };
        with.guard.check(height).map_err(refused)?;
        let sign_at = tokio::time::Instant::now() + plan.delay;
        let hash = seal_hash(&block.header)
            .ok_or_else(|| ConsensusError::from(CliqueError::MissingSignature))?;

        let question = SignHash {
            address: plan.signer,
            hash,
            password: None,
        };
        let (accounts, guard) = (with.accounts.clone(), Arc::clone(&with.guard));
        let (clique, pool) = (Arc::clone(&with.clique), self.setup.pool.clone());
        let (reader, control) = (self.setup.reader.clone(), Arc::clone(&self.setup.control));
        // What a user asked for is sealed also where nothing else is.
        let is_paused = move || !even_if_empty && !control.is_sealing();
        Ok(Later::new(async move {
            tokio::time::sleep_until(sign_at).await;
            let is_on_head = reader.head().hash() == block.header.parent_hash;
            if is_outdated.load(Ordering::Relaxed) || !is_on_head || is_paused() {
                return Err(SealRefused::Outdated);
            }
            let reservation = guard.reserve(height).map_err(refused)?;
            let signed = match accounts.within(SIGNING_PATIENCE).ask(question).await {
                Ok(Ok(signature)) => put_seal(&clique, &mut block, signature),
                Ok(Err(error)) => Err(SealRefused::Signer(error.to_string())),
                Err(error) => Err(SealRefused::Signer(error.to_string())),
            };
            // The key may have been waited for.
            let signed = match signed {
                Ok(()) if is_paused() => Err(SealRefused::Outdated),
                signed => signed,
            };
            if let Err(error) = signed {
                guard.release(reservation);
                return Err(error);
            }
            let work = move || guard.remember(reservation, &block).map(|()| block);
            let block = match pool.run(work).await {
                Ok(Ok(block)) => block,
                Ok(Err(error)) => return Err(SealRefused::Store(error.to_string())),
                Err(error) => return Err(SealRefused::Store(error.to_string())),
            };
            Ok(block)
        }))
    }
}

fn put_seal(clique: &Clique, block: &mut Block, signature: Signature) -> Result<(), SealRefused> {
    clique
        .seal(&mut block.header, |_| Ok::<_, CliqueError>(signature))
        .map_err(|error| SealRefused::Engine(error.into()))
}

fn refused(refusal: Refusal) -> SealRefused {
    match refusal {
        Refusal::Reserved => SealRefused::Busy,
        Refusal::Signed(block) => SealRefused::SignedBefore(block),
        Refusal::OnRecord { highest, files } => SealRefused::OnRecord { highest, files },
        Refusal::Record(error) => SealRefused::Record(error.to_string()),
    }
}

impl SealerActor {
    fn guard(&self) -> Option<&SealGuard> {
        match &self.setup.method {
            SealingMethod::Clique(clique) => Some(&clique.guard),
            SealingMethod::Ethash(_) => None,
        }
    }

    /// Puts a seal where it is waited for; the worker may have use for another.
    fn found(&mut self, seal_hash: B256, solution: Solution) {
        let late = self
            .pow
            .as_mut()
            .and_then(|pow| pow.found(seal_hash, solution));
        if let Some(block) = late {
            // A worker that is down begins anew.
            let _ = self.setup.worker.tell(FoundLate(block));
        }
    }
}

impl Actor for SealerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        if self.pow.is_some() {
            ctx.notify_every(RATE_PERIOD, || Measure);
        }
        Ok(())
    }
}

impl Handles<Seal> for SealerActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, seal: Seal, ctx: &mut Ctx<Self>) -> Self::Answer {
        if let Some(pow) = &mut self.pow {
            return pow.take(seal.block, ctx.me());
        }
        let begun = match &self.setup.method {
            SealingMethod::Clique(clique) => self.begin(clique, seal),
            SealingMethod::Ethash(_) => Err(SealRefused::Busy),
        };
        begun.unwrap_or_else(|error| Later::new(std::future::ready(Err(error))))
    }
}

impl Handles<GetLastSigned> for SealerActor {
    type Answer = Option<Box<Block>>;

    fn handle(&mut self, _: GetLastSigned, _: &mut Ctx<Self>) -> Self::Answer {
        self.guard()?.last().map(Box::new)
    }
}

impl Handles<Withdraw> for SealerActor {
    type Answer = ();

    fn handle(&mut self, Withdraw { hash }: Withdraw, _: &mut Ctx<Self>) {
        if let Some(Err(error)) = self.guard().map(|guard| guard.withdraw(hash)) {
            error!(%error, "signed block not withdrawn");
        }
    }
}

impl Handles<Rewound> for SealerActor {
    type Answer = ();

    fn handle(&mut self, Rewound { to, from }: Rewound, _: &mut Ctx<Self>) {
        let SealingMethod::Clique(with) = &self.setup.method else {
            return;
        };
        if let Err(error) = with.guard.rewind(to, from, with.clique.signer()) {
            error!(%error, "signed block not forgotten");
        }
    }
}

impl Handles<ChainChanged> for SealerActor {
    type Answer = ();
    // A look goes by the head.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, changed: ChainChanged, _: &mut Ctx<Self>) {
        if let SealingMethod::Clique(with) = &self.setup.method
            && self.setup.control.is_wanted()
        {
            self.own.look(with, &self.setup.reader, &changed.events);
        }
    }
}

impl Handles<EndSearch> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: EndSearch, _: &mut Ctx<Self>) {
        if let Some(pow) = &self.pow {
            pow.end_search();
        }
        if let Some(guard) = self.guard() {
            guard.let_go();
        }
    }
}

impl Handles<ThreadsChanged> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: ThreadsChanged, ctx: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.search(ctx.me());
        }
    }
}

impl Handles<GetWork> for SealerActor {
    type Answer = Option<Work>;

    fn handle(&mut self, _: GetWork, _: &mut Ctx<Self>) -> Option<Work> {
        self.pow.as_ref()?.work()
    }
}

impl Handles<SubmitWork> for SealerActor {
    type Answer = Later<bool>;

    fn handle(&mut self, submitted: SubmitWork, ctx: &mut Ctx<Self>) -> Later<bool> {
        let (replier, later) = Later::channel();
        let SubmitWork {
            seal_hash,
            solution,
        } = submitted;
        let known = self.pow.as_ref().and_then(|pow| {
            let header = pow.sealed_header(seal_hash, solution)?;
            Some((header, pow.setup.clone()))
        });
        let Some((header, setup)) = known else {
            warn!(%seal_hash, "work submitted but none pending");
            replier.reply(false);
            return later;
        };
        if setup.is_trusting {
            self.found(seal_hash, solution);
            replier.reply(true);
            return later;
        }
        let (reader, ethash) = (self.setup.reader.clone(), setup.ethash);
        let verified = setup
            .verifying
            .run(move || ethash.verify_seal(&reader, &header));
        ctx.spawn_then(verified, move |actor: &mut Self, verified, _| {
            let is_good = match verified {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    warn!(%seal_hash, %error, "invalid proof of work submitted");
                    false
                }
                Err(error) => {
                    warn!(%error, "submitted work not verified");
                    false
                }
            };
            if is_good {
                actor.found(seal_hash, solution);
            }
            replier.reply(is_good);
        });
        later
    }
}

impl Handles<SubmitHashrate> for SealerActor {
    type Answer = ();

    fn handle(&mut self, SubmitHashrate { miner, rate }: SubmitHashrate, _: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.remote_rate(miner, rate);
        }
    }
}

/// A thread of this node found a seal.
#[derive(Message)]
#[rtype(result = "()")]
struct Found {
    seal_hash: B256,
    solution: Solution,
}

impl Handles<Found> for SealerActor {
    type Answer = ();

    fn handle(&mut self, found: Found, _: &mut Ctx<Self>) {
        self.found(found.seal_hash, found.solution);
    }
}

/// The dataset that a search waits for is in memory.
#[derive(Message)]
#[rtype(result = "()")]
struct DatasetReady;

impl Handles<DatasetReady> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: DatasetReady, ctx: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.dataset_is_ready(ctx.me());
        }
    }
}

/// Time to look at the rate.
#[derive(Message)]
#[rtype(result = "()")]
struct Measure;

impl Handles<Measure> for SealerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: Measure, _: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.measure();
        }
    }
}
