//! Blocks between their header and their import.

use std::collections::{BTreeSet, VecDeque};

use actoreum_primitives::Bytes;

use super::limits::{FETCHED_BLOCKS, FETCHED_BYTES, WINDOW_BLOCKS, WINDOW_BYTES};
use crate::{BlockParcel, BodyParcel, HashedHeader};

/// Headers in the order of their numbers, each with what is known of its body.
#[derive(Debug)]
pub(super) struct BlockQueue {
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    /// Numbers of blocks whose bodies are to be asked for.
    wanted: BTreeSet<u64>,
    /// Bodies that are asked for.
    asked: usize,
    header_bytes: usize,
    body_bytes: usize,
    /// Bytes of a body, on the average of the last ones.
    average: f64,
}

#[derive(Debug)]
struct Slot {
    header: HashedHeader,
    body: Part,
}

#[derive(Debug)]
enum Part {
    /// There is nothing to fetch.
    Empty,
    Wanted,
    Asked,
    Have(Bytes),
}

/// Weight of a body in the average (geth's `blockCacheSizeWeight`).
const AVERAGE_WEIGHT: f64 = 0.1;

impl BlockQueue {
    /// An empty queue for the blocks from `first` on.
    pub fn new(first: u64) -> Self {
        Self {
            slots: VecDeque::new(),
            first,
            wanted: BTreeSet::new(),
            asked: 0,
            header_bytes: 0,
            body_bytes: 0,
            average: 1_024.0,
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

    /// Adds the header of the next block.
    pub fn push(&mut self, header: HashedHeader) {
        debug_assert_eq!(header.header.number, self.first + self.slots.len() as u64);
        self.header_bytes += header.memory();
        let body = match header.is_empty() {
            true => Part::Empty,
            false => {
                self.wanted.insert(header.header.number);
                Part::Wanted
            }
        };
        self.slots.push_back(Slot { header, body });
    }

    /// Up to `most` numbers whose bodies may be asked for now, of those that are not `lacking`.
    /// The first block of all is always among what may be asked for, whatever is held.
    pub fn ask(&mut self, most: usize, lacking: impl Fn(u64) -> bool) -> Vec<u64> {
        let room = FETCHED_BYTES.saturating_sub(self.body_bytes) as f64;
        let room = ((room / self.average.max(1.0)) as usize).saturating_sub(self.asked);
        let end = self.first.saturating_add(FETCHED_BLOCKS as u64);
        let first = self.first;
        let numbers: Vec<u64> = self
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
            self.wanted.remove(number);
            if let Some(slot) = self.slot_mut(*number) {
                slot.body = Part::Asked;
            }
        }
        self.asked += numbers.len();
        numbers
    }

    fn slot_mut(&mut self, number: u64) -> Option<&mut Slot> {
        let index = number.checked_sub(self.first)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// The hash of a block in the queue.
    pub fn hash(&self, number: u64) -> Option<actoreum_primitives::B256> {
        let index = number.checked_sub(self.first)?;
        let slot = self.slots.get(usize::try_from(index).ok()?)?;
        Some(slot.header.hash)
    }

    /// Whether a body is to be asked for.
    pub fn is_wanted(&self, number: u64) -> bool {
        self.wanted.contains(&number)
    }

    /// These were asked for, and did not come.
    pub fn give_back(&mut self, numbers: &[u64]) {
        for number in numbers {
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.body, Part::Asked)
            {
                slot.body = Part::Wanted;
                self.wanted.insert(*number);
                self.asked -= 1;
            }
        }
    }

    /// Takes an answer to a request for the bodies of these blocks. They come in the order of the
    /// request, and some may be left out.
    pub fn deliver(&mut self, numbers: &[u64], bodies: Vec<BodyParcel>) -> Delivery {
        let mut delivery = Delivery::default();
        let mut open = numbers.iter().enumerate();
        for body in bodies {
            let place = open.find(|(_, number)| {
                self.slot_mut(**number)
                    .is_some_and(|slot| body.belongs_to(&slot.header.header))
            });
            let Some((index, number)) = place else {
                delivery.has_junk = true;
                break;
            };
            let size = body.raw.len();
            self.average += (size as f64 - self.average) * AVERAGE_WEIGHT;
            if let Some(slot) = self.slot_mut(*number)
                && matches!(slot.body, Part::Asked)
            {
                slot.body = Part::Have(body.raw);
                self.asked -= 1;
                self.body_bytes += size;
            }
            delivery.taken += 1;
            delivery.behind_last = index + 1;
        }
        self.give_back(numbers);
        delivery
    }

    /// A block whose body nobody was asked for, and that the import waits for.
    pub fn waits_for(&self) -> Option<u64> {
        self.wanted
            .first()
            .copied()
            .filter(|number| *number == self.first)
    }

    /// How many blocks from the first on are whole, and the bytes of their bodies, as far as they
    /// fit one window.
    pub fn ready(&self) -> (usize, usize) {
        let (mut blocks, mut bytes) = (0, 0);
        for slot in self.slots.iter().take(WINDOW_BLOCKS) {
            let size = match &slot.body {
                Part::Empty => 0,
                Part::Have(raw) => raw.len(),
                Part::Wanted | Part::Asked => break,
            };
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
                body: match slot.body {
                    Part::Have(raw) => Some(raw),
                    Part::Empty | Part::Wanted | Part::Asked => None,
                },
            })
            .collect();
        self.first += taken.len() as u64;
        for parcel in &taken {
            self.header_bytes -= parcel.header.memory();
            self.body_bytes -= parcel.body.as_ref().map_or(0, |raw| raw.len());
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
