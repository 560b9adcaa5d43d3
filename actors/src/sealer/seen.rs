//! Blocks of the chain that carry our signature: whether they are on record.

use std::time::{Duration, Instant};

use actoreum_chain::{ChainEvent, ChainReader, SealedHeader};
use actoreum_consensus::Engine;
use actoreum_primitives::{Address, B256};
use tracing::{error, warn};

use super::{
    CliqueSetup,
    guard::{Height, Seen},
};

/// Headers that one look goes back at most. Of a longer import the newest are looked at: the highest
/// signature is the one that counts.
const MAX_LOOK_BACK: u64 = 1_024;

/// Time between two lines about blocks that are not on record: a sync brings many.
const REMINDER: Duration = Duration::from_secs(60);

/// How far the chain was looked through.
#[derive(Debug, Default)]
pub(super) struct OwnBlocks {
    /// The head at the last look.
    looked_at: B256,
    told: Option<Instant>,
}

impl OwnBlocks {
    /// Puts the highest block that carries our signature on record, where it is not, and tells so.
    pub(super) fn look(&mut self, with: &CliqueSetup, reader: &ChainReader, events: &[ChainEvent]) {
        let Some(signer) = with.clique.signer().filter(|_| with.guard.has_records()) else {
            return;
        };
        for event in events {
            match event {
                ChainEvent::Side(header) if is_ours(with, header, signer) => {
                    self.see(with, reader, header, signer);
                }
                ChainEvent::Head(head) => self.look_back(with, reader, head, signer),
                _ => {}
            }
        }
    }

    /// Looks from the head down to where an earlier look began, or to what is on record.
    fn look_back(
        &mut self,
        with: &CliqueSetup,
        reader: &ChainReader,
        head: &SealedHeader,
        signer: Address,
    ) {
        let on_record = with.guard.highest(signer).unwrap_or(0);
        let lowest = on_record
            .max(head.number.saturating_sub(MAX_LOOK_BACK))
            .max(1);
        let looked_at = std::mem::replace(&mut self.looked_at, head.hash());
        let mut header = head.clone();
        while header.number >= lowest && header.hash() != looked_at {
            if is_ours(with, &header, signer) {
                return self.see(with, reader, &header, signer);
            }
            header = match reader.header_by_hash(&header.parent_hash) {
                Ok(Some(parent)) => parent,
                _ => return,
            };
        }
    }

    fn see(
        &mut self,
        with: &CliqueSetup,
        reader: &ChainReader,
        header: &SealedHeader,
        signer: Address,
    ) {
        let (number, hash) = (header.number, header.hash());
        let parent = number.saturating_sub(1);
        let snapshot = with.clique.snapshot(reader, parent, header.parent_hash);
        let height = Height {
            number,
            signer,
            is_shared: snapshot.is_ok_and(|snapshot| snapshot.signers.len() > 1),
        };
        let seen = match with.guard.see(height, hash) {
            Ok(seen) => seen,
            // Sealing says so too, and that is when it matters.
            Err(_) => return,
        };
        let is_due = self.told.is_none_or(|told| told.elapsed() >= REMINDER);
        match seen {
            Seen::Unknown if is_due => {
                self.told = Some(Instant::now());
                warn!(
                    number, %hash, %signer,
                    "a block carries this node's signature and was not on record: this data is older \
                     than the chain, or the key is used elsewhere too"
                );
            }
            Seen::SecondOfHeight if is_due => {
                self.told = Some(Instant::now());
                error!(
                    number, %hash, %signer,
                    "another block of this height carries this node's signature: the key is used \
                     elsewhere too"
                );
            }
            Seen::Known | Seen::Unknown | Seen::SecondOfHeight => {}
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
