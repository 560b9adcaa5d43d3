//! SealerActor: seals the blocks that WorkerActor built.
//!
//! | message | what happens |
//! |---|---|
//! | [`Seal`] | checks whether and when the block may be sealed; waits, reserves the height, signs, records the block on disk, answers |
//! | [`GetLastSigned`] | answered from memory |
//! | [`DiscardSigned`], [`ChainRewound`] | a height may be signed again |
//! | [`StopSealing`] | the search ends, and the signing record is released |
//! | [`ChainChanged`] | blocks with our signature are recorded; one that was not on record is logged. A search on an earlier head ends |
//!
//! ```text
//!   Seal -> plan -> wait -> reserve -> AccountsActor signs -> SealGuard on disk (threads) -> answer
//! ```
//!
//! On a development chain without seals the block is answered as it is, at its time (`unsealed`).
//!
//! With proof of work, threads of this node and remote miners search until a seal is found or
//! another block takes its place: [`GetWork`], [`SubmitWork`], [`SubmitHashrate`], see `search.rs`.
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
mod search;
mod search_thread;
mod setup;
mod unsealed;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_consensus::{Clique, CliqueError, ConsensusError, Engine, clique::seal_hash};
use actoreum_messages::{
    accounts::SignHash,
    events::ChainChanged,
    sealer::{
        ChainRewound, DiscardSigned, GetLastSigned, GetWork, Seal, SealRefused, StopSealing,
        SubmitHashrate, SubmitWork, ThreadsChanged, Work,
    },
};
use actoreum_primitives::{Block, Signature};
use tracing::{error, warn};

use actoreum_supervision::{Actor, Ctx, Failure, Handles, Later, Message, WhenFull};

pub use guard::{ForgetError, Height, Observed, Refusal, RememberError, Reservation, SealGuard};
pub use notify::{Notifier, NotifyError, NotifyUrl};
use own_blocks::OwnBlocks;
use pow::{Answer, Pow};
pub use record::{RecordError, SigningRecords};
pub use search_thread::SearchThreads;
pub use setup::{CliqueSetup, PowSetup, SealerSetup, SealingMethod, UnsealedSetup};

/// Timeout of the signer's key: AccountsActor may be opening it anew after a crash.
const SIGNING_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of the measurements of the hash rate.
const RATE_PERIOD: Duration = Duration::from_secs(1);

impl SealerSetup {
    /// Creates the actor.
    pub fn start(self) -> SealerActor {
        let pow = match &self.method {
            SealingMethod::Clique(clique) => {
                clique.guard.begin_generation();
                None
            }
            SealingMethod::Unsealed(_) => None,
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
            SealingMethod::Ethash(_) | SealingMethod::Unsealed(_) => None,
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
        if self.pow.is_some() {
            return self.add_work(seal.block, ctx);
        }
        let begun = match &self.setup.method {
            SealingMethod::Clique(clique) => self.plan(clique, seal),
            SealingMethod::Unsealed(with) => Ok(self.pass(*with, seal)),
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
        if let Some(pow) = &mut self.pow {
            pow.end_search_unless_on(self.setup.chain_reader.head().hash());
        }
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
        self.search(ctx);
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
