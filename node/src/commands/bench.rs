//! `bench import`: measures the import pipeline without actors, with the share of each stage.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actoreum_chain::{Chain, ChainOptions, ChainReader, Detail, ImportStats, genesis};
use actoreum_consensus::{EngineOptions, engine_for};
use actoreum_storage::Store;
use eyre::{bail, eyre};

use super::{blocks::BlockFile, init};
use crate::{config::Config, datadir, tree::snapshots::StoredSnapshots};

/// Imports a file into a temporary database and prints the speed.
pub fn import(config: &Config, file: &Path, genesis: Option<PathBuf>) -> eyre::Result<()> {
    let mut input = BlockFile::open(file)?;
    let genesis = genesis.unwrap_or_else(|| file.with_file_name("genesis.json"));
    let genesis = init::read(&genesis)?;
    let mut blocks = Vec::new();
    loop {
        let next = input.next_blocks(usize::MAX, usize::MAX)?;
        if next.is_empty() {
            break;
        }
        blocks.extend(next);
    }
    let folder = std::env::temp_dir().join(format!("actoreum-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = measure(config, &folder, &genesis, &blocks);
    fs::remove_dir_all(&folder)?;
    let (elapsed, stats) = outcome?;
    print(elapsed, &stats);
    Ok(())
}

fn measure(
    config: &Config,
    folder: &Path,
    genesis: &actoreum_primitives::Genesis,
    blocks: &[actoreum_primitives::Block],
) -> eyre::Result<(Duration, ImportStats)> {
    let mut options = datadir::store_options(config);
    options.engine = config
        .actoreum
        .db_engine
        .parse()
        .map_err(|error: String| eyre!("{error}"))?;
    let store = Store::open(folder, options)?;
    genesis::init(&store, genesis)?;
    let reader = ChainReader::open(store.clone())?;
    let engine = engine_for(
        reader.config(),
        EngineOptions {
            snapshots: Some(Arc::new(StoredSnapshots(store))),
            ..EngineOptions::default()
        },
    );
    let options = ChainOptions {
        engine: engine.engine,
        interrupt: Arc::default(),
        now: Arc::new(|| u64::MAX / 2),
    };
    let mut chain = Chain::open(reader, options)?;
    let begun = Instant::now();
    let report = chain.import(blocks, Detail::HeadOnly);
    let elapsed = begun.elapsed();
    if let Some(refused) = report.refused {
        bail!("{refused}");
    }
    Ok((elapsed, chain.stats()))
}

fn print(elapsed: Duration, stats: &ImportStats) {
    let seconds = elapsed.as_secs_f64();
    println!("blocks        {}", stats.blocks);
    println!("transactions  {}", stats.transactions);
    println!("gas           {:.1} Mgas", stats.gas as f64 / 1e6);
    println!("time          {seconds:.3} s");
    println!(
        "speed         {:.1} Mgas/s",
        stats.gas as f64 / 1e6 / seconds
    );
    println!("stages (they overlap, so that their sum may exceed the time):");
    for (name, time) in [
        ("headers", stats.headers),
        ("senders", stats.senders),
        ("execution", stats.execution),
        ("roots", stats.roots),
        ("commit", stats.commit),
    ] {
        let share = 100.0 * time.as_secs_f64() / seconds;
        println!("  {name:<11} {:>7.3} s {share:>6.1} %", time.as_secs_f64());
    }
}
