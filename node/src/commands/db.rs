//! `db check`, `db stats` and `db repair`.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use actoreum_chain::{ChainReader, bloom_index};
use actoreum_storage::{CheckReport, HeadRecord, StorageError, Store, StoreOptions, engine_of};
use eyre::{bail, eyre};

use crate::{
    config::Config,
    datadir::{self, DataDir},
};

/// Verifies the whole content of the database, and prints the damage.
pub fn check(config: &Config) -> eyre::Result<()> {
    let (datadir, options) = existing(config)?;
    let folder = datadir.chaindata();
    let begun = Instant::now();
    println!("checking {} ({})", folder.display(), options.engine.name());
    let report = catch_panic(|| {
        let store = Store::open(&folder, options)?;
        let mut report = store.check(&mut |step| println!("checking {step}"))?;
        if report.is_valid() && report.head.is_some() {
            println!("checking bloom index");
            let reader = ChainReader::open(store)?;
            let sections = bloom_index::damaged_sections(&reader)?;
            report.faults.extend(
                sections
                    .iter()
                    .map(|section| format!("section {section} of the bloom index is wrong")),
            );
        }
        Ok(report)
    })?;
    show(&report);
    if !report.is_valid() {
        let count = report.faults.len() as u64 + report.more_faults;
        bail!("the database is damaged, see the {count} lines above; run `actoreum db repair`");
    }
    println!("the database is valid ({:.1?})", begun.elapsed());
    Ok(())
}

fn show(report: &CheckReport) {
    if let Some(head) = &report.head {
        println!("head          {}", name_of(head));
    }
    println!("blocks        {}", report.blocks);
    println!("ancient       {}", report.ancient_blocks);
    println!("accounts      {}", report.accounts);
    println!("slots         {}", report.slots);
    println!("trie nodes    {}", report.nodes);
    println!("oldest state  {}", report.oldest_state);
    for fault in &report.faults {
        println!("damage: {fault}");
    }
    if report.more_faults > 0 {
        println!("damage: {} more", report.more_faults);
    }
}

/// Prints the sizes of the database and of its tables.
pub fn stats(config: &Config) -> eyre::Result<()> {
    let (datadir, options) = existing(config)?;
    let folder = datadir.chaindata();
    let engine = options.engine.name();
    let store = Store::open(&folder, options)?;
    println!("database      {}", folder.display());
    println!("engine        {engine}");
    if let Some(head) = store.head() {
        println!("head          {}", name_of(&head));
    }
    println!("oldest state  {}", store.oldest_state());
    println!("ancient       {} blocks", store.ancient_blocks());
    let (database, ancient) = store.size()?;
    println!("on disk       {database} bytes, ancient files {ancient} bytes");
    println!("\n{:<20} {:>12} {:>14}", "table", "entries", "bytes");
    for table in store.table_stats()? {
        println!(
            "{:<20} {:>12} {:>14}",
            table.name, table.entries, table.bytes
        );
    }
    Ok(())
}

/// Repairs the database, and prints which blocks were dropped for it.
pub fn repair(config: &Config) -> eyre::Result<()> {
    let (datadir, options) = existing(config)?;
    let folder = datadir.chaindata();
    println!("repairing {} ({})", folder.display(), options.engine.name());
    let report = catch_panic(|| {
        Ok(Store::repair(&folder, &options, &mut |step| {
            println!("repairing {step}");
        })?)
    })?;
    for line in &report.done {
        println!("repaired: {line}");
    }
    let reader = ChainReader::open(Store::open(&folder, options)?)?;
    for section in bloom_index::damaged_sections(&reader)? {
        bloom_index::index_section(&reader, section)?;
        println!("repaired: section {section} of the bloom index was wrong: written anew");
    }
    match report.dropped {
        Some((first, last)) => println!(
            "dropped: blocks {first} to {last}; import them again, or let peers bring them"
        ),
        None => println!("dropped: nothing"),
    }
    println!("head          {}", name_of(&report.head));
    Ok(())
}

/// Returns the data directory, which must hold a database, and the store options with its engine.
fn existing(config: &Config) -> eyre::Result<(DataDir, StoreOptions)> {
    let datadir = DataDir::of(config);
    let folder = datadir.chaindata();
    let Some(engine) = engine_of(&folder) else {
        bail!(
            "{} holds no database: choose another --datadir, or run `actoreum init genesis.json` \
             first",
            folder.display()
        );
    };
    let options = StoreOptions {
        engine,
        ..datadir::store_options(config)
    };
    Ok((datadir, options))
}

/// Runs `work` and turns a panic into an error: a storage engine may panic over corrupt files.
fn catch_panic<T>(work: impl FnOnce() -> eyre::Result<T>) -> eyre::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = "its engine can't read its files";
        Err(eyre!(StorageError::BeyondRepair(what.into())))
    })
}

fn name_of(head: &HeadRecord) -> String {
    format!("block {} {}", head.number, head.hash)
}
