//! Queue of blocks between the arrival of the header and the import.

use std::collections::{BTreeSet, VecDeque};

use actoreum_primitives::{B256, Bytes, EMPTY_ROOT_HASH};

use super::limits::{FETCHED_BLOCKS, FETCHED_BYTES, WINDOW_BLOCKS, WINDOW_BYTES};
use super::peers::RequestKind;
use crate::raw_block::BlockPart;
use crate::{HashedHeader, RawBlock};

/// Headers in ascending order, each with the state of its body and, if they are fetched, of its
/// receipts.
#[derive(Debug)]
pub(super) struct BlockQueue {
    slots: VecDeque<Slot>,
    /// Number of the block in the first slot.
    first: u64,
    bodies: PartQueue,
    receipts: PartQueue,
    header_bytes: usize,
    part_bytes: usize,
}

/// Requests for one kind of parts.
#[derive(Debug)]
struct PartQueue {
    /// Numbers of blocks whose parts are to be requested.
    wanted: BTreeSet<u64>,
    /// Number of parts with a pending request.
    asked: usize,
    /// Moving average of the size of a part, in bytes.
    average: f64,
}

impl PartQueue {
    fn new() -> Self {
        Self {
            wanted: BTreeSet::new(),
            asked: 0,
            average: 1_024.0,
        }
    }
}

#[derive(Debug)]
struct Slot {
    header: HashedHeader,
    body: Part,
    receipts: Part,
}

impl Slot {
    fn part_mut(&mut self, kind: RequestKind) -> &mut Part {
        match kind {
            RequestKind::Receipts => &mut self.receipts,
            _ => &mut self.body,
        }
    }
}

#[derive(Debug)]
enum Part {
    /// The part is empty or not needed.
    Empty,
    Wanted,
    Asked,
    Have(Bytes),
}

impl Part {
    /// Returns the size in bytes, if the part is not missing.
    fn size(&self) -> Option<usize> {
        match self {
            Self::Empty => Some(0),
            Self::Have(raw) => Some(raw.len()),
            Self::Wanted | Self::Asked => None,
        }
    }

    fn into_raw(self) -> Option<Bytes> {
        match self {
            Self::Have(raw) => Some(raw),
            Self::Empty | Self::Wanted | Self::Asked => None,
        }
    }
}

/// Weight of a new part in the average (geth's `blockCacheSizeWeight`).
const AVERAGE_WEIGHT: f64 = 0.1;

impl BlockQueue {
    /// Creates an empty queue for the blocks from `first` on.
    pub fn new(first: u64) -> Self {
        Self {
            slots: VecDeque::new(),
            first,
            bodies: PartQueue::new(),
            receipts: PartQueue::new(),
            header_bytes: 0,
            part_bytes: 0,
        }
    }

    fn part_queue(&self, kind: RequestKind) -> &PartQueue {
        match kind {
            RequestKind::Receipts => &self.receipts,
            _ => &self.bodies,
        }
    }

    fn part_queue_mut(&mut self, kind: RequestKind) -> &mut PartQueue {
        match kind {
            RequestKind::Receipts => &mut self.receipts,
            _ => &mut self.bodies,
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// Returns the number of the first block that has not been taken.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Adds the header of the next block; `with_receipts` if its receipts are fetched, too.
    pub fn push(&mut self, header: HashedHeader, with_receipts: bool) {
        debug_assert_eq!(header.header.number, self.first + self.slots.len() as u64);
        self.header_bytes += header.memory();
        let number = header.header.number;
        let part = |part_queue: &mut PartQueue, is_empty: bool| {
            if is_empty {
                Part::Empty
            } else {
                part_queue.wanted.insert(number);
                Part::Wanted
            }
        };
        let body = part(&mut self.bodies, header.is_empty());
        let has_no_receipts = !with_receipts || header.header.receipts_root == EMPTY_ROOT_HASH;
        let receipts = part(&mut self.receipts, has_no_receipts);
        self.slots.push_back(Slot {
            header,
            body,
            receipts,
        });
    }

    /// Takes up to `max` numbers whose parts may be requested now, leaving out those that are
    /// `lacking`. The first block of the queue may always be requested, however many bytes are
    /// held.
    pub fn ask(
        &mut self,
        kind: RequestKind,
        max: usize,
        lacking: impl Fn(u64) -> bool,
    ) -> Vec<u64> {
        let room = FETCHED_BYTES.saturating_sub(self.part_bytes) as f64;
        let end = self.first.saturating_add(FETCHED_BLOCKS as u64);
        let first = self.first;
        let part_queue = self.part_queue(kind);
        let room = ((room / part_queue.average.max(1.0)) as usize).saturating_sub(part_queue.asked);
        let numbers: Vec<u64> = part_queue
            .wanted
            .range(..end)
            .copied()
            .filter(|number| !lacking(*number))
            .enumerate()
            .take(max)
            .take_while(|(index, number)| *index < room || *number == first)
            .map(|(_, number)| number)
            .collect();
        for number in &numbers {
            self.part_queue_mut(kind).wanted.remove(number);
            if let Some(slot) = self.slot_mut(*number) {
                *slot.part_mut(kind) = Part::Asked;
            }
        }
        self.part_queue_mut(kind).asked += numbers.len();
        numbers
    }

    fn slot_mut(&mut self, number: u64) -> Option<&mut Slot> {
        let index = number.checked_sub(self.first)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// Returns the hash of a block in the queue.
    pub fn hash(&self, number: u64) -> Option<B256> {
        let index = number.checked_sub(self.first)?;
        let slot = self.slots.get(usize::try_from(index).ok()?)?;
        Some(slot.header.hash)
    }

    /// Returns true if a part is missing and not requested.
    pub fn is_wanted(&self, kind: RequestKind, number: u64) -> bool {
        self.part_queue(kind).wanted.contains(&number)
    }

    /// Takes back the numbers of a request that did not bring them.
    pub fn requeue(&mut self, kind: RequestKind, numbers: &[u64]) {
        for number in numbers {
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.part_mut(kind), Part::Asked)
            {
                *slot.part_mut(kind) = Part::Wanted;
                let part_queue = self.part_queue_mut(kind);
                part_queue.wanted.insert(*number);
                part_queue.asked -= 1;
            }
        }
    }

    /// Takes an answer to a request for parts of these blocks. The parts come in the order of the
    /// request, and some may be left out. Several peers may have been asked for the same: parts of
    /// blocks that have been taken meanwhile cannot be matched any more, and are accepted without
    /// check.
    pub fn deliver<P: BlockPart>(
        &mut self,
        kind: RequestKind,
        numbers: &[u64],
        parts: Vec<P>,
    ) -> Delivery {
        let mut delivery = Delivery::default();
        let mut passed = numbers.iter().filter(|it| **it < self.first).count();
        let mut open = numbers.iter().enumerate();
        for part in parts {
            let mut ahead = open.clone();
            let place = ahead.find(|(_, number)| {
                self.slot_mut(**number)
                    .is_some_and(|slot| part.belongs_to(&slot.header.header))
            });
            let Some((index, number)) = place else {
                if passed > 0 {
                    passed -= 1;
                    delivery.taken += 1;
                    continue;
                }
                delivery.has_unexpected = true;
                break;
            };
            open = ahead;
            let raw = part.into_raw();
            let size = raw.len();
            let part_queue = self.part_queue_mut(kind);
            part_queue.average += (size as f64 - part_queue.average) * AVERAGE_WEIGHT;
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.part_mut(kind), Part::Asked)
            {
                *slot.part_mut(kind) = Part::Have(raw);
                self.part_queue_mut(kind).asked -= 1;
                self.part_bytes += size;
            }
            delivery.taken += 1;
            delivery.behind_last = index + 1;
        }
        self.requeue(kind, numbers);
        delivery
    }

    /// Returns the first block of the queue if its part is missing and not requested: the import
    /// waits for it.
    pub fn waits_for(&self, kind: RequestKind) -> Option<u64> {
        self.part_queue(kind)
            .wanted
            .first()
            .copied()
            .filter(|number| *number == self.first)
    }

    /// Returns how many blocks from the first on are complete, and the bytes of their parts, as far
    /// as they fit one window. No block above `last` is counted.
    pub fn ready(&self, last: u64) -> (usize, usize) {
        let (mut blocks, mut bytes) = (0, 0);
        let max = (last + 1).saturating_sub(self.first);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        for slot in self.slots.iter().take(WINDOW_BLOCKS.min(max)) {
            let (Some(body), Some(receipts)) = (slot.body.size(), slot.receipts.size()) else {
                break;
            };
            let size = body + receipts;
            if blocks > 0 && bytes + size > WINDOW_BYTES {
                break;
            }
            blocks += 1;
            bytes += size;
        }
        (blocks, bytes)
    }

    /// Takes the first `blocks` blocks, which must be complete.
    pub fn take(&mut self, blocks: usize) -> Vec<RawBlock> {
        let taken: Vec<RawBlock> = self
            .slots
            .drain(..blocks)
            .map(|slot| RawBlock {
                header: slot.header,
                body: slot.body.into_raw(),
                receipts: slot.receipts.into_raw(),
            })
            .collect();
        self.first += taken.len() as u64;
        for block in &taken {
            self.header_bytes -= block.header.memory();
            let parts = [&block.body, &block.receipts];
            let sizes = parts.map(|part| part.as_ref().map_or(0, |raw| raw.len()));
            self.part_bytes -= sizes.iter().sum::<usize>();
        }
        taken
    }
}

/// Outcome of an answer with parts.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Number of parts that belong to requested blocks.
    pub taken: usize,
    /// Index in the request after the last part that arrived.
    pub behind_last: usize,
    /// True if a part belongs to no requested block.
    pub has_unexpected: bool,
}
