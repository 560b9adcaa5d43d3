//! Blocks between their header and their import.

use std::collections::{BTreeSet, VecDeque};

use actoreum_primitives::{B256, Bytes, EMPTY_ROOT_HASH};

use super::limits::{FETCHED_BLOCKS, FETCHED_BYTES, WINDOW_BLOCKS, WINDOW_BYTES};
use super::peers::Kind;
use crate::parcel::Parcel;
use crate::{BlockParcel, HashedHeader};

/// Headers in the order of their numbers, each with what is known of its body and, where they are
/// fetched, its receipts.
#[derive(Debug)]
pub(super) struct BlockQueue {
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    bodies: Lane,
    receipts: Lane,
    header_bytes: usize,
    part_bytes: usize,
}

/// One kind of parts.
#[derive(Debug)]
struct Lane {
    /// Numbers of blocks whose parts are to be asked for.
    wanted: BTreeSet<u64>,
    /// Parts that are asked for.
    asked: usize,
    /// Bytes of a part, on the average of the last ones.
    average: f64,
}

impl Lane {
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
    fn part_mut(&mut self, kind: Kind) -> &mut Part {
        match kind {
            Kind::Receipts => &mut self.receipts,
            _ => &mut self.body,
        }
    }
}

#[derive(Debug)]
enum Part {
    /// There is nothing to fetch.
    Empty,
    Wanted,
    Asked,
    Have(Bytes),
}

impl Part {
    /// Its bytes, where it is there.
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

/// Weight of a body in the average (geth's `blockCacheSizeWeight`).
const AVERAGE_WEIGHT: f64 = 0.1;

impl BlockQueue {
    /// An empty queue for the blocks from `first` on.
    pub fn new(first: u64) -> Self {
        Self {
            slots: VecDeque::new(),
            first,
            bodies: Lane::new(),
            receipts: Lane::new(),
            header_bytes: 0,
            part_bytes: 0,
        }
    }

    fn lane(&self, kind: Kind) -> &Lane {
        match kind {
            Kind::Receipts => &self.receipts,
            _ => &self.bodies,
        }
    }

    fn lane_mut(&mut self, kind: Kind) -> &mut Lane {
        match kind {
            Kind::Receipts => &mut self.receipts,
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

    /// The number of the first block that is not handed over.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Adds the header of the next block; whether its receipts are wanted, too.
    pub fn push(&mut self, header: HashedHeader, with_receipts: bool) {
        debug_assert_eq!(header.header.number, self.first + self.slots.len() as u64);
        self.header_bytes += header.memory();
        let number = header.header.number;
        let part = |lane: &mut Lane, is_empty: bool| match is_empty {
            true => Part::Empty,
            false => {
                lane.wanted.insert(number);
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

    /// Up to `most` numbers whose parts may be asked for now, of those that are not `lacking`.
    /// The first block of all is always among what may be asked for, whatever is held.
    pub fn ask(&mut self, kind: Kind, most: usize, lacking: impl Fn(u64) -> bool) -> Vec<u64> {
        let room = FETCHED_BYTES.saturating_sub(self.part_bytes) as f64;
        let end = self.first.saturating_add(FETCHED_BLOCKS as u64);
        let first = self.first;
        let lane = self.lane(kind);
        let room = ((room / lane.average.max(1.0)) as usize).saturating_sub(lane.asked);
        let numbers: Vec<u64> = lane
            .wanted
            .range(..end)
            .copied()
            .filter(|number| !lacking(*number))
            .enumerate()
            .take(most)
            .take_while(|(index, number)| *index < room || *number == first)
            .map(|(_, number)| number)
            .collect();
        for number in &numbers {
            self.lane_mut(kind).wanted.remove(number);
            if let Some(slot) = self.slot_mut(*number) {
                *slot.part_mut(kind) = Part::Asked;
            }
        }
        self.lane_mut(kind).asked += numbers.len();
        numbers
    }

    fn slot_mut(&mut self, number: u64) -> Option<&mut Slot> {
        let index = number.checked_sub(self.first)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// The hash of a block in the queue.
    pub fn hash(&self, number: u64) -> Option<B256> {
        let index = number.checked_sub(self.first)?;
        let slot = self.slots.get(usize::try_from(index).ok()?)?;
        Some(slot.header.hash)
    }

    /// Whether a part is to be asked for.
    pub fn is_wanted(&self, kind: Kind, number: u64) -> bool {
        self.lane(kind).wanted.contains(&number)
    }

    /// These were asked for, and did not come.
    pub fn give_back(&mut self, kind: Kind, numbers: &[u64]) {
        for number in numbers {
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.part_mut(kind), Part::Asked)
            {
                *slot.part_mut(kind) = Part::Wanted;
                let lane = self.lane_mut(kind);
                lane.wanted.insert(*number);
                lane.asked -= 1;
            }
        }
    }

    /// Takes an answer to a request for parts of these blocks. They come in the order of the
    /// request, and some may be left out. Others may have been asked for the same: parts of blocks
    /// that have been handed over meanwhile cannot be told from others, and are let pass.
    pub fn deliver<P: Parcel>(&mut self, kind: Kind, numbers: &[u64], parts: Vec<P>) -> Delivery {
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
                delivery.has_junk = true;
                break;
            };
            open = ahead;
            let raw = part.into_raw();
            let size = raw.len();
            let lane = self.lane_mut(kind);
            lane.average += (size as f64 - lane.average) * AVERAGE_WEIGHT;
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.part_mut(kind), Part::Asked)
            {
                *slot.part_mut(kind) = Part::Have(raw);
                self.lane_mut(kind).asked -= 1;
                self.part_bytes += size;
            }
            delivery.taken += 1;
            delivery.behind_last = index + 1;
        }
        self.give_back(kind, numbers);
        delivery
    }

    /// A block whose part nobody was asked for, and that the import waits for.
    pub fn waits_for(&self, kind: Kind) -> Option<u64> {
        self.lane(kind)
            .wanted
            .first()
            .copied()
            .filter(|number| *number == self.first)
    }

    /// How many blocks from the first on are whole, and the bytes of their parts, as far as they
    /// fit one window. No block above `last` is among them.
    pub fn ready(&self, last: u64) -> (usize, usize) {
        let (mut blocks, mut bytes) = (0, 0);
        let most = (last + 1).saturating_sub(self.first);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        for slot in self.slots.iter().take(WINDOW_BLOCKS.min(most)) {
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

    /// Takes the first blocks, which are whole.
    pub fn take(&mut self, blocks: usize) -> Vec<BlockParcel> {
        let taken: Vec<BlockParcel> = self
            .slots
            .drain(..blocks)
            .map(|slot| BlockParcel {
                header: slot.header,
                body: slot.body.into_raw(),
                receipts: slot.receipts.into_raw(),
            })
            .collect();
        self.first += taken.len() as u64;
        for parcel in &taken {
            self.header_bytes -= parcel.header.memory();
            let parts = [&parcel.body, &parcel.receipts];
            let sizes = parts.map(|part| part.as_ref().map_or(0, |raw| raw.len()));
            self.part_bytes -= sizes.iter().sum::<usize>();
        }
        taken
    }
}

/// What an answer with bodies was worth.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Bodies that belong to blocks that were asked for.
    pub taken: usize,
    /// The place in the request behind the last one that came.
    pub behind_last: usize,
    /// There was one that belongs to none.
    pub has_junk: bool,
}
