//! `import`: imports blocks from files, through the same actors as in the running node.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};

use actoreum_chain::ImportError;
use actoreum_consensus::Disposition;
use actoreum_messages::chain::{BlockOrigin, ImportBlocks, ImportRefused};
use actoreum_primitives::Block;
use eyre::{WrapErr, bail, eyre};
use tracing::{info, warn};

use super::{
    blocks::BlockFile,
    run::{open, with_tree},
};
use crate::{
    config::Config,
    datadir::DataDir,
    tree::{self, Assembled, NodeParts, Role, keys::Keys},
};

/// Maximum blocks in one message to ChainActor, as in geth's import batch.
const BATCH_BLOCKS: usize = 2_500;
/// Bytes after which a message gets no further block: bounds the memory of batches of full blocks.
const BATCH_BYTES: usize = 8 << 20;
/// Number of batches that are read from the file ahead of the import.
const BATCHES_AHEAD: usize = 1;
/// Interval between two log lines about the progress.
const REPORT_PERIOD: Duration = Duration::from_secs(8);
/// Time that an import waits for a chain that is being rebuilt.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause before a batch is retried after an internal error.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Imports every file. As in geth, a failed import of one of several files does not stop the
/// others; the first error is returned at the end.
pub fn run(config: &Config, files: &[PathBuf]) -> eyre::Result<ExitCode> {
    if files.is_empty() {
        bail!("this command requires an argument: actoreum import FILE...");
    }
    let datadir = DataDir::of(config);
    for file in files {
        BlockFile::open(file)?;
    }
    let store = open(config, &datadir)?;
    // The import does not need the IPC socket, and another node may be about to open it.
    let mut without_ipc = config.clone();
    without_ipc.node.ipc_path.clear();
    let assembled = tree::assemble(NodeParts {
        config: &without_ipc,
        store,
        datadir: Some(&datadir),
        keys: &Keys::locked(&without_ipc)?,
        role: Role::Import,
        fork: None,
    })?;
    with_tree(assembled, async |assembled| {
        let mut failed = None;
        for file in files {
            match import_file(assembled, file).await {
                Ok(()) => {}
                Err(error) if files.len() == 1 => return Err(error),
                Err(error) => {
                    warn!(file = %file.display(), %error, "import error, going on with the next file");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    })
}

/// Imports one file.
pub async fn import_file(assembled: &Assembled, path: &Path) -> eyre::Result<()> {
    let mut file = BlockFile::open(path)?;
    let total_bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    info!(file = %path.display(), "importing blockchain");
    let (sender, receiver) = sync_channel(BATCHES_AHEAD);
    let reading = thread::Builder::new()
        .name("read blocks".into())
        .spawn(move || {
            loop {
                let batch = file.next_blocks(BATCH_BLOCKS, BATCH_BYTES);
                let is_last = batch.as_ref().map_or(true, Vec::is_empty);
                let position = file.position();
                if sender.send((batch, position)).is_err() || is_last {
                    return;
                }
            }
        })?;
    let mut progress = Progress::new(total_bytes);
    loop {
        // The reading thread is a batch ahead, so that this seldom waits.
        let (batch, position) = receiver
            .recv()
            .map_err(|_| eyre!("reading of the file ended"))?;
        let blocks = batch.wrap_err_with(|| ended_at(assembled))?;
        if blocks.is_empty() {
            break;
        }
        progress.add(&blocks, position);
        import_batch(assembled, blocks).await?;
        progress.report(assembled);
    }
    drop(receiver);
    // The thread ends after its last batch, which has been received.
    let _ = reading.join();
    progress.finish(assembled);
    Ok(())
}

/// Imports a batch; retries it after an internal error, once the chain is available again.
async fn import_batch(assembled: &Assembled, blocks: Vec<Block>) -> eyre::Result<()> {
    let chain = &assembled.chain;
    loop {
        chain
            .within(REBUILD_TIMEOUT)
            .available()
            .await
            .map_err(|_| eyre!("the chain is down and was not rebuilt"))?;
        let request = ImportBlocks {
            blocks: blocks.clone(),
            origin: BlockOrigin::Bulk,
        };
        match chain.ask(request).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(ImportRefused::Invalid(error))) => {
                return Err(refused(&error, assembled));
            }
            Ok(Err(error)) => warn!(%error, "import interrupted, trying again"),
            Err(error) => warn!(%error, "import interrupted, trying again"),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Returns the error for an invalid block, with a hint for the operator.
fn refused(error: &ImportError, assembled: &Assembled) -> eyre::Report {
    let genesis = assembled.reader.genesis_hash();
    let hint = match error.error.disposition() {
        _ if error.number == 0 => format!(
            "; the blocks are of another chain than the data directory, whose genesis is {genesis}: \
             run `actoreum init` with theirs on a new --datadir"
        ),
        Disposition::UnknownAncestor => {
            format!(
                "; is it of the chain with genesis {genesis}, and is no block missing before it?"
            )
        }
        _ => String::new(),
    };
    eyre!("{}: {error}{hint}", ended_at(assembled))
}

fn ended_at(assembled: &Assembled) -> String {
    format!("import ended at block {}", assembled.reader.head().number)
}

/// Progress of an import, for the log.
struct Progress {
    begun: Instant,
    reported: Instant,
    blocks: u64,
    transactions: u64,
    gas: u64,
    position: u64,
    total_bytes: u64,
}

impl Progress {
    fn new(total_bytes: u64) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            reported: now,
            blocks: 0,
            transactions: 0,
            gas: 0,
            position: 0,
            total_bytes,
        }
    }

    fn add(&mut self, blocks: &[Block], position: u64) {
        self.position = position;
        self.blocks += blocks.len() as u64;
        for block in blocks {
            self.transactions += block.body.transactions.len() as u64;
            self.gas += block.header.gas_used;
        }
    }

    fn report(&mut self, assembled: &Assembled) {
        if self.reported.elapsed() >= REPORT_PERIOD {
            self.reported = Instant::now();
            let seconds = self.begun.elapsed().as_secs_f64();
            let left = self.total_bytes.saturating_sub(self.position) as f64;
            let eta = left / (self.position.max(1) as f64 / seconds);
            let head = assembled.reader.head();
            info!(
                number = head.number,
                hash = %head.hash(),
                blocks_per_s = (self.blocks as f64 / seconds).round(),
                mgas_per_s = rate(self.gas, seconds),
                eta_s = eta.round(),
                "importing"
            );
        }
    }

    fn finish(&self, assembled: &Assembled) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let head = assembled.reader.head();
        info!(
            number = head.number,
            hash = %head.hash(),
            blocks = self.blocks,
            transactions = self.transactions,
            seconds = (seconds * 1000.0).round() / 1000.0,
            blocks_per_s = (self.blocks as f64 / seconds).round(),
            mgas_per_s = rate(self.gas, seconds),
            "import done"
        );
    }
}

/// Returns Mgas per second, rounded to one decimal.
fn rate(gas: u64, seconds: f64) -> f64 {
    (gas as f64 / seconds / 1e5).round() / 10.0
}
