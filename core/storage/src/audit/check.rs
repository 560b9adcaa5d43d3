//! The check of a whole database.

use crate::state::StateSnapshot;
use crate::tables::Table;
use crate::{HeadRecord, StorageError, Store};

use super::block::CheckError;

/// Maximum number of faults that a report lists; further ones are only counted.
const MAX_FAULTS: usize = 100;

/// The result of a check.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Head, if there is one.
    pub head: Option<HeadRecord>,
    /// Number of canonical blocks.
    pub blocks: u64,
    /// Number of canonical blocks in the ancient files.
    pub ancient_blocks: u64,
    /// Number of accounts in the head's state.
    pub accounts: u64,
    /// Number of slots in the head's state.
    pub slots: u64,
    /// Number of nodes in the head's tries.
    pub nodes: u64,
    /// Oldest block whose state can be read.
    pub oldest_state: u64,
    /// The first faults, a line each.
    pub faults: Vec<String>,
    /// Number of further faults.
    pub more_faults: u64,
}

impl CheckReport {
    /// Returns true if no fault was found.
    pub const fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, what: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what.into());
        } else {
            self.more_faults += 1;
        }
    }

    /// Records the outcome of a step. Data that cannot be read because they are damaged are a
    /// fault.
    fn step(&mut self, outcome: Result<(), StorageError>) -> Result<(), StorageError> {
        match outcome.map_err(CheckError::from) {
            Ok(()) => Ok(()),
            Err(CheckError::Invalid(what)) => {
                self.fault(what);
                Ok(())
            }
            Err(CheckError::Failed(error)) => Err(error),
        }
    }
}

impl Store {
    /// Reads and checks the whole store: each entry of the database, blocks and their indexes,
    /// ancient files, the state at the head with its tries and codes, and the history. `progress`
    /// is called with the name of each step. The caller must not commit anything meanwhile.
    pub fn check(&self, progress: &mut dyn FnMut(&str)) -> Result<CheckReport, StorageError> {
        let mut report = CheckReport {
            head: self.head(),
            ancient_blocks: self.ancient_blocks(),
            oldest_state: self.oldest_state(),
            ..CheckReport::default()
        };
        progress("entries");
        let entries = self.table_stats().map(drop);
        report.step(entries)?;
        let Some(head) = report.head else {
            return Ok(report);
        };
        progress("blocks");
        self.check_blocks(&head, &mut report)?;
        progress("state");
        let state = self.check_state(&head, &mut report);
        report.step(state)?;
        progress("history");
        let history = self.check_history(&head, &mut report);
        report.step(history)?;
        Ok(report)
    }

    fn check_blocks(
        &self,
        head: &HeadRecord,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let mut parent = None;
        for number in 0..=head.number {
            match self.valid_block(number, parent) {
                Ok(block) => {
                    for fault in self.index_faults(&block)? {
                        report.fault(fault);
                    }
                    let is_head = number == head.number;
                    if is_head && block.hash != head.hash {
                        report.fault("the head record names another block than the newest one");
                    }
                    if is_head && block.block.header.state_root != head.state_root {
                        report.fault("the head record has another state root than its header");
                    }
                    parent = Some(block.as_parent());
                    report.blocks += 1;
                }
                Err(CheckError::Invalid(what)) => {
                    report.fault(what);
                    parent = None;
                }
                Err(CheckError::Failed(error)) => return Err(error),
            }
        }
        if let Some(above) = self
            .newest_canonical()?
            .filter(|above| *above > head.number)
        {
            report.fault(format!(
                "block {above} is canonical above the head, which is {}",
                head.number
            ));
        }
        Ok(())
    }

    fn check_state(&self, head: &HeadRecord, report: &mut CheckReport) -> Result<(), StorageError> {
        let state = self.state_without_changes_above(u64::MAX)?;
        self.count_state(&state, report)?;
        let orphans = self.orphan_slots()?.len();
        if orphans > 0 {
            report.fault(format!("{orphans} slots belong to no account"));
        }
        for code in self.code_faults(&state)? {
            report.fault(format!("code {code} is missing or damaged"));
        }
        let tries = self.trie_faults(&state)?;
        report.nodes = tries.nodes;
        if tries.root != head.state_root {
            report.fault(format!(
                "the accounts have state root {}, the head has {}",
                tries.root, head.state_root
            ));
        } else if !tries.are_none() {
            report.fault(format!(
                "of {} trie nodes {} are missing and {} wrong; {} belong to no trie",
                tries.nodes, tries.missing, tries.wrong, tries.extra
            ));
        }
        Ok(())
    }

    fn count_state(
        &self,
        state: &StateSnapshot,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        state.visit(|_, _, slots| {
            report.accounts += 1;
            report.slots += slots.len() as u64;
            Ok(())
        })
    }

    /// Checks that each block above the oldest state has its list of changes, that each entry of a
    /// list is present, and that together they lead from the flat values to the oldest state's
    /// root.
    fn check_history(
        &self,
        head: &HeadRecord,
        report: &mut CheckReport,
    ) -> Result<(), StorageError> {
        let oldest = self.oldest_state();
        let mut expected = oldest + 1;
        for (number, list) in self.change_lists_above(oldest)? {
            if number != expected {
                report.fault(format!(
                    "history of blocks {expected} to {number} has a gap"
                ));
            }
            expected = number + 1;
            for key in list.history_keys(number) {
                if self.database().get(&key)?.is_none() {
                    report.fault(format!("history of block {number} is incomplete"));
                    break;
                }
            }
        }
        if expected != head.number + 1 {
            report.fault(format!(
                "history ends with block {}, the head is {}",
                expected - 1,
                head.number
            ));
        }
        let header = match self.canonical_hash(oldest)? {
            Some(hash) => self.header(&hash, oldest)?,
            None => None,
        };
        let root = self.state_without_changes_above(oldest)?.root()?;
        if header.is_some_and(|header| header.state_root != root) {
            report.fault(format!(
                "history does not lead back to the state of block {oldest}"
            ));
        }
        Ok(())
    }

    /// Returns the greatest number with a canonical hash.
    pub(super) fn newest_canonical(&self) -> Result<Option<u64>, StorageError> {
        let mut newest = self.ancient_blocks().checked_sub(1);
        self.visit_prefix(&Table::Canonical.prefix(), |key, _| {
            let digits = key.get(1..9).and_then(|digits| digits.try_into().ok());
            newest = newest.max(digits.map(u64::from_be_bytes));
            Ok(())
        })?;
        Ok(newest)
    }
}
