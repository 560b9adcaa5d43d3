//! SealerActor: seals what WorkerActor built.
//!
//! | message | what happens |
//! |---|---|
//! | [`Seal`] | may it be sealed, and when; wait, reserve the height, sign, remember on disk, answer |
//! | [`GetLastSigned`] | from memory |
//! | [`Withdraw`], [`Rewound`] | a height may be signed again |
//!
//! ```text
//!   Seal -> plan -> wait -> reserve -> AccountsActor signs -> SealGuard on disk (pool) -> answer
//! ```
//!
//! It waits before it signs: where somebody else's block comes meanwhile, nothing was signed that
//! nobody needs, and the height can still be signed on another parent. The [`SealGuard`] sees to
//! it that no height is signed twice, over crashes of this actor and of the whole process.

mod guard;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actoreum_chain::ChainReader;
use actoreum_consensus::{Clique, CliqueError, ConsensusError, clique::seal_hash};
use actoreum_messages::{
    accounts::SignHash,
    sealer::{GetLastSigned, Rewound, Seal, SealRefused, Withdraw},
};
use actoreum_primitives::{Block, Signature};
use tracing::error;

use crate::{
    accounts::AccountsActor,
    clock,
    supervision::{Actor, ActorRef, Ctx, Handles, Later, Pool},
};

pub use guard::{Refusal, RememberError, Reservation, SealGuard};

/// How long the signer's key is waited for: AccountsActor may be opening it anew after a crash.
const SIGNING_PATIENCE: Duration = Duration::from_secs(10);

/// What every generation of a SealerActor is made from.
#[derive(Clone)]
pub struct SealerSetup {
    /// The engine, which knows who seals on this node.
    pub clique: Arc<Clique>,
    /// The chain that is sealed for.
    pub reader: ChainReader,
    /// Who signs.
    pub accounts: ActorRef<AccountsActor>,
    /// Where blocks are written before they are given away.
    pub pool: Pool,
    /// What was signed.
    pub guard: Arc<SealGuard>,
}

impl SealerSetup {
    /// Makes the next generation.
    pub fn start(self) -> SealerActor {
        self.guard.begin_generation();
        SealerActor { setup: self }
    }
}

/// See the module.
pub struct SealerActor {
    setup: SealerSetup,
}

type Answer = Result<Block, SealRefused>;

impl SealerActor {
    /// Asks whether the block may be sealed here, and begins to.
    fn begin(&self, seal: Seal) -> Result<Later<Answer>, SealRefused> {
        let Seal {
            mut block,
            even_if_empty,
            is_outdated,
        } = seal;
        let setup = &self.setup;
        let plan = setup.clique.plan_seal(
            &setup.reader,
            &block.header,
            even_if_empty || !block.body.transactions.is_empty(),
            clock::now(),
            &mut rand::rng(),
        )?;
        if let Some(signed) = setup.guard.signed(block.header.number) {
            return Err(SealRefused::SignedBefore(Box::new(signed)));
        }
        let sign_at = tokio::time::Instant::now() + plan.delay;
        let hash = seal_hash(&block.header)
            .ok_or_else(|| ConsensusError::from(CliqueError::MissingSignature))?;

        let question = SignHash {
            address: plan.signer,
            hash,
            password: None,
        };
        let (accounts, guard) = (setup.accounts.clone(), Arc::clone(&setup.guard));
        let (clique, pool) = (Arc::clone(&setup.clique), setup.pool.clone());
        let reader = setup.reader.clone();
        Ok(Later::new(async move {
            tokio::time::sleep_until(sign_at).await;
            let is_on_head = reader.head().hash() == block.header.parent_hash;
            if is_outdated.load(Ordering::Relaxed) || !is_on_head {
                return Err(SealRefused::Outdated);
            }
            let reservation = guard.reserve(block.header.number).map_err(refused)?;
            let signed = match accounts.within(SIGNING_PATIENCE).ask(question).await {
                Ok(Ok(signature)) => put_seal(&clique, &mut block, signature),
                Ok(Err(error)) => Err(SealRefused::Signer(error.to_string())),
                Err(error) => Err(SealRefused::Signer(error.to_string())),
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
    }
}

impl Actor for SealerActor {}

impl Handles<Seal> for SealerActor {
    type Answer = Later<Answer>;

    fn handle(&mut self, seal: Seal, _: &mut Ctx<Self>) -> Self::Answer {
        self.begin(seal)
            .unwrap_or_else(|error| Later::new(std::future::ready(Err(error))))
    }
}

impl Handles<GetLastSigned> for SealerActor {
    type Answer = Option<Box<Block>>;

    fn handle(&mut self, _: GetLastSigned, _: &mut Ctx<Self>) -> Self::Answer {
        self.setup.guard.last().map(Box::new)
    }
}

impl Handles<Withdraw> for SealerActor {
    type Answer = ();

    fn handle(&mut self, Withdraw { hash }: Withdraw, _: &mut Ctx<Self>) {
        if let Err(error) = self.setup.guard.withdraw(hash) {
            error!(%error, "signed block not withdrawn");
        }
    }
}

impl Handles<Rewound> for SealerActor {
    type Answer = ();

    fn handle(&mut self, Rewound { to }: Rewound, _: &mut Ctx<Self>) {
        if let Err(error) = self.setup.guard.rewind(to) {
            error!(%error, "signed block not forgotten");
        }
    }
}
