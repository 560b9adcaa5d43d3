//! A node around the worker: it performs the actions, and checks that they may follow each other.

mod random;
mod requests;
mod rounds;

use std::{collections::BTreeSet, time::Duration};

use actoreum_chain::{ChainEvent, ChosenFields, SealedHeader};
use actoreum_primitives::{
    Address, B256, Block, Body, Header, LegacyTx, SecretKey, Transaction, TxPayload,
};

use super::*;
use crate::guard::{Guard, Height, Refusal, tests::Disk};

const MINER: Address = Address::repeat_byte(7);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const RECOMMIT: Duration = Duration::from_secs(3);

struct Building {
    order: BuildOrder,
    is_ended: bool,
    is_interrupted: bool,
}

struct Sealing {
    round: u64,
    block: Box<Block>,
    is_abandoned: bool,
}

struct Node {
    worker: Worker,
    view: View,
    pace: Pace,
    building: Option<Building>,
    sealing: Option<Sealing>,
    /// Earlier blocks on which the search for a seal continues.
    searches: Vec<Sealing>,
    importing: Option<Box<Block>>,
    rewinding: Option<u64>,
    guard: Guard<Disk>,
    /// Hashes of the blocks in the chain.
    known: BTreeSet<B256>,
    asked: RequestId,
    answers: Vec<(RequestId, Result<B256, RequestError>)>,
    late: Vec<B256>,
    discarded: Vec<B256>,
    confirmed: Vec<u64>,
    clock: Vec<u64>,
    stops: usize,
    built: u8,
    transaction: Transaction,
}

fn header(number: u64, parent_hash: B256, timestamp: u64, content: u8) -> SealedHeader {
    SealedHeader::new(Header {
        number,
        parent_hash,
        timestamp,
        extra_data: vec![content].into(),
        ..Header::default()
    })
}

impl Node {
    /// Returns a node that seals, with an empty pool, as long as nothing was signed before.
    fn new(pace: Pace) -> Self {
        Self::with_rules(pace, false)
    }

    fn with_rules(pace: Pace, skips_empty_blocks: bool) -> Self {
        let mut node = Self::starting(pace, skips_empty_blocks);
        node.step(|worker, view| worker.on_last_signed(view, None));
        node
    }

    fn starting(pace: Pace, skips_empty_blocks: bool) -> Self {
        let head = header(0, B256::ZERO, 1_000, 0);
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        Self {
            worker: Worker::new(Rules {
                pace,
                skips_empty_blocks,
                own: Vec::new(),
            }),
            view: View {
                now: Duration::ZERO,
                chain_time: Duration::from_secs(1_000),
                pool: Some(PoolView {
                    version: 1,
                    head: head.hash(),
                    pending: 0,
                }),
                head: head.clone(),
                is_sealing: true,
                etherbase: Some(MINER),
                recommit: RECOMMIT,
                chosen: ChosenFields::default(),
                timestamp_interval: None,
            },
            pace,
            building: None,
            sealing: None,
            searches: Vec::new(),
            importing: None,
            rewinding: None,
            guard: Disk::new().open(),
            known: BTreeSet::from([head.hash()]),
            asked: 0,
            answers: Vec::new(),
            late: Vec::new(),
            discarded: Vec::new(),
            confirmed: Vec::new(),
            clock: Vec::new(),
            stops: 0,
            built: 0,
            transaction: TxPayload::Legacy(LegacyTx::default()).sign(&key),
        }
    }

    fn step(&mut self, input: impl FnOnce(&mut Worker, &View) -> Vec<Action>) {
        for action in input(&mut self.worker, &self.view) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::SetClock(time) => {
                self.clock.push(time);
                self.view.chain_time = Duration::from_secs(time);
            }
            Action::Build(order) => self.begin(*order),
            Action::EndFilling => self.building().is_ended = true,
            Action::InterruptBuild => self.building().is_interrupted = true,
            Action::Seal { round, block, .. } => {
                assert!(self.building.is_none(), "sealed while it is built");
                assert!(self.live_sealing().is_none(), "two blocks at the sealer");
                self.sealing = Some(Sealing {
                    round,
                    block,
                    is_abandoned: false,
                });
            }
            Action::AbandonSeal => {
                let sealing = self.sealing.as_mut().expect("a block that is sealed");
                sealing.is_abandoned = true;
            }
            Action::StopSealing => self.stops += 1,
            Action::Import(block) => {
                assert!(self.importing.is_none(), "two imports at once");
                self.importing = Some(block);
            }
            Action::ImportLate(block) => self.late.push(block.hash()),
            Action::DiscardSigned { hash } => self.discarded.push(hash),
            Action::Rewind { to, .. } => {
                assert!(self.building.is_none() && self.importing.is_none());
                self.rewinding = Some(to);
            }
            Action::DropChosen(used) => {
                self.view.chosen.drop_used(used);
            }
            Action::Answer { id, result } => {
                let is_new = self.answers.iter().all(|(answered, _)| *answered != id);
                assert!(is_new && id <= self.asked, "answered twice, or never asked");
                self.answers.push((id, result));
            }
            Action::ReportConfirmed { number, .. } => self.confirmed.push(number),
        }
    }

    fn begin(&mut self, order: BuildOrder) {
        assert!(self.building.is_none(), "two blocks are built at once");
        assert!(self.importing.is_none() && self.rewinding.is_none());
        assert!(self.view.is_sealing || self.waiting() > 0, "not wanted");
        assert_eq!(order.parent, self.view.head);
        assert!(self.live_sealing().is_none(), "a block is being sealed");
        if self.pace == Pace::Search {
            self.searches.extend(self.sealing.take());
        }
        self.building = Some(Building {
            order,
            is_ended: false,
            is_interrupted: false,
        });
    }

    #[track_caller]
    fn building(&mut self) -> &mut Building {
        self.building.as_mut().expect("a block that is built")
    }

    /// Returns the block that the worker waits for. The search for the seal of an earlier one goes
    /// on until another block takes its place.
    fn live_sealing(&self) -> Option<&Sealing> {
        let sealing = self.sealing.as_ref().filter(|it| !it.is_abandoned)?;
        let is_awaited = match &self.worker.phase {
            Phase::Sealing(attempt) => attempt.number == sealing.round,
            _ => self.pace != Pace::Search,
        };
        is_awaited.then_some(sealing)
    }

    /// Returns the number of users who wait for an answer.
    fn waiting(&self) -> u64 {
        self.asked - self.answers.len() as u64
    }

    fn request(&mut self, kind: RequestKind) -> RequestId {
        self.asked += 1;
        let id = self.asked;
        self.step(|worker, view| worker.request(view, id, kind));
        id
    }

    fn answer(&self, of: RequestId) -> Option<&Result<B256, RequestError>> {
        let answer = self.answers.iter().find(|(id, _)| *id == of);
        answer.map(|(_, result)| result)
    }

    /// Lets time pass, and polls the worker whenever it wants to be polled.
    fn sleep(&mut self, pause: Duration) {
        let until = self.view.now + pause;
        for _ in 0..20_000 {
            match self.worker.next_timeout() {
                Some(at) if at <= until => {
                    self.set_time(at.max(self.view.now));
                    self.step(Worker::poll);
                }
                _ => return self.set_time(until),
            }
        }
        panic!("the worker polls without end");
    }

    fn set_time(&mut self, now: Duration) {
        self.view.chain_time += now - self.view.now;
        self.view.now = now;
    }

    /// The pool has another snapshot with this number of transactions, of the current head.
    fn pool_has(&mut self, pending: u64) {
        let version = self.view.pool.map_or(0, |pool| pool.version) + 1;
        self.view.pool = Some(PoolView {
            version,
            head: self.view.head.hash(),
            pending,
        });
        self.step(Worker::check);
    }

    /// Another node's block becomes the head, without an event.
    fn move_head(&mut self) {
        self.built = self.built.wrapping_add(1);
        let (number, time) = (self.view.head.number + 1, self.view.chain_time.as_secs());
        let head = header(number, self.view.head.hash(), time, self.built);
        self.known.insert(head.hash());
        self.view.head = head;
    }

    /// The event of the head arrives.
    fn deliver_head(&mut self) {
        let events = [ChainEvent::Head(self.view.head.clone())];
        self.step(|worker, view| worker.on_chain_changed(view, &events));
        let head = self.view.head.hash();
        if let Some(building) = &self.building {
            assert!(building.is_interrupted || building.order.parent.hash() == head);
        }
        if let Some(sealing) = self.live_sealing() {
            assert_eq!(sealing.block.header.parent_hash, head, "outdated");
        }
    }

    fn new_head(&mut self) {
        self.move_head();
        self.deliver_head();
    }

    fn side_block(&mut self, content: u8) {
        let events = [ChainEvent::Side(header(1, B256::ZERO, 1, content))];
        self.step(|worker, view| worker.on_chain_changed(view, &events));
    }

    fn switch(&mut self, is_sealing: bool) {
        self.view.is_sealing = is_sealing;
        self.step(Worker::on_settings_changed);
        if !is_sealing && self.waiting() == 0 {
            let is_interrupted = |building: &Building| building.is_interrupted;
            assert!(self.building.as_ref().is_none_or(is_interrupted));
            assert!(self.live_sealing().is_none());
        }
    }

    /// The threads have built the block. Returns its number of transactions.
    #[track_caller]
    fn finish_build(&mut self) -> usize {
        let building = self.building.take().expect("a block that is built");
        let order = building.order;
        self.built = self.built.wrapping_add(1);
        let pending = self.view.pool.map_or(0, |pool| pool.pending);
        let count = if order.with_transactions {
            usize::try_from(pending).unwrap()
        } else {
            0
        };
        let block = Block {
            header: Header {
                number: order.parent.number + 1,
                parent_hash: order.parent.hash(),
                timestamp: match order.time {
                    BlockTime::Now => self.view.chain_time.as_secs(),
                    BlockTime::NotBefore(time) => self.view.chain_time.as_secs().max(time),
                    BlockTime::OfParent => order.parent.timestamp,
                    BlockTime::At(time) => time,
                },
                extra_data: vec![self.built].into(),
                ..Header::default()
            },
            body: Body {
                transactions: vec![self.transaction.clone(); count],
                ..Body::default()
            },
        };
        let result = BuildResult::Built {
            block: Box::new(block),
            share: building.is_ended.then_some(0.5),
        };
        self.end_build(result);
        count
    }

    fn end_build(&mut self, result: BuildResult) {
        self.building = None;
        self.step(|worker, view| worker.on_built(view, MILLISECOND, result));
    }

    /// The sealer signs the block, or refuses it, as SealerActor does.
    #[track_caller]
    fn finish_seal(&mut self) {
        let sealing = self.sealing.take().expect("a block that is sealed");
        let result = self.seal(&sealing);
        self.step(|worker, view| worker.on_sealed(view, sealing.round, result));
    }

    fn seal(&mut self, sealing: &Sealing) -> SealResult {
        let block = &sealing.block;
        if self.pace == Pace::Search {
            return SealResult::Sealed(block.clone());
        }
        if sealing.is_abandoned || block.header.parent_hash != self.view.head.hash() {
            return SealResult::Outdated;
        }
        let height = Height {
            number: block.header.number,
            signer: MINER,
            is_shared: true,
        };
        match self.guard.reserve(height) {
            Ok(reservation) => {
                self.guard.remember(reservation, block).unwrap();
                SealResult::Sealed(block.clone())
            }
            Err(Refusal::Signed(before)) => SealResult::SignedBefore(before),
            Err(error) => SealResult::SignedElsewhere(format!("{error:?}")),
        }
    }

    #[track_caller]
    fn end_seal(&mut self, result: SealResult) {
        let sealing = self.sealing.take().expect("a block that is sealed");
        self.step(|worker, view| worker.on_sealed(view, sealing.round, result));
    }

    /// The chain imports the block. Returns its hash.
    #[track_caller]
    fn finish_import(&mut self) -> B256 {
        let block = self.importing.take().expect("a block that is imported");
        let hash = block.hash();
        let result = if self.known.contains(&hash) {
            ImportResult::Imported { is_new: false }
        } else if self.known.contains(&block.header.parent_hash) {
            if block.header.parent_hash == self.view.head.hash() {
                self.view.head = SealedHeader::new(block.header.clone());
            }
            self.known.insert(hash);
            ImportResult::Imported { is_new: true }
        } else {
            ImportResult::UnknownAncestor("unknown ancestor".to_owned())
        };
        self.step(|worker, view| worker.on_imported(view, result));
        hash
    }

    #[track_caller]
    fn end_import(&mut self, result: ImportResult) {
        self.importing = None;
        self.step(|worker, view| worker.on_imported(view, result));
    }

    #[track_caller]
    fn finish_rewind(&mut self) {
        let to = self.rewinding.take().expect("a rewind");
        self.view.head = header(to, B256::ZERO, 1_000, 0);
        self.known.insert(self.view.head.hash());
        self.step(|worker, view| worker.on_rewound(view, Ok(())));
    }

    /// Does everything that has been begun, and nothing more. Returns whether there was something.
    fn finish_all(&mut self) -> bool {
        if self.building.as_ref().is_some_and(|it| it.is_interrupted) {
            self.end_build(BuildResult::Interrupted);
        } else if self.building.is_some() {
            self.finish_build();
        } else if self.sealing.is_some() {
            self.finish_seal();
        } else if self.importing.is_some() {
            self.finish_import();
        } else if self.rewinding.is_some() {
            self.finish_rewind();
        } else {
            return false;
        }
        true
    }

    /// Seals and imports the block that is being built. Returns its hash.
    #[track_caller]
    fn finish_round(&mut self) -> B256 {
        self.finish_build();
        self.finish_seal();
        let hash = self.finish_import();
        self.deliver_head();
        hash
    }
}
