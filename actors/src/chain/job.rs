//! What runs on the pool with the chain in hand.

use actoreum_chain::{BlockError, Chain, Detail, ImportReport, OpenError};
use actoreum_messages::chain::{
    AdoptState, BlockOrigin, ImportBlocks, ImportRefused, Imported, KeepBlocks, SetHead,
};
use actoreum_messages::events::ChainCause;
use actoreum_storage::StorageError;

use super::{Answer, Writer};
use crate::supervision::{Failure, JobError, Message};

/// Blocks that move to the ancient files after one import, at most: a few milliseconds of work.
const ANCIENT_BLOCKS_A_JOB: u64 = 2_048;

/// One job with the chain.
pub(super) enum Job {
    Import(ImportBlocks),
    SetHead(SetHead),
    Keep(KeepBlocks),
    Adopt(AdoptState),
    /// Blocks whose time may have come.
    Future,
}

/// The pool gives the writer back.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Done {
    pub result: Result<(Writer, Outcome), JobError>,
}

/// What came of a job.
pub(super) struct Outcome {
    pub report: ImportReport,
    /// Where imported blocks came from.
    origin: BlockOrigin,
    /// A fault of this node, not of a block: the actor begins again from disk.
    failed: Option<String>,
    /// A wish that can't be met.
    declined: Option<String>,
}

impl Job {
    pub(super) fn run(self, chain: &mut Chain) -> Outcome {
        match self {
            Self::Import(ImportBlocks { blocks, origin }) => {
                let detail = match origin {
                    BlockOrigin::Bulk => Detail::HeadOnly,
                    BlockOrigin::Live => Detail::EveryBlock,
                };
                let report = chain.import(&blocks, detail);
                let failed = chain.migrate_ancient(ANCIENT_BLOCKS_A_JOB).err();
                Outcome {
                    origin,
                    failed: failed.map(|error| error.to_string()),
                    ..report.into()
                }
            }
            Self::Future => Outcome {
                origin: BlockOrigin::Live,
                ..chain.import_future().into()
            },
            Self::Keep(KeepBlocks { blocks, receipts }) => chain.keep(&blocks, &receipts).into(),
            Self::Adopt(AdoptState { hash }) => chain.adopt_state(&hash).into(),
            Self::SetHead(SetHead { number }) => chain.set_head(number).into(),
        }
    }
}

impl From<ImportReport> for Outcome {
    fn from(report: ImportReport) -> Self {
        Self {
            report,
            origin: BlockOrigin::Bulk,
            failed: None,
            declined: None,
        }
    }
}

impl From<Result<ImportReport, OpenError>> for Outcome {
    fn from(result: Result<ImportReport, OpenError>) -> Self {
        match result {
            Ok(report) => report.into(),
            Err(OpenError::Storage(StorageError::MissingState(number))) => {
                Self::declined(StorageError::MissingState(number).to_string())
            }
            Err(OpenError::Storage(error)) => Self {
                failed: Some(error.to_string()),
                ..ImportReport::default().into()
            },
            Err(error) => Self::declined(error.to_string()),
        }
    }
}

impl Outcome {
    fn declined(why: String) -> Self {
        Self {
            declined: Some(why),
            ..ImportReport::default().into()
        }
    }

    /// What moved the chain, where it moved.
    pub(super) fn cause(&self) -> ChainCause {
        match self.report.rewound {
            Some(rewound) => ChainCause::Rewind(rewound),
            None => ChainCause::Import(self.origin),
        }
    }

    /// Why the actor must begin again from disk, where it must.
    pub(super) fn fault(&self) -> Option<Failure> {
        if let Some(refused) = &self.report.refused
            && let BlockError::Storage(error) = &refused.error
        {
            return Some(format!("import of block {}: {error}", refused.number).into());
        }
        self.failed.clone().map(Failure::from)
    }

    pub(super) fn into_answer(self) -> Answer {
        match (self.report.refused, self.failed.or(self.declined)) {
            (Some(refused), _) if is_fault(&refused.error) => {
                Err(ImportRefused::Failed(refused.to_string()))
            }
            (Some(refused), _) => Err(refused.into()),
            (None, Some(failed)) => Err(ImportRefused::Failed(failed)),
            (None, None) => Ok(Imported {
                imported: self.report.imported,
                known: self.report.known,
                queued: self.report.queued,
            }),
        }
    }
}

/// Whether the same blocks may be taken when they are given again.
fn is_fault(error: &BlockError) -> bool {
    matches!(error, BlockError::Storage(_) | BlockError::Interrupted)
}
