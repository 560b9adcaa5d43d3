//! The rules that the user of a development chain changes while it runs: the chain id, and what
//! ECRECOVER returns for a signature. A [`StateEdit`] carries them, and they hold from its block on.
//!
//! A record of the store has all of them, so that a restart does not read the chain for them.

use actoreum_evm::console;
use actoreum_primitives::{
    Bytes, ChainConfig,
    config::{DevRules, DevSchedule},
};
use actoreum_storage::{Commit, StorageError, Store};
use tracing::info;

use crate::StateEdit;

/// Name of the record, as JSON.
const RECORD: &str = "development rules";

/// Reads the rules of a chain whose head is `head`. Changes of later blocks, which were not
/// committed or are not in the chain any more, are removed.
pub(crate) fn load(store: &Store, head: u64) -> Result<DevRules, StorageError> {
    let Some(json) = store.meta(RECORD)? else {
        return Ok(DevRules::new(DevSchedule::default()));
    };
    let stored: DevSchedule = serde_json::from_slice(&json).map_err(corrupt)?;
    let mut schedule = stored.clone();
    schedule.rewind(head);
    if schedule != stored {
        let mut commit = Commit::new();
        commit.put_meta(RECORD, &encode(&schedule)?);
        store.commit(commit)?;
    }
    Ok(DevRules::new(schedule))
}

/// Makes the changes of rules of an edit, which the block `number` carries.
pub(crate) fn change(
    config: &ChainConfig,
    store: &Store,
    edit: &StateEdit,
    number: u64,
) -> Result<(), StorageError> {
    let Some(rules) = &config.dev_rules else {
        return Ok(());
    };
    let mut schedule = (*rules.schedule()).clone();
    if !edit.schedule(number, &mut schedule) {
        return Ok(());
    }
    let mut commit = Commit::new();
    commit.put_meta(RECORD, &encode(&schedule)?);
    store.commit(commit)?;
    rules.set_schedule(schedule);
    Ok(())
}

/// Forgets the changes of blocks above `head`, with a commit that removes these blocks.
pub(crate) fn rewind(
    config: &ChainConfig,
    head: u64,
    commit: &mut Commit,
) -> Result<(), StorageError> {
    let Some(rules) = &config.dev_rules else {
        return Ok(());
    };
    let before = rules.schedule();
    let mut after = (*before).clone();
    after.rewind(head);
    if after != *before {
        commit.put_meta(RECORD, &encode(&after)?);
        rules.set_schedule(after);
    }
    Ok(())
}

fn encode(schedule: &DevSchedule) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(schedule).map_err(corrupt)
}

fn corrupt(error: serde_json::Error) -> StorageError {
    StorageError::Corrupt(format!("the {RECORD}: {error}"))
}

/// Logs what calls of Hardhat's console print, unless the user of the development chain does not
/// want it. `inputs` are the inputs of the calls.
pub fn log_console(config: &ChainConfig, inputs: &[Bytes]) {
    let is_wanted = || {
        let rules = config.dev_rules.as_ref();
        rules.is_some_and(|rules| rules.logs_console())
    };
    if inputs.is_empty() || !is_wanted() {
        return;
    }
    for text in inputs.iter().filter_map(|input| console::text(input)) {
        if text.is_empty() {
            info!("console.log:");
        }
        for line in text.lines() {
            info!("console.log: {line}");
        }
    }
}
