//! SealerActor: seals the blocks that WorkerActor built.
//!
//! | message | what happens |
//! |---|---|
//! | [`Seal`] | checks whether and when the block may be sealed; waits, reserves the height, signs, records the block on disk, answers |
//! | [`GetLastSigned`] | answered from memory |
//! | [`DiscardSigned`], [`ChainRewound`] | a height may be signed again |
//! | [`StopSealing`] | the search ends, and the signing record is released |
//! | [`ChainChanged`] | blocks with our signature are recorded; one that was not on record is logged |
//!
//! ```text
//!   Seal -> plan -> wait -> reserve -> AccountsActor signs -> SealGuard on disk (threads) -> answer
//! ```
//!
//! With proof of work, threads of this node and remote miners search until a seal is found or
//! another block takes its place: [`GetWork`], [`SubmitWork`], [`SubmitHashrate`], see `pow.rs`.
//!
//! The actor waits before it signs: where a block of another signer arrives meanwhile, nothing was
//! signed needlessly, and the height can still be signed on another parent. The [`SealGuard`]
//! ensures that no height is signed twice, across crashes of this actor and of the process, and
//! across the loss of the database. Whether sealing is paused is checked again before the signature
//! is requested and before it is published.

mod guard;
mod notify;
mod own_blocks;
mod pow;
mod record;

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
        ChainRewound, DiscardSigned, GetLastSigned, GetWork, Seal, SealRefused, StopSealing,
        SubmitHashrate, SubmitWork, ThreadsChanged, Work,
    },
    worker::LateSeal,
};
use actoreum_primitives::{B256, Block, Signature};
use tracing::{error, warn};

use crate::{
    accounts::AccountsActor, clock::ChainClock, sealing::control::MinerControl,
    sealing::worker::WorkerActor,
};
use actoreum_supervision::{
    Actor, ActorRef, Ctx, Failure, Handles, Later, Message, Pool, WhenFull,
};

pub use guard::{ForgetError, Height, Observed, Refusal, RememberError, Reservation, SealGuard};
pub use notify::{Notifier, NotifyError, NotifyUrl};
use own_blocks::OwnBlocks;
pub use pow::PowSetup;
use pow::{Pow, SEARCH_RETRY};
pub use record::{RecordError, SigningRecords};

/// Timeout of the signer's key: AccountsActor may be opening it anew after a crash.
const SIGNING_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of the measurements of the hash rate.
const RATE_PERIOD: Duration = Duration::from_secs(1);

/// Arguments of SealerActor, which survive its restarts.
#[derive(Clone)]
pub struct SealerSetup {
    /// Method of sealing.
    pub method: SealingMethod,
    /// The chain that is sealed for.
    pub chain_reader: ChainReader,
    /// The chain's clock.
    pub clock: ChainClock,
    /// Threads that write signed blocks to disk before they are published.
    pub threads: Pool,
    /// Builds blocks, and gets seals that are found late.
    pub worker: ActorRef<WorkerActor>,
    /// Shared settings and state of sealing.
    pub control: Arc<MinerControl>,
}

/// Method of sealing.
#[derive(Clone)]
pub enum SealingMethod {
    /// By a signature.
    Clique(CliqueSetup),
    /// By a proof of work.
    Ethash(PowSetup),
}

/// Arguments of sealing by signature.
#[derive(Clone)]
pub struct CliqueSetup {
    /// The engine, which knows the signer of this node.
    pub clique: Arc<Clique>,
    /// Signs with the key.
    pub accounts: ActorRef<AccountsActor>,
    /// Guard against signing a height twice.
    pub guard: Arc<SealGuard>,
}

impl SealerSetup {
    /// Creates the actor.
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

/// Actor that seals blocks; see the module.
pub struct SealerActor {
    setup: SealerSetup,
    pow: Option<Pow>,
    own: OwnBlocks,
}

type Answer = Result<Block, SealRefused>;

impl SealerActor {
    /// Checks whether the block may be signed here, and returns the future that signs it.
    fn plan(&self, with: &CliqueSetup, seal: Seal) -> Result<Later<Answer>, SealRefused> {
        let Seal {
            mut block,
            even_if_empty,
            is_outdated,
        } = seal;
        let plan = with.clique.plan_seal(
            &self.setup.chain_reader,
            &block.header,
            even_if_empty || !block.body.transactions.is_empty(),
            self.setup.clock.now(),
            &mut rand::rng(),
        )?;
        let parent = block.header.number.saturating_sub(1);
        let snapshot =
            with.clique
                .snapshot(&self.setup.chain_reader, parent, block.header.parent_hash)?;
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
            must_be_listed: false,
        };
        let (accounts, guard) = (with.accounts.clone(), Arc::clone(&with.guard));
        let (clique, threads) = (Arc::clone(&with.clique), self.setup.threads.clone());
        let (chain_reader, control) = (
            self.setup.chain_reader.clone(),
            Arc::clone(&self.setup.control),
        );
        // A requested block is sealed even while sealing is paused.
        let is_paused = move || !even_if_empty && !control.is_sealing();
        Ok(Later::new(async move {
            tokio::time::sleep_until(sign_at).await;
            let is_on_head = chain_reader.head().hash() == block.header.parent_hash;
            if is_outdated.load(Ordering::Relaxed) || !is_on_head || is_paused() {
                return Err(SealRefused::Outdated);
            }
            let reservation = guard.reserve(height).map_err(refused)?;
            let signed = match accounts.within(SIGNING_TIMEOUT).ask(question).await {
                Ok(Ok(signature)) => put_seal(&clique, &mut block, signature),
                Ok(Err(error)) => Err(SealRefused::Signer(error.to_string())),
                Err(error) => Err(SealRefused::Signer(error.to_string())),
            };
            // Sealing may have been paused while the key was awaited.
            let signed = match signed {
                Ok(()) if is_paused() => Err(SealRefused::Outdated),
                signed => signed,
            };
            if let Err(error) = signed {
                guard.release(reservation);
                return Err(error);
            }
            let work = move || guard.remember(reservation, &block).map(|()| block);
            // A seal is recorded also when the actor ends meanwhile.
            let job = threads.job("RecordSeal").detached();
            let block = match job.run(work).await {
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
        Refusal::SignedElsewhere { highest, files } => {
            SealRefused::SignedElsewhere { highest, files }
        }
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

    /// Completes the work with a seal; a seal for an older work goes to WorkerActor.
    fn on_seal_found(&mut self, seal_hash: B256, solution: Solution) {
        let late = self
            .pow
            .as_mut()
            .and_then(|pow| pow.on_seal_found(seal_hash, solution));
        if let Some(block) = late {
            // A worker that is down starts with new work.
            let _ = self.setup.worker.tell(LateSeal(block));
        }
    }

    /// Begins a search that failed again after a pause.
    fn retry_search(&mut self, error: &str, ctx: &mut Ctx<Self>) {
        warn!(error, retry = ?SEARCH_RETRY, "search for a seal failed");
        if self.pow.as_mut().is_some_and(Pow::note_failed) {
            ctx.notify_after(SEARCH_RETRY, SearchAgain);
        }
    }
}

impl Actor for SealerActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        if self.pow.is_some() {
            ctx.notify_every(RATE_PERIOD, || MeasureRate);
        }
        Ok(())
    }
}

impl Handles<Seal> for SealerActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, seal: Seal, ctx: &mut Ctx<Self>) -> Self::Answer {
        if let Some(pow) = &mut self.pow {
            return pow.add_work(seal.block, ctx);
        }
        let begun = match &self.setup.method {
            SealingMethod::Clique(clique) => self.plan(clique, seal),
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

impl Handles<DiscardSigned> for SealerActor {
    type Answer = ();

    fn handle(&mut self, DiscardSigned { hash }: DiscardSigned, _: &mut Ctx<Self>) {
        if let Some(Err(error)) = self.guard().map(|guard| guard.withdraw(hash)) {
            error!(%error, "signed block not withdrawn");
        }
    }
}

impl Handles<ChainRewound> for SealerActor {
    type Answer = ();

    fn handle(&mut self, ChainRewound { to, from }: ChainRewound, _: &mut Ctx<Self>) {
        let SealingMethod::Clique(with) = &self.setup.method else {
            return;
        };
        if let Err(error) = with.guard.rewind(to, from, with.clique.signer()) {
            error!(%error, "signed heights not freed");
        }
    }
}

impl Handles<ChainChanged> for SealerActor {
    type Answer = ();
    // The search goes by the head: a dropped event does no harm.
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, changed: ChainChanged, _: &mut Ctx<Self>) {
        if let SealingMethod::Clique(with) = &self.setup.method
            && self.setup.control.is_wanted()
        {
            self.own
                .scan(with, &self.setup.chain_reader, &changed.events);
        }
    }
}

impl Handles<StopSealing> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: StopSealing, _: &mut Ctx<Self>) {
        if let Some(pow) = &self.pow {
            pow.end_search();
        }
        if let Some(guard) = self.guard() {
            guard.release_key();
        }
    }
}

impl Handles<ThreadsChanged> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: ThreadsChanged, ctx: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.search(ctx);
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
        if setup.no_verify {
            self.on_seal_found(seal_hash, solution);
            replier.reply(true);
            return later;
        }
        let (chain_reader, ethash) = (self.setup.chain_reader.clone(), setup.ethash);
        let verified = setup
            .verify_threads
            .job("VerifySeal")
            .run(move || ethash.verify_seal(&chain_reader, &header));
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
                actor.on_seal_found(seal_hash, solution);
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
            pow.set_remote_rate(miner, rate);
        }
    }
}

/// Timer message: begin the search that failed again.
#[derive(Message)]
struct SearchAgain;

impl Handles<SearchAgain> for SealerActor {
    type Answer = ();

    fn handle(&mut self, _: SearchAgain, ctx: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.search_again(ctx);
        }
    }
}

/// Timer message: measure the hash rate.
#[derive(Message)]
struct MeasureRate;

impl Handles<MeasureRate> for SealerActor {
    type Answer = ();
    const WHEN_FULL: WhenFull = WhenFull::DropOldest;

    fn handle(&mut self, _: MeasureRate, _: &mut Ctx<Self>) {
        if let Some(pow) = &mut self.pow {
            pow.measure_rate();
        }
    }
}
