//! Detection of blocks with our signature that are not on record.

use std::time::{Duration, Instant};

use actoreum_chain::{ChainEvent, ChainReader, SealedHeader};
use actoreum_consensus::Engine;
use actoreum_primitives::{Address, B256};
use tracing::{error, warn};

use super::{
    guard::{Height, Observed},
    setup::CliqueSetup,
};

/// Maximum number of headers that one scan goes back. After a longer import the newest are scanned:
/// the highest signature is the one that counts.
const MAX_SCAN_DEPTH: u64 = 1_024;

/// Interval of the log lines about blocks that are not on record: a sync brings many.
const REMINDER: Duration = Duration::from_secs(60);

/// State of the scan for our own blocks.
#[derive(Debug, Default)]
pub(super) struct OwnBlocks {
    /// Head at the last scan.
    scanned_to: B256,
    reported_at: Option<Instant>,
}

impl OwnBlocks {
    /// Records the highest block with our signature, if it is not on record, and logs it.
    pub(super) fn scan(
        &mut self,
        with: &CliqueSetup,
        chain_reader: &ChainReader,
        events: &[ChainEvent],
    ) {
        let Some(signer) = with.clique.signer().filter(|_| with.guard.has_records()) else {
            return;
        };
        for event in events {
            match event {
                ChainEvent::Side(header) if is_ours(with, header, signer) => {
                    self.observe(with, chain_reader, header, signer);
                }
                ChainEvent::Head(head) => self.scan_back(with, chain_reader, head, signer),
                _ => {}
            }
        }
    }

    /// Scans from the head down to the last scanned head, or to the highest block on record.
    fn scan_back(
        &mut self,
        with: &CliqueSetup,
        chain_reader: &ChainReader,
        head: &SealedHeader,
        signer: Address,
    ) {
        let on_record = with.guard.highest(signer).unwrap_or(0);
        let lowest = on_record
            .max(head.number.saturating_sub(MAX_SCAN_DEPTH))
            .max(1);
        let scanned_to = std::mem::replace(&mut self.scanned_to, head.hash());
        let mut header = head.clone();
        while header.number >= lowest && header.hash() != scanned_to {
            if is_ours(with, &header, signer) {
                return self.observe(with, chain_reader, &header, signer);
            }
            header = match chain_reader.header_by_hash(&header.parent_hash) {
                Ok(Some(parent)) => parent,
                _ => return,
            };
        }
    }

    fn observe(
        &mut self,
        with: &CliqueSetup,
        chain_reader: &ChainReader,
        header: &SealedHeader,
        signer: Address,
    ) {
        let (number, hash) = (header.number, header.hash());
        let parent = number.saturating_sub(1);
        let snapshot = with
            .clique
            .snapshot(chain_reader, parent, header.parent_hash);
        let height = Height {
            number,
            signer,
            is_shared: snapshot.is_ok_and(|snapshot| snapshot.signers.len() > 1),
        };
        let seen = match with.guard.observe(height, hash) {
            Ok(seen) => seen,
            // Sealing reports the error when it needs the record.
            Err(_) => return,
        };
        let is_due = self
            .reported_at
            .is_none_or(|reported_at| reported_at.elapsed() >= REMINDER);
        match seen {
            Observed::Unknown if is_due => {
                self.reported_at = Some(Instant::now());
                warn!(
                    number, %hash, %signer,
                    "a block carries this node's signature and was not on record: this data is older \
                     than the chain, or the key is used elsewhere too"
                );
            }
            Observed::Conflicting if is_due => {
                self.reported_at = Some(Instant::now());
                error!(
                    number, %hash, %signer,
                    "another block of this height carries this node's signature: the key is used \
                     elsewhere too"
                );
            }
            Observed::Known | Observed::Unknown | Observed::Conflicting => {}
        }
    }
}

fn is_ours(with: &CliqueSetup, header: &SealedHeader, signer: Address) -> bool {
    header.number > 0
        && with
            .clique
            .author(header)
            .is_ok_and(|author| author == signer)
}
