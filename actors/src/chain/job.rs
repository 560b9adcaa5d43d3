//! Jobs on the chain, which run on the import threads.

use actoreum_chain::{BlockError, Chain, Detail, ImportReport, OpenError};
use actoreum_messages::chain::{
    BlockOrigin, CommitPivotState, ImportBlocks, ImportRefused, Imported, InsertReceiptChain,
    SetHead,
};
use actoreum_messages::events::ChainCause;
use actoreum_storage::StorageError;

use super::{Answer, Writer};
use actoreum_supervision::{Failure, JobError, Message};

/// Maximum number of blocks that move to the ancient files after one import: a few milliseconds of
/// work.
const MAX_ANCIENT_BLOCKS_PER_JOB: u64 = 2_048;

/// A job on the chain.
pub(super) enum Job {
    Import(ImportBlocks),
    SetHead(SetHead),
    InsertReceiptChain(InsertReceiptChain),
    CommitPivotState(CommitPivotState),
    /// Retries blocks from the future.
    Future,
}

/// Result of a job; returns the writer to the actor.
#[derive(Message)]
pub(super) struct JobDone {
    pub result: Result<(Writer, Outcome), JobError>,
}

/// Outcome of a job.
pub(super) struct Outcome {
    pub report: ImportReport,
    /// Origin of imported blocks.
    origin: BlockOrigin,
    /// An error of this node, not of a block: the actor restarts from disk.
    failed: Option<String>,
    /// Reason why a request cannot be fulfilled.
    declined: Option<String>,
}

impl Job {
    /// Returns the job's name in the metrics of the thread pool.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Import(_) => "ImportBlocks",
            Self::SetHead(_) => "SetHead",
            Self::InsertReceiptChain(_) => "InsertReceiptChain",
            Self::CommitPivotState(_) => "CommitPivotState",
            Self::Future => "ImportFutureBlocks",
        }
    }

    pub(super) fn run(self, chain: &mut Chain) -> Outcome {
        match self {
            Self::Import(ImportBlocks { blocks, origin }) => {
                let detail = match origin {
                    BlockOrigin::Bulk => Detail::HeadOnly,
                    BlockOrigin::Live => Detail::EveryBlock,
                };
                let report = chain.import(&blocks, detail);
                let failed = chain.migrate_ancient(MAX_ANCIENT_BLOCKS_PER_JOB).err();
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
            Self::InsertReceiptChain(InsertReceiptChain { blocks, receipts }) => {
                chain.insert_receipt_chain(&blocks, &receipts).into()
            }
            Self::CommitPivotState(CommitPivotState { hash }) => {
                chain.commit_pivot_state(&hash).into()
            }
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

    /// Returns the cause of the chain's change.
    pub(super) fn cause(&self) -> ChainCause {
        match self.report.rewound {
            Some(rewound) => ChainCause::Rewind(rewound),
            None => ChainCause::Import(self.origin),
        }
    }

    /// Returns the error after which the actor has to restart from disk.
    pub(super) fn failure(&self) -> Option<Failure> {
        if let Some(refused) = &self.report.refused
            && let BlockError::Storage(error) = &refused.error
        {
            return Some(format!("import of block {}: {error}", refused.number).into());
        }
        self.failed.clone().map(Failure::from)
    }

    pub(super) fn into_answer(self) -> Answer {
        match (self.report.refused, self.failed.or(self.declined)) {
            (Some(refused), _) if is_retryable(&refused.error) => {
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

/// Returns whether the same blocks may be accepted when they are submitted again.
fn is_retryable(error: &BlockError) -> bool {
    matches!(error, BlockError::Storage(_) | BlockError::Interrupted)
}
